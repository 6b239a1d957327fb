#ifndef ENGINE_TABLE_H
#define ENGINE_TABLE_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Rows of texts, and how people are shown them. Zero-initialise; memory that ran out is remembered in .failed. */
struct table {
	size_t columns, rows;
	char **names;
	bool *right;  /* numbers stand on the right */
	char **cells; /* row by row; NULL: no value */
	size_t room;
	size_t bytes; /* of all cells */
	bool failed;
};

void table_begin(struct table *t, size_t columns);
void table_name(struct table *t, size_t column, const char *name, bool right);
/* values: one a column, NULL for none; copied. */
void table_add(struct table *t, const char *const *values);
/* Characters that table_text would need at most, without padding being left out. */
size_t table_area(const struct table *t);
/* Columns of the same width with two spaces between, a cell in one line; without a line end after the last. */
void table_text(const struct table *t, struct tele_buf *out);
/* RFC 4180, with a line of names; no value is an empty one without quotes. */
void table_csv(const struct table *t, struct tele_buf *out);
void table_release(struct table *t);

#endif
