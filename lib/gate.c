#include "lib/gate.h"

#include "lib/admit.h"
#include "lib/log.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { ADMIT_MS = 10000, TRIES = 10, RETRY_NS = 2000000, IDLE_S = 5, CONNECT_MS = 1000 };

/* How long those that wait are kept for others to join them: while no batch is under way, and while one is. */
static const double gather_s = 0.0003, patience_s = 0.005;

/* What was handed in together. Who waits is woken once, when nothing of it is left. */
struct party {
	size_t left;
	struct party *next; /* of those to wake */
	sem_t answered;
};

struct waiting {
	struct waiting *next;
	struct party *party;
	struct tele_gate_item *item;
	struct tele_decision decision;
	double arrived; /* by tele_metric_clock */
	bool deferred;
};

struct writer {
	pthread_t thread;
	struct tele_gate *gate;
	struct tele_db *db;
	struct waiting **batch; /* what it admits now: its chats and people are taken */
	struct tele_admission *list;
	size_t n;
};

struct tele_gate {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct waiting *first, **last;
	size_t nwaiting;
	size_t crowd;   /* how many were there when the last batch was done, with those in it */
	double done_at; /* when that was */
	struct tele_catalogue *catalogue; /* NULL until first loaded */
	const struct tele_conf *conf;
	struct tele_seal_key seal;
	bool has_seal;
	atomic_long person_rate;
	struct tele_bell *bell;
	struct tele_metrics *metrics;
	struct tele_db_use use;
	struct writer *writers;
	int nwriters;
	bool stopping;
};

static struct tele_catalogue *current_catalogue(struct tele_gate *g)
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
	struct tele_seal_key seal;
	enum tele_err rc;
	bool has_seal;

	pthread_mutex_lock(&w->gate->lock);
	seal = w->gate->seal;
	has_seal = w->gate->has_seal;
	pthread_mutex_unlock(&w->gate->lock);
	rc = tele_catalogue_load(w->db, ADMIT_MS, has_seal ? &seal : NULL, &fresh);
	if (rc != TELE_OK)
		return rc;
	if (fresh->secrets && !has_seal)
		tele_log(TELE_ERROR, "no_key", tele_str("why", "a command takes a secret, which is refused"), tele_str("todo", "set secret_public_key"));
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
			rc = tele_admit_decide(c, batch[i]->item->update, &batch[i]->decision);
	return rc;
}

static void note_outcomes(const struct writer *w, struct waiting *const *batch, size_t n)
{
	struct tele_metrics *m = w->gate->metrics;
	double now = tele_metric_clock();

	tele_log_hold();
	tele_metric_observe(m, TELE_METRIC_BATCH, NULL, (double)n);
	for (size_t i = 0; i < n; i++) {
		const struct tele_admission *a = &w->list[i];
		double took = now - batch[i]->arrived;

		tele_log(TELE_INFO, "admitted", tele_int("update", a->update->update_id), tele_int("chat", a->update->chat_id),
		    tele_str("outcome", a->word), tele_int("ms", (long long)(took * 1000)), tele_int("batch", (long long)n));
		/* It comes once more, alone. */
		if (a->outcome == TELE_ADMIT_DEFERRED)
			continue;
		tele_metric_add(m, TELE_METRIC_UPDATES_ADMITTED, a->word, NULL, 1);
		tele_metric_observe(m, TELE_METRIC_ADMISSION, NULL, took);
	}
	tele_log_let_go();
}

static unsigned whom_to_ring(const struct tele_admission *list, size_t n)
{
	unsigned whom = 0;

	for (size_t i = 0; i < n; i++)
		whom |= list[i].outcome == TELE_ADMIT_TASK ? TELE_BELL_TASK : list[i].outcome == TELE_ADMIT_REPLY ? TELE_BELL_OUTBOX : 0;
	return whom;
}

/* One attempt at a batch with the catalogue as it is; TELE_CONFLICT: it is stale and was not loaded yet. */
static enum tele_err try_batch(struct writer *w, struct waiting **batch, size_t n, bool single)
{
	struct tele_catalogue *c = current_catalogue(w->gate);
	enum tele_err rc = c ? decide_all(c, batch, n) : TELE_CONFLICT;

	for (size_t i = 0; i < n; i++)
		w->list[i] = (struct tele_admission){.update = batch[i]->item->update, .decision = &batch[i]->decision};
	if (rc == TELE_OK && single)
		rc = tele_admit_answer(w->db, c, batch[0]->item->update, &batch[0]->decision, ADMIT_MS);
	if (rc == TELE_OK)
		rc = tele_admit(w->db, c->version, single, w->gate->person_rate, w->list, n, ADMIT_MS);
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
		tele_bell_ring(w->gate->bell, whom_to_ring(w->list, n));
		note_outcomes(w, batch, n);
	}
	return rc;
}

