#ifndef ENGINE_CALL_H
#define ENGINE_CALL_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/*
 * telecall carries out one command of kind sql or http: a process of its own below a supervisor, which the engine's loop never waits
 * for, and which TERM ends. What to ask comes as a JSON object on descriptor 3 (engine/ask.c) and nowhere else, so that neither the
 * arguments nor the environment tell anything; what it prints is the result, its exit status whether that is a success.
 */
struct call {
	struct json_object *all;
	struct json_object *what;       /* command_call() of the schema */
	struct json_object *args, *secrets, *connection;
	const char *password; /* the connection's; NULL: none */
	bool is_secret;       /* a value given by a person is secret: what the other side says of it is not repeated */
	bool is_list;   /* nobody reads it: the values of the first column, or of a list, a line each */
	long long task, timeout_s;
	size_t limit;         /* bytes of output */
	size_t units;         /* longer texts become a file */
};

typedef int call_function(const struct call *c);
call_function call_sql, call_http;

/* Members of an object: "", NULL, 0 when it is not there or null. */
const char *call_text(struct json_object *o, const char *key);
struct json_object *call_member(struct json_object *o, const char *key);
long long call_number(struct json_object *o, const char *key);
/* The value of a parameter, secret or not; NULL: it was left out. */
const char *call_value(const struct call *c, const char *name);

/* Says what is wrong; returns the exit status. */
int call_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
