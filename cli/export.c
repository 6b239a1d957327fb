#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <json-c/json.h>

/* jsonb sorts keys by length; people look for the name first, and expect people before commands. */
static const char *const sections[] = {"organizations", "groups", "roles", "users", "queues", "commands", "chats", "grants", "schedules"};

static struct json_object *in_order(struct json_object *all)
{
	struct json_object *out = json_object_new_object(), *list;

	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		if (json_object_object_get_ex(all, sections[i], &list))
			json_object_object_add(out, sections[i], json_object_get(list));
	/* A section this list has forgotten is not to be lost. */
	json_object_object_foreach(all, section, rest)
		if (!json_object_object_get_ex(out, section, NULL))
			json_object_object_add(out, section, json_object_get(rest));
	return out;
}

int verb_export(const struct call *c)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, "export", "SELECT config_export()", 0, NULL) : NULL;
	struct json_object *all = res ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL, *out = all ? in_order(all) : NULL;

	if (out)
		show_json(out);
	json_object_put(out);
	json_object_put(all);
	PQclear(res);
	PQfinish(conn);
	return out ? EXIT_DONE : EXIT_FAILED;
}
