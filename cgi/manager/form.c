/* Forms: one object of a family made, looked at, changed, made another of, removed; and its history. */
#include "cgi/manager/form.h"

#include "cgi/manager/declare.h"
#include "cgi/manager/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MORE_ROWS = 5 };

static const struct family *family_of(const struct visit *v)
{
	return v->route->family;
}

static struct json_object *input_of(const char *id)
{
	struct json_object *input = json_object_new_object();

	if (*id)
		page_set_text(input, "id", id);
	return input;
}

/* id "": what a new one begins with. */
static enum tele_err get(struct visit *v, const char *id, struct json_object **document)
{
	struct json_object *input = input_of(id);
	enum tele_err rc;

	if (!*id && *request_get(&v->in.query, "from"))
		page_set_text(input, "from", request_get(&v->in.query, "from"));
	rc = page_ask(v, family_of(v)->get, input, document);
	json_object_put(input);
	return rc;
}

/* typed NULL: as it is in the database. */
static enum tele_err render(struct visit *v, struct json_object *document, struct form *typed, size_t more)
{
	const struct family *f = family_of(v);
	char template[128];

	page_set_text(document, "base", f->path);
	page_set_bool(document, "can_save", f->save && page_may(v, f->area, PAGE_CHANGE));
	page_set_bool(document, "can_clone", f->save && !f->not_made && !f->not_cloned && page_may(v, f->area, PAGE_CHANGE));
	page_set_bool(document, "can_remove", f->remove && page_may(v, f->area, PAGE_CHANGE));
	page_set_bool(document, "has_history", f->kind != NULL);
	form_show_fields(document, f, typed, more);
	snprintf(template, sizeof template, "%s_form", f->name);
	if (typed && form_has_errors(typed))
		v->status = "422 Unprocessable Content";
	return page_render(v, template, document);
}

enum tele_err form_new(struct visit *v)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, "", &document);

	return rc == TELE_OK ? render(v, document, NULL, 0) : rc;
}

enum tele_err form_show(struct visit *v)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, v->id, &document);

	return rc == TELE_OK ? render(v, document, NULL, 0) : rc;
}

enum tele_err form_clone(struct visit *v)
{
	struct json_object *document = NULL, *values;
	enum tele_err rc = get(v, v->id, &document);

	if (rc != TELE_OK)
		return rc;
	values = page_get(document, "values");
	for (const struct field *d = family_of(v)->fields; d && d->name; d++)
		if (d->flags & FIELD_NOT_CLONED)
			json_object_object_del(values, d->name);
	for (const struct inline_table *t = family_of(v)->inlines; t && t->name; t++)
		for (const struct field *d = t->fields; d->name; d++)
			if (d->flags & FIELD_NOT_CLONED)
				json_object_object_del(values, t->name);
	page_set(document, "cloned_from", json_object_get(page_get(document, "name")));
	json_object_object_del(document, "id");
	json_object_object_del(document, "version");
	return render(v, document, NULL, 0);
}

/* Saving */

/* Shows what was typed again: with errors, or beside what somebody else has made of it meanwhile. */
static enum tele_err show_again(struct visit *v, struct form *form, struct json_object *conflict, size_t more)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, v->id, &document);

	if (rc != TELE_OK)
		return rc;
	if (conflict) {
		/* Sent once more, it is meant: the newer version has been seen. */
		v->status = "409 Conflict";
		page_set(document, "conflict", json_object_get(conflict));
		page_set(document, "version", json_object_get(page_get(conflict, "version")));
	} else if (*v->id && *request_get(&v->in.form, "version")) {
		page_set_text(document, "version", request_get(&v->in.form, "version"));
	}
	return render(v, document, form, more);
}

static enum tele_err saved(struct visit *v, struct json_object *said)
{
	struct tele_buf path = {0};
	enum tele_err rc;

	page_flash(v, *v->id ? "saved" : "made", json_object_get(said));
	tele_buf_str(&path, family_of(v)->path);
	if (request_has(&v->in.form, "another"))
		tele_buf_str(&path, "/new");
	else
		tele_buf_printf(&path, "/%s", page_text(said, "id"));
	rc = page_redirect(v, tele_buf_text(&path));
	tele_buf_release(&path);
	return rc;
}

