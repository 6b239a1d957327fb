#include "cgi/manager/session.h"

#include "lib/log.h"

#include <stdio.h>
#include <string.h>

static const char session_cookie[] = "__Host-teleops";
static const char form_cookie[] = "__Host-teleops-form";

static enum tele_err ask(struct visit *v, const char *token, struct json_object **out)
{
	struct json_object *input = json_object_new_object();
	char hash[TELE_SESSION_HASH + 1];
	enum tele_err rc;

	tele_session_hash(token, hash);
	page_set_text(input, "session", hash);
	page_set(input, "idle_min", json_object_new_int64(v->m->conf->session_idle_min));
	rc = page_ask(v, TELE_STMT_MANAGER_SESSION, input, out);
	json_object_put(input);
	return rc;
}

bool session_cookie_of(const struct visit *v, char token[TELE_SESSION_TOKEN + 1])
{
	return request_cookie(v->in.cookies, session_cookie, token, TELE_SESSION_TOKEN + 1) && tele_session_is_token(token);
}

enum tele_err session_find(struct visit *v)
{
	char token[TELE_SESSION_TOKEN + 1];
	enum tele_err rc;

	snprintf(v->zone, sizeof v->zone, "UTC");
	if (!session_cookie_of(v, token))
		return TELE_OK;
	rc = ask(v, token, &v->who);
	if (rc == TELE_NOTFOUND)
		return TELE_OK;
	if (rc != TELE_OK)
		return rc;
	memcpy(v->token, token, sizeof v->token);
	v->user = json_object_get_int64(page_get(v->who, "user"));
	snprintf(v->zone, sizeof v->zone, "%s", page_text(v->who, "zone"));
	return TELE_OK;
}

void session_prepare_form(struct visit *v)
{
	char token[128];

	if (*v->token)
		return;
	if (request_cookie(v->in.cookies, form_cookie, token, sizeof token) && tele_session_is_token(token)) {
		memcpy(v->token, token, sizeof v->token);
		return;
	}
	/* Only a page with a form gives the cookie; a form that comes without is not from us. */
	if (v->in.post)
		return;
	tele_session_token(v->token);
	page_cookie(v, form_cookie, v->token, 0);
}

void session_begin(struct visit *v, const char *token)
{
	page_cookie(v, session_cookie, token, 0);
	page_cookie(v, form_cookie, "", -1);
}

void session_end(struct visit *v)
{
	page_cookie(v, session_cookie, "", -1);
}

/* Back to where one wanted to go once signed in; a form cannot be sent again. */
static enum tele_err to_sign_in(struct visit *v)
{
	struct tele_buf place = {0}, address = {0};
	enum tele_err rc;

	/*
	 * Browsers keep our cookie back when a link of another site leads here (SameSite=Strict). A page that goes on to the same address
	 * by itself makes it a visit from our own site, with the cookie; without one it ends at the sign-in all the same.
	 */
	if (!strcmp(v->in.site, "cross-site") && !v->in.post) {
		struct json_object *data = json_object_new_object();

		tele_buf_printf(&place, "%s%s%s", v->in.path, *v->in.query_text ? "?" : "", v->in.query_text);
		page_set_text(data, "place", tele_buf_text(&place));
		tele_buf_release(&place);
		return page_render(v, "onward", data);
	}
	tele_buf_str(&place, v->in.path);
	if (!v->in.post && *v->in.query_text)
		tele_buf_printf(&place, "?%s", v->in.query_text);
	tele_buf_str(&address, "/signin");
	if (strcmp(tele_buf_text(&place), "/") && tele_session_is_local(tele_buf_text(&place)))
		page_address(&address, "next", tele_buf_text(&place));
	if (v->in.post)
		page_flash(v, "signed_out", NULL);
	rc = page_redirect(v, tele_buf_text(&address));
	tele_buf_release(&place);
	tele_buf_release(&address);
	return rc;
}

static enum tele_err refuse(struct visit *v, const char *why)
{
	tele_log(TELE_WARN, "refused", tele_str("why", why), tele_str("path", v->in.path), tele_int("user", v->user),
	    tele_str("from", v->in.address));
	return TELE_DENIED;
}

enum tele_err session_admit(struct visit *v)
{
	enum tele_err rc;

	if (v->route->need == PAGE_PUBLIC) {
		session_prepare_form(v);
	} else if (!v->user) {
		rc = to_sign_in(v);
		return rc == TELE_OK ? TELE_EMPTY : rc;
	}
	if (!page_may(v, v->route->area, v->route->need))
		return refuse(v, "permission");
	/* Who got a password from somebody else chooses another first, and can do nothing else. */
	if (json_object_get_boolean(page_get(v->who, "must_change")) && v->route->need >= PAGE_SIGNED_IN && strcmp(v->in.path, "/account/password") &&
	    strcmp(v->in.path, "/signout")) {
		rc = page_redirect(v, "/account/password");
		return rc == TELE_OK ? TELE_EMPTY : rc;
	}
	if (v->in.post && (!*v->token || !tele_session_form_fits(v->token, request_get(&v->in.form, "csrf"))))
		return refuse(v, "form token");
	return TELE_OK;
}
