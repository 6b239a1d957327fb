#include "lib/err.h"

#include <stddef.h>

const char *tele_err_name(enum tele_err err)
{
	static const char *const names[] = {"ok", "empty", "denied", "invalid", "conflict", "notfound", "retry", "db", "system", "nomem"};

	return (size_t)err < sizeof names / sizeof *names ? names[err] : "unknown";
}
