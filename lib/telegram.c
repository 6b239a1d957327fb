#include "lib/telegram.h"

#include "lib/buf.h"
#include "lib/certificate.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ANSWER_MOST = 16 * 1024 * 1024, UPLOAD_PER_S = 32 * 1024, LOOK_S = 10 };

struct call {
	struct call *next;
	CURL *easy;
	char *body;      /* of a JSON call */
	curl_mime *form; /* of an upload */
	bool look;       /* at a certificate: its handle has other settings, and is not used again */
	time_t server_time;
	void *tag;
	struct tele_buf answer;
	struct tele_telegram *owner;
	tele_telegram_take *take; /* of a download, which has a handle of its own */
	tele_telegram_give *give;
	void (*from_start)(void *arg);
	void *arg;
};

struct tele_telegram {
	CURLM *multi;
	char *prefix; /* base, /bot, token, / : holds the token, never shown */
	char *files;  /* the same for what is downloaded */
	bool stalled; /* something waits to be resumed */
	long timeout_s;
	struct curl_slist *json_headers, *form_headers;
	struct call *spare, *under_way;
	int active;
	struct json_object *last;
	char words[512];
};

static void forget_prefix(struct tele_telegram *t)
{
	if (t->prefix)
		explicit_bzero(t->prefix, strlen(t->prefix));
	if (t->files)
		explicit_bzero(t->files, strlen(t->files));
	free(t->prefix);
	free(t->files);
}

enum tele_err tele_telegram_set(struct tele_telegram *t, const char *base, const char *token)
{
	struct tele_buf prefix = {0}, files = {0};
	char *fresh, *fresh_files;

	tele_buf_printf(&prefix, "%s/bot%s/", base, token);
	tele_buf_printf(&files, "%s/file/bot%s/", base, token);
	fresh = tele_buf_detach(&prefix);
	fresh_files = tele_buf_detach(&files);
	if (!fresh || !fresh_files) {
		free(fresh);
		free(fresh_files);
		return TELE_NOMEM;
	}
	forget_prefix(t);
	t->prefix = fresh;
	t->files = fresh_files;
	return TELE_OK;
}

struct tele_telegram *tele_telegram_new(const char *base, const char *token, long timeout_s)
{
	struct tele_telegram *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->timeout_s = timeout_s;
	t->json_headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
	t->form_headers = curl_slist_append(NULL, "Expect:");
	t->multi = curl_multi_init();
	if (t->json_headers && t->form_headers && t->multi && tele_telegram_set(t, base, token) == TELE_OK)
		return t;
	tele_telegram_free(t);
	return NULL;
}

static void free_call(struct call *c)
{
	curl_easy_cleanup(c->easy);
	curl_mime_free(c->form);
	free(c->body);
	tele_buf_release(&c->answer);
	free(c);
}

/* What was sent is let go at once, it may be large; the handle is kept for the next call, and must not remember it. */
static void put_aside(struct tele_telegram *t, struct call *c)
{
	if (c->take || c->look) {
		free_call(c);
		return;
	}
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(c->easy, CURLOPT_MIMEPOST, NULL);
	curl_mime_free(c->form);
	c->form = NULL;
	free(c->body);
	c->body = NULL;
	c->next = t->spare;
	t->spare = c;
}

static void end_call(struct tele_telegram *t, struct call *c)
{
	struct call **at = &t->under_way;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	t->active--;
	curl_multi_remove_handle(t->multi, c->easy);
}

void tele_telegram_cancel(struct tele_telegram *t, const void *tag)
{
	struct call *c = t->under_way;

	while (c && c->tag != tag)
		c = c->next;
	if (!c)
		return;
	end_call(t, c);
	put_aside(t, c);
}

void tele_telegram_resume(struct tele_telegram *t, const void *tag)
{
	for (struct call *c = t->under_way; c; c = c->next) {
		if (c->tag == tag) {
			curl_easy_pause(c->easy, CURLPAUSE_CONT);
			return;
		}
	}
}

void tele_telegram_abort(struct tele_telegram *t)
{
	while (t->under_way) {
		struct call *c = t->under_way;

		end_call(t, c);
		put_aside(t, c);
	}
}

