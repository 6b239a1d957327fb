#include "lib/password.h"

#include <crypt.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)TELE_PASSWORD_HASH >= (int)CRYPT_OUTPUT_SIZE, "a hash fits");

/* Keeps ten sign-ins at once from taking a hundred times the memory of everything else. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* setting: a hash, or a salt. */
static enum tele_err run(const char *password, const char *setting, char out[TELE_PASSWORD_HASH])
{
	struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB: more than a thread's stack should bear */
	enum tele_err rc = TELE_SYSTEM;

	if (!data)
		return TELE_NOMEM;
	pthread_mutex_lock(&one_at_a_time);
	if (crypt_r(password, setting, data) && data->output[0] == '$') {
		memcpy(out, data->output, CRYPT_OUTPUT_SIZE);
		rc = TELE_OK;
	}
	pthread_mutex_unlock(&one_at_a_time);
	sodium_memzero(data, sizeof *data);
	free(data);
	return rc;
}

void tele_password_generate(char out[TELE_PASSWORD_GENERATED + 1])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

	for (int i = 0; i < TELE_PASSWORD_GENERATED; i++)
		out[i] = letters[randombytes_uniform(sizeof letters - 1)];
	out[TELE_PASSWORD_GENERATED] = '\0';
}

enum tele_err tele_password_hash(const char *password, char out[TELE_PASSWORD_HASH])
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof salt))
		return TELE_SYSTEM;
	return run(password, salt, out);
}

enum tele_err tele_password_check(const char *password, const char *hash)
{
	char made[TELE_PASSWORD_HASH] = "";
	enum tele_err rc;
	bool same;

	/* Somebody unknown costs the same work, on a salt made for it. */
	if (!hash || !*hash) {
		rc = tele_password_hash(password, made);
		return rc == TELE_OK ? TELE_DENIED : rc;
	}
	rc = run(password, hash, made);
	same = rc == TELE_OK && strlen(made) == strlen(hash) && !sodium_memcmp(made, hash, strlen(made));
	sodium_memzero(made, sizeof made);
	return same ? TELE_OK : rc == TELE_NOMEM ? rc : TELE_DENIED;
}
