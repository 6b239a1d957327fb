#ifndef TELE_DECIMAL_H
#define TELE_DECIMAL_H

#include "lib/buf.h"

/*
 * Numbers as people and files write them, compared digit by digit: no locale, no rounding. What is a number: an optional sign,
 * digits with at most one point among them, an optional exponent; at most 64 digits, an exponent from -308 to 308.
 */
bool tele_decimal_is(const char *text);
/* Less than, equal to or greater than 0 as a is less than, equal to or greater than b. Both are numbers. */
int tele_decimal_compare(const char *a, const char *b);
/* The number as JSON writes it (RFC 8259), its value and its digits kept: "+.5" is "0.5", "007" is "7". */
void tele_decimal_write(struct tele_buf *out, const char *number);

#endif
