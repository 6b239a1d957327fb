#include "engine/job.h"

#include "engine/ask.h"
#include "engine/runner.h"
#include "lib/expand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double wall_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_string(struct tele_buf *b, const char *s)
{
	tele_buf_add(b, s, strlen(s) + 1);
}

static void add_assignment(struct tele_buf *b, uint32_t *count, const char *key, const char *value)
{
	tele_buf_printf(b, "%s=%s", key, value);
	tele_buf_char(b, '\0');
	++*count;
}

static void add_number(struct tele_buf *b, uint32_t *count, const char *key, long long value)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", value);
	add_assignment(b, count, key, text);
}

static enum run_kind kind_of(const struct tele_task *t)
{
	return !strcmp(t->kind, "sql") ? RUN_SQL : !strcmp(t->kind, "http") ? RUN_HTTP : RUN_PROGRAM;
}

/* Of a call nothing but its kind stands among the arguments, which others can read. */
static void add_arguments(struct tele_buf *message, uint32_t *count, const struct tele_task *t)
{
	if (kind_of(t) != RUN_PROGRAM) {
		add_string(message, "telecall");
		add_string(message, t->kind);
		*count = 1;
		return;
	}
	add_string(message, t->program);
	for (size_t i = 0; i < t->nargv; i++) {
		tele_expand(message, t->argv[i], t->args);
		tele_buf_char(message, '\0');
	}
	*count = (uint32_t)t->nargv;
}

/* The request as engine/runner.h describes it: argument templates filled in, one argument an element, never a shell. */
static void build_request(struct tele_buf *message, const struct tele_task *t, bool secret)
{
	struct run_request head = {.task = t->id, .update = t->update_id, .kind = kind_of(t), .timeout_s = (uint32_t)t->timeout_s,
	    .grace_s = (uint32_t)t->grace_s, .secret = secret, .files = (uint32_t)t->nfiles};

	tele_buf_add(message, &head, sizeof head);
	add_arguments(message, &head.argc, t);
	add_number(message, &head.envc, "TELEOPS_TASK_ID", t->id);
	add_number(message, &head.envc, "TELEOPS_UPDATE_ID", t->update_id);
	add_number(message, &head.envc, "TELEOPS_CHAT_ID", t->chat_id);
	add_assignment(message, &head.envc, "TELEOPS_USER", t->login);
	add_assignment(message, &head.envc, "TELEOPS_COMMAND", t->command);
	for (size_t i = 0; i < t->nfiles; i++) {
		add_string(message, t->files[i].parameter);
		add_string(message, t->files[i].name);
	}
	if (!message->failed)
		memcpy(message->data, &head, sizeof head);
}

static void finish_if_over(struct ev_loop *loop, struct job *j)
{
	if (!j->reported || ev_is_active(&j->output))
		return;
	j->end.finished_at = wall_time();
	j->over = true;
}

/* What no longer fits is not kept, but its end is: there a command says what went wrong. */
static void keep_tail(struct job *j, const char *part, size_t n)
{
	for (size_t i = n > JOB_TAIL ? n - JOB_TAIL : 0; i < n; i++)
		j->tail[j->tail_end++ % JOB_TAIL] = part[i];
}

/* The end of the output, as it came: what followed the kept part, or that. */
static void last_output(const struct job *j, struct tele_buf *out)
{
	size_t n = j->tail_end < JOB_TAIL ? j->tail_end : JOB_TAIL;

	if (n < JOB_TAIL)
		tele_buf_add(out, tele_buf_text(&j->kept) + (j->kept.len > JOB_TAIL ? j->kept.len - JOB_TAIL : 0),
		    j->kept.len > JOB_TAIL ? JOB_TAIL : j->kept.len);
	for (size_t i = j->tail_end - n; i < j->tail_end; i++)
		tele_buf_char(out, j->tail[i % JOB_TAIL]);
}

static void on_output(struct ev_loop *loop, ev_io *w, int events)
{
	struct job *j = w->data;
	char part[65536];
	ssize_t n = read(w->fd, part, sizeof part);

	if (n > 0) {
		size_t room = (size_t)j->task.output_limit - j->kept.len;

		j->total += n;
		if (room > (size_t)n)
			room = (size_t)n;
		tele_buf_add(&j->kept, part, room);
		keep_tail(j, part + room, (size_t)n - room);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ev_io_stop(loop, w);
	finish_if_over(loop, j);
}

static void take_report(struct job *j, const struct run_report *r)
{
	j->end.exit_status = r->exit_status;
	j->end.signal = r->signal;
	j->end.started = r->started;
	j->end.timed_out = r->timed_out;
	j->end.cancelled = r->cancelled;
	j->end.left_out += r->left_out;
	snprintf(j->why, sizeof j->why, "%.*s", RUN_WHY_MOST, r->why);
}

union said {
	struct run_report report;
	struct run_file file;
};

/* *fd: the descriptor that came along, -1: none. */
static ssize_t hear(int control, union said *said, int *fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} passed;
	struct iovec iov = {said, sizeof *said};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
	ssize_t n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	return n;
}

static void take_file(struct job *j, struct run_file *file, int fd)
{
	file->name[sizeof file->name - 1] = '\0';
	if (results_add(&j->results, file->name, file->size, fd) != TELE_OK)
		j->end.left_out++;
}

