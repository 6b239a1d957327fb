#ifndef MANAGER_ENGINES_H
#define MANAGER_ENGINES_H

#include "cgi/manager/family.h"

/* /engines and /queues: who is alive and what waits for them. */
extern const struct family engines, engines_queues;

#endif
