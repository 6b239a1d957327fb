#ifndef TELE_DB_H
#define TELE_DB_H

#include "lib/err.h"
#include "lib/stmt.h"

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * One connection that comes back by itself, never blocks, and prepares its statements when it is made.
 *
 * In an event loop: wait for tele_db_events() on tele_db_fd(), at most tele_db_wait_ms(), then call tele_db_step();
 * when tele_db_ready(), start a statement with tele_db_send() and, after further steps, fetch it with tele_db_result().
 * Elsewhere: tele_db_run() does all of that, waiting.
 *
 * conninfo may name several hosts. When the server turns out to be read-only (a failover), the connection is closed and
 * looked for again. Use target_session_attrs=read-write with several hosts.
 */
struct tele_db;
struct tele_metrics;

struct tele_db_use {
	const char *program;         /* application_name */
	const enum tele_stmt *stmts; /* prepared on every connection */
	int nstmts;
	const char *const *listen;   /* channels, NULL-terminated, 32 at most; or NULL */
};

/* conninfo and use are copied or must stay valid (use). Does not connect yet. NULL: no memory. */
struct tele_db *tele_db_new(const char *conninfo, const struct tele_db_use *use);
void tele_db_free(struct tele_db *db);
/* Has reconnects counted there, which must outlive db. */
void tele_db_count(struct tele_db *db, struct tele_metrics *metrics);

/*
 * Drives the connection. TELE_OK: ready for a statement. TELE_EMPTY: something is under way, wait again.
 * TELE_DB: the connection was lost just now; a statement that was under way may or may not have been committed.
 */
enum tele_err tele_db_step(struct tele_db *db);
bool tele_db_ready(const struct tele_db *db);
int tele_db_fd(const struct tele_db *db);       /* -1: no socket now */
short tele_db_events(const struct tele_db *db); /* POLLIN, POLLOUT or both */
int tele_db_wait_ms(const struct tele_db *db);  /* until step wants to be called without an event; -1: never */
/* Grows with every connection made; 0: there has been none yet. */
unsigned tele_db_generation(const struct tele_db *db);
/* The channels notifications came in on since the last call, a bit each: 1 for the first of listen. */
unsigned tele_db_notified(struct tele_db *db);

/* Starts a prepared statement; values as text, NULL for null. Only when ready. TELE_DB: the connection is gone. */
enum tele_err tele_db_send(struct tele_db *db, enum tele_stmt stmt, const char *const *values) TELE_MUST;
/*
 * TELE_EMPTY: not finished. TELE_OK: *res is the caller's, PQclear it. TELE_RETRY: serialisation failure or deadlock, nothing
 * happened. TELE_INVALID: the data was refused (SQLSTATE 22, 23, P0001), nothing happened. TELE_DB: lost or refused otherwise.
 * tele_db_error() has the server's words.
 */
enum tele_err tele_db_result(struct tele_db *db, PGresult **res) TELE_MUST;

/*
 * Connects if need be, runs, waits: at most timeout_ms over all, after which the connection is closed and the result
 * unknown (TELE_DB). Results as tele_db_result, never TELE_EMPTY. While the backoff after a failed connection lasts it waits
 * for it, within timeout_ms.
 */
enum tele_err tele_db_run(struct tele_db *db, enum tele_stmt stmt, const char *const *values, int timeout_ms, PGresult **res) TELE_MUST;
/* Connects and waits until ready, at most timeout_ms: TELE_OK or TELE_DB. */
enum tele_err tele_db_wait(struct tele_db *db, int timeout_ms) TELE_MUST;
/*
 * From now on the two above stop waiting for a connection (TELE_DB) as soon as fd can be read, a signalfd for one; -1: never, as it
 * is at first. A statement under way is waited for all the same.
 */
void tele_db_give_up_on(struct tele_db *db, int fd);

/* Closes now; the next step connects again, after the backoff. */
void tele_db_drop(struct tele_db *db);
/* The last error in one line; "" if none. Never holds a password. */
const char *tele_db_error(const struct tele_db *db);

/* A field as a number; 0 when null. */
long long tele_db_int(const PGresult *res, int row, int column);
bool tele_db_bool(const PGresult *res, int row, int column);
double tele_db_double(const PGresult *res, int row, int column);

#endif
