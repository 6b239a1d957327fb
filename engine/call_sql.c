/*
 * One statement with bound values, in a transaction of its own that only reads unless the command is marked as writing. The server
 * is told to stop when this process is: a query that nobody waits for would go on there.
 */
#include "engine/call.h"

#include "engine/table.h"
#include "lib/statement.h"
#include "lib/text.h"

#include <errno.h>
#include <json-c/json.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { CONNECT_S = 10, AFTER_S = 2, AREA_MOST = 1024 * 1024 };

/* Type of a column (pg_type.oid; these never change) that is a number: int8, int2, int4, float4, float8, numeric. */
static const Oid numbers[] = {20, 21, 23, 700, 701, 1700};

enum word { NO_ROWS, ONE_ROW, ROWS, CHANGED_ONE, CHANGED, DONE, CUT, NO_WRITER, NO_CONNECT, BAD, NO_MEMORY, COPY, REFUSED, REFUSED_BARE, ENDED, UNKNOWN };

/* What a person reads. */
static const char *const words[] = {
    [NO_ROWS] = "no rows",
    [ONE_ROW] = "\n(1 row)",
    [ROWS] = "\n(%zu rows)",
    [CHANGED_ONE] = "%s: 1 row",
    [CHANGED] = "%s: %s rows",
    [DONE] = "%s: done",
    [CUT] = "\n(the first %zu rows; there are more)",
    [NO_WRITER] = "the connection has no writer, and this command writes",
    [NO_CONNECT] = "cannot connect: %s",
    [BAD] = "the statement cannot be used: %s",
    [NO_MEMORY] = "no memory",
    [COPY] = "COPY is not possible here",
    [REFUSED] = "%s%s%s",
    /* The server's words may repeat a value. */
    [REFUSED_BARE] = "the database refused it (SQLSTATE %s)",
    [ENDED] = "ended before it was done; nothing was changed",
    [UNKNOWN] = "the connection broke while it was being committed: it may have been committed, look before you send it again",
};

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats come from the table above */

struct session {
	const struct call *call;
	PGconn *conn;
	PGcancel *cancel;
	int signals;
	bool ended;      /* TERM has come */
	bool committing; /* what is half done cannot be stopped any more */
	bool cut;        /* there were more rows */
	bool failed;     /* said so */
	struct table table;
	char *command;   /* what a statement without rows did: UPDATE 3 */
};

static void to_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20)
			*text = ' ';
}

static void fail_connect(PGconn *conn)
{
	char text[512];

	snprintf(text, sizeof text, "%s", PQerrorMessage(conn));
	text[strcspn(text, "\n")] = '\0';
	to_line(text);
	call_fail(words[NO_CONNECT], text);
}

/* NULL: said why not. */
static PGconn *connect_as(const struct call *c)
{
	bool writes = json_object_get_boolean(call_member(c->what, "writes"));
	const char *role = call_text(c->connection, writes ? "writer" : "reader"), *keys[8], *values[8];
	char name[64], wait[16];
	size_t n = 0;
	PGconn *conn;

	if (writes && !*role) {
		call_fail("%s", words[NO_WRITER]);
		return NULL;
	}
	snprintf(name, sizeof name, "teleops task %lld", c->task);
	snprintf(wait, sizeof wait, "%d", CONNECT_S);
	keys[n] = "connect_timeout";
	values[n++] = wait;
	/* What the conninfo says comes before what it must not. */
	keys[n] = "dbname";
	values[n++] = call_text(c->connection, "conninfo");
	if (*role) {
		keys[n] = "user";
		values[n++] = role;
	}
	if (c->password) {
		keys[n] = "password";
		values[n++] = c->password;
	}
	keys[n] = "application_name";
	values[n++] = name;
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	keys[n] = values[n] = NULL;
	conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	fail_connect(conn);
	PQfinish(conn);
	return NULL;
}

/* From here on TERM is read, not suffered. */
static int watch_term(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void stop_query(struct session *s)
{
	char why[256];

	if (s->cancel)
		PQcancel(s->cancel, why, sizeof why);
}

static void note_term(struct session *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof info) != sizeof info)
		return;
	s->ended = true;
	if (!s->committing)
		stop_query(s);
}

