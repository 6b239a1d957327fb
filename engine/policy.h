#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include "lib/buf.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * How a program is run: exec_dir/NAME.policy, a root-owned file of `key = value` lines beside it. What it does not say, and
 * everything where there is no such file, is the default: the command user and the limits of the runner.
 */
struct policy {
	char user[64];        /* user = NAME; root only where the policy says so */
	long nice;            /* nice = 0..19 */
	long max_processes;   /* of the user; 0: not limited here */
	long max_memory;      /* address space in MiB; 0: not limited here */
	long max_file_size;   /* MiB; 0: not limited here */
	long max_open_files;  /* 0: not limited here */
	long cpu_seconds;     /* 0: not limited here */
	bool user_named;      /* by the policy, not by default */
};

/* TELE_INVALID, TELE_DENIED: why says what is wrong with the file; the command must not run. */
enum tele_err policy_read(const char *directory, const char *program, const char *command_user, struct policy *policy,
    struct tele_buf *why) TELE_MUST;

/* In the child: limits and priority. TELE_SYSTEM: errno tells. */
enum tele_err policy_limit(const struct policy *policy) TELE_MUST;

#endif
