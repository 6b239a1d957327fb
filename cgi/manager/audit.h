#ifndef MANAGER_AUDIT_H
#define MANAGER_AUDIT_H

#include "cgi/manager/family.h"

/* /audit: the record, as a list and as a file, and whether its seals hold. */
extern const struct family audit;
route_handler audit_export, audit_verify;

#endif
