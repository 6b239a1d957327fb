#ifndef TELE_SCHEDULE_H
#define TELE_SCHEDULE_H

#include "lib/array.h"
#include "lib/db.h"

/*
 * Lines of schedules, read with the commands as they are now. Whoever saves a schedule or changes a command does it in the same
 * transaction, and can refuse; an engine does it for whom that was forgotten:
 *  1. TELE_STMT_SCHEDULE_UNCHECKED gives the lines that are to be read.
 *  2. tele_schedule_read reads them.
 *  3. TELE_STMT_SCHEDULE_CHECKED with tele_schedule_values stores what they mean.
 */
struct tele_schedule_lines {
	struct tele_array id, version, args, complaint;
	size_t n;
};

/*
 * Adds every schedule of the answer: its arguments, or a complaint that says what is wrong and how the command is used. Zero-initialise
 * lines. TELE_NOMEM.
 */
enum tele_err tele_schedule_read(const PGresult *res, struct tele_schedule_lines *lines) TELE_MUST;
/* The parameters of TELE_STMT_SCHEDULE_CHECKED, four; lines owns them. */
void tele_schedule_values(struct tele_schedule_lines *lines, const char **values);
/* Forgets them all. */
void tele_schedule_release(struct tele_schedule_lines *lines);

#endif
