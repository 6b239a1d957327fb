#include "lib/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/test_conf.XXXXXX";

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	setenv("TELEOPS_CONFIG", path, 1);
	return close(fd);
}

static int remove_file(void **state)
{
	return unlink(path);
}

static void reads_file_and_environment(void **state)
{
	struct tele_conf c;
	struct tele_buf err = {0};

	write_file("# comment\n\n slots = 3 \nqueues=a,b\nlog_level =\ninsecure_same_user = yes\nsend_rate = 7\n");
	setenv("TELEOPS_SEND_RATE", "0", 1);
	setenv("TELEOPS_QUEUES", "", 1);
	assert_int_equal(tele_conf_load(&c, &err), TELE_OK);
	assert_int_equal(c.slots, 3);
	assert_int_equal(c.send_rate, 0);
	assert_string_equal(c.queues, "a,b");
	assert_string_equal(c.log_level, "info");
	assert_true(c.insecure_same_user);
	assert_null(c.database);
	tele_conf_release(&c);
	unsetenv("TELEOPS_SEND_RATE");
	unsetenv("TELEOPS_QUEUES");
	tele_buf_release(&err);
}

static void names_file_and_line_of_each_mistake(void **state)
{
	struct tele_conf c;
	struct tele_buf err = {0};
	char expected[256];

	write_file("slots = 3\nslotz = 4\nnonsense\nbatch = none\nslots = 0\n");
	assert_int_equal(tele_conf_load(&c, &err), TELE_INVALID);
	snprintf(expected, sizeof expected, "%s:2: unknown setting \"slotz\"\n%s:3: expected key = value\n", path, path);
	assert_memory_equal(tele_buf_text(&err), expected, strlen(expected));
	assert_non_null(strstr(tele_buf_text(&err), ":4: batch must be a whole number from 1 to 1000"));
	assert_non_null(strstr(tele_buf_text(&err), ":5: slots must be"));
	tele_conf_release(&c);
	tele_buf_release(&err);
}

static void reads_secrets_from_files(void **state)
{
	struct tele_conf c;
	struct tele_buf err = {0};

	write_file("12:abc\n");
	setenv("TELEOPS_CONFIG", "/dev/null", 1);
	setenv("TELEOPS_BOT_TOKEN_FILE", path, 1);
	assert_int_equal(tele_conf_load(&c, &err), TELE_OK);
	assert_string_equal(c.bot_token, "12:abc");
	tele_conf_release(&c);
	setenv("TELEOPS_BOT_TOKEN_FILE", "/nonexistent/token", 1);
	assert_int_equal(tele_conf_load(&c, &err), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&err), "/nonexistent/token"));
	tele_conf_release(&c);
	/* An empty secret would fit whoever sends none. */
	write_file(" \n");
	setenv("TELEOPS_BOT_TOKEN_FILE", path, 1);
	assert_int_equal(tele_conf_load(&c, &err), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&err), "is empty"));
	assert_null(c.bot_token);
	tele_conf_release(&c);
	unsetenv("TELEOPS_BOT_TOKEN_FILE");
	setenv("TELEOPS_CONFIG", path, 1);
	tele_buf_release(&err);
}

static void says_what_is_missing(void **state)
{
	struct tele_conf c;
	struct tele_buf err = {0};

	write_file("");
	assert_int_equal(tele_conf_load(&c, &err), TELE_OK);
	assert_int_equal(tele_conf_require(&c, &err, (const char *[]){"api_base", "bot_token", NULL}), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&err), "bot_token is missing"));
	assert_null(strstr(tele_buf_text(&err), "api_base"));
	tele_conf_release(&c);
	tele_buf_release(&err);
}

/* With the signs before its keys taken away the example is a file that can be read, and says what holds anyway. */
static void example_says_what_holds(void **state)
{
	struct tele_conf plain, c;
	struct tele_buf out = {0}, err = {0};

	tele_conf_example(&out);
	for (char *at = out.data; (at = strstr(at, "\n#")); at++)
		if (at[2] != ' ')
			at[1] = ' ';
	write_file("");
	assert_int_equal(tele_conf_load(&plain, &err), TELE_OK);
	write_file(tele_buf_text(&out));
	assert_int_equal(tele_conf_load(&c, &err), TELE_OK);
	assert_non_null(strstr(tele_buf_text(&out), "slots = 8\n"));
	assert_int_equal(c.slots, plain.slots);
	assert_int_equal(c.send_rate, plain.send_rate);
	assert_string_equal(c.exec_dir, plain.exec_dir);
	assert_null(c.database);
	tele_conf_release(&plain);
	tele_conf_release(&c);
	tele_buf_release(&out);
	tele_buf_release(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_file_and_environment),
	    cmocka_unit_test(names_file_and_line_of_each_mistake),
	    cmocka_unit_test(reads_secrets_from_files),
	    cmocka_unit_test(says_what_is_missing),
	    cmocka_unit_test(example_says_what_holds),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
