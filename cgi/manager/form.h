#ifndef MANAGER_FORM_H
#define MANAGER_FORM_H

#include "cgi/manager/family.h"

/* What was typed into a family's form, read by its table of fields. */
struct form {
	struct json_object *values; /* by field; inlines as lists of objects; what is no number stays as it was typed */
	struct json_object *errors; /* by field, or inline.row.field: a list of {"e": {"key": detail}} for templates/part/error.html */
};

/* made: of one that exists: fixed fields are left out. */
void form_read(struct form *form, const struct family *f, const struct request_pairs *typed, bool made);
void form_release(struct form *form);
/* detail is taken over; NULL: true. */
void form_error(struct form *form, const char *path, const char *key, struct json_object *detail);
/* Adds what a function refused (errors of its document); false: nothing. */
bool form_take_errors(struct form *form, struct json_object *said);
bool form_has_errors(const struct form *form);

/*
 * Adds to a document what a form's template shows: f.NAME for each field (name, id, value, checked, choices, is, needed, required,
 * fixed, wrong, errors, theirs) and inline.NAME.rows. typed: what was typed, or NULL: the document's own values.
 */
void form_show_fields(struct json_object *document, const struct family *f, struct form *typed, size_t more);

#endif
