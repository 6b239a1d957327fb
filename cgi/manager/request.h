#ifndef MANAGER_REQUEST_H
#define MANAGER_REQUEST_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

/* name=value pairs, as queries and forms have them; decoded, valid UTF-8, in their order. */
struct request_pair {
	const char *name, *value;
};

struct request_pairs {
	char *text; /* what the pairs point into */
	struct request_pair *list;
	size_t n;
};

/* TELE_INVALID: a broken escape, NUL, invalid UTF-8 or more than REQUEST_PAIRS of them. Release in any case. */
enum { REQUEST_PAIRS = 8192, REQUEST_BODY = 1024 * 1024 };
enum tele_err request_pairs_parse(struct request_pairs *p, const char *text, size_t n) TELE_MUST;
/* For what has read them elsewhere into text. */
enum tele_err request_add(struct request_pairs *p, const char *name, const char *value) TELE_MUST;
void request_pairs_release(struct request_pairs *p);
/* The first value of a name, "" when there is none. */
const char *request_get(const struct request_pairs *p, const char *name);
/* The next value of a name that may come several times; *at begins as 0. NULL: no more. */
const char *request_next(const struct request_pairs *p, const char *name, size_t *at);
bool request_has(const struct request_pairs *p, const char *name);

/* Where a request comes from: FastCGI, or a test. */
struct request_source {
	const char *(*param)(void *context, const char *name); /* "" when there is none; stays valid as long as the request */
	size_t (*read)(void *context, char *out, size_t n);     /* the body; fewer bytes: it ended */
	void *context;
};

struct request {
	const char *method;  /* HEAD is GET: the answer is cut elsewhere */
	const char *path;
	const char *query_text;
	const char *address; /* of who asks */
	const char *agent;
	const char *cookies;
	const char *site;    /* Sec-Fetch-Site; "" from old browsers */
	struct request_pairs query;
	struct request_pairs form;
	bool post;
};

/*
 * Takes all of a request, at most REQUEST_BODY of body: a form as browsers send it, with a file (parts.h) or without. TELE_INVALID: it makes no sense (400); TELE_CONFLICT: the body is too large
 * (413); TELE_DENIED: the body is no form (415). Release in any case.
 */
enum tele_err request_take(struct request *r, const struct request_source *source) TELE_MUST;
void request_release(struct request *r);

/* Valid UTF-8 without NUL. */
bool request_is_text(const char *text, size_t n);

/* A cookie of the header's. False: there is none, or it does not fit. */
bool request_cookie(const char *cookies, const char *name, char *out, size_t size);

#endif
