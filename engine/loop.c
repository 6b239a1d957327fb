/*
 * One event loop, one statement under way at a time. What can go wrong, and what holds then:
 *  - The engine dies after a claim's commit: its lease expires, or its successor starts; idempotent tasks are queued again, others
 *    become lost and are told. Its commands have ended before the successor starts: they hold the lock file.
 *  - The connection breaks during engine_step: claims it may have made are unknown here, so none of them was started; engine_resume
 *    gives them back. Results are sent again with the same token; one that had been stored is not found and changes nothing.
 *  - The lease is lost (the database was away too long): the token no longer fits. Idempotent commands were ended before that, by
 *    the clock here; others run on, and their results are attached to the lost tasks.
 */
#include "engine/loop.h"

#include "engine/job.h"
#include "engine/offer.h"
#include "engine/waiting.h"
#include "lib/array.h"
#include "lib/expand.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/notify.h"
#include "lib/schedule.h"
#include "lib/start.h"

#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_RESULTS = 64, STEP_STARTED = 64, STEP_LIVE = 64, SCHEDULES = 100 };
enum { RUNG_TASK = 1, RUNG_CANCEL = 2 }; /* by place in channels */
static const char *const channels[] = {"task", "cancel", NULL};
static const double lease_every_s = 3, give_up_s = 12, janitor_every_s = 5, note_after_s = 1, again_s = 0.02;
enum { RINGS_IN_VAIN = 8 }; /* in a row: then they are for others' queues, and are answered once in again_s */
static const double ready_most_s = 5; /* who starts it waits so long for a database that is away */
static const double show_every_s = 1, show_again_s = 30, schedules_again_s = 1;
static const double typing_every_s = 4.5, typing_most_s = 120; /* lasts 5 s in a chat (core.telegram.org/bots/api#sendchataction) */

enum op { NONE, START, RESUME, DESCRIBE, STEP, READ_FILE, STORE_RESULT, JANITOR, CLOCK, READ_LINES, STORE_LINES, METRICS, STOP };

struct outgoing {
	struct outgoing *next;
	struct tele_result result;
};

struct engine {
	struct tele_conf *conf;
	struct ev_loop *loop;
	struct tele_db *db;
	struct tele_metrics *metrics;
	struct tele_seal_ring *ring; /* opens secrets; NULL: no keys */
	int runner;
	char name[64];
	char *work_dir, *spool; /* as they were at the start: the runner knows no others */
	long long moving;       /* task whose file the statement under way is about */
	struct offer offer;
	long long id, epoch; /* epoch 0: not registered */
	unsigned resumed;    /* connection on which the claims were last compared */
	enum op op;
	struct job *jobs;
	int njobs;
	struct waiting waiting;
	struct outgoing *out, **out_last;
	size_t sent;         /* of out, how many the step under way carries */
	bool extending, stopping, ended_all, told_all;
	bool look;     /* for tasks, if there is room for one */
	bool rung, by_ring; /* for tasks since the last look; before the look under way */
	int in_vain;   /* rings in a row for which there was nothing */
	bool hear;     /* what is to be ended, or to be said to run: whether there is room or not */
	bool describe; /* what it serves has changed */
	bool unread;   /* schedules have lines that are to be read */
	struct tele_schedule_lines lines; /* read, to be stored */
	double confirmed;    /* when the last confirmed extension was sent, by ev_now */
	double extend_sent, extend_due, janitor_due, schedules_due, start_due, stop_by;
	int status;
	ev_io db_io, runner_io;
	ev_timer db_timer, tick, again, clock, alive, ready;
	ev_prepare prepare;
	ev_signal term, intr, hup;
};

static void queue_result(struct engine *e, struct tele_result *r)
{
	struct outgoing *o = calloc(1, sizeof *o);

	/* Without memory the task is found by its expired lease, and told to be lost. */
	if (!o) {
		tele_log(TELE_ERROR, "no_memory", tele_int("task", r->task_id));
		tele_result_release(r);
		return;
	}
	o->result = *r;
	*e->out_last = o;
	e->out_last = &o->next;
}

static void drop_results(struct engine *e, size_t n)
{
	while (n-- && e->out) {
		struct outgoing *o = e->out;

		e->out = o->next;
		if (!e->out)
			e->out_last = &e->out;
		tele_result_release(&o->result);
		free(o);
	}
}

