#include "cgi/manager/account.h"

#include "cgi/manager/form.h"
#include "cgi/manager/qr.h"
#include "lib/log.h"
#include "lib/password.h"
#include "lib/totp.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODES = 10 };

/* No family with a list: its form alone is used. */
static const struct field fields[] = {
    {"first_name", FIELD_TEXT, 0, 64},
    {"last_name", FIELD_TEXT, 0, 64},
    {"timezone", FIELD_TEXT, FIELD_REQUIRED, 64},
    {NULL},
};
static const struct family account = {.fields = fields};

static struct json_object *own_session(const struct visit *v)
{
	struct json_object *input = json_object_new_object();
	char hash[TELE_SESSION_HASH + 1];

	tele_session_hash(v->token, hash);
	page_set_text(input, "session", hash);
	return input;
}

static enum tele_err get(struct visit *v, struct json_object **document)
{
	struct json_object *input = own_session(v);
	enum tele_err rc = page_ask(v, TELE_STMT_MANAGER_ACCOUNT, input, document);

	json_object_put(input);
	return rc;
}

/* form: what was typed into one of the forms of a page, with its errors; NULL: nothing yet. */
static enum tele_err show(struct visit *v, const char *template, struct form *form)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, &document);

	if (rc != TELE_OK)
		return rc;
	form_show_fields(document, &account, form && form->values ? form : NULL, 0);
	if (form && form_has_errors(form)) {
		page_set(document, "errors", json_object_get(form->errors));
		page_set_bool(document, "wrong", true);
		if (!v->status)
			v->status = "422 Unprocessable Content";
	}
	return page_render(v, template, document);
}

enum tele_err account_show(struct visit *v)
{
	return show(v, "account/account", NULL);
}

static enum tele_err save(struct visit *v, struct form *form)
{
	struct json_object *input = json_object_new_object(), *said = NULL;
	enum tele_err rc;

	page_set(input, "values", json_object_get(form->values));
	page_set(input, "version", json_object_new_int64(strtoll(request_get(&v->in.form, "version"), NULL, 10)));
	rc = page_ask(v, TELE_STMT_MANAGER_ACCOUNT_SAVE, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	if (page_get(said, "conflict"))
		form_error(form, "", "changed_meanwhile", NULL);
	if (form_take_errors(form, said) || form_has_errors(form)) {
		json_object_put(said);
		return show(v, "account/account", form);
	}
	page_flash(v, "saved", said);
	return page_redirect(v, "/account");
}

enum tele_err account_save(struct visit *v)
{
	struct form form = {0};
	enum tele_err rc;

	form_read(&form, &account, &v->in.form, true);
	rc = form_has_errors(&form) ? show(v, "account/account", &form) : save(v, &form);
	form_release(&form);
	return rc;
}

/* One's own password, before anything that matters */

/* TELE_OK: it is right. TELE_DENIED: it is not, and form says so. */
static enum tele_err check_password(struct visit *v, struct form *form)
{
	struct json_object *said = NULL;
	enum tele_err rc = page_ask(v, TELE_STMT_MANAGER_ACCOUNT_PASSWORD, NULL, &said);
	long long wait;

	if (rc != TELE_OK)
		return rc;
	wait = json_object_get_int64(page_get(said, "wait"));
	if (wait) {
		v->status = "429 Too Many Requests";
		form_error(form, "password", "wait", json_object_new_int64(wait));
		rc = TELE_DENIED;
	} else {
		rc = tele_password_check(request_get(&v->in.form, "password"), page_text(said, "hash"));
		if (rc == TELE_DENIED)
			form_error(form, "password", "wrong_password", NULL);
	}
	json_object_put(said);
	return rc;
}

/* What follows from a right password; input is put. */
static enum tele_err change(struct visit *v, const char *what, struct json_object *input)
{
	struct json_object *said = NULL;
	enum tele_err rc;

