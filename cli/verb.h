#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "lib/conf.h"

#include <stdbool.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* What every verb is given: settings, and its own words after the options that are taken out. */
struct call {
	const struct tele_conf *conf;
	const char *conf_errors; /* what is wrong with them, lines; "" but for a verb that runs all the same */
	int argc;    /* words left, the verb not counted */
	char **argv;
	bool json, dry_run, prune, generate, reset_password, drop_pending;
	const char *first_name, *last_name, *certificate, *ip_address, *head, *answers, *root;
	long max_connections; /* 0: not given */
	long chat, topic;     /* 0: not given */
};

int verb_setup(const struct call *c);
int verb_migrate(const struct call *c);
int verb_apply(const struct call *c);
int verb_export(const struct call *c);
int verb_admin_create(const struct call *c);
int verb_status(const struct call *c);
int verb_task_show(const struct call *c);
int verb_schedule_list(const struct call *c);
int verb_hook_create(const struct call *c);
int verb_hook_renew(const struct call *c);
int verb_hook_list(const struct call *c);
int verb_hook_delete(const struct call *c);
int verb_chat_list(const struct call *c);
int verb_chat_allow(const struct call *c);
int verb_chat_forbid(const struct call *c);
int verb_audit_verify(const struct call *c);
int verb_webhook_set(const struct call *c);
int verb_webhook_info(const struct call *c);
int verb_webhook_delete(const struct call *c);
int verb_poll(const struct call *c);
int verb_conf_reference(const struct call *c);
int verb_doctor(const struct call *c);
int verb_secret_keygen(const struct call *c);
int verb_secret_seal(const struct call *c);

/* What there is to say besides, for --help: what setup asks; the keys of the file that apply reads; how a poller is run, how keys are exchanged. */
void setup_describe(void);
void apply_describe(void);
void poll_describe(void);
void secret_describe(void);
void seal_describe(void);

#endif