/* The next result of what was sent; NULL: there is none left. */
static PGresult *next_result(struct session *s)
{
	while (PQisBusy(s->conn)) {
		struct pollfd p[2] = {{.fd = PQsocket(s->conn), .events = POLLIN}, {.fd = s->signals, .events = POLLIN}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			note_term(s);
		if (p[0].revents && !PQconsumeInput(s->conn))
			break;
	}
	return PQgetResult(s->conn);
}

/* The server said nothing, or that it goes (class 57): not that it refused. */
static bool is_broken(const char *state)
{
	return !state || !strncmp(state, "57P", 3);
}

static void refuse(struct session *s, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE), *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);

	/* Cut short by ourselves, it has not failed. */
	if (s->failed || (s->cut && !s->ended))
		return;
	s->failed = true;
	if (s->committing && is_broken(state))
		call_fail("%s", words[UNKNOWN]);
	else if (s->ended)
		call_fail("%s", words[ENDED]);
	else if (s->call->is_secret && state)
		call_fail(words[REFUSED_BARE], state);
	else
		call_fail(words[REFUSED], text ? text : PQerrorMessage(s->conn), hint ? "\n" : "", hint ? hint : "");
}

static bool is_number(Oid type)
{
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i] == type)
			return true;
	return false;
}

static void begin_table(struct session *s, const PGresult *res)
{
	if (s->table.names)
		return;
	table_begin(&s->table, (size_t)PQnfields(res));
	for (int i = 0; i < PQnfields(res); i++)
		table_name(&s->table, (size_t)i, PQfname(res, i), is_number(PQftype(res, i)));
}

/* What is too much is not kept. A query that only reads is stopped then; one that writes is to be done as a whole. */
static void take_row(struct session *s, const PGresult *res)
{
	bool writes = json_object_get_boolean(call_member(s->call->what, "writes"));
	const char **values;

	begin_table(s, res);
	if (s->cut)
		return;
	if ((long long)s->table.rows >= call_number(s->call->what, "row_limit") || s->table.bytes >= s->call->limit) {
		s->cut = true;
		if (!writes)
			stop_query(s);
		return;
	}
	values = calloc(s->table.columns + 1, sizeof *values);
	for (int i = 0; values && i < PQnfields(res); i++)
		values[i] = PQgetisnull(res, 0, i) ? NULL : PQgetvalue(res, 0, i);
	if (values)
		table_add(&s->table, values);
	else
		s->table.failed = true;
	free(values);
}

static void take_result(struct session *s, const PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		take_row(s, res);
		break;
	case PGRES_TUPLES_OK:
		begin_table(s, res);
		break;
	case PGRES_COMMAND_OK:
		free(s->command);
		s->command = strdup(PQcmdStatus((PGresult *)(uintptr_t)res));
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		s->failed = true;
		call_fail("%s", words[COPY]);
		break;
	default:
		refuse(s, res);
		break;
	}
}

/* Takes all results; false when it failed. */
static bool settle(struct session *s, bool sent)
{
	PGresult *res;

	if (!sent && !s->failed) {
		s->failed = true;
		fail_connect(s->conn);
	}
	while (!s->failed && (res = next_result(s))) {
		take_result(s, res);
		PQclear(res);
	}
	return !s->failed;
}

static bool do_plain(struct session *s, const char *sql)
{
	return settle(s, PQsendQuery(s->conn, sql));
}

/* The supervisor ends what takes too long; the server does it where this process was killed or its host is gone. */
static bool begin(struct session *s)
{
	bool writes = json_object_get_boolean(call_member(s->call->what, "writes"));
	char sql[96];

	snprintf(sql, sizeof sql, "BEGIN %s; SET LOCAL statement_timeout = %lld", writes ? "READ WRITE" : "READ ONLY",
	    (s->call->timeout_s + AFTER_S) * 1000);
	return do_plain(s, sql);
}

static bool ask(struct session *s, const struct tele_statement *statement)
{
	const char *values[TELE_STATEMENT_NAMES];
	int sent;

	for (size_t i = 0; i < statement->n; i++)
		values[i] = call_value(s->call, statement->names[i]);
	sent = PQsendQueryParams(s->conn, tele_buf_text(&statement->text), (int)statement->n, NULL, values, NULL, NULL, 0);
	if (sent)
		PQsetSingleRowMode(s->conn);
	free(s->command);
	s->command = NULL;
	return settle(s, sent);
}

