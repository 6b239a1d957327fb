/*
 * One request, to the connection's host and nowhere else: what people type is encoded for its place, redirects are followed only on the
 * same scheme, host and port, and nothing of the environment (proxies, .netrc) has a say.
 */
#include "engine/call.h"

#include "lib/expand.h"

#include <curl/curl.h>
#include <json-c/json.h>
#include <json-c/json_pointer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_S = 10, AFTER_S = 2, REDIRECTS = 5, SHOWN_MOST = 1500 };

enum word { BAD_URL, BAD_PATH, BAD_HEADER, BAD_BODY, FAILED, TOO_LONG, STATUS, STATUS_BARE, ELSEWHERE, TOO_OFTEN, NO_JSON, NOTHING_THERE, NO_MEMORY };

/* What a person reads. */
static const char *const words[] = {
    [BAD_URL] = "the connection's url must be http:// or https:// with a host, without user, query and fragment",
    [BAD_PATH] = "these arguments would lead out of the command's path",
    [BAD_HEADER] = "the header %s cannot be sent with this value",
    [BAD_BODY] = "the body cannot be made of these arguments",
    [FAILED] = "the request failed: %s",
    [TOO_LONG] = "the answer is longer than %zu bytes",
    [STATUS] = "the server answered %ld%s%.*s",
    [STATUS_BARE] = "the server answered %ld",
    [ELSEWHERE] = "the server answered %ld and sends to %s, which is not where this command may go",
    [TOO_OFTEN] = "the server sends from one place to the next",
    [NO_JSON] = "the answer is no JSON",
    [NOTHING_THERE] = "the answer has nothing at %s",
    [NO_MEMORY] = "no memory",
};

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats come from the table above */

struct request {
	const struct call *call;
	CURL *curl;
	CURLU *base;
	struct tele_buf url, body, answer;
	bool has_body, too_long;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	long status;
};

/* -- what is sent */

/* All but unreserved characters (RFC 3986, 2.3). */
static void add_encoded(struct tele_buf *out, const char *name, const void *arg)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	const char *value = call_value(arg, name);

	for (; value && *value; value++) {
		if (strchr(plain, *value))
			tele_buf_char(out, *value);
		else
			tele_buf_printf(out, "%%%02X", (unsigned char)*value);
	}
}

static void add_plain(struct tele_buf *out, const char *name, const void *arg)
{
	const char *value = call_value(arg, name);

	if (value)
		tele_buf_str(out, value);
}

static void add_password(struct tele_buf *out, const char *name, const void *arg)
{
	const struct call *c = arg;

	if (!strcmp(name, "password") && c->password)
		tele_buf_str(out, c->password);
}

/* A segment that servers take for "here" or "above", however it is written. */
static bool is_dots(const char *s, size_t n)
{
	size_t dots = 0;

	while (n) {
		size_t step = n >= 3 && !strncasecmp(s, "%2e", 3) ? 3 : *s == '.' ? 1 : 0;

		if (!step)
			return false;
		s += step;
		n -= step;
		dots++;
	}
	return dots == 1 || dots == 2;
}

static bool stays_below(const char *path)
{
	while (*path == '/') {
		size_t n = strcspn(++path, "/?");

		if (is_dots(path, n))
			return false;
		path += n;
	}
	return true;
}

static bool part_is(CURLU *u, CURLUPart part, const char *one, const char *other)
{
	char *text = NULL;
	bool good = false;

	if (curl_url_get(u, part, &text, 0) == CURLUE_OK)
		good = !one || !strcasecmp(text, one) || !strcasecmp(text, other);
	curl_free(text);
	return good;
}

