#ifndef ENGINE_RESULT_H
#define ENGINE_RESULT_H

#include "lib/task.h"

/* How a task went, before it is put into words. */
struct ending {
	int exit_status; /* -1: none */
	int signal;      /* -1: none */
	bool started;
	bool timed_out;
	bool cancelled;
	const char *cancelled_by; /* who asked for it; NULL: the engine itself */
	bool vanished;   /* its supervisor went away: nobody knows how it ended */
	const char *why; /* not started: what stood in the way; "" else */
	double started_at, finished_at; /* seconds since 1970 */
	const char *output; /* what was kept, as it came */
	size_t size;
	long long total;    /* bytes it printed */
	const char *tail;   /* the last of them, where they are not among those kept; NULL: they are */
	size_t tail_size;
	size_t files;       /* that it left, to be sent after this */
	size_t left_out;    /* that it left, but that are not sent */
	long files_most, megabytes_most; /* what may be */
};

/*
 * Makes the result of a task: its state, what is kept, and what the chat reads (plain text and entities in UTF-16 units).
 * A quick and short success is its output and nothing else; a long output becomes a document. TELE_NOMEM.
 */
enum tele_err result_make(const struct tele_task *task, const struct ending *end, struct tele_result *result) TELE_MUST;

/* What is longer than so many UTF-16 units is sent as a file. */
size_t result_text_units(const struct tele_task *task);

/* What a chat is shown while a task runs: how long, and the end of what it has printed. TELE_NOMEM. */
enum tele_err result_live(const struct tele_task *task, double seconds, const char *output, size_t n, struct tele_live *live) TELE_MUST;

/* The result of a text command: the answer as it is. */
enum tele_err result_of_text(const struct tele_task *task, const char *text, double now, struct tele_result *result) TELE_MUST;

#endif
