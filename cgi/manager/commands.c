#include "cgi/manager/commands.h"

#include "cgi/manager/declare.h"
#include "lib/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_DEPTH = 12 };

static const char *const filters[] = {"search", "kind", "queue", "role", "enabled", "asks", NULL};
static const char *const actions[] = {"enable", "disable", NULL};
/* Names and meanings are those of files for teleops apply. */
static const struct field fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 32},
    {"description", FIELD_TEXT, 0, 256},
    {"detail", FIELD_LONG, 0, 4000},
    {"enabled", FIELD_BOOL, 0, 0},
    {"kind", FIELD_CHOICE, FIELD_REQUIRED, 0},
    {"program", FIELD_TEXT, 0, 255},
    {"args", FIELD_LINES, 0, 256},
    {"template", FIELD_LONG, 0, 32768},
    {"connection", FIELD_TEXT, 0, 32},
    {"statement", FIELD_LONG, 0, 32768},
    {"writes", FIELD_BOOL, 0, 0},
    {"row_limit", FIELD_NUMBER, 0, 0},
    {"method", FIELD_CHOICE, 0, 0},
    {"path", FIELD_TEXT, 0, 4096},
    {"headers", FIELD_LINES, 0, 100},
    {"body", FIELD_LONG, 0, 32768},
    {"expect", FIELD_LINES, 0, 100},
    {"pointer", FIELD_TEXT, 0, 1000},
    {"queue", FIELD_TEXT, 0, 32},
    {"timeout_s", FIELD_NUMBER, 0, 0},
    {"grace_s", FIELD_NUMBER, 0, 0},
    {"output_limit", FIELD_NUMBER, 0, 0},
    {"priority", FIELD_NUMBER, 0, 0},
    {"concurrency", FIELD_NUMBER, 0, 0},
    {"max_attempts", FIELD_NUMBER, 0, 0},
    {"idempotent", FIELD_BOOL, 0, 0},
    {"ordered", FIELD_BOOL, 0, 0},
    {"logged", FIELD_BOOL, 0, 0},
    {"long_running", FIELD_BOOL, 0, 0},
    {"interactive", FIELD_BOOL, 0, 0},
    {"dangerous", FIELD_BOOL, 0, 0},
    {"approvals", FIELD_NUMBER, 0, 0},
    {"approvers", FIELD_CHOICE, 0, 0},
    {"answer", FIELD_CHOICE, 0, 0},
    {"at_once", FIELD_NUMBER, 0, 0},
    {"stop_after", FIELD_NUMBER, 0, 0},
    {NULL},
};
static const struct field parameter_fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED, 32},
    {"type", FIELD_CHOICE, FIELD_REQUIRED, 0},
    {"place", FIELD_NUMBER, 0, 0},
    {"required", FIELD_BOOL, 0, 0},
    {"secret", FIELD_BOOL, 0, 0},
    {"default", FIELD_TEXT, 0, 4096},
    {"minimum", FIELD_TEXT, 0, 64},
    {"maximum", FIELD_TEXT, 0, 64},
    {"choices", FIELD_LINES, 0, 1000},
    {"choices_from", FIELD_CHOICE, 0, 0},
    {"every_s", FIELD_NUMBER, 0, 0},
    {"pattern", FIELD_TEXT, 0, 1000},
    {"help", FIELD_TEXT, 0, 256},
    {NULL},
};
static const struct field description_fields[] = {
    {"language", FIELD_TEXT, FIELD_REQUIRED, 16},
    {"text", FIELD_TEXT, FIELD_REQUIRED, 256},
    {NULL},
};
static const struct field grant_fields[] = {
    {"role", FIELD_CHOICE, FIELD_REQUIRED, 0},
    {"constraints", FIELD_LINES, 0, 1000},
    {"chat_id", FIELD_NUMBER, 0, 0},
    {"hours", FIELD_TEXT, 0, 64},
    {"timezone", FIELD_TEXT, 0, 64},
    {NULL},
};
static const struct inline_table inlines[] = {
    {"parameters", parameter_fields, 1, 64},
    {"descriptions", description_fields, 1, 100},
    {"grants", grant_fields, 1, 200},
    {NULL},
};

/* A command as a document: itself and its grants */

static size_t length_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

struct placed {
	struct json_object *row;
	long long place;
	size_t at;
};

static int by_place(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* By what was typed for their place; one without comes last. What is shown again is in this order too. */
static void sort_parameters(struct json_object *values)
{
	struct json_object *rows = page_get(values, "parameters"), *sorted;
	size_t n = length_of(rows);
	struct placed *list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *row = json_object_array_get_idx(rows, i), *place = page_get(row, "place");

		list[i] = (struct placed){row, place ? json_object_get_int64(place) : 1000000, i};
	}
	if (!list)
		return;
	qsort(list, n, sizeof *list, by_place);
	sorted = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		page_set(list[i].row, "place", json_object_new_int64((int64_t)i + 1));
		json_object_array_add(sorted, json_object_get(list[i].row));
	}
	page_set(values, "parameters", sorted);
	free(list);
}

/* Numbers are numbers in a file, durations and dates are texts. What is no number stays a text, and is complained of. */
static void type_limit(struct json_object *parameter, const char *key)
{
	const char *type = page_text(parameter, "type"), *text = page_text(parameter, key);
	struct json_object *number;

	if (!*text || !strcmp(type, "duration") || !strcmp(type, "date") || text[strspn(text, "+-.0123456789eE")])
		return;
	number = json_tokener_parse(text);
	if (json_object_is_type(number, json_type_int) || json_object_is_type(number, json_type_double))
		page_set(parameter, key, number);
	else
		json_object_put(number);
}

