/* What Telegram says of the bot, and what it needs to be asked. */
#include "cli/bot.h"
#include "cli/check.h"
#include "lib/update.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ASK_S = 15, CLOCK_S = 5, ERROR_S = 3600, PENDING_MOST = 100 };

void check_token(struct doctor *d, struct finding *f)
{
	struct tele_buf why = {0};

	if (bot_check_token(d->conf, &why) != TELE_OK) {
		check_fail(f, "Telegram is not asked without it", "%s", tele_buf_text(&why));
	} else {
		check_secret_file(f, d->conf->bot_token_file);
		check_ok(f, "there is one");
		d->telegram = tele_telegram_new(d->conf->api_base, d->conf->bot_token, ASK_S);
	}
	tele_buf_release(&why);
}

static void note_time(struct doctor *d, const struct tele_answer *a)
{
	if (a->server_time) {
		d->telegram_time = true;
		d->telegram_off_s = difftime((time_t)a->server_time, time(NULL));
	}
}

/* The answer, or NULL after saying what came instead. It lasts until the next call. */
static struct json_object *ask(struct doctor *d, struct finding *f, const char *method)
{
	struct tele_buf why = {0};
	struct tele_answer a;

	if (bot_ask(d->telegram, method, NULL, &a)) {
		note_time(d, &a);
		return a.result;
	}
	bot_explain(d->conf, &a, &why);
	check_fail(f, NULL, "%s: %s", method, tele_buf_text(&why));
	tele_buf_release(&why);
	return NULL;
}

void check_bot(struct doctor *d, struct finding *f)
{
	struct json_object *me = d->telegram ? ask(d, f, "getMe") : NULL;

	if (!me)
		return;
	snprintf(d->bot, sizeof d->bot, "%s", check_text(me, "username"));
	check_ok(f, "@%s", d->bot);
}

/* What Telegram's words of a failed delivery mean; the first that is found counts. */
static const struct {
	const char *words, *todo;
} advice[] = {
    {"timed out", "Telegram does not get through: see the firewall and the port"},
    {"certificate", "give a self-signed certificate with teleops webhook set URL --certificate FILE, or let nginx serve the whole chain"},
    {"SSL error", "see nginx's certificate: the whole chain, TLS 1.2 or newer"},
    {"resolve", "its host name does not resolve: run teleops webhook set with another"},
    {"webhook: 403", "TeleBot has another secret: run teleops webhook set again with the one it reads"},
    {"webhook: 404", "the address must end in /webhook"},
    {"webhook: 50", "TeleBot, nginx or the database was away; see their logs"},
    {"connect", "nothing listens there: see nginx, the port and the firewall"},
    {"", "see the logs of nginx and TeleBot"},
};

static const char *advise(const char *words)
{
	size_t i = 0;

	while (!strcasestr(words, advice[i].words))
		i++;
	return advice[i].todo;
}

static void judge_error(struct finding *f, struct json_object *info)
{
	const char *words = check_text(info, "last_error_message");
	long long ago = (long long)time(NULL) - check_number(info, "last_error_date"), pending = check_number(info, "pending_update_count");

	if (!*words || ago > ERROR_S)
		return;
	if (pending)
		check_fail(f, advise(words), "%lld updates wait, and %lld s ago: %s", pending, ago, words);
	else
		check_warn(f, advise(words), "%lld s ago: %s", ago, words);
}

/* Left out, all that matter are delivered. */
static void judge_kinds(struct finding *f, struct json_object *info)
{
	struct json_object *list = check_list(info, "allowed_updates");
	const char *kind;

	for (size_t i = 0; list && (kind = tele_update_wanted(i)); i++) {
		bool found = false;

		for (size_t j = 0; j < json_object_array_length(list); j++)
			found |= !strcmp(json_object_get_string(json_object_array_get_idx(list, j)), kind);
		if (!found)
			check_fail(f, "run teleops webhook set again", "updates of kind %s are not delivered", kind);
	}
}

static void judge_polling(struct doctor *d, struct finding *f)
{
	d->polling = true;
	if (!d->facts)
		check_warn(f, "see database", "none is set; whether teleops poll runs is not known");
	else if (!check_flag(d->facts, "poller"))
		check_fail(f, "run teleops webhook set URL, or start teleops poll", "none is set, and no teleops poll runs: nobody takes updates");
	else
		check_ok(f, "none is set, teleops poll takes the updates");
}

void check_webhook(struct doctor *d, struct finding *f)
{
	struct json_object *info = *d->bot ? ask(d, f, "getWebhookInfo") : NULL;
	const char *url = check_text(info, "url"), *wanted = d->conf->webhook_url;
	long long pending = check_number(info, "pending_update_count");

	if (!info)
		return;
	if (!*url) {
		judge_polling(d, f);
		return;
	}
	if (wanted && strcmp(url, wanted))
		check_fail(f, "run teleops webhook set with the one that is right", "Telegram delivers to %s, webhook_url is %s", url, wanted);
	judge_error(f, info);
	judge_kinds(f, info);
	if (pending > PENDING_MOST)
		check_warn(f, "see TeleBot's log", "%lld updates wait", pending);
	if (check_flag(d->facts, "poller"))
		check_warn(f, "end it, or run teleops webhook delete", "teleops poll runs besides, and gets nothing");
	check_ok(f, "%s, %lld updates wait", url, pending);
}

void check_secret(struct doctor *d, struct finding *f)
{
	struct tele_buf why = {0};

	if (bot_check_secret(d->conf, &why) == TELE_OK) {
		check_secret_file(f, d->conf->webhook_secret_file);
		check_ok(f, "there is one");
	} else if (d->polling && !d->conf->webhook_secret) {
		check_ok(f, "none is needed without a webhook");
	} else {
		check_fail(f, "without it no webhook can be set", "%s", tele_buf_text(&why));
	}
	tele_buf_release(&why);
}

void check_telegram_clock(struct doctor *d, struct finding *f)
{
	double off = d->telegram_off_s;

	if (!d->telegram_time)
		return;
	if (fabs(off) > CLOCK_S)
		check_warn(f, "let NTP set this host's", "it is %.0f s %s this host's", fabs(off), off < 0 ? "behind" : "before");
	else
		check_ok(f, "as this host's");
}