/* UPDATE 3, INSERT 0 3, CREATE TABLE: what a statement says that it did. */
static void say_command(struct tele_buf *out, const char *tag)
{
	const char *number = strrchr(tag, ' ');
	char word[32];

	snprintf(word, sizeof word, "%.*s", (int)strcspn(tag, " "), tag);
	if (!number || number[1] < '0' || number[1] > '9')
		tele_buf_printf(out, words[DONE], tag);
	else if (!strcmp(number + 1, "1"))
		tele_buf_printf(out, words[CHANGED_ONE], word);
	else
		tele_buf_printf(out, words[CHANGED], word, number + 1);
}

static void say_rows(struct tele_buf *out, const struct session *s)
{
	if (s->cut)
		tele_buf_printf(out, words[CUT], s->table.rows);
	else if (s->table.rows == 1)
		tele_buf_str(out, words[ONE_ROW]);
	else
		tele_buf_printf(out, words[ROWS], s->table.rows);
}

/* A line a value, for who reads lines. */
static void say_list(struct tele_buf *out, const struct table *t)
{
	for (size_t i = 0; i < t->rows; i++)
		tele_buf_printf(out, "%s\n", t->cells[i * t->columns] ? t->cells[i * t->columns] : "");
}

/* One value alone; a table that can be read in a chat; or what a program can read, which goes as a file. */
static void say_table(struct tele_buf *out, const struct session *s)
{
	const struct table *t = &s->table;

	if (!t->rows && !s->cut) {
		tele_buf_str(out, words[NO_ROWS]);
		return;
	}
	if (t->rows == 1 && t->columns == 1 && !s->cut) {
		tele_buf_str(out, t->cells[0] ? t->cells[0] : "");
		return;
	}
	/* One wide cell makes all lines as wide: what is far too large is not even tried. */
	if (table_area(t) <= AREA_MOST) {
		table_text(t, out);
		say_rows(out, s);
		if (tele_text_units(tele_buf_text(out), out->len) <= s->call->units)
			return;
		tele_buf_reset(out);
	}
	table_csv(t, out);
	if (s->cut)
		tele_buf_printf(out, words[CUT] + 1, t->rows);
}

static int say(const struct session *s)
{
	struct tele_buf out = {0};
	bool failed;

	if (s->table.names && s->table.columns && s->call->is_list)
		say_list(&out, &s->table);
	else if (s->table.names)
		say_table(&out, s);
	else
		say_command(&out, s->command ? s->command : "");
	failed = out.failed || s->table.failed;
	if (!failed)
		fwrite(tele_buf_text(&out), 1, out.len, stdout);
	tele_buf_release(&out);
	return failed ? call_fail("%s", words[NO_MEMORY]) : EXIT_SUCCESS;
}

static bool carry_out(struct session *s, const struct tele_statement *statement)
{
	char *command;

	if (!begin(s) || !ask(s, statement))
		return false;
	/* Stopped by ourselves: the transaction only read, and is broken. */
	if (s->cut && !json_object_get_boolean(call_member(s->call->what, "writes")))
		return true;
	command = s->command;
	s->command = NULL;
	s->committing = true;
	if (!do_plain(s, "COMMIT")) {
		free(command);
		return false;
	}
	free(s->command);
	s->command = command;
	return true;
}

static int with_statement(const struct call *c, const struct tele_statement *statement)
{
	struct session s = {.call = c, .conn = connect_as(c)};
	int status = EXIT_FAILURE;

	if (!s.conn)
		return EXIT_FAILURE;
	s.signals = watch_term();
	s.cancel = PQgetCancel(s.conn);
	if (carry_out(&s, statement))
		status = say(&s);
	PQfreeCancel(s.cancel);
	PQfinish(s.conn);
	close(s.signals);
	table_release(&s.table);
	free(s.command);
	return status;
}

int call_sql(const struct call *c)
{
	struct tele_statement statement;
	struct tele_buf why = {0};
	int status;

	if (tele_statement_read(call_text(c->what, "statement"), NULL, &statement, &why) == TELE_OK)
		status = with_statement(c, &statement);
	else
		status = call_fail(words[BAD], tele_buf_text(&why));
	tele_statement_release(&statement);
	tele_buf_release(&why);
	return status;
}
