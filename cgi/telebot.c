/*
 * TeleBot, inbound: takes Telegram's webhook and admits updates, and takes alerts at /hooks/TOKEN. It holds the webhook's secret and the
 * role teleops_bot, and answers 200 only once what came is committed. Of a hook's token it looks at the hash alone, and logs neither.
 */
#include "cgi/serve.h"
#include "lib/alert.h"
#include "lib/bell.h"
#include "lib/conf.h"
#include "lib/gate.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/pool.h"
#include "lib/secret.h"
#include "lib/session.h"
#include "lib/start.h"
#include "lib/update.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_MOST = 1024 * 1024, HOOK_MS = 10000, HOOK_CONNECTIONS = 2 };

struct telebot {
	pthread_rwlock_t lock; /* HUP changes the secret while requests compare theirs with it */
	char *secret;
	struct tele_metrics *metrics;
	struct tele_gate *gate;
	struct tele_bell *bell;
	struct tele_pool *hooks;
};

static const struct answer {
	const char *status, *headers, *body;
} answers[] = {
    {"200 OK", "", ""},
    {"400 Bad Request", "", "not an update\n"},
    {"403 Forbidden", "", "wrong secret\n"},
    {"404 Not Found", "", "there is only /webhook and /hooks/TOKEN here\n"},
    {"405 Method Not Allowed", "Allow: POST\r\n", "only POST\n"},
    {"411 Length Required", "", "a Content-Length is needed\n"},
    {"413 Payload Too Large", "", "at most 1 MiB\n"},
    {"415 Unsupported Media Type", "", "only application/json\n"},
    {"429 Too Many Requests", "Retry-After: 60\r\n", "too many requests for this hook\n"},
    {"503 Service Unavailable", "Retry-After: 1\r\n", "not stored, send it again\n"},
};

enum code { OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, BAD_METHOD, NO_LENGTH, TOO_LARGE, BAD_TYPE, TOO_MANY, UNAVAILABLE };

static bool knows_secret(struct telebot *t, FCGX_Request *r)
{
	bool fits;

	pthread_rwlock_rdlock(&t->lock);
	fits = tele_secret_fits(t->secret, serve_param(r, "HTTP_X_TELEGRAM_BOT_API_SECRET_TOKEN"));
	pthread_rwlock_unlock(&t->lock);
	return fits;
}

static bool is_json(const char *type)
{
	static const char json[] = "application/json";

	return !strncasecmp(type, json, sizeof json - 1) && strchr("; ", type[sizeof json - 1]);
}

/* OK: the body has a length that is taken. */
static enum code judge_length(FCGX_Request *r, long *length)
{
	const char *text = serve_param(r, "CONTENT_LENGTH");
	char *end;

	*length = strtol(text, &end, 10);
	if (!*text || *end || *length < 0)
		return NO_LENGTH;
	return *length > BODY_MOST ? TOO_LARGE : OK;
}

/* What can be judged by the head alone; OK: read on. */
static enum code judge_head(struct telebot *t, FCGX_Request *r, long *length)
{
	if (strcmp(serve_param(r, "SCRIPT_NAME"), "/webhook"))
		return NOT_FOUND;
	if (strcmp(serve_param(r, "REQUEST_METHOD"), "POST"))
		return BAD_METHOD;
	if (!knows_secret(t, r))
		return FORBIDDEN;
	if (!is_json(serve_param(r, "CONTENT_TYPE")))
		return BAD_TYPE;
	return judge_length(r, length);
}

static enum code admit_body(const struct telebot *t, const char *body, size_t n)
{
	struct tele_update u;
	const char *why = "";
	enum tele_err rc = tele_update_parse(&u, body, n, &why);

	if (rc == TELE_INVALID) {
		tele_log(TELE_WARN, "bad_update", tele_str("why", why), tele_int("bytes", (long long)n));
		return BAD_REQUEST;
	}
	if (rc != TELE_OK)
		return UNAVAILABLE;
	rc = tele_gate_admit(t->gate, &u, body, n);
	tele_update_release(&u);
	return rc == TELE_OK ? OK : UNAVAILABLE;
}

/* The whole body, the caller's to free; NULL: code says why not. */
static char *read_body(FCGX_Request *r, long length, enum code *code)
{
	char *body = malloc((size_t)length + 1);

	*code = body ? OK : UNAVAILABLE;
	/* A body that ends early is a connection that broke: whatever is answered, nobody reads it. */
	if (body && FCGX_GetStr(body, (int)length, r->in) != (int)length) {
		*code = BAD_REQUEST;
		free(body);
		return NULL;
	}
	return body;
}

static enum code take(struct telebot *t, FCGX_Request *r)
{
	long length = 0;
	enum code code = judge_head(t, r, &length);
	char *body;

