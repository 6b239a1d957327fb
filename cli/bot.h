#ifndef CLI_BOT_H
#define CLI_BOT_H

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/telegram.h"

#include <stdbool.h>

/* The tool's Bot API work: one call after the other. The token is in no message. */

/* TELE_INVALID: why says what is wrong with setting bot_token and what to do, in one line. */
enum tele_err bot_check_token(const struct tele_conf *conf, struct tele_buf *why) TELE_MUST;
/* TELE_INVALID: the same for webhook_secret. */
enum tele_err bot_check_secret(const struct tele_conf *conf, struct tele_buf *why) TELE_MUST;
/* Whether api_base is Telegram's own, whose limits are known. */
bool bot_is_telegram(const struct tele_conf *conf);

/* The value of allowed_updates, for setWebhook and getUpdates alike. The caller puts it. */
struct json_object *bot_wanted_updates(void);

/* NULL after saying why on standard error. tele_telegram_free closes it. */
struct tele_telegram *bot_open(const struct tele_conf *conf);
/* Waits for the answer to the call that was started, at most as long as that lasts. */
void bot_wait(struct tele_telegram *t, struct tele_answer *a);
/* Asks and waits; params may be NULL and are put. False: *a says what came instead of a result. */
bool bot_ask(struct tele_telegram *t, const char *method, struct json_object *params, struct tele_answer *a);
/* What went wrong, in one line, with what to do about it. */
void bot_explain(const struct tele_conf *conf, const struct tele_answer *a, struct tele_buf *why);

#endif