void tele_telegram_free(struct tele_telegram *t)
{
	tele_telegram_abort(t);
	while (t->spare) {
		struct call *c = t->spare;

		t->spare = c->next;
		free_call(c);
	}
	if (t->multi)
		curl_multi_cleanup(t->multi);
	curl_slist_free_all(t->json_headers);
	curl_slist_free_all(t->form_headers);
	json_object_put(t->last);
	forget_prefix(t);
	free(t);
}

static size_t take_answer(char *data, size_t size, size_t n, void *arg)
{
	struct tele_buf *b = arg;

	if (b->len + size * n > ANSWER_MOST)
		return 0;
	tele_buf_add(b, data, size * n);
	return size * n;
}

static size_t take_download(char *data, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	enum tele_err rc = c->take(data, size * n, c->arg);

	if (rc == TELE_RETRY) {
		c->owner->stalled = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return rc == TELE_OK ? size * n : 0;
}

static size_t give_upload(char *to, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	size_t given = 0;
	enum tele_err rc = c->give(to, size * n, &given, c->arg);

	if (rc == TELE_RETRY) {
		c->owner->stalled = true;
		return CURL_READFUNC_PAUSE;
	}
	return rc == TELE_OK ? given : CURL_READFUNC_ABORT;
}

static int seek_upload(void *arg, curl_off_t offset, int origin)
{
	struct call *c = arg;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	c->from_start(c->arg);
	return CURL_SEEKFUNC_OK;
}

/* A line of the answer's head. */
static size_t take_header(char *line, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	char date[64];
	time_t at;

	if (size * n < sizeof date && size * n > 5 && !strncasecmp(line, "date:", 5)) {
		snprintf(date, sizeof date, "%.*s", (int)(size * n - 5), line + 5);
		at = curl_getdate(date, NULL);
		c->server_time = at > 0 ? at : 0;
	}
	return size * n;
}

static void allow_http_only(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static struct call *make_call(struct tele_telegram *t)
{
	struct call *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->easy = curl_easy_init();
	if (!c->easy) {
		free(c);
		return NULL;
	}
	c->owner = t;
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, &c->answer);
	curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "teleops");
	allow_http_only(c->easy);
	return c;
}

static struct call *new_call(struct tele_telegram *t)
{
	struct call *c = t->spare;

	if (!c)
		return make_call(t);
	t->spare = c->next;
	tele_buf_reset(&c->answer);
	c->server_time = 0;
	return c;
}

static enum tele_err begin(struct tele_telegram *t, struct call *c, void *tag)
{
	c->tag = tag;
	if (curl_multi_add_handle(t->multi, c->easy) != CURLM_OK) {
		put_aside(t, c);
		return TELE_NOMEM;
	}
	c->next = t->under_way;
	t->under_way = c;
	t->active++;
	return TELE_OK;
}

/* Lets a call go whose body is set; it is put aside when that fails. */
static enum tele_err start(struct tele_telegram *t, struct call *c, const char *prefix, const char *what, long timeout_s, void *tag)
{
	struct tele_buf url = {0};
	bool good;

	tele_buf_printf(&url, "%s%s", prefix, what);
	good = !url.failed && curl_easy_setopt(c->easy, CURLOPT_URL, tele_buf_text(&url)) == CURLE_OK &&
	    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT, timeout_s) == CURLE_OK;
	if (url.data)
		explicit_bzero(url.data, url.len);
	tele_buf_release(&url);
	if (good)
		return begin(t, c, tag);
	put_aside(t, c);
	return TELE_NOMEM;
}

enum tele_err tele_telegram_call_within(struct tele_telegram *t, const char *method, const char *json, long timeout_s, void *tag)
{
	struct call *c = new_call(t);

	if (!c)
		return TELE_NOMEM;
	c->body = strdup(json);
	if (!c->body || curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, t->json_headers) != CURLE_OK ||
	    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body) != CURLE_OK) {
		put_aside(t, c);
		return TELE_NOMEM;
	}
	return start(t, c, t->prefix, method, timeout_s, tag);
}

enum tele_err tele_telegram_call(struct tele_telegram *t, const char *method, const char *json, void *tag)
{
	return tele_telegram_call_within(t, method, json, t->timeout_s, tag);
}

static bool add_field(curl_mime *form, const char *name, const char *value)
{
	curl_mimepart *part = curl_mime_addpart(form);

	return part && curl_mime_name(part, name) == CURLE_OK && curl_mime_data(part, value, CURL_ZERO_TERMINATED) == CURLE_OK;
}

