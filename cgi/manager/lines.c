#include "cgi/manager/lines.h"

#include "lib/array.h"
#include "lib/schedule.h"

#include <stdint.h>

/* As TELE_STMT_CATALOGUE has them; the last two come with lines only. */
static const char *const columns[] = {"command_id", "command", "enabled", "usage", "parameter", "type", "required", "default_value", "minimum",
    "maximum", "choices", "pattern", "secret", "interactive", "choices_from", "line", "version"};

enum { COLUMNS = sizeof columns / sizeof *columns, LINE = 15 };

static bool set_row(PGresult *res, int row, struct json_object *values)
{
	bool good = true;

	for (int i = 0; good && i < COLUMNS; i++) {
		struct json_object *value = json_object_array_get_idx(values, (size_t)i);
		const char *text = value ? json_object_get_string(value) : NULL;

		good = PQsetvalue(res, row, i, (char *)(uintptr_t)text, text ? json_object_get_string_len(value) : -1);
	}
	return good;
}

PGresult *lines_rows(struct json_object *rows)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc described[COLUMNS] = {{0}};
	bool good;

	for (int i = 0; i < COLUMNS; i++)
		described[i].name = (char *)(uintptr_t)columns[i];
	good = res && PQsetResultAttrs(res, COLUMNS, described);
	for (size_t i = 0; good && i < json_object_array_length(rows); i++)
		good = set_row(res, (int)i, json_object_array_get_idx(rows, i));
	if (good)
		return res;
	PQclear(res);
	return NULL;
}

/* The lines themselves, in the order in which tele_schedule_read goes through them: by these they are known again. */
static void add_lines(const PGresult *res, struct tele_array *lines)
{
	long long former = 0;

	for (int i = 0; i < PQntuples(res); i++)
		if (tele_db_int(res, i, 0) != former) {
			former = tele_db_int(res, i, 0);
			tele_array_str(lines, PQgetvalue(res, i, LINE));
		}
}

static enum tele_err read_lines(struct json_object *rows, struct json_object **out)
{
	PGresult *res = lines_rows(rows);
	struct tele_schedule_lines read = {.n = 0};
	struct tele_array lines = {0};
	const char *values[4];
	enum tele_err rc = res ? tele_schedule_read(res, &read) : TELE_NOMEM;

	if (rc == TELE_OK) {
		add_lines(res, &lines);
		tele_schedule_values(&read, values);
		*out = json_object_new_object();
		page_set_text(*out, "line", tele_array_text(&lines));
		page_set_text(*out, "args", values[2]);
		page_set_text(*out, "complaint", values[3]);
	}
	tele_array_release(&lines);
	tele_schedule_release(&read);
	PQclear(res);
	return rc;
}

enum tele_err lines_ask(struct visit *v, enum tele_stmt stmt, struct json_object *input, struct json_object **said)
{
	struct json_object *lines = NULL;
	enum tele_err rc = page_ask(v, stmt, input, said);

	if (rc != TELE_OK || !page_get(*said, "read"))
		return rc;
	rc = read_lines(page_get(*said, "read"), &lines);
	json_object_put(*said);
	*said = NULL;
	if (rc != TELE_OK)
		return rc;
	page_set(input, "lines", lines);
	return page_ask(v, stmt, input, said);
}
