#include "lib/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

static enum tele_err match(const char *pattern, const char *value)
{
	struct tele_buf why = {0};
	struct tele_pattern *p = NULL;
	enum tele_err rc;

	assert_int_equal(tele_pattern_compile(pattern, &p, &why), TELE_OK);
	rc = tele_pattern_match(p, value);
	tele_pattern_free(p);
	tele_buf_release(&why);
	return rc;
}

static void the_whole_value_fits(void **state)
{
	assert_int_equal(match("v[0-9]+", "v12"), TELE_OK);
	assert_int_equal(match("v[0-9]+", "v12 "), TELE_INVALID);
	assert_int_equal(match("v[0-9]+", "xv12"), TELE_INVALID);
	assert_int_equal(match("v[0-9]+", "v12\n"), TELE_INVALID);
	assert_int_equal(match("^v[0-9]+$", "v12\n"), TELE_INVALID);
	assert_int_equal(match("a|ab", "ab"), TELE_OK);
	assert_int_equal(match("", ""), TELE_OK);
	assert_int_equal(match("", "x"), TELE_INVALID);
}

static void characters_are_unicodes(void **state)
{
	assert_int_equal(match(".", "é"), TELE_OK);
	assert_int_equal(match(".", "😀"), TELE_OK);
	assert_int_equal(match("\\w+", "שלום"), TELE_OK);
	assert_int_equal(match("\\p{Lu}\\p{Ll}+", "Ärger"), TELE_OK);
	assert_int_equal(match(".", "\xff"), TELE_SYSTEM);
}

static void a_wrong_one_is_told_with_its_place(void **state)
{
	static const struct {
		const char *pattern, *place;
	} cases[] = {{"a(b", "at character 4: "}, {"[z-a]", "at character "}, {"é*+*(", "at character "}, {"a\\Cb", "at character "}, {"*", "at character "}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tele_buf why = {0};
		struct tele_pattern *p = NULL;

		assert_int_equal(tele_pattern_compile(cases[i].pattern, &p, &why), TELE_INVALID);
		assert_int_equal(strncmp(tele_buf_text(&why), cases[i].place, strlen(cases[i].place)), 0);
		assert_true(why.len > strlen(cases[i].place) + 5);
		assert_null(p);
		tele_buf_release(&why);
	}
}

static void none_takes_long(void **state)
{
	static const char *const patterns[] = {"(a+)+\\d", "(a|aa)+\\d", "(a*)*[bc]", "(.*.*.*.*.*.*)[xy]", "(?:a?){60}a{60}c", "([^,]*,)*[^,]*;"};
	char value[3000];
	clock_t began = clock();

	memset(value, 'a', sizeof value);
	value[sizeof value - 1] = '\0';
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		assert_int_not_equal(match(patterns[i], value), TELE_OK);
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 2);
}

static void a_huge_one_is_refused(void **state)
{
	struct tele_buf pattern = {0}, why = {0};
	struct tele_pattern *p = NULL;

	for (int i = 0; i < 60; i++)
		tele_buf_char(&pattern, '(');
	assert_int_equal(tele_pattern_compile(tele_buf_text(&pattern), &p, &why), TELE_INVALID);
	tele_buf_reset(&pattern);
	for (int i = 0; i < 2000; i++)
		tele_buf_char(&pattern, 'x');
	assert_int_equal(tele_pattern_compile(tele_buf_text(&pattern), &p, &why), TELE_INVALID);
	tele_buf_reset(&pattern);
	tele_buf_str(&pattern, "((((((x{1,900}){1,900}){1,900}){1,900}){1,900}){1,900})");
	assert_int_equal(tele_pattern_compile(tele_buf_text(&pattern), &p, &why), TELE_INVALID);
	tele_buf_release(&pattern);
	tele_buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_whole_value_fits),
	    cmocka_unit_test(characters_are_unicodes),
	    cmocka_unit_test(a_wrong_one_is_told_with_its_place),
	    cmocka_unit_test(none_takes_long),
	    cmocka_unit_test(a_huge_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
