/*
 * TeleBot's outbound half: sends what the outbox holds. The only daemon that has the bot's token.
 */
#include "engine/send_loop.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
	struct tele_buf keys = {0};

	tele_conf_describe(&keys);
	printf("telesender: sends what the outbox holds. Start as many as you like, in the foreground; one is active, the others stand by.\n\n"
	       "  TERM, INT   finishes what is under way within grace_s\n"
	       "  HUP         reads limits and log settings again\n\n"
	       "Settings (teleops.conf, or TELEOPS_KEY in the environment); it needs database and bot_token:\n%s",
	    tele_buf_text(&keys));
	tele_buf_release(&keys);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const char *const needed[] = {"database", "bot_token", "api_base", NULL};
	struct tele_conf conf;
	struct tele_buf err = {0};
	int status = EXIT_FAILURE;

	if (argc > 1)
		return !strcmp(argv[1], "--help") ? usage() : (fprintf(stderr, "telesender: unknown option %s; see --help\n", argv[1]), 2);
	if (tele_conf_load(&conf, &err) != TELE_OK || tele_conf_require(&conf, &err, needed) != TELE_OK) {
		fprintf(stderr, "telesender: %s", tele_buf_text(&err));
	} else {
		tele_log_init("telesender", conf.log_level, conf.log_format);
		status = send_loop(&conf);
	}
	tele_buf_release(&err);
	tele_conf_release(&conf);
	return status;
}
