#include "cli/lines.h"

#include "cli/pg.h"
#include "lib/schedule.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 500 };

/* Where the file has an object of that name; false: nowhere. */
static bool find(struct json_object *document, const char *section, const char *name, size_t *at)
{
	struct json_object *list = NULL, *v = NULL;
	bool is_list = json_object_object_get_ex(document, section, &list) && json_object_is_type(list, json_type_array);

	for (*at = 0; is_list && *at < json_object_array_length(list); ++*at)
		if (json_object_object_get_ex(json_object_array_get_idx(list, *at), "name", &v) && !strcmp(json_object_get_string(v), name))
			return true;
	return false;
}

/* The complaint in one line, as all errors of a file. */
static void complain(struct tele_buf *errors, struct json_object *document, const char *name, const char *complaint)
{
	size_t at;

	if (find(document, "schedules", name, &at))
		tele_buf_printf(errors, "schedules[%zu].line: ", at);
	else
		tele_buf_printf(errors, "schedule %s, which this file does not change: ", name);
	for (; *complaint; complaint++)
		tele_buf_char(errors, *complaint == '\n' ? ' ' : *complaint);
	tele_buf_char(errors, '\n');
}

static bool collect(PGconn *conn, struct json_object *document, const char *ids, struct tele_buf *errors)
{
	PGresult *res = pg_run(conn, "schedules", "SELECT name, complaint FROM schedule WHERE id = ANY ($1::bigint[]) AND args IS NULL ORDER BY name", 1, &ids);

	for (int i = 0; i < PQntuples(res); i++)
		complain(errors, document, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
	PQclear(res);
	return res != NULL;
}

static bool store(PGconn *conn, struct json_object *document, struct tele_schedule_lines *lines, struct tele_buf *errors)
{
	const char *values[4];
	PGresult *res;

	tele_schedule_values(lines, values);
	res = pg_run(conn, "schedules", tele_stmt_text(TELE_STMT_SCHEDULE_CHECKED)->sql, 4, values);
	PQclear(res);
	return res && collect(conn, document, values[0], errors);
}

bool lines_read(PGconn *conn, struct json_object *document, struct tele_buf *errors)
{
	const char *unread = tele_stmt_text(TELE_STMT_SCHEDULE_UNCHECKED)->sql;
	bool good = true, more = true;
	char most[16];

	snprintf(most, sizeof most, "%d", MOST);
	while (good && more) {
		struct tele_schedule_lines lines = {.n = 0};
		PGresult *res = pg_run(conn, "schedules", unread, 1, (const char *[]){most});

		good = res && tele_schedule_read(res, &lines) == TELE_OK;
		more = lines.n > 0;
		if (good && more)
			good = store(conn, document, &lines, errors);
		tele_schedule_release(&lines);
		PQclear(res);
	}
	return good;
}
