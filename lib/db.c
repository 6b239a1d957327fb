#include "lib/db.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/metric.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum state { CLOSED, CONNECTING, PREPARING, READY, BUSY, DONE };

enum { BACKOFF_LEAST_MS = 50, BACKOFF_MOST_MS = 2000, CONNECT_MS = 5000 };

struct tele_db {
	char *conninfo;
	const struct tele_db_use *use;
	PGconn *conn;
	struct tele_metrics *metrics; /* NULL: nobody counts */
	enum state state;
	PostgresPollingStatusType polling;
	PGresult *first; /* result of the statement under way */
	long long due;   /* CLOSED: when to try again; CONNECTING, PREPARING: when to give up */
	int backoff_ms;
	unsigned generation;
	unsigned notified; /* a bit a channel */
	bool told; /* that it is away: once, not at every try */
	int stop_fd;
	char error[400];
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

struct tele_db *tele_db_new(const char *conninfo, const struct tele_db_use *use)
{
	struct tele_db *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	db->conninfo = strdup(conninfo);
	db->use = use;
	db->stop_fd = -1;
	if (!db->conninfo) {
		free(db);
		return NULL;
	}
	return db;
}

void tele_db_free(struct tele_db *db)
{
	if (!db)
		return;
	PQclear(db->first);
	PQfinish(db->conn);
	free(db->conninfo);
	free(db);
}

void tele_db_count(struct tele_db *db, struct tele_metrics *metrics)
{
	db->metrics = metrics;
}

/* One line, whatever libpq's message looked like. */
static void note_error(struct tele_db *db, const char *message)
{
	size_t n = 0;

	for (; *message && n + 1 < sizeof db->error; message++)
		if (*message != '\n' || message[1])
			db->error[n++] = *message == '\n' || *message == '\t' ? ' ' : *message;
	db->error[n] = '\0';
}

static void close_connection(struct tele_db *db)
{
	PQclear(db->first);
	db->first = NULL;
	PQfinish(db->conn);
	db->conn = NULL;
	db->state = CLOSED;
}

static enum tele_err lost(struct tele_db *db, const char *message)
{
	note_error(db, message);
	if (!db->told)
		tele_log(TELE_ERROR, "database_away", tele_str("error", db->error), tele_str("todo", "trying again by itself"));
	db->told = true;
	close_connection(db);
	/* Half of the wait is random: a restarted server is not met by everybody at once. */
	db->due = now_ms() + db->backoff_ms / 2 + rand() % (db->backoff_ms / 2 + 1);
	db->backoff_ms = db->backoff_ms ? db->backoff_ms * 2 : BACKOFF_LEAST_MS;
	if (db->backoff_ms > BACKOFF_MOST_MS)
		db->backoff_ms = BACKOFF_MOST_MS;
	return TELE_DB;
}

static enum tele_err start_connecting(struct tele_db *db)
{
	/* Ours come first, so that what the operator wrote in the conninfo wins; a dead peer is noticed within 10 s. */
	const char *const keys[] = {"connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
	    "fallback_application_name", "client_encoding", "dbname", NULL};
	const char *const values[] = {"5", "5", "2", "3", "10000", db->use->program, "UTF8", db->conninfo, NULL};

	db->conn = PQconnectStartParams(keys, values, 1);
	if (!db->conn)
		return lost(db, "out of memory");
	if (PQstatus(db->conn) == CONNECTION_BAD)
		return lost(db, PQerrorMessage(db->conn));
	db->state = CONNECTING;
	db->polling = PGRES_POLLING_WRITING;
	db->due = now_ms() + CONNECT_MS;
	return TELE_EMPTY;
}

/* All statements and the LISTEN in one message: being ready costs one round trip. */
static enum tele_err start_preparing(struct tele_db *db)
{
	struct tele_buf sql = {0};
	int sent;

