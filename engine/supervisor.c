/*
 * A supervisor: one process a task, child of the runner. It starts the command as somebody else, is the subreaper of all that
 * descends from it, and reports only when none of them is left.
 */
#include "engine/supervisor.h"

#include "engine/policy.h"
#include "engine/program.h"
#include "engine/work_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIDS_MOST = 65536, KILL_AGAIN_MS = 50 };

/* A server can send more in one piece than anybody wants; a sanitizer's shadow has no end. */
#ifdef __SANITIZE_ADDRESS__
enum { CALL_MIB = 0 };
#else
enum { CALL_MIB = 1024 };
#endif

struct supervision {
	const struct supervisor_job *job;
	struct policy policy;
	struct passwd *user; /* NULL: same user */
	char program[PATH_MAX];
	struct work_dir dir;
	pid_t pid;
	int signals;         /* signalfd: CHLD, TERM */
	bool ending;         /* TERM was sent */
	bool killing;        /* the grace is over */
	bool control_closed;
	long long due;       /* what comes next: timeout, end of grace, or next round of KILL; ms */
	struct run_report report;
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static enum tele_err cannot(struct supervision *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum tele_err cannot(struct supervision *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->report.why, sizeof s->report.why, fmt, ap);
	va_end(ap);
	return TELE_DENIED;
}

/* Who the command runs as; root only where a policy, which root wrote, says so. */
static enum tele_err find_user(struct supervision *s)
{
	if (geteuid() != 0)
		return TELE_OK;
	s->user = getpwnam(s->policy.user);
	if (!s->user)
		return cannot(s, "there is no system user %s", s->policy.user);
	if (s->user->pw_uid == 0 && !s->policy.user_named)
		return cannot(s, "commands do not run as root unless a policy says so");
	return TELE_OK;
}

static enum tele_err make_directory(struct supervision *s, const struct tele_conf *conf)
{
	const struct supervisor_job *job = s->job;
	struct tele_buf why = {0};
	enum tele_err rc = work_dir_make(&s->dir, conf->work_dir, job->head.task, s->user ? s->user->pw_uid : geteuid(),
	    s->user ? s->user->pw_gid : getegid(), &why);

	for (uint32_t i = 0; i < job->head.files && rc == TELE_OK; i++)
		rc = work_dir_put(&s->dir, job->names[2 * i], job->names[2 * i + 1], job->files[i], &why);
	for (uint32_t i = 0; i < job->head.files; i++)
		close(job->files[i]);
	if (rc == TELE_OK && job->head.kind == RUN_PROGRAM && conf->results_files > 0)
		rc = work_dir_open_results(&s->dir, &why);
	if (rc == TELE_OK)
		rc = work_dir_give_away(&s->dir, &why);
	if (rc != TELE_OK)
		cannot(s, "%s", tele_buf_text(&why));
	tele_buf_release(&why);
	return rc;
}

static enum tele_err find_program(struct supervision *s, const struct tele_conf *conf, struct tele_buf *why)
{
	enum tele_err rc = program_find(conf->exec_dir, s->job->program, s->program, why);

	return rc == TELE_OK ? policy_read(conf->exec_dir, s->job->program, conf->command_user, &s->policy, why) : rc;
}

/*
 * A database knows the engine's user and lets it in. What an http server answers is read by a user who has nothing: no database, no
 * files, and no processes but those like it.
 */
static enum tele_err find_call(struct supervision *s, const struct tele_conf *conf, struct tele_buf *why)
{
	snprintf(s->policy.user, sizeof s->policy.user, "%s", s->job->head.kind == RUN_HTTP ? conf->http_user : conf->engine_user);
	s->policy.max_memory = CALL_MIB;
	return program_check_path(conf->call_program, s->program, why);
}

static enum tele_err prepare(struct supervision *s, const struct tele_conf *conf)
{
	struct tele_buf why = {0};
	enum tele_err rc = (s->job->head.kind == RUN_PROGRAM ? find_program : find_call)(s, conf, &why);

