#ifndef MANAGER_DECLARE_H
#define MANAGER_DECLARE_H

#include "cgi/manager/form.h"

/* Forms of what teleops apply can declare: what was typed becomes a file's document, and is checked as one. */

/*
 * An object of the document: what stands in base (NULL: nothing) for keys that are no fields, and every field that is not empty.
 * The caller's to put.
 */
struct json_object *declare_object(const struct field *fields, struct json_object *values, struct json_object *base);
/* Adds a list with one object, taken over, to a document. */
void declare_add(struct json_object *document, const char *section, struct json_object *object);

/*
 * Asks the family for the document, checks it, and adds it to input; what is wrong goes beside the field that has it, unless the field
 * has an error already. base: the object as declared until now.
 */
enum tele_err declare_typed(const struct family *f, struct form *form, struct json_object *base, struct json_object *input) TELE_MUST;
/* The same for what only the database could tell: said's problems, a list of path and reason. False: there were none. */
bool declare_take_problems(const struct family *f, struct form *form, struct json_object *said);

#endif
