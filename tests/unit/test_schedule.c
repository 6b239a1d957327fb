#include "lib/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

enum { COLUMNS = 16 };

static const char *const names[COLUMNS] = {"schedule_id", "command", "enabled", "usage", "parameter", "type", "required", "default_value", "minimum", "maximum",
    "choices", "pattern", "secret", "interactive", "line", "version"};

/* An answer of TELE_STMT_SCHEDULE_UNCHECKED without a server. */
static PGresult *answer(const char *const (*rows)[COLUMNS], int n)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[COLUMNS] = {{0}};

	for (int i = 0; i < COLUMNS; i++)
		columns[i] = (PGresAttDesc){.name = (char *)(uintptr_t)names[i]};
	assert_true(PQsetResultAttrs(res, COLUMNS, columns));
	for (int r = 0; r < n; r++)
		for (int i = 0; i < COLUMNS; i++)
			assert_true(PQsetvalue(res, r, i, (char *)(uintptr_t)rows[r][i], rows[r][i] ? (int)strlen(rows[r][i]) : -1));
	return res;
}

static void expect(const char *const (*rows)[COLUMNS], int n, const char *const *expected)
{
	PGresult *res = answer(rows, n);
	struct tele_schedule_lines lines = {.n = 0};
	const char *values[4];

	assert_int_equal(tele_schedule_read(res, &lines), TELE_OK);
	tele_schedule_values(&lines, values);
	for (int i = 0; i < 4; i++)
		assert_string_equal(values[i], expected[i]);
	tele_schedule_release(&lines);
	assert_int_equal(lines.n, 0);
	PQclear(res);
}

/* Two schedules of one command, which has two parameters, and one of another that has none. */
static void reads_each_with_its_command(void **state)
{
	static const char *const rows[][COLUMNS] = {
	    {"3", "copy", "t", "/copy <from> [n]", "from", "text", "t", NULL, NULL, NULL, NULL, "", "f", "f", "/copy a", "7"},
	    {"3", "copy", "t", "/copy <from> [n]", "n", "integer", "f", "5", NULL, NULL, NULL, "", "f", "f", "/copy a", "7"},
	    {"4", "copy", "t", "/copy <from> [n]", "from", "text", "t", NULL, NULL, NULL, NULL, "", "f", "f", "/copy n=6 from=b", "7"},
	    {"4", "copy", "t", "/copy <from> [n]", "n", "integer", "f", "5", NULL, NULL, NULL, "", "f", "f", "/copy n=6 from=b", "7"},
	    {"9", "tidy", "t", "/tidy", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "f", "/tidy", "1"},
	};
	static const char *const expected[] = {"{3,4,9}", "{\"7\",\"7\",\"1\"}",
	    "{\"{\\\"from\\\":\\\"a\\\",\\\"n\\\":\\\"5\\\"}\",\"{\\\"from\\\":\\\"b\\\",\\\"n\\\":\\\"6\\\"}\",\"{}\"}", "{\"\",\"\",\"\"}"};

	expect(rows, 5, expected);
}

static void says_what_cannot_be_run(void **state)
{
	static const char *const rows[][COLUMNS] = {
	    {"1", "copy", "t", "/copy <n>", "n", "integer", "t", NULL, NULL, NULL, NULL, "", "f", "f", "/copy a", "1"},
	    {"2", "copy", "t", "/copy <n>", "n", "integer", "t", NULL, NULL, NULL, NULL, "", "f", "t", "/copy", "1"},
	    {"3", "copy", "t", "/copy <n>", "n", "integer", "t", NULL, NULL, NULL, NULL, "", "f", "f", "/move 3", "1"},
	    {"4", "copy", "t", "/copy <n>", "n", "integer", "t", NULL, NULL, NULL, NULL, "", "f", "f", "/copy@other 3", "1"},
	    {"5", "copy", "t", "/copy <n>", "n", "integer", "t", NULL, NULL, NULL, NULL, "", "t", "f", "/copy 3", "1"},
	};
	static const char *const expected[] = {"{1,2,3,4,5}", "{\"1\",\"1\",\"1\",\"1\",\"1\"}", "{\"\",\"\",\"\",\"\",\"\"}",
	    "{\"n must be a whole number, not \\\"a\\\".\nUsage: /copy <n>\","
	    "\"An argument is missing, and nobody is there to be asked.\nUsage: /copy <n>\","
	    "\"\\\"/move 3\\\" is no line of /copy.\",\"\\\"/copy@other 3\\\" is no line of /copy.\","
	    "\"n is secret and cannot stand in a schedule.\"}"};

	expect(rows, 5, expected);
}

static void reads_nothing(void **state)
{
	static const char *const expected[] = {"{}", "{}", "{}", "{}"};

	expect(NULL, 0, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_each_with_its_command),
	    cmocka_unit_test(says_what_cannot_be_run),
	    cmocka_unit_test(reads_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