	if (rc != TELE_OK)
		cannot(s, "%s", tele_buf_text(&why));
	tele_buf_release(&why);
	if (rc == TELE_OK)
		rc = find_user(s);
	return rc == TELE_OK ? make_directory(s, conf) : rc;
}

/* A clean environment: what the engine says of the task, and where the command finds itself. */
static void complete_environment(const struct supervision *s)
{
	static char home[PATH_MAX + 8], user[80], results[PATH_MAX + 32];
	char **e = s->job->envp + s->job->head.envc;

	snprintf(home, sizeof home, "HOME=%s", s->dir.path);
	snprintf(results, sizeof results, "TELEOPS_RESULTS=%s/results", s->dir.path);
	snprintf(user, sizeof user, "USER=%s", s->user ? s->user->pw_name : s->policy.user);
	*e++ = (char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin";
	*e++ = (char *)(uintptr_t) "LANG=C.UTF-8";
	*e++ = home;
	*e++ = user;
	if (s->dir.results >= 0)
		*e++ = results;
	*e = NULL;
}

/* Looks up in system files or further away, with memory and descriptors the command's limits may not leave: so before they hold. */
static bool take_groups(const struct supervision *s)
{
	return !s->user || !initgroups(s->user->pw_name, s->user->pw_gid);
}

static bool become_user(const struct supervision *s)
{
	if (!s->user)
		return true;
	return !setgid(s->user->pw_gid) && !setuid(s->user->pw_uid) && (s->user->pw_uid == 0 || setuid(0) != 0);
}

/* In the child: input from nowhere, output to the engine, secrets on 3, nothing else. The pipe moves out of the way. */
static bool arrange_descriptors(const struct supervisor_job *job, int *pipe_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), high = fcntl(*pipe_fd, F_DUPFD_CLOEXEC, 10);

	if (high >= 0)
		*pipe_fd = high;
	if (null < 0 || high < 0 || dup2(null, 0) != 0 || dup2(job->output, 1) != 1 || dup2(job->output, 2) != 2)
		return false;
	if (job->secret < 0)
		return true;
	/* Onto itself dup2 would leave the flag that closes it. */
	return job->secret == 3 ? !fcntl(3, F_SETFD, 0) : dup2(job->secret, 3) == 3;
}

/* In the child: everything between fork and exec. Comes back only with the step that failed, errno telling why. */
static const char *become_command(const struct supervision *s, int *pipe_fd)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(077);
	if (!arrange_descriptors(s->job, pipe_fd))
		return "cannot start";
	if (!take_groups(s))
		return "cannot take its user's groups";
	if (policy_limit(&s->policy) != TELE_OK)
		return "cannot set its limits";
	if (!become_user(s))
		return "cannot become its user";
	/* Cleared by a change of user, so only now: when the supervisor is killed, this goes too. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0);
	if (chdir(s->dir.path))
		return "cannot enter its directory";
	close_range(s->job->secret < 0 ? 3 : 4, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(s->program, s->job->argv, s->job->envp);
	return "cannot be executed";
}

/* What went wrong goes through the pipe, as text. */
static void run_command(const struct supervision *s, int pipe_fd)
{
	const char *step = become_command(s, &pipe_fd);
	char text[RUN_WHY_MOST];

	snprintf(text, sizeof text, "%s: %s", step, strerror(errno));
	if (write(pipe_fd, text, strlen(text)) < 0)
		_exit(126);
	_exit(127);
}

/* Forks the command; it has started when the pipe, closed by a successful exec, brings nothing. */
static enum tele_err start(struct supervision *s)
{
	char text[RUN_WHY_MOST];
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		return cannot(s, "no pipe: %s", strerror(errno));
	s->pid = fork();
	if (s->pid == 0)
		run_command(s, ends[1]);
	close(ends[1]);
	/* Whatever else happens, it is the command's alone now. */
	if (s->job->secret >= 0)
		close(s->job->secret);
	if (s->pid < 0) {
		close(ends[0]);
		return cannot(s, "cannot fork: %s", strerror(errno));
	}
	do
		n = read(ends[0], text, sizeof text - 1);
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	if (n > 0) {
		text[n] = '\0';
		waitpid(s->pid, NULL, 0);
		return cannot(s, "%s %s", s->job->program, text);
	}
	s->report.started = 1;
	return TELE_OK;
}

struct process {
	pid_t pid, parent;
	bool ours;
};

static bool read_process(const char *name, struct process *p)
{
	char path[64], line[512];
	const char *after;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%.20s/stat", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	/* The name in brackets may hold anything, brackets too. */
	after = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
	fclose(f);
	p->pid = (pid_t)atoi(name);
	p->ours = false;
	return after && sscanf(after, ") %*c %d", &p->parent) == 1;
}

static size_t list_processes(struct process *list)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	while (proc && n < PIDS_MOST && (e = readdir(proc)))
		if (*e->d_name >= '1' && *e->d_name <= '9' && read_process(e->d_name, &list[n]))
			n++;
	if (proc)
		closedir(proc);
	return n;
}