	PQsetnonblocking(db->conn, 1);
	tele_buf_str(&sql, "SET timezone = 'UTC'; SET idle_in_transaction_session_timeout = '60s'");
	for (int i = 0; i < db->use->nstmts; i++) {
		const struct tele_stmt_text *t = tele_stmt_text(db->use->stmts[i]);

		tele_buf_printf(&sql, "; PREPARE %s AS %s", t->name, t->sql);
	}
	for (int i = 0; db->use->listen && db->use->listen[i]; i++)
		tele_buf_printf(&sql, "; LISTEN %s", db->use->listen[i]);
	sent = !sql.failed && PQsendQuery(db->conn, tele_buf_text(&sql));
	tele_buf_release(&sql);
	if (!sent)
		return lost(db, PQerrorMessage(db->conn));
	db->state = PREPARING;
	return TELE_EMPTY;
}

static enum tele_err step_connecting(struct tele_db *db)
{
	db->polling = PQconnectPoll(db->conn);
	if (db->polling == PGRES_POLLING_FAILED)
		return lost(db, PQerrorMessage(db->conn));
	if (db->polling == PGRES_POLLING_OK)
		return start_preparing(db);
	if (now_ms() >= db->due)
		return lost(db, "connecting took too long");
	return TELE_EMPTY;
}

static void note_channel(struct tele_db *db, const char *name)
{
	for (int i = 0; db->use->listen && db->use->listen[i]; i++)
		if (!strcmp(db->use->listen[i], name))
			db->notified |= 1U << i;
}

/* Reads what came; false when the connection is gone. */
static bool pump(struct tele_db *db)
{
	PGnotify *n;

	if (PQflush(db->conn) < 0 || !PQconsumeInput(db->conn))
		return false;
	while ((n = PQnotifies(db->conn)) != NULL) {
		note_channel(db, n->relname);
		PQfreemem(n);
	}
	return PQstatus(db->conn) == CONNECTION_OK;
}

static enum tele_err step_preparing(struct tele_db *db)
{
	PGresult *res;

	while (!PQisBusy(db->conn)) {
		res = PQgetResult(db->conn);
		if (!res) {
			db->state = READY;
			if (db->generation++)
				tele_metric_add(db->metrics, TELE_METRIC_RECONNECTS, NULL, NULL, 1);
			db->backoff_ms = 0;
			if (db->told)
				tele_log(TELE_INFO, "database_back", tele_str("host", PQhost(db->conn)));
			db->told = false;
			db->error[0] = '\0';
			return TELE_OK;
		}
		if (PQresultStatus(res) != PGRES_COMMAND_OK) {
			struct tele_buf why = {0};

			tele_buf_printf(&why, "cannot prepare statements (run teleops migrate?): %s", PQresultErrorMessage(res));
			PQclear(res);
			lost(db, tele_buf_text(&why));
			tele_buf_release(&why);
			return TELE_DB;
		}
		PQclear(res);
	}
	return now_ms() >= db->due ? lost(db, "preparing statements took too long") : TELE_EMPTY;
}

static enum tele_err step_busy(struct tele_db *db)
{
	PGresult *res;

	while (!PQisBusy(db->conn)) {
		res = PQgetResult(db->conn);
		if (!res) {
			db->state = DONE;
			return TELE_EMPTY;
		}
		/* One statement gives one result; another could only be the connection's end. */
		if (db->first)
			PQclear(res);
		else
			db->first = res;
	}
	return TELE_EMPTY;
}

enum tele_err tele_db_step(struct tele_db *db)
{
	if (db->state == CLOSED)
		return now_ms() < db->due ? TELE_EMPTY : start_connecting(db);
	if (db->state == CONNECTING)
		return step_connecting(db);
	if (!pump(db)) {
		/* A statement's own answer may have come with the end of the connection. */
		if (db->state == BUSY && step_busy(db) == TELE_EMPTY && db->state == DONE && db->first &&
		    PQresultStatus(db->first) == PGRES_TUPLES_OK)
			return TELE_EMPTY;
		return lost(db, PQerrorMessage(db->conn));
	}
	if (db->state == PREPARING)
		return step_preparing(db);
	if (db->state == BUSY)
		return step_busy(db);
	return db->state == READY ? TELE_OK : TELE_EMPTY;
}

bool tele_db_ready(const struct tele_db *db)
{
	return db->state == READY;
}

int tele_db_fd(const struct tele_db *db)
{
	return db->conn ? PQsocket(db->conn) : -1;
}

short tele_db_events(const struct tele_db *db)
{
	if (!db->conn)
		return 0;
	if (db->state == CONNECTING)
		return db->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	return (short)(POLLIN | (PQflush(db->conn) == 1 ? POLLOUT : 0));
}

int tele_db_wait_ms(const struct tele_db *db)
{
	long long left;

	if (db->state == READY || db->state == BUSY)
		return -1;
	if (db->state == DONE)
		return 0;
	left = db->due - now_ms();
	return left < 0 ? 0 : (int)left;
}

unsigned tele_db_generation(const struct tele_db *db)
{
	return db->generation;
}

unsigned tele_db_notified(struct tele_db *db)
{
	unsigned came = db->notified;

	db->notified = 0;
	return came;
}

enum tele_err tele_db_send(struct tele_db *db, enum tele_stmt stmt, const char *const *values)
{
	const struct tele_stmt_text *t = tele_stmt_text(stmt);

