#ifndef TELE_CONF_H
#define TELE_CONF_H

#include "lib/buf.h"

/*
 * Settings: `key = value` lines of the file named by TELEOPS_CONFIG (default SYSCONFDIR/teleops/teleops.conf, which may be
 * missing), then TELEOPS_KEY of the environment, which wins. An empty value is as good as none. The table in conf.c is
 * the only list of keys. Strings belong to the struct.
 */
struct tele_conf {
	char *database;       /* libpq conninfo of telemanager */
	char *app_database;   /* libpq conninfo of teleapp, or NULL */
	char *api_base;       /* https://api.telegram.org */
	char *bot_token;      /* read from bot_token_file if that is set */
	char *bot_token_file;
	char *webhook_secret; /* read from webhook_secret_file if that is set */
	char *webhook_secret_file;
	char *metrics_token;  /* read from metrics_token_file if that is set; NULL: only loopback sees /metrics */
	char *metrics_token_file;
	char *webhook_url;    /* what Telegram is told; NULL: not known */
	char *bot_socket;     /* of telebot.fcgi */
	char *manager_socket; /* of telemanager.fcgi */
	char *certificate;    /* that nginx serves; NULL: not known */
	long webhook_port;    /* of nginx here; 0: none */
	long admin_port;
	char *secret_public_key; /* base64: what TeleBot seals secret arguments with */
	char *secret_key_file;   /* the keys that engines open them with */
	char *exec_dir;       /* programs that exec commands may run */
	char *connection_dir; /* where sql and http commands may go */
	char *call_program;   /* telecall, which carries those out */
	char *run_dir;        /* lock files */
	char *work_dir;       /* working directories of commands */
	long results_files, results_megabytes; /* what a command may leave there to be sent: so many, each so large */
	char *schema_dir;     /* migrations */
	char *template_dir;   /* pages */
	char *queues;         /* comma-separated */
	char *engine_labels;  /* comma-separated key=value */
	char *engine_name;    /* NULL: the host's name */
	char *engine_user;    /* whom the engine becomes once its runner is forked */
	char *command_user;   /* whom commands run as, unless a policy says otherwise */
	char *http_user;      /* whom requests of http commands are made as */
	char *log_level;
	char *log_format;
	long slots;           /* tasks at once */
	long acceptors;       /* threads of telebot.fcgi */
	long writers;         /* database connections of telebot.fcgi */
	long batch;           /* updates admitted at once */
	long person_rate;     /* messages of one person within ten seconds; 0: no limit */
	long keep_history_days, keep_output_days; /* 0: for ever */
	long grace_s;         /* how long TERM waits for what runs */
	long poll_ms;         /* how often an engine looks without having been rung for */
	long send_rate;       /* messages a second over all; 0: no limit */
	long send_burst;
	long send_rate_chat;  /* messages a second in a chat; 0: no limit */
	long send_burst_chat;
	long send_rate_group; /* messages a minute in a group; 0: no limit */
	long send_parallel;   /* requests at once */
	long pages_connections; /* database connections of telemanager.fcgi */
	long session_idle_min, session_hours; /* how long one stays signed in to the pages */
	bool insecure_same_user;
};

/*
 * Reads all settings. TELE_INVALID: err says what is wrong, with file and line or variable, one line each.
 * Release with tele_conf_release, also after an error.
 */
enum tele_err tele_conf_load(struct tele_conf *conf, struct tele_buf *err) TELE_MUST;
void tele_conf_release(struct tele_conf *conf);

/* TELE_INVALID and a line in err naming each setting of the list (NULL-terminated) that has no value. */
enum tele_err tele_conf_require(const struct tele_conf *conf, struct tele_buf *err, const char *const *keys) TELE_MUST;

/* The table of settings as text, a line a key: name, default, one line why. For --help and documentation. */
void tele_conf_describe(struct tele_buf *out);

/* The same as a file of settings, every line of it a comment: teleops.conf.example, and what teleops.conf(5) is made from. */
void tele_conf_example(struct tele_buf *out);

#endif
