/* Fields of forms: from what was typed to values, and from values to what a template shows. */
#include "cgi/manager/form.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 160 };

void form_error(struct form *form, const char *path, const char *key, struct json_object *detail)
{
	struct json_object *list = page_get(form->errors, path), *e = json_object_new_object(), *item = json_object_new_object();

	if (!list) {
		list = json_object_new_array();
		page_set(form->errors, path, list);
	}
	page_set(e, key, detail ? detail : json_object_new_boolean(true));
	/* Within e, since names that stand alone are looked up further out too: a field that is required has no such error for that. */
	page_set(item, "e", e);
	json_object_array_add(list, item);
}

bool form_has_errors(const struct form *form)
{
	return json_object_object_length(form->errors) > 0;
}

bool form_take_errors(struct form *form, struct json_object *said)
{
	struct json_object *list = page_get(said, "errors");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_array_get_idx(list, i);

		form_error(form, page_text(e, "field"), page_text(e, "error"), json_object_get(page_get(e, "detail")));
	}
	return n > 0;
}

void form_release(struct form *form)
{
	json_object_put(form->values);
	json_object_put(form->errors);
	memset(form, 0, sizeof *form);
}

/* Reading */

/* Lines end in \n alone; blanks around it go, unless it is a text of several lines, where only those at its end do. */
static char *tidy(const char *text, bool many_lines)
{
	struct tele_buf b = {0};

	if (!many_lines)
		text += strspn(text, " \t\r\n");
	for (; *text; text++)
		if (*text != '\r')
			tele_buf_char(&b, *text);
		else if (text[1] != '\n')
			tele_buf_char(&b, '\n');
	while (b.len && strchr(" \t\n", b.data[b.len - 1]))
		b.data[--b.len] = '\0';
	return tele_buf_detach(&b);
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static struct json_object *read_text(struct form *form, const struct field *d, const char *path, const char *typed)
{
	char *text = tidy(typed, d->type == FIELD_LONG);
	struct json_object *value = json_object_new_string(text ? text : "");

	if (text && d->most && characters(text) > (size_t)d->most)
		form_error(form, path, "too_long", json_object_new_int64(d->most));
	free(text);
	return value;
}

static struct json_object *read_number(struct form *form, const struct field *d, const char *path, const char *typed)
{
	char *text = tidy(typed, false), *end = text;
	struct json_object *value = NULL;

	errno = 0;
	if (text && *text) {
		long long whole = strtoll(text, &end, 10);

		if (d->type == FIELD_DECIMAL)
			strtod(text, &end);
		/* A decimal travels as it was typed, so that nothing is rounded on the way. */
		if (*end || errno || strspn(text, "+-.0123456789") != strlen(text)) {
			form_error(form, path, d->type == FIELD_DECIMAL ? "not_decimal" : "not_number", NULL);
			value = json_object_new_string(text);
		} else {
			value = d->type == FIELD_DECIMAL ? json_object_new_string(text) : json_object_new_int64(whole);
		}
	}
	free(text);
	return value;
}

static struct json_object *read_lines(struct form *form, const struct field *d, const char *path, const char *typed)
{
	struct json_object *list = json_object_new_array();
	char *text = tidy(typed, true), *rest = text, *line;

	while (rest && *rest && (line = strsep(&rest, "\n")) != NULL)
		json_object_array_add(list, json_object_new_string(line));
	if (d->most && json_object_array_length(list) > (size_t)d->most)
		form_error(form, path, "too_many_lines", json_object_new_int64(d->most));
	free(text);
	return list;
}

static struct json_object *read_many(const struct request_pairs *typed, const char *control)
{
	struct json_object *list = json_object_new_array();
	const char *value;
	size_t at = 0;

	while ((value = request_next(typed, control, &at)) != NULL)
		json_object_array_add(list, json_object_new_string(value));
	return list;
}

static bool is_empty(struct json_object *value)
{
	if (json_object_is_type(value, json_type_array))
		return !json_object_array_length(value);
	return !value || (json_object_is_type(value, json_type_string) && !json_object_get_string_len(value));
}

/* control: its name in the form; path: in errors. */
static struct json_object *read_field(struct form *form, const struct field *d, const struct request_pairs *typed, const char *control,
    const char *path)
{
	const char *text = request_get(typed, control);
	struct json_object *value = NULL;

	switch (d->type) {
	case FIELD_TEXT:
	case FIELD_LONG:
	case FIELD_HIDDEN:
		value = read_text(form, d, path, text);
		break;
	case FIELD_CHOICE:
		value = *text ? json_object_new_string(text) : NULL;
		break;
	case FIELD_LINES:
		value = read_lines(form, d, path, text);
		break;
	case FIELD_NUMBER:
	case FIELD_DECIMAL:
		value = read_number(form, d, path, text);
		break;
	case FIELD_BOOL:
		return json_object_new_boolean(request_has(typed, control));
	case FIELD_MANY:
		value = read_many(typed, control);
		break;
	}
	if ((d->flags & FIELD_REQUIRED) && is_empty(value))
		form_error(form, path, "required", NULL);
	return value;
}

/* Whether a row says anything: ticked boxes and what is hidden alone do not. */
static bool row_is_used(const struct inline_table *t, const struct request_pairs *typed, int row)
{
	char control[PATH];

	for (const struct field *d = t->fields; d->name; d++) {
		snprintf(control, sizeof control, "%s-%d-%s", t->name, row, d->name);
		if (d->type != FIELD_BOOL && d->type != FIELD_HIDDEN && strspn(request_get(typed, control), " \t\r\n") < strlen(request_get(typed, control)))
			return true;
	}
	return false;
}

static struct json_object *read_inline(struct form *form, const struct inline_table *t, const struct request_pairs *typed)
{
	struct json_object *list = json_object_new_array();
	char control[PATH], path[PATH];

	for (int row = 0; row < t->most; row++) {
		struct json_object *o;

		snprintf(control, sizeof control, "%s-%d-remove", t->name, row);
		if (request_has(typed, control) || !row_is_used(t, typed, row))
			continue;
		o = json_object_new_object();
		for (const struct field *d = t->fields; d->name; d++) {
			snprintf(control, sizeof control, "%s-%d-%s", t->name, row, d->name);
			snprintf(path, sizeof path, "%s.%zu.%s", t->name, json_object_array_length(list), d->name);
			page_set(o, d->name, read_field(form, d, typed, control, path));
		}
		json_object_array_add(list, o);
	}
	return list;
}

void form_read(struct form *form, const struct family *f, const struct request_pairs *typed, bool made)
{
	form->values = json_object_new_object();
	form->errors = json_object_new_object();
	for (const struct field *d = f->fields; d && d->name; d++)
		if (!made || !(d->flags & FIELD_FIXED))
			page_set(form->values, d->name, read_field(form, d, typed, d->name, d->name));
	for (const struct inline_table *t = f->inlines; t && t->name; t++)
		page_set(form->values, t->name, read_inline(form, t, typed));
}

/* Showing */

static void add_text(struct tele_buf *out, struct json_object *value, const char *between)
{
	if (!json_object_is_type(value, json_type_array)) {
		tele_buf_str(out, value ? json_object_get_string(value) : "");
		return;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		tele_buf_str(out, i ? between : "");
		tele_buf_str(out, json_object_get_string(json_object_array_get_idx(value, i)));
	}
}

static void set_value(struct json_object *o, const char *key, struct json_object *value, const char *between)
{
	struct tele_buf text = {0};

	add_text(&text, value, between);
	page_set_text(o, key, tele_buf_text(&text));
	tele_buf_release(&text);
}

static bool is_chosen(struct json_object *value, const char *choice)
{
	if (!json_object_is_type(value, json_type_array))
		return value && !strcmp(json_object_get_string(value), choice);
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(value, i)), choice))
			return true;
	return false;
}