	page_set_text(input, "what", what);
	rc = page_ask(v, TELE_STMT_MANAGER_ACCOUNT_CHANGE, input, &said);
	json_object_put(said);
	json_object_put(input);
	return rc;
}

static struct form no_form(void)
{
	return (struct form){.errors = json_object_new_object()};
}

enum tele_err account_password(struct visit *v)
{
	return show(v, "account/password", NULL);
}

static void check_new_password(struct visit *v, struct form *form)
{
	const char *chosen = request_get(&v->in.form, "new"), *again = request_get(&v->in.form, "again");

	if (strlen(chosen) < TELE_PASSWORD_LEAST)
		form_error(form, "new", "too_short", json_object_new_int64(TELE_PASSWORD_LEAST));
	else if (strlen(chosen) > TELE_PASSWORD_MOST)
		form_error(form, "new", "too_long", json_object_new_int64(TELE_PASSWORD_MOST));
	else if (!strcmp(chosen, request_get(&v->in.form, "password")))
		form_error(form, "new", "same_password", NULL);
	if (strcmp(chosen, again))
		form_error(form, "again", "not_same", NULL);
}

static enum tele_err set_password(struct visit *v)
{
	struct json_object *input = own_session(v);
	char hash[TELE_PASSWORD_HASH];
	enum tele_err rc = tele_password_hash(request_get(&v->in.form, "new"), hash);

	if (rc != TELE_OK) {
		json_object_put(input);
		return rc;
	}
	page_set_text(input, "hash", hash);
	rc = change(v, "password", input);
	if (rc != TELE_OK)
		return rc;
	page_flash(v, "password_changed", NULL);
	return page_redirect(v, "/account");
}

enum tele_err account_password_change(struct visit *v)
{
	struct form form = no_form();
	enum tele_err rc = TELE_DENIED;

	check_new_password(v, &form);
	if (!form_has_errors(&form))
		rc = check_password(v, &form);
	if (rc == TELE_OK)
		rc = set_password(v);
	else if (rc == TELE_DENIED)
		rc = show(v, "account/password", &form);
	form_release(&form);
	return rc;
}

enum tele_err account_session_end(struct visit *v)
{
	struct json_object *input = own_session(v), *said = NULL;
	enum tele_err rc;

	page_set_text(input, "id", v->id);
	rc = page_ask(v, TELE_STMT_MANAGER_SESSION_END, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	page_flash(v, "sessions_ended", json_object_get(page_get(said, "ended")));
	json_object_put(said);
	return page_redirect(v, "/account");
}

/* The second factor */

static bool bytes_of(const char *hex, unsigned char secret[TELE_TOTP_BYTES])
{
	size_t n = 0;

	return !sodium_hex2bin(secret, TELE_TOTP_BYTES, hex, strlen(hex), NULL, &n, NULL) && n == TELE_TOTP_BYTES;
}

/* The one being set up, to be scanned or typed. */
static enum tele_err show_secret(struct visit *v, struct json_object *document, struct form *form)
{
	unsigned char secret[TELE_TOTP_BYTES];
	struct tele_buf address = {0}, typed = {0};
	struct json_object *code = json_object_new_object();
	enum tele_err rc = TELE_SYSTEM;

	if (bytes_of(page_text(document, "totp_new"), secret))
		rc = tele_totp_address(secret, page_text(document, "login"), &address, &typed);
	if (rc == TELE_OK)
		rc = qr_set(code, tele_buf_text(&address));
	page_set(document, "qr", code);
	page_set_text(document, "typed", tele_buf_text(&typed));
	json_object_object_del(document, "totp_new");
	if (form && form_has_errors(form)) {
		page_set(document, "errors", json_object_get(form->errors));
		if (!v->status)
			v->status = "422 Unprocessable Content";
	}
	sodium_memzero(secret, sizeof secret);
	tele_buf_release(&address);
	tele_buf_release(&typed);
	if (rc == TELE_OK)
		return page_render(v, "account/totp", document);
	json_object_put(document);
	return rc;
}

static enum tele_err show_totp(struct visit *v, struct form *form)
{
	struct json_object *document = NULL;
	enum tele_err rc = get(v, &document);

	if (rc != TELE_OK)
		return rc;
	if (*page_text(document, "totp_new"))
		return show_secret(v, document, form);
	json_object_put(document);
	return page_redirect(v, "/account");
}

enum tele_err account_totp(struct visit *v)
{
	return show_totp(v, NULL);
}

/* Runs then once the password that came with the form is right; else shows the account with what is wrong. */
static enum tele_err with_password(struct visit *v, enum tele_err (*then)(struct visit *v))
{
	struct form form = no_form();
	enum tele_err rc = check_password(v, &form);