/* Everything below this process, in whatever session it hides: orphans come to us, their subreaper. */
static void signal_descendants(int sig)
{
	struct process *list = calloc(PIDS_MOST, sizeof *list);
	size_t n = list ? list_processes(list) : 0;
	pid_t self = getpid();
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			if (list[i].ours)
				continue;
			for (size_t j = 0; j < n && !list[i].ours; j++)
				list[i].ours = list[i].parent == self || (list[j].ours && list[j].pid == list[i].parent);
			more |= list[i].ours;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].ours)
			kill(list[i].pid, sig);
	free(list);
}

static void end_it(struct supervision *s)
{
	if (s->ending)
		return;
	s->ending = true;
	s->due = now_ms() + s->job->head.grace_s * 1000LL;
	signal_descendants(SIGTERM);
	/* What is stopped hears TERM only when it goes on. */
	signal_descendants(SIGCONT);
}

static void note_due(struct supervision *s)
{
	if (!s->ending) {
		s->report.timed_out = 1;
		end_it(s);
		return;
	}
	/* Again and again: a child may have been forked between the look and the signal. */
	s->killing = true;
	s->due = now_ms() + KILL_AGAIN_MS;
	signal_descendants(SIGKILL);
}

/* False when no child is left. */
static bool reap(struct supervision *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->pid)
			continue;
		s->report.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		s->report.signal = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
	}
	return pid == 0;
}

static void note_control(struct supervision *s)
{
	char byte;
	ssize_t n = recv(s->job->control, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->control_closed = n <= 0;
	s->report.cancelled = 1;
	end_it(s);
}

static void note_signals(struct supervision *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo != SIGTERM)
			continue;
		s->report.cancelled = 1;
		end_it(s);
	}
}

static void wait_for_end(struct supervision *s)
{
	s->due = now_ms() + s->job->head.timeout_s * 1000LL;
	while (reap(s)) {
		struct pollfd p[2] = {{.fd = s->signals, .events = POLLIN}, {.fd = s->control_closed ? -1 : s->job->control, .events = POLLIN}};
		long long left = s->due - now_ms();

		if (left <= 0) {
			note_due(s);
			continue;
		}
		if (poll(p, 2, left > INT_MAX ? INT_MAX : (int)left) < 0)
			continue;
		if (p[0].revents)
			note_signals(s);
		if (p[1].revents)
			note_control(s);
	}
}

static void block_signals(struct supervision *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGTERM, SIG_DFL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int supervise(const struct tele_conf *conf, const struct supervisor_job *job)
{
	struct supervision s = {.job = job, .dir = {.fd = -1, .results = -1}, .report = {.exit_status = -1, .signal = -1}};

	prctl(PR_SET_NAME, "teleops-superv");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	block_signals(&s);
	if (prepare(&s, conf) == TELE_OK) {
		complete_environment(&s);
		if (start(&s) == TELE_OK)
			wait_for_end(&s);
		s.report.left_out = work_dir_send_results(&s.dir, conf, job->control);
	}
	work_dir_remove(&s.dir);
	close(job->output);
	return send(job->control, &s.report, sizeof s.report, MSG_NOSIGNAL) == sizeof s.report ? 0 : 1;
}
