#include "cgi/manager/page.h"

#include "cgi/manager/route.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 8000, FLASH_MOST = 3000, DEPTH = 32 };

static const char flash_cookie[] = "__Host-teleops-flash";

/*
 * Every page. There is no script or style but our own files, nobody frames us, and nothing is kept. nginx adds what belongs to TLS.
 */
static const char security_headers[] =
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()\r\n";

/* Documents */

void page_set(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

void page_set_text(struct json_object *o, const char *key, const char *value)
{
	page_set(o, key, json_object_new_string(value ? value : ""));
}

void page_set_bool(struct json_object *o, const char *key, bool value)
{
	page_set(o, key, json_object_new_boolean(value));
}

struct json_object *page_get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &value) ? value : NULL;
}

const char *page_text(struct json_object *o, const char *key)
{
	struct json_object *value = page_get(o, key);

	return value ? json_object_get_string(value) : "";
}

void page_address(struct tele_buf *address, const char *name, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~,:/@";

	tele_buf_char(address, strchr(tele_buf_text(address), '?') ? '&' : '?');
	tele_buf_str(address, name);
	tele_buf_char(address, '=');
	for (const char *p = value; *p; p++) {
		if (strchr(plain, *p))
			tele_buf_char(address, *p);
		else
			tele_buf_printf(address, "%%%02X", (unsigned char)*p);
	}
}

/* The database */

static struct json_object *visit_document(const struct visit *v)
{
	struct json_object *o = json_object_new_object();

	if (v->user)
		page_set(o, "user", json_object_new_int64(v->user));
	if (*v->in.address)
		page_set_text(o, "address", v->in.address);
	page_set_text(o, "zone", v->zone);
	return o;
}

/* What the database wrote is well-formed; only its size and depth could be beyond us. */
static enum tele_err parse(const PGresult *res, struct json_object **out)
{
	struct json_tokener *tok;
	struct json_object *o;

	if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0))
		return TELE_NOTFOUND;
	tok = json_tokener_new_ex(DEPTH);
	if (!tok)
		return TELE_NOMEM;
	o = json_tokener_parse_ex(tok, PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0) + 1);
	json_tokener_free(tok);
	if (!o)
		return TELE_NOTFOUND;
	*out = o;
	return TELE_OK;
}

enum tele_err page_ask(struct visit *v, enum tele_stmt stmt, struct json_object *input, struct json_object **out)
{
	struct json_object *who = visit_document(v);
	const char *values[] = {json_object_to_json_string_ext(who, JSON_C_TO_STRING_PLAIN),
	    input ? json_object_to_json_string_ext(input, JSON_C_TO_STRING_PLAIN) : "{}"};
	struct tele_buf why = {0};
	PGresult *res = NULL;
	enum tele_err rc = tele_pool_run(v->m->pool, stmt, values, ASK_MS, &res, &why);

	if (rc == TELE_OK)
		rc = parse(res, out);
	else
		tele_log(rc == TELE_DB || rc == TELE_SYSTEM ? TELE_ERROR : TELE_WARN, "not_answered", tele_str("statement", tele_stmt_text(stmt)->name),
		    tele_str("path", v->in.path), tele_str("error", tele_buf_text(&why)));
	PQclear(res);
	json_object_put(who);
	tele_buf_release(&why);
	return rc;
}

/* Answers */

void page_header(struct visit *v, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	/* A value with a line end would be another header. */
	line[strcspn(line, "\r\n")] = '\0';
	tele_buf_str(&v->headers, line);
	tele_buf_str(&v->headers, "\r\n");
}

void page_cookie(struct visit *v, const char *name, const char *value, long max_age)
{
	char age[32] = "";

	if (max_age)
		snprintf(age, sizeof age, "; Max-Age=%ld", max_age < 0 ? 0 : max_age);
	page_header(v, "Set-Cookie: %s=%s; Path=/; Secure; HttpOnly; SameSite=Strict%s", name, value, age);
}

void page_flash(struct visit *v, const char *key, struct json_object *value)
{
	if (!v->flash)
		v->flash = json_object_new_object();
	page_set(v->flash, key, value ? value : json_object_new_boolean(true));
}

