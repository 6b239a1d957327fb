#ifndef MANAGER_HOOKS_H
#define MANAGER_HOOKS_H

#include "cgi/manager/family.h"

/* /alert-hooks: where alerts come in. Not below /hooks/, which is where they are posted to. */
extern const struct family hooks;
/* Gives one another address and shows it, this once. */
route_handler hooks_renew;

#endif
