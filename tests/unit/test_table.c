#include "engine/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct table *t)
{
	table_begin(t, 3);
	table_name(t, 0, "n", true);
	table_name(t, 1, "name", false);
	table_name(t, 2, "x", false);
	table_add(t, (const char *[]){"1", "Zo\xc3\xab", "a"});
	table_add(t, (const char *[]){"200", NULL, "b\nc"});
	table_add(t, (const char *[]){"-3", "Li, \"X\"", ""});
}

static void test_text(void **state)
{
	struct table t = {0};
	struct tele_buf out = {0};

	fill(&t);
	assert_int_equal(table_area(&t), (3 + 2 + 7 + 2 + 3 + 2) * 5);
	table_text(&t, &out);
	assert_string_equal(tele_buf_text(&out), "  n  name     x\n"
	                                         "---  -------  ---\n"
	                                         "  1  Zo\xc3\xab      a\n"
	                                         "200           b c\n"
	                                         " -3  Li, \"X\"");
	assert_int_equal(t.rows, 3);
	tele_buf_release(&out);
	table_release(&t);
}

static void test_csv(void **state)
{
	struct table t = {0};
	struct tele_buf out = {0};

	fill(&t);
	table_csv(&t, &out);
	assert_string_equal(tele_buf_text(&out), "n,name,x\n1,Zo\xc3\xab,a\n200,,\"b\nc\"\n-3,\"Li, \"\"X\"\"\",\"\"\n");
	tele_buf_release(&out);
	table_release(&t);
}

static void test_many_rows(void **state)
{
	struct table t = {0};
	struct tele_buf out = {0};

	table_begin(&t, 1);
	table_name(&t, 0, "a", false);
	for (int i = 0; i < 1000; i++)
		table_add(&t, (const char *[]){"x"});
	table_csv(&t, &out);
	assert_int_equal(out.len, 2 * 1001);
	assert_int_equal(t.bytes, 1000);
	assert_false(t.failed);
	tele_buf_release(&out);
	table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_csv), cmocka_unit_test(test_many_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
