#include "cgi/manager/backup.h"

#include "cgi/manager/lines.h"
#include "lib/document.h"
#include "lib/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 16 };

/* A file that was chosen counts before what was pasted. */
static const char *typed(const struct visit *v)
{
	const char *file = request_get(&v->in.form, "file");

	return file[strspn(file, " \t\r\n")] ? file : request_get(&v->in.form, "document");
}

/* problems: a list of path and reason, taken over; NULL: none. What was given is kept. */
static enum tele_err show(struct visit *v, struct json_object *problems)
{
	struct json_object *document = NULL;
	enum tele_err rc = page_ask(v, TELE_STMT_MANAGER_BACKUP, NULL, &document);

	if (rc != TELE_OK) {
		json_object_put(problems);
		return rc;
	}
	page_set_text(document, "document", typed(v));
	page_set_bool(document, "prune", request_has(&v->in.form, "prune"));
	page_set_bool(document, "wrong", problems);
	page_set(document, "problems", problems);
	if (problems)
		v->status = "422 Unprocessable Content";
	return page_render(v, "backup/backup", document);
}

enum tele_err backup_show(struct visit *v)
{
	return show(v, NULL);
}

enum tele_err backup_export(struct visit *v)
{
	struct json_object *said = NULL, *sorted;
	enum tele_err rc = page_ask(v, TELE_STMT_MANAGER_BACKUP_EXPORT, NULL, &said);
	const char *text;
	char name[64];

	if (rc != TELE_OK)
		return rc;
	sorted = tele_document_in_order(page_get(said, "document"));
	text = json_object_to_json_string_ext(sorted, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	snprintf(name, sizeof name, "teleops-%s.json", page_text(said, "day"));
	page_stream(v, "application/json", name);
	page_send(v, text, strlen(text));
	page_send(v, "\n", 1);
	json_object_put(sorted);
	json_object_put(said);
	return TELE_OK;
}

static void add_problem(struct json_object *problems, const char *path, const char *reason)
{
	struct json_object *o = json_object_new_object();

	page_set_text(o, "path", path);
	page_set_text(o, "reason", reason);
	json_object_array_add(problems, o);
}

/* "path: reason", a line each. */
static void add_lines(struct json_object *problems, char *text)
{
	char *line, *reason;

	while ((line = strsep(&text, "\n")) != NULL) {
		reason = strstr(line, ": ");
		if (!reason)
			continue;
		*reason = '\0';
		add_problem(problems, line, reason + 2);
	}
}

/* As teleops apply reads a file. NULL: problems says why. */
static struct json_object *read_document(const char *text, struct json_object *problems)
{
	struct tele_buf errors = {0};
	const char *why = NULL;
	char *said;
	int line = 0;
	struct json_object *o = tele_json_parse(text, strlen(text), DEPTH_MOST, &why, &line);

	if (!o) {
		add_problem(problems, "", why);
		page_set(json_object_array_get_idx(problems, 0), "line", json_object_new_int(line));
	} else if (tele_document_check(o, &errors) != TELE_OK) {
		said = tele_buf_detach(&errors);
		if (said)
			add_lines(problems, said);
		free(said);
		json_object_put(o);
		o = NULL;
	}
	tele_buf_release(&errors);
	return o;
}

/* What it would change, to be confirmed. */
static enum tele_err show_difference(struct visit *v, struct json_object *said)
{
	page_set_text(said, "document", typed(v));
	page_set_bool(said, "prune", request_has(&v->in.form, "prune"));
	page_set_bool(said, "again", request_has(&v->in.form, "confirmed"));
	if (request_has(&v->in.form, "confirmed"))
		v->status = "409 Conflict";
	return page_render(v, "backup/difference", said);
}

static enum tele_err apply(struct visit *v, struct json_object *document)
{
	struct json_object *input = json_object_new_object(), *said = NULL, *problems;
	enum tele_err rc;

	page_set(input, "document", document);
	page_set_bool(input, "prune", request_has(&v->in.form, "prune"));
	if (request_has(&v->in.form, "confirmed"))
		page_set_text(input, "confirmed", request_get(&v->in.form, "confirmed"));
	rc = lines_ask(v, TELE_STMT_MANAGER_BACKUP_APPLY, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	problems = json_object_get(page_get(said, "problems"));
	if (!problems && !page_get(said, "done"))
		return show_difference(v, said);
	if (!problems)
		page_flash(v, "applied", json_object_get(said));
	json_object_put(said);
	return problems ? show(v, problems) : page_redirect(v, "/backup");
}

enum tele_err backup_apply(struct visit *v)
{
	struct json_object *problems = json_object_new_array();
	struct json_object *document = read_document(typed(v), problems);

	if (!document)
		return show(v, problems);
	json_object_put(problems);
	return apply(v, document);
}
