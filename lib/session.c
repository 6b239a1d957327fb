#include "lib/session.h"

#include <sodium.h>
#include <string.h>

enum { BYTES = 32 };

_Static_assert(sodium_base64_ENCODED_LEN(BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == TELE_SESSION_TOKEN + 1, "a token holds 32 bytes");

static void encode(const unsigned char *bytes, char *out)
{
	sodium_bin2base64(out, TELE_SESSION_TOKEN + 1, bytes, BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void tele_session_token(char out[TELE_SESSION_TOKEN + 1])
{
	unsigned char bytes[BYTES];

	randombytes_buf(bytes, sizeof bytes);
	encode(bytes, out);
	sodium_memzero(bytes, sizeof bytes);
}

bool tele_session_is_token(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return strlen(text) == TELE_SESSION_TOKEN && strspn(text, letters) == TELE_SESSION_TOKEN;
}

void tele_session_hash(const char *text, char out[TELE_SESSION_HASH + 1])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(out, TELE_SESSION_HASH + 1, hash, sizeof hash);
}

void tele_session_form_token(const char *token, char out[TELE_SESSION_TOKEN + 1])
{
	static const unsigned char purpose[] = "teleops form";
	unsigned char made[BYTES];

	/* Keyed by the session's token, so it cannot be worked back, nor made without it. */
	crypto_generichash(made, sizeof made, purpose, sizeof purpose, (const unsigned char *)token, TELE_SESSION_TOKEN);
	encode(made, out);
}

bool tele_session_form_fits(const char *token, const char *given)
{
	char wanted[TELE_SESSION_TOKEN + 1], a[TELE_SESSION_HASH + 1], b[TELE_SESSION_HASH + 1];

	tele_session_form_token(token, wanted);
	tele_session_hash(wanted, a);
	tele_session_hash(given, b);
	return !sodium_memcmp(a, b, TELE_SESSION_HASH);
}

bool tele_session_is_local(const char *place)
{
	/* Browsers read // and /\ as the begin of a host, and leave tabs and line ends out before they look. */
	if (place[0] != '/' || place[1] == '/')
		return false;
	for (const char *p = place; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == '\\' || (unsigned char)*p >= 0x7f)
			return false;
	return true;
}
