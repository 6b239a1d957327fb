#include "cli/show.h"

#include "cli/pg.h"
#include "cli/verb.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 16 };

static const char *cell(struct json_object *value)
{
	return value ? json_object_get_string(value) : "-";
}

/* Width on the screen: characters, not bytes. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Control characters (C0, DEL, C1) become '?'; of them lines stays what it is in a text of several lines. */
static void put_clean(const char *s, bool lines)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0) {
			putchar('?');
			s++;
		} else if ((c < 0x20 || c == 0x7f) && !(lines && (c == '\n' || c == '\t'))) {
			putchar('?');
		} else {
			putchar(c);
		}
	}
}

static void print_row(struct json_object *row, const int *widths, bool heads)
{
	int i = 0;

	json_object_object_foreach(row, key, value)
	{
		const char *text = heads ? key : cell(value);

		fputs("  ", stdout);
		put_clean(text, false);
		printf("%*s", i < COLUMNS ? widths[i] - width(text) : 0, "");
		i++;
	}
	putchar('\n');
}

/* The rows of one list as a table: their keys are the headings. */
static void print_table(const char *title, struct json_object *rows)
{
	size_t n = json_object_array_length(rows);
	int widths[COLUMNS] = {0};

	printf("\n%s%s\n", title, n ? "" : ": none");
	for (size_t i = 0; i < n; i++) {
		int at = 0;

		json_object_object_foreach(json_object_array_get_idx(rows, i), key, value)
		{
			int wide = width(cell(value)) > width(key) ? width(cell(value)) : width(key);

			if (at < COLUMNS && wide > widths[at])
				widths[at] = wide;
			at++;
		}
	}
	if (n)
		print_row(json_object_array_get_idx(rows, 0), widths, true);
	for (size_t i = 0; i < n; i++)
		print_row(json_object_array_get_idx(rows, i), widths, false);
}

static void print_fact(const char *key, const char *value)
{
	printf("%-20s ", key);
	put_clean(value, false);
	putchar('\n');
}

void show_plain(struct json_object *o)
{
	json_object_object_foreach(o, key, value)
	{
		if (json_object_is_type(value, json_type_array))
			print_table(key, value);
		else
			print_fact(key, cell(value));
	}
}

void show_text(const char *title, const char *text)
{
	size_t n = strlen(text);

	printf("\n%s\n", title);
	put_clean(text, true);
	if (n && text[n - 1] != '\n')
		putchar('\n');
}

void show_json(struct json_object *o)
{
	int how = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;

	printf("%s\n", json_object_to_json_string_ext(o, how));
}

void show(struct json_object *o, bool as_json)
{
	(as_json ? show_json : show_plain)(o);
}

int show_what_is(const struct call *c, const char *about, const char *sql)
{
	PGconn *conn = pg_open(c->conf->database, "database");
	PGresult *res = conn ? pg_run(conn, about, sql, 0, NULL) : NULL;
	struct json_object *all = res ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL;
	int status = all ? EXIT_DONE : EXIT_FAILED;

	if (all)
		show(all, c->json);
	json_object_put(all);
	PQclear(res);
	PQfinish(conn);
	return status;
}
