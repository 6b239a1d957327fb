#include "cgi/manager/request.h"

#include "cgi/manager/parts.h"
#include "lib/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool request_is_text(const char *text, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c;

		len = tele_text_decode(text + i, n - i, &c);
		if (!len || !c)
			return false;
	}
	return true;
}

/* One character of n bytes at from; *used bytes of them. 0: a broken escape, or NUL. */
static char decoded(const char *from, size_t n, size_t *used)
{
	int high, low;

	*used = 1;
	if (*from == '+')
		return ' ';
	if (*from != '%')
		return *from;
	if (n < 3)
		return 0;
	*used = 3;
	high = hex(from[1]);
	low = hex(from[2]);
	return high < 0 || low < 0 ? 0 : (char)(high * 16 + low);
}

/* Decodes n bytes over themselves and closes them with NUL; there is room for it. */
static bool decode(char *text, size_t n)
{
	size_t made = 0;

	for (size_t i = 0, used; i < n; i += used) {
		char c = decoded(text + i, n - i, &used);

		if (!c)
			return false;
		text[made++] = c;
	}
	text[made] = '\0';
	return request_is_text(text, made);
}

enum tele_err request_add(struct request_pairs *p, const char *name, const char *value)
{
	struct request_pair *more;

	if (p->n == REQUEST_PAIRS)
		return TELE_INVALID;
	if (p->n % 16 == 0) {
		more = realloc(p->list, (p->n + 16) * sizeof *more);
		if (!more)
			return TELE_NOMEM;
		p->list = more;
	}
	p->list[p->n++] = (struct request_pair){name, value};
	return TELE_OK;
}

static enum tele_err add_pair(struct request_pairs *p, char *text, size_t n)
{
	char *value = memchr(text, '=', n);
	char *end = text + n;

	/* The separators' places become the closing NULs. */
	if (value && !decode(value + 1, (size_t)(end - value - 1)))
		return TELE_INVALID;
	if (!decode(text, value ? (size_t)(value - text) : n))
		return TELE_INVALID;
	return request_add(p, text, value ? value + 1 : end);
}

enum tele_err request_pairs_parse(struct request_pairs *p, const char *text, size_t n)
{
	enum tele_err rc = TELE_OK;

	memset(p, 0, sizeof *p);
	p->text = malloc(n + 1);
	if (!p->text)
		return TELE_NOMEM;
	memcpy(p->text, text, n);
	p->text[n] = '\0';
	for (size_t at = 0; rc == TELE_OK && at < n;) {
		const char *stop = memchr(p->text + at, '&', n - at);
		size_t len = stop ? (size_t)(stop - p->text) - at : n - at;

		if (len)
			rc = add_pair(p, p->text + at, len);
		at += len + 1;
	}
	return rc;
}

void request_pairs_release(struct request_pairs *p)
{
	free(p->text);
	free(p->list);
	memset(p, 0, sizeof *p);
}

const char *request_next(const struct request_pairs *p, const char *name, size_t *at)
{
	while (*at < p->n) {
		const struct request_pair *pair = &p->list[(*at)++];

		if (!strcmp(pair->name, name))
			return pair->value;
	}
	return NULL;
}

const char *request_get(const struct request_pairs *p, const char *name)
{
	size_t at = 0;
	const char *value = request_next(p, name, &at);

	return value ? value : "";
}

bool request_has(const struct request_pairs *p, const char *name)
{
	size_t at = 0;

	return request_next(p, name, &at) != NULL;
}

static bool is_form(const char *type)
{
	static const char form[] = "application/x-www-form-urlencoded";

	return !strncasecmp(type, form, sizeof form - 1) && strchr("; ", type[sizeof form - 1]);
}

static enum tele_err parse_body(struct request *r, const char *type, const char *body, size_t n)
{
	return !n || is_form(type) ? request_pairs_parse(&r->form, body, n) : parts_parse(&r->form, type, body, n);
}

static enum tele_err take_body(struct request *r, const struct request_source *s)
{
	const char *text = s->param(s->context, "CONTENT_LENGTH");
	char *end, *body;
	long length = strtol(text, &end, 10);
	enum tele_err rc;

	if (!*text || *end || length < 0)
		return TELE_INVALID;
	if (length > REQUEST_BODY)
		return TELE_CONFLICT;
	body = malloc((size_t)length + 1);
	if (!body)
		return TELE_NOMEM;
	rc = s->read(s->context, body, (size_t)length) == (size_t)length
	    ? parse_body(r, s->param(s->context, "CONTENT_TYPE"), body, (size_t)length) : TELE_INVALID;
	free(body);
	return rc;
}

enum tele_err request_take(struct request *r, const struct request_source *s)
{
	enum tele_err rc;

	memset(r, 0, sizeof *r);
	r->method = s->param(s->context, "REQUEST_METHOD");
	if (!strcmp(r->method, "HEAD"))
		r->method = "GET";
	r->path = s->param(s->context, "SCRIPT_NAME");
	r->query_text = s->param(s->context, "QUERY_STRING");
	r->address = s->param(s->context, "REMOTE_ADDR");
	r->agent = s->param(s->context, "HTTP_USER_AGENT");
	r->cookies = s->param(s->context, "HTTP_COOKIE");
	r->site = s->param(s->context, "HTTP_SEC_FETCH_SITE");
	r->post = !strcmp(r->method, "POST");
	if (!request_is_text(r->path, strlen(r->path)))
		return TELE_INVALID;
	rc = request_pairs_parse(&r->query, r->query_text, strlen(r->query_text));
	return rc == TELE_OK && r->post ? take_body(r, s) : rc;
}

void request_release(struct request *r)
{
	request_pairs_release(&r->query);
	request_pairs_release(&r->form);
}

bool request_cookie(const char *cookies, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	while (*cookies) {
		size_t n;

		cookies += strspn(cookies, "; ");
		n = strcspn(cookies, ";");
		if (n > len && !strncmp(cookies, name, len) && cookies[len] == '=' && n - len - 1 < size) {
			memcpy(out, cookies + len + 1, n - len - 1);
			out[n - len - 1] = '\0';
			return true;
		}
		cookies += n;
	}
	return false;
}
