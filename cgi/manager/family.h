#ifndef MANAGER_FAMILY_H
#define MANAGER_FAMILY_H

#include "cgi/manager/route.h"

/*
 * A page family: one kind of object, with its list, form, removal, history and actions. It is a table like this one, templates with
 * the texts, and functions manager_… in schema/telemanager/functions. docs/pages.md shows how to add one.
 *
 *	PATH                GET    the list                        NAME_list
 *	PATH                POST   an action on those ticked       NAME_action
 *	PATH/new            GET    an empty form                   NAME_form
 *	PATH/new            POST   makes one
 *	PATH/{id}           GET    its form, or what may be seen   NAME_form
 *	PATH/{id}           POST   changes it
 *	PATH/{id}/clone     GET    a form for another one like it  NAME_form
 *	PATH/{id}/delete    GET    what would go with it           delete
 *	PATH/{id}/delete    POST   removes it
 *	PATH/{id}/history   GET    who changed what, when          history
 *
 * What a family has no statement for, it has no route for.
 */
enum field_type {
	FIELD_TEXT,     /* one line; blanks around it go */
	FIELD_LONG,     /* several lines */
	FIELD_LINES,    /* a list, a line each */
	FIELD_NUMBER,   /* a whole number; empty: null */
	FIELD_DECIMAL,  /* a number; empty: null */
	FIELD_BOOL,     /* a box to tick */
	FIELD_CHOICE,   /* one of the document's choices, or none */
	FIELD_MANY,     /* any of the document's choices */
	FIELD_HIDDEN
};

enum field_flag {
	FIELD_REQUIRED = 1,
	FIELD_NOT_CLONED = 2, /* another one like it begins without */
	FIELD_FIXED = 4       /* chosen when it is made, never changed: not taken from the form of one that exists */
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	long most; /* characters, or lines; 0: the body's limit */
};

/* Rows of a table within the form; in the document a list of objects. */
struct inline_table {
	const char *name;
	const struct field *fields; /* to a name NULL */
	int spare; /* empty rows offered */
	int most;
};

struct form;

struct family {
	const char *path;
	const char *area;
	const char *name; /* of its templates */
	enum tele_stmt list;   /* rows */
	enum tele_stmt get;    /* one, or what a new one begins with */
	enum tele_stmt save;
	enum tele_stmt remove;
	enum tele_stmt act;
	const char *kind; /* of its objects in the record, for the history; NULL: none is shown */
	const char *const *filters; /* names that the query may have, to a NULL; all else is left out */
	const char *const *actions; /* names that act may be called with, to a NULL */
	const struct field *fields; /* to a name NULL */
	const struct inline_table *inlines; /* to a name NULL */
	/*
	 * For what teleops apply can declare: what was typed as a document (declare.h); base is what get has as "declared". The document is
	 * checked as a file would be, and goes to save with the values.
	 */
	struct json_object *(*declare)(struct form *form, struct json_object *base);
	bool not_cloned, not_made; /* has no such page */
};

/* list.c */
route_handler list_show, list_act;
/* What a list's function is asked for by the query: filters, sort, after, before, limit. The caller's to put. */
struct json_object *list_input(const struct visit *v, const struct family *f, int rows);
/* form.c */
route_handler form_new, form_make, form_show, form_change, form_clone, form_delete, form_remove, form_history;

#endif