/* The one way by which a result goes out. */
static void finish(struct engine *e, const struct tele_task *t, struct tele_result *r)
{
	tele_log(TELE_INFO, "finished", tele_int("task", r->task_id), tele_int("update", t->update_id), tele_str("command", t->command),
	    tele_str("state", r->state), tele_int("exit", r->exit_status), tele_int("signal", r->signal), tele_int("bytes", r->output_bytes),
	    tele_int("ms", (long long)((r->finished_at - r->started_at) * 1000)), tele_str("why", r->reason));
	tele_metric_add(e->metrics, TELE_METRIC_FINISHED, t->command, r->state, 1);
	tele_metric_observe(e->metrics, TELE_METRIC_RUN, t->command, r->finished_at - r->started_at);
	queue_result(e, r);
}

/* Moves jobs that are over into results. */
static void gather(struct engine *e)
{
	struct job **at = &e->jobs;
	struct tele_result r;

	while (*at) {
		struct job *j = *at;

		if (!j->over || (results_left(&j->results) && !j->dropped)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		e->njobs--;
		if (!j->dropped && job_result(j, &r) == TELE_OK)
			finish(e, &j->task, &r);
		job_free(e->loop, j);
	}
}

static void log_started(const struct tele_task *t)
{
	tele_log(TELE_INFO, "started", tele_int("task", t->id), tele_int("update", t->update_id), tele_str("command", t->command));
}

static void run_text(struct engine *e, struct tele_task *t)
{
	struct tele_buf text = {0};
	struct tele_result r;

	log_started(t);
	json_object_object_add(t->args, "user", json_object_new_string(t->person));
	json_object_object_add(t->args, "person", json_object_new_string(t->person));
	tele_expand(&text, t->template, t->args);
	if (result_of_text(t, tele_buf_text(&text), wall_time(), &r) == TELE_OK)
		finish(e, t, &r);
	tele_buf_release(&text);
	tele_task_release(t);
}

static void run_not(struct engine *e, struct tele_task *t, const char *why)
{
	struct ending end = {.exit_status = -1, .signal = -1, .why = why, .output = ""};
	struct tele_result r;

	end.started_at = end.finished_at = wall_time();
	if (result_make(t, &end, &r) == TELE_OK)
		finish(e, t, &r);
	tele_task_release(t);
}

/* What runs in a process of its own: exec, sql, http. */
static void run_job(struct engine *e, struct tele_task *t)
{
	struct job *j;

	if (files_lacking(t)) {
		waiting_add(&e->waiting, t);
		return;
	}
	if (job_start(e->loop, &(struct job_means){e->runner, e->ring, e->conf, e->work_dir}, t, &j) == TELE_RETRY) {
		tele_metric_add(e->metrics, TELE_METRIC_RUNNER_BUSY, NULL, NULL, 1);
		waiting_add(&e->waiting, t);
		return;
	}
	j->next = e->jobs;
	e->jobs = j;
	e->njobs++;
	log_started(&j->task);
}

static const struct {
	const char *kind;
	void (*run)(struct engine *e, struct tele_task *t);
} kinds[] = {{"exec", run_job}, {"text", run_text}, {"sql", run_job}, {"http", run_job}};

static void run(struct engine *e, struct tele_task *t)
{
	tele_log(TELE_INFO, "claimed", tele_int("task", t->id), tele_int("update", t->update_id), tele_str("command", t->command),
	    tele_int("attempt", t->attempt));
	/* A second attempt waited for other reasons than the queue. */
	if (t->attempt == 1)
		tele_metric_observe(e->metrics, TELE_METRIC_CLAIM, NULL, t->waited_s);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!strcmp(kinds[i].kind, t->kind)) {
			kinds[i].run(e, t);
			return;
		}
	}
	run_not(e, t, "this engine does not know commands of this kind");
}

static struct job *next_unstored(const struct engine *e)
{
	struct job *j = e->jobs;

	while (j && !(j->over && !j->dropped && results_left(&j->results)))
		j = j->next;
	return j;
}

/* A part of a file for a task that may have been cancelled meanwhile. */
static void on_file(struct engine *e, const PGresult *res)
{
	struct tele_task *waits = waiting_find(&e->waiting, e->moving), t;
	struct tele_buf why = {0};
	enum tele_err rc = waits ? files_take(waits, res, e->spool, &why) : TELE_EMPTY;

	if (rc != TELE_EMPTY && (rc != TELE_OK || !files_lacking(waits))) {
		t = waiting_take(&e->waiting, waits);
		if (rc == TELE_OK)
			run_job(e, &t);
		else
			run_not(e, &t, tele_buf_text(&why));
	}
	tele_buf_release(&why);
}

