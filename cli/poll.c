/*
 * teleops poll: takes updates by long polling (core.telegram.org/bots/api#getupdates) where no webhook can be reached, behind NAT for
 * one. They go through the same gate as those of the webhook. An update is asked for again until it is committed: the offset, which
 * confirms to Telegram all that lies before it, is never moved past one that is not.
 */
#include "cli/bot.h"
#include "cli/verb.h"
#include "lib/bell.h"
#include "lib/gate.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/start.h"

#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ASK_S = 30, POLL_S = 50, SLACK_S = 15, WAIT_MS = 60000 };
static const double backoff_least_s = 0.5, backoff_most_s = 30, token_every_s = 60, database_every_s = 1;

struct poller {
	struct tele_telegram *telegram;
	struct tele_metrics *metrics;
	struct tele_bell *bell;
	struct tele_gate *gate;
	struct json_object *wanted; /* allowed_updates */
	int stop, hup;              /* signalfds; stop is never read, so that whoever waits on it sees it */
	bool stopping;
	bool webhook_gone;
	long long offset;           /* of the next update; 0: whatever comes */
	long trouble;               /* code of the last answer that was none, -1: there is none */
	double backoff_s;
};

/* An update as it lies in the answer. */
struct letter {
	long long id;
	struct tele_update update;
	struct tele_gate_item *item; /* NULL: it cannot be read */
};

static void take_signals(struct poller *p)
{
	struct pollfd stop = {.fd = p->stop, .events = POLLIN};
	struct signalfd_siginfo info;

	if (read(p->hup, &info, sizeof info) == sizeof info)
		tele_reload_log("telepoll");
	if (poll(&stop, 1, 0) > 0)
		p->stopping = true;
}

/* False: told to stop; the call was ended, and what it might have brought is asked for by the next poller. */
static bool ask(struct poller *p, const char *method, struct json_object *params, long timeout_s, struct tele_answer *a)
{
	struct curl_waitfd fds[] = {{.fd = p->stop, .events = CURL_WAIT_POLLIN}, {.fd = p->hup, .events = CURL_WAIT_POLLIN}};
	const char *body = json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN);
	enum tele_err rc = tele_telegram_call_within(p->telegram, method, body, timeout_s, NULL);

	json_object_put(params);
	*a = (struct tele_answer){.verdict = TELE_TG_AWAY, .words = "no memory"};
	while (rc == TELE_OK && !p->stopping && tele_telegram_next(p->telegram, a) != TELE_OK) {
		tele_telegram_wait(p->telegram, fds, 2, WAIT_MS);
		take_signals(p);
	}
	tele_telegram_abort(p->telegram);
	return !p->stopping;
}

static void rest(struct poller *p, double seconds)
{
	struct pollfd fds[] = {{.fd = p->stop, .events = POLLIN}, {.fd = p->hup, .events = POLLIN}};

	poll(fds, 2, (int)ceil(seconds * 1000));
	take_signals(p);
}

static const struct trouble {
	long code;
	const char *event, *todo;
} troubles[] = {
    {401, "token_refused", "check bot_token; nothing comes in until then"},
    {404, "token_refused", "check bot_token; nothing comes in until then"},
    {409, "conflict", "another poller has this bot, or a webhook was set: end one of the two; teleops webhook delete takes a webhook away"},
    {429, "limited", "asking again after that time"},
    {0, "telegram_away", "asking again by itself"},
};

static const struct trouble *find_trouble(long code)
{
	const struct trouble *t = troubles;

	while (t->code && t->code != code)
		t++;
	return t;
}

/* How long to wait before asking again. */
static double pause_after(struct poller *p, const struct tele_answer *a)
{
	if (a->code == 401 || a->code == 404)
		return token_every_s;
	if (a->code == 429)
		return a->retry_after > 0 ? (double)a->retry_after : 1;
	p->backoff_s = p->backoff_s > 0 ? fmin(p->backoff_s * 2, backoff_most_s) : backoff_least_s;
	return p->backoff_s * (0.5 + (double)rand() / RAND_MAX / 2);
}

/* Something else came than a result. Told at first and while the pauses grow, then no more until it changes. */
static void back_off(struct poller *p, const struct tele_answer *a)
{
	const struct trouble *t = find_trouble(a->code);
	bool told = a->code == p->trouble && p->backoff_s >= backoff_most_s;
	double seconds = pause_after(p, a);

	if (!told)
		tele_log(TELE_WARN, t->event, tele_int("code", a->code), tele_str("error", a->words),
		    tele_int("again_in_s", (long long)ceil(seconds)), tele_str("todo", t->todo));
	p->trouble = a->code;
	rest(p, seconds);
}

static void note_success(struct poller *p)
{
	if (p->trouble >= 0)
		tele_log(TELE_INFO, "telegram_back");
	p->trouble = -1;
	p->backoff_s = 0;
}

/* While there is a webhook getUpdates is refused. Once at the start: one that is set later was set by somebody who meant it. */
static void take_webhook_away(struct poller *p)
{
	struct tele_answer a;

	if (!ask(p, "deleteWebhook", json_object_new_object(), ASK_S, &a))
		return;
	if (a.verdict != TELE_TG_OK) {
		back_off(p, &a);
		return;
	}
	note_success(p);
	p->webhook_gone = true;
	tele_log(TELE_INFO, "webhook_deleted");
}

