#ifndef MANAGER_ADMINISTRATORS_H
#define MANAGER_ADMINISTRATORS_H

#include "cgi/manager/family.h"

/* /administrators: who may view and change what here. */
extern const struct family administrators;
/* POST /administrators/{id}/reset: a new password, no second factor, or no sessions (what). */
route_handler administrators_reset;

#endif
