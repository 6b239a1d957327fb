#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *const places[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

/* Fixed places, as whoever is root by su may have none of sbin in PATH. False: there is none. */
static bool locate(const char *program, char path[PATH_MAX])
{
	if (strchr(program, '/')) {
		snprintf(path, PATH_MAX, "%s", program);
		return !access(path, X_OK);
	}
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(path, PATH_MAX, "%s/%s", places[i], program);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

bool spawn_find(const char *program)
{
	char path[PATH_MAX];

	return locate(program, path);
}

/* In memory alone: it may be a password. */
static int input_file(const char *input)
{
	size_t n = strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, input, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int start(const char *path, const char *const *argv, int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc)
		return rc;
	if (in >= 0)
		rc = posix_spawn_file_actions_adddup2(&actions, in, 0);
	else
		rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, 2);
	if (!rc)
		rc = posix_spawn(pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* To its end; true for status 0. */
static bool wait_for(pid_t pid, struct tele_buf *out)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return false;
	if (!out->len && status)
		tele_buf_printf(out, WIFSIGNALED(status) ? "it was ended by signal %d" : "it ended with status %d",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return status == 0;
}

static void read_all(int fd, struct tele_buf *out)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			tele_buf_add(out, bytes, (size_t)n);
}

bool spawn_run(const char *const *argv, const char *input, struct tele_buf *out)
{
	char path[PATH_MAX];
	int ends[2], rc, in = -1;
	pid_t pid;

	if (!locate(argv[0], path)) {
		tele_buf_printf(out, "there is no program %s", argv[0]);
		return false;
	}
	if ((input && (in = input_file(input)) < 0) || pipe2(ends, O_CLOEXEC)) {
		tele_buf_str(out, strerror(errno));
		return false;
	}
	rc = start(path, argv, in, ends[1], &pid);
	close(ends[1]);
	if (in >= 0)
		close(in);
	if (rc)
		tele_buf_printf(out, "%s: %s", path, strerror(rc));
	else
		read_all(ends[0], out);
	close(ends[0]);
	return !rc && wait_for(pid, out);
}
