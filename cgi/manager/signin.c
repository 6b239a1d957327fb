#include "cgi/manager/signin.h"

#include "cgi/manager/session.h"
#include "lib/log.h"
#include "lib/password.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* A browser that somebody has signed in with: whoever tries this login elsewhere does not slow it down (docs/security.md). */
static const char device_cookie[] = "__Host-teleops-device";
enum { DEVICE_DAYS = 90 };

static const char *next_of(const struct request_pairs *pairs)
{
	const char *next = request_get(pairs, "next");

	return tele_session_is_local(next) ? next : "/";
}

/* what: why it is shown again, for the template; NULL: for the first time. */
static enum tele_err show(struct visit *v, const char *what, long long wait)
{
	const struct request_pairs *pairs = v->in.post ? &v->in.form : &v->in.query;
	struct json_object *data = json_object_new_object();

	session_prepare_form(v);
	page_set_text(data, "login", request_get(pairs, "login"));
	page_set_text(data, "next", next_of(pairs));
	if (what)
		page_set_bool(data, what, true);
	page_set(data, "seconds", json_object_new_int64(wait));
	return page_render(v, "signin", data);
}

enum tele_err signin_show(struct visit *v)
{
	return v->user ? page_redirect(v, next_of(&v->in.query)) : show(v, NULL, 0);
}

static void device_hash(struct visit *v, char hash[TELE_SESSION_HASH + 1])
{
	char token[128];

	*hash = '\0';
	if (request_cookie(v->in.cookies, device_cookie, token, sizeof token) && tele_session_is_token(token))
		tele_session_hash(token, hash);
}

/* Too many tries lately. */
static enum tele_err put_off(struct visit *v, long long seconds)
{
	v->status = "429 Too Many Requests";
	page_header(v, "Retry-After: %lld", seconds);
	tele_log(TELE_WARN, "signin_put_off", tele_str("from", v->in.address), tele_int("seconds", seconds));
	return show(v, "too_many", seconds);
}

static enum tele_err let_in(struct visit *v, struct json_object *input)
{
	char session[TELE_SESSION_TOKEN + 1], form[TELE_SESSION_TOKEN + 1], device[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];
	struct json_object *said = NULL;
	enum tele_err rc;

	tele_session_token(session);
	tele_session_token(device);
	tele_session_hash(session, hash);
	page_set_text(input, "session", hash);
	tele_session_form_token(session, form);
	tele_session_hash(form, hash);
	page_set_text(input, "form", hash);
	tele_session_hash(device, hash);
	page_set_text(input, "new_device", hash);
	page_set_text(input, "agent", v->in.agent);
	page_set(input, "hours", json_object_new_int64(v->m->conf->session_hours));
	rc = page_ask(v, TELE_STMT_MANAGER_SIGNED_IN, input, &said);
	json_object_put(said);
	if (rc == TELE_NOTFOUND)
		return TELE_DENIED;
	if (rc != TELE_OK)
		return rc;
	session_begin(v, session);
	page_cookie(v, device_cookie, device, DEVICE_DAYS * 86400L);
	return page_redirect(v, next_of(&v->in.form));
}

/* The password is compared here, since only crypt(3) knows how; what follows from it is for the database. */
static enum tele_err judge(struct visit *v, struct json_object *input, const char *hash)
{
	enum tele_err rc = tele_password_check(request_get(&v->in.form, "password"), hash);

	if (rc != TELE_OK && rc != TELE_DENIED)
		return rc;
	page_set_bool(input, "passed", rc == TELE_OK);
	rc = let_in(v, input);
	if (rc != TELE_DENIED)
		return rc;
	tele_log(TELE_WARN, "signin_refused", tele_str("from", v->in.address));
	v->status = "403 Forbidden";
	return show(v, "wrong", 0);
}

enum tele_err signin_try(struct visit *v)
{
	struct json_object *input = json_object_new_object(), *said = NULL;
	char device[TELE_SESSION_HASH + 1];
	long long wait;
	enum tele_err rc;

	device_hash(v, device);
	page_set_text(input, "login", request_get(&v->in.form, "login"));
	page_set_text(input, "device", device);
	rc = page_ask(v, TELE_STMT_MANAGER_SIGNIN, input, &said);
	if (rc == TELE_OK) {
		wait = json_object_get_int64(page_get(said, "wait"));
		rc = wait ? put_off(v, wait) : judge(v, input, page_text(said, "hash"));
	}
	json_object_put(said);
	json_object_put(input);
	return rc;
}

enum tele_err signin_out(struct visit *v)
{
	struct json_object *input = json_object_new_object(), *said = NULL;
	char hash[TELE_SESSION_HASH + 1];
	enum tele_err rc;

	tele_session_hash(v->token, hash);
	page_set_text(input, "session", hash);
	rc = page_ask(v, TELE_STMT_MANAGER_SIGN_OUT, input, &said);
	json_object_put(said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	session_end(v);
	page_flash(v, "signed_off", NULL);
	return page_redirect(v, "/signin");
}
