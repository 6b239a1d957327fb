/*
 * teleops webhook set, info, delete: what Telegram is told, and says, of where updates go (core.telegram.org/bots/api#setwebhook).
 */
#include "cli/bot.h"
#include "cli/show.h"
#include "cli/verb.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CERTIFICATE_MOST = 64 * 1024, URL_MOST = 2048 };

/* Ports that Telegram connects to (core.telegram.org/bots/webhooks). */
static const char *const ports[] = {"443", "80", "88", "8443"};

static bool is_port(const char *port)
{
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
		if (!strcmp(ports[i], port))
			return true;
	return false;
}

/* The part of a parsed URL, "" when it has none. */
static void part(CURLU *url, CURLUPart what, unsigned flags, char *out, size_t size)
{
	char *text = NULL;

	*out = '\0';
	if (!curl_url_get(url, what, &text, flags))
		snprintf(out, size, "%s", text);
	curl_free(text);
}

/* Says what is wrong with the address; false: it cannot be used. A server of one's own may deliver to other ports. */
static bool check_url(const struct call *c, const char *text)
{
	char scheme[16], port[16], path[URL_MOST];
	CURLU *url = curl_url();
	bool good = url && !curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);

	part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme);
	part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port);
	part(url, CURLUPART_PATH, 0, path, sizeof path);
	curl_url_cleanup(url);
	if (!good || strcmp(scheme, "https") || strlen(text) >= URL_MOST) {
		fprintf(stderr, "teleops webhook set: %s is no https:// address; it is to be https://HOST:8443/webhook\n", text);
		return false;
	}
	if (!is_port(port)) {
		bool telegram = bot_is_telegram(c->conf);

		fprintf(stderr, "teleops webhook set: %sTelegram connects to ports 443, 80, 88 and 8443, not to %s\n",
		    telegram ? "" : "note: ", port);
		if (telegram)
			return false;
	}
	if (strcmp(path, "/webhook"))
		fprintf(stderr, "teleops webhook set: note: TeleBot takes updates at /webhook, this address ends in %s\n", path);
	return true;
}

/* The certificate in PEM, n bytes in text (CERTIFICATE_MOST); false after saying why not. */
static bool read_certificate(const char *path, char *text, size_t *n)
{
	const char *why = NULL;
	FILE *f = fopen(path, "re");

	if (f) {
		*n = fread(text, 1, CERTIFICATE_MOST - 1, f);
		text[*n] = '\0';
		if (ferror(f))
			why = strerror(errno);
		fclose(f);
	} else {
		why = strerror(errno);
	}
	if (!why && strstr(text, "PRIVATE KEY-----"))
		why = "holds a private key, which Telegram must not get; give the file with the certificate alone";
	else if (!why && !strstr(text, "-----BEGIN CERTIFICATE-----"))
		why = "holds no certificate in PEM, -----BEGIN CERTIFICATE-----";
	if (why)
		fprintf(stderr, "teleops webhook set: %s: %s\n", path, why);
	return !why;
}

static struct json_object *settings(const struct call *c, const char *url)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "url", json_object_new_string(url));
	json_object_object_add(o, "secret_token", json_object_new_string(c->conf->webhook_secret));
	/* Left out, what somebody set before would stay. */
	json_object_object_add(o, "allowed_updates", bot_wanted_updates());
	if (c->ip_address)
		json_object_object_add(o, "ip_address", json_object_new_string(c->ip_address));
	if (c->max_connections)
		json_object_object_add(o, "max_connections", json_object_new_int64(c->max_connections));
	if (c->drop_pending)
		json_object_object_add(o, "drop_pending_updates", json_object_new_boolean(true));
	return o;
}

static bool tell_failure(const struct call *c, const char *method, const struct tele_answer *a)
{
	struct tele_buf why = {0};

	bot_explain(c->conf, a, &why);
	fprintf(stderr, "teleops: %s: %s\n", method, tele_buf_text(&why));
	tele_buf_release(&why);
	return false;
}