/* What was typed as a document, for a family that is declared. */
static enum tele_err declare(struct visit *v, struct form *form, struct json_object *input)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, v->id, &document);

	if (rc == TELE_OK)
		rc = declare_typed(family_of(v), form, page_get(document, "declared"), input);
	json_object_put(document);
	return rc;
}

static bool take_refusal(const struct visit *v, struct form *form, struct json_object *said)
{
	bool refused = form_take_errors(form, said);

	return declare_take_problems(family_of(v), form, said) || refused;
}

static enum tele_err save(struct visit *v, struct form *form)
{
	struct json_object *input = input_of(v->id), *said = NULL;
	enum tele_err rc;

	page_set(input, "values", json_object_get(form->values));
	if (*v->id)
		page_set(input, "version", json_object_new_int64(strtoll(request_get(&v->in.form, "version"), NULL, 10)));
	rc = family_of(v)->declare ? declare(v, form, input) : TELE_OK;
	if (rc == TELE_OK && !form_has_errors(form))
		rc = lines_ask(v, family_of(v)->save, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	if (!said || take_refusal(v, form, said) || page_get(said, "conflict"))
		rc = show_again(v, form, page_get(said, "conflict"), 0);
	else
		rc = saved(v, said);
	json_object_put(said);
	return rc;
}

static enum tele_err take(struct visit *v)
{
	struct form form = {0};
	enum tele_err rc;

	form_read(&form, family_of(v), &v->in.form, *v->id);
	/* A button within the form that only offers more rows. */
	if (request_has(&v->in.form, "more_rows")) {
		json_object_put(form.errors);
		form.errors = json_object_new_object();
		rc = show_again(v, &form, NULL, MORE_ROWS);
	} else {
		rc = form_has_errors(&form) && !family_of(v)->declare ? show_again(v, &form, NULL, 0) : save(v, &form);
	}
	form_release(&form);
	return rc;
}

enum tele_err form_make(struct visit *v)
{
	return take(v);
}

enum tele_err form_change(struct visit *v)
{
	return take(v);
}

/* Removing */

static enum tele_err ask_removal(struct visit *v, bool confirmed, struct json_object **said)
{
	struct json_object *input = input_of(v->id);
	enum tele_err rc;

	page_set_bool(input, "confirmed", confirmed);
	page_set(input, "version", json_object_new_int64(strtoll(request_get(&v->in.form, "version"), NULL, 10)));
	rc = page_ask(v, family_of(v)->remove, input, said);
	json_object_put(input);
	return rc;
}

enum tele_err form_delete(struct visit *v)
{
	struct json_object *said = NULL;
	enum tele_err rc = ask_removal(v, false, &said);

	if (rc != TELE_OK)
		return rc;
	page_set_text(said, "base", family_of(v)->path);
	return page_render(v, "delete", said);
}

enum tele_err form_remove(struct visit *v)
{
	struct json_object *said = NULL;
	enum tele_err rc = ask_removal(v, true, &said);

	if (rc != TELE_OK)
		return rc;
	/* Refused, or changed since it was looked at: what would go is shown as it is now. */
	if (!page_get(said, "done")) {
		v->status = "409 Conflict";
		page_set_bool(said, "again", true);
		page_set_text(said, "base", family_of(v)->path);
		return page_render(v, "delete", said);
	}
	page_flash(v, "removed", said);
	return page_redirect(v, family_of(v)->path);
}

enum tele_err form_history(struct visit *v)
{
	struct json_object *input = input_of(v->id), *document = NULL;
	enum tele_err rc;

	page_set_text(input, "kind", family_of(v)->kind);
	if (*request_get(&v->in.query, "before"))
		page_set_text(input, "before", request_get(&v->in.query, "before"));
	rc = page_ask(v, TELE_STMT_MANAGER_HISTORY, input, &document);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	page_set_text(document, "base", family_of(v)->path);
	return page_render(v, "history", document);
}
