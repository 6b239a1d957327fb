/*
 * teleops hook: the addresses that alerts are posted to. A token is shown once, when it is made; the database has its hash alone.
 */
#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"
#include "lib/alert.h"
#include "lib/session.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void show_token(const struct call *c, const char *name, const char *token)
{
	struct json_object *o = json_object_new_object();
	struct tele_buf url = {0};

	tele_alert_url(c->conf->webhook_url, token, &url);
	json_object_object_add(o, "hook", json_object_new_string(name));
	json_object_object_add(o, "url", json_object_new_string(tele_buf_text(&url)));
	if (c->json)
		show_json(o);
	else
		printf("%s\n", tele_buf_text(&url));
	if (!c->json)
		fprintf(stderr, "teleops: alerts for %s are posted there%s; it is shown this once\n", name,
		    *tele_buf_text(&url) == '/' ? ", at the webhook's host and port" : "");
	json_object_put(o);
	tele_buf_wipe(&url);
	tele_buf_release(&url);
}

/* Runs a statement that says whether it found what it is about; otherwise: what there is to say if not. */
static bool change(const struct call *c, const char *sql, int n, const char *const *values, const char *otherwise)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, c->argv[0], sql, n, values) : NULL;
	bool good = res && *PQgetvalue(res, 0, 0) == 't';

	if (res && !good)
		fprintf(stderr, "teleops: %s: %s\n", c->argv[0], otherwise);
	PQclear(res);
	PQfinish(conn);
	return good;
}

/* With a new token whose hash is the last of n values. */
static int change_token(const struct call *c, const char *sql, int n, const char **values, const char *otherwise)
{
	char token[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];
	bool good = sodium_init() >= 0;

	if (good) {
		tele_session_token(token);
		tele_session_hash(token, hash);
		values[n - 1] = hash;
		good = change(c, sql, n, values, otherwise);
	}
	if (good)
		show_token(c, c->argv[0], token);
	sodium_memzero(token, sizeof token);
	return good ? EXIT_DONE : EXIT_FAILED;
}

int verb_hook_create(const struct call *c)
{
	char chat[24], topic[24];
	const char *values[] = {c->argv[0], chat, c->topic ? topic : NULL, NULL};

	if (!c->chat) {
		fprintf(stderr, "teleops hook create: --chat is missing: where do its alerts go? /id in a chat tells its number\n");
		return EXIT_USAGE;
	}
	snprintf(chat, sizeof chat, "%ld", c->chat);
	snprintf(topic, sizeof topic, "%ld", c->topic);
	return change_token(c, "SELECT hook_create($1, $2::bigint, $3::bigint, $4)", 4, values, "there is a hook of that name; teleops hook renew makes another token");
}

int verb_hook_renew(const struct call *c)
{
	const char *values[] = {c->argv[0], NULL};

	return change_token(c, "SELECT hook_renew($1, $2)", 2, values, "there is no hook of that name");
}

int verb_hook_delete(const struct call *c)
{
	return change(c, "SELECT hook_remove($1)", 1, (const char *[]){c->argv[0]}, "there is no hook of that name") ? EXIT_DONE : EXIT_FAILED;
}

int verb_hook_list(const struct call *c)
{
	return show_what_is(c, "hooks", "SELECT config_hooks()");
}
