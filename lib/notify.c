#include "lib/notify.h"

#include "lib/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_size; /* 0: nobody listens */
static double alive_s;

/* A path, or @ and a name in the abstract space. */
static void take_socket(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n < 2 || n >= sizeof address.sun_path || !strchr("/@", *name))
		return;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, name, n);
	if (*name == '@')
		address.sun_path[0] = '\0';
	address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static double read_watchdog(const char *usec, const char *pid)
{
	char *end;
	long long n;

	if (!usec || (pid && *pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	n = strtoll(usec, &end, 10);
	/* Twice within the time, as sd_watchdog_enabled(3) advises. */
	return !*end && n > 0 ? (double)n / 2e6 : 0;
}

void tele_notify_begin(void)
{
	take_socket(getenv("NOTIFY_SOCKET"));
	alive_s = address_size ? read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")) : 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

double tele_notify_alive_s(void)
{
	return alive_s;
}

static void tell(const char *state)
{
	int fd;

	if (!address_size)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address, address_size) < 0)
		tele_log(TELE_WARN, "not_notified", tele_str("state", state), tele_str("error", strerror(errno)));
	if (fd >= 0)
		close(fd);
}

void tele_notify_ready(void)
{
	static bool told;

	if (!told)
		tell("READY=1");
	told = true;
}

void tele_notify_alive(void)
{
	tell("WATCHDOG=1");
}

void tele_notify_stopping(void)
{
	tell("STOPPING=1");
}
