#include "lib/db.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What can be seen without a server, or with one that breaks off where it likes; with a real one it is tested on the whole stack. */
static const enum tele_stmt stmts[] = {TELE_STMT_HEALTH};
static const struct tele_db_use use = {"test", stmts, 1, NULL};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void a_database_that_is_away_is_told_in_time(void **state)
{
	struct tele_db *db = tele_db_new("host=/nonexistent dbname=none password=geheim", &use);
	long long began = now_ms();
	PGresult *res = NULL;

	assert_non_null(db);
	assert_int_equal(tele_db_run(db, TELE_STMT_HEALTH, NULL, 300, &res), TELE_DB);
	assert_null(res);
	assert_in_range(now_ms() - began, 200, 2000);
	assert_int_equal(tele_db_generation(db), 0);
	assert_true(strlen(tele_db_error(db)) > 0);
	assert_null(strchr(tele_db_error(db), '\n'));
	assert_null(strstr(tele_db_error(db), "geheim"));
	tele_db_free(db);
}

static void it_does_not_spin_while_it_waits(void **state)
{
	struct tele_db *db = tele_db_new("host=/nonexistent dbname=none", &use);
	int tries = 0;

	while (tries < 50 && tele_db_step(db) != TELE_DB)
		tries++;
	assert_int_equal(tele_db_fd(db), -1);
	assert_false(tele_db_ready(db));
	tele_db_step(db);
	while (tele_db_step(db) != TELE_EMPTY)
		assert_true(++tries < 100);
	assert_in_range(tele_db_wait_ms(db), 1, 2000);
	tele_db_free(db);
}

static void every_statement_is_in_the_table(void **state)
{
	for (int i = TELE_STMT_NONE + 1; i < TELE_STMT_COUNT; i++) {
		const struct tele_stmt_text *t = tele_stmt_text((enum tele_stmt)i);
		char last[16];

		assert_non_null(t->name);
		snprintf(last, sizeof last, "$%d", t->params);
		assert_true(!t->params || strstr(t->sql, last));
		snprintf(last, sizeof last, "$%d", t->params + 1);
		assert_null(strstr(t->sql, last));
	}
}

/*
 * A server that takes one connection, prepares whatever it is asked to, and answers the first statement with the bytes given
 * (PostgreSQL documentation, "Frontend/Backend Protocol").
 */
struct server {
	int listening;
	pthread_t thread;
	const char *answer;
	size_t size;
};

#define READY "Z\0\0\0\5I"
#define GREETING "R\0\0\0\10\0\0\0\0" READY
#define PREPARED "C\0\0\0\10SET\0" READY
#define ANSWER "2\0\0\0\4T\0\0\0\6\0\0D\0\0\0\6\0\0C\0\0\0\15SELECT 1\0"
#define KILLED "N\0\0\0\35SWARNING\0C57P02\0Mkilled\0\0"
#define TERMINATED "E\0\0\0\30SFATAL\0C57P01\0Mend\0\0"
#define VIOLATED "E\0\0\0\30SERROR\0C23503\0Mkey\0\0"

/* Reads a message of the client's; its type, 0 at the end. The first, the start, has none. */
static int read_message(int fd, bool first)
{
	unsigned char head[5] = {1}, rest[65536];
	size_t n;

	if (recv(fd, head + first, sizeof head - first, MSG_WAITALL) != (ssize_t)(sizeof head - first))
		return 0;
	n = ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]) - 4;
	return n <= sizeof rest && (!n || recv(fd, rest, n, MSG_WAITALL) == (ssize_t)n) ? head[0] : 0;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listening, NULL, NULL), type = read_message(fd, true);
	bool good = type && send(fd, GREETING, sizeof GREETING - 1, 0) > 0;

	while (good && (type = read_message(fd, false)) && type != 'S')
		good = type != 'Q' || send(fd, PREPARED, sizeof PREPARED - 1, 0) > 0;
	if (good && type == 'S')
		good = send(fd, s->answer, s->size, 0) > 0;
	shutdown(fd, SHUT_WR);
	while (good && read_message(fd, false))
		;
	close(fd);
	return NULL;
}

static enum tele_err ask(const char *answer, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct server s = {.listening = socket(AF_INET, SOCK_STREAM, 0), .answer = answer, .size = size};
	socklen_t n = sizeof a;
	PGresult *res = NULL;
	struct tele_db *db;
	char conninfo[128];
	enum tele_err rc;

	assert_int_equal(bind(s.listening, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s.listening, 1), 0);
	assert_int_equal(getsockname(s.listening, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%u user=x dbname=x sslmode=disable gssencmode=disable", (unsigned)ntohs(a.sin_port));
	db = tele_db_new(conninfo, &use);
	rc = tele_db_run(db, TELE_STMT_HEALTH, NULL, 5000, &res);
	assert_int_equal(tele_db_generation(db), 1);
	PQclear(res);
	tele_db_free(db);
	pthread_join(s.thread, NULL);
	close(s.listening);
	return rc;
}

static void an_answer_counts_only_once_it_is_committed(void **state)
{
	assert_int_equal(ask(ANSWER READY, sizeof ANSWER READY - 1), TELE_OK);
	/* Complete, but not committed: the server was killed, ended by an administrator, or gone. */
	assert_int_equal(ask(ANSWER KILLED, sizeof ANSWER KILLED - 1), TELE_DB);
	assert_int_equal(ask(ANSWER TERMINATED, sizeof ANSWER TERMINATED - 1), TELE_DB);
	assert_int_equal(ask(ANSWER, sizeof ANSWER - 1), TELE_DB);
	/* Refused at the commit, as a deferred constraint does. */
	assert_int_equal(ask(ANSWER VIOLATED READY, sizeof ANSWER VIOLATED READY - 1), TELE_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_database_that_is_away_is_told_in_time),
	    cmocka_unit_test(it_does_not_spin_while_it_waits),
	    cmocka_unit_test(every_statement_is_in_the_table),
	    cmocka_unit_test(an_answer_counts_only_once_it_is_committed),
	};

	tele_log_init("test", "error", "logfmt");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