/* A text goes as it is, everything else as JSON: so the Bot API takes objects and lists in a form. */
static bool add_params(curl_mime *form, struct json_object *params)
{
	if (!params)
		return true;
	json_object_object_foreach(params, key, value)
	{
		bool text = json_object_is_type(value, json_type_string);

		if (!add_field(form, key, text ? json_object_get_string(value) : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN)))
			return false;
	}
	return true;
}

static bool add_file(struct call *c, const struct tele_telegram_file *file)
{
	curl_mimepart *part = curl_mime_addpart(c->form);
	CURLcode rc;

	c->give = file->give;
	c->from_start = file->from_start;
	c->arg = file->arg;
	if (part && file->give)
		rc = curl_mime_data_cb(part, (curl_off_t)file->size, give_upload, seek_upload, NULL, c);
	else
		rc = part ? curl_mime_data(part, file->bytes, file->size) : CURLE_OUT_OF_MEMORY;

	return rc == CURLE_OK && curl_mime_name(part, file->field) == CURLE_OK && curl_mime_filename(part, file->name) == CURLE_OK &&
	    curl_mime_type(part, file->type) == CURLE_OK;
}

enum tele_err tele_telegram_upload(struct tele_telegram *t, const char *method, struct json_object *params,
    const struct tele_telegram_file *file, void *tag)
{
	struct call *c = new_call(t);

	if (!c)
		return TELE_NOMEM;
	c->form = curl_mime_init(c->easy);
	if (!c->form || !add_params(c->form, params) || !add_file(c, file) ||
	    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, t->form_headers) != CURLE_OK ||
	    curl_easy_setopt(c->easy, CURLOPT_MIMEPOST, c->form) != CURLE_OK) {
		put_aside(t, c);
		return TELE_NOMEM;
	}
	return start(t, c, t->prefix, method, t->timeout_s + (long)(file->size / UPLOAD_PER_S), tag);
}

/* What is not plainly part of a path is escaped: it can lead nowhere else. */
static void add_path(struct tele_buf *out, const char *path)
{
	for (; *path; path++) {
		if (isalnum((unsigned char)*path) || strchr("/._-", *path))
			tele_buf_char(out, *path);
		else
			tele_buf_printf(out, "%%%02X", (unsigned char)*path);
	}
}

enum tele_err tele_telegram_download(struct tele_telegram *t, const char *path, long long most, tele_telegram_take *take, void *arg, void *tag)
{
	struct call *c = make_call(t);
	struct tele_buf escaped = {0};
	enum tele_err rc = TELE_NOMEM;

	if (!c)
		return TELE_NOMEM;
	c->take = take;
	c->arg = arg;
	add_path(&escaped, path);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take_download);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(c->easy, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c->easy, CURLOPT_PATH_AS_IS, 1L);
	/* With HTTP/2 much more may come than is asked for while it waits. */
	curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (escaped.failed)
		free_call(c);
	else
		rc = start(t, c, t->files, tele_buf_text(&escaped), t->timeout_s + (long)(most / UPLOAD_PER_S), tag);
	tele_buf_release(&escaped);
	return rc;
}

static bool set_look(CURL *easy, const char *url)
{
	return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)LOOK_S) == CURLE_OK;
}

enum tele_err tele_telegram_look(struct tele_telegram *t, const char *url, void *tag)
{
	struct call *c = calloc(1, sizeof *c);

	if (!c)
		return TELE_NOMEM;
	c->look = true;
	c->easy = curl_easy_init();
	if (!c->easy) {
		free(c);
		return TELE_NOMEM;
	}
	allow_http_only(c->easy);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	return set_look(c->easy, url) ? begin(t, c, tag) : (put_aside(t, c), TELE_NOMEM);
}

int tele_telegram_active(const struct tele_telegram *t)
{
	return t->active;
}

void tele_telegram_wait(struct tele_telegram *t, struct curl_waitfd *fds, unsigned n, int timeout_ms)
{
	int running;

	curl_multi_perform(t->multi, &running);
	/* What is finished already must not wait for the next event. */
	if (running < t->active || t->stalled)
		timeout_ms = 0;
	t->stalled = false;
	curl_multi_poll(t->multi, fds, n, timeout_ms, NULL);
	curl_multi_perform(t->multi, &running);
}

