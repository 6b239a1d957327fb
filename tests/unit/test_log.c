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

static void say_much(void)
{
	struct tele_field filling = tele_str("filling", "some words that make a line longer than its event alone would make it");

	tele_log_hold();
	tele_log(TELE_INFO, "first");
	tele_log(TELE_INFO, "second", filling);
	for (int i = 0; i < 100; i++)
		tele_log(TELE_INFO, "many", tele_int("n", i), filling);
	tele_log_let_go();
	tele_log(TELE_INFO, "last");
}

/* A file, since a pipe would have to be read meanwhile. */
static void held_lines_come_whole_and_in_order(void **state)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), n = 0;
	char line[512], wanted[32];

	assert_non_null(file);
	tele_log_init("test", "info", "logfmt");
	dup2(fileno(file), STDERR_FILENO);
	say_much();
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	assert_non_null(fgets(line, sizeof line, file));
	assert_non_null(strstr(line, "event=first\n"));
	assert_non_null(fgets(line, sizeof line, file));
	assert_non_null(strstr(line, "event=second "));
	for (; n < 100 && fgets(line, sizeof line, file); n++) {
		snprintf(wanted, sizeof wanted, " n=%d filling=", n);
		assert_non_null(strstr(line, wanted));
		assert_memory_equal(line, "ts=", 3);
	}
	assert_int_equal(n, 100);
	assert_non_null(fgets(line, sizeof line, file));
	assert_non_null(strstr(line, "event=last\n"));
	assert_null(fgets(line, sizeof line, file));
	fclose(file);
}

static void say_two_together(void)
{
	tele_log_hold();
	tele_log(TELE_INFO, "first");
	tele_log_let_go();
	tele_log_hold();
	tele_log_let_go();
}

static void nothing_held_writes_nothing(void **state)
{
	capture(say_two_together);
	assert_non_null(strstr(text, "event=first\n"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_line_whatever_the_value),
	    cmocka_unit_test(json_lines),
	    cmocka_unit_test(held_lines_come_whole_and_in_order),
	    cmocka_unit_test(nothing_held_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
