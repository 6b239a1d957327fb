#ifndef CLI_PG_H
#define CLI_PG_H

#include "lib/buf.h"

#include <libpq-fe.h>

/* The tool's database work: one call after the other, errors told on standard error with what to do. */

/* NULL: why says why not. */
PGconn *pg_connect(const char *conninfo, struct tele_buf *why);
/* Runs one statement with text parameters; NULL: why has the server's words. */
PGresult *pg_query(PGconn *conn, const char *sql, int n, const char *const *values, struct tele_buf *why);

/* NULL after saying why. */
PGconn *pg_open(const char *conninfo, const char *setting);
/* Runs one statement with text parameters; NULL after saying why. What it was about comes first in the message. */
PGresult *pg_run(PGconn *conn, const char *about, const char *sql, int n, const char *const *values);
/* The same for statements whose result does not matter. */
bool pg_do(PGconn *conn, const char *about, const char *sql);

#endif
