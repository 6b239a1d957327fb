#ifndef TELE_GATE_H
#define TELE_GATE_H

#include "lib/bell.h"
#include "lib/conf.h"
#include "lib/update.h"

/*
 * The gate that every update goes through, however it came: threads hand in updates and wait; a few writers, each with a connection,
 * take what waits and admit it together in one transaction. A batch holds at most one update a chat and a person, and a chat is
 * never in two batches at once. What one thread hands in keeps its order within a chat.
 */
struct tele_gate;

/*
 * NULL: no memory, no thread, or the setting secret_public_key is no key. program is the connections' application_name; it and conf must
 * stay valid. The bell is rung after commits. stop_fd: see tele_db_give_up_on; -1: none. metrics must outlive the gate; NULL: nothing is
 * counted.
 */
struct tele_gate *tele_gate_start(const struct tele_conf *conf, const char *program, struct tele_bell *bell, int stop_fd,
    struct tele_metrics *metrics);

/*
 * Admits one update; body is kept aside when the database refuses it. TELE_OK: committed, or refused for good and kept: it may be
 * acknowledged. TELE_DB: it must be sent again. Handed in again, an update that was committed does no harm.
 */
enum tele_err tele_gate_admit(struct tele_gate *g, const struct tele_update *u, const char *body, size_t size) TELE_MUST;

struct tele_gate_item {
	const struct tele_update *update;
	const char *body;
	size_t size;
	enum tele_err result; /* out: as of tele_gate_admit */
};

/*
 * Admits all and waits for all. TELE_OK: all may be acknowledged. TELE_DB: not all, each item's result says; what waited when one
 * failed was not tried. TELE_NOMEM: nothing was tried.
 */
enum tele_err tele_gate_admit_all(struct tele_gate *g, struct tele_gate_item *items, size_t n) TELE_MUST;

/* What a person may send in ten seconds from now on; 0: any. It begins with the setting person_rate. */
void tele_gate_set_rate(struct tele_gate *g, long rate);

/* What secrets are sealed with from now on; NULL: nothing. It begins with the setting secret_public_key. TELE_INVALID: it is no key. */
enum tele_err tele_gate_set_key(struct tele_gate *g, const char *public_key) TELE_MUST;

/* Finishes what waits, ends the writers. Nobody may be in tele_gate_admit. */
void tele_gate_stop(struct tele_gate *g);

#endif