	if (rc == TELE_OK)
		rc = then(v);
	else if (rc == TELE_DENIED)
		rc = show(v, "account/account", &form);
	form_release(&form);
	return rc;
}

static enum tele_err begin(struct visit *v)
{
	struct json_object *input = own_session(v);
	unsigned char secret[TELE_TOTP_BYTES];
	char hex[2 * TELE_TOTP_BYTES + 1];
	enum tele_err rc;

	tele_totp_secret(secret);
	sodium_bin2hex(hex, sizeof hex, secret, sizeof secret);
	page_set_text(input, "secret", hex);
	rc = change(v, "totp", input);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(hex, sizeof hex);
	return rc == TELE_OK ? page_redirect(v, "/account/totp") : rc;
}

enum tele_err account_totp_begin(struct visit *v)
{
	return with_password(v, begin);
}

static enum tele_err turn_off(struct visit *v)
{
	enum tele_err rc = change(v, "totp_off", own_session(v));

	if (rc != TELE_OK)
		return rc;
	page_flash(v, "totp_off", NULL);
	return page_redirect(v, "/account");
}

enum tele_err account_totp_off(struct visit *v)
{
	return with_password(v, turn_off);
}

/* Makes recovery codes: their hashes go to input, they themselves to document, to be shown this once. */
static void make_codes(struct json_object *input, struct json_object *document)
{
	struct json_object *hashes = json_object_new_array(), *codes = json_object_new_array();

	for (int i = 0; i < CODES; i++) {
		char code[TELE_TOTP_CODE + 4], hash[TELE_SESSION_HASH + 1];

		tele_totp_recovery(code);
		tele_session_hash(code, hash);
		json_object_array_add(hashes, json_object_new_string(hash));
		json_object_array_add(codes, json_object_new_string(code));
	}
	page_set(input, "codes", hashes);
	page_set(document, "codes", codes);
}

static enum tele_err new_codes(struct visit *v)
{
	struct json_object *input = own_session(v), *document = json_object_new_object();
	enum tele_err rc;

	make_codes(input, document);
	rc = change(v, "codes", input);
	if (rc == TELE_OK)
		return page_render(v, "account/codes", document);
	json_object_put(document);
	return rc;
}

enum tele_err account_totp_codes(struct visit *v)
{
	return with_password(v, new_codes);
}

static enum tele_err finish(struct visit *v, struct json_object *input, uint64_t step)
{
	struct json_object *document = json_object_new_object(), *said = NULL;
	enum tele_err rc;

	make_codes(input, document);
	page_set(input, "step", json_object_new_int64((int64_t)step));
	rc = page_ask(v, TELE_STMT_MANAGER_TOTP_END, input, &said);
	json_object_put(said);
	page_set_bool(document, "set_up", true);
	if (rc == TELE_OK)
		return page_render(v, "account/codes", document);
	json_object_put(document);
	return rc;
}

/* said: what manager_totp_begin gave. */
static enum tele_err confirm(struct visit *v, struct json_object *input, struct json_object *said)
{
	struct form form = no_form();
	unsigned char secret[TELE_TOTP_BYTES];
	long long wait = json_object_get_int64(page_get(said, "wait"));
	uint64_t step = 0;
	enum tele_err rc = TELE_DENIED;

	if (wait) {
		v->status = "429 Too Many Requests";
		form_error(&form, "code", "wait", json_object_new_int64(wait));
	} else if (bytes_of(page_text(said, "secret"), secret)) {
		rc = tele_totp_check(secret, sizeof secret, request_get(&v->in.form, "code"), time(NULL), &step);
		sodium_memzero(secret, sizeof secret);
	}
	if (rc == TELE_OK) {
		rc = finish(v, input, step);
	} else {
		if (!wait)
			form_error(&form, "code", "wrong_code", NULL);
		rc = show_totp(v, &form);
	}
	form_release(&form);
	return rc;
}

enum tele_err account_totp_confirm(struct visit *v)
{
	struct json_object *input = own_session(v), *said = NULL;
	enum tele_err rc = page_ask(v, TELE_STMT_MANAGER_TOTP_BEGIN, input, &said);

	if (rc == TELE_OK)
		rc = confirm(v, input, said);
	json_object_put(said);
	json_object_put(input);
	return rc;
}
