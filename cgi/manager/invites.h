#ifndef MANAGER_INVITES_H
#define MANAGER_INVITES_H

#include "cgi/manager/family.h"

/* /people/invites: links that are good once. The list and taking one back are a family's; making one shows it, this once. */
extern const struct family people_invites;
route_handler invites_new, invites_make;

#endif
