#include "cli/bot.h"

#include "lib/update.h"

#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DIGITS "0123456789"
#define WORD DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"

enum { SECRET_MOST = 256, TIMEOUT_S = 30, WAIT_MS = 1000 };

enum tele_err bot_check_token(const struct tele_conf *conf, struct tele_buf *why)
{
	const char *token = conf->bot_token;
	size_t digits = token ? strspn(token, DIGITS) : 0;

	if (!token || !*token)
		tele_buf_str(why, "setting bot_token is missing; name a file that holds BotFather's token in bot_token_file");
	else if (!digits || token[digits] != ':' || !token[digits + 1] || token[digits + 1 + strspn(token + digits + 1, WORD)])
		tele_buf_str(why, "bot_token is no token: BotFather's look like 123456789:AAE-x_; set bot_token_file anew");
	else
		return TELE_OK;
	return TELE_INVALID;
}

/* core.telegram.org/bots/api#setwebhook, secret_token */
enum tele_err bot_check_secret(const struct tele_conf *conf, struct tele_buf *why)
{
	const char *secret = conf->webhook_secret;

	if (!secret || !*secret)
		tele_buf_str(why, "setting webhook_secret is missing; name the file that telebot.fcgi reads in webhook_secret_file");
	else if (strlen(secret) > SECRET_MOST || secret[strspn(secret, WORD)])
		tele_buf_str(why, "webhook_secret may hold A-Z a-z 0-9 _ - alone, 256 of them at most; make another, as with openssl rand -hex 32");
	else
		return TELE_OK;
	return TELE_INVALID;
}

bool bot_is_telegram(const struct tele_conf *conf)
{
	static const char telegram[] = "https://api.telegram.org";

	return !strncmp(conf->api_base, telegram, sizeof telegram - 1);
}

struct json_object *bot_wanted_updates(void)
{
	struct json_object *list = json_object_new_array();
	const char *kind;

	for (size_t i = 0; (kind = tele_update_wanted(i)); i++)
		json_object_array_add(list, json_object_new_string(kind));
	return list;
}

struct tele_telegram *bot_open(const struct tele_conf *conf)
{
	struct tele_buf why = {0};
	struct tele_telegram *t = NULL;

	/* A connection that the other side closes while we write is an error to tell, not an end. */
	signal(SIGPIPE, SIG_IGN);
	if (bot_check_token(conf, &why) != TELE_OK)
		fprintf(stderr, "teleops: %s\n", tele_buf_text(&why));
	else if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(t = tele_telegram_new(conf->api_base, conf->bot_token, TIMEOUT_S)))
		fprintf(stderr, "teleops: no memory\n");
	tele_buf_release(&why);
	return t;
}

void bot_wait(struct tele_telegram *t, struct tele_answer *a)
{
	while (tele_telegram_next(t, a) != TELE_OK)
		tele_telegram_wait(t, NULL, 0, WAIT_MS);
}

bool bot_ask(struct tele_telegram *t, const char *method, struct json_object *params, struct tele_answer *a)
{
	enum tele_err rc = tele_telegram_call(t, method, params ? json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN) : "{}", NULL);

	json_object_put(params);
	if (rc == TELE_OK)
		bot_wait(t, a);
	else
		*a = (struct tele_answer){.verdict = TELE_TG_AWAY, .words = "no memory"};
	return a->verdict == TELE_TG_OK;
}

void bot_explain(const struct tele_conf *conf, const struct tele_answer *a, struct tele_buf *why)
{
	if (a->verdict == TELE_TG_AWAY && !a->code)
		tele_buf_printf(why, "%s cannot be reached (%s); check api_base and the way there", conf->api_base, a->words);
	else if (a->verdict == TELE_TG_AWAY && a->code < 500)
		tele_buf_printf(why, "%s does not answer as the Bot API does (%s); check api_base", conf->api_base, a->words);
	/* Of a token that is not known Telegram says 401, of one that cannot be one 404. */
	else if (a->code == 401 || a->code == 404)
		tele_buf_printf(why, "Telegram does not know this bot (%s); check bot_token", a->words);
	else
		tele_buf_printf(why, "Telegram says: %s", a->words);
}
