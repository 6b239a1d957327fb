#ifndef TELE_EXPAND_H
#define TELE_EXPAND_H

#include "lib/buf.h"

struct json_object;

/*
 * Adds template to out with each {name} replaced by the member `name` of values, an object of texts. One pass: braces within a
 * value stay as they are. A name without a value gives nothing; braces that hold no name ([a-z][a-z0-9_]*) are plain text.
 */
void tele_expand(struct tele_buf *out, const char *template, struct json_object *values);

/* The same with each {name} replaced by what add adds to out for it. */
typedef void tele_expand_add(struct tele_buf *out, const char *name, const void *arg);
void tele_expand_by(struct tele_buf *out, const char *template, tele_expand_add *add, const void *arg);

#endif
