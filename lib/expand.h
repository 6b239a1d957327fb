#ifndef TELE_EXPAND_H
#define TELE_EXPAND_H

#include "lib/buf.h"

struct json_object;

/*
 * Adds template to out with each {name} replaced by the member `name` of values, an object of texts. One pass: braces within a
 * value stay as they are. A name without a value gives nothing; braces that hold no name ([a-z][a-z0-9_]*) are plain text.
 */
void tele_expand(struct tele_buf *out, const char *template, struct json_object *values);

#endif
