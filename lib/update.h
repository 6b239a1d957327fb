#ifndef TELE_UPDATE_H
#define TELE_UPDATE_H

#include "lib/buf.h"

#include <stdbool.h>

struct json_object;

/* A document that came with a message, or that the message answers. */
struct tele_attachment {
	const char *file_id; /* "": none */
	const char *name;    /* as its sender called it; "" when not told */
	long long size;      /* 0: not told */
	bool answered;       /* it hangs on the message that this one answers */
};

/* What an update is to us; everything Telegram may send beyond that is TELE_UPDATE_OTHER. */
enum tele_update_kind {
	TELE_UPDATE_OTHER,
	TELE_UPDATE_MESSAGE,  /* a new message with a text, caption or document, in a private chat, group or supergroup */
	TELE_UPDATE_CALLBACK, /* a pressed button */
	TELE_UPDATE_MEMBER,   /* the bot's own membership changed */
	TELE_UPDATE_MIGRATED  /* the group became a supergroup */
};

/*
 * An update as it came. Strings are valid UTF-8 without NUL, "" when absent, and live as long as the update.
 * Fields are those of core.telegram.org/bots/api, "Update", "Message", "User", "Chat".
 */
struct tele_update {
	long long update_id;
	enum tele_update_kind kind;
	long long from_id; /* 0: nobody who could be identified (channels, anonymous administrators, other bots) */
	const char *username, *first_name, *last_name, *language;
	long long chat_id; /* 0: none */
	const char *chat_type, *chat_title;
	long long thread_id; /* 0: none, or the General topic */
	long long message_id;
	bool forwarded;          /* or sent through another bot: somebody else's words */
	const char *text;        /* text or caption; "" for a document alone */
	struct tele_attachment document;
	const char *callback_id; /* TELE_UPDATE_CALLBACK */
	const char *callback_data;
	const char *member_status; /* TELE_UPDATE_MEMBER: the bot's new status */
	long long migrated_to;     /* TELE_UPDATE_MIGRATED: the supergroup's id */
	struct json_object *json;  /* owns the strings */
	char *owned[8];
	int nowned;
};

/*
 * Reads one update of n bytes. A well-formed update is an object with an integer update_id, whatever else it holds.
 * TELE_INVALID: it is not; why (static text) says what is wrong. Release with tele_update_release.
 */
enum tele_err tele_update_parse(struct tele_update *u, const char *body, size_t n, const char **why) TELE_MUST;
void tele_update_release(struct tele_update *u);
/* The update as JSON with everything that somebody wrote, or pressed, taken out of it. Memory trouble is in out->failed. */
void tele_update_masked(const struct tele_update *u, struct tele_buf *out);

/* The kinds of updates that are acted on, as allowed_updates names them: the i-th from 0, static; NULL: there is none. */
const char *tele_update_wanted(size_t i);

#endif
