#include "lib/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <string.h>

/* An answer of engine_step() without a server: columns in the order of its result. */
static PGresult *answer(const char *const *values, int n)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[32] = {{0}};

	for (int i = 0; i < n; i++)
		columns[i] = (PGresAttDesc){.name = (char *)(uintptr_t)"c"};
	assert_true(PQsetResultAttrs(res, n, columns));
	for (int i = 0; i < n; i++)
		assert_true(PQsetvalue(res, 0, i, (char *)(uintptr_t)values[i], values[i] ? (int)strlen(values[i]) : -1));
	return res;
}

static void reads_a_claim(void **state)
{
	const char *values[] = {"claim", "17", "2", "exec", "say", "echo", "{-n,\"{text}\"}", "", "{\"text\":\"hi\",\"pw\":{\"sealed\":\"YWJj\"}}", "10", "5", "1000", "t", "f", "t", "/say hi", "ada",
	    "Ada L", "4001", "-2001", NULL, "12", "900", "0.25", "f"};
	PGresult *res = answer(values, sizeof values / sizeof *values);
	enum tele_answer_kind kind;
	struct tele_task t;

	assert_int_equal(tele_task_read(res, 0, &kind, &t), TELE_OK);
	assert_int_equal(kind, TELE_ANSWER_CLAIM);
	assert_int_equal(t.id, 17);
	assert_int_equal(t.attempt, 2);
	assert_int_equal(t.nargv, 2);
	assert_string_equal(t.argv[1], "{text}");
	assert_true(t.idempotent);
	assert_false(t.logged);
	assert_true(t.long_running);
	assert_string_equal(t.login, "ada");
	assert_int_equal(t.chat_id, -2001);
	assert_int_equal(t.thread_id, 0);
	assert_int_equal(t.update_id, 900);
	assert_true(t.waited_s == 0.25);
	assert_false(t.internal);
	/* Nothing that fills in a template meets a secret. */
	assert_string_equal(json_object_to_json_string_ext(t.args, JSON_C_TO_STRING_PLAIN), "{\"text\":\"hi\"}");
	assert_string_equal(json_object_to_json_string_ext(t.sealed, JSON_C_TO_STRING_PLAIN), "{\"pw\":\"YWJj\"}");
	tele_task_release(&t);
	PQclear(res);
}

static void reads_who_cancels(void **state)
{
	const char *values[] = {"cancel", "17", "1", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Bob", NULL, NULL, NULL, NULL,
	    NULL};
	PGresult *res = answer(values, sizeof values / sizeof *values);
	enum tele_answer_kind kind;
	struct tele_task t;

	assert_int_equal(tele_task_read(res, 0, &kind, &t), TELE_OK);
	assert_int_equal(kind, TELE_ANSWER_CANCEL);
	assert_int_equal(t.id, 17);
	assert_string_equal(t.person, "Bob");
	tele_task_release(&t);
	PQclear(res);
}

static void refuses_what_it_does_not_know(void **state)
{
	const char *values[] = {"dance", "17", "2", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
	PGresult *res = answer(values, sizeof values / sizeof *values);
	enum tele_answer_kind kind;
	struct tele_task t;

	assert_int_equal(tele_task_read(res, 0, &kind, &t), TELE_INVALID);
	PQclear(res);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads_a_claim), cmocka_unit_test(reads_who_cancels), cmocka_unit_test(refuses_what_it_does_not_know)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
