#ifndef MANAGER_START_H
#define MANAGER_START_H

#include "cgi/manager/route.h"

/* /: what happens now, as far as who looks may see it. */
route_handler start_show;

#endif
