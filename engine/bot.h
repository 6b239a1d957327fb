#ifndef ENGINE_BOT_H
#define ENGINE_BOT_H

#include "lib/db.h"
#include "lib/telegram.h"

/* What Telegram says of the bot itself, which no row of the outbox asks for: its name, its webhook's health, and the certificate there. */
struct bot {
	char id[24], username[80], name[160]; /* what getMe said */
	bool known, stored, asked;
	char *webhook; /* what getWebhookInfo said, to be stored; NULL: nothing new */
	char *webhook_url; /* where Telegram sends updates, as it told last; NULL or empty: nowhere */
	char *certificate; /* what was seen there, to be stored; NULL: nothing new */
	bool webhook_asked, certificate_asked;
	double me_due, webhook_due, certificate_due;
};

/* Asks for what is due; the webhook's health and its certificate only while leading. */
void bot_ask(struct bot *b, struct tele_telegram *telegram, bool leading, double now);
/* How many of its requests are under way. */
int bot_asks(const struct bot *b);
/* False: it is the answer to something else. */
bool bot_answer(struct bot *b, const struct tele_answer *a, double now);
void bot_note_webhook(struct bot *b, const struct tele_answer *a);

enum tele_err bot_send_seen(const struct bot *b, struct tele_db *db) TELE_MUST;
enum tele_err bot_send_webhook(struct bot *b, struct tele_db *db) TELE_MUST;
enum tele_err bot_send_certificate(struct bot *b, struct tele_db *db) TELE_MUST;
void bot_release(struct bot *b);

#endif