	if (db->state != READY)
		return TELE_DB;
	if (!PQsendQueryPrepared(db->conn, t->name, t->params, values, NULL, NULL, 0) || PQflush(db->conn) < 0)
		return lost(db, PQerrorMessage(db->conn));
	db->state = BUSY;
	return TELE_OK;
}

/* What the server's refusal means for the caller (PostgreSQL documentation, appendix A). */
static enum tele_err judge(const char *sqlstate)
{
	if (!sqlstate)
		return TELE_DB;
	if (!strcmp(sqlstate, "40001") || !strcmp(sqlstate, "40P01"))
		return TELE_RETRY;
	if (!strncmp(sqlstate, "22", 2) || !strncmp(sqlstate, "23", 2) || !strcmp(sqlstate, "P0001"))
		return TELE_INVALID;
	return TELE_DB;
}

enum tele_err tele_db_result(struct tele_db *db, PGresult **res)
{
	ExecStatusType status;
	const char *sqlstate;
	enum tele_err rc;

	if (db->state == BUSY || db->state == READY)
		return TELE_EMPTY;
	if (db->state != DONE)
		return TELE_DB;
	db->state = READY;
	status = PQresultStatus(db->first);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		*res = db->first;
		db->first = NULL;
		return TELE_OK;
	}
	sqlstate = db->first ? PQresultErrorField(db->first, PG_DIAG_SQLSTATE) : NULL;
	note_error(db, PQresultErrorMessage(db->first));
	rc = judge(sqlstate);
	if (PQstatus(db->conn) != CONNECTION_OK)
		return lost(db, db->error);
	/* 25006: this server has become a standby; 57P: it is shutting down. Somewhere there is, or will be, another. */
	if (sqlstate && (!strcmp(sqlstate, "25006") || !strncmp(sqlstate, "57P", 3)))
		return lost(db, db->error);
	PQclear(db->first);
	db->first = NULL;
	return rc;
}

/* Waits for the connection or its next due time, at most until the deadline; false when that has passed. */
static bool wait_for(struct tele_db *db, long long deadline)
{
	struct pollfd p[2] = {{.fd = tele_db_fd(db), .events = tele_db_events(db)}, {.fd = db->stop_fd, .events = POLLIN}};
	bool connecting = db->state == CLOSED || db->state == CONNECTING || db->state == PREPARING;
	long long left = deadline - now_ms();
	int due = tele_db_wait_ms(db);

	if (left <= 0)
		return false;
	if (due >= 0 && due < left)
		left = due;
	poll(p, connecting ? 2 : 1, (int)left);
	return !connecting || !(p[1].revents & POLLIN);
}

static bool has_input(const struct tele_db *db)
{
	struct pollfd p = {.fd = tele_db_fd(db), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static enum tele_err wait_until(struct tele_db *db, long long deadline)
{
	/* One that ended while nobody looked: its last words are read first, and its end only then. */
	while (db->state == READY && tele_db_step(db) == TELE_OK)
		if (!has_input(db))
			return TELE_OK;
	do {
		if (db->state != READY)
			tele_db_step(db);
		if (db->state == READY)
			return TELE_OK;
	} while (wait_for(db, deadline));
	return TELE_DB;
}

enum tele_err tele_db_wait(struct tele_db *db, int timeout_ms)
{
	return wait_until(db, now_ms() + timeout_ms);
}

enum tele_err tele_db_run(struct tele_db *db, enum tele_stmt stmt, const char *const *values, int timeout_ms, PGresult **res)
{
	long long deadline = now_ms() + timeout_ms;
	enum tele_err rc = wait_until(db, deadline);

	if (rc == TELE_OK)
		rc = tele_db_send(db, stmt, values);
	if (rc != TELE_OK)
		return rc;
	for (;;) {
		rc = tele_db_result(db, res);
		if (rc != TELE_EMPTY)
			return rc;
		if (!wait_for(db, deadline))
			return lost(db, "the server did not answer in time");
		if (tele_db_step(db) == TELE_DB)
			return TELE_DB;
	}
}

void tele_db_give_up_on(struct tele_db *db, int fd)
{
	db->stop_fd = fd;
}

void tele_db_drop(struct tele_db *db)
{
	close_connection(db);
	db->due = 0;
}

const char *tele_db_error(const struct tele_db *db)
{
	return db->error;
}

long long tele_db_int(const PGresult *res, int row, int column)
{
	return PQgetisnull(res, row, column) ? 0 : strtoll(PQgetvalue(res, row, column), NULL, 10);
}

bool tele_db_bool(const PGresult *res, int row, int column)
{
	return PQgetvalue(res, row, column)[0] == 't';
}

double tele_db_double(const PGresult *res, int row, int column)
{
	return PQgetisnull(res, row, column) ? 0 : strtod(PQgetvalue(res, row, column), NULL);
}
