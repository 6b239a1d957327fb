#include "lib/totp.h"

#include <liboath/oath.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 30, DIGITS = 6, WINDOW = 1, GROUP = 4 };

/* 32 letters and digits that are not taken for one another. */
static const char letters[] = "abcdefghjkmnpqrstuvwxyz123456789";

_Static_assert(sizeof letters == 33, "five bits a letter");

enum tele_err tele_totp_init(void)
{
	return oath_init() == OATH_OK ? TELE_OK : TELE_SYSTEM;
}

void tele_totp_secret(unsigned char out[TELE_TOTP_BYTES])
{
	randombytes_buf(out, TELE_TOTP_BYTES);
}

enum tele_err tele_totp_address(const unsigned char *secret, const char *login, struct tele_buf *address, struct tele_buf *typed)
{
	char *base32 = NULL;
	size_t n;

	if (oath_base32_encode((const char *)secret, TELE_TOTP_BYTES, &base32, &n) != OATH_OK)
		return TELE_NOMEM;
	/* A login has no character that would need escaping here but @. */
	tele_buf_str(address, "otpauth://totp/TeleOps:");
	for (const char *p = login; *p; p++)
		*p == '@' ? tele_buf_str(address, "%40") : tele_buf_char(address, *p);
	tele_buf_printf(address, "?secret=%s&issuer=TeleOps", base32);
	for (size_t i = 0; i < n; i++) {
		if (i && i % GROUP == 0)
			tele_buf_char(typed, ' ');
		tele_buf_char(typed, base32[i]);
	}
	sodium_memzero(base32, n);
	free(base32);
	return address->failed || typed->failed ? TELE_NOMEM : TELE_OK;
}

enum tele_err tele_totp_check(const unsigned char *secret, size_t n, const char *code, time_t now, uint64_t *step)
{
	char digits[DIGITS + 1];
	size_t len = 0;
	int place;

	for (; *code; code++) {
		if (strchr(" \t-", *code))
			continue;
		if (*code < '0' || *code > '9' || len == DIGITS)
			return TELE_DENIED;
		digits[len++] = *code;
	}
	digits[len] = '\0';
	if (len != DIGITS)
		return TELE_DENIED;
	return oath_totp_validate3((const char *)secret, n, now, STEP, 0, WINDOW, &place, step, digits) >= 0 ? TELE_OK : TELE_DENIED;
}

static void add_letter(char *out, size_t *at, char letter)
{
	if (*at % (GROUP + 1) == GROUP)
		out[(*at)++] = '-';
	out[(*at)++] = letter;
}

void tele_totp_recovery(char out[TELE_TOTP_CODE + 4])
{
	size_t at = 0;

	for (int i = 0; i < TELE_TOTP_CODE; i++)
		add_letter(out, &at, letters[randombytes_uniform(sizeof letters - 1)]);
	out[at] = '\0';
}

bool tele_totp_recovery_typed(const char *typed, char out[TELE_TOTP_CODE + 4])
{
	size_t at = 0;
	int n = 0;

	for (; *typed; typed++) {
		char c = *typed >= 'A' && *typed <= 'Z' ? (char)(*typed | 0x20) : *typed;

		if (strchr(" \t-", c))
			continue;
		if (n++ == TELE_TOTP_CODE || !strchr(letters, c))
			return false;
		add_letter(out, &at, c);
	}
	out[at] = '\0';
	return n == TELE_TOTP_CODE;
}
