#ifndef TELE_STMT_H
#define TELE_STMT_H

/* Every statement a program runs again and again, prepared once a connection. The table is in stmt.c. */
enum tele_stmt {
	TELE_STMT_NONE, /* where there is no statement */
	TELE_STMT_CATALOGUE_HEAD,
	TELE_STMT_CATALOGUE,
	TELE_STMT_ADMIT,
	TELE_STMT_UPDATE_REJECT,
	TELE_STMT_NOTIFY,
	TELE_STMT_ENGINE_START,
	TELE_STMT_ENGINE_STOP,
	TELE_STMT_ENGINE_RESUME,
	TELE_STMT_ENGINE_DESCRIBE,
	TELE_STMT_ENGINE_STEP,
	TELE_STMT_JANITOR,
	TELE_STMT_SENDER_LEAD,
	TELE_STMT_OUTBOX_TAKE,
	TELE_STMT_OUTBOX_FILE,
	TELE_STMT_OUTBOX_SETTLE,
	TELE_STMT_BOT_SEEN,
	TELE_STMT_BOT_WEBHOOK,
	TELE_STMT_HEALTH,
	/* TeleManager's: each takes who asks and what, and gives one document (docs/pages.md). */
	TELE_STMT_MANAGER_SESSION,
	TELE_STMT_MANAGER_SIGNIN,
	TELE_STMT_MANAGER_SIGNED_IN,
	TELE_STMT_MANAGER_SIGN_OUT,
	TELE_STMT_MANAGER_HISTORY,
	TELE_STMT_MANAGER_ORGANIZATIONS,
	TELE_STMT_MANAGER_ORGANIZATION,
	TELE_STMT_MANAGER_ORGANIZATION_SAVE,
	TELE_STMT_MANAGER_ORGANIZATION_REMOVE,
	TELE_STMT_COUNT
};

struct tele_stmt_text {
	const char *name;
	const char *sql; /* parameters are cast, so that PREPARE needs no types */
	int params;
};

const struct tele_stmt_text *tele_stmt_text(enum tele_stmt stmt);

#endif