	if (code != OK) {
		tele_log(TELE_WARN, "refused", tele_str("answer", answers[code].status), tele_str("from", serve_param(r, "REMOTE_ADDR")));
		return code;
	}
	body = read_body(r, length, &code);
	if (body)
		code = admit_body(t, body, (size_t)length);
	free(body);
	return code;
}

static const char hooks[] = "/hooks/";

static bool is_hook(FCGX_Request *r)
{
	return !strncmp(serve_param(r, "SCRIPT_NAME"), hooks, sizeof hooks - 1);
}

/* What can come without a type, or with the one that curl -d gives. */
static bool is_text(const char *type)
{
	static const char *const types[] = {"text/", "application/x-www-form-urlencoded", "application/octet-stream"};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strncasecmp(type, types[i], strlen(types[i])))
			return true;
	return !*type;
}

static enum code judge_hook(FCGX_Request *r, long *length)
{
	const char *type = serve_param(r, "CONTENT_TYPE");

	if (strcmp(serve_param(r, "REQUEST_METHOD"), "POST"))
		return BAD_METHOD;
	if (!tele_session_is_token(serve_param(r, "SCRIPT_NAME") + sizeof hooks - 1))
		return FORBIDDEN;
	if (!is_json(type) && !is_text(type))
		return BAD_TYPE;
	return judge_length(r, length);
}

/* An object is JSON however it is called: that is what curl -d sends. */
static enum tele_err read_report(FCGX_Request *r, const char *body, size_t n, struct tele_buf *report, const char **why)
{
	size_t blank = 0;

	while (blank < n && strchr(" \t\r\n", body[blank]) && body[blank])
		blank++;
	if (is_json(serve_param(r, "CONTENT_TYPE")) || (blank < n && body[blank] == '{'))
		return tele_alert_read(body, n, report, why);
	return tele_alert_read_text(body, n, serve_param(r, "QUERY_STRING"), report, why);
}

static const struct {
	const char *outcome;
	enum code code;
} outcomes[] = {
    {"opened", OK}, {"updated", OK}, {"closed", OK}, {"ignored", OK}, {"unknown", FORBIDDEN}, {"off", FORBIDDEN}, {"limited", TOO_MANY},
};

/* outcome is static, for the metric. */
static enum code settle_report(struct telebot *t, const PGresult *res, const char **outcome, int *retry_s)
{
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		if (strcmp(outcomes[i].outcome, PQgetvalue(res, 0, 0)))
			continue;
		*outcome = outcomes[i].outcome;
		*retry_s = (int)tele_db_int(res, 0, 2);
		if (outcomes[i].code == OK)
			tele_bell_ring(t->bell, TELE_BELL_OUTBOX);
		tele_log(outcomes[i].code == OK ? TELE_INFO : TELE_WARN, "alert", tele_str("hook", PQgetvalue(res, 0, 1)), tele_str("outcome", *outcome));
		return outcomes[i].code;
	}
	return UNAVAILABLE;
}

static enum code store_report(struct telebot *t, FCGX_Request *r, const char *report, const char **outcome, int *retry_s)
{
	char hash[TELE_SESSION_HASH + 1];
	struct tele_buf why = {0};
	PGresult *res = NULL;
	enum code code = UNAVAILABLE;
	enum tele_err rc;

	tele_session_hash(serve_param(r, "SCRIPT_NAME") + sizeof hooks - 1, hash);
	rc = tele_pool_run(t->hooks, TELE_STMT_HOOK_TAKE, (const char *[]){hash, report}, HOOK_MS, &res, &why);
	if (rc == TELE_OK)
		code = settle_report(t, res, outcome, retry_s);
	else
		tele_log(TELE_ERROR, "alert_not_stored", tele_str("error", tele_buf_text(&why)), tele_str("todo", "its sender tries again"));
	PQclear(res);
	tele_buf_release(&why);
	return code;
}

static enum code take_hook(struct telebot *t, FCGX_Request *r, const char **outcome, int *retry_s)
{
	struct tele_buf report = {0};
	const char *why = "";
	long length = 0;
	enum code code = judge_hook(r, &length);
	char *body = code == OK ? read_body(r, length, &code) : NULL;
	enum tele_err rc = body ? read_report(r, body, (size_t)length, &report, &why) : TELE_EMPTY;

