#ifndef CGI_GATE_H
#define CGI_GATE_H

#include "cgi/bell.h"
#include "lib/conf.h"
#include "lib/update.h"

/*
 * The gate: many threads hand in one update each and wait; a few writers, each with a connection, take what waits and admit it
 * together in one transaction. A batch holds at most one update a chat and a person, and a chat is never in two batches at once.
 */
struct gate;

/* NULL: no memory or no thread. The bell is rung after commits. */
struct gate *gate_start(const struct tele_conf *conf, struct bell *bell);

/*
 * Admits one update; body is kept aside when the database refuses it. TELE_OK: committed, or refused for good and kept: answer 200.
 * TELE_DB: it must be sent again: answer 503.
 */
enum tele_err gate_admit(struct gate *g, const struct tele_update *u, const char *body, size_t n) TELE_MUST;

/* Finishes what waits, ends the writers. Nobody may be in gate_admit. */
void gate_stop(struct gate *g);

#endif
