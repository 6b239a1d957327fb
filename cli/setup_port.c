/* Who listens on a TCP port of this host, as the kernel tells it. */
#include "cli/setup.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTENS = 0x0A };

/* The inode of the socket that listens on the port; 0: none does in this table (proc(5), /proc/net/tcp). */
static unsigned long listening(const char *table, long port)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long inode = 0, found = 0;
	unsigned at, state;

	while (f && !found && fgets(line, sizeof line, f))
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu", &at, &state, &inode) == 3 && state == LISTENS && at == (unsigned)port)
			found = inode;
	if (f)
		fclose(f);
	return found;
}

static bool holds(const char *pid, const char *socket)
{
	char path[PATH_MAX], link[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, e->d_name);
		n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		found = !strcmp(link, socket);
	}
	if (d)
		closedir(d);
	return found;
}

static void name_of(const char *pid, char *name, size_t size)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, (int)size, f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
}

bool setup_port_holder(long port, char *name, size_t size)
{
	unsigned long inode = listening("/proc/net/tcp", port);
	char socket[64];
	struct dirent *e;
	DIR *d;

	if (!inode)
		inode = listening("/proc/net/tcp6", port);
	if (!inode)
		return false;
	snprintf(name, size, "another program");
	snprintf(socket, sizeof socket, "socket:[%lu]", inode);
	d = opendir("/proc");
	while (d && (e = readdir(d)))
		if (isdigit((unsigned char)*e->d_name) && holds(e->d_name, socket)) {
			name_of(e->d_name, name, size);
			break;
		}
	if (d)
		closedir(d);
	return true;
}