	*outcome = code == FORBIDDEN ? "unknown" : code == UNAVAILABLE ? "away" : "bad";
	if (rc == TELE_OK) {
		*outcome = "away";
		code = store_report(t, r, tele_buf_text(&report), outcome, retry_s);
	} else if (body) {
		code = rc == TELE_INVALID ? BAD_REQUEST : UNAVAILABLE;
	}
	if (code == BAD_REQUEST || (code != OK && !body))
		tele_log(TELE_WARN, "hook_refused", tele_str("answer", answers[code].status), tele_str("why", why), tele_str("from", serve_param(r, "REMOTE_ADDR")));
	free(body);
	tele_buf_release(&report);
	return code;
}

static void answer_hook(struct telebot *t, FCGX_Request *r)
{
	static const char *const bodies[] = {[BAD_REQUEST] = "neither an alert as JSON nor a text\n", [FORBIDDEN] = "no such hook, or it is switched off\n",
	    [BAD_TYPE] = "only application/json or text/plain\n", [UNAVAILABLE] = NULL};
	const char *outcome;
	int retry_s = 0;
	enum code code = take_hook(t, r, &outcome, &retry_s);
	char wait[48];

	tele_metric_add(t->metrics, TELE_METRIC_HOOKS, outcome, NULL, 1);
	snprintf(wait, sizeof wait, "Retry-After: %d\r\n", retry_s);
	serve_answer(r, answers[code].status, "text/plain", code == TOO_MANY ? wait : answers[code].headers, bodies[code] ? bodies[code] : answers[code].body);
}

static void answer_webhook(struct telebot *t, FCGX_Request *r)
{
	const struct answer *a = &answers[take(t, r)];
	char code[4];

	if (a != &answers[OK]) {
		snprintf(code, sizeof code, "%.3s", a->status);
		tele_metric_add(t->metrics, TELE_METRIC_UPDATES_REFUSED, code, NULL, 1);
	}
	serve_answer(r, a->status, "text/plain", a->headers, a->body);
}

static void handle(FCGX_Request *r, void *context)
{
	(is_hook(r) ? answer_hook : answer_webhook)(context, r);
}

static void reload(void *context)
{
	struct telebot *t = context;
	struct tele_conf fresh;
	char *former;

	if (tele_reload("telebot", &fresh) != TELE_OK)
		return;
	if (fresh.webhook_secret) {
		pthread_rwlock_wrlock(&t->lock);
		former = t->secret;
		t->secret = fresh.webhook_secret;
		pthread_rwlock_unlock(&t->lock);
		/* What was taken over is not the settings' to release. */
		fresh.webhook_secret = former;
	} else {
		tele_log(TELE_ERROR, "not_reloaded", tele_str("error", "setting webhook_secret is missing; the former one is used"));
	}
	tele_gate_set_rate(t->gate, fresh.person_rate);
	if (tele_gate_set_key(t->gate, fresh.secret_public_key) != TELE_OK)
		tele_log(TELE_ERROR, "not_reloaded", tele_str("error", "secret_public_key is no key; the former one is used"));
	tele_conf_release(&fresh);
}

static int run(struct tele_conf *conf)
{
	struct telebot t = {.lock = PTHREAD_RWLOCK_INITIALIZER, .secret = strdup(conf->webhook_secret)};
	static const enum tele_stmt stmts[] = {TELE_STMT_HOOK_TAKE};
	static const struct tele_db_use use = {"telebot hooks", stmts, 1, NULL};
	enum tele_err rc = TELE_NOMEM;

	serve_prepare();
	if (sodium_init() < 0 || !t.secret)
		return EXIT_FAILURE;
	t.metrics = tele_metrics_new("telebot", NULL);
	t.hooks = tele_pool_new(conf->database, &use, HOOK_CONNECTIONS);
	t.bell = tele_bell_start(conf, "telebot bell", t.metrics);
	t.gate = t.bell && t.hooks ? tele_gate_start(conf, "telebot", t.bell, -1, t.metrics) : NULL;
	if (t.hooks)
		tele_pool_count(t.hooks, t.metrics);
	if (t.gate)
		rc = serve((int)conf->acceptors, handle, reload, &t);
	if (t.gate)
		tele_gate_stop(t.gate);
	tele_pool_free(t.hooks);
	if (t.bell)
		tele_bell_stop(t.bell);
	tele_metrics_free(t.metrics);
	free(t.secret);
	tele_log(TELE_INFO, "stopped");
	return rc == TELE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct tele_program telebot = {"telebot", "telebot.fcgi",
	    "takes Telegram's webhook, and alerts. Started by spawn-fcgi, for example:\n"
	    "  spawn-fcgi -n -s /run/teleops/telebot.sock -- telebot.fcgi\n\n"
	    "  TERM, INT   takes no new request, finishes those begun\n"
	    "  HUP         reads its settings again: secrets, person_rate, log\n",
	    {"database", "webhook_secret"}, run};

	return tele_start(&telebot, argc, argv);
}