static void on_result_stored(struct engine *e, const PGresult *res)
{
	struct job *j = e->jobs;

	while (j && j->task.id != e->moving)
		j = j->next;
	if (j && !results_stored(&j->results, res))
		tele_log(TELE_WARN, "results_lost", tele_int("task", j->task.id), tele_str("why", "the task is not this engine's any more"));
}

/* One that waits for the runner, or its files, never ran. */
static bool cancel_waiting(struct engine *e, const struct tele_task *asked)
{
	struct ending end = {.exit_status = -1, .signal = -1, .cancelled = true, .cancelled_by = asked->person, .why = "", .output = ""};
	struct tele_task *waits = waiting_find(&e->waiting, asked->id), t;
	struct tele_result r;

	if (!waits)
		return false;
	t = waiting_take(&e->waiting, waits);
	end.started_at = end.finished_at = wall_time();
	if (result_make(&t, &end, &r) == TELE_OK)
		finish(e, &t, &r);
	tele_task_release(&t);
	return true;
}

static void cancel(struct engine *e, const struct tele_task *asked)
{
	if (cancel_waiting(e, asked))
		return;
	for (struct job *j = e->jobs; j; j = j->next) {
		if (j->task.id != asked->id || j->cancelled_by)
			continue;
		tele_log(TELE_INFO, "cancelling", tele_int("task", asked->id), tele_int("update", j->task.update_id));
		job_end(j, asked->person);
	}
}

/* The tasks are no longer ours: idempotent ones run elsewhere, so they end here and say nothing. */
static void let_go(struct engine *e)
{
	for (struct job *j = e->jobs; j; j = j->next) {
		if (!j->task.idempotent || j->dropped)
			continue;
		j->dropped = true;
		job_end(j, NULL);
	}
	waiting_release(&e->waiting);
}

static void on_fenced(struct engine *e)
{
	tele_log(TELE_WARN, "fenced", tele_int("epoch", e->epoch), tele_str("todo", "registering again; the lease had expired"));
	e->epoch = 0;
	let_go(e);
}

static void on_started(struct engine *e, const PGresult *res)
{
	if (PQgetisnull(res, 0, 1)) {
		e->start_due = ev_now(e->loop) + (double)tele_db_int(res, 0, 2) / 1000;
		tele_log(TELE_WARN, "name_taken", tele_str("engine", e->name), tele_int("wait_ms", tele_db_int(res, 0, 2)),
		    tele_str("todo", "another host holds this name's lease; give each engine its own engine_name"));
		return;
	}
	e->id = tele_db_int(res, 0, 0);
	e->epoch = tele_db_int(res, 0, 1);
	e->resumed = tele_db_generation(e->db);
	e->confirmed = e->extend_sent;
	e->extend_due = e->extend_sent + lease_every_s;
	e->look = true;
	tele_log(TELE_INFO, "registered", tele_str("engine", e->name), tele_int("id", e->id), tele_int("epoch", e->epoch), tele_int("slots", e->conf->slots));
	tele_notify_ready();
}

static void on_resumed(struct engine *e, const PGresult *res)
{
	e->resumed = tele_db_generation(e->db);
	if (tele_db_int(res, 0, 0) < 0)
		on_fenced(e);
	e->look = true;
}

static void hear_claim(struct engine *e, struct tele_task *t)
{
	run(e, t);
	e->look = true;
	e->in_vain = 0;
}

static void hear_cancel(struct engine *e, struct tele_task *t)
{
	cancel(e, t);
}

static void hear_again(struct engine *e, struct tele_task *t)
{
	ev_timer_again(e->loop, &e->again);
}

static void hear_fenced(struct engine *e, struct tele_task *t)
{
	on_fenced(e);
}

static void (*const hear[])(struct engine *e, struct tele_task *t) = {[TELE_ANSWER_CLAIM] = hear_claim, [TELE_ANSWER_CANCEL] = hear_cancel,
    [TELE_ANSWER_AGAIN] = hear_again, [TELE_ANSWER_FENCED] = hear_fenced};

static void on_stepped(struct engine *e, const PGresult *res)
{
	enum tele_answer_kind kind;
	struct tele_task task;

	drop_results(e, e->sent);
	e->sent = 0;
	if (e->extending)
		e->confirmed = e->extend_sent;
	e->in_vain += e->by_ring && e->in_vain < RINGS_IN_VAIN;
	for (int i = 0; i < PQntuples(res); i++) {
		if (tele_task_read(res, i, &kind, &task) != TELE_OK)
			continue;
		hear[kind](e, &task);
		tele_task_release(&task);
	}
}

