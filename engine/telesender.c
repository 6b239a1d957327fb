/*
 * TeleBot's outbound half: sends what the outbox holds. The only daemon that has the bot's token.
 */
#include "engine/send_loop.h"
#include "lib/start.h"

int main(int argc, char **argv)
{
	static const struct tele_program telesender = {"telesender", "telesender",
	    "sends what the outbox holds. Start as many as you like, in the foreground; one is active, the others stand by.\n\n"
	    "  TERM, INT   finishes what is under way within grace_s\n"
	    "  HUP         reads its settings again: limits, token, log\n",
	    {"database", "bot_token", "api_base"}, send_loop};

	return tele_start(&telesender, argc, argv);
}
