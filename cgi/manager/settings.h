#ifndef MANAGER_SETTINGS_H
#define MANAGER_SETTINGS_H

#include "cgi/manager/family.h"

/* /settings: what holds for the whole of TeleOps. */
extern const struct family settings;

#endif
