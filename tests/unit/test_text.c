#include "lib/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const char smile[] = "a\xf0\x9f\x98\x80" "b"; /* four units: one, two, one */

static void counts_units_of_utf16(void **state)
{
	assert_int_equal(tele_text_units("", 0), 0);
	assert_int_equal(tele_text_units("caf\xc3\xa9", 5), 4);
	assert_int_equal(tele_text_units(smile, 6), 4);
}

static void cuts_between_characters(void **state)
{
	assert_int_equal(tele_text_cut(smile, 6, 1), 1);
	assert_int_equal(tele_text_cut(smile, 6, 2), 1); /* half a pair does not fit */
	assert_int_equal(tele_text_cut(smile, 6, 3), 5);
	assert_int_equal(tele_text_cut(smile, 6, 99), 6);
	assert_int_equal(tele_text_tail(smile, 6, 1), 5);
	assert_int_equal(tele_text_tail(smile, 6, 2), 5);
	assert_int_equal(tele_text_tail(smile, 6, 3), 1);
}

static void parts_end_at_lines(void **state)
{
	assert_int_equal(tele_text_part("12345", 5, 10), 5);
	assert_int_equal(tele_text_part("1234567\n9abc", 12, 10), 8);
	assert_int_equal(tele_text_part("1\n3456789abc", 12, 10), 10); /* too early a line end would make many small parts */
	assert_int_equal(tele_text_part("123456789abc", 12, 10), 10);
}

static void cleans(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
	    {"plain", 5, "plain"},
	    {"a\0b", 3, "ab"},
	    {"\xff", 1, "\xef\xbf\xbd"},
	    {"caf\xc3", 4, "caf\xef\xbf\xbd"},
	    {"\xc3(", 2, "\xef\xbf\xbd("},
	    {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
	    {"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"}, /* an overlong slash */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tele_buf out = {0};

		tele_text_clean(&out, cases[i].in, cases[i].n);
		assert_string_equal(tele_buf_text(&out), cases[i].out);
		tele_buf_release(&out);
	}
}

/* A surrogate and a number beyond Unicode are no characters, however they are written. */
static void cleans_what_only_looks_like_a_character(void **state)
{
	static const char *const cases[] = {"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tele_buf out = {0};

		tele_text_clean(&out, cases[i], strlen(cases[i]));
		assert_null(strpbrk(tele_buf_text(&out), "\xed\xf4\xf8"));
		assert_true(out.len % 3 == 0 && out.len > 0);
		tele_buf_release(&out);
	}
}

static void shows(const char *text, const char *expected)
{
	struct tele_buf out = {0};

	tele_text_terminal(&out, text, strlen(text));
	assert_string_equal(tele_buf_text(&out), expected);
	tele_buf_release(&out);
}

static void a_terminal_shows_the_last_state_of_a_line(void **state)
{
	shows("plain\ttext\n", "plain\ttext\n");
	shows("10%\r50%\r100%\ndone\n", "100%\ndone\n");
	shows("100%\r", "100%");
	shows("dos\r\nlines\r\n", "dos\nlines\n");
	shows("\033[1;31mred\033[0m and \033]0;title\aplain", "red and plain");
	shows("\033[2K\033[Gtext\033(B", "textB");
	shows("cut off \033[1", "cut off ");
	shows("caf\xc3\xa9\b\be\x07!", "cae!");
	shows("\b\b", "");
	shows("a\n\bb", "a\nb");
	shows("\xe2\x96\x88 1\r\xe2\x96\x88\xe2\x96\x88 2", "\xe2\x96\x88\xe2\x96\x88 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_terminal_shows_the_last_state_of_a_line),
	    cmocka_unit_test(counts_units_of_utf16), cmocka_unit_test(cuts_between_characters),
	    cmocka_unit_test(parts_end_at_lines), cmocka_unit_test(cleans), cmocka_unit_test(cleans_what_only_looks_like_a_character)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
