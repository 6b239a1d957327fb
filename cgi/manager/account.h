#ifndef MANAGER_ACCOUNT_H
#define MANAGER_ACCOUNT_H

#include "cgi/manager/route.h"

/* /account: one's own name and zone, password, second factor, and where one is signed in. */
route_handler account_show, account_save, account_password, account_password_change, account_session_end;
route_handler account_totp, account_totp_begin, account_totp_confirm, account_totp_off, account_totp_codes;

#endif
