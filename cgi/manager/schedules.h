#ifndef MANAGER_SCHEDULES_H
#define MANAGER_SCHEDULES_H

#include "cgi/manager/family.h"

extern const struct family schedules;

#endif
