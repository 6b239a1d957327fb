#include "lib/filename.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void leaves_nothing_that_means_something(void **state)
{
	static const struct {
		const char *name, *clean;
	} cases[] = {
	    {"report.csv", "report.csv"}, {"../../etc/passwd", "passwd"}, {"C:\\temp\\x.txt", "x.txt"}, {"", "file"}, {"...", "file"}, {"a/", "file"},
	    {"-rf", "rf"}, {".hidden", "hidden"}, {"two words.txt", "two_words.txt"}, {"a\nb;c|d&e$f`g", "a_b_c_d_e_f_g"}, {"grün.pdf", "grün.pdf"},
	    {"x\xff\xfey", "x__y"}, {"x\u202etxt.exe", "x_txt.exe"}, {"\x01\x7f", "__"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tele_buf out = {0};

		tele_filename_clean(&out, cases[i].name);
		assert_string_equal(tele_buf_text(&out), cases[i].clean);
		assert_true(tele_filename_is(tele_buf_text(&out)));
		tele_buf_release(&out);
	}
}

static void keeps_the_ending_of_a_long_one(void **state)
{
	struct tele_buf name = {0}, out = {0};

	for (int i = 0; i < 200; i++)
		tele_buf_str(&name, "ü");
	tele_buf_str(&name, ".tar");
	tele_filename_clean(&out, tele_buf_text(&name));
	assert_int_equal(out.len, TELE_FILENAME_MOST);
	assert_string_equal(tele_buf_text(&out) + out.len - 4, ".tar");
	tele_buf_release(&name);
	tele_buf_release(&out);
}

static void no_bytes_make_a_path(void **state)
{
	srand(1);
	for (int round = 0; round < 20000; round++) {
		char name[40] = "";
		struct tele_buf out = {0};

		for (int i = 0; i < rand() % 39; i++)
			name[i] = "a./\\- \n\xc3\xbc\xe2\x80\xae"[rand() % 12];
		tele_filename_clean(&out, name);
		assert_true(tele_filename_is(tele_buf_text(&out)) && out.len <= TELE_FILENAME_MOST);
		tele_buf_release(&out);
	}
}

static void knows_what_cannot_be_one(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "-x", "a\nb", ".x"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(tele_filename_is(bad[i]));
	assert_true(tele_filename_is("a b.txt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(leaves_nothing_that_means_something),
	    cmocka_unit_test(keeps_the_ending_of_a_long_one),
	    cmocka_unit_test(no_bytes_make_a_path),
	    cmocka_unit_test(knows_what_cannot_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
