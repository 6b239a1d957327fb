#ifndef MANAGER_OUTBOX_H
#define MANAGER_OUTBOX_H

#include "cgi/manager/family.h"

/* /outbox and /dead-letters: what waits to be sent, and what could not be. */
extern const struct family outbox_messages, outbox_dead;

#endif