static void on_described(struct engine *e, const PGresult *res)
{
	e->look = true;
}

static void on_stopped(struct engine *e, const PGresult *res)
{
	ev_break(e->loop, EVBREAK_ALL);
}

static void on_janitor(struct engine *e, const PGresult *res)
{
	if (tele_db_int(res, 0, 0) > 0) {
		tele_metric_add(e->metrics, TELE_METRIC_GIVEN_BACK, NULL, NULL, (double)tele_db_int(res, 0, 0));
		tele_log(TELE_WARN, "gave_back", tele_int("tasks", tele_db_int(res, 0, 0)), tele_str("why", "an engine's lease expired"));
		e->look = true;
	}
}

static void on_schedules(struct engine *e, const PGresult *res)
{
	double wait = (double)tele_db_int(res, 0, 2) / 1000;

	if (tele_db_int(res, 0, 0) > 0) {
		tele_log(TELE_INFO, "schedules", tele_int("runs", tele_db_int(res, 0, 0)));
		e->look = true;
	}
	e->unread = tele_db_bool(res, 0, 1);
	e->schedules_due = ev_now(e->loop) + wait;
	ev_timer_stop(e->loop, &e->clock);
	ev_timer_set(&e->clock, wait, 0);
	ev_timer_start(e->loop, &e->clock);
}

static void on_lines(struct engine *e, const PGresult *res)
{
	e->unread = false;
	if (tele_schedule_read(res, &e->lines) == TELE_OK)
		return;
	tele_log(TELE_ERROR, "no_memory", tele_str("todo", "schedules whose commands have changed wait"));
	tele_schedule_release(&e->lines);
}

static void on_lines_stored(struct engine *e, const PGresult *res)
{
	tele_log(TELE_INFO, "schedules_read", tele_int("lines", (long long)e->lines.n));
	tele_schedule_release(&e->lines);
	e->schedules_due = 0;
}

static void on_metrics(struct engine *e, const PGresult *res)
{
	if (tele_db_bool(res, 0, 0))
		tele_metrics_stored(e->metrics);
}

static void (*const answers[])(struct engine *e, const PGresult *res) = {
    [START] = on_started, [RESUME] = on_resumed, [DESCRIBE] = on_described, [STEP] = on_stepped, [READ_FILE] = on_file,
    [STORE_RESULT] = on_result_stored, [JANITOR] = on_janitor,
    [CLOCK] = on_schedules, [READ_LINES] = on_lines, [STORE_LINES] = on_lines_stored, [METRICS] = on_metrics, [STOP] = on_stopped};

static enum tele_err send_start(struct engine *e)
{
	char boot[64] = "", pid[16], slots[16];
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f) {
		if (fgets(boot, sizeof boot, f))
			boot[strcspn(boot, "\n")] = '\0';
		fclose(f);
	}
	snprintf(pid, sizeof pid, "%d", getpid());
	snprintf(slots, sizeof slots, "%ld", e->conf->slots);
	e->extend_sent = ev_now(e->loop);
	return tele_db_send(e->db, TELE_STMT_ENGINE_START,
	    (const char *[]){e->name, boot, pid, tele_array_text(&e->offer.queues), slots, tele_array_text(&e->offer.programs), tele_array_text(&e->offer.labels)});
}

static enum tele_err send_ids(struct engine *e, enum tele_stmt stmt, struct tele_array *third)
{
	char id[24], epoch[24];

	snprintf(id, sizeof id, "%lld", e->id);
	snprintf(epoch, sizeof epoch, "%lld", e->epoch);
	return tele_db_send(e->db, stmt, (const char *[]){id, epoch, third ? tele_array_text(third) : NULL});
}

static enum tele_err send_describe(struct engine *e)
{
	char id[24], epoch[24], slots[16];

	snprintf(id, sizeof id, "%lld", e->id);
	snprintf(epoch, sizeof epoch, "%lld", e->epoch);
	snprintf(slots, sizeof slots, "%ld", e->conf->slots);
	return tele_db_send(e->db, TELE_STMT_ENGINE_DESCRIBE,
	    (const char *[]){id, epoch, tele_array_text(&e->offer.queues), slots, tele_array_text(&e->offer.programs), tele_array_text(&e->offer.labels)});
}

static enum tele_err send_janitor(struct engine *e)
{
	char id[24], history[24], output[24];

