#include "cgi/manager/try.h"

#include "cgi/manager/form.h"
#include "cgi/manager/lines.h"
#include "lib/cmdline.h"
#include "lib/expand.h"

#include <sodium.h>

static const struct field fields[] = {
    {"user", FIELD_TEXT, FIELD_REQUIRED, 64},
    {"line", FIELD_TEXT, FIELD_REQUIRED, 4096},
    {"chat", FIELD_NUMBER, 0, 0},
    {NULL},
};

/* Only for its fields. */
static const struct family question = {.path = "/commands/try", .fields = fields};

/* What TeleBot would make of the line, with the command as it is now. Only whether a secret is given counts, so it is sealed for nobody. */
static enum tele_err read_line(struct json_object *rows, long long id, const char *rest, struct json_object *input)
{
	PGresult *res = lines_rows(rows);
	struct tele_buf args = {0}, complaint = {0};
	struct tele_catalogue *c = NULL;
	struct tele_seal_key nobody;
	enum tele_err rc;

	randombytes_buf(nobody.bytes, sizeof nobody.bytes);
	rc = res ? tele_catalogue_read(NULL, res, &nobody, &c) : TELE_NOMEM;
	if (rc == TELE_OK) {
		rc = tele_cmdline_arguments(tele_catalogue_by_id(c, id), rest, &args, &complaint);
		page_set_bool(input, "missing", rc == TELE_EMPTY);
		page_set_text(input, "args", rc == TELE_INVALID || !args.len ? "{}" : tele_buf_text(&args));
		page_set_text(input, "complaint", tele_buf_text(&complaint));
		rc = rc == TELE_EMPTY || rc == TELE_INVALID ? TELE_OK : rc;
	}
	tele_catalogue_drop(c);
	tele_buf_release(&args);
	tele_buf_release(&complaint);
	PQclear(res);
	return rc;
}

/* Templates of what would run, filled in as an engine does it. run NULL: the line is refused. */
static void expand(struct json_object *run)
{
	struct json_object *templates = page_get(run, "argv"), *values = page_get(run, "values"), *argv = json_object_new_array();
	struct tele_buf text = {0};

	if (!run) {
		json_object_put(argv);
		return;
	}
	for (size_t i = 0; json_object_is_type(templates, json_type_array) && i < json_object_array_length(templates); i++) {
		struct json_object *o = json_object_new_object();

		tele_buf_reset(&text);
		tele_expand(&text, json_object_get_string(json_object_array_get_idx(templates, i)), values);
		page_set_text(o, "argument", tele_buf_text(&text));
		json_object_array_add(argv, o);
	}
	page_set(run, "argv", argv);
	tele_buf_reset(&text);
	tele_expand(&text, page_text(run, "template"), values);
	page_set_text(run, "answer", tele_buf_text(&text));
	tele_buf_release(&text);
}

static enum tele_err find_command(struct visit *v, const char *name, struct json_object **out)
{
	struct json_object *input = json_object_new_object();
	enum tele_err rc;

	page_set_text(input, "name", name);
	rc = page_ask(v, TELE_STMT_MANAGER_TRY_COMMAND, input, out);
	json_object_put(input);
	return rc;
}

/* answer: NULL where the question itself is wrong, which the form then says. */
static enum tele_err ask(struct visit *v, struct form *form, const struct tele_cmdline *line, struct json_object **answer)
{
	struct json_object *input = json_object_new_object(), *found = NULL;
	enum tele_err rc = find_command(v, line->name, &found);

	if (rc == TELE_OK && !page_get(found, "id")) {
		form_error(form, "line", json_object_get_boolean(page_get(found, "builtin")) ? "try_builtin" : "try_unknown", json_object_new_string(line->name));
	} else if (rc == TELE_OK) {
		rc = read_line(page_get(found, "rows"), json_object_get_int64(page_get(found, "id")), line->rest, input);
		page_set(input, "command", json_object_get(page_get(found, "id")));
		page_set(input, "user", json_object_get(page_get(form->values, "user")));
		page_set(input, "chat", json_object_get(page_get(form->values, "chat")));
		if (rc == TELE_OK)
			rc = page_ask(v, TELE_STMT_MANAGER_TRY, input, answer);
	}
	json_object_put(found);
	json_object_put(input);
	if (rc == TELE_OK && *answer && form_take_errors(form, *answer)) {
		json_object_put(*answer);
		*answer = NULL;
	}
	return rc;
}

static enum tele_err answer_to(struct visit *v, struct form *form, struct json_object **answer)
{
	struct tele_cmdline line;

	if (form_has_errors(form))
		return TELE_OK;
	if (tele_cmdline_split(page_text(form->values, "line"), &line) != TELE_OK) {
		form_error(form, "line", "try_no_line", NULL);
		return TELE_OK;
	}
	return ask(v, form, &line, answer);
}

enum tele_err try_show(struct visit *v)
{
	struct json_object *document = json_object_new_object(), *answer = NULL;
	struct form form = {0};
	enum tele_err rc = TELE_OK;

	form_read(&form, &question, &v->in.query, false);
	if (!request_has(&v->in.query, "user")) {
		/* Nothing was asked yet: at most a line is proposed. */
		json_object_put(form.errors);
		form.errors = json_object_new_object();
	} else {
		rc = answer_to(v, &form, &answer);
	}
	if (rc == TELE_OK) {
		expand(page_get(answer, "resolved"));
		page_set(document, "answer", answer);
		form_show_fields(document, &question, &form, 0);
		rc = page_render(v, "commands/try", document);
	} else {
		json_object_put(answer);
		json_object_put(document);
	}
	form_release(&form);
	return rc;
}
