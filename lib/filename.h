#ifndef TELE_FILENAME_H
#define TELE_FILENAME_H

#include "lib/buf.h"

enum { TELE_FILENAME_MOST = 100 }; /* bytes */

/*
 * Adds what can stand as a name in a directory, whatever n bytes of valid UTF-8 somebody chose as one: no path, nothing hidden, nothing
 * that looks like an option, no control or other odd characters; the ending is kept where the name is too long. "file" when nothing is left.
 */
void tele_filename_clean(struct tele_buf *out, const char *name);

/* Whether a name can stand in a directory and means nothing but itself. */
bool tele_filename_is(const char *name);

#endif