/* The choices are the document's own and many fields may share them: each gets a list of its own. */
static struct json_object *shown_choices(struct json_object *choices, struct json_object *value)
{
	struct json_object *list = json_object_new_array();
	size_t n = json_object_is_type(choices, json_type_array) ? json_object_array_length(choices) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *c = json_object_array_get_idx(choices, i), *o = json_object_new_object();

		json_object_object_foreach(c, key, member)
			page_set(o, key, json_object_get(member));
		page_set_bool(o, "selected", is_chosen(value, page_text(c, "value")));
		page_set(o, "number", json_object_new_int64((int64_t)i));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *shown_field(const struct field *d, const char *control, struct json_object *value, struct json_object *choices,
    struct json_object *errors)
{
	struct json_object *o = json_object_new_object();

	page_set_text(o, "name", control);
	page_set_text(o, "id", control);
	set_value(o, "value", value, d->type == FIELD_LINES ? "\n" : ", ");
	page_set_bool(o, "checked", d->type == FIELD_BOOL && json_object_get_boolean(value));
	page_set_bool(o, "needed", d->flags & FIELD_REQUIRED);
	page_set_bool(o, "required", d->flags & FIELD_REQUIRED);
	page_set(o, "most", d->most ? json_object_new_int64(d->most) : NULL);
	/* Those of a text are proposals. */
	page_set(o, "choices", d->type == FIELD_CHOICE || d->type == FIELD_MANY || (d->type == FIELD_TEXT && choices) ? shown_choices(choices, value) : NULL);
	page_set(o, "is", json_object_new_object());
	if (d->type == FIELD_CHOICE && value)
		page_set_bool(page_get(o, "is"), json_object_get_string(value), true);
	page_set(o, "errors", json_object_get(errors));
	page_set_bool(o, "wrong", errors);
	page_set(o, "theirs", NULL);
	page_set_bool(o, "fixed", false);
	return o;
}

/* What somebody else made of it meanwhile, where it is not what was typed. */
static void set_theirs(struct json_object *o, struct json_object *document, const char *name, struct json_object *value)
{
	struct json_object *theirs = page_get(page_get(page_get(document, "conflict"), "values"), name), *t;

	if (!page_get(document, "conflict") || json_object_equal(theirs, value))
		return;
	t = json_object_new_object();
	set_value(t, "value", theirs, ", ");
	page_set(o, "theirs", t);
}

/* Rows in a line: what the table's fields have, and nothing that is only shown with them. */
static struct json_object *row_texts(const struct inline_table *t, struct json_object *rows)
{
	struct json_object *list = json_object_new_array();
	size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;

