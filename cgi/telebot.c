/*
 * TeleBot, inbound: takes Telegram's webhook and admits updates. It holds the webhook's secret and the role teleops_bot,
 * and answers 200 only once the update is committed.
 */
#include "cgi/serve.h"
#include "lib/bell.h"
#include "lib/conf.h"
#include "lib/gate.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/secret.h"
#include "lib/start.h"
#include "lib/update.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_MOST = 1024 * 1024 };

struct telebot {
	pthread_rwlock_t lock; /* HUP changes the secret while requests compare theirs with it */
	char *secret;
	struct tele_metrics *metrics;
	struct tele_gate *gate;
};

static const struct answer {
	const char *status, *headers, *body;
} answers[] = {
    {"200 OK", "", ""},
    {"400 Bad Request", "", "not an update\n"},
    {"403 Forbidden", "", "wrong secret\n"},
    {"404 Not Found", "", "there is only /webhook here\n"},
    {"405 Method Not Allowed", "Allow: POST\r\n", "only POST\n"},
    {"411 Length Required", "", "a Content-Length is needed\n"},
    {"413 Payload Too Large", "", "at most 1 MiB\n"},
    {"415 Unsupported Media Type", "", "only application/json\n"},
    {"503 Service Unavailable", "Retry-After: 1\r\n", "not stored, send it again\n"},
};

enum code { OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, BAD_METHOD, NO_LENGTH, TOO_LARGE, BAD_TYPE, UNAVAILABLE };

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

/* What can be judged by the head alone; OK: read on. */
static enum code judge_head(struct telebot *t, FCGX_Request *r, long *length)
{
	const char *text = serve_param(r, "CONTENT_LENGTH");
	char *end;

	if (strcmp(serve_param(r, "SCRIPT_NAME"), "/webhook"))
		return NOT_FOUND;
	if (strcmp(serve_param(r, "REQUEST_METHOD"), "POST"))
		return BAD_METHOD;
	if (!knows_secret(t, r))
		return FORBIDDEN;
	if (!is_json(serve_param(r, "CONTENT_TYPE")))
		return BAD_TYPE;
	*length = strtol(text, &end, 10);
	if (!*text || *end || *length < 0)
		return NO_LENGTH;
	return *length > BODY_MOST ? TOO_LARGE : OK;
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

static enum code take(struct telebot *t, FCGX_Request *r)
{
	long length = 0;
	enum code code = judge_head(t, r, &length);
	char *body;

	if (code != OK) {
		tele_log(TELE_WARN, "refused", tele_str("answer", answers[code].status), tele_str("from", serve_param(r, "REMOTE_ADDR")));
		return code;
	}
	body = malloc((size_t)length + 1);
	if (!body)
		return UNAVAILABLE;
	/* A body that ends early is a connection that broke: whatever is answered, nobody reads it. */
	if (FCGX_GetStr(body, (int)length, r->in) == (int)length)
		code = admit_body(t, body, (size_t)length);
	else
		code = BAD_REQUEST;
	free(body);
	return code;
}

static void handle(FCGX_Request *r, void *context)
{
	struct telebot *t = context;
	const struct answer *a = &answers[take(t, r)];
	char code[4];

	if (a != &answers[OK]) {
		snprintf(code, sizeof code, "%.3s", a->status);
		tele_metric_add(t->metrics, TELE_METRIC_UPDATES_REFUSED, code, NULL, 1);
	}
	serve_answer(r, a->status, "text/plain", a->headers, a->body);
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
	struct tele_bell *bell;
	enum tele_err rc = TELE_NOMEM;

	serve_prepare();
	if (sodium_init() < 0 || !t.secret)
		return EXIT_FAILURE;
	t.metrics = tele_metrics_new("telebot", NULL);
	bell = tele_bell_start(conf, "telebot bell", t.metrics);
	t.gate = bell ? tele_gate_start(conf, "telebot", bell, -1, t.metrics) : NULL;
	if (t.gate)
		rc = serve((int)conf->acceptors, handle, reload, &t);
	if (t.gate)
		tele_gate_stop(t.gate);
	if (bell)
		tele_bell_stop(bell);
	tele_metrics_free(t.metrics);
	free(t.secret);
	tele_log(TELE_INFO, "stopped");
	return rc == TELE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct tele_program telebot = {"telebot", "telebot.fcgi",
	    "takes Telegram's webhook. Started by spawn-fcgi, for example:\n"
	    "  spawn-fcgi -n -s /run/teleops/telebot.sock -- telebot.fcgi\n\n"
	    "  TERM, INT   takes no new request, finishes those begun\n"
	    "  HUP         reads its settings again: secrets, person_rate, log\n",
	    {"database", "webhook_secret"}, run};

	return tele_start(&telebot, argc, argv);
}
