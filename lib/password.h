#ifndef TELE_PASSWORD_H
#define TELE_PASSWORD_H

#include "lib/err.h"

/* Passwords of administrators: yescrypt by crypt(3), at the library's own cost. */
enum { TELE_PASSWORD_LEAST = 10, TELE_PASSWORD_MOST = 256, TELE_PASSWORD_HASH = 384, TELE_PASSWORD_GENERATED = 20 };

/* One that nobody guesses and everybody can type: letters and digits that are not taken for one another. */
void tele_password_generate(char out[TELE_PASSWORD_GENERATED + 1]);
/* The hash of a password. TELE_SYSTEM: this system's crypt(3) has no yescrypt. */
enum tele_err tele_password_hash(const char *password, char out[TELE_PASSWORD_HASH]) TELE_MUST;
/*
 * TELE_OK: it is the one; TELE_DENIED: it is not. Without a hash (NULL) it takes as long and is denied: whether there is such a
 * login cannot be told from the time. One password is hashed at a time, since each takes many megabytes; others wait.
 */
enum tele_err tele_password_check(const char *password, const char *hash) TELE_MUST;

#endif
