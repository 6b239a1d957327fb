#include "cgi/manager/export.h"

#include "lib/log.h"

#include <stdio.h>
#include <string.h>

enum { EXPORT_ROWS = 1000 };

void export_cell(struct tele_buf *out, struct json_object *value)
{
	enum json_type type = json_object_get_type(value);
	const char *text = type == json_type_null ? "" : type == json_type_string ? json_object_get_string(value)
	    : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (type == json_type_null || type == json_type_int || type == json_type_double || type == json_type_boolean) {
		tele_buf_str(out, text);
		return;
	}
	tele_buf_char(out, '"');
	if (*text && strchr("=+-@\t\r", *text))
		tele_buf_char(out, '\'');
	for (; *text; text++) {
		if (*text == '"')
			tele_buf_char(out, '"');
		tele_buf_char(out, *text);
	}
	tele_buf_char(out, '"');
}

/* A format is how a file begins, how a row looks, and how it ends. */

static void csv_begin(struct tele_buf *out, const char *const *columns)
{
	for (size_t i = 0; columns[i]; i++)
		tele_buf_printf(out, "%s%s", i ? "," : "", columns[i]);
	tele_buf_str(out, "\r\n");
}

static void csv_row(struct tele_buf *out, const char *const *columns, struct json_object *row, bool first)
{
	(void)first;
	for (size_t i = 0; columns[i]; i++) {
		tele_buf_str(out, i ? "," : "");
		export_cell(out, page_get(row, columns[i]));
	}
	tele_buf_str(out, "\r\n");
}

static void csv_end(struct tele_buf *out, bool whole)
{
	tele_buf_str(out, whole ? "" : "INCOMPLETE\r\n");
}

static void json_begin(struct tele_buf *out, const char *const *columns)
{
	(void)columns;
	tele_buf_char(out, '[');
}

static void json_row(struct tele_buf *out, const char *const *columns, struct json_object *row, bool first)
{
	tele_buf_str(out, first ? "\n{" : ",\n{");
	for (size_t i = 0; columns[i]; i++) {
		struct json_object *value = page_get(row, columns[i]);

		tele_buf_printf(out, "%s\"%s\":%s", i ? "," : "", columns[i],
		    value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "null");
	}
	tele_buf_char(out, '}');
}

static void json_end(struct tele_buf *out, bool whole)
{
	tele_buf_str(out, whole ? "\n]\n" : "\n");
}

static const struct format {
	const char *name, *type;
	void (*begin)(struct tele_buf *out, const char *const *columns);
	void (*row)(struct tele_buf *out, const char *const *columns, struct json_object *row, bool first);
	void (*end)(struct tele_buf *out, bool whole);
} formats[] = {
    {"csv", "text/csv; charset=utf-8", csv_begin, csv_row, csv_end},
    {"json", "application/json", json_begin, json_row, json_end},
};

static const struct format *format_of(const char *name)
{
	if (!*name)
		return &formats[0];
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

static void send_rows(struct visit *v, const struct format *format, const char *const *columns, struct json_object *part, bool *first)
{
	struct json_object *rows = page_get(part, "rows");
	struct tele_buf text = {0};

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		format->row(&text, columns, json_object_array_get_idx(rows, i), *first);
		*first = false;
	}
	page_send(v, tele_buf_text(&text), text.len);
	tele_buf_release(&text);
}

/* Sends all parts from this one on; puts it. False: not all of them could be had. */
static bool send_parts(struct visit *v, const struct format *format, const char *const *columns, enum tele_stmt stmt, struct json_object *input,
    struct json_object *part)
{
	enum tele_err rc = TELE_OK;
	bool first = true;

	while (rc == TELE_OK) {
		struct json_object *next = json_object_get(page_get(part, "next"));

		send_rows(v, format, columns, part, &first);
		json_object_put(part);
		if (!next)
			return true;
		page_set_text(input, "after", json_object_to_json_string_ext(next, JSON_C_TO_STRING_PLAIN));
		json_object_put(next);
		part = NULL;
		rc = page_ask(v, stmt, input, &part);
	}
	tele_log(TELE_ERROR, "export_incomplete", tele_str("path", v->in.path), tele_str("error", tele_err_name(rc)));
	return false;
}

enum tele_err export_list(struct visit *v, const struct family *f, enum tele_stmt stmt, const char *const *columns, const char *name)
{
	const struct format *format = format_of(request_get(&v->in.query, "format"));
	struct json_object *input, *part = NULL;
	struct tele_buf text = {0};
	char filename[64];
	enum tele_err rc;

	if (!format)
		return TELE_INVALID;
	input = list_input(v, f, EXPORT_ROWS);
	json_object_object_del(input, "after");
	json_object_object_del(input, "before");
	rc = page_ask(v, stmt, input, &part);
	if (rc == TELE_OK) {
		snprintf(filename, sizeof filename, "%s.%s", name, format->name);
		page_stream(v, format->type, filename);
		format->begin(&text, columns);
		page_send(v, tele_buf_text(&text), text.len);
		tele_buf_reset(&text);
		format->end(&text, send_parts(v, format, columns, stmt, input, part));
		page_send(v, tele_buf_text(&text), text.len);
		tele_buf_release(&text);
	}
	json_object_put(input);
	return rc;
}
