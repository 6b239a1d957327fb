#ifndef TELE_TELEGRAM_H
#define TELE_TELEGRAM_H

#include "lib/err.h"

#include <curl/curl.h>
#include <stddef.h>

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
	long code;             /* Telegram's error_code, or the HTTP status; 0: there was no answer */
	long retry_after;      /* seconds */
	long long migrate_to;
	long long message_id;  /* of the message sent or edited; 0: none */
	struct json_object *result; /* owned by the telegram object, until the next call of it; NULL: none */
	long long expires;     /* of the certificate that was looked at, seconds since 1970; 0: not told */
	long long server_time; /* its clock, seconds since 1970, from the answer's head; 0: not told */
	const char *words;     /* Telegram's, or libcurl's; never holds the token; valid as result */
};

/* base as https://api.telegram.org. NULL: no memory. Call curl_global_init before. */
struct tele_telegram *tele_telegram_new(const char *base, const char *token, long timeout_s);
/* Another address or token from the next call on; calls under way keep theirs. TELE_NOMEM: the former stay. */
enum tele_err tele_telegram_set(struct tele_telegram *t, const char *base, const char *token) TELE_MUST;
/* Ends what is under way, as tele_telegram_abort. */
void tele_telegram_free(struct tele_telegram *t);

/* Starts POST method with a JSON body (copied). tag comes back with the answer. */
enum tele_err tele_telegram_call(struct tele_telegram *t, const char *method, const char *json, void *tag) TELE_MUST;
/* The same with a time limit of its own: for getUpdates, which the server answers when it likes. */
enum tele_err tele_telegram_call_within(struct tele_telegram *t, const char *method, const char *json, long timeout_s, void *tag) TELE_MUST;

/*
 * Bytes on their way, called from within tele_telegram_wait and tele_telegram_resume. take: n bytes came. give: up to room bytes are
 * wanted, *n of them there are. TELE_RETRY: not now, the request waits for tele_telegram_resume. Anything else ends it.
 */
typedef enum tele_err tele_telegram_take(const char *bytes, size_t n, void *arg);
typedef enum tele_err tele_telegram_give(char *to, size_t room, size_t *n, void *arg);

/* A file that goes along with a call. All of it is copied, but what give brings. */
struct tele_telegram_file {
	const char *field; /* the parameter it is, as document */
	const char *name;  /* file name, without a path */
	const char *type;  /* as text/plain; charset=utf-8 */
	const void *bytes;
	size_t size;
	/* brings size bytes instead of bytes, a few at a time; from_start: again from the first on */
	tele_telegram_give *give;
	void (*from_start)(void *arg);
	void *arg;
};

/*
 * Starts POST method as multipart/form-data (core.telegram.org/bots/api#sending-files): params, an object or NULL, copied, a field
 * each, and the file. It gets a second more than a call for each 32 KiB.
 */
enum tele_err tele_telegram_upload(struct tele_telegram *t, const char *method, struct json_object *params,
    const struct tele_telegram_file *file, void *tag) TELE_MUST;

/*
 * Starts to download what getFile calls file_path (core.telegram.org/bots/api#file), of most bytes at most, into take. The answer has
 * a verdict and words alone; TELE_TG_REFUSED also where take ended it.
 */
enum tele_err tele_telegram_download(struct tele_telegram *t, const char *path, long long most, tele_telegram_take *take, void *arg,
    void *tag) TELE_MUST;
/* What waits for it goes on. */
void tele_telegram_resume(struct tele_telegram *t, const void *tag);
/* Ends one request under way, now; it gets no answer. */
void tele_telegram_cancel(struct tele_telegram *t, const void *tag);

/*
 * Starts to look at the certificate that an address, ours, serves: a TLS handshake, and nothing is asked. Whose it is and whether it is
 * good is not judged: the verdict is TELE_TG_OK with expires, or TELE_TG_AWAY with words.
 */
enum tele_err tele_telegram_look(struct tele_telegram *t, const char *url, void *tag) TELE_MUST;

/* Ends all requests under way, now; none of them gets an answer. Whether Telegram acted on them nobody knows. */
void tele_telegram_abort(struct tele_telegram *t);
/* Requests under way. */
int tele_telegram_active(const struct tele_telegram *t);
/* Waits for traffic or for one of the descriptors, at most timeout_ms, and moves requests on. */
void tele_telegram_wait(struct tele_telegram *t, struct curl_waitfd *fds, unsigned n, int timeout_ms);
/* The next finished request; TELE_EMPTY: none. */
enum tele_err tele_telegram_next(struct tele_telegram *t, struct tele_answer *answer) TELE_MUST;

/* Reads an answer's body; http is the status, 0 if there was none. Used by tele_telegram_next; here for tests. */
enum tele_verdict tele_telegram_judge(long http, struct json_object *body, struct tele_answer *answer);

#endif
