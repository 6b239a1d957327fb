#include "lib/task.h"

#include "lib/array.h"
#include "lib/filename.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum column {
	WHAT, TASK_ID, ATTEMPT, KIND, COMMAND, PROGRAM, ARGV, TEMPLATE, ARGS, TIMEOUT_S, GRACE_S, OUTPUT_LIMIT, IDEMPOTENT, LOGGED, LONG_RUNNING, LINE, LOGIN, PERSON,
	TELEGRAM_ID, CHAT_ID, THREAD_ID, MESSAGE_ID, UPDATE_ID, WAITED_S, INTERNAL, CALL
};

enum { LIVE = 1, RESULTS = 4, ARRAYS = 18 }; /* from p_started on */

static void add_time(struct tele_array *a, double at)
{
	time_t seconds = (time_t)at;
	char text[64];
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof text - n, ".%06dZ", (int)((at - (double)seconds) * 1e6));
	tele_array_str(a, text);
}

/* In the order of engine_step()'s parameters from p_task on. */
static void add_result(struct tele_array *a, const struct tele_result *r)
{
	tele_array_int(&a[0], r->task_id);
	tele_array_int(&a[1], r->attempt);
	tele_array_str(&a[2], r->state);
	tele_array_int(&a[3], r->exit_status);
	tele_array_int(&a[4], r->signal);
	tele_array_str(&a[5], r->reason);
	add_time(&a[6], r->started_at);
	add_time(&a[7], r->finished_at);
	tele_array_str(&a[8], r->text);
	tele_array_str(&a[9], r->entities);
	tele_array_str(&a[10], r->document);
	tele_array_str(&a[11], r->output);
	tele_array_int(&a[12], r->output_bytes);
	tele_array_bool(&a[13], r->output_cut);
}

enum tele_err tele_task_step(struct tele_db *db, const struct tele_step *step)
{
	struct tele_array arrays[ARRAYS] = {{{0}}};
	const char *values[ARRAYS + 4];
	char engine[24], epoch[24], want[16];
	enum tele_err rc = TELE_OK;

	snprintf(engine, sizeof engine, "%lld", step->engine_id);
	snprintf(epoch, sizeof epoch, "%lld", step->epoch);
	snprintf(want, sizeof want, "%d", step->want);
	values[0] = engine;
	values[1] = epoch;
	values[2] = step->extend ? "t" : "f";
	values[3] = want;
	for (size_t i = 0; i < step->nstarted; i++)
		tele_array_int(&arrays[0], step->started[i]);
	for (size_t i = 0; i < step->nresults; i++)
		add_result(arrays + RESULTS, step->results[i]);
	for (size_t i = 0; i < step->nlive; i++) {
		tele_array_int(&arrays[LIVE], step->live[i].task_id);
		tele_array_str(&arrays[LIVE + 1], step->live[i].text);
		tele_array_str(&arrays[LIVE + 2], step->live[i].entities);
	}
	for (int i = 0; i < ARRAYS; i++) {
		values[i + 4] = tele_array_text(&arrays[i]);
		if (arrays[i].buf.failed)
			rc = TELE_NOMEM;
	}
	if (rc == TELE_OK)
		rc = tele_db_send(db, TELE_STMT_ENGINE_STEP, values);
	for (int i = 0; i < ARRAYS; i++)
		tele_array_release(&arrays[i]);
	return rc;
}

