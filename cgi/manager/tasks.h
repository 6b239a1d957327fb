#ifndef MANAGER_TASKS_H
#define MANAGER_TASKS_H

#include "cgi/manager/family.h"

/* /tasks: what runs, what ran; one of them, cancelled, run again; all that fits a filter, and what one printed, as files. */
extern const struct family tasks, tasks_pending;
route_handler tasks_live, tasks_cancel, tasks_again, tasks_export, tasks_output;

#endif
