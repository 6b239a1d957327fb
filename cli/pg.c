#include "cli/pg.h"

#include <stdio.h>
#include <string.h>

static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* One line of a message of libpq's, which may be of several. */
static void note(struct tele_buf *why, const char *message)
{
	for (; *message; message++)
		if (*message != '\n')
			tele_buf_char(why, *message == '\t' ? ' ' : *message);
		else if (message[1])
			tele_buf_str(why, "; ");
}

PGconn *pg_connect(const char *conninfo, struct tele_buf *why)
{
	const char *const keys[] = {"connect_timeout", "fallback_application_name", "client_encoding", "dbname", NULL};
	const char *const values[] = {"10", "teleops", "UTF8", conninfo, NULL};
	PGconn *conn = PQconnectdbParams(keys, values, 1);

	if (PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		return conn;
	}
	note(why, PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

PGresult *pg_query(PGconn *conn, const char *sql, int n, const char *const *values, struct tele_buf *why)
{
	PGresult *res = PQexecParams(conn, sql, n, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return res;
	note(why, PQerrorMessage(conn));
	PQclear(res);
	return NULL;
}

PGconn *pg_open(const char *conninfo, const char *setting)
{
	struct tele_buf why = {0};
	PGconn *conn;

	if (!conninfo) {
		fprintf(stderr, "teleops: setting %s is missing; set it in teleops.conf or as TELEOPS_%s\n", setting,
		    strcmp(setting, "database") ? "APP_DATABASE" : "DATABASE");
		return NULL;
	}
	conn = pg_connect(conninfo, &why);
	if (!conn)
		fprintf(stderr, "teleops: cannot connect (setting %s): %s\n", setting, tele_buf_text(&why));
	tele_buf_release(&why);
	return conn;
}

PGresult *pg_run(PGconn *conn, const char *about, const char *sql, int n, const char *const *values)
{
	struct tele_buf why = {0};
	PGresult *res = pg_query(conn, sql, n, values, &why);

	if (!res)
		fprintf(stderr, "teleops: %s: %s\n", about, tele_buf_text(&why));
	tele_buf_release(&why);
	return res;
}

bool pg_do(PGconn *conn, const char *about, const char *sql)
{
	PGresult *res = pg_run(conn, about, sql, 0, NULL);

	PQclear(res);
	return res != NULL;
}
