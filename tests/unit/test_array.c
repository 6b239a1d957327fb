#include "lib/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

static void writes_literals(void **state)
{
	struct tele_array a = {{0}};

	assert_string_equal(tele_array_text(&a), "{}");
	tele_array_int(&a, 7);
	assert_string_equal(tele_array_text(&a), "{7}");
	tele_array_int(&a, LLONG_MIN);
	tele_array_bool(&a, true);
	tele_array_str(&a, NULL);
	assert_string_equal(tele_array_text(&a), "{7,-9223372036854775808,t,NULL}");
	tele_array_reset(&a);
	tele_array_str(&a, "a\"b\\c}");
	tele_array_str(&a, "");
	assert_string_equal(tele_array_text(&a), "{\"a\\\"b\\\\c}\",\"\"}");
	tele_array_release(&a);
}

static void reads_what_it_wrote(void **state)
{
	static const char *const values[] = {"plain", "", "with \"quotes\" and \\", "a,b}", "{x}", "é 漢 🚀", "NULL"};
	struct tele_array a = {{0}};
	char **items;
	size_t n;

	for (size_t i = 0; i < 7; i++)
		tele_array_str(&a, values[i]);
	assert_int_equal(tele_array_parse(tele_array_text(&a), &items, &n), TELE_OK);
	assert_int_equal(n, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(items[i], values[i]);
	tele_array_free(items, n);
	tele_array_release(&a);
}

static void reads_bare_words_and_refuses_rubbish(void **state)
{
	char **items;
	size_t n;

	assert_int_equal(tele_array_parse("{}", &items, &n), TELE_OK);
	assert_int_equal(n, 0);
	tele_array_free(items, n);
	assert_int_equal(tele_array_parse("{web,db1}", &items, &n), TELE_OK);
	assert_int_equal(n, 2);
	assert_string_equal(items[1], "db1");
	tele_array_free(items, n);
	assert_int_equal(tele_array_parse("web", &items, &n), TELE_INVALID);
	assert_int_equal(tele_array_parse("{\"open", &items, &n), TELE_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_literals),
	    cmocka_unit_test(reads_what_it_wrote),
	    cmocka_unit_test(reads_bare_words_and_refuses_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
