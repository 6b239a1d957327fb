#ifndef CLI_SPAWN_H
#define CLI_SPAWN_H

#include "lib/buf.h"

#include <stdbool.h>

/*
 * Runs a program to its end: argv as it stands, never a shell. input: what it reads from standard input, NULL for nothing. What it says
 * on either output is added to out. True: it ended with status 0. False: out has why, where it did not say so itself.
 */
bool spawn_run(const char *const *argv, const char *input, struct tele_buf *out);

/* Whether there is such a program in PATH, or where administrators have theirs. */
bool spawn_find(const char *program);

#endif
