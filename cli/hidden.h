#ifndef CLI_HIDDEN_H
#define CLI_HIDDEN_H

#include <stdbool.h>
#include <stddef.h>

/* One line of standard input, without its end; from a terminal it is asked for, and not shown. False: there is none. */
bool hidden_read(const char *prompt, char *out, size_t size);

#endif
