/*
 * teleops admin create LOGIN: the first administrator, or another one, or a new password for one who forgot. The password never
 * stands in an argument, where everybody on the machine could read it.
 */
#include "cli/hidden.h"
#include "cli/pg.h"
#include "cli/verb.h"
#include "lib/password.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool get_password(const struct call *c, char *out, size_t size)
{
	const char *given = getenv("TELEOPS_ADMIN_PASSWORD");
	char again[TELE_PASSWORD_MOST + 2] = "";
	bool good = true;

	if (c->generate)
		tele_password_generate(out);
	else if (given && *given)
		snprintf(out, size, "%s", given);
	else if ((good = hidden_read("Password", out, size)) && isatty(STDIN_FILENO))
		good = hidden_read("Again", again, sizeof again) && !strcmp(out, again);
	sodium_memzero(again, sizeof again);
	if (!good)
		fprintf(stderr, "teleops: no password, or not twice the same; give one on standard input, as TELEOPS_ADMIN_PASSWORD, or use --generate\n");
	else if (strlen(out) < TELE_PASSWORD_LEAST || strlen(out) > TELE_PASSWORD_MOST)
		fprintf(stderr, "teleops: a password has %d to %d characters\n", TELE_PASSWORD_LEAST, TELE_PASSWORD_MOST);
	else
		return true;
	return false;
}

/* False after saying why. */
static bool hash(const char *password, char out[TELE_PASSWORD_HASH])
{
	if (tele_password_hash(password, out) == TELE_OK)
		return true;
	fprintf(stderr, "teleops: crypt(3) on this system cannot make yescrypt hashes\n");
	return false;
}

static bool store(PGconn *conn, const struct call *c, const char *login, const char *hashed)
{
	const char *values[] = {login, hashed, c->first_name, c->last_name, c->reset_password ? "t" : "f"};
	PGresult *res = pg_run(conn, login, "SELECT config_administrator($1, $2, $3, $4, $5::boolean)", 5, values);
	bool good = res != NULL;

	PQclear(res);
	return good;
}

static int create(const struct call *c, const char *login)
{
	char password[TELE_PASSWORD_MOST + 2] = "";
	char hashed[TELE_PASSWORD_HASH] = "";
	PGconn *conn = NULL;
	bool good = false;

	if (get_password(c, password, sizeof password) && hash(password, hashed))
		conn = pg_open(c->conf->database, "database");
	if (conn && store(conn, c, login, hashed)) {
		printf("administrator %s %s\n", login, c->reset_password ? "has a new password" : "was created");
		if (c->generate)
			printf("password: %s\n", password);
		good = true;
	}
	sodium_memzero(password, sizeof password);
	PQfinish(conn);
	return good ? EXIT_DONE : EXIT_FAILED;
}

int verb_admin_create(const struct call *c)
{
	return sodium_init() < 0 ? EXIT_FAILED : create(c, c->argv[0]);
}
