#ifndef TELE_OUTBOX_H
#define TELE_OUTBOX_H

#include "lib/array.h"
#include "lib/db.h"

#include <stdbool.h>

struct json_object;

enum { TELE_MESSAGE_UNITS = 4096 }; /* UTF-16 units a message may have (core.telegram.org/bots/api#sendmessage) */

/* An operation taken from the outbox. Owned; tele_outbox_row_free. */
struct tele_outbox_row {
	struct tele_outbox_row *next; /* for whoever holds it */
	long long id;
	char *op;
	long long chat_id; /* 0: none */
	bool group;        /* group, supergroup or channel: has a limit of its own */
	bool in_lane;      /* ordered in its chat */
	long long thread_id, reply_to; /* 0: none */
	char *text;
	struct json_object *entities, *markup, *params; /* NULL: none */
	long long task_id, update_id;
	int version;
	bool final;           /* live: nothing comes after this version */
	bool fresh;           /* live: text and version are the newest; see tele_outbox_fetch */
	long long message_id; /* live: the message that is edited; 0: not sent yet */
	int parts_sent;
	int attempts;
	double expires_s;  /* from when it was taken; HUGE_VAL: never */
	double expires_at; /* the same by the clock of whoever holds it */
	double age_s;      /* since it was written, when it was taken, by the database's clock */
	double written_at; /* when that was, by the clock of whoever holds it */
	bool blocked;
	char *file_name;   /* its document, once tele_outbox_read_file has it; NULL: not yet */
	unsigned char *file;
	size_t file_size;
	long long file_id; /* its document is a file in parts, of file_size bytes; 0: it is all in file */
};

enum tele_err tele_outbox_take(struct tele_db *db, long long epoch, struct tele_array *busy, int limit) TELE_MUST;
/* Row i of the answer to tele_outbox_take. */
enum tele_err tele_outbox_read(const PGresult *res, int i, struct tele_outbox_row **row) TELE_MUST;
/* Asks for what a row taken needs when it is sent: its document, or, of one that is overwritten while it waits (live), the newest text. */
enum tele_err tele_outbox_fetch(struct tele_db *db, long long epoch, const struct tele_outbox_row *row) TELE_MUST;
/* The answer to it. TELE_NOTFOUND: there is none. TELE_NOMEM. */
enum tele_err tele_outbox_fetched(const PGresult *res, struct tele_outbox_row *row) TELE_MUST;
void tele_outbox_row_free(struct tele_outbox_row *row);

/* What became of rows, collected until it can be stored. Zero-initialise. */
struct tele_settlements {
	struct tele_array id, outcome, version, parts, message_id, reason;
	size_t n;
};

/* outcome: sent, part, failed, dead, blocked, expired, moved, anew; see outbox_settle() in the schema. */
void tele_settlements_add(struct tele_settlements *s, const struct tele_outbox_row *row, const char *outcome, long long message_id,
    const char *reason);
enum tele_err tele_settlements_send(struct tele_db *db, long long epoch, struct tele_settlements *s) TELE_MUST;
void tele_settlements_reset(struct tele_settlements *s);
void tele_settlements_release(struct tele_settlements *s);

/*
 * The part of a row's text that comes after `part` parts, with the entities that lie in it, clipped and shifted. *last: no part
 * follows. *text is the caller's; *entities too, NULL: none. TELE_EMPTY: there is no such part. TELE_NOMEM.
 */
enum tele_err tele_outbox_part(const struct tele_outbox_row *row, int part, char **text, struct json_object **entities, bool *last) TELE_MUST;

/* The beginning of a row's text that fits into so many UTF-16 units, with its entities; both are the caller's. TELE_NOMEM. */
enum tele_err tele_outbox_head(const struct tele_outbox_row *row, size_t units, char **text, struct json_object **entities) TELE_MUST;

#endif
