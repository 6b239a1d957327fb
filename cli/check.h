#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "lib/buf.h"
#include "lib/conf.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct json_object;
struct tele_telegram;

/*
 * The checks of teleops doctor, in the order of its table. A check looks at one thing and says what it found; what it learns for those
 * after it stays in struct doctor. None of them ends the process or writes anything.
 */
struct doctor {
	const struct tele_conf *conf;
	const char *conf_errors;     /* lines, "" for none */
	PGconn *db;                  /* NULL: it could not be reached */
	struct json_object *facts;   /* of config_doctor(); NULL: it could not be asked */
	struct tele_buf facts_error; /* why not */
	double clock_off_s;          /* of the database against ours, with facts */
	struct tele_telegram *telegram;
	char bot[80];                /* what getMe said, without the @; "": nothing */
	double telegram_off_s;       /* of Telegram's clock against ours */
	bool telegram_time;          /* whether that is known */
	bool app_away;               /* teleapp could not be reached */
	bool polling;                /* Telegram said that there is no webhook */
};

enum level { LEVEL_UNKNOWN, LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };

/* Zero-initialised: nothing was looked at, because what it needs is not there; another check tells that. */
struct finding {
	enum level level;
	struct tele_buf text;
	const char *todo; /* what to do about it; NULL when all is well */
};

/* Said several times, the worst counts; findings of the same level stand beside each other. todo must stay valid. */
void check_ok(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void check_warn(struct finding *f, const char *todo, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_fail(struct finding *f, const char *todo, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

typedef void check_function(struct doctor *d, struct finding *f);

/* check_conf.c */
check_function check_settings, check_users, check_exec_dir, check_run_dir, check_work_dir, check_keys;
/* check_database.c */
check_function check_database, check_schema, check_grants, check_app_database, check_durability, check_replication, check_transactions,
    check_history, check_updates, check_database_clock, check_engines, check_queues, check_programs, check_hooks, check_sender;
/* check_bot.c */
check_function check_token, check_bot, check_webhook, check_secret, check_telegram_clock;
/* check_connection.c */
check_function check_connections;
/* check_front.c */
check_function check_telebot, check_telemanager, check_webhook_port, check_admin_port, check_certificate;

/* Members of an object; 0, false, "" when it is not there or null. */
long long check_number(struct json_object *o, const char *key);
bool check_flag(struct json_object *o, const char *key);
const char *check_text(struct json_object *o, const char *key);
struct json_object *check_list(struct json_object *o, const char *key); /* NULL: there is none */

/* Warns when the file of a secret may be read by everybody. */
void check_secret_file(struct finding *f, const char *path);

#endif
