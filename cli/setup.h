#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "cli/verb.h"
#include "lib/buf.h"
#include "lib/conf.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * teleops setup is two tables: questions (setup.c), each with a check of its answer, and steps (setup_steps.c). Nothing is changed before
 * every answer is good. A step looks what is so already and changes the rest, so that a second run changes nothing.
 */

/* In the order in which they are asked: a check may rely on the answers before it. */
enum answer {
	ANSWER_API,
	ANSWER_TOKEN,
	ANSWER_HOST,
	ANSWER_UPDATES,
	ANSWER_WEBHOOK_PORT,
	ANSWER_ADMIN_PORT,
	ANSWER_CERTIFICATE,
	ANSWER_KEY,
	ANSWER_SOCKET,
	ANSWER_DB_PORT,
	ANSWER_ADMIN,
	ANSWER_PASSWORD,
	ANSWER_PEOPLE,
	ANSWERS
};

#define SETUP_ETC TELE_SYSCONFDIR "/teleops"
#define SETUP_POLLING "polling"
#define SETUP_WEBHOOK "webhook"
#define SETUP_SELF_SIGNED "self-signed"
#define SETUP_CERTBOT "certbot"

enum { SETUP_TOKEN_MOST = 256, SETUP_HOST_MOST = 253, SETUP_SOON_DAYS = 14 };

struct setup {
	const struct call *call;
	const char *root;             /* "", or the directory that stands for / (--root) */
	bool asking;                  /* a person answers, else a file */
	char *answer[ANSWERS];        /* ours; NULL: not answered yet */
	bool good[ANSWERS];           /* passed its check */
	char token[SETUP_TOKEN_MOST]; /* wiped at the end */
	char bot[80];                 /* getMe's name */
	char *certificate, *key;      /* files that are there already; NULL: one is to be made */
	bool tell_certificate;        /* no authority has signed it, so Telegram gets it with the webhook */
	bool restart;                 /* what programs read at their start has changed */
	bool reload_nginx;
	bool new_secret;              /* the webhook's secret or certificate is another now */
	int changed;                  /* steps that changed something */
};

/* An answer's key in a file of answers. */
const char *setup_key(enum answer i);
bool setup_polls(const struct setup *s);
/* Whether files are only written below a directory, so that nothing can be started. */
bool setup_elsewhere(const struct setup *s);

/* The checks. False: why says what is wrong and what to do. */
typedef bool setup_check(struct setup *s, const char *value, struct tele_buf *why);
/* setup_check.c */
setup_check setup_check_api, setup_check_token, setup_check_host, setup_check_updates, setup_check_webhook_port, setup_check_admin_port,
    setup_check_socket, setup_check_db_port, setup_check_login, setup_check_password, setup_check_people;
/* setup_certificate.c */
setup_check setup_check_certificate, setup_check_key;
/* Whether Telegram can reach the host by its name: it has a public address. */
bool setup_is_public(const char *host);

/* setup_port.c: who listens on a port of this host; false: nobody. */
bool setup_port_holder(long port, char *name, size_t size);

/* What a step says of itself; of several the greatest holds. */
enum outcome { SETUP_SAME, SETUP_DONE, SETUP_FAILED };
typedef enum outcome setup_step(struct setup *s, struct tele_buf *said);

/* setup_steps.c: carries all of them out, a line each; false after the first that failed. */
bool setup_carry_out(struct setup *s);
/* setup_database.c */
setup_step setup_roles, setup_peers, setup_databases, setup_schema, setup_admin, setup_people;
/* As a system user and a role; NULL: why says why not. */
PGconn *setup_connect(const struct setup *s, const char *user, const char *role, const char *database, struct tele_buf *why);
void setup_conninfo(const struct setup *s, const char *role, const char *database, struct tele_buf *out);
/* setup_certificate.c */
setup_step setup_certificate;
/* setup_start.c */
setup_step setup_nginx, setup_programs, setup_webhook, setup_health;
/* What to start by hand where no systemd runs. */
void setup_tell_start(const struct setup *s);

/* setup_file.c. Paths are the host's own; they are looked for below root. */
void setup_path(const struct setup *s, const char *path, char *out, size_t size);
/* The text of a file, to be freed; NULL: errno says why not. */
char *setup_read(const char *path);
/* Makes a file what it is to be, whole or not at all. user NULL: a file that is there keeps its owner, a new one is root's. */
enum outcome setup_put(const struct setup *s, const char *path, const char *text, const char *user, mode_t mode, struct tele_buf *said);
enum outcome setup_link(const struct setup *s, const char *path, const char *target, struct tele_buf *said);
enum outcome setup_directory(const struct setup *s, const char *path, mode_t mode, struct tele_buf *said);
/* text with the line of key set to value, which may be NULL for none; between is what stands between both. Freed by the caller. */
char *setup_with_line(const char *text, const char *key, const char *between, const char *value);

enum outcome setup_worst(enum outcome a, enum outcome b);

#endif