static char *copy(const PGresult *res, int row, int column)
{
	return strdup(PQgetvalue(res, row, column));
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

static enum tele_err read_file(struct json_object *value, const char *parameter, struct tele_task *t)
{
	struct tele_task_file *more = realloc(t->files, (t->nfiles + 1) * sizeof *more), *f;
	struct tele_buf name = {0};

	if (!more)
		return TELE_NOMEM;
	t->files = more;
	f = &more[t->nfiles++];
	/* It was cleaned when it came; it becomes part of a path here. */
	tele_filename_clean(&name, text_of(value, "name"));
	*f = (struct tele_task_file){.id = strtoll(text_of(value, "file"), NULL, 10), .parameter = strdup(parameter), .name = tele_buf_detach(&name), .fd = -1};
	return f->parameter && f->name ? TELE_OK : TELE_NOMEM;
}

/* Secrets are kept apart, so that nothing which fills in a template can meet one; files, until there is a path to them. */
static enum tele_err read_args(const char *text, struct tele_task *t)
{
	struct json_object *all = json_tokener_parse(text), *sealed;
	enum tele_err rc = TELE_OK;

	t->args = json_object_new_object();
	t->sealed = json_object_new_object();
	if (!all || !t->args || !t->sealed) {
		json_object_put(all);
		return TELE_NOMEM;
	}
	json_object_object_foreach(all, name, value)
	{
		if (!json_object_is_type(value, json_type_object))
			json_object_object_add(t->args, name, json_object_get(value));
		else if (json_object_object_get_ex(value, "sealed", &sealed))
			json_object_object_add(t->sealed, name, json_object_get(sealed));
		else if (json_object_object_get_ex(value, "file", NULL) && rc == TELE_OK)
			rc = read_file(value, name, t);
	}
	json_object_put(all);
	return rc;
}

static enum tele_err read_claim(const PGresult *res, int row, struct tele_task *t)
{
	t->kind = copy(res, row, KIND);
	t->command = copy(res, row, COMMAND);
	t->program = copy(res, row, PROGRAM);
	t->template = copy(res, row, TEMPLATE);
	t->line = copy(res, row, LINE);
	t->login = copy(res, row, LOGIN);
	t->person = copy(res, row, PERSON);
	t->timeout_s = (int)tele_db_int(res, row, TIMEOUT_S);
	t->grace_s = (int)tele_db_int(res, row, GRACE_S);
	t->output_limit = (long)tele_db_int(res, row, OUTPUT_LIMIT);
	t->idempotent = tele_db_bool(res, row, IDEMPOTENT);
	t->logged = tele_db_bool(res, row, LOGGED);
	t->long_running = tele_db_bool(res, row, LONG_RUNNING);
	t->telegram_id = tele_db_int(res, row, TELEGRAM_ID);
	t->chat_id = tele_db_int(res, row, CHAT_ID);
	t->thread_id = tele_db_int(res, row, THREAD_ID);
	t->message_id = tele_db_int(res, row, MESSAGE_ID);
	t->update_id = tele_db_int(res, row, UPDATE_ID);
	t->waited_s = tele_db_double(res, row, WAITED_S);
	t->internal = tele_db_bool(res, row, INTERNAL);
	if (!t->kind || !t->command || !t->program || !t->template || !t->line || !t->login || !t->person)
		return TELE_NOMEM;
	if (read_args(PQgetvalue(res, row, ARGS), t) != TELE_OK)
		return TELE_NOMEM;
	t->call = PQgetisnull(res, row, CALL) ? NULL : json_tokener_parse(PQgetvalue(res, row, CALL));
	return tele_array_parse(PQgetvalue(res, row, ARGV), &t->argv, &t->nargv);
}

static enum tele_err read_cancel(const PGresult *res, int row, struct tele_task *t)
{
	t->person = copy(res, row, PERSON);
	return t->person ? TELE_OK : TELE_NOMEM;
}

/* What engine_step() answers, in its column `what`. */
static const struct {
	const char *what;
	enum tele_answer_kind kind;
	enum tele_err (*read)(const PGresult *res, int row, struct tele_task *t);
} kinds[] = {
    {"claim", TELE_ANSWER_CLAIM, read_claim},
    {"cancel", TELE_ANSWER_CANCEL, read_cancel},
    {"again", TELE_ANSWER_AGAIN, NULL},
    {"fenced", TELE_ANSWER_FENCED, NULL},
};

enum tele_err tele_task_read(const PGresult *res, int row, enum tele_answer_kind *kind, struct tele_task *task)
{
	const char *what = PQgetvalue(res, row, WHAT);
	enum tele_err rc = TELE_OK;

	memset(task, 0, sizeof *task);
	task->id = tele_db_int(res, row, TASK_ID);
	task->attempt = (int)tele_db_int(res, row, ATTEMPT);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kinds[i].what, what))
			continue;
		*kind = kinds[i].kind;
		if (kinds[i].read)
			rc = kinds[i].read(res, row, task);
		if (rc != TELE_OK)
			tele_task_release(task);
		return rc;
	}
	return TELE_INVALID;
}

void tele_task_release(struct tele_task *t)
{
	free(t->kind);
	free(t->command);
	free(t->program);
	free(t->template);
	free(t->line);
	free(t->login);
	free(t->person);
	tele_array_free(t->argv, t->nargv);
	json_object_put(t->args);
	json_object_put(t->sealed);
	json_object_put(t->call);
	for (size_t i = 0; i < t->nfiles; i++) {
		free(t->files[i].parameter);
		free(t->files[i].name);
		if (t->files[i].fd >= 0)
			close(t->files[i].fd);
	}
	free(t->files);
	memset(t, 0, sizeof *t);
}

void tele_result_release(struct tele_result *r)
{
	free(r->reason);
	free(r->text);
	free(r->entities);
	free(r->document);
	free(r->output);
	memset(r, 0, sizeof *r);
}

void tele_live_release(struct tele_live *live)
{
	free(live->text);
	free(live->entities);
	memset(live, 0, sizeof *live);
}
