#ifndef MANAGER_LINES_H
#define MANAGER_LINES_H

#include "cgi/manager/page.h"

/*
 * Command lines, read where everybody's are: by lib/cmdline.c, with the commands as the database has them. A function that needs to
 * know what lines mean undoes what it did and gives "read", rows of lines_unread(); asked once more, it is told in "lines".
 */

/* page_ask, and once more when lines are to be read. */
enum tele_err lines_ask(struct visit *v, enum tele_stmt stmt, struct json_object *input, struct json_object **said) TELE_MUST;

/* Rows of catalogue_rows() or lines_unread() as a statement would have given them. PQclear it; NULL: no memory. */
PGresult *lines_rows(struct json_object *rows);

#endif