static int make_url(struct request *r)
{
	const char *base = call_text(r->call->connection, "url"), *path = call_text(r->call->what, "path");
	struct tele_buf target = {0};
	size_t n = strlen(base);
	int status = EXIT_SUCCESS;

	r->base = curl_url();
	if (!r->base || curl_url_set(r->base, CURLUPART_URL, base, 0) != CURLUE_OK || !part_is(r->base, CURLUPART_SCHEME, "http", "https") ||
	    part_is(r->base, CURLUPART_USER, NULL, NULL) || part_is(r->base, CURLUPART_QUERY, NULL, NULL) || part_is(r->base, CURLUPART_FRAGMENT, NULL, NULL))
		return call_fail("%s", words[BAD_URL]);
	while (n && base[n - 1] == '/')
		n--;
	tele_expand_by(&target, path, add_encoded, r->call);
	if (*tele_buf_text(&target) != '/' || !stays_below(tele_buf_text(&target)))
		status = call_fail("%s", words[BAD_PATH]);
	tele_buf_add(&r->url, base, n);
	tele_buf_str(&r->url, tele_buf_text(&target));
	tele_buf_release(&target);
	return status;
}

static struct json_object *fill(const struct call *c, struct json_object *v);

static struct json_object *fill_text(const struct call *c, const char *template)
{
	struct tele_buf text = {0};
	size_t n = strlen(template);
	char name[40] = "";
	const char *type = "", *value = NULL;
	struct json_object *made;

	/* A parameter alone is a value of its own kind; left out it is null. */
	if (n > 2 && n < sizeof name && *template == '{' && strcspn(template, "}") == n - 1) {
		snprintf(name, sizeof name, "%.*s", (int)n - 2, template + 1);
		type = call_text(call_member(c->what, "types"), name);
		value = call_value(c, name);
	}
	if (*type && !value)
		return NULL;
	if (!strcmp(type, "integer") || !strcmp(type, "number") || !strcmp(type, "boolean")) {
		made = json_tokener_parse(value);
		if (made)
			return made;
	}
	tele_expand_by(&text, template, add_plain, c);
	made = json_object_new_string_len(tele_buf_text(&text), (int)text.len);
	tele_buf_wipe(&text);
	tele_buf_release(&text);
	return made;
}

static struct json_object *fill_object(const struct call *c, struct json_object *v)
{
	struct json_object *made = json_object_new_object();

	json_object_object_foreach(v, key, member)
		json_object_object_add(made, key, fill(c, member));
	return made;
}

/* A copy with the parameters in its texts. Values are put into texts, never into JSON: they cannot become a part of it. */
static struct json_object *fill(const struct call *c, struct json_object *v)
{
	struct json_object *made;

	if (json_object_is_type(v, json_type_string))
		return fill_text(c, json_object_get_string(v));
	if (json_object_is_type(v, json_type_object))
		return fill_object(c, v);
	if (!json_object_is_type(v, json_type_array))
		return json_object_get(v);
	made = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(v); i++)
		json_object_array_add(made, fill(c, json_object_array_get_idx(v, i)));
	return made;
}

