#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"
#include "lib/document.h"

#include <json-c/json.h>

int verb_export(const struct call *c)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, "export", "SELECT config_export()", 0, NULL) : NULL;
	struct json_object *all = res ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL, *out = all ? tele_document_in_order(all) : NULL;

	if (out)
		show_json(out);
	json_object_put(out);
	json_object_put(all);
	PQclear(res);
	PQfinish(conn);
	return out ? EXIT_DONE : EXIT_FAILED;
}
