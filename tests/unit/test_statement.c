#include "lib/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"id", "state", NULL};

static void becomes(const char *template, const char *text, const char *values)
{
	struct tele_statement s;
	struct tele_buf why = {0}, got = {0};

	assert_int_equal(tele_statement_read(template, names, &s, &why), TELE_OK);
	assert_string_equal(tele_buf_text(&s.text), text);
	for (size_t i = 0; i < s.n; i++)
		tele_buf_printf(&got, "%s%s", i ? " " : "", s.names[i]);
	assert_string_equal(tele_buf_text(&got), values);
	tele_buf_release(&got);
	tele_buf_release(&why);
	tele_statement_release(&s);
}

static void is_refused(const char *template, const char *reason)
{
	struct tele_statement s;
	struct tele_buf why = {0};

	assert_int_equal(tele_statement_read(template, names, &s, &why), TELE_INVALID);
	if (!strstr(tele_buf_text(&why), reason))
		fail_msg("%s: %s", template, tele_buf_text(&why));
	tele_buf_release(&why);
	tele_statement_release(&s);
}

static void test_names_become_numbers(void **state)
{
	becomes("SELECT 1", "SELECT 1", "");
	becomes("SELECT {id}, {state}, {id}", "SELECT $1, $2, $1", "id state");
	becomes("SELECT {id}::bigint+{state}", "SELECT $1::bigint+$2", "id state");
	becomes("SELECT a{id}", "SELECT a$1", "id");
	becomes("SELECT {ID}, {}, {1}, { id }", "SELECT {ID}, {}, {1}, { id }", "");
	becomes("SELECT {id};  \n-- the end {other}\n/* really */ ;", "SELECT $1;  \n-- the end {other}\n/* really */ ;", "id");
}

static void test_quoted_text_stays(void **state)
{
	becomes("SELECT '{1,2}', '{other}', {id}", "SELECT '{1,2}', '{other}', $1", "id");
	becomes("SELECT 'it''s {other}', \"a{other}\"", "SELECT 'it''s {other}', \"a{other}\"", "");
	becomes("SELECT E'\\'{other}', {id}", "SELECT E'\\'{other}', $1", "id");
	becomes("SELECT 'a\\', {id}", "SELECT 'a\\', $1", "id");
	becomes("SELECT $$ ; {other} $$, $a$ $b$ $a$, {id}", "SELECT $$ ; {other} $$, $a$ $b$ $a$, $1", "id");
	becomes("SELECT 1 /* ; /* nested {other} */ ; */ + {id}", "SELECT 1 /* ; /* nested {other} */ ; */ + $1", "id");
	becomes("SELECT a$b, x$1 FROM t", "SELECT a$b, x$1 FROM t", "");
	becomes("SELECT ';' -- ; DROP\n, {id}", "SELECT ';' -- ; DROP\n, $1", "id");
}

static void test_what_would_be_no_value_is_refused(void **state)
{
	is_refused("SELECT '{id}'", "within quotes");
	is_refused("SELECT \"{id}\"", "within quotes");
	is_refused("SELECT $x$ {id} $x$", "within quotes");
	is_refused("SELECT E'\\' || {id} || '", "within quotes");
	is_refused("SELECT $1", "not its number");
	is_refused("SELECT 1; DROP TABLE x", "one statement");
	is_refused("SELECT 1; -- harmless\n DROP TABLE x", "one statement");
	is_refused("SELECT 1; {id}", "one statement");
	is_refused("SELECT 'a", "no end");
	is_refused("SELECT /* a", "no end");
	is_refused("SELECT $a$ x $b$", "no end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_become_numbers),
	    cmocka_unit_test(test_quoted_text_stays),
	    cmocka_unit_test(test_what_would_be_no_value_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
