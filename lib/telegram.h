#ifndef TELE_TELEGRAM_H
#define TELE_TELEGRAM_H

#include "lib/err.h"

#include <curl/curl.h>

struct json_object;

/* The Bot API over one libcurl multi handle: connections are kept, requests run side by side, nothing blocks. */
struct tele_telegram;

/* What an answer means for who asked (core.telegram.org/bots/api, "Making requests" and "ResponseParameters"). */
enum tele_verdict {
	TELE_TG_OK,
	TELE_TG_NOT_MODIFIED, /* already as wanted: success */
	TELE_TG_TOO_OLD,      /* a callback query nobody waits for any more */
	TELE_TG_WAIT,         /* 429: after retry_after seconds */
	TELE_TG_MIGRATED,     /* the group is the supergroup migrate_to now */
	TELE_TG_BLOCKED,      /* 403: blocked, kicked, deactivated */
	TELE_TG_BAD_ENTITIES,
	TELE_TG_NO_THREAD,    /* the topic is gone */
	TELE_TG_REFUSED,      /* any other 400 or 404: never */
	TELE_TG_TOKEN,        /* 401: the token is wrong */
	TELE_TG_AWAY          /* 5xx, or no answer: again later */
};

struct tele_answer {
	void *tag;
	enum tele_verdict verdict;
	long retry_after;      /* seconds */
	long long migrate_to;
	long long message_id;  /* of the message sent or edited; 0: none */
	struct json_object *result; /* owned by the telegram object, until the next call of it; NULL: none */
	const char *words;     /* Telegram's, or libcurl's; never holds the token; valid as result */
};

/* base as https://api.telegram.org. NULL: no memory. Call curl_global_init before. */
struct tele_telegram *tele_telegram_new(const char *base, const char *token, long timeout_s);
void tele_telegram_free(struct tele_telegram *t);

/* Starts POST method with a JSON body (copied). tag comes back with the answer. */
enum tele_err tele_telegram_call(struct tele_telegram *t, const char *method, const char *json, void *tag) TELE_MUST;
/* Requests under way. */
int tele_telegram_active(const struct tele_telegram *t);
/* Waits for traffic or for one of the descriptors, at most timeout_ms, and moves requests on. */
void tele_telegram_wait(struct tele_telegram *t, struct curl_waitfd *fds, unsigned n, int timeout_ms);
/* The next finished request; TELE_EMPTY: none. */
enum tele_err tele_telegram_next(struct tele_telegram *t, struct tele_answer *answer) TELE_MUST;

/* Reads an answer's body; http is the status, 0 if there was none. Used by tele_telegram_next; here for tests. */
enum tele_verdict tele_telegram_judge(long http, struct json_object *body, struct tele_answer *answer);

#endif
