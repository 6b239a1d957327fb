#ifndef TELE_METRIC_H
#define TELE_METRIC_H

#include "lib/err.h"

#include <stdbool.h>

/*
 * What a program counts. One registry a process, used by any of its threads; nothing here waits, fails, or grows beyond about
 * 300 KiB: what would be a 513th series is counted as dropped. A registry of NULL counts nothing.
 *
 * The database adds up what all programs counted (metric_add(), table metric), and GET /metrics shows that. Who has a connection
 * and nothing better to do with it
 *  1. asks tele_metrics_wait_ms whether it is time,
 *  2. runs TELE_STMT_METRIC_ADD with tele_metrics_take,
 *  3. calls tele_metrics_stored when that was answered with true; else nothing: the next take brings the same and what was added.
 * When an answer is lost on its way, what it would have confirmed is counted twice: these are figures, not the record.
 */
struct tele_metrics;

/* The table in metric.c says what each is called and which labels it has; metric_about() in the schema tells what it means. */
enum tele_metric {
	TELE_METRIC_UPDATES_RECEIVED,
	TELE_METRIC_UPDATES_ADMITTED, /* outcome */
	TELE_METRIC_UPDATES_REJECTED,
	TELE_METRIC_UPDATES_REFUSED,  /* code */
	TELE_METRIC_HOOKS,            /* outcome */
	TELE_METRIC_ADMISSION,        /* seconds */
	TELE_METRIC_BATCH,            /* updates */
	TELE_METRIC_CLAIM,            /* seconds */
	TELE_METRIC_RUN,              /* command; seconds */
	TELE_METRIC_FINISHED,         /* command, state */
	TELE_METRIC_GIVEN_BACK,
	TELE_METRIC_RUNNER_BUSY,
	TELE_METRIC_SENT,             /* op */
	TELE_METRIC_NOT_SENT,         /* outcome */
	TELE_METRIC_SEND,             /* seconds */
	TELE_METRIC_ERRORS,           /* code */
	TELE_METRIC_WAITS,            /* for */
	TELE_METRIC_WAITED,           /* seconds */
	TELE_METRIC_MEMORY,           /* program; bytes; set by tele_metrics_take */
	TELE_METRIC_RECONNECTS,       /* program */
	TELE_METRIC_DROPPED,          /* program; counted by the registry itself */
	TELE_METRIC_COUNT
};

/* program must stay valid. node: whose gauges these are, an engine's name; NULL: the host's. NULL: no memory. */
struct tele_metrics *tele_metrics_new(const char *program, const char *node);
void tele_metrics_free(struct tele_metrics *m);

/*
 * first and second are the values of a metric's labels, in the order given above; NULL where it has none. The program is filled in.
 * A long value is cut.
 */
void tele_metric_add(struct tele_metrics *m, enum tele_metric what, const char *first, const char *second, double n);
/* One observation of a histogram. */
void tele_metric_observe(struct tele_metrics *m, enum tele_metric what, const char *first, double value);

/* Milliseconds until the next flush is due; 0: now. Every 10 s, since the memory is told even when nothing was counted. */
int tele_metrics_wait_ms(const struct tele_metrics *m);
/* Something was counted that was not stored yet. */
bool tele_metrics_changed(struct tele_metrics *m);
/*
 * The parameters of TELE_STMT_METRIC_ADD: what was counted since the last tele_metrics_stored, and the memory now. Owned by m, valid
 * until the next call. NULL: no memory, or m is NULL. The next flush is due 10 s later, whatever becomes of this one.
 */
const char *const *tele_metrics_take(struct tele_metrics *m);
void tele_metrics_stored(struct tele_metrics *m);

/* Seconds on a clock that nobody sets, to observe how long something took. */
double tele_metric_clock(void);

#endif
