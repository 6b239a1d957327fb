#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

#include "lib/buf.h"

/*
 * Finds a program that a command may run: `name` in directory. The file, the directory, every parent and every link on the way
 * must belong to root and be writable by nobody else, so that only root decides what can be run. Without root (same user mode)
 * the caller's own files will do too.
 * TELE_OK: resolved (the caller's, PATH_MAX bytes) is the path without links. Else why says what is wrong with what.
 */
enum tele_err program_find(const char *directory, const char *name, char *resolved, struct tele_buf *why) TELE_MUST;

/* The same for any file, the policy beside a program for one. TELE_NOTFOUND: there is none. */
enum tele_err program_check_path(const char *path, char *resolved, struct tele_buf *why) TELE_MUST;

#endif
