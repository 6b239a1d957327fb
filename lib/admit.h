#ifndef TELE_ADMIT_H
#define TELE_ADMIT_H

#include "lib/catalogue.h"
#include "lib/update.h"

/*
 * Admission in two steps: tele_admit_decide looks at one update with the catalogue alone (no database, any thread);
 * tele_admit hands a batch to the database's admit(), which knows people and rights and has the last word.
 */
struct tele_decision {
	const char *action;   /* what admit() is asked to do: run, ask, answer, badanswer, invalid, unknown, a built-in's name, text, chatter,
	                         callback, mychat, migrate, ignore */
	long long command_id; /* 0: none */
	char *args;           /* run, ask: JSON object, values as of tele_parameter_read; "" else. This and the following are owned */
	char *line;           /* command line as typed, secrets masked; callback: what is wrong with the command line of its button */
	char *reply;          /* invalid, badanswer: the complaint; unknown: the name that was asked for; callback: its data */
	char *extra;          /* unknown: near names; text, chatter: "file" for a document alone; a built-in: the word after it; answer: the value, as JSON; callback: its id; mychat: status; migrate: new id */
	long long version;    /* of the catalogue it was decided with */
};

/* Never fails for its data; TELE_NOMEM. Release with tele_decision_release; deciding again releases first. */
enum tele_err tele_admit_decide(const struct tele_catalogue *c, const struct tele_update *u, struct tele_decision *d) TELE_MUST;
void tele_decision_release(struct tele_decision *d);

/*
 * For what is admitted singly. A text: whether its person is being asked for something there, and whether it is that; the decision
 * becomes answer or badanswer, or stays as it is. A pressed button that stands for a command line: the line is read as if it had been
 * typed, into command_id and args. TELE_NOMEM, and the errors of tele_db_run.
 */
enum tele_err tele_admit_answer(struct tele_db *db, const struct tele_catalogue *c, const struct tele_update *u, struct tele_decision *d,
    int timeout_ms) TELE_MUST;

enum tele_outcome {
	TELE_ADMIT_UNKNOWN,
	TELE_ADMIT_TASK,
	TELE_ADMIT_REPLY,    /* answered at once, refusals included */
	TELE_ADMIT_IGNORED,  /* duplicate, or nothing for us */
	TELE_ADMIT_DEFERRED  /* must be admitted singly; nothing was written */
};

/* One update of a batch. */
struct tele_admission {
	const struct tele_update *update;
	const struct tele_decision *decision;
	enum tele_outcome outcome; /* set by tele_admit */
	const char *word;          /* admit()'s word for it, for logs; static */
};

/*
 * Admits n updates in one transaction; rate is how many messages a person may send in ten seconds (0: any): sorted by update_id, at most one a chat and a person, all decided with this version.
 * TELE_OK: committed, outcomes set. TELE_CONFLICT: the version is stale, nothing was written: load the catalogue, decide again.
 * TELE_INVALID: some of the data was refused, nothing was written: admit one by one. TELE_RETRY: the same again.
 * TELE_DB: away, or the result of the commit is unknown: the update must come again.
 */
enum tele_err tele_admit(struct tele_db *db, long long version, bool single, long rate, struct tele_admission *list, size_t n, int timeout_ms) TELE_MUST;

/* Keeps an update that is refused even alone (its body cleaned), so that it can be answered 200. */
enum tele_err tele_admit_reject(struct tele_db *db, long long update_id, const char *reason, const char *body, size_t n, int timeout_ms) TELE_MUST;

#endif
