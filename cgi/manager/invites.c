#include "cgi/manager/invites.h"

#include "cgi/manager/form.h"
#include "cgi/manager/qr.h"

#include <string.h>

static const char *const filters[] = {"state", NULL};
static const struct field fields[] = {
    {"login", FIELD_TEXT, 0, 64},
    {"role", FIELD_CHOICE, 0, 0},
    {"days", FIELD_NUMBER, FIELD_REQUIRED, 0},
    {"note", FIELD_TEXT, 0, 200},
    {NULL},
};

const struct family people_invites = {
    .path = "/people/invites",
    .area = "people",
    .name = "people/invite",
    .list = TELE_STMT_MANAGER_INVITES,
    .remove = TELE_STMT_MANAGER_INVITE_REMOVE,
    .filters = filters,
    .fields = fields,
};

/* typed NULL: for the first time. */
static enum tele_err show(struct visit *v, struct form *typed)
{
	struct json_object *input = json_object_new_object(), *document = NULL;
	enum tele_err rc;

	page_set_text(input, "from", request_get(&v->in.query, "from"));
	rc = page_ask(v, TELE_STMT_MANAGER_INVITE, input, &document);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	form_show_fields(document, &people_invites, typed, 0);
	page_set_text(document, "base", people_invites.path);
	page_set_bool(document, "can_save", true);
	if (typed)
		v->status = "422 Unprocessable Content";
	return page_render(v, "people/invite_form", document);
}

enum tele_err invites_new(struct visit *v)
{
	return show(v, NULL);
}

/* The link is on this page and nowhere else: the database has its hash alone. */
static enum tele_err show_link(struct visit *v, struct json_object *made, const char *token)
{
	const char *bot = page_text(made, "bot");
	struct tele_buf link = {0};
	enum tele_err rc = TELE_OK;

	page_set_text(made, "token", token);
	page_set_text(made, "base", people_invites.path);
	if (*bot) {
		struct json_object *code = json_object_new_object();

		tele_buf_printf(&link, "https://t.me/%s?start=%s", bot, token);
		rc = qr_set(code, tele_buf_text(&link));
		page_set(made, "qr", code);
		page_set_text(made, "link", tele_buf_text(&link));
		tele_buf_release(&link);
	}
	if (rc == TELE_OK)
		return page_render(v, "people/invite_made", made);
	json_object_put(made);
	return rc;
}

static enum tele_err make(struct visit *v, struct form *form)
{
	struct json_object *input = json_object_new_object(), *said = NULL;
	char token[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];
	enum tele_err rc;

	tele_session_token(token);
	tele_session_hash(token, hash);
	page_set_text(input, "token", hash);
	page_set(input, "values", json_object_get(form->values));
	rc = page_ask(v, TELE_STMT_MANAGER_INVITE_MAKE, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	if (!form_take_errors(form, said))
		return show_link(v, said, token);
	json_object_put(said);
	return show(v, form);
}

enum tele_err invites_make(struct visit *v)
{
	struct form form = {0};
	enum tele_err rc;

	form_read(&form, &people_invites, &v->in.form, false);
	rc = form_has_errors(&form) ? show(v, &form) : make(v, &form);
	form_release(&form);
	return rc;
}
