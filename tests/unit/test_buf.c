#include "lib/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void grows_and_stays_terminated(void **state)
{
	struct tele_buf b = {0};

	assert_string_equal(tele_buf_text(&b), "");
	for (int i = 0; i < 1000; i++)
		tele_buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, strlen(b.data));
	assert_memory_equal(b.data + b.len - 8, "998,999,", 8);
	tele_buf_reset(&b);
	assert_string_equal(tele_buf_text(&b), "");
	tele_buf_release(&b);
}

static void hands_its_text_over(void **state)
{
	struct tele_buf b = {0};
	char *text;

	tele_buf_str(&b, "ab");
	tele_buf_char(&b, 'c');
	text = tele_buf_detach(&b);
	assert_string_equal(text, "abc");
	assert_null(b.data);
	free(text);
	text = tele_buf_detach(&b);
	assert_string_equal(text, "");
	free(text);
}

static void writes_whole_numbers(void **state)
{
	struct tele_buf b = {0};

	tele_buf_int(&b, 0);
	tele_buf_char(&b, ' ');
	tele_buf_int(&b, -907);
	tele_buf_char(&b, ' ');
	tele_buf_int(&b, LLONG_MIN);
	tele_buf_char(&b, ' ');
	tele_buf_int(&b, LLONG_MAX);
	assert_string_equal(tele_buf_text(&b), "0 -907 -9223372036854775808 9223372036854775807");
	tele_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows_and_stays_terminated),
	    cmocka_unit_test(hands_its_text_over),
	    cmocka_unit_test(writes_whole_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
