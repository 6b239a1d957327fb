#include "cli/pg.h"

#include <stdio.h>
#include <string.h>

static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

PGconn *pg_open(const char *conninfo, const char *setting)
{
	const char *const keys[] = {"connect_timeout", "fallback_application_name", "client_encoding", "dbname", NULL};
	const char *const values[] = {"10", "teleops", "UTF8", conninfo, NULL};
	PGconn *conn;

	if (!conninfo) {
		fprintf(stderr, "teleops: setting %s is missing; set it in teleops.conf or as TELEOPS_%s\n", setting,
		    strcmp(setting, "database") ? "APP_DATABASE" : "DATABASE");
		return NULL;
	}
	conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		return conn;
	}
	fprintf(stderr, "teleops: cannot connect (setting %s): %s", setting, PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

PGresult *pg_run(PGconn *conn, const char *about, const char *sql, int n, const char *const *values)
{
	PGresult *res = PQexecParams(conn, sql, n, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return res;
	fprintf(stderr, "teleops: %s: %s", about, PQerrorMessage(conn));
	PQclear(res);
	return NULL;
}

bool pg_do(PGconn *conn, const char *about, const char *sql)
{
	PGresult *res = pg_run(conn, about, sql, 0, NULL);

	PQclear(res);
	return res != NULL;
}