static void on_control(struct ev_loop *loop, ev_io *w, int events)
{
	struct job *j = w->data;
	union said said;
	int fd;
	ssize_t n = hear(w->fd, &said, &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof said.file && fd >= 0) {
		take_file(j, &said.file, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (n == sizeof said.report)
		take_report(j, &said.report);
	else
		j->end.vanished = true;
	j->reported = true;
	ev_io_stop(loop, w);
	finish_if_over(loop, j);
}

static void fail_to_start(struct ev_loop *loop, struct job *j, const char *why)
{
	snprintf(j->why, sizeof j->why, "%s", why);
	j->reported = true;
	finish_if_over(loop, j);
}

/* *fd: what the command gets as descriptor 3, -1 when it needs none. TELE_DENIED: why says what is wrong. */
static enum tele_err hand_over(const struct job_means *means, const struct tele_task *t, int *fd, struct tele_buf *why)
{
	struct secrets secrets;
	enum tele_err rc = secrets_open(means->ring, t, &secrets, why);

	*fd = -1;
	if (rc != TELE_OK)
		return rc == TELE_NOMEM ? TELE_RETRY : TELE_DENIED;
	if (kind_of(t) != RUN_PROGRAM) {
		rc = ask_file(means->conf, means->ring, t, &secrets, fd, why);
		secrets_wipe(&secrets);
		return rc == TELE_OK || rc == TELE_RETRY ? rc : TELE_DENIED;
	}
	if (secrets.n)
		rc = secrets_file(&secrets, fd);
	secrets_wipe(&secrets);
	return rc == TELE_OK ? TELE_OK : TELE_RETRY;
}

/* As runner_request, with TELE_DENIED as above. */
static enum tele_err request(const struct job_means *means, const struct tele_task *t, int *output, int *control, struct tele_buf *why)
{
	struct tele_buf message = {0};
	int secret, files[RUN_FILES_MOST];
	enum tele_err rc = hand_over(means, t, &secret, why);

	if (rc == TELE_OK) {
		for (size_t i = 0; i < t->nfiles && i < RUN_FILES_MOST; i++)
			files[i] = t->files[i].fd;
		build_request(&message, t, secret >= 0);
		rc = message.failed ? TELE_RETRY : runner_request(means->runner, message.data, message.len, secret, files, output, control);
	}
	if (secret >= 0)
		close(secret);
	tele_buf_release(&message);
	return rc;
}

static void fail_request(struct ev_loop *loop, struct job *j, enum tele_err rc, const char *why)
{
	fail_to_start(loop, j, rc == TELE_DENIED ? why : rc == TELE_INVALID ? "its arguments are too long" : "its runner is gone");
}

enum tele_err job_start(struct ev_loop *loop, const struct job_means *means, struct tele_task *task, struct job **out)
{
	struct job *j = calloc(1, sizeof *j);
	struct tele_buf why = {0};
	enum tele_err rc;
	int output, control;

	if (!j)
		return TELE_RETRY;
	files_name(task, means->work_dir);
	rc = request(means, task, &output, &control, &why);
	if (rc == TELE_RETRY) {
		tele_buf_release(&why);
		free(j);
		return rc;
	}
	j->task = *task;
	memset(task, 0, sizeof *task);
	j->started_at = j->end.started_at = wall_time();
	j->end.exit_status = j->end.signal = -1;
	j->end.why = j->why;
	j->end.files_most = means->conf->results_files;
	j->end.megabytes_most = means->conf->results_megabytes;
	*out = j;
	if (rc != TELE_OK)
		fail_request(loop, j, rc, tele_buf_text(&why));
	tele_buf_release(&why);
	if (rc != TELE_OK)
		return TELE_OK;
	ev_io_init(&j->output, on_output, output, EV_READ);
	ev_io_init(&j->control, on_control, control, EV_READ);
	j->output.data = j->control.data = j;
	ev_io_start(loop, &j->output);
	ev_io_start(loop, &j->control);
	return TELE_OK;
}

void job_end(struct job *j, const char *by)
{
	if (by && !j->cancelled_by)
		j->cancelled_by = strdup(by);
	if (j->ending || j->reported)
		return;
	/* Should it fail, the supervisor is gone, and that is noticed by the control end's closing. */
	j->ending = send(j->control.fd, "", 1, MSG_NOSIGNAL) == 1;
}

enum tele_err job_show(struct job *j, double now, struct tele_live *live)
{
	struct tele_buf output = {0};
	enum tele_err rc;

	last_output(j, &output);
	rc = output.failed ? TELE_NOMEM : result_live(&j->task, now - j->started_at, tele_buf_text(&output), output.len, live);
	tele_buf_release(&output);
	j->shown = j->total;
	return rc;
}

enum tele_err job_result(struct job *j, struct tele_result *result)
{
	struct tele_buf tail = {0};
	enum tele_err rc;

	j->end.output = tele_buf_text(&j->kept);
	j->end.size = j->kept.len;
	j->end.total = j->total;
	j->end.cancelled_by = j->cancelled_by;
	j->end.files = j->results.n;
	if (j->tail_end) {
		last_output(j, &tail);
		j->end.tail = tele_buf_text(&tail);
		j->end.tail_size = tail.len;
	}
	rc = result_make(&j->task, &j->end, result);
	tele_buf_release(&tail);
	return rc;
}

void job_free(struct ev_loop *loop, struct job *j)
{
	/* A job that never reached the runner has watchers that were never set up. */
	if (j->output.data) {
		ev_io_stop(loop, &j->output);
		ev_io_stop(loop, &j->control);
		close(j->output.fd);
		close(j->control.fd);
	}
	tele_task_release(&j->task);
	tele_buf_release(&j->kept);
	results_release(&j->results);
	free(j->cancelled_by);
	free(j);
}