static void log_not_admitted(const struct writer *w, const struct tele_gate_item *item)
{
	tele_log(TELE_ERROR, "not_admitted", tele_int("update", item->update->update_id), tele_str("error", tele_db_error(w->db)),
	    tele_str("todo", "Telegram sends it again"));
}

/* Where some command takes a secret, no words are kept: they may be one, in whatever field. */
static enum tele_err reject(struct writer *w, const struct tele_gate_item *item)
{
	struct tele_catalogue *c = current_catalogue(w->gate);
	struct tele_buf masked = {0};
	bool whole = c && !c->secrets;
	enum tele_err rc;

	tele_catalogue_drop(c);
	tele_log(TELE_WARN, "rejected", tele_int("update", item->update->update_id), tele_str("reason", tele_db_error(w->db)),
	    tele_str("todo", "see table update_rejected"));
	if (!whole)
		tele_update_masked(item->update, &masked);
	rc = tele_admit_reject(w->db, item->update->update_id, tele_db_error(w->db), whole ? item->body : tele_buf_text(&masked),
	    whole ? item->size : masked.len, ADMIT_MS);
	tele_buf_release(&masked);
	if (rc == TELE_OK)
		tele_metric_add(w->gate->metrics, TELE_METRIC_UPDATES_REJECTED, NULL, NULL, 1);
	return rc;
}

static void admit_single(struct writer *w, struct waiting *one)
{
	enum tele_err rc = admit_batch(w, &one, 1, true);

	if (rc == TELE_INVALID)
		rc = reject(w, one->item);
	if (rc != TELE_OK)
		log_not_admitted(w, one->item);
	one->item->result = rc == TELE_OK ? TELE_OK : TELE_DB;
}