	snprintf(id, sizeof id, "%lld", e->id);
	snprintf(history, sizeof history, "%ld", e->conf->keep_history_days);
	snprintf(output, sizeof output, "%ld", e->conf->keep_output_days);
	return tele_db_send(e->db, TELE_STMT_JANITOR, (const char *[]){id, history, output});
}

static enum tele_err send_number(struct engine *e, enum tele_stmt stmt, long n)
{
	char number[24];

	snprintf(number, sizeof number, "%ld", n);
	return tele_db_send(e->db, stmt, (const char *[]){number});
}

static enum tele_err send_lines(struct engine *e)
{
	const char *values[4];

	tele_schedule_values(&e->lines, values);
	return tele_db_send(e->db, TELE_STMT_SCHEDULE_CHECKED, values);
}

/* Known are tasks that run or wait here, and those whose results are not confirmed yet. */
static enum tele_err send_resume(struct engine *e)
{
	struct tele_array known = {{0}};
	enum tele_err rc;

	for (struct job *j = e->jobs; j; j = j->next)
		tele_array_int(&known, j->task.id);
	for (size_t i = 0; i < e->waiting.n; i++)
		tele_array_int(&known, e->waiting.list[i].id);
	for (struct outgoing *o = e->out; o; o = o->next)
		tele_array_int(&known, o->result.task_id);
	rc = send_ids(e, TELE_STMT_ENGINE_RESUME, &known);
	tele_array_release(&known);
	return rc;
}

/* What runs for a second is noted; what runs on shows its chat so, now and then, for a while. */
static bool is_to_note(const struct job *j, double now)
{
	if (!j->noted)
		return now >= j->started_at + note_after_s;
	return now >= j->typing_due && now < j->started_at + typing_most_s;
}

/* What it has printed is shown as it comes; that it still runs, now and then. */
static bool is_to_show(const struct job *j, double now)
{
	return j->task.long_running && j->noted && !j->over && now >= j->show_due && (j->total != j->shown || now >= j->show_due + show_again_s);
}

static size_t collect_live(struct engine *e, struct tele_live *live)
{
	double now = wall_time();
	size_t n = 0;

	for (struct job *j = e->jobs; j && n < STEP_LIVE; j = j->next) {
		if (!is_to_show(j, now) || job_show(j, now, &live[n]) != TELE_OK)
			continue;
		j->show_due = now + show_every_s;
		n++;
	}
	return n;
}

static size_t collect_started(struct engine *e, long long *ids)
{
	double now = wall_time();
	size_t n = 0;

	for (struct job *j = e->jobs; j && n < STEP_STARTED; j = j->next) {
		if (!is_to_note(j, now))
			continue;
		j->noted = true;
		j->typing_due = now + typing_every_s;
		ids[n++] = j->task.id;
	}
	return n;
}

static int free_slots(const struct engine *e)
{
	long n = e->conf->slots - e->njobs - (long)e->waiting.n;

	return e->stopping || n < 0 ? 0 : (int)n;
}

static enum tele_err send_step(struct engine *e)
{
	struct tele_result *results[STEP_RESULTS];
	long long started[STEP_STARTED];
	struct tele_live live[STEP_LIVE];
	struct tele_step step = {
	    .engine_id = e->id, .epoch = e->epoch, .want = free_slots(e), .started = started, .live = live, .results = results};
	enum tele_err rc;

	e->extending = step.extend = ev_now(e->loop) >= e->extend_due;
	if (e->extending) {
		e->extend_sent = ev_now(e->loop);
		e->extend_due = e->extend_sent + lease_every_s;
	}
	step.nlive = collect_live(e, live);
	step.nstarted = collect_started(e, started);
	for (struct outgoing *o = e->out; o && step.nresults < STEP_RESULTS; o = o->next)
		results[step.nresults++] = &o->result;
	e->sent = step.nresults;
	e->by_ring = e->rung && step.want > 0;
	e->look = e->hear = e->rung = false;
	rc = tele_task_step(e->db, &step);
	for (size_t i = 0; i < step.nlive; i++)
		tele_live_release(&live[i]);
	return rc;
}

static bool is_done(const struct engine *e)
{
	return e->stopping && !e->njobs && !e->waiting.n;
}

static enum tele_err send_metrics(struct engine *e)
{
	const char *const *values = tele_metrics_take(e->metrics);

	/* The last time once nothing more will come to be counted. */
	e->told_all = is_done(e);
	return values ? tele_db_send(e->db, TELE_STMT_METRIC_ADD, values) : TELE_NOMEM;
}

