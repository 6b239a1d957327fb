#ifndef MANAGER_BACKUP_H
#define MANAGER_BACKUP_H

#include "cgi/manager/route.h"

/* The declared state: downloaded, and another one applied, with the difference shown first. */
route_handler backup_show, backup_export, backup_apply;

#endif
