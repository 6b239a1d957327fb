#ifndef TELE_JSON_H
#define TELE_JSON_H

#include <stddef.h>

struct json_object;

/*
 * Parses n bytes of JSON (RFC 8259) that come from outside: strictly, UTF-8 checked, nested at most depth levels, nothing after it.
 * The caller puts the object. NULL: why (static) says what is wrong, *line (NULL: not wanted) where, from 1. The text null is NULL
 * as well: what comes from outside is an object or of no use.
 */
struct json_object *tele_json_parse(const char *text, size_t n, int depth, const char **why, int *line);

#endif
