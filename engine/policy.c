#include "engine/policy.h"

#include "engine/program.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MIB = 1024 * 1024 };

static const struct key {
	const char *name;
	size_t offset;
	long most;
} keys[] = {
    {"nice", offsetof(struct policy, nice), 19},
    {"max_processes", offsetof(struct policy, max_processes), 1000000},
    {"max_memory", offsetof(struct policy, max_memory), 1L << 30},
    {"max_file_size", offsetof(struct policy, max_file_size), 1L << 30},
    {"max_open_files", offsetof(struct policy, max_open_files), 1000000},
    {"cpu_seconds", offsetof(struct policy, cpu_seconds), 1L << 30},
};

static enum tele_err set_number(struct policy *p, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *end;
		long n;

		if (strcmp(keys[i].name, name))
			continue;
		errno = 0;
		n = strtol(value, &end, 10);
		if (errno || end == value || *end || n < 0 || n > keys[i].most)
			return TELE_INVALID;
		memcpy((char *)p + keys[i].offset, &n, sizeof n);
		return TELE_OK;
	}
	return TELE_NOTFOUND;
}

static enum tele_err read_line(struct policy *p, const char *line)
{
	char name[32] = "", value[64] = "", rest;
	int n = sscanf(line, " %31[a-z_] = %63s %c", name, value, &rest);

	if (n == EOF || *line == '#' || (n == 0 && line[strspn(line, " \t")] == '#'))
		return TELE_OK;
	if (n != 2)
		return TELE_INVALID;
	if (strcmp(name, "user"))
		return set_number(p, name, value);
	snprintf(p->user, sizeof p->user, "%s", value);
	p->user_named = true;
	return TELE_OK;
}

static enum tele_err read_file(const char *path, struct policy *p, struct tele_buf *why)
{
	FILE *f = fopen(path, "re");
	enum tele_err rc = TELE_OK;
	char line[256];
	int n = 0;

	if (!f) {
		tele_buf_printf(why, "%s: %s", path, strerror(errno));
		return TELE_SYSTEM;
	}
	while (rc == TELE_OK && fgets(line, sizeof line, f)) {
		n++;
		rc = read_line(p, line);
	}
	fclose(f);
	/* A policy that is not understood might have forbidden more. */
	if (rc == TELE_NOTFOUND)
		tele_buf_printf(why, "%s:%d: unknown key", path, n);
	else if (rc != TELE_OK)
		tele_buf_printf(why, "%s:%d: expected key = value", path, n);
	return rc == TELE_OK ? TELE_OK : TELE_INVALID;
}

enum tele_err policy_read(const char *directory, const char *program, const char *command_user, struct policy *policy, struct tele_buf *why)
{
	char path[PATH_MAX], resolved[PATH_MAX];
	enum tele_err rc;

	memset(policy, 0, sizeof *policy);
	snprintf(policy->user, sizeof policy->user, "%s", command_user);
	if ((size_t)snprintf(path, sizeof path, "%s/%s.policy", directory, program) >= sizeof path)
		return TELE_INVALID;
	rc = program_check_path(path, resolved, why);
	if (rc == TELE_NOTFOUND) {
		tele_buf_reset(why);
		return TELE_OK;
	}
	return rc == TELE_OK ? read_file(resolved, policy, why) : rc;
}

static bool limit(int what, long most)
{
	struct rlimit r = {(rlim_t)most, (rlim_t)most};

	return most <= 0 || !setrlimit((__rlimit_resource_t)what, &r);
}

enum tele_err policy_limit(const struct policy *p)
{
	const struct rlimit no_core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &no_core) || !limit(RLIMIT_NPROC, p->max_processes) || !limit(RLIMIT_AS, p->max_memory * MIB) ||
	    !limit(RLIMIT_FSIZE, p->max_file_size * MIB) || !limit(RLIMIT_NOFILE, p->max_open_files) || !limit(RLIMIT_CPU, p->cpu_seconds))
		return TELE_SYSTEM;
	if (p->nice && setpriority(PRIO_PROCESS, 0, (int)p->nice))
		return TELE_SYSTEM;
	return TELE_OK;
}
