#include "lib/telegram.h"

#include "lib/buf.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANSWER_MOST = 4 * 1024 * 1024 };

struct call {
	struct call *next;
	CURL *easy;
	char *body;
	void *tag;
	struct tele_buf answer;
};

struct tele_telegram {
	CURLM *multi;
	char *prefix; /* base, /bot, token, / : holds the token, never shown */
	long timeout_s;
	struct curl_slist *headers;
	struct call *spare;
	int active;
	struct json_object *last;
	char words[512];
};

struct tele_telegram *tele_telegram_new(const char *base, const char *token, long timeout_s)
{
	struct tele_telegram *t = calloc(1, sizeof *t);
	struct tele_buf prefix = {0};

	if (!t)
		return NULL;
	tele_buf_printf(&prefix, "%s/bot%s/", base, token);
	t->prefix = tele_buf_detach(&prefix);
	t->timeout_s = timeout_s;
	t->headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
	t->multi = curl_multi_init();
	if (t->prefix && t->headers && t->multi)
		return t;
	tele_telegram_free(t);
	return NULL;
}

static void free_call(struct call *c)
{
	curl_easy_cleanup(c->easy);
	free(c->body);
	tele_buf_release(&c->answer);
	free(c);
}

void tele_telegram_free(struct tele_telegram *t)
{
	while (t->spare) {
		struct call *c = t->spare;

		t->spare = c->next;
		free_call(c);
	}
	if (t->multi)
		curl_multi_cleanup(t->multi);
	curl_slist_free_all(t->headers);
	json_object_put(t->last);
	if (t->prefix)
		explicit_bzero(t->prefix, strlen(t->prefix));
	free(t->prefix);
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

static struct call *new_call(struct tele_telegram *t)
{
	struct call *c = t->spare;

	if (c) {
		t->spare = c->next;
		tele_buf_reset(&c->answer);
		return c;
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->easy = curl_easy_init();
	if (!c->easy) {
		free(c);
		return NULL;
	}
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, &c->answer);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT, t->timeout_s);
	curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "teleops");
	return c;
}

enum tele_err tele_telegram_call(struct tele_telegram *t, const char *method, const char *json, void *tag)
{
	struct call *c = new_call(t);
	struct tele_buf url = {0};

	if (!c)
		return TELE_NOMEM;
	free(c->body);
	c->body = strdup(json);
	c->tag = tag;
	tele_buf_printf(&url, "%s%s", t->prefix, method);
	if (!c->body || url.failed || curl_easy_setopt(c->easy, CURLOPT_URL, tele_buf_text(&url)) != CURLE_OK ||
	    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body) != CURLE_OK || curl_multi_add_handle(t->multi, c->easy) != CURLM_OK) {
		tele_buf_release(&url);
		free_call(c);
		return TELE_NOMEM;
	}
	tele_buf_release(&url);
	t->active++;
	return TELE_OK;
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
	if (running < t->active)
		timeout_ms = 0;
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
		code = (long)number(body, "error_code");
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

static void read_answer(struct tele_telegram *t, struct call *c, CURLcode code, struct tele_answer *a)
{
	long http = 0;

	memset(a, 0, sizeof *a);
	a->tag = c->tag;
	json_object_put(t->last);
	t->last = code == CURLE_OK ? json_tokener_parse(tele_buf_text(&c->answer)) : NULL;
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http);
	a->verdict = tele_telegram_judge(http, t->last, a);
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
		curl_multi_remove_handle(t->multi, easy);
		t->active--;
		read_answer(t, c, code, answer);
		c->next = t->spare;
		t->spare = c;
		return TELE_OK;
	}
	return TELE_EMPTY;
}
