#include "lib/start.h"

#include "lib/log.h"
#include "lib/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int help(const struct tele_program *p)
{
	struct tele_buf keys = {0};

	tele_conf_describe(&keys);
	printf("%s: %s\nSettings (teleops.conf, or TELEOPS_KEY in the environment); it needs", p->file, p->about);
	for (int i = 0; p->needed[i]; i++)
		printf("%s %s", i ? "," : "", p->needed[i]);
	printf(":\n%s", tele_buf_text(&keys));
	tele_buf_release(&keys);
	return EXIT_SUCCESS;
}

int tele_start(const struct tele_program *p, int argc, char **argv)
{
	struct tele_conf conf;
	struct tele_buf err = {0};
	int status = EXIT_FAILURE;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		return help(p);
	if (argc > 1) {
		fprintf(stderr, "%s: unknown option %s; see --help\n", p->file, argv[1]);
		return 2;
	}
	tele_notify_begin();
	if (tele_conf_load(&conf, &err) != TELE_OK || tele_conf_require(&conf, &err, p->needed) != TELE_OK) {
		fprintf(stderr, "%s: %s", p->file, tele_buf_text(&err));
	} else {
		tele_log_init(p->name, conf.log_level, conf.log_format);
		status = p->run(&conf);
	}
	tele_buf_release(&err);
	tele_conf_release(&conf);
	return status;
}

enum tele_err tele_reload(const char *name, struct tele_conf *fresh)
{
	struct tele_buf err = {0};
	enum tele_err rc = tele_conf_load(fresh, &err);

	if (rc == TELE_OK) {
		tele_log_init(name, fresh->log_level, fresh->log_format);
		tele_log(TELE_INFO, "reloaded", tele_str("log_level", fresh->log_level));
	} else {
		tele_log(TELE_ERROR, "not_reloaded", tele_str("error", tele_buf_text(&err)));
		tele_conf_release(fresh);
	}
	tele_buf_release(&err);
	return rc;
}

void tele_reload_log(const char *name)
{
	struct tele_conf fresh;

	if (tele_reload(name, &fresh) == TELE_OK)
		tele_conf_release(&fresh);
}
