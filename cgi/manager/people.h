#ifndef MANAGER_PEOPLE_H
#define MANAGER_PEOPLE_H

#include "cgi/manager/family.h"

/* /people: who may speak to the bot. */
extern const struct family people_organizations;

#endif
