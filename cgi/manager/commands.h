#ifndef MANAGER_COMMANDS_H
#define MANAGER_COMMANDS_H

#include "cgi/manager/family.h"

extern const struct family commands, commands_grants;

#endif
