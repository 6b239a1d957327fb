#ifndef TELE_POOL_H
#define TELE_POOL_H

#include "lib/buf.h"
#include "lib/db.h"

/* A few connections that many threads share: each statement takes one that is free and gives it back. Connections are made when first used. */
struct tele_pool;

/* conninfo and use as for tele_db_new. NULL: no memory. */
struct tele_pool *tele_pool_new(const char *conninfo, const struct tele_db_use *use, int connections);
/* Connections made again are counted there; see tele_db_count. */
void tele_pool_count(struct tele_pool *p, struct tele_metrics *metrics);
/* Nobody may be in tele_pool_run. NULL is fine. */
void tele_pool_free(struct tele_pool *p);

/*
 * Waits for a free connection, then as tele_db_run, both within timeout_ms. What came to nothing for a serialisation failure or a
 * deadlock is tried twice again. TELE_SYSTEM: the server is there and refuses the statement, a mistake of ours. why (NULL: not wanted): what the server said, where it is not TELE_OK.
 */
enum tele_err tele_pool_run(struct tele_pool *p, enum tele_stmt stmt, const char *const *values, int timeout_ms, PGresult **res,
    struct tele_buf *why) TELE_MUST;

#endif
