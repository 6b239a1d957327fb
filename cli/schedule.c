/*
 * teleops schedule list: what runs by the clock, and when next; in each schedule's own zone.
 */
#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <json-c/json.h>
#include <stdio.h>

enum { NEXT = 5 };

/* The times become a table of their own, a line a schedule. */
static struct json_object *next_times(struct json_object *schedule)
{
	struct json_object *row = json_object_new_object(), *times = NULL, *value = NULL;

	json_object_object_get_ex(schedule, "schedule", &value);
	json_object_object_add(row, "schedule", json_object_get(value));
	json_object_object_get_ex(schedule, "next", &times);
	for (size_t i = 0; i < NEXT; i++) {
		struct json_object *local = NULL;
		char head[8];

		snprintf(head, sizeof head, "%zu", i + 1);
		if (i < json_object_array_length(times))
			json_object_object_get_ex(json_object_array_get_idx(times, i), "local", &local);
		json_object_object_add(row, head, json_object_get(local));
	}
	json_object_object_get_ex(schedule, "zone", &value);
	json_object_object_add(row, "zone", json_object_get(value));
	return row;
}

static void print_plain(struct json_object *all)
{
	struct json_object *schedules = NULL, *next = json_object_new_array();

	json_object_object_get_ex(all, "schedules", &schedules);
	for (size_t i = 0; i < json_object_array_length(schedules); i++) {
		struct json_object *s = json_object_array_get_idx(schedules, i);

		json_object_array_add(next, next_times(s));
		json_object_object_del(s, "next");
	}
	json_object_object_add(all, "next", next);
	show_plain(all);
}

int verb_schedule_list(const struct call *c)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, "schedules", "SELECT config_schedules($1::integer)", 1, (const char *[]){"5"}) : NULL;
	struct json_object *all = res ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL;
	bool good = all != NULL;

	if (good)
		(c->json ? show_json : print_plain)(all);
	json_object_put(all);
	PQclear(res);
	PQfinish(conn);
	return good ? EXIT_DONE : EXIT_FAILED;
}