/* certificate may be NULL. */
static bool set(const struct call *c, struct tele_telegram *t, const char *url, const char *certificate, size_t n)
{
	const struct tele_telegram_file file = {
	    .field = "certificate", .name = "certificate.pem", .type = "application/x-pem-file", .bytes = certificate, .size = n};
	struct json_object *o = settings(c, url);
	struct tele_answer a = {.verdict = TELE_TG_AWAY, .words = "no memory"};

	if (!certificate)
		return bot_ask(t, "setWebhook", o, &a) || tell_failure(c, "setWebhook", &a);
	if (tele_telegram_upload(t, "setWebhook", o, &file, NULL) == TELE_OK)
		bot_wait(t, &a);
	json_object_put(o);
	return a.verdict == TELE_TG_OK || tell_failure(c, "setWebhook", &a);
}

/* A list in one line; a date as people read it: names of Telegram's that end so hold seconds since 1970. */
static struct json_object *readable(const char *key, struct json_object *value)
{
	size_t n = strlen(key);
	time_t at = (time_t)json_object_get_int64(value);
	char text[32];
	struct tm tm;

	if (json_object_is_type(value, json_type_array))
		return json_object_new_string(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	if (n < 5 || strcmp(key + n - 5, "_date"))
		return json_object_get(value);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", gmtime_r(&at, &tm));
	return json_object_new_string(text);
}

static void print_info(struct json_object *info)
{
	struct json_object *plain = json_object_new_object();

	json_object_object_foreach(info, key, value)
	{
		char words[64];

		snprintf(words, sizeof words, "%s", key);
		for (char *p = words; (p = strchr(p, '_'));)
			*p = ' ';
		json_object_object_add(plain, words, readable(key, value));
	}
	show_plain(plain);
	json_object_put(plain);
}

/* What Telegram says now; every verb ends in it. */
static bool show_info(const struct call *c, struct tele_telegram *t)
{
	struct json_object *url = NULL;
	struct tele_answer a;

	if (!bot_ask(t, "getWebhookInfo", NULL, &a))
		return tell_failure(c, "getWebhookInfo", &a);
	if (c->json) {
		show_json(a.result);
		return true;
	}
	print_info(a.result);
	json_object_object_get_ex(a.result, "url", &url);
	if (!url || !json_object_get_string_len(url))
		printf("no webhook is set: updates wait for teleops poll, a day at most\n");
	return true;
}

int verb_webhook_set(const struct call *c)
{
	const char *url = c->argc ? c->argv[0] : c->conf->webhook_url;
	char certificate[CERTIFICATE_MOST] = "";
	struct tele_buf why = {0};
	struct tele_telegram *t = NULL;
	bool good = false;
	size_t n = 0;

	if (!url) {
		fprintf(stderr, "teleops webhook set: give the address, or setting webhook_url: https://HOST:8443/webhook\n");
		return EXIT_USAGE;
	}
	if (!check_url(c, url))
		return EXIT_USAGE;
	if (bot_check_secret(c->conf, &why) != TELE_OK)
		fprintf(stderr, "teleops: %s\n", tele_buf_text(&why));
	else if (!c->certificate || read_certificate(c->certificate, certificate, &n))
		t = bot_open(c->conf);
	if (t) {
		good = set(c, t, url, c->certificate ? certificate : NULL, n) && show_info(c, t);
		tele_telegram_free(t);
	}
	tele_buf_release(&why);
	return good ? EXIT_DONE : EXIT_FAILED;
}

int verb_webhook_info(const struct call *c)
{
	struct tele_telegram *t = bot_open(c->conf);
	bool good = t && show_info(c, t);

	if (t)
		tele_telegram_free(t);
	return good ? EXIT_DONE : EXIT_FAILED;
}

int verb_webhook_delete(const struct call *c)
{
	struct tele_telegram *t = bot_open(c->conf);
	struct json_object *o = json_object_new_object();
	struct tele_answer a;
	bool good = false;

	json_object_object_add(o, "drop_pending_updates", json_object_new_boolean(c->drop_pending));
	if (t) {
		good = bot_ask(t, "deleteWebhook", json_object_get(o), &a) || tell_failure(c, "deleteWebhook", &a);
		good = good && show_info(c, t);
		tele_telegram_free(t);
	}
	json_object_put(o);
	return good ? EXIT_DONE : EXIT_FAILED;
}