	for (size_t i = 0; i < n; i++) {
		struct tele_buf text = {0};

		for (const struct field *d = t->fields; d->name; d++) {
			struct json_object *value = page_get(json_object_array_get_idx(rows, i), d->name);

			if (!is_empty(value) && (d->type != FIELD_BOOL || json_object_get_boolean(value))) {
				tele_buf_str(&text, text.len ? " " : "");
				add_text(&text, value, " ");
			}
		}
		json_object_array_add(list, json_object_new_string(tele_buf_text(&text)));
		tele_buf_release(&text);
	}
	return list;
}

static void set_rows_theirs(struct json_object *o, struct json_object *document, const struct inline_table *t, struct json_object *rows)
{
	struct json_object *theirs = row_texts(t, page_get(page_get(page_get(document, "conflict"), "values"), t->name)), *typed = row_texts(t, rows);
	struct json_object *shown;

	page_set(o, "theirs", NULL);
	if (page_get(document, "conflict") && !json_object_equal(theirs, typed)) {
		shown = json_object_new_object();
		set_value(shown, "value", theirs, "; ");
		page_set(o, "theirs", shown);
	}
	json_object_put(theirs);
	json_object_put(typed);
}

static struct json_object *shown_row(struct json_object *document, const struct inline_table *t, size_t row, struct json_object *value,
    struct json_object *errors)
{
	struct json_object *o = json_object_new_object(), *fields = json_object_new_object(), *shown;
	char control[PATH], path[PATH];

	for (const struct field *d = t->fields; d->name; d++) {
		snprintf(control, sizeof control, "%s-%zu-%s", t->name, row, d->name);
		snprintf(path, sizeof path, "%s.%zu.%s", t->name, row, d->name);
		shown = shown_field(d, control, page_get(value, d->name), page_get(page_get(document, "choices"), d->name), page_get(errors, path));
		/* A browser must not insist on what is needed only where a row is used. */
		page_set_bool(shown, "required", false);
		page_set(fields, d->name, shown);
	}
	page_set(o, "f", fields);
	page_set(o, "row", value ? json_object_get(value) : NULL);
	page_set(o, "number", json_object_new_int64((int64_t)row + 1));
	snprintf(control, sizeof control, "%s-%zu-remove", t->name, row);
	page_set_text(o, "remove", control);
	page_set_bool(o, "spare", !value);
	return o;
}

static void show_inline(struct json_object *document, struct json_object *inlines, const struct inline_table *t, struct json_object *values,
    struct json_object *errors, size_t more)
{
	struct json_object *o = json_object_new_object(), *rows = json_object_new_array(), *given = page_get(values, t->name);
	size_t n = json_object_is_type(given, json_type_array) ? json_object_array_length(given) : 0;
	size_t wanted = n + (size_t)t->spare + more;

	for (size_t i = 0; i < wanted && i < (size_t)t->most; i++)
		json_object_array_add(rows, shown_row(document, t, i, i < n ? json_object_array_get_idx(given, i) : NULL, errors));
	page_set(o, "rows", rows);
	page_set(o, "errors", json_object_get(page_get(errors, t->name)));
	set_rows_theirs(o, document, t, given);
	page_set(inlines, t->name, o);
}

void form_show_fields(struct json_object *document, const struct family *f, struct form *typed, size_t more)
{
	struct json_object *values = typed ? typed->values : page_get(document, "values"), *errors = typed ? typed->errors : NULL;
	struct json_object *shown = json_object_new_object(), *inlines = json_object_new_object();
	bool made = page_get(document, "id");

	for (const struct field *d = f->fields; d && d->name; d++) {
		bool fixed = made && (d->flags & FIELD_FIXED);
		struct json_object *value = page_get(fixed ? page_get(document, "values") : values, d->name);
		struct json_object *o = shown_field(d, d->name, value, page_get(page_get(document, "choices"), d->name), page_get(errors, d->name));

		page_set_bool(o, "fixed", fixed);
		set_theirs(o, document, d->name, value);
		page_set(shown, d->name, o);
	}
	for (const struct inline_table *t = f->inlines; t && t->name; t++)
		show_inline(document, inlines, t, values, errors, more);
	page_set(document, "f", shown);
	page_set(document, "inline", inlines);
	page_set(document, "problems", json_object_get(page_get(errors, "")));
	page_set_bool(document, "wrong", typed && form_has_errors(typed));
}
