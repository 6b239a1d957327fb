#include "engine/runner.h"

#include "engine/supervisor.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXTRA_ENV = 8 };
enum { OUTPUT, CONTROL, SECRET, FILES, FDS = FILES + RUN_FILES_MOST }; /* of a request; those from the third on may be missing */

union passed {
	struct cmsghdr align;
	char space[CMSG_SPACE(FDS * sizeof(int))];
};

static void close_all(const int fds[FDS])
{
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Those that came, in the places that the request tells. False: it does not fit. */
static bool place(const struct run_request *head, const int *came, size_t n, int fds[FDS])
{
	size_t secret = head->secret ? 1 : 0;

	if (head->files > RUN_FILES_MOST || n != SECRET + secret + head->files)
		return false;
	fds[OUTPUT] = came[OUTPUT];
	fds[CONTROL] = came[CONTROL];
	if (secret)
		fds[SECRET] = came[SECRET];
	memcpy(fds + FILES, came + SECRET + secret, head->files * sizeof *came);
	return true;
}

static void take_descriptors(const struct run_request *head, struct cmsghdr *c, int fds[FDS])
{
	int came[FDS];
	size_t n = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof *came : 0;

	if (n > FDS)
		return;
	if (n)
		memcpy(came, CMSG_DATA(c), n * sizeof *came);
	if (place(head, came, n, fds))
		return;
	while (n)
		close(came[--n]);
}

/* Receives one request with its descriptors, -1 for none; size 0: the engine is gone. */
static ssize_t receive(int sock, char *message, size_t size, int fds[FDS])
{
	union passed control;
	struct iovec iov = {message, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct run_request head = {0};
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	if (n <= 0)
		return n;
	if ((size_t)n >= sizeof head)
		memcpy(&head, message, sizeof head);
	take_descriptors(&head, CMSG_FIRSTHDR(&m), fds);
	return n;
}

/* Points list at count strings from *at on; false when the message ends before. */
static bool take_strings(char **list, uint32_t count, char **at, char *end)
{
	for (uint32_t i = 0; i < count; i++) {
		char *nul = memchr(*at, '\0', (size_t)(end - *at));

		if (!nul)
			return false;
		list[i] = *at;
		*at = nul + 1;
	}
	list[count] = NULL;
	return true;
}

/* In the child: takes the message apart and supervises. */
static int run_supervisor(const struct tele_conf *conf, char *message, size_t size, const int fds[FDS])
{
	struct supervisor_job job = {.output = fds[OUTPUT], .control = fds[CONTROL], .secret = fds[SECRET], .files = fds + FILES};
	char *at = message + sizeof job.head, *end = message + size;

	if (size <= sizeof job.head)
		return 1;
	memcpy(&job.head, message, sizeof job.head);
	if (job.head.argc > size || job.head.envc > size)
		return 1;
	job.argv = calloc(job.head.argc + 2U, sizeof *job.argv);
	job.envp = calloc(job.head.envc + EXTRA_ENV + 1U, sizeof *job.envp);
	job.names = calloc(2U * RUN_FILES_MOST + 1U, sizeof *job.names);
	if (!job.argv || !job.envp || !job.names || job.head.files > RUN_FILES_MOST)
		return 1;
	/* The program's name comes first, so that the strings are the vector as it will be. */
	if (!take_strings(job.argv, job.head.argc + 1, &at, end) || !take_strings(job.envp, job.head.envc, &at, end) ||
	    !take_strings(job.names, 2 * job.head.files, &at, end))
		return 1;
	job.program = job.argv[0];
	return supervise(conf, &job);
}

static void log_fork_failed(const char *message, size_t size)
{
	struct run_request head = {0};
	int error = errno;

	if (size >= sizeof head)
		memcpy(&head, message, sizeof head);
	tele_log(TELE_ERROR, "fork_failed", tele_int("task", head.task), tele_int("update", head.update), tele_str("error", strerror(error)));
}

static void fork_supervisor(const struct tele_conf *conf, int sock, char *message, size_t size, const int fds[FDS])
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
		close(sock);
		_exit(run_supervisor(conf, message, size, fds));
	}
	/* The engine sees both ends close, which is its answer too. */
	if (pid < 0)
		log_fork_failed(message, size);
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Supervisors whose control end closed end their commands; the lock is held until the last of them is gone. */
static void wait_for_supervisors(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void run_loop(const struct tele_conf *conf, int sock)
{
	static char message[RUN_REQUEST_MOST + sizeof(struct run_request)];
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	sigset_t set;
	int fds[FDS];

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		ssize_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents) {
			while (read(p[1].fd, &info, sizeof info) > 0)
				;
			reap();
		}
		if (!p[0].revents)
			continue;
		n = receive(sock, message, sizeof message, fds);
		if (n <= 0)
			return;
		if (fds[CONTROL] >= 0)
			fork_supervisor(conf, sock, message, (size_t)n, fds);
		close_all(fds);
	}
}

static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low < 0)
		low = high;
	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0U, 0);
}

enum tele_err runner_start(const struct tele_conf *conf, int keep_fd, int *sock)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return TELE_SYSTEM;
	pid = fork();
	if (pid < 0)
		return TELE_SYSTEM;
	if (pid == 0) {
		prctl(PR_SET_NAME, "teleops-runner");
		/* What is typed or signalled to the engine's group is for the engine, which closes the socket when it ends. */
		setsid();
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		close_others(ends[1], keep_fd);
		run_loop(conf, ends[1]);
		close(ends[1]);
		wait_for_supervisors();
		_exit(0);
	}
	close(ends[1]);
	*sock = ends[0];
	return TELE_OK;
}

static enum tele_err send_request(int sock, const void *request, size_t size, const int *fds, size_t count)
{
	union passed control = {0};
	size_t n = count * sizeof(int);
	struct iovec iov = {(void *)(uintptr_t)request, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), fds, n);
	if (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size)
		return TELE_OK;
	return errno == EAGAIN ? TELE_RETRY : TELE_SYSTEM;
}

enum tele_err runner_request(int sock, const void *request, size_t size, int secret, const int *files, int *output, int *control)
{
	int out[2] = {-1, -1}, ctl[2] = {-1, -1}, fds[FDS];
	enum tele_err rc = TELE_SYSTEM;
	struct run_request head;
	size_t n = SECRET;

	memcpy(&head, request, sizeof head);
	if (size > RUN_REQUEST_MOST || head.files > RUN_FILES_MOST)
		return TELE_INVALID;
	if (head.secret)
		fds[n++] = secret;
	memcpy(fds + n, files, head.files * sizeof *files);
	n += head.files;
	if (!pipe2(out, O_CLOEXEC) && !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl)) {
		fds[OUTPUT] = out[1];
		fds[CONTROL] = ctl[1];
		rc = send_request(sock, request, size, fds, n);
	}
	if (out[1] >= 0)
		close(out[1]);
	if (ctl[1] >= 0)
		close(ctl[1]);
	if (rc == TELE_OK) {
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		fcntl(ctl[0], F_SETFL, O_NONBLOCK);
		*output = out[0];
		*control = ctl[0];
		return TELE_OK;
	}
	if (out[0] >= 0)
		close(out[0]);
	if (ctl[0] >= 0)
		close(ctl[0]);
	return rc;
}
