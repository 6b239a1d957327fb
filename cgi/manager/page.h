#ifndef MANAGER_PAGE_H
#define MANAGER_PAGE_H

#include "cgi/manager/request.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/pool.h"
#include "lib/session.h"
#include "lib/template.h"

#include <json-c/json.h>
#include <pthread.h>

/*
 * A visit: one request from its begin to its answer. A handler asks the database with page_ask, builds an object, and answers with
 * page_render, page_redirect or page_json. What a handler returns other than TELE_OK becomes a page of its own:
 * TELE_NOTFOUND 404, TELE_DENIED 403, TELE_INVALID 400, TELE_DB 503, anything else 500.
 */
struct manager {
	const struct tele_conf *conf;
	struct tele_pool *pool;
	struct tele_templates *templates;
	struct tele_metrics *metrics;
	pthread_mutex_t metrics_lock; /* while they are taken and stored */
};

/* What it needs to be let in; see route.h. */
enum page_need {
	PAGE_MACHINE,   /* asked by machines: nobody's session is looked for, so it answers while the database is away */
	PAGE_PUBLIC,    /* anybody's, to sign in */
	PAGE_SIGNED_IN, /* any administrator's */
	PAGE_VIEW,      /* who may view its area */
	PAGE_CHANGE     /* who may change its area */
};

struct visit {
	struct manager *m;
	struct request in;
	const struct route *route;   /* NULL: none fits */
	const char *id;              /* what stands in the path for {id}; "" */
	char id_text[128];
	/* who */
	long long user;              /* 0: nobody is signed in */
	char zone[64];
	char token[TELE_SESSION_TOKEN + 1]; /* of the session, or of the sign-in form; "": none yet */
	struct json_object *who;     /* what manager_session told; NULL: nobody */
	/* the answer */
	const char *status;
	const char *type;
	struct tele_buf headers;
	struct tele_buf body;
	struct json_object *flash;   /* shown with the next page, this one or the one redirected to */
	/* for pages that are sent while they are made */
	void (*send)(void *sink, const char *bytes, size_t n);
	void *sink;
	bool streaming;
};

enum { PAGE_ROWS = 50 };

/*
 * Runs one of the manager_ functions: it is told who asks, from where, in which zone, and input (NULL: {}; stays the caller's).
 * *out is the caller's to put. TELE_NOTFOUND: the function gave null. TELE_INVALID: it could not make sense of the input.
 */
enum tele_err page_ask(struct visit *v, enum tele_stmt stmt, struct json_object *input, struct json_object **out) TELE_MUST;

/* Answers with a template. data (may be NULL) is put; what the layout needs is added to it. */
enum tele_err page_render(struct visit *v, const char *template, struct json_object *data) TELE_MUST;
/* 303 to one of our own paths. */
enum tele_err page_redirect(struct visit *v, const char *path) TELE_MUST;
/* Says something on the next page: what[key] = value, for templates/part/flash.html. value is taken over; NULL: true. */
void page_flash(struct visit *v, const char *key, struct json_object *value);
/* A header line of its own, as "Retry-After: 3". */
void page_header(struct visit *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A cookie for this host alone; max_age 0: till the browser ends, below 0: no more. */
void page_cookie(struct visit *v, const char *name, const char *value, long max_age);
/* Answers with an error page, status as "404 Not Found"; it has a template error/404. */
enum tele_err page_error(struct visit *v, const char *status) TELE_MUST;

/* Begins an answer that is sent while it is made: a download of that name. Then page_send; nothing else may be answered. */
void page_stream(struct visit *v, const char *type, const char *filename);
void page_send(struct visit *v, const char *bytes, size_t n);

/* Whether who is signed in may view or change an area; NULL: any. */
bool page_may(const struct visit *v, const char *area, enum page_need need);

/* Helpers for building documents; they take value over. NULL is fine for a value: null. */
void page_set(struct json_object *o, const char *key, struct json_object *value);
void page_set_text(struct json_object *o, const char *key, const char *value);
void page_set_bool(struct json_object *o, const char *key, bool value);
/* A member's text, "" where there is none. */
const char *page_text(struct json_object *o, const char *key);
struct json_object *page_get(struct json_object *o, const char *key);
/* Adds name=value to an address, with ? or & and escaped. */
void page_address(struct tele_buf *address, const char *name, const char *value);

#endif
