/* What runs at the end: nginx, the programs, the webhook. */
#include "cli/bot.h"
#include "cli/setup.h"
#include "cli/spawn.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SITE "/etc/nginx/conf.d/teleops.conf"

enum { HEALTH_TRIES = 60, HEALTH_MS = 500, ASK_S = 5 };

/* What is to be started, for each way of getting updates; and what must not run beside it. */
static const char *const hooked[] = {"telebot.socket", "telemanager.socket", "telebot.service", "telemanager.service", "teleengine.service",
    "telesender.service", "teleops.target", NULL};
static const char *const polled[] = {"telepoll.service", "telemanager.socket", "telemanager.service", "teleengine.service", "telesender.service",
    "teleops.target", NULL};
static const char *const not_hooked[] = {"telepoll.service", NULL}, *const not_polled[] = {"telebot.socket", "telebot.service", NULL};

/* sd_booted(3) */
static bool has_systemd(const struct setup *s)
{
	return !setup_elsewhere(s) && !access("/run/systemd/system", F_OK);
}

/* systemctl WORDS... UNITS...; out has what it said. */
static bool systemctl(const char *const *words, const char *const *units, struct tele_buf *out)
{
	const char *argv[24] = {"systemctl"};
	int n = 1;

	while (*words)
		argv[n++] = *words++;
	while (units && *units)
		argv[n++] = *units++;
	return spawn_run(argv, NULL, out);
}

static bool is_so(const char *question, const char *unit)
{
	const char *const words[] = {question, "--quiet", unit, NULL};
	struct tele_buf ignored = {0};
	bool so = systemctl(words, NULL, &ignored);

	tele_buf_release(&ignored);
	return so;
}

static enum outcome tell(const char *what, bool good, struct tele_buf *out, struct tele_buf *said)
{
	if (good)
		tele_buf_printf(said, "%s%s", said->len ? ", " : "", what);
	else
		tele_buf_printf(said, "%s%s: %s", said->len ? "; " : "", what, tele_buf_text(out));
	tele_buf_release(out);
	return good ? SETUP_DONE : SETUP_FAILED;
}

/* The text of the site file with its two ports, in their order; what else somebody wrote into it stays. */
static char *with_ports(const char *text, const char *const *ports)
{
	struct tele_buf out = {0};
	int n = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		size_t blanks = strspn(text, " \t");
		bool listens = n < 2 && !strncmp(text + blanks, "listen ", 7);
		long port = listens ? atol(text + blanks + 7) : 0;

		/* One with an address of its own is somebody's. */
		if (listens && port && text[blanks + 7 + strspn(text + blanks + 7, "0123456789")] == ' ')
			tele_buf_printf(&out, "%.*slisten %s ssl;\n", (int)blanks, text, ports[n]);
		else
			tele_buf_printf(&out, "%.*s\n", (int)len, text);
		n += listens;
		text += len + (text[len] == '\n');
	}
	return tele_buf_detach(&out);
}

/* The file that is there, else the one that was installed. */
static enum outcome put_site(struct setup *s, struct tele_buf *said)
{
	const char *const ports[] = {s->answer[ANSWER_WEBHOOK_PORT], s->answer[ANSWER_ADMIN_PORT]};
	char at[PATH_MAX], *former, *text;
	enum outcome all = setup_directory(s, "/etc/nginx/conf.d", 0755, said);

	setup_path(s, SITE, at, sizeof at);
	former = setup_read(at);
	if (!former) {
		setup_path(s, TELE_DATADIR "/nginx/teleops.conf", at, sizeof at);
		former = setup_read(at);
	}
	text = former ? with_ports(former, ports) : NULL;
	if (all == SETUP_FAILED || !text)
		tele_buf_printf(said, "%s: %s; install TeleOps again", at, strerror(errno));
	else
		all = setup_put(s, SITE, text, NULL, 0644, said);
	free(former);
	free(text);
	return text ? all : SETUP_FAILED;
}

static bool nginx_accepts(struct tele_buf *said)
{
	const char *const argv[] = {"nginx", "-t", "-q", NULL};
	struct tele_buf out = {0};
	bool good = spawn_run(argv, NULL, &out);

	if (!good) {
		tele_buf_reset(said);
		tele_buf_printf(said, "nginx -t: %s", tele_buf_text(&out));
	}
	tele_buf_release(&out);
	return good;
}

enum outcome setup_nginx(struct setup *s, struct tele_buf *said)
{
	const char *const start[] = {"enable", "--now", NULL}, *const reload[] = {"reload", NULL}, *const unit[] = {"nginx.service", NULL};
	enum outcome all = put_site(s, said);
	struct tele_buf out = {0};

	if (all == SETUP_FAILED || setup_elsewhere(s))
		return all;
	if (!nginx_accepts(said))
		return SETUP_FAILED;
	s->reload_nginx = s->reload_nginx || all == SETUP_DONE;
	if (!has_systemd(s))
		return all;
	if (!is_so("is-active", unit[0]) || !is_so("is-enabled", unit[0]))
		all = tell("started", systemctl(start, unit, &out), &out, said);
	else if (s->reload_nginx)
		all = tell("reloaded", systemctl(reload, unit, &out), &out, said);
	return all;
}

static bool all_run(const char *const *units)
{
	for (; *units; units++)
		if (!is_so("is-active", *units) || !is_so("is-enabled", *units))
			return false;
	return true;
}

