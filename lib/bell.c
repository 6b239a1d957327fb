#include "lib/bell.h"

#include "lib/array.h"
#include "lib/db.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { RING_MS = 2000, PAUSE_NS = 1000000 /* at most a thousand rings a second */ };

struct tele_bell {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t rung;
	unsigned whom;
	bool stopping;
	struct tele_db_use use;
	struct tele_db *db;
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

static void *ringer(void *arg)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct tele_bell *b = arg;
	unsigned whom;

	pthread_mutex_lock(&b->lock);
	while (b->whom || !b->stopping) {
		if (!b->whom) {
			pthread_cond_wait(&b->rung, &b->lock);
			continue;
		}
		whom = b->whom;
		b->whom = 0;
		pthread_mutex_unlock(&b->lock);
		ring(b, whom);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

struct tele_bell *tele_bell_start(const struct tele_conf *conf, const char *program)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_NOTIFY};
	struct tele_bell *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->use = (struct tele_db_use){program, stmts, 1, NULL};
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->rung, NULL);
	b->db = tele_db_new(conf->database, &b->use);
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