static int make_body(struct request *r)
{
	struct json_object *template = call_member(r->call->what, "body"), *made;
	const char *text;

	if (!template)
		return EXIT_SUCCESS;
	made = fill(r->call, template);
	text = json_object_to_json_string_ext(made, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	r->has_body = true;
	if (text)
		tele_buf_str(&r->body, text);
	json_object_put(made);
	return text ? EXIT_SUCCESS : call_fail("%s", words[BAD_BODY]);
}

static bool is_one_line(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool has_header(const struct curl_slist *list, const char *name)
{
	size_t n = strlen(name);

	for (; list; list = list->next)
		if (!strncasecmp(list->data, name, n) && list->data[n] == ':')
			return true;
	return false;
}

/* Those of the message itself, which are the library's to write (RFC 9112), and the host's, which the connection names. */
static bool is_reserved(const char *name)
{
	static const char *const reserved[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Trailer", "Expect",
	    "Proxy-Authorization"};

	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (!strcasecmp(reserved[i], name))
			return true;
	return false;
}

static int add_header(struct request *r, const char *name, const char *value)
{
	struct curl_slist *more;
	struct tele_buf line = {0};

	if (is_reserved(name) || has_header(r->headers, name) || !is_one_line(name) || !is_one_line(value))
		return call_fail(words[BAD_HEADER], name);
	/* Without a value the library would leave it out, or take one of its own out. */
	if (!*value)
		return EXIT_SUCCESS;
	tele_buf_printf(&line, "%s: ", name);
	tele_buf_str(&line, value);
	more = curl_slist_append(r->headers, tele_buf_text(&line));
	tele_buf_wipe(&line);
	tele_buf_release(&line);
	if (!more)
		return call_fail("%s", words[NO_MEMORY]);
	r->headers = more;
	return EXIT_SUCCESS;
}

static int add_expanded(struct request *r, const char *name, const char *template, tele_expand_add *add)
{
	struct tele_buf value = {0};
	int status;

	tele_expand_by(&value, template, add, r->call);
	status = add_header(r, name, tele_buf_text(&value));
	tele_buf_wipe(&value);
	tele_buf_release(&value);
	return status;
}

/* The connection's, as "Name: value". */
static int add_own(struct request *r, const char *line)
{
	char name[128];
	size_t n = strcspn(line, ":");

	if (!line[n] || n >= sizeof name)
		return call_fail(words[BAD_HEADER], "of the connection");
	snprintf(name, sizeof name, "%.*s", (int)n, line);
	return add_expanded(r, name, line + n + 1 + strspn(line + n + 1, " \t"), add_password);
}

/* The connection's come first: a command cannot put others in their place. */
static int make_headers(struct request *r)
{
	struct json_object *own = call_member(r->call->connection, "headers"), *headers = call_member(r->call->what, "headers");
	int status = EXIT_SUCCESS;

	for (size_t i = 0; own && !status && i < json_object_array_length(own); i++)
		status = add_own(r, json_object_get_string(json_object_array_get_idx(own, i)));
	if (headers && !status) {
		json_object_object_foreach(headers, name, v)
		{
			status = add_expanded(r, name, json_object_get_string(v), add_plain);
			if (status)
				break;
		}
	}
	if (!status && r->has_body && !has_header(r->headers, "Content-Type"))
		status = add_header(r, "Content-Type", "application/json");
	return status;
}

/* -- the request */

static size_t on_answer(char *part, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	n *= size;
	if (r->answer.len + n > r->call->limit) {
		r->too_long = true;
		return 0;
	}
	tele_buf_add(&r->answer, part, n);
	return r->answer.failed ? 0 : n;
}

static void set_options(struct request *r)
{
	const char *method = call_text(r->call->what, "method"), *ca_file = call_text(r->call->connection, "ca_file");
	CURL *curl = r->curl;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	/* The supervisor ends what takes too long; this is for a supervisor that is gone. */
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)r->call->timeout_s + AFTER_S);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "teleops");
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, r->headers);
	if (*ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
	if (json_object_get_boolean(call_member(r->call->what, "connect_only")))
		curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	if (r->has_body || (strcmp(method, "GET") && strcmp(method, "HEAD") && strcmp(method, "DELETE"))) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)r->body.len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, tele_buf_text(&r->body));
	}
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static bool is_same(CURLU *a, CURLU *b, CURLUPart part)
{
	char *one = NULL, *two = NULL;
	bool same = curl_url_get(a, part, &one, CURLU_DEFAULT_PORT) == CURLUE_OK && curl_url_get(b, part, &two, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    !strcasecmp(one, two);

	curl_free(one);
	curl_free(two);
	return same;
}

static bool may_go_to(const struct request *r, const char *url)
{
	CURLU *u = curl_url();
	bool good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && !part_is(u, CURLUPART_USER, NULL, NULL) &&
	    is_same(r->base, u, CURLUPART_SCHEME) && is_same(r->base, u, CURLUPART_HOST) && is_same(r->base, u, CURLUPART_PORT);

	curl_url_cleanup(u);
	return good;
}

static bool is_expected(const struct request *r)
{
	struct json_object *expect = call_member(r->call->what, "expect");
	size_t n = expect ? json_object_array_length(expect) : 0;

	for (size_t i = 0; i < n; i++)
		if (json_object_get_int64(json_object_array_get_idx(expect, i)) == r->status)
			return true;
	return !n && r->status >= 200 && r->status <= 299;
}

/* Where the server sends to, if that is somewhere; only what asks is asked again. */
static const char *next_place(const struct request *r)
{
	const char *method = call_text(r->call->what, "method"), *url = NULL;

	if (r->status < 300 || r->status > 399 || is_expected(r) || (strcmp(method, "GET") && strcmp(method, "HEAD")))
		return NULL;
	curl_easy_getinfo(r->curl, CURLINFO_REDIRECT_URL, &url);
	return url;
}

/* The address without what may be secret in it. */
static int fail_elsewhere(const struct request *r, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL;
	int status;

	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		curl_url_get(u, CURLUPART_HOST, &host, 0);
	status = call_fail(words[ELSEWHERE], r->status, host && *host ? host : "another place");
	curl_free(host);
	curl_url_cleanup(u);
	return status;
}

static int perform(struct request *r)
{
	CURLcode rc;

	tele_buf_reset(&r->answer);
	rc = curl_easy_perform(r->curl);
	if (r->too_long)
		return call_fail(words[TOO_LONG], r->call->limit);
	if (rc != CURLE_OK)
		return call_fail(words[FAILED], *r->error ? r->error : curl_easy_strerror(rc));
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &r->status);
	return EXIT_SUCCESS;
}