static bool any_runs(const char *const *units)
{
	for (; *units; units++)
		if (is_so("is-active", *units) || is_so("is-enabled", *units))
			return true;
	return false;
}

enum outcome setup_programs(struct setup *s, struct tele_buf *said)
{
	const char *const start[] = {"enable", "--now", NULL}, *const stop[] = {"disable", "--now", NULL}, *const restart[] = {"try-restart", NULL};
	const char *const again[] = {"daemon-reload", NULL};
	const char *const *wanted = setup_polls(s) ? polled : hooked, *const *others = setup_polls(s) ? not_polled : not_hooked;
	enum outcome all = SETUP_SAME;
	struct tele_buf out = {0};

	if (!has_systemd(s))
		return SETUP_SAME;
	if (any_runs(others))
		all = tell("stopped what the other way of getting updates needs", systemctl(stop, others, &out), &out, said);
	/* Those that run already have read what was so before. */
	if (all != SETUP_FAILED && s->restart && any_runs(wanted))
		all = tell("restarted", systemctl(again, NULL, &out) && systemctl(restart, wanted, &out), &out, said);
	if (all != SETUP_FAILED && !all_run(wanted))
		all = tell("started", systemctl(again, NULL, &out) && systemctl(start, wanted, &out), &out, said);
	if (all == SETUP_FAILED)
		tele_buf_str(said, "; journalctl -u teleengine -u telesender -u telebot -u telepoll -u telemanager tells more");
	return all;
}

/* Whether Telegram has the very address, with a certificate of ours or without. */
static bool is_set(struct setup *s, const char *url)
{
	struct tele_conf conf = *s->call->conf;
	struct json_object *known = NULL, *custom = NULL;
	struct tele_telegram *t;
	struct tele_answer a;
	bool so = false;

	conf.api_base = s->answer[ANSWER_API];
	conf.bot_token = s->token;
	t = bot_open(&conf);
	if (t && bot_ask(t, "getWebhookInfo", NULL, &a) && json_object_object_get_ex(a.result, "url", &known)) {
		json_object_object_get_ex(a.result, "has_custom_certificate", &custom);
		so = !strcmp(json_object_get_string(known), url) && json_object_get_boolean(custom) == s->tell_certificate;
	}
	if (t)
		tele_telegram_free(t);
	return so && !s->new_secret;
}

enum outcome setup_webhook(struct setup *s, struct tele_buf *said)
{
	char url[SETUP_HOST_MOST + 40], certificate[PATH_MAX];
	const char *const argv[] = {"/proc/self/exe", "webhook", "set", url, s->tell_certificate ? "--certificate" : NULL, certificate, NULL};
	struct tele_buf out = {0};
	enum outcome all = SETUP_SAME;

	if (setup_polls(s)) {
		tele_buf_str(said, "not needed, updates are fetched");
		return all;
	}
	snprintf(url, sizeof url, "https://%s:%s/webhook", s->answer[ANSWER_HOST], s->answer[ANSWER_WEBHOOK_PORT]);
	setup_path(s, SETUP_ETC "/cert.pem", certificate, sizeof certificate);
	if (!is_set(s, url))
		all = tell(url, spawn_run(argv, NULL, &out), &out, said);
	tele_buf_release(&out);
	return all;
}

static size_t discard(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

/* /healthz says that nginx, TeleManager and the database find each other. why: what came instead. */
static bool is_well(const char *url, char *why, size_t size)
{
	CURL *easy = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	long status = 0;

	if (easy) {
		curl_easy_setopt(easy, CURLOPT_URL, url);
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ASK_S);
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
		code = curl_easy_perform(easy);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	}
	if (code)
		snprintf(why, size, "%s", curl_easy_strerror(code));
	else
		snprintf(why, size, "status %ld", status);
	curl_easy_cleanup(easy);
	return !code && status == 200;
}

enum outcome setup_health(struct setup *s, struct tele_buf *said)
{
	const struct timespec pause = {.tv_nsec = HEALTH_MS * 1000000L};
	char url[64], why[160] = "";

	if (!has_systemd(s))
		return SETUP_SAME;
	snprintf(url, sizeof url, "https://127.0.0.1:%s/healthz", s->answer[ANSWER_ADMIN_PORT]);
	for (int i = 0; i < HEALTH_TRIES; i++) {
		if (is_well(url, why, sizeof why))
			return SETUP_SAME;
		nanosleep(&pause, NULL);
	}
	tele_buf_printf(said, "%s: %s; journalctl -u nginx -u telemanager tells more, and teleops doctor", url, why);
	return SETUP_FAILED;
}

void setup_tell_start(const struct setup *s)
{
	static const char fcgi[] = "  spawn-fcgi -n -s /run/teleops/%1$s.sock -U www-data -M 0600 -u %2$s -g %2$s -- " TELE_LIBEXECDIR "/%1$s.fcgi\n";

	if (has_systemd(s))
		return;
	printf("No systemd runs here, so nothing was started. Start these, in this order, each under something that starts it again when it ends,\n"
	       "with the lines of " SETUP_ETC "/PROGRAM.env in its environment (docs/install.md, Without systemd):\n");
	if (setup_polls(s))
		printf("  teleops poll      as teleops-bot, with telepoll.env\n");
	else
		printf(fcgi, "telebot", "teleops-bot");
	printf(fcgi, "telemanager", "teleops-manager");
	printf("  teleengine        as root\n"
	       "  telesender        as teleops-sender\n"
	       "  nginx\n");
}
