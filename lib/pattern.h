#ifndef TELE_PATTERN_H
#define TELE_PATTERN_H

#include "lib/buf.h"

/*
 * Regular expressions that whole values are held against: PCRE2 (pcre2pattern(3)) over UTF-8, compiled to machine code where the
 * library can. Matching has limits, so that no pattern makes anybody wait. Safe between threads.
 */
struct tele_pattern;

/* TELE_INVALID: why says what is wrong and at which character, from 1. TELE_NOMEM. */
enum tele_err tele_pattern_compile(const char *text, struct tele_pattern **out, struct tele_buf *why) TELE_MUST;
/* TELE_OK: the whole of value fits. TELE_INVALID: it does not. TELE_SYSTEM: nobody can tell, the limits were reached. */
enum tele_err tele_pattern_match(const struct tele_pattern *p, const char *value) TELE_MUST;
void tele_pattern_free(struct tele_pattern *p);

#endif
