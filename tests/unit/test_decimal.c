#include "lib/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <string.h>

static void knows_numbers(void **state)
{
	static const char *const good[] = {"0", "-0", "+7", "007", ".5", "5.", "-1.5e-10", "1E+3", "1e308",
	    "1234567890123456789012345678901234567890123456789012345678901234"};
	static const char *const bad[] = {"", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1,5", " 1", "1 ", "0x10", "inf", "nan", "--1", "1e309", "1e99999", "1e5x",
	    "12345678901234567890123456789012345678901234567890123456789012345", "\xd9\xa1"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(tele_decimal_is(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(tele_decimal_is(bad[i]));
}

static void expect_less(const char *a, const char *b)
{
	assert_true(tele_decimal_compare(a, b) < 0);
	assert_true(tele_decimal_compare(b, a) > 0);
	assert_int_equal(tele_decimal_compare(a, a), 0);
}

static void compares_exactly(void **state)
{
	expect_less("9", "10");
	expect_less("-10", "-9");
	expect_less("-1", "0");
	expect_less("-0.001", "0");
	expect_less("0", "1e-308");
	/* As doubles these are equal. */
	expect_less("0.30000000000000000001", "0.30000000000000000002");
	expect_less("999999999999999999", "1000000000000000000");
	expect_less("9007199254740992", "9007199254740993");
	expect_less("0.1", "1e0");
	expect_less("99e-1", "10");
	expect_less("1", "1.0000000000000000000000000000001");
	assert_int_equal(tele_decimal_compare("1.50", "+1.5"), 0);
	assert_int_equal(tele_decimal_compare("100", "1e2"), 0);
	assert_int_equal(tele_decimal_compare("-0", "0.00"), 0);
	assert_int_equal(tele_decimal_compare("0.0e5", "0"), 0);
	assert_int_equal(tele_decimal_compare(".5", "5e-1"), 0);
}

static void expect_written(const char *number, const char *text)
{
	struct tele_buf out = {0};

	tele_decimal_write(&out, number);
	assert_string_equal(tele_buf_text(&out), text);
	tele_buf_release(&out);
}

static void writes_what_json_takes(void **state)
{
	expect_written("2.5e0", "2.5e0");
	expect_written("+.5", "0.5");
	expect_written("-.5", "-0.5");
	expect_written("5.", "5");
	expect_written("5.e3", "5e3");
	expect_written("007", "7");
	expect_written("-000.10", "-0.10");
	expect_written("0", "0");
	expect_written("00", "0");
}

static void no_locale_changes_it(void **state)
{
	/* Where it is installed, this one writes 1,5; where not, nothing is set and nothing proved. */
	setlocale(LC_ALL, "de_DE.UTF-8");
	assert_true(tele_decimal_is("1.5"));
	assert_false(tele_decimal_is("1,5"));
	expect_less("1.4", "1.5");
	setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_numbers),
	    cmocka_unit_test(compares_exactly),
	    cmocka_unit_test(writes_what_json_takes),
	    cmocka_unit_test(no_locale_changes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
