#include "lib/db.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What can be seen without a server; with one it is tested on the real stack. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_database_that_is_away_is_told_in_time),
	    cmocka_unit_test(it_does_not_spin_while_it_waits),
	    cmocka_unit_test(every_statement_is_in_the_table),
	};

	tele_log_init("test", "error", "logfmt");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
