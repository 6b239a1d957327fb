#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include "lib/buf.h"
#include "lib/task.h"

/*
 * Files between the database and this host, a part at a time. Those among a task's arguments lie, until its runner has copied them, in
 * files of a spool directory that have lost their names; those that a command has left come as descriptors from its supervisor.
 */

/* Whether something of the task's files is still to come. */
bool files_lacking(const struct tele_task *task);
/* Asks for the next part of it; the answer goes to files_take. TELE_NOTFOUND: the file is gone; TELE_SYSTEM: it cannot be kept, why tells. */
enum tele_err files_ask(struct tele_db *db, long long engine, long long epoch, const struct tele_task *task) TELE_MUST;
enum tele_err files_take(struct tele_task *task, const PGresult *res, const char *spool, struct tele_buf *why) TELE_MUST;
/* Each becomes an argument: the path that it has, in the task's directory below work_dir, while the command runs. */
void files_name(struct tele_task *task, const char *work_dir);

/* What a command has left. */
struct results {
	struct result_file *list;
	size_t n, stored; /* so many are in the database */
};

/* Takes fd over. Without memory the file is lost, and counted by the caller. */
enum tele_err results_add(struct results *r, const char *name, long long size, int fd) TELE_MUST;
bool results_left(const struct results *r);
/* Stores the next part; the answer goes to results_stored: false when the task is another's now. TELE_SYSTEM: it cannot be read. */
enum tele_err results_store(struct tele_db *db, long long engine, long long epoch, const struct tele_task *task, struct results *r) TELE_MUST;
bool results_stored(struct results *r, const PGresult *res);
void results_release(struct results *r);

#endif
