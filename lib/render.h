#ifndef TELE_RENDER_H
#define TELE_RENDER_H

#include "lib/mustache.h"

struct json_object;

enum {
	TELE_RENDER_CALLS = 32,  /* partials, parents and blocks within each other */
	TELE_RENDER_LEVELS = 128 /* sections within each other, over all of them */
};

/*
 * Runs a linked template on data and adds what it writes to out. Recursion and memory are bounded: about 7 KiB of stack, nothing
 * allocated but out (and an indentation, if partials are indented). TELE_INVALID: nested too deep, why says where; TELE_NOMEM.
 * out is then cut back to what it was.
 */
enum tele_err tele_render(const struct tele_mustache *m, struct json_object *data, struct tele_buf *out, struct tele_buf *why) TELE_MUST;

#endif
