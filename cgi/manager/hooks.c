#include "cgi/manager/hooks.h"

#include "cgi/manager/declare.h"
#include "lib/alert.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char *const filters[] = {"search", "enabled", NULL};
static const struct field fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {"chat_id", FIELD_NUMBER, FIELD_REQUIRED, 0},
    {"thread_id", FIELD_NUMBER, 0, 0},
    {"rate", FIELD_NUMBER, 0, 0},
    {"forget_h", FIELD_NUMBER, 0, 0},
    {"enabled", FIELD_BOOL, 0, 0},
    {NULL},
};
static const struct field button_fields[] = {
    {"command", FIELD_CHOICE, FIELD_REQUIRED, 0},
    {"args", FIELD_LINES, 0, 64},
    {"when", FIELD_LINES, 0, 64},
    {"text", FIELD_TEXT, 0, 60},
    {NULL},
};
static const struct inline_table inlines[] = {
    {"buttons", button_fields, 1, 64},
    {NULL},
};

/* Lines name=value as an object of texts. */
static struct json_object *words(struct form *form, struct json_object *lines, size_t row, const char *field)
{
	struct json_object *o = json_object_new_object();
	size_t n = json_object_is_type(lines, json_type_array) ? json_object_array_length(lines) : 0;
	char path[64], name[80];

	for (size_t i = 0; i < n; i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i)), *value = strchr(line, '=');

		if (!*line)
			continue;
		if (!value || value == line || (size_t)(value - line) >= sizeof name) {
			snprintf(path, sizeof path, "buttons.%zu.%s", row, field);
			form_error(form, path, "words_form", json_object_new_int64((int64_t)i + 1));
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)(value - line), line);
		page_set_text(o, name, value + 1);
	}
	return o;
}

static struct json_object *declare(struct form *form, struct json_object *base)
{
	struct json_object *document = json_object_new_object(), *hook = declare_object(fields, form->values, base);
	struct json_object *rows = page_get(form->values, "buttons");

	json_object_object_del(hook, "buttons");
	for (size_t i = 0; json_object_is_type(rows, json_type_array) && i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i), *button = declare_object(button_fields, row, NULL);

		page_set(button, "args", words(form, page_get(row, "args"), i, "args"));
		page_set(button, "when", words(form, page_get(row, "when"), i, "when"));
		declare_add(hook, "buttons", button);
	}
	declare_add(document, "hooks", hook);
	return document;
}

const struct family hooks = {
    .path = "/alert-hooks",
    .area = "commands",
    .name = "commands/hook",
    .kind = "hook",
    .list = TELE_STMT_MANAGER_HOOKS,
    .get = TELE_STMT_MANAGER_HOOK,
    .save = TELE_STMT_MANAGER_HOOK_SAVE,
    .remove = TELE_STMT_MANAGER_HOOK_REMOVE,
    .filters = filters,
    .fields = fields,
    .inlines = inlines,
    .declare = declare,
};

/* The address is on this page and nowhere else: the database has its hash alone. */
enum tele_err hooks_renew(struct visit *v)
{
	char token[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];
	struct json_object *input = json_object_new_object(), *said = NULL;
	struct tele_buf url = {0};
	enum tele_err rc;

	tele_session_token(token);
	tele_session_hash(token, hash);
	page_set_text(input, "id", v->id);
	page_set_text(input, "token", hash);
	rc = page_ask(v, TELE_STMT_MANAGER_HOOK_RENEW, input, &said);
	json_object_put(input);
	if (rc == TELE_OK) {
		tele_alert_url(v->m->conf->webhook_url, token, &url);
		page_set_text(said, "base", hooks.path);
		page_set_text(said, "url", tele_buf_text(&url));
		page_set_bool(said, "whole", *tele_buf_text(&url) != '/');
		rc = page_render(v, "commands/hook_made", said);
	}
	tele_buf_wipe(&url);
	tele_buf_release(&url);
	sodium_memzero(token, sizeof token);
	return rc;
}
