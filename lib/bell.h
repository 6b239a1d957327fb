#ifndef TELE_BELL_H
#define TELE_BELL_H

#include "lib/conf.h"
#include "lib/metric.h"

/*
 * Rings the doorbells (NOTIFY) from a connection of its own, so that no admission waits for PostgreSQL's global lock on notifying
 * commits. Rings that come while one is under way become one. A lost ring costs latency, never a task: who listens also looks.
 * Its thread, idle most of the time, also tells the database what the program has counted.
 */
struct tele_bell;

enum tele_bell_for { TELE_BELL_TASK = 1, TELE_BELL_OUTBOX = 2 };

/* NULL: no memory or no thread. program is the connection's application_name. It and metrics (NULL: none) must outlive the bell. */
struct tele_bell *tele_bell_start(const struct tele_conf *conf, const char *program, struct tele_metrics *metrics);
/* whom: tele_bell_for, or-ed. Returns at once. */
void tele_bell_ring(struct tele_bell *b, unsigned whom);
/* Rings what is still to be rung, tells what was counted, then ends. */
void tele_bell_stop(struct tele_bell *b);

#endif