static void add_parameters(struct json_object *command, struct json_object *rows)
{
	for (size_t i = 0; i < length_of(rows); i++) {
		struct json_object *o = declare_object(parameter_fields, json_object_array_get_idx(rows, i), NULL);

		json_object_object_del(o, "place");
		type_limit(o, "minimum");
		type_limit(o, "maximum");
		declare_add(command, "parameters", o);
	}
}

static void add_descriptions(struct json_object *command, struct json_object *rows)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < length_of(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		page_set_text(o, page_text(row, "language"), page_text(row, "text"));
	}
	page_set(command, "descriptions", o);
}

/* What only some kinds have: headers as lines, statuses as lines, a body as JSON. */

static void add_headers(struct json_object *command, struct form *form, struct json_object *lines)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < length_of(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i)), *value = strchr(line, ':');
		char name[128];

		if (!*line)
			continue;
		if (!value || value == line || (size_t)(value - line) >= sizeof name) {
			form_error(form, "headers", "header_form", json_object_new_int64((int64_t)i + 1));
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)(value - line), line);
		page_set_text(o, name, value + 1 + strspn(value + 1, " "));
	}
	if (json_object_object_length(o))
		page_set(command, "headers", o);
	else
		json_object_put(o);
}

/* What is no number stays a text, and is complained of. */
static void add_statuses(struct json_object *command, struct json_object *lines)
{
	for (size_t i = 0; i < length_of(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i));
		bool number = *line && strlen(line) < 9 && !line[strspn(line, "0123456789")];

		declare_add(command, "expect", number ? json_object_new_int64(atoll(line)) : json_object_new_string(line));
	}
}

static void add_body(struct json_object *command, struct form *form, const char *text)
{
	struct json_object *body;
	const char *why = NULL;

	if (!*text)
		return;
	body = tele_json_parse(text, strlen(text), BODY_DEPTH, &why, NULL);
	if (!body)
		form_error(form, "body", "not_json", json_object_new_string(why));
	page_set(command, "body", body);
}

static void add_own(struct json_object *command, struct form *form)
{
	static const char *const made[] = {"headers", "expect", "body"};

	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		json_object_object_del(command, made[i]);
	add_headers(command, form, page_get(form->values, "headers"));
	add_statuses(command, page_get(form->values, "expect"));
	add_body(command, form, page_text(form->values, "body"));
	/* It would mean nothing for other kinds, ticked or not. */
	if (!json_object_get_boolean(page_get(command, "writes")))
		json_object_object_del(command, "writes");
}

/* Lines name=value; several of one name allow each of their values. */
static struct json_object *constraints(struct form *form, struct json_object *lines, size_t row)
{
	struct json_object *o = json_object_new_object();
	char path[64];

	for (size_t i = 0; i < length_of(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i)), *value = strchr(line, '=');
		char name[64];

		if (!*line)
			continue;
		if (!value || value == line || (size_t)(value - line) >= sizeof name) {
			snprintf(path, sizeof path, "grants.%zu.constraints", row);
			form_error(form, path, "constraint_form", json_object_new_int64((int64_t)i + 1));
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)(value - line), line);
		declare_add(o, name, json_object_new_string(value + 1));
	}
	return o;
}

static void add_grants(struct json_object *document, struct form *form)
{
	struct json_object *rows = page_get(form->values, "grants");

	for (size_t i = 0; i < length_of(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i), *o = declare_object(grant_fields, row, NULL);

		page_set_text(o, "command", page_text(form->values, "name"));
		page_set(o, "constraints", constraints(form, page_get(row, "constraints"), i));
		declare_add(document, "grants", o);
	}
}

static struct json_object *declare(struct form *form, struct json_object *base)
{
	struct json_object *document = json_object_new_object(), *command;

	/* Errors are known by their rows. */
	if (!form_has_errors(form))
		sort_parameters(form->values);
	command = declare_object(fields, form->values, base);
	json_object_object_del(command, "parameters");
	add_parameters(command, page_get(form->values, "parameters"));
	add_descriptions(command, page_get(form->values, "descriptions"));
	add_own(command, form);
	declare_add(document, "commands", command);
	add_grants(document, form);
	return document;
}

const struct family commands = {
    .path = "/commands",
    .area = "commands",
    .name = "commands/command",
    .kind = "command",
    .list = TELE_STMT_MANAGER_COMMANDS,
    .get = TELE_STMT_MANAGER_COMMAND,
    .save = TELE_STMT_MANAGER_COMMAND_SAVE,
    .remove = TELE_STMT_MANAGER_COMMAND_REMOVE,
    .act = TELE_STMT_MANAGER_COMMAND_ACT,
    .filters = filters,
    .actions = actions,
    .fields = fields,
    .inlines = inlines,
    .declare = declare,
};

/* Grants of all commands, to be looked at */

static const char *const grant_filters[] = {"role", "command", "narrowed", NULL};

const struct family commands_grants = {
    .path = "/commands/grants",
    .area = "commands",
    .name = "commands/grant",
    .list = TELE_STMT_MANAGER_GRANTS,
    .filters = grant_filters,
};
