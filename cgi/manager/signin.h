#ifndef MANAGER_SIGNIN_H
#define MANAGER_SIGNIN_H

#include "cgi/manager/route.h"

/* /signin and /signout. */
route_handler signin_show, signin_try, signin_out;

#endif