/* What is most urgent now. */
static enum op choose(const struct engine *e)
{
	double now = ev_now(e->loop);

	if (!e->epoch)
		return now >= e->start_due ? START : NONE;
	if (e->resumed != tele_db_generation(e->db))
		return RESUME;
	if (e->describe)
		return DESCRIBE;
	if (e->out || e->hear || now >= e->extend_due || (e->look && free_slots(e) > 0))
		return STEP;
	if (waiting_lacking(&e->waiting))
		return READ_FILE;
	if (next_unstored(e))
		return STORE_RESULT;
	if (is_done(e))
		return e->told_all ? STOP : METRICS;
	if (e->lines.n)
		return STORE_LINES;
	if (e->unread)
		return READ_LINES;
	if (now >= e->schedules_due && !e->stopping)
		return CLOCK;
	if (now >= e->janitor_due)
		return JANITOR;
	return tele_metrics_wait_ms(e->metrics) ? NONE : METRICS;
}

static enum tele_err ask_part(struct engine *e)
{
	struct tele_task *t = waiting_lacking(&e->waiting);

	e->moving = t->id;
	return files_ask(e->db, e->id, e->epoch, t);
}

static enum tele_err store_part(struct engine *e)
{
	struct job *j = next_unstored(e);

	e->moving = j->task.id;
	return results_store(e->db, e->id, e->epoch, &j->task, &j->results);
}

static enum tele_err send_op(struct engine *e)
{
	switch (e->op) {
	case START:
		return send_start(e);
	case RESUME:
		return send_resume(e);
	case DESCRIBE:
		e->describe = false;
		return send_describe(e);
	case STEP:
		return send_step(e);
	case READ_FILE:
		return ask_part(e);
	case STORE_RESULT:
		return store_part(e);
	case JANITOR:
		e->janitor_due = ev_now(e->loop) + janitor_every_s;
		return send_janitor(e);
	case METRICS:
		return send_metrics(e);
	case CLOCK:
		e->schedules_due = ev_now(e->loop) + schedules_again_s;
		return send_number(e, TELE_STMT_SCHEDULES_RUN, SCHEDULES);
	case READ_LINES:
		return send_number(e, TELE_STMT_SCHEDULE_UNCHECKED, SCHEDULES);
	case STORE_LINES:
		return send_lines(e);
	case STOP:
		return send_ids(e, TELE_STMT_ENGINE_STOP, NULL);
	case NONE:
		break;
	}
	return TELE_EMPTY;
}

static void on_refused(struct engine *e, enum tele_err rc)
{
	/* Serialisation trouble and a lost connection are repeated; anything else is looked at by somebody, and repeated too. */
	if (rc != TELE_RETRY)
		tele_log(TELE_ERROR, "statement_failed", tele_int("op", e->op), tele_str("error", tele_db_error(e->db)));
	e->start_due = ev_now(e->loop) + 1;
	/* Figures are not worth the connection. */
	if (rc != TELE_RETRY && e->op != METRICS && tele_db_ready(e->db))
		tele_db_drop(e->db);
}

static void settle_op(struct engine *e)
{
	PGresult *res = NULL;
	enum tele_err rc;

	if (e->op == NONE)
		return;
	rc = tele_db_result(e->db, &res);
	if (rc == TELE_EMPTY)
		return;
	if (rc == TELE_OK)
		answers[e->op](e, res);
	else
		on_refused(e, rc);
	PQclear(res);
	e->op = NONE;
	e->sent = 0;
}

static void watch_db(struct engine *e)
{
	int fd = tele_db_fd(e->db), due = tele_db_wait_ms(e->db);
	short wanted = tele_db_events(e->db);
	int events = (wanted & POLLIN ? EV_READ : 0) | (wanted & POLLOUT ? EV_WRITE : 0);

	if (fd != e->db_io.fd || events != (e->db_io.events & (EV_READ | EV_WRITE)) || !ev_is_active(&e->db_io)) {
		ev_io_stop(e->loop, &e->db_io);
		ev_io_set(&e->db_io, fd, events);
		if (fd >= 0 && events)
			ev_io_start(e->loop, &e->db_io);
	}
	ev_timer_stop(e->loop, &e->db_timer);
	if (due >= 0) {
		ev_timer_set(&e->db_timer, due / 1000.0 + 0.001, 0);
		ev_timer_start(e->loop, &e->db_timer);
	}
}