static long long number(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

/* Words of the Bot API server's errors with code 400; the first that is found in the description counts. */
static const struct {
	const char *words;
	enum tele_verdict verdict;
} refusals[] = {
    {"message is not modified", TELE_TG_NOT_MODIFIED}, {"query is too old", TELE_TG_TOO_OLD},
    {"can't parse entities", TELE_TG_BAD_ENTITIES},    {"entity", TELE_TG_BAD_ENTITIES},
    {"message thread not found", TELE_TG_NO_THREAD},   {"TOPIC_DELETED", TELE_TG_NO_THREAD},
    {"TOPIC_CLOSED", TELE_TG_NO_THREAD},
};

enum tele_verdict tele_telegram_judge(long http, struct json_object *body, struct tele_answer *a)
{
	struct json_object *v = NULL, *parameters = NULL;
	long code = http;

	a->words = "";
	a->result = NULL;
	a->code = http;
	if (!body || !json_object_is_type(body, json_type_object))
		return TELE_TG_AWAY;
	if (json_object_object_get_ex(body, "ok", &v) && json_object_get_boolean(v)) {
		json_object_object_get_ex(body, "result", &a->result);
		a->message_id = number(a->result, "message_id");
		return TELE_TG_OK;
	}
	if (json_object_object_get_ex(body, "description", &v))
		a->words = json_object_get_string(v);
	if (number(body, "error_code"))
		a->code = code = (long)number(body, "error_code");
	json_object_object_get_ex(body, "parameters", &parameters);
	a->retry_after = (long)number(parameters, "retry_after");
	a->migrate_to = number(parameters, "migrate_to_chat_id");
	if (code == 429)
		return TELE_TG_WAIT;
	if (a->migrate_to)
		return TELE_TG_MIGRATED;
	if (code == 401)
		return TELE_TG_TOKEN;
	if (code == 403)
		return TELE_TG_BLOCKED;
	if (code < 400 || code >= 500)
		return TELE_TG_AWAY;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strcasestr(a->words, refusals[i].words))
			return refusals[i].verdict;
	return TELE_TG_REFUSED;
}

/* Of a download nothing is read but how it went. */
static enum tele_verdict judge_download(CURLcode code, long http)
{
	if (code == CURLE_OK)
		return TELE_TG_OK;
	if (http == 401)
		return TELE_TG_TOKEN;
	if (http == 429)
		return TELE_TG_WAIT;
	return code == CURLE_WRITE_ERROR || (code == CURLE_HTTP_RETURNED_ERROR && http < 500) ? TELE_TG_REFUSED : TELE_TG_AWAY;
}

static void read_look(struct tele_telegram *t, struct call *c, CURLcode code, struct tele_answer *a)
{
	X509 *x = code == CURLE_OK ? tele_certificate_served(c->easy) : NULL;

	memset(a, 0, sizeof *a);
	a->tag = c->tag;
	a->expires = x ? tele_certificate_end(x) : 0;
	a->verdict = a->expires ? TELE_TG_OK : TELE_TG_AWAY;
	X509_free(x);
	snprintf(t->words, sizeof t->words, "%s", code == CURLE_OK ? a->expires ? "" : "no certificate" : curl_easy_strerror(code));
	a->words = t->words;
}

static void read_answer(struct tele_telegram *t, struct call *c, CURLcode code, struct tele_answer *a)
{
	long http = 0;

	memset(a, 0, sizeof *a);
	a->tag = c->tag;
	a->server_time = c->server_time;
	json_object_put(t->last);
	t->last = code == CURLE_OK && !c->take ? json_tokener_parse(tele_buf_text(&c->answer)) : NULL;
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http);
	a->verdict = tele_telegram_judge(http, t->last, a);
	if (c->take)
		a->verdict = judge_download(code, http);
	if (*a->words)
		return;
	/* libcurl's own texts name the error, not the address, which holds the token. */
	if (code != CURLE_OK)
		snprintf(t->words, sizeof t->words, "%s", curl_easy_strerror(code));
	else
		snprintf(t->words, sizeof t->words, "status %ld", http);
	a->words = t->words;
}

enum tele_err tele_telegram_next(struct tele_telegram *t, struct tele_answer *answer)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left))) {
		CURLcode code = m->data.result;
		CURL *easy = m->easy_handle;
		struct call *c;
		char *private = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		c = (struct call *)(void *)private;
		end_call(t, c);
		(c->look ? read_look : read_answer)(t, c, code, answer);
		put_aside(t, c);
		return TELE_OK;
	}
	return TELE_EMPTY;
}
