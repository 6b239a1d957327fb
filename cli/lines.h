#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "lib/buf.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct json_object;

/*
 * Command lines that are kept for later: read with the commands as they are now, within the transaction that changed either, so that a
 * file after which one of them could not run is refused. False: the database failed, which has been told. Else errors has a line for
 * each that cannot be run: its place in the file, or its name where the file does not mention it.
 */
bool lines_read(PGconn *conn, struct json_object *document, struct tele_buf *errors);

#endif