static int ask(struct request *r)
{
	char *url = strdup(tele_buf_text(&r->url));
	int status = url ? EXIT_SUCCESS : call_fail("%s", words[NO_MEMORY]);

	set_options(r);
	for (int i = 0; url && !status; i++) {
		const char *next;

		curl_easy_setopt(r->curl, CURLOPT_URL, url);
		status = perform(r);
		next = status ? NULL : next_place(r);
		if (!next)
			break;
		if (i == REDIRECTS)
			status = call_fail("%s", words[TOO_OFTEN]);
		else if (!may_go_to(r, next))
			status = fail_elsewhere(r, next);
		free(url);
		url = strdup(next);
	}
	free(url);
	return status;
}

/* -- the answer */

static void say_value(struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		fwrite(json_object_get_string(v), 1, (size_t)json_object_get_string_len(v), stdout);
	else
		fputs(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
}

static void say_list(struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		say_value(json_object_array_get_idx(list, i));
		putchar('\n');
	}
}

static int say_part(const struct request *r, const char *pointer)
{
	struct json_object *all = json_tokener_parse(tele_buf_text(&r->answer)), *part = NULL;
	int status = EXIT_SUCCESS;

	if (!all)
		return call_fail("%s", words[NO_JSON]);
	if (json_pointer_get(all, pointer, &part))
		status = call_fail(words[NOTHING_THERE], pointer);
	else if (r->call->is_list && json_object_is_type(part, json_type_array))
		say_list(part);
	else
		say_value(part);
	json_object_put(all);
	return status;
}

static int say(const struct request *r)
{
	const char *pointer = call_text(r->call->what, "pointer");
	size_t n = r->answer.len < SHOWN_MOST ? r->answer.len : SHOWN_MOST;

	if (!is_expected(r) && r->call->is_secret)
		return call_fail(words[STATUS_BARE], r->status);
	if (!is_expected(r))
		return call_fail(words[STATUS], r->status, n ? "\n" : "", (int)n, tele_buf_text(&r->answer));
	if (*pointer)
		return say_part(r, pointer);
	fwrite(tele_buf_text(&r->answer), 1, r->answer.len, stdout);
	return EXIT_SUCCESS;
}

int call_http(const struct call *c)
{
	struct request r = {.call = c};
	int status;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	r.curl = curl_easy_init();
	status = r.curl ? make_url(&r) : call_fail("%s", words[NO_MEMORY]);
	if (!status)
		status = make_body(&r);
	if (!status)
		status = make_headers(&r);
	if (!status)
		status = ask(&r);
	if (!status && !json_object_get_boolean(call_member(c->what, "connect_only")))
		status = say(&r);
	curl_easy_cleanup(r.curl);
	curl_slist_free_all(r.headers);
	curl_url_cleanup(r.base);
	tele_buf_wipe(&r.body);
	tele_buf_release(&r.body);
	tele_buf_release(&r.url);
	tele_buf_release(&r.answer);
	curl_global_cleanup();
	return status;
}