static void retry_waiting(struct engine *e)
{
	for (size_t n = e->waiting.n; n; n--) {
		struct tele_task t = waiting_take(&e->waiting, e->waiting.list);

		run_job(e, &t);
	}
}

static void keep_time(struct engine *e)
{
	double now = ev_now(e->loop);

	if (e->epoch && now - e->confirmed > give_up_s)
		let_go(e);
	/* Nothing is held that another could not find by the lease: no need to wait for a database that is away. */
	if (e->stopping && !e->njobs && (!e->epoch || now >= e->stop_by + 5))
		ev_break(e->loop, EVBREAK_ALL);
	if (e->stopping && now >= e->stop_by && !e->ended_all) {
		e->ended_all = true;
		tele_log(TELE_WARN, "ending_commands", tele_int("running", e->njobs), tele_str("why", "the grace time is over"));
		for (struct job *j = e->jobs; j; j = j->next) {
			j->dropped = j->task.idempotent;
			job_end(j, NULL);
		}
	}
}

static void on_rung(struct engine *e)
{
	e->rung = true;
	if (e->in_vain < RINGS_IN_VAIN)
		e->look = true;
	else if (!ev_is_active(&e->again))
		ev_timer_again(e->loop, &e->again);
}

/* Before each wait: whatever can go on, goes on. */
static void drive(struct engine *e)
{
	unsigned rung;

	gather(e);
	keep_time(e);
	for (int i = 0; i < 100; i++) {
		enum tele_err rc = tele_db_step(e->db);

		if (rc == TELE_DB)
			e->op = NONE;
		settle_op(e);
		rung = tele_db_notified(e->db);
		if (rung & RUNG_TASK)
			on_rung(e);
		e->hear |= rung & RUNG_CANCEL;
		gather(e);
		if (e->op != NONE || !tele_db_ready(e->db))
			break;
		e->op = choose(e);
		if (e->op == NONE)
			break;
		if (send_op(e) != TELE_OK)
			e->op = NONE;
	}
	watch_db(e);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	drive(w->data);
}

static void on_nothing(struct ev_loop *loop, ev_io *w, int events)
{
	/* The loop has woken: on_prepare does the rest. */
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	/* As above. */
}

static void on_ready(struct ev_loop *loop, ev_timer *w, int events)
{
	tele_notify_ready();
}

static void on_alive(struct ev_loop *loop, ev_timer *w, int events)
{
	tele_notify_alive();
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct engine *e = w->data;
	double now = wall_time();

	e->look = true;
	for (struct job *j = e->jobs; j && !e->hear; j = j->next)
		e->hear = is_to_note(j, now) || is_to_show(j, now);
	retry_waiting(e);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct engine *e = w->data;

	ev_timer_stop(loop, w);
	e->look = true;
}

static void on_runner(struct ev_loop *loop, ev_io *w, int events)
{
	struct engine *e = w->data;

	tele_log(TELE_ERROR, "runner_gone", tele_int("running", e->njobs), tele_str("todo", "stopping, to be started again"));
	ev_io_stop(loop, w);
	e->status = 1;
	e->stopping = true;
	e->stop_by = ev_now(loop) + (double)e->conf->grace_s;
}

static void on_term(struct ev_loop *loop, ev_signal *w, int events)
{
	struct engine *e = w->data;

	tele_log(TELE_INFO, "stopping", tele_int("running", e->njobs), tele_int("grace_s", e->conf->grace_s));
	tele_notify_stopping();
	/* A second signal means: now. */
	e->stop_by = ev_now(loop) + (e->stopping ? 0 : (double)e->conf->grace_s);
	e->stopping = true;
}

/* However seldom it looks for tasks, an idle engine must wake for its lease. */
static double tick_s(const struct tele_conf *conf)
{
	double poll_s = (double)conf->poll_ms / 1000;

	return poll_s < lease_every_s ? poll_s : lease_every_s;
}

/* The runner never has them: it was forked before. False: they are set, but cannot be read. */
static bool load_keys(struct engine *e)
{
	struct tele_seal_ring *fresh = NULL;
	struct tele_buf why = {0};
	bool good = !e->conf->secret_key_file || tele_seal_ring_load(e->conf->secret_key_file, &fresh, &why) == TELE_OK;

	if (good) {
		tele_seal_ring_free(e->ring);
		e->ring = fresh;
	} else {
		tele_log(TELE_ERROR, "no_keys", tele_str("setting", "secret_key_file"), tele_str("error", tele_buf_text(&why)));
	}
	tele_buf_release(&why);
	return good;
}

