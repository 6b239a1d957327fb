#include "lib/secret.h"

#include <sodium.h>
#include <string.h>

bool tele_secret_fits(const char *expected, const char *given)
{
	unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];

	/* Of one length, whatever was given. */
	crypto_generichash(a, sizeof a, (const unsigned char *)expected, strlen(expected), NULL, 0);
	crypto_generichash(b, sizeof b, (const unsigned char *)given, strlen(given), NULL, 0);
	return !sodium_memcmp(a, b, sizeof a);
}
