#include "cgi/gate.h"

#include "lib/admit.h"
#include "lib/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { ADMIT_MS = 10000, TRIES = 10, RETRY_NS = 2000000 };

struct waiting {
	struct waiting *next;
	const struct tele_update *update;
	const char *body;
	size_t size;
	struct tele_decision decision;
	long long arrived_ms;
	bool deferred;
	bool done;
	enum tele_err result;
	pthread_cond_t answered;
};

struct writer {
	pthread_t thread;
	struct gate *gate;
	struct tele_db *db;
	struct waiting **batch; /* what it admits now: its chats and people are taken */
	struct tele_admission *list;
	size_t n;
};

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct waiting *first, **last;
	struct tele_catalogue *catalogue; /* NULL until first loaded */
	struct bell *bell;
	struct writer *writers;
	int nwriters;
	size_t batch_most;
	bool stopping;
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static struct tele_catalogue *current_catalogue(struct gate *g)
{
	struct tele_catalogue *c;

	pthread_mutex_lock(&g->lock);
	c = g->catalogue ? tele_catalogue_hold(g->catalogue) : NULL;
	pthread_mutex_unlock(&g->lock);
	return c;
}

static enum tele_err load_catalogue(struct writer *w)
{
	struct tele_catalogue *fresh, *old;
	enum tele_err rc = tele_catalogue_load(w->db, ADMIT_MS, &fresh);

	if (rc != TELE_OK)
		return rc;
	tele_log(TELE_INFO, "catalogue_loaded", tele_int("version", fresh->version), tele_int("commands", (long long)fresh->ncommands),
	    tele_str("bot", fresh->bot_username));
	pthread_mutex_lock(&w->gate->lock);
	old = w->gate->catalogue;
	w->gate->catalogue = fresh;
	pthread_mutex_unlock(&w->gate->lock);
	tele_catalogue_drop(old);
	return TELE_OK;
}

/* Decides again what was decided with another catalogue, so that the whole batch speaks of one version. */
static enum tele_err decide_all(const struct tele_catalogue *c, struct waiting **batch, size_t n)
{
	enum tele_err rc = TELE_OK;

	for (size_t i = 0; i < n && rc == TELE_OK; i++)
		if (batch[i]->decision.version != c->version)
			rc = tele_admit_decide(c, batch[i]->update, &batch[i]->decision);
	return rc;
}

static void log_outcomes(const struct tele_admission *list, size_t n, struct waiting *const *batch)
{
	long long now = now_ms();

	for (size_t i = 0; i < n; i++)
		tele_log(TELE_INFO, "admitted", tele_int("update", list[i].update->update_id), tele_int("chat", list[i].update->chat_id),
		    tele_str("outcome", list[i].word), tele_int("ms", now - batch[i]->arrived_ms), tele_int("batch", (long long)n));
}

static unsigned whom_to_ring(const struct tele_admission *list, size_t n)
{
	unsigned whom = 0;

	for (size_t i = 0; i < n; i++)
		whom |= list[i].outcome == TELE_ADMIT_TASK ? BELL_TASK : list[i].outcome == TELE_ADMIT_REPLY ? BELL_OUTBOX : 0;
	return whom;
}

/* One attempt at a batch with the catalogue as it is; TELE_CONFLICT: it is stale and was not loaded yet. */
static enum tele_err try_batch(struct writer *w, struct waiting **batch, size_t n, bool single)
{
	struct tele_catalogue *c = current_catalogue(w->gate);
	enum tele_err rc = c ? decide_all(c, batch, n) : TELE_CONFLICT;

	for (size_t i = 0; i < n; i++)
		w->list[i] = (struct tele_admission){.update = batch[i]->update, .decision = &batch[i]->decision};
	if (rc == TELE_OK)
		rc = tele_admit(w->db, c->version, single, w->list, n, ADMIT_MS);
	tele_catalogue_drop(c);
	return rc;
}

static enum tele_err admit_batch(struct writer *w, struct waiting **batch, size_t n, bool single)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	enum tele_err rc = TELE_RETRY;

	for (int i = 0; i < TRIES && (rc == TELE_RETRY || rc == TELE_CONFLICT); i++) {
		if (rc == TELE_RETRY && i)
			nanosleep(&pause, NULL);
		rc = try_batch(w, batch, n, single);
		if (rc == TELE_CONFLICT && load_catalogue(w) != TELE_OK)
			rc = TELE_DB;
	}
	if (rc == TELE_OK) {
		bell_ring(w->gate->bell, whom_to_ring(w->list, n));
		log_outcomes(w->list, n, batch);
	}
	return rc;
}

static enum tele_err reject(struct writer *w, struct waiting *one)
{
	const char *reason = tele_db_error(w->db);

	tele_log(TELE_WARN, "rejected", tele_int("update", one->update->update_id), tele_str("reason", reason),
	    tele_str("todo", "see table update_rejected"));
	return tele_admit_reject(w->db, one->update->update_id, reason, one->body, one->size, ADMIT_MS);
}

static void admit_single(struct writer *w, struct waiting *one)
{
	enum tele_err rc = admit_batch(w, &one, 1, true);

	if (rc == TELE_INVALID)
		rc = reject(w, one);
	one->result = rc == TELE_OK ? TELE_OK : TELE_DB;
}

