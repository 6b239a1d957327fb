#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include "engine/files.h"
#include "engine/result.h"
#include "engine/secrets.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/task.h"

#include <ev.h>

enum { JOB_TAIL = 16 * 1024 };

/* A task of kind exec, sql or http under way: two watchers on the ends that the runner's supervisor holds. */
struct job {
	struct job *next;
	struct tele_task task;
	ev_io output, control;
	struct tele_buf kept; /* output, up to the task's limit */
	char tail[JOB_TAIL];  /* what came after that: the last of it, in a ring */
	size_t tail_end;      /* bytes that went through the ring */
	long long total;
	long long shown;      /* of total, how much its chat has been shown */
	double show_due;      /* seconds since 1970 */
	bool reported;
	bool over;            /* report read and output closed */
	struct results results; /* files that it left: stored before its end is told */
	bool noted;           /* the database knows that it runs */
	double typing_due;    /* when its chat is to be shown again that something runs; seconds since 1970 */
	bool dropped;         /* somebody else has the task now: its result is nobody's */
	bool ending;
	struct ending end;
	char why[256];
	char *cancelled_by;   /* who asked for its end; NULL: nobody */
	double started_at;    /* seconds since 1970 */
};

/* What a job is started with. */
struct job_means {
	int runner;
	const struct tele_seal_ring *ring; /* opens secrets; NULL: no keys */
	const struct tele_conf *conf;      /* where connections are */
	const char *work_dir;              /* as the runner knows it */
};

/*
 * Hands task to the runner, its secrets on descriptor 3, and for sql and http all that is asked; the job takes it over. TELE_RETRY: the runner is busy, task is still the caller's, try later.
 * Anything else that goes wrong is an ending (not started, why): the job is over at once.
 */
enum tele_err job_start(struct ev_loop *loop, const struct job_means *means, struct tele_task *task, struct job **out) TELE_MUST;

/* Ends the command and all that descends from it; the job is over when none is left. by: the person who asked, or NULL. */
void job_end(struct job *job, const char *by);
/* What its chat is shown while it runs; released with tele_live_release. TELE_NOMEM. */
enum tele_err job_show(struct job *job, double now, struct tele_live *live) TELE_MUST;
/* The result as far as it goes; only once it is over. */
enum tele_err job_result(struct job *job, struct tele_result *result) TELE_MUST;
void job_free(struct ev_loop *loop, struct job *job);

double wall_time(void);

#endif
