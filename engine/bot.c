#include "engine/bot.h"

#include "lib/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double seen_every_s = 5, token_every_s = 60, webhook_every_s = 60;
static const double certificate_every_s = 3600, certificate_again_s = 300;
static char me_tag, webhook_tag, certificate_tag;

static void copy_string(char *to, size_t size, struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (json_object_object_get_ex(o, key, &v))
		snprintf(to, size, "%s", json_object_get_string(v));
}

static void on_me(struct bot *b, const struct tele_answer *a, double now)
{
	b->asked = false;
	if (a->verdict == TELE_TG_OK && a->result) {
		copy_string(b->id, sizeof b->id, a->result, "id");
		copy_string(b->username, sizeof b->username, a->result, "username");
		copy_string(b->name, sizeof b->name, a->result, "first_name");
		b->known = true;
		tele_log(TELE_INFO, "bot", tele_str("id", b->id), tele_str("username", b->username));
		return;
	}
	b->me_due = now + (a->verdict == TELE_TG_TOKEN ? token_every_s : seen_every_s);
	tele_log(TELE_ERROR, "getme_failed", tele_str("error", a->words),
	    tele_str("todo", a->verdict == TELE_TG_TOKEN ? "the token is wrong: set bot_token" : "trying again by itself"));
}

void bot_note_webhook(struct bot *b, const struct tele_answer *a)
{
	struct json_object *url = NULL;
	const char *text = a->result && json_object_object_get_ex(a->result, "url", &url) ? json_object_get_string(url) : "";

	free(b->webhook);
	b->webhook = a->result ? strdup(json_object_to_json_string_ext(a->result, JSON_C_TO_STRING_PLAIN)) : NULL;
	if (b->certificate_asked || (b->webhook_url && !strcmp(b->webhook_url, text)))
		return;
	free(b->webhook_url);
	b->webhook_url = strdup(text);
	b->certificate_due = 0;
}

static void on_webhook_info(struct bot *b, const struct tele_answer *a, double now)
{
	b->webhook_asked = false;
	if (a->verdict == TELE_TG_OK)
		bot_note_webhook(b, a);
	else
		b->webhook_due = now + seen_every_s;
}

static void on_certificate(struct bot *b, const struct tele_answer *a, double now)
{
	struct json_object *o = json_object_new_object();

	b->certificate_asked = false;
	json_object_object_add(o, "url", json_object_new_string(b->webhook_url));
	if (a->verdict == TELE_TG_OK)
		json_object_object_add(o, "expires", json_object_new_int64(a->expires));
	else
		json_object_object_add(o, "error", json_object_new_string(a->words));
	b->certificate_due = now + (a->verdict == TELE_TG_OK ? certificate_every_s : certificate_again_s);
	free(b->certificate);
	b->certificate = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

bool bot_answer(struct bot *b, const struct tele_answer *a, double now)
{
	if (a->tag == &me_tag)
		on_me(b, a, now);
	else if (a->tag == &webhook_tag)
		on_webhook_info(b, a, now);
	else if (a->tag == &certificate_tag)
		on_certificate(b, a, now);
	else
		return false;
	return true;
}

static void ask_me(struct bot *b, struct tele_telegram *telegram, double now)
{
	if (b->known || b->asked || now < b->me_due)
		return;
	b->me_due = now + seen_every_s;
	b->asked = tele_telegram_call(telegram, "getMe", "{}", &me_tag) == TELE_OK;
}

/* The pages show the webhook's health, and have no token to ask for it. */
static void ask_webhook(struct bot *b, struct tele_telegram *telegram, double now)
{
	if (b->webhook_asked || now < b->webhook_due)
		return;
	b->webhook_due = now + webhook_every_s;
	b->webhook_asked = tele_telegram_call(telegram, "getWebhookInfo", "{}", &webhook_tag) == TELE_OK;
}

/* The pages show when it expires; what nginx serves counts, not what a file holds. */
static void ask_certificate(struct bot *b, struct tele_telegram *telegram, double now)
{
	if (b->certificate_asked || !b->webhook_url || !*b->webhook_url || now < b->certificate_due)
		return;
	b->certificate_due = now + certificate_again_s;
	b->certificate_asked = tele_telegram_look(telegram, b->webhook_url, &certificate_tag) == TELE_OK;
}

void bot_ask(struct bot *b, struct tele_telegram *telegram, bool leading, double now)
{
	ask_me(b, telegram, now);
	if (!leading)
		return;
	ask_webhook(b, telegram, now);
	ask_certificate(b, telegram, now);
}

int bot_asks(const struct bot *b)
{
	return b->asked + b->webhook_asked + b->certificate_asked;
}

enum tele_err bot_send_seen(const struct bot *b, struct tele_db *db)
{
	return tele_db_send(db, TELE_STMT_BOT_SEEN, (const char *[]){b->id, b->username, b->name});
}

enum tele_err bot_send_webhook(struct bot *b, struct tele_db *db)
{
	enum tele_err rc = tele_db_send(db, TELE_STMT_BOT_WEBHOOK, (const char *[]){b->webhook});

	/* Asked again in a minute: no need to keep it. */
	free(b->webhook);
	b->webhook = NULL;
	return rc;
}

enum tele_err bot_send_certificate(struct bot *b, struct tele_db *db)
{
	enum tele_err rc = tele_db_send(db, TELE_STMT_BOT_CERTIFICATE, (const char *[]){b->certificate});

	free(b->certificate);
	b->certificate = NULL;
	return rc;
}

void bot_release(struct bot *b)
{
	free(b->webhook);
	free(b->webhook_url);
	free(b->certificate);
}
