#ifndef MANAGER_PEOPLE_H
#define MANAGER_PEOPLE_H

#include "cgi/manager/family.h"

/* /people: who may speak to the bot, and who would like to. */
extern const struct family people_users, people_requests, people_groups, people_roles, people_organizations;

#endif
