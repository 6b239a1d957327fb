#ifndef CGI_BELL_H
#define CGI_BELL_H

#include "lib/conf.h"

/*
 * Rings the doorbells (NOTIFY) from a connection of its own, so that no admission waits for PostgreSQL's global lock on notifying
 * commits. Rings that come while one is under way become one. A lost ring costs latency, never a task: who listens also looks.
 */
struct bell;

enum bell_for { BELL_TASK = 1, BELL_OUTBOX = 2 };

/* NULL: no memory or no thread. */
struct bell *bell_start(const struct tele_conf *conf);
/* whom: bell_for, or-ed. Returns at once. */
void bell_ring(struct bell *b, unsigned whom);
/* Rings what is still to be rung, then ends. */
void bell_stop(struct bell *b);

#endif
