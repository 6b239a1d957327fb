#ifndef ENGINE_LANE_H
#define ENGINE_LANE_H

#include "engine/rate.h"
#include "lib/conf.h"
#include "lib/outbox.h"

/* What waits for one chat, in order, and how fast it may go. Operations without an order have a lane of their own each. */
struct lane {
	struct lane *next;      /* in its bucket */
	struct lane *newer, *older; /* among those that hold rows */
	long long chat_id;      /* 0: a free operation */
	bool group, listed;
	struct tele_outbox_row *first, **last;
	bool busy;              /* a request is under way, or a part is not stored yet */
	unsigned long stored_with; /* batch of settlements that the part just sent is in; 0: none */
	double not_before;
	double backoff_s;
	struct rate rate, group_rate;
	struct rate edit_rate, edit_group_rate; /* half of those, for what is shown of running commands */
	/* how the first row is tried again after a refusal that allows it */
	bool plain, no_thread;
	bool fetching;          /* the first row's document is asked for, or to be */
	bool abandoned;         /* taken back by the database: forget it when the request is over */
};

struct lanes;

struct lanes *lanes_new(const struct tele_conf *conf);
void lanes_free(struct lanes *l);
/* New limits for all; rows and waits stay. */
void lanes_set_rates(struct lanes *l, const struct tele_conf *conf, double now);

/* Puts a row at the end of its chat's lane. TELE_NOMEM: the row is freed, and waits in the database for the next take. */
enum tele_err lanes_add(struct lanes *l, struct tele_outbox_row *row, double now) TELE_MUST;
/* The lane of a chat, made if there is none: who has no place in it keeps to its limits all the same. NULL: no memory. */
struct lane *lanes_of_chat(struct lanes *l, const struct tele_outbox_row *row, double now);
/* Takes the first row off and frees it; an emptied lane leaves the list. */
void lane_pop(struct lanes *l, struct lane *lane);
/* Lanes that hold rows, oldest first: start with lanes_first, go on with ->newer. */
struct lane *lanes_first(const struct lanes *l);
int lanes_rows(const struct lanes *l);
/* Drops all rows, but those whose lane is busy are only marked abandoned. */
void lanes_abandon(struct lanes *l);
/* Frees lanes that are empty and whose limits are unused, so that memory follows the chats that speak. */
void lanes_sweep(struct lanes *l, double now);

#endif
