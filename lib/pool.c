#include "lib/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { TRIES = 3 };

struct tele_pool {
	pthread_mutex_t lock; /* of free and n */
	pthread_cond_t given_back;
	struct tele_db **all;
	struct tele_db **free; /* a stack: the one used last is the one that is used next */
	int size, n;
};

struct tele_pool *tele_pool_new(const char *conninfo, const struct tele_db_use *use, int connections)
{
	struct tele_pool *p = calloc(1, sizeof *p);
	pthread_condattr_t attr;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->given_back, &attr);
	pthread_condattr_destroy(&attr);
	p->all = calloc((size_t)connections, sizeof *p->all);
	p->free = calloc((size_t)connections, sizeof *p->free);
	while (p->all && p->free && p->size < connections) {
		struct tele_db *db = tele_db_new(conninfo, use);

		if (!db)
			break;
		p->all[p->size++] = p->free[p->n++] = db;
	}
	if (p->size == connections)
		return p;
	tele_pool_free(p);
	return NULL;
}

void tele_pool_count(struct tele_pool *p, struct tele_metrics *metrics)
{
	for (int i = 0; i < p->size; i++)
		tele_db_count(p->all[i], metrics);
}

void tele_pool_free(struct tele_pool *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->size; i++)
		tele_db_free(p->all[i]);
	free(p->all);
	free(p->free);
	pthread_cond_destroy(&p->given_back);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct timespec after(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

static int ms_until(const struct timespec *t)
{
	struct timespec now;
	long long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (t->tv_sec - now.tv_sec) * 1000LL + (t->tv_nsec - now.tv_nsec) / 1000000;
	return left < 0 ? 0 : (int)left;
}

/* NULL: none came free in time. */
static struct tele_db *take(struct tele_pool *p, const struct timespec *until)
{
	struct tele_db *db = NULL;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->n && !rc)
		rc = pthread_cond_timedwait(&p->given_back, &p->lock, until);
	if (p->n)
		db = p->free[--p->n];
	pthread_mutex_unlock(&p->lock);
	return db;
}

static void give_back(struct tele_pool *p, struct tele_db *db)
{
	pthread_mutex_lock(&p->lock);
	p->free[p->n++] = db;
	pthread_cond_signal(&p->given_back);
	pthread_mutex_unlock(&p->lock);
}

enum tele_err tele_pool_run(struct tele_pool *p, enum tele_stmt stmt, const char *const *values, int timeout_ms, PGresult **res,
    struct tele_buf *why)
{
	struct timespec until = after(timeout_ms);
	struct tele_db *db = take(p, &until);
	enum tele_err rc = TELE_DB;

	if (!db) {
		if (why)
			tele_buf_str(why, "all connections are busy");
		return TELE_DB;
	}
	for (int i = 0; i < TRIES; i++) {
		rc = tele_db_run(db, stmt, values, ms_until(&until), res);
		if (rc != TELE_RETRY)
			break;
	}
	if (rc != TELE_OK && why)
		tele_buf_str(why, tele_db_error(db));
	/* Who is there and refuses is not away. */
	if (rc == TELE_DB && tele_db_ready(db))
		rc = TELE_SYSTEM;
	give_back(p, db);
	return rc;
}
