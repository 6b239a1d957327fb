#ifndef CLI_MIGRATE_H
#define CLI_MIGRATE_H

#include "lib/buf.h"
#include "lib/conf.h"

#include <libpq-fe.h>

/* How a database's schema differs from this version's files, in words; nothing is added where it does not. database names their directory. */
void migrate_difference(const struct tele_conf *conf, PGconn *conn, const char *database, struct tele_buf *what);

#endif
