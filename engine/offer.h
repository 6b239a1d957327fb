#ifndef ENGINE_OFFER_H
#define ENGINE_OFFER_H

#include "lib/array.h"
#include "lib/conf.h"

/* What an engine says of itself: the queues it serves, its labels, and the programs that its exec_dir has. */
struct offer {
	struct tele_array queues, programs, labels;
};

/* Reads it anew. */
void offer_read(struct offer *o, const struct tele_conf *conf);
void offer_release(struct offer *o);

#endif
