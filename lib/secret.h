#ifndef TELE_SECRET_H
#define TELE_SECRET_H

#include <stdbool.h>

/* Whether two secrets are the same; the time it takes tells neither length nor place of a difference. Call sodium_init before. */
bool tele_secret_fits(const char *expected, const char *given);

#endif