/* What the page before wanted to say. Its cookie is this browser's own: at worst somebody lies to themselves. */
static void take_flash(struct visit *v)
{
	char text[FLASH_MOST * 4 / 3 + 8], json[FLASH_MOST + 1];
	size_t n;

	if (v->flash || !request_cookie(v->in.cookies, flash_cookie, text, sizeof text))
		return;
	page_cookie(v, flash_cookie, "", -1);
	if (sodium_base642bin((unsigned char *)json, sizeof json - 1, text, strlen(text), NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING))
		return;
	json[n] = '\0';
	v->flash = json_tokener_parse(json);
}

static void leave_flash(struct visit *v)
{
	const char *json = v->flash ? json_object_to_json_string_ext(v->flash, JSON_C_TO_STRING_PLAIN) : "";
	char text[FLASH_MOST * 4 / 3 + 8];

	if (!*json || strlen(json) > FLASH_MOST)
		return;
	sodium_bin2base64(text, sizeof text, (const unsigned char *)json, strlen(json), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	page_cookie(v, flash_cookie, text, 60);
}

/* /people/users is in the section people, and the page users of it. */
static void set_place(struct visit *v, struct json_object *data)
{
	struct json_object *at = json_object_new_object();
	char path[128], *rest = path;
	const char *part;

	snprintf(path, sizeof path, "%s", v->in.path);
	for (int i = 0; i < 2 && (part = strsep(&rest, "/")) != NULL; i += *part != '\0')
		if (*part)
			page_set_bool(at, part, true);
	if (!strcmp(v->in.path, "/"))
		page_set_bool(at, "start", true);
	page_set(data, "at", at);
}

/* What every page has besides its own. */
static void set_layout(struct visit *v, struct json_object *data)
{
	static const char *const told[] = {"who", "may", "change", "section", "waiting"};
	char form[TELE_SESSION_TOKEN + 1];

	take_flash(v);
	for (size_t i = 0; v->who && i < sizeof told / sizeof *told; i++)
		page_set(data, told[i], json_object_get(page_get(v->who, told[i])));
	if (*v->token) {
		tele_session_form_token(v->token, form);
		page_set_text(data, "csrf", form);
	}
	if (v->route && v->route->area)
		page_set_bool(data, "can_change", page_may(v, v->route->area, PAGE_CHANGE));
	page_set(data, "flash", json_object_get(v->flash));
	page_set_text(data, "path", v->in.path);
	set_place(v, data);
}

enum tele_err page_render(struct visit *v, const char *template, struct json_object *data)
{
	enum tele_err rc;

	if (!data)
		data = json_object_new_object();
	set_layout(v, data);
	tele_buf_reset(&v->body);
	rc = tele_template_render(v->m->templates, template, data, &v->body);
	json_object_put(data);
	if (rc != TELE_OK || v->body.failed)
		return rc == TELE_OK ? TELE_NOMEM : TELE_SYSTEM;
	if (!v->status)
		v->status = "200 OK";
	v->type = "text/html; charset=utf-8";
	tele_buf_str(&v->headers, security_headers);
	return TELE_OK;
}

enum tele_err page_redirect(struct visit *v, const char *path)
{
	v->status = "303 See Other";
	v->type = "text/plain; charset=utf-8";
	page_header(v, "Location: %s", path);
	leave_flash(v);
	tele_buf_str(&v->headers, security_headers);
	return TELE_OK;
}

enum tele_err page_error(struct visit *v, const char *status)
{
	char name[32];

	snprintf(name, sizeof name, "error/%.3s", status);
	v->status = status;
	return page_render(v, name, NULL);
}

void page_stream(struct visit *v, const char *type, const char *filename)
{
	struct tele_buf head = {0};

	v->streaming = true;
	tele_buf_printf(&head, "Status: 200 OK\r\nContent-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"\r\n%s\r\n", type, filename,
	    security_headers);
	page_send(v, tele_buf_text(&head), head.len);
	tele_buf_release(&head);
}

void page_send(struct visit *v, const char *bytes, size_t n)
{
	v->send(v->sink, bytes, n);
}

bool page_may(const struct visit *v, const char *area, enum page_need need)
{
	if (need <= PAGE_PUBLIC)
		return true;
	if (!v->user)
		return false;
	return need == PAGE_SIGNED_IN || !area || page_get(page_get(v->who, need == PAGE_VIEW ? "may" : "change"), area);
}