static void on_hup(struct ev_loop *loop, ev_signal *w, int events)
{
	struct engine *e = w->data;
	struct tele_conf fresh;

	if (tele_reload("teleengine", &fresh) != TELE_OK)
		return;
	tele_conf_release(e->conf);
	*e->conf = fresh;
	load_keys(e);
	offer_read(&e->offer, e->conf);
	e->tick.repeat = tick_s(e->conf);
	ev_timer_again(loop, &e->tick);
	e->describe = true;
}

static void set_up(struct engine *e)
{
	double poll_s = tick_s(e->conf);
	struct tele_buf spool = {0};

	if (e->conf->engine_name)
		snprintf(e->name, sizeof e->name, "%s", e->conf->engine_name);
	else
		gethostname(e->name, sizeof e->name - 1);
	e->work_dir = strdup(e->conf->work_dir);
	tele_buf_printf(&spool, "%s/spool", e->conf->work_dir);
	e->spool = tele_buf_detach(&spool);
	offer_read(&e->offer, e->conf);
	e->out_last = &e->out;
	ev_io_init(&e->db_io, on_nothing, -1, 0);
	ev_timer_init(&e->db_timer, on_timer, 0, 0);
	ev_io_init(&e->runner_io, on_runner, e->runner, EV_READ);
	ev_timer_init(&e->tick, on_tick, poll_s, poll_s);
	ev_timer_init(&e->again, on_again, 0, again_s);
	ev_timer_init(&e->clock, on_timer, 0, 0);
	ev_timer_init(&e->ready, on_ready, ready_most_s, 0);
	ev_timer_start(e->loop, &e->ready);
	ev_timer_init(&e->alive, on_alive, 0, tele_notify_alive_s());
	ev_prepare_init(&e->prepare, on_prepare);
	ev_signal_init(&e->term, on_term, SIGTERM);
	ev_signal_init(&e->intr, on_term, SIGINT);
	ev_signal_init(&e->hup, on_hup, SIGHUP);
	e->runner_io.data = e->tick.data = e->again.data = e->prepare.data = e->term.data = e->intr.data = e->hup.data = e;
	ev_io_start(e->loop, &e->runner_io);
	ev_timer_start(e->loop, &e->tick);
	if (tele_notify_alive_s() > 0)
		ev_timer_start(e->loop, &e->alive);
	ev_prepare_start(e->loop, &e->prepare);
	ev_signal_start(e->loop, &e->term);
	ev_signal_start(e->loop, &e->intr);
	ev_signal_start(e->loop, &e->hup);
}

static void tear_down(struct engine *e)
{
	while (e->jobs) {
		struct job *j = e->jobs;

		e->jobs = j->next;
		job_free(e->loop, j);
	}
	waiting_release(&e->waiting);
	free(e->work_dir);
	free(e->spool);
	drop_results(e, (size_t)-1);
	offer_release(&e->offer);
	tele_schedule_release(&e->lines);
	tele_db_free(e->db);
	tele_metrics_free(e->metrics);
	tele_seal_ring_free(e->ring);
	ev_loop_destroy(e->loop);
}

int loop_run(struct tele_conf *conf, int runner)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_ENGINE_START, TELE_STMT_ENGINE_STOP, TELE_STMT_ENGINE_RESUME,
	    TELE_STMT_ENGINE_DESCRIBE, TELE_STMT_ENGINE_STEP, TELE_STMT_TASK_FILE, TELE_STMT_RESULT_PUT, TELE_STMT_JANITOR, TELE_STMT_SCHEDULES_RUN, TELE_STMT_SCHEDULE_UNCHECKED,
	    TELE_STMT_SCHEDULE_CHECKED, TELE_STMT_METRIC_ADD};
	static const struct tele_db_use use = {"teleengine", stmts, sizeof stmts / sizeof *stmts, channels};
	struct engine e = {.conf = conf, .runner = runner};

	signal(SIGPIPE, SIG_IGN);
	e.loop = ev_default_loop(0);
	e.db = tele_db_new(conf->database, &use);
	if (!e.loop || !e.db || !load_keys(&e))
		return 1;
	set_up(&e);
	e.metrics = tele_metrics_new("teleengine", e.name);
	tele_db_count(e.db, e.metrics);
	tele_log(TELE_INFO, "started", tele_str("engine", e.name), tele_str("queues", conf->queues), tele_int("slots", conf->slots));
	ev_run(e.loop, 0);
	tear_down(&e);
	tele_log(TELE_INFO, "stopped");
	return e.status;
}