static void read_letter(struct letter *l, struct json_object *o, struct tele_gate_item *item)
{
	const char *body = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), *why = "";
	struct json_object *id = NULL;

	if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "update_id", &id))
		l->id = json_object_get_int64(id);
	*item = (struct tele_gate_item){.update = &l->update, .body = body, .size = strlen(body)};
	if (tele_update_parse(&l->update, body, item->size, &why) == TELE_OK)
		l->item = item;
	else
		tele_log(TELE_WARN, "bad_update", tele_int("update", l->id), tele_str("why", why));
}

/* Moves the offset past what need not come again; false where it stayed. Telegram gives updates in order. */
static bool advance(struct poller *p, const struct letter *letters, size_t n)
{
	long long before = p->offset;

	for (size_t i = 0; i < n && (!letters[i].item || letters[i].item->result == TELE_OK); i++)
		if (letters[i].id > 0 && letters[i].id < LLONG_MAX)
			p->offset = letters[i].id + 1;
	return p->offset != before;
}

static bool admit(struct poller *p, struct json_object *list)
{
	size_t n = json_object_array_length(list), readable = 0;
	struct letter *letters = calloc(n, sizeof *letters);
	struct tele_gate_item *items = calloc(n, sizeof *items);
	bool good = false;

	if (letters && items) {
		for (size_t i = 0; i < n; i++) {
			read_letter(&letters[i], json_object_array_get_idx(list, i), &items[readable]);
			readable += letters[i].item != NULL;
		}
		good = tele_gate_admit_all(p->gate, items, readable) == TELE_OK;
		good = advance(p, letters, n) && good;
	}
	for (size_t i = 0; letters && i < n; i++)
		tele_update_release(&letters[i].update);
	free(letters);
	free(items);
	return good;
}

static void take_updates(struct poller *p)
{
	struct json_object *o = json_object_new_object();
	struct tele_answer a;

	if (p->offset)
		json_object_object_add(o, "offset", json_object_new_int64(p->offset));
	json_object_object_add(o, "timeout", json_object_new_int(POLL_S));
	json_object_object_add(o, "allowed_updates", json_object_get(p->wanted));
	if (!ask(p, "getUpdates", o, POLL_S + SLACK_S, &a))
		return;
	if (a.verdict != TELE_TG_OK || !json_object_is_type(a.result, json_type_array)) {
		back_off(p, &a);
		return;
	}
	note_success(p);
	/*
	 * Nothing is left unconfirmed, so no offset is needed; and after a week without updates the next id may be lower than the last
	 * (core.telegram.org/bots/api#update).
	 */
	if (!json_object_array_length(a.result))
		p->offset = 0;
	else if (!admit(p, a.result))
		rest(p, database_every_s);
}

static int watch(const int *signals, size_t n)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Signals are blocked before any thread is made. */
static bool begin(struct poller *p, const struct tele_conf *conf)
{
	p->stop = watch((const int[]){SIGTERM, SIGINT}, 2);
	p->hup = watch((const int[]){SIGHUP}, 1);
	signal(SIGPIPE, SIG_IGN);
	p->wanted = bot_wanted_updates();
	p->telegram = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : tele_telegram_new(conf->api_base, conf->bot_token, ASK_S);
	p->metrics = tele_metrics_new("telepoll", NULL);
	p->bell = tele_bell_start(conf, "telepoll bell", p->metrics);
	p->gate = p->bell ? tele_gate_start(conf, "telepoll", p->bell, p->stop, p->metrics) : NULL;
	return p->stop >= 0 && p->hup >= 0 && p->wanted && p->telegram && p->gate;
}

static void end(struct poller *p)
{
	if (p->gate)
		tele_gate_stop(p->gate);
	if (p->bell)
		tele_bell_stop(p->bell);
	tele_metrics_free(p->metrics);
	if (p->telegram)
		tele_telegram_free(p->telegram);
	json_object_put(p->wanted);
	close(p->stop);
	close(p->hup);
}

static int run(const struct tele_conf *conf)
{
	struct poller p = {.trouble = -1};
	bool good;

	tele_notify_begin();
	good = begin(&p, conf);
	if (good) {
		tele_log(TELE_INFO, "started", tele_str("api_base", conf->api_base));
		tele_notify_ready();
	} else {
		tele_log(TELE_ERROR, "not_started", tele_str("why", "no memory or no thread"));
	}
	while (good && !p.stopping) {
		if (p.webhook_gone)
			take_updates(&p);
		else
			take_webhook_away(&p);
	}
	tele_notify_stopping();
	end(&p);
	tele_log(TELE_INFO, "stopped");
	return good ? EXIT_DONE : EXIT_FAILED;
}

int verb_poll(const struct call *c)
{
	static const char *const needed[] = {"database", NULL};
	struct tele_buf why = {0};
	int status = EXIT_FAILED;

	if (tele_conf_require(c->conf, &why, needed) != TELE_OK) {
		fprintf(stderr, "teleops poll: %s", tele_buf_text(&why));
	} else if (bot_check_token(c->conf, &why) != TELE_OK) {
		fprintf(stderr, "teleops poll: %s\n", tele_buf_text(&why));
	} else {
		tele_log_init("telepoll", c->conf->log_level, c->conf->log_format);
		status = run(c->conf);
	}
	tele_buf_release(&why);
	return status;
}

void poll_describe(void)
{
	printf("\nIt stays in the foreground, for a supervisor to start. It takes the webhook away first; only one poller can have a bot.\n"
	       "Give it the database role teleops_bot, as telebot.fcgi has it, and the bot's token.\n\n"
	       "  TERM, INT   ends at once; what was not committed comes again\n"
	       "  HUP         reads the log settings again\n");
}
