/*
 * teleops chat list, allow, forbid: in which groups and channels the bot answers.
 */
#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <stdio.h>

int verb_chat_list(const struct call *c)
{
	return show_what_is(c, "chats", "SELECT config_chats()");
}

static int decide(const struct call *c, const char *allowed)
{
	const char *chat = c->argv[0];
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, chat, "SELECT config_chat($1, $2::boolean)", 2, (const char *[]){chat, allowed}) : NULL;
	int status = EXIT_FAILED;

	if (res && PQgetisnull(res, 0, 0))
		status = EXIT_DONE;
	else if (res) {
		fprintf(stderr, "teleops: %s %s\n", chat, PQgetvalue(res, 0, 0));
		status = EXIT_USAGE;
	}
	PQclear(res);
	PQfinish(conn);
	return status;
}

int verb_chat_allow(const struct call *c)
{
	return decide(c, "true");
}

int verb_chat_forbid(const struct call *c)
{
	return decide(c, "false");
}
