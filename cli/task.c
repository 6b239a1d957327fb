/*
 * teleops task show N: what became of a task, from the update that asked for it to the answer's message.
 */
#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS_MOST = 18 };

/* The output comes last and as it is, below the facts. */
static void print_plain(struct json_object *o)
{
	struct json_object *output = NULL;

	if (json_object_object_get_ex(o, "output", &output))
		json_object_get(output);
	json_object_object_del(o, "output");
	show_plain(o);
	if (output)
		show_text("output, the end of it", json_object_get_string(output));
	json_object_put(output);
}

static int show_task(const struct call *c, const char *task)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, "task show", "SELECT config_task($1::bigint)", 1, (const char *[]){task}) : NULL;
	struct json_object *o = NULL;

	if (res && (PQntuples(res) == 0 || PQgetisnull(res, 0, 0)))
		fprintf(stderr, "teleops: there is no task %s; it may have been removed after keep_history_days\n", task);
	else if (res)
		o = json_tokener_parse(PQgetvalue(res, 0, 0));
	if (o)
		(c->json ? show_json : print_plain)(o);
	PQclear(res);
	PQfinish(conn);
	json_object_put(o);
	return o ? EXIT_DONE : EXIT_FAILED;
}

int verb_task_show(const struct call *c)
{
	const char *task = c->argv[0];
	size_t n = strspn(task, "0123456789");

	if (n && !task[n] && n <= DIGITS_MOST)
		return show_task(c, task);
	fprintf(stderr, "teleops task show: %s is no task number\n", task);
	return EXIT_USAGE;
}