static void admit_all(struct writer *w)
{
	enum tele_err rc = admit_batch(w, w->batch, w->n, false);
	size_t n = w->n;

	for (size_t i = 0; i < n; i++)
		w->batch[i]->item->result = rc == TELE_OK ? TELE_OK : TELE_DB;
	if (rc == TELE_INVALID) {
		for (size_t i = 0; i < n; i++)
			admit_single(w, w->batch[i]);
		return;
	}
	if (rc != TELE_OK) {
		for (size_t i = 0; i < n; i++)
			log_not_admitted(w, w->batch[i]->item);
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

/* By a batch, or by one that came before and waits itself: order in a chat is kept. */
static bool taken(const struct tele_gate *g, const struct waiting *one)
{
	for (int i = 0; i < g->nwriters; i++)
		for (size_t j = 0; j < g->writers[i].n; j++)
			if (same_source(g->writers[i].batch[j]->item->update, one->item->update))
				return true;
	for (const struct waiting *before = g->first; before != one; before = before->next)
		if (same_source(before->item->update, one->item->update))
			return true;
	return false;
}

static int by_update_id(const void *a, const void *b)
{
	long long x = (*(struct waiting *const *)a)->item->update->update_id, y = (*(struct waiting *const *)b)->item->update->update_id;

	return x < y ? -1 : x > y;
}

/* Moves what can be admitted together from the waiting list into the writer's batch, first come first served. */
static void pick(struct writer *w)
{
	struct tele_gate *g = w->gate;
	struct waiting **at = &g->first;

	w->n = 0;
	while (*at && w->n < (size_t)g->conf->batch) {
		struct waiting *one = *at;

		if (taken(g, one)) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		g->nwaiting--;
		w->batch[w->n++] = one;
	}
	while (*at)
		at = &(*at)->next;
	g->last = at;
	qsort(w->batch, w->n, sizeof *w->batch, by_update_id);
}

static void leave(struct party *p, struct party **done)
{
	if (--p->left)
		return;
	p->next = *done;
	*done = p;
}

/* What was handed in together with one that failed and still waits is not tried: it would overtake. */
static void turn_away(struct tele_gate *g, struct party *p, struct party **done)
{
	struct waiting **at = &g->first;

	while (*at) {
		struct waiting *one = *at;

		if (one->party != p) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		g->nwaiting--;
		one->item->result = TELE_DB;
		leave(p, done);
	}
	g->last = at;
}

/* Who is to be woken. */
static struct party *let_go(struct writer *w)
{
	struct party *done = NULL;
	size_t n = w->n;

	w->gate->crowd = n + w->gate->nwaiting;
	w->gate->done_at = tele_metric_clock();
	w->n = 0;
	for (size_t i = 0; i < n; i++)
		if (w->batch[i]->item->result != TELE_OK)
			turn_away(w->gate, w->batch[i]->party, &done);
	for (size_t i = 0; i < n; i++)
		leave(w->batch[i]->party, &done);
	return done;
}

/* Without the lock, so that nobody wakes only to wait for it. A party is gone once it is woken. */
static void wake(struct party *done)
{
	while (done) {
		struct party *p = done;

		done = p->next;
		sem_post(&p->answered);
	}
}

static size_t under_way(const struct tele_gate *g)
{
	size_t n = 0;

	for (int i = 0; i < g->nwriters; i++)
		n += g->writers[i].n;
	return n;
}

/*
 * A batch costs as much by itself as ten of its updates. So a writer begins when most of those wait that were there lately, since
 * whoever was answered sends the next at once; beside others it begins when it has twice their work. One who sends alone waits for nobody.
 */
static size_t worth(const struct tele_gate *g)
{
	size_t busy = under_way(g), most = (size_t)g->conf->batch;
	size_t n = busy ? 2 * busy : g->crowd - g->crowd / 4;

	return n > most ? most : n ? n : 1;
}

/* Seconds until a batch is begun with whatever waits; at most 0: now. */
static double still_to_gather(const struct tele_gate *g)
{
	double since = g->first->arrived;

	if (g->stopping || g->nwaiting >= worth(g))
		return 0;
	if (under_way(g))
		return since + patience_s - tele_metric_clock();
	return (since > g->done_at ? since : g->done_at) + gather_s - tele_metric_clock();
}

/* Connects before the first update comes, and again when the server went away meanwhile. */
static void keep_connected(struct writer *w)
{
	/* When it fails, the database layer has said why. */
	enum tele_err ignored = tele_db_wait(w->db, CONNECT_MS);

	(void)ignored;
}

/* With the lock held; false: nobody called. */
static bool wait_for_work(struct tele_gate *g, double seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(seconds * 1e9) % 1000000000L;
	until.tv_sec += (time_t)seconds + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return pthread_cond_timedwait(&g->work, &g->lock, &until) != ETIMEDOUT;
}

/* Waits for work with the lock held, and sees to the connection when there is none for a while. What waits now is all of chats under way. */
static void idle(struct writer *w)
{
	bool some = w->gate->first;

	if (wait_for_work(w->gate, some ? patience_s : IDLE_S) || some)
		return;
	pthread_mutex_unlock(&w->gate->lock);
	keep_connected(w);
	pthread_mutex_lock(&w->gate->lock);
}

static void *write_loop(void *arg)
{
	struct writer *w = arg;
	struct tele_gate *g = w->gate;
	struct party *done;
	double left;

	keep_connected(w);
	pthread_mutex_lock(&g->lock);
	for (;;) {
		left = g->first ? still_to_gather(g) : 0;
		if (left > 0) {
			wait_for_work(g, left);
			continue;
		}
		pick(w);
		if (!w->n) {
			if (g->stopping && !g->first)
				break;
			idle(w);
			continue;
		}
		/* What is left may be another's to take, or has a clock to be watched. */
		if (g->first)
			pthread_cond_signal(&g->work);
		pthread_mutex_unlock(&g->lock);
		admit_all(w);
		pthread_mutex_lock(&g->lock);
		done = let_go(w);
		pthread_mutex_unlock(&g->lock);
		wake(done);
		pthread_mutex_lock(&g->lock);
	}
	pthread_cond_broadcast(&g->work);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static bool start_writer(struct tele_gate *g, struct writer *w, int stop_fd)
{
	size_t most = (size_t)g->conf->batch;

	w->gate = g;
	w->batch = calloc(most, sizeof *w->batch);
	w->list = calloc(most, sizeof *w->list);
	w->db = tele_db_new(g->conf->database, &g->use);
	if (!w->batch || !w->list || !w->db)
		return false;
	tele_db_give_up_on(w->db, stop_fd);
	tele_db_count(w->db, g->metrics);
	return !pthread_create(&w->thread, NULL, write_loop, w);
}

static void release(struct tele_gate *g)
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

void tele_gate_set_rate(struct tele_gate *g, long rate)
{
	g->person_rate = rate;
}

enum tele_err tele_gate_set_key(struct tele_gate *g, const char *public_key)
{
	struct tele_catalogue *old;
	struct tele_seal_key seal;

	if (public_key && tele_seal_key_read(public_key, &seal) != TELE_OK) {
		tele_log(TELE_ERROR, "bad_key", tele_str("setting", "secret_public_key"), tele_str("todo", "give what teleops secret keygen printed"));
		return TELE_INVALID;
	}
	pthread_mutex_lock(&g->lock);
	g->has_seal = public_key != NULL;
	if (public_key)
		g->seal = seal;
	/* The next writer loads it anew. */
	old = g->catalogue;
	g->catalogue = NULL;
	pthread_mutex_unlock(&g->lock);
	tele_catalogue_drop(old);
	return TELE_OK;
}

struct tele_gate *tele_gate_start(const struct tele_conf *conf, const char *program, struct tele_bell *bell, int stop_fd,
    struct tele_metrics *metrics)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_CATALOGUE_HEAD, TELE_STMT_CATALOGUE, TELE_STMT_ADMIT, TELE_STMT_PENDING_ASKED,
	    TELE_STMT_BUTTON_LINE, TELE_STMT_UPDATE_REJECT};
	struct tele_gate *g = calloc(1, sizeof *g);
	pthread_condattr_t monotonic;

	if (!g)
		return NULL;
	g->writers = calloc((size_t)conf->writers, sizeof *g->writers);
	g->conf = conf;
	g->person_rate = conf->person_rate;
	g->use = (struct tele_db_use){program, stmts, sizeof stmts / sizeof *stmts, NULL};
	g->last = &g->first;
	g->bell = bell;
	g->metrics = metrics;
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&g->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (tele_gate_set_key(g, conf->secret_public_key) != TELE_OK) {
		release(g);
		return NULL;
	}
	/* Writers look at each other's batches: none may run before all are counted. */
	pthread_mutex_lock(&g->lock);
	for (int i = 0; g->writers && i < conf->writers && start_writer(g, &g->writers[i], stop_fd); i++)
		g->nwriters++;
	pthread_mutex_unlock(&g->lock);
	if (g->nwriters == conf->writers)
		return g;
	tele_gate_stop(g);
	return NULL;
}

/* Decided in the caller's thread, which has nothing else to do; without a catalogue the writer does it. */
static void decide(struct tele_gate *g, struct waiting *list, size_t n)
{
	struct tele_catalogue *c = current_catalogue(g);

	for (size_t i = 0; c && i < n; i++)
		if (tele_admit_decide(c, list[i].item->update, &list[i].decision) != TELE_OK)
			list[i].decision.version = 0;
	tele_catalogue_drop(c);
}

/* The first that waits makes a writer look at the clock, and enough of them make it begin: between, nobody need wake. */
static bool calls_a_writer(const struct tele_gate *g, size_t before)
{
	return !before || g->nwaiting >= worth(g);
}

/* Puts n at the end of the line and waits until all are done. */
static void hand_in(struct tele_gate *g, struct waiting *list, struct tele_gate_item *items, size_t n)
{
	struct party party = {.left = n};
	double now = tele_metric_clock();
	size_t before;

	tele_metric_add(g->metrics, TELE_METRIC_UPDATES_RECEIVED, NULL, NULL, (double)n);
	for (size_t i = 0; i < n; i++)
		list[i] = (struct waiting){.item = &items[i], .party = &party, .arrived = now, .next = i + 1 < n ? &list[i + 1] : NULL};
	decide(g, list, n);
	sem_init(&party.answered, 0, 0);
	pthread_mutex_lock(&g->lock);
	*g->last = list;
	g->last = &list[n - 1].next;
	before = g->nwaiting;
	g->nwaiting += n;
	if (calls_a_writer(g, before))
		pthread_cond_signal(&g->work);
	pthread_mutex_unlock(&g->lock);
	while (sem_wait(&party.answered))
		; /* a signal */
	sem_destroy(&party.answered);
	for (size_t i = 0; i < n; i++)
		tele_decision_release(&list[i].decision);
}

enum tele_err tele_gate_admit(struct tele_gate *g, const struct tele_update *u, const char *body, size_t size)
{
	struct tele_gate_item item = {.update = u, .body = body, .size = size};
	struct waiting one;

	hand_in(g, &one, &item, 1);
	return item.result;
}

enum tele_err tele_gate_admit_all(struct tele_gate *g, struct tele_gate_item *items, size_t n)
{
	struct waiting *list = n ? calloc(n, sizeof *list) : NULL;
	enum tele_err rc = TELE_OK;

	for (size_t i = 0; i < n; i++)
		items[i].result = TELE_NOMEM;
	if (n && !list)
		return TELE_NOMEM;
	if (n)
		hand_in(g, list, items, n);
	free(list);
	for (size_t i = 0; i < n; i++)
		if (items[i].result != TELE_OK)
			rc = TELE_DB;
	return rc;
}

void tele_gate_stop(struct tele_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	pthread_cond_broadcast(&g->work);
	pthread_mutex_unlock(&g->lock);
	for (int i = 0; i < g->nwriters; i++)
		pthread_join(g->writers[i].thread, NULL);
	release(g);
}
