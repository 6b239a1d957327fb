#ifndef TELE_ARRAY_H
#define TELE_ARRAY_H

#include "lib/buf.h"

#include <stdbool.h>

/*
 * A PostgreSQL array literal under construction, one dimension, for a parameter in text format.
 * Zero-initialise; add elements; tele_array_text; tele_array_release. Memory trouble is remembered in .buf.failed.
 * (PostgreSQL documentation, "Array Input and Output Syntax".)
 */
struct tele_array {
	struct tele_buf buf;
};

void tele_array_int(struct tele_array *a, long long value);
void tele_array_bool(struct tele_array *a, bool value);
void tele_array_str(struct tele_array *a, const char *value); /* NULL adds a null */
/* The literal, "{}" when empty; owned by a, valid until the next change. */
const char *tele_array_text(struct tele_array *a);
void tele_array_reset(struct tele_array *a);
void tele_array_release(struct tele_array *a);

/* Reads a text[] literal as the server prints it. *items and its strings are freed with tele_array_free. */
enum tele_err tele_array_parse(const char *literal, char ***items, size_t *n) TELE_MUST;
void tele_array_free(char **items, size_t n);

#endif
