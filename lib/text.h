#ifndef TELE_TEXT_H
#define TELE_TEXT_H

#include "lib/buf.h"

#include <stdint.h>

/*
 * UTF-8 as Telegram counts it. Lengths of messages and offsets of entities are UTF-16 units
 * (core.telegram.org/api/entities, "Entity length").
 */

/* Bytes of the valid UTF-8 character at text, of n bytes (RFC 3629), and which it is; 0: there is none. */
size_t tele_text_decode(const char *text, size_t n, uint32_t *character);
/* Adds n bytes as valid UTF-8 without NUL: every invalid sequence becomes U+FFFD, NUL is left out. */
void tele_text_clean(struct tele_buf *out, const char *bytes, size_t n);
/*
 * What a terminal would show of n bytes of valid UTF-8: colours and other escape sequences (ECMA-48) left out, a line that was written
 * over (carriage return, backspace) as it stands in the end, no other control characters but tab and line end.
 */
void tele_text_terminal(struct tele_buf *out, const char *text, size_t n);
/* UTF-16 units of n bytes of valid UTF-8. */
size_t tele_text_units(const char *text, size_t n);
/* How many bytes of text fit into units, never ending within a character. */
size_t tele_text_cut(const char *text, size_t n, size_t units);
/* The same from the end: where the tail that fits into units begins. */
size_t tele_text_tail(const char *text, size_t n, size_t units);
/*
 * Length in bytes of the next part of a text that is sent in parts of at most units: the whole rest if it fits, else up to and
 * with the last line end in the second half, else as much as fits.
 */
size_t tele_text_part(const char *text, size_t n, size_t units);

#endif
