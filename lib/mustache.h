#ifndef TELE_MUSTACHE_H
#define TELE_MUSTACHE_H

#include "lib/buf.h"

#include <stdint.h>

/*
 * One mustache template as flat code (mustache.github.io/mustache.5.html; the public specification with its optional inheritance,
 * without lambdas). How pages use it is lib/template.h; this is between compiler and renderer (lib/render.h).
 *
 * Steps follow each other; a section's, call's or block's body is what stands between it and its jump:
 *	{{a}} VALUE             {{#a}}x{{/a}} SECTION x END      {{^a}}x{{/a}} INVERTED x        {{>p}} CALL
 *	{{$b}}x{{/b}} BLOCK x   {{<p}}{{$b}}x{{/b}}{{/p}} CALL ARGUMENT x
 */
enum tele_op {
	TELE_OP_TEXT,
	TELE_OP_VALUE,
	TELE_OP_RAW,      /* a value, unescaped */
	TELE_OP_SECTION,
	TELE_OP_INVERTED,
	TELE_OP_END,      /* of a section: its next round, from jump */
	TELE_OP_CALL,     /* another template, a partial or parent */
	TELE_OP_BLOCK,    /* what its callers gave under its name, else its body */
	TELE_OP_ARGUMENT, /* its body is for the blocks of its name in the template called */
	TELE_OPS
};

struct tele_mustache;

struct tele_step {
	uint8_t op;
	bool line;     /* stands at a line's start: a partial's indentation comes before it */
	bool within;   /* CALL, BLOCK: stands within a line, which has its indentation already */
	uint8_t nkeys; /* of a dotted name; 0: the value itself, {{.}} */
	uint32_t key;  /* the first of them; or the name */
	uint32_t jump; /* where the body ends (of a call: its arguments); END: where it begins */
	uint32_t at, len; /* in the template's text: what is written, or the indentation */
	uint32_t source;  /* line */
	const struct tele_mustache *target; /* CALL: set by who links; NULL: there is no such template, which gives nothing */
};

struct tele_key {
	uint32_t at;        /* in the template's text, NUL-terminated */
	unsigned long hash; /* as json-c's objects use it */
};

struct tele_mustache {
	char *name;
	char *file; /* for messages */
	struct tele_buf text;
	struct tele_step *steps;
	uint32_t nsteps;
	struct tele_key *keys;
	uint32_t nkeys;
};

enum { TELE_MUSTACHE_MOST = 1024 * 1024 }; /* bytes of a template's source */

/*
 * Compiles n bytes of text into *m, all zero before but for name and file, which stay the caller's until the release.
 * whole: also what pages may not have, {{{unescaped}}} {{&values}} and stray text around a parent's blocks.
 * TELE_INVALID: a line "file:line: what" is added to why. Release in any case.
 */
enum tele_err tele_mustache_compile(struct tele_mustache *m, const char *text, size_t n, bool whole, struct tele_buf *why) TELE_MUST;
/* Frees all, name and file too, but not m. */
void tele_mustache_release(struct tele_mustache *m);

/* The name of a call, block or argument; the first part of a dotted one. */
const char *tele_mustache_name(const struct tele_mustache *m, const struct tele_step *s);

#endif