static void admit_all(struct writer *w)
{
	enum tele_err rc = admit_batch(w, w->batch, w->n, false);
	size_t n = w->n;

	for (size_t i = 0; i < n; i++)
		w->batch[i]->result = rc == TELE_OK ? TELE_OK : TELE_DB;
	if (rc == TELE_INVALID) {
		for (size_t i = 0; i < n; i++)
			admit_single(w, w->batch[i]);
		return;
	}
	if (rc != TELE_OK) {
		tele_log(TELE_ERROR, "not_admitted", tele_int("updates", (long long)n), tele_str("error", tele_db_error(w->db)),
		    tele_str("todo", "answered 503, Telegram sends them again"));
		return;
	}
	/* w->list is used anew for each single one: note first which they are. */
	for (size_t i = 0; i < n; i++)
		w->batch[i]->deferred = w->list[i].outcome == TELE_ADMIT_DEFERRED;
	for (size_t i = 0; i < n; i++)
		if (w->batch[i]->deferred)
			admit_single(w, w->batch[i]);
}

static bool same_source(const struct tele_update *a, const struct tele_update *b)
{
	return (a->chat_id && a->chat_id == b->chat_id) || (a->from_id && a->from_id == b->from_id) || a->update_id == b->update_id;
}

static bool taken(const struct gate *g, const struct tele_update *u)
{
	for (int i = 0; i < g->nwriters; i++)
		for (size_t j = 0; j < g->writers[i].n; j++)
			if (same_source(g->writers[i].batch[j]->update, u))
				return true;
	return false;
}

static int by_update_id(const void *a, const void *b)
{
	long long x = (*(struct waiting *const *)a)->update->update_id, y = (*(struct waiting *const *)b)->update->update_id;

	return x < y ? -1 : x > y;
}

/* Moves what can be admitted together from the waiting list into the writer's batch, first come first served. */
static void pick(struct writer *w)
{
	struct gate *g = w->gate;
	struct waiting **at = &g->first;

	w->n = 0;
	while (*at && w->n < g->batch_most) {
		struct waiting *one = *at;

		if (taken(g, one->update)) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		w->batch[w->n++] = one;
	}
	while (*at)
		at = &(*at)->next;
	g->last = at;
	qsort(w->batch, w->n, sizeof *w->batch, by_update_id);
}

static void *write_loop(void *arg)
{
	struct writer *w = arg;
	struct gate *g = w->gate;

	pthread_mutex_lock(&g->lock);
	for (;;) {
		pick(w);
		if (!w->n) {
			if (g->stopping && !g->first)
				break;
			pthread_cond_wait(&g->work, &g->lock);
			continue;
		}
		pthread_mutex_unlock(&g->lock);
		admit_all(w);
		pthread_mutex_lock(&g->lock);
		for (size_t i = 0; i < w->n; i++) {
			w->batch[i]->done = true;
			pthread_cond_signal(&w->batch[i]->answered);
		}
		w->n = 0;
		/* Others may have waited for these chats. */
		if (g->first)
			pthread_cond_signal(&g->work);
	}
	pthread_cond_broadcast(&g->work);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static bool start_writer(struct gate *g, struct writer *w, const struct tele_conf *conf)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_CATALOGUE_HEAD, TELE_STMT_CATALOGUE, TELE_STMT_ADMIT, TELE_STMT_UPDATE_REJECT};
	static const struct tele_db_use use = {"telebot", stmts, sizeof stmts / sizeof *stmts, NULL};

	w->gate = g;
	w->batch = calloc(g->batch_most, sizeof *w->batch);
	w->list = calloc(g->batch_most, sizeof *w->list);
	w->db = tele_db_new(conf->database, &use);
	return w->batch && w->list && w->db && !pthread_create(&w->thread, NULL, write_loop, w);
}

static void release(struct gate *g)
{
	for (int i = 0; i < g->nwriters; i++) {
		free(g->writers[i].batch);
		free(g->writers[i].list);
		tele_db_free(g->writers[i].db);
	}
	tele_catalogue_drop(g->catalogue);
	free(g->writers);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->work);
	free(g);
}

struct gate *gate_start(const struct tele_conf *conf, struct bell *bell)
{
	struct gate *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->writers = calloc((size_t)conf->writers, sizeof *g->writers);
	g->batch_most = (size_t)conf->batch;
	g->last = &g->first;
	g->bell = bell;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->work, NULL);
	/* Writers look at each other's batches: none may run before all are counted. */
	pthread_mutex_lock(&g->lock);
	for (int i = 0; g->writers && i < conf->writers && start_writer(g, &g->writers[i], conf); i++)
		g->nwriters++;
	pthread_mutex_unlock(&g->lock);
	if (g->nwriters == conf->writers)
		return g;
	gate_stop(g);
	return NULL;
}

enum tele_err gate_admit(struct gate *g, const struct tele_update *u, const char *body, size_t n)
{
	struct waiting one = {.update = u, .body = body, .size = n, .arrived_ms = now_ms()};
	struct tele_catalogue *c = current_catalogue(g);

	/* Decided here, in a thread that has nothing else to do; without a catalogue the writer does it. */
	if (c && tele_admit_decide(c, u, &one.decision) != TELE_OK)
		one.decision.version = 0;
	tele_catalogue_drop(c);
	pthread_cond_init(&one.answered, NULL);
	pthread_mutex_lock(&g->lock);
	*g->last = &one;
	g->last = &one.next;
	pthread_cond_signal(&g->work);
	while (!one.done)
		pthread_cond_wait(&one.answered, &g->lock);
	pthread_mutex_unlock(&g->lock);
	pthread_cond_destroy(&one.answered);
	tele_decision_release(&one.decision);
	return one.result;
}

void gate_stop(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	pthread_cond_broadcast(&g->work);
	pthread_mutex_unlock(&g->lock);
	for (int i = 0; i < g->nwriters; i++)
		pthread_join(g->writers[i].thread, NULL);
	release(g);
}
