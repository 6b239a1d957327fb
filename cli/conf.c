/*
 * teleops conf reference: the table of settings as a file.
 */
#include "cli/verb.h"

#include <stdio.h>

int verb_conf_reference(const struct call *c)
{
	struct tele_buf out = {0};
	bool good;

	tele_conf_example(&out);
	good = !out.failed && fputs(tele_buf_text(&out), stdout) >= 0 && !fflush(stdout);
	tele_buf_release(&out);
	return good ? EXIT_DONE : EXIT_FAILED;
}
