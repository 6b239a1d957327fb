#ifndef TELE_TASK_H
#define TELE_TASK_H

#include "lib/db.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* A file among the arguments of a task: the engine fetches it before the task runs. */
struct tele_task_file {
	long long id;
	char *parameter, *name;
	int fd;        /* what there is of it, in a file without a name; -1: nothing yet */
	int parts;     /* so many are there */
	bool complete;
};

/* A task that this engine has claimed: what engine_step() says of it. Owned strings; tele_task_release frees. */
struct tele_task {
	long long id;
	int attempt;
	char *kind, *command, *program, *template;
	char **argv; /* templates of arguments */
	size_t nargv;
	struct json_object *args;   /* texts by parameter name */
	struct json_object *sealed; /* secret ones, as tele_seal made them; see engine/secrets.h */
	struct tele_task_file *files;
	size_t nfiles;
	struct json_object *call;   /* sql, http: what is asked, as command_call() has it; NULL for others */
	int timeout_s, grace_s;
	long output_limit; /* bytes */
	bool idempotent;
	bool logged;       /* its output is kept */
	bool long_running; /* its output is shown while it runs */
	char *line, *login, *person;
	long long telegram_id, chat_id, thread_id, message_id, update_id;
	double waited_s; /* from its admission to this claim, by the database's clock */
	bool internal; /* asked for by nobody: what it prints is a list of choices, a line a value */
};

/* How a task ended. Owned strings, "" for none; tele_result_release frees. */
struct tele_result {
	long long task_id;
	int attempt;
	const char *state; /* done, failed, timeout, cancelled, lost; static */
	int exit_status;   /* -1: none */
	int signal;        /* -1: none */
	char *reason;
	double started_at, finished_at; /* seconds since 1970 */
	char *text;        /* what the chat is told; "": nothing */
	char *entities;    /* JSON array or "" */
	char *document;    /* sent as a file, with text beside it; "": none */
	char *output;      /* what is kept; valid UTF-8 */
	long long output_bytes;
	bool output_cut;
};

/* What a running task has printed so far, as its chat is shown it. */
struct tele_live {
	long long task_id;
	char *text, *entities; /* as in tele_result */
};

/* What an engine sends in one round trip. */
struct tele_step {
	long long engine_id, epoch;
	bool extend;  /* the lease */
	int want;     /* claims at most */
	const long long *started;
	size_t nstarted;
	const struct tele_live *live;
	size_t nlive;
	struct tele_result *const *results;
	size_t nresults;
};

enum tele_answer_kind { TELE_ANSWER_CLAIM, TELE_ANSWER_CANCEL, TELE_ANSWER_AGAIN, TELE_ANSWER_FENCED };

/* Starts engine_step(); the answer is fetched with tele_db_result and read with tele_task_read. */
enum tele_err tele_task_step(struct tele_db *db, const struct tele_step *step) TELE_MUST;
/*
 * Reads row of the answer: CLAIM fills task; CANCEL only its id and attempt, and person: who asked; AGAIN (a limit was being
 * counted by somebody else) and FENCED nothing. Release task in any case.
 * TELE_NOMEM, TELE_INVALID (an answer this version does not know).
 */
enum tele_err tele_task_read(const PGresult *res, int row, enum tele_answer_kind *kind, struct tele_task *task) TELE_MUST;

void tele_task_release(struct tele_task *task);
void tele_result_release(struct tele_result *result);
void tele_live_release(struct tele_live *live);

#endif
