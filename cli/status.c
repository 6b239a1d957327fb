#include "cli/show.h"
#include "cli/verb.h"

int verb_status(const struct call *c)
{
	return show_what_is(c, "status", "SELECT config_status()");
}
