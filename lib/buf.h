#ifndef TELE_BUF_H
#define TELE_BUF_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing string. Zero-initialise, add, look at .data (always NUL-terminated once something was added; see
 * tele_buf_str), then tele_buf_release. Running out of memory is remembered in .failed: check it once, at the end.
 */
struct tele_buf {
	char *data;
	size_t len;
	size_t size;
	bool failed;
};

void tele_buf_add(struct tele_buf *b, const void *bytes, size_t n);
void tele_buf_str(struct tele_buf *b, const char *s);
void tele_buf_char(struct tele_buf *b, char c);
void tele_buf_int(struct tele_buf *b, long long value); /* in decimal */
void tele_buf_printf(struct tele_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text so far, "" when nothing was added; owned by b, valid until the next change. */
const char *tele_buf_text(const struct tele_buf *b);
/* Forgets the contents, keeps the memory. */
void tele_buf_reset(struct tele_buf *b);
/* Hands the text over to the caller, who frees it; "" when empty; NULL without memory. b is empty afterwards. */
char *tele_buf_detach(struct tele_buf *b);
void tele_buf_release(struct tele_buf *b);
/* Overwrites the contents, for what was secret; release it all the same. What the text was before it grew is not reached. */
void tele_buf_wipe(struct tele_buf *b);

#endif
