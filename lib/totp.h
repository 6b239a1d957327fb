#ifndef TELE_TOTP_H
#define TELE_TOTP_H

#include "lib/buf.h"

#include <stdint.h>
#include <time.h>

/* Second factor: time-based one-time passwords (RFC 6238), SHA-1, 6 digits, 30 seconds, as every authenticator app has them. */
enum { TELE_TOTP_BYTES = 20, TELE_TOTP_CODE = 16 };

/* tele_totp_init: once, before the others. */
enum tele_err tele_totp_init(void) TELE_MUST;
void tele_totp_secret(unsigned char out[TELE_TOTP_BYTES]);
/* otpauth://totp/TeleOps:LOGIN?…, for a QR code; and the secret in base32, in groups of four, for who types it. */
enum tele_err tele_totp_address(const unsigned char *secret, const char *login, struct tele_buf *address, struct tele_buf *typed) TELE_MUST;
/*
 * Whether a code (blanks are left out) is of now, or of 30 seconds before or after. *step is then its time step, which grows: one that
 * is not above the last one used has been used. TELE_DENIED: it is not.
 */
enum tele_err tele_totp_check(const unsigned char *secret, size_t n, const char *code, time_t now, uint64_t *step) TELE_MUST;

/* A code for who has lost the second factor: 80 bits, as abcd-efgh-jkmn-pqrs. */
void tele_totp_recovery(char out[TELE_TOTP_CODE + 4]);
/* As it was typed, in the form that tele_totp_recovery gave; false: it cannot be one. */
bool tele_totp_recovery_typed(const char *typed, char out[TELE_TOTP_CODE + 4]);

#endif
