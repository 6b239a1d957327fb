#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <json-c/json.h>

int verb_status(const struct call *c)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, "status", "SELECT config_status()", 0, NULL) : NULL;
	struct json_object *all = res ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL;
	bool good = all != NULL;

	if (good)
		show(all, c->json);
	json_object_put(all);
	PQclear(res);
	PQfinish(conn);
	return good ? EXIT_DONE : EXIT_FAILED;
}
