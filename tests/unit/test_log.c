#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char text[4096];

/* What is written to standard error while fn runs. */
static void capture(void (*fn)(void))
{
	int saved = dup(STDERR_FILENO);
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	close(ends[1]);
	close(saved);
	n = read(ends[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
}

static void say_things(void)
{
	tele_log(TELE_INFO, "claimed", tele_int("task", -5), tele_str("line", "/say \"hi\"\nlevel=error"), tele_str("empty", ""));
	tele_log(TELE_DEBUG, "quiet");
}

static void one_line_whatever_the_value(void **state)
{
	tele_log_init("test", "info", "logfmt");
	capture(say_things);
	assert_non_null(strstr(text, " level=info prog=test event=claimed task=-5 line=\"/say \\\"hi\\\"\\nlevel=error\" empty=\"\"\n"));
	assert_null(strstr(text, "quiet"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void json_lines(void **state)
{
	tele_log_init("test", "debug", "json");
	capture(say_things);
	assert_memory_equal(text, "{\"ts\":\"", 7);
	assert_non_null(strstr(text, ",\"event\":\"claimed\",\"task\":-5,\"line\":\"/say \\\"hi\\\"\\nlevel=error\",\"empty\":\"\"}\n"));
	assert_non_null(strstr(text, "\"event\":\"quiet\"}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_line_whatever_the_value),
	    cmocka_unit_test(json_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
