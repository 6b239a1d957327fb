#ifndef MANAGER_SIGNIN_H
#define MANAGER_SIGNIN_H

#include "cgi/manager/route.h"

/* /signin, its second step /signin/code for who has a second factor, and /signout. */
route_handler signin_show, signin_try, signin_code, signin_code_try, signin_out;

#endif
