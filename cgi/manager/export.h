#ifndef MANAGER_EXPORT_H
#define MANAGER_EXPORT_H

#include "cgi/manager/family.h"

/*
 * A list as a file, whole, as the family's filters in the query have it: format=csv (where there is none) or json. stmt gives it as lists are given, rows and
 * next, some thousand rows at a time, so that memory stays as it is however long it gets. columns: names, to a NULL, in their order.
 * A database that goes away meanwhile cannot be told by the status any more: CSV ends with a line INCOMPLETE, JSON without its bracket.
 */
enum tele_err export_list(struct visit *v, const struct family *f, enum tele_stmt stmt, const char *const *columns, const char *name) TELE_MUST;

/* One cell of CSV (RFC 4180), so that no spreadsheet takes it for a formula. */
void export_cell(struct tele_buf *out, struct json_object *value);

#endif
