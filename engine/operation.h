#ifndef ENGINE_OPERATION_H
#define ENGINE_OPERATION_H

#include "engine/lane.h"

struct json_object;

/* What each operation of the outbox asks of the Bot API (core.telegram.org/bots/api). */
struct operation {
	const char *op, *method;
	/*
	 * Fills the request. *last: nothing of the row is left after it. TELE_EMPTY: there is nothing in it that Telegram would take.
	 * TELE_INVALID: the row lacks what the operation needs. TELE_NOMEM.
	 */
	enum tele_err (*build)(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *request, bool *last);
	bool is_message; /* counts in the limits of chat and bot; edits do too (tdlib/td#2592) */
	bool in_parts;   /* a long text is sent as several */
	bool with_file;  /* its document goes along */
	bool is_live;    /* its text changes while it waits: the newest is fetched when it may go; until it is final it uses half of the limits */
	bool is_edit;    /* it changes the message it has become */
	bool is_fetch;   /* what it answers is downloaded then */
	bool is_fleeting; /* of no use later: what cannot be done now is left */
};

/* NULL: this version does not know it. */
const struct operation *operation_of(const struct tele_outbox_row *row);

#endif
