#ifndef MANAGER_TRY_H
#define MANAGER_TRY_H

#include "cgi/manager/route.h"

/* Whether somebody can run a line in a chat, and what would run. */
route_handler try_show;

#endif
