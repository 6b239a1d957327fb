#include "lib/bell.h"

#include "lib/array.h"
#include "lib/db.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { RING_MS = 2000, LAST_MS = 500, PAUSE_NS = 1000000 /* at most a thousand rings a second */ };

struct tele_bell {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t rung;
	unsigned whom;
	bool stopping;
	struct tele_db_use use;
	struct tele_db *db;
	struct tele_metrics *metrics;
};

static void ring(struct tele_bell *b, unsigned whom)
{
	struct tele_array channels = {{0}};
	PGresult *res = NULL;

	if (whom & TELE_BELL_TASK)
		tele_array_str(&channels, "task");
	if (whom & TELE_BELL_OUTBOX)
		tele_array_str(&channels, "outbox");
	/* When it fails, the database layer has said why, and the listeners' own look will do. */
	if (tele_db_run(b->db, TELE_STMT_NOTIFY, (const char *[]){tele_array_text(&channels)}, RING_MS, &res) == TELE_OK)
		PQclear(res);
	tele_array_release(&channels);
}

static void store_metrics(struct tele_bell *b, int timeout_ms)
{
	const char *const *values = tele_metrics_take(b->metrics);
	PGresult *res = NULL;

	/* When it fails, the next time tells the same and more. */
	if (values && tele_db_run(b->db, TELE_STMT_METRIC_ADD, values, timeout_ms, &res) == TELE_OK && tele_db_bool(res, 0, 0))
		tele_metrics_stored(b->metrics);
	PQclear(res);
}

/* Until somebody rings, stops the bell, or the metrics are due. */
static void wait_for_ring(struct tele_bell *b)
{
	int ms = tele_metrics_wait_ms(b->metrics);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&b->rung, &b->lock, &until);
}

static void *ringer(void *arg)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct tele_bell *b = arg;
	unsigned whom;

	pthread_mutex_lock(&b->lock);
	while (b->whom || !b->stopping) {
		if (!b->whom && tele_metrics_wait_ms(b->metrics) > 0) {
			wait_for_ring(b);
			continue;
		}
		whom = b->whom;
		b->whom = 0;
		pthread_mutex_unlock(&b->lock);
		if (whom) {
			ring(b, whom);
			nanosleep(&pause, NULL);
		}
		if (!tele_metrics_wait_ms(b->metrics))
			store_metrics(b, RING_MS);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	/* Without a database the program does not wait to end. */
	if (tele_metrics_changed(b->metrics))
		store_metrics(b, LAST_MS);
	return NULL;
}

struct tele_bell *tele_bell_start(const struct tele_conf *conf, const char *program, struct tele_metrics *metrics)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_NOTIFY, TELE_STMT_METRIC_ADD};
	pthread_condattr_t attr;
	struct tele_bell *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->use = (struct tele_db_use){program, stmts, sizeof stmts / sizeof *stmts, NULL};
	b->metrics = metrics;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->rung, &attr);
	pthread_condattr_destroy(&attr);
	b->db = tele_db_new(conf->database, &b->use);
	if (b->db)
		tele_db_count(b->db, metrics);
	if (b->db && !pthread_create(&b->thread, NULL, ringer, b))
		return b;
	tele_db_free(b->db);
	free(b);
	return NULL;
}

void tele_bell_ring(struct tele_bell *b, unsigned whom)
{
	pthread_mutex_lock(&b->lock);
	b->whom |= whom;
	pthread_cond_signal(&b->rung);
	pthread_mutex_unlock(&b->lock);
}

void tele_bell_stop(struct tele_bell *b)
{
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_signal(&b->rung);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	tele_db_free(b->db);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->rung);
	free(b);
}
