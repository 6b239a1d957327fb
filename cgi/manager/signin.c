#include "cgi/manager/signin.h"

#include "cgi/manager/session.h"
#include "lib/log.h"
#include "lib/password.h"
#include "lib/totp.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* New tokens for the browser, their hashes for the database. */
struct tokens {
	char session[TELE_SESSION_TOKEN + 1], device[TELE_SESSION_TOKEN + 1];
};

/* as: what the session's hash is called in the input. */
static void make_tokens(struct visit *v, struct json_object *input, const char *as, struct tokens *made)
{
	char form[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];

	tele_session_token(made->session);
	tele_session_hash(made->session, hash);
	page_set_text(input, as, hash);
	tele_session_form_token(made->session, form);
	tele_session_hash(form, hash);
	page_set_text(input, "form", hash);
	tele_session_token(made->device);
	tele_session_hash(made->device, hash);
	page_set_text(input, "new_device", hash);
	page_set(input, "hours", json_object_new_int64(v->m->conf->session_hours));
}

/* With a second factor the session is good for the next step alone. */
static enum tele_err to_code(struct visit *v)
{
	struct tele_buf address = {0};
	enum tele_err rc;

	tele_buf_str(&address, "/signin/code");
	page_address(&address, "next", next_of(&v->in.form));
	rc = page_redirect(v, tele_buf_text(&address));
	tele_buf_release(&address);
	return rc;
}

static enum tele_err let_in(struct visit *v, struct json_object *input)
{
	struct tokens made;
	struct json_object *said = NULL;
	bool code;
	enum tele_err rc;

	make_tokens(v, input, "session", &made);
	page_set_text(input, "agent", v->in.agent);
	rc = page_ask(v, TELE_STMT_MANAGER_SIGNED_IN, input, &said);
	code = json_object_get_boolean(page_get(said, "code"));
	json_object_put(said);
	if (rc == TELE_NOTFOUND)
		return TELE_DENIED;
	if (rc != TELE_OK)
		return rc;
	session_begin(v, made.session);
	page_cookie(v, device_cookie, made.device, DEVICE_DAYS * 86400L);
	return code ? to_code(v) : page_redirect(v, next_of(&v->in.form));
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

/* The second step */

static enum tele_err ask_code(struct visit *v, bool try, struct json_object **input, struct json_object **said)
{
	char token[TELE_SESSION_TOKEN + 1], hash[TELE_SESSION_HASH + 1];

	/* The session is nobody's yet, so v->token is that of the form. */
	if (!session_cookie_of(v, token))
		return TELE_NOTFOUND;
	tele_session_hash(token, hash);
	*input = json_object_new_object();
	page_set_text(*input, "session", hash);
	page_set_bool(*input, "try", try);
	return page_ask(v, TELE_STMT_MANAGER_CODE, *input, said);
}

static enum tele_err show_code(struct visit *v, const char *what, long long wait)
{
	struct json_object *data = json_object_new_object();

	page_set_text(data, "next", next_of(v->in.post ? &v->in.form : &v->in.query));
	if (what)
		page_set_bool(data, what, true);
	page_set(data, "seconds", json_object_new_int64(wait));
	return page_render(v, "code", data);
}

enum tele_err signin_code(struct visit *v)
{
	struct json_object *input = NULL, *said = NULL;
	enum tele_err rc = ask_code(v, false, &input, &said);

	json_object_put(input);
	json_object_put(said);
	if (rc == TELE_NOTFOUND)
		return page_redirect(v, "/signin");
	return rc == TELE_OK ? show_code(v, NULL, 0) : rc;
}

/* What was typed is a code of now, or else perhaps a recovery code, which the database knows. */
static void read_code(struct visit *v, struct json_object *input, const char *hex)
{
	const char *typed = request_get(&v->in.form, "code");
	unsigned char secret[64];
	char recovery[TELE_TOTP_CODE + 4], hash[TELE_SESSION_HASH + 1];
	size_t n = 0;
	uint64_t step;
	bool fits = !sodium_hex2bin(secret, sizeof secret, hex, strlen(hex), NULL, &n, NULL) &&
	    tele_totp_check(secret, n, typed, time(NULL), &step) == TELE_OK;

	sodium_memzero(secret, sizeof secret);
	if (fits) {
		page_set(input, "step", json_object_new_int64((int64_t)step));
	} else if (tele_totp_recovery_typed(typed, recovery)) {
		tele_session_hash(recovery, hash);
		page_set_text(input, "recovery", hash);
	} else {
		/* Told as well, so that it is in the record. */
		page_set(input, "step", json_object_new_int64(0));
	}
}

static enum tele_err open_session(struct visit *v, struct json_object *input)
{
	struct tokens made;
	struct json_object *said = NULL;
	bool passed;
	enum tele_err rc;

	make_tokens(v, input, "new_session", &made);
	rc = page_ask(v, TELE_STMT_MANAGER_CODE_USED, input, &said);
	passed = json_object_get_boolean(page_get(said, "passed"));
	json_object_put(said);
	if (rc != TELE_OK)
		return rc;
	if (!passed) {
		tele_log(TELE_WARN, "signin_refused", tele_str("from", v->in.address), tele_str("step", "code"));
		v->status = "403 Forbidden";
		return show_code(v, "wrong", 0);
	}
	session_begin(v, made.session);
	return page_redirect(v, next_of(&v->in.form));
}

enum tele_err signin_code_try(struct visit *v)
{
	struct json_object *input = NULL, *said = NULL;
	enum tele_err rc = ask_code(v, true, &input, &said);
	long long wait = json_object_get_int64(page_get(said, "wait"));

	if (rc == TELE_OK && wait) {
		v->status = "429 Too Many Requests";
		page_header(v, "Retry-After: %lld", wait);
		rc = show_code(v, "too_many", wait);
	} else if (rc == TELE_OK) {
		read_code(v, input, page_text(said, "secret"));
		rc = open_session(v, input);
	}
	json_object_put(said);
	json_object_put(input);
	return rc == TELE_NOTFOUND ? page_redirect(v, "/signin") : rc;
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
