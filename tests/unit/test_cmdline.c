#include "lib/cmdline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct tele_parameter say_parameters[] = {{.name = "text", .type = "text", .required = true}};
static const struct tele_command say = {.name = "say", .usage = "/say <text>", .parameters = say_parameters, .nparameters = 1};

static char *envs[] = {"staging", "production"};
static struct tele_parameter restart_parameters[] = {
    {.name = "service", .type = "text", .required = true, .minimum = "2", .maximum = "8"},
    {.name = "env", .type = "choice", .required = true, .choices = envs, .nchoices = 2},
    {.name = "count", .type = "integer", .default_value = "1", .minimum = "1", .maximum = "9"},
    {.name = "factor", .type = "number", .minimum = "-1.5"},
    {.name = "force", .type = "boolean"},
};
static const struct tele_command restart = {
    .name = "restart", .usage = "/restart <service> <env> [count] [factor] [force]", .parameters = restart_parameters, .nparameters = COUNT(restart_parameters)};
static const struct tele_command bare = {.name = "uptime", .usage = "/uptime"};

static void expect(const struct tele_command *c, const char *rest, const char *args)
{
	struct tele_buf out = {0}, complaint = {0};

	assert_int_equal(tele_cmdline_arguments(c, rest, &out, &complaint), TELE_OK);
	assert_string_equal(tele_buf_text(&out), args);
	tele_buf_release(&out);
	tele_buf_release(&complaint);
}

static void expect_complaint(const struct tele_command *c, const char *rest, const char *words)
{
	struct tele_buf out = {0}, complaint = {0};

	assert_int_equal(tele_cmdline_arguments(c, rest, &out, &complaint), TELE_INVALID);
	assert_string_equal(tele_buf_text(&complaint), words);
	assert_int_equal(out.len, 0);
	tele_buf_release(&out);
	tele_buf_release(&complaint);
}

static void splits_name_mention_and_rest(void **state)
{
	struct tele_cmdline l;

	assert_int_equal(tele_cmdline_split("/Say@Ops_Bot  hi there", &l), TELE_OK);
	assert_string_equal(l.name, "say");
	assert_string_equal(l.mention, "Ops_Bot");
	assert_string_equal(l.rest, "hi there");
	assert_int_equal(tele_cmdline_split("/x\nline", &l), TELE_OK);
	assert_string_equal(l.rest, "line");
	assert_int_equal(tele_cmdline_split("say", &l), TELE_NOTFOUND);
	assert_int_equal(tele_cmdline_split("/", &l), TELE_NOTFOUND);
	assert_int_equal(tele_cmdline_split("/etc/passwd", &l), TELE_NOTFOUND);
	assert_int_equal(tele_cmdline_split("/a234567890123456789012345678901234", &l), TELE_NOTFOUND);
}

static void last_text_takes_the_rest_as_it_stands(void **state)
{
	expect(&say, "hello", "{\"text\":\"hello\"}");
	expect(&say, "a  'b\" \\ c=d \n", "{\"text\":\"a  'b\\\" \\\\ c=d\"}");
	expect(&say, "text=hello  you", "{\"text\":\"hello  you\"}");
	expect(&say, "سلام 🚀", "{\"text\":\"سلام 🚀\"}");
	expect_complaint(&say, "  ", "text is missing.\nUsage: /say <text>");
}

static void reads_positions_names_and_quotes(void **state)
{
	expect(&restart, "web staging", "{\"service\":\"web\",\"env\":\"staging\",\"count\":\"1\"}");
	expect(&restart, "env=staging web", "{\"service\":\"web\",\"env\":\"staging\",\"count\":\"1\"}");
	expect(&restart, "'my web' \"production\" +7 2.5e0 YES", "{\"service\":\"my web\",\"env\":\"production\",\"count\":\"7\",\"factor\":\"2.5e0\",\"force\":\"true\"}");
	expect(&restart, "a\\ b staging force=off", "{\"service\":\"a b\",\"env\":\"staging\",\"count\":\"1\",\"force\":\"false\"}");
	expect(&restart, "x=y staging", "{\"service\":\"x=y\",\"env\":\"staging\",\"count\":\"1\"}");
	expect(&bare, " \n", "{}");
}

static void says_what_is_wrong(void **state)
{
	static const char usage[] = "\nUsage: /restart <service> <env> [count] [factor] [force]";
	static const struct {
		const char *rest, *words;
	} cases[] = {
	    {"web", "env is missing."},
	    {"web moon", "env must be one of staging, production, not \"moon\"."},
	    {"web staging 10", "count must be a whole number from 1 to 9, not \"10\"."},
	    {"web staging 0x5", "count must be a whole number from 1 to 9, not \"0x5\"."},
	    {"web staging 99999999999999999999", "count must be a whole number from 1 to 9, not \"99999999999999999999\"."},
	    {"web staging 1 nan", "factor must be a number, at least -1.5, not \"nan\"."},
	    {"web staging 1 -2", "factor must be a number, at least -1.5, not \"-2\"."},
	    {"web staging 1 1 maybe", "force must be yes or no, not \"maybe\"."},
	    {"w staging", "service must be a text of 2 to 8 characters, not \"w\"."},
	    {"web staging 1 1 yes more", "Too many arguments at \"more\"."},
	    {"web staging env=staging", "env is given twice."},
	    {"'web staging", "A quote is not closed in the value of service."},
	};
	char words[256];

	for (size_t i = 0; i < COUNT(cases); i++) {
		strcpy(words, cases[i].words);
		strcat(words, usage);
		expect_complaint(&restart, cases[i].rest, words);
	}
	expect_complaint(&bare, "now", "It takes no arguments, but \"now\" came.\nUsage: /uptime");
}

static void shows_whole_characters_of_a_long_value(void **state)
{
	struct tele_buf out = {0}, complaint = {0};
	char rest[200] = "web x";

	for (int i = 0; i < 40; i++)
		strcat(rest, "é");
	assert_int_equal(tele_cmdline_arguments(&restart, rest, &out, &complaint), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&complaint), "é\"."));
	tele_buf_release(&complaint);
	tele_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits_name_mention_and_rest),
	    cmocka_unit_test(last_text_takes_the_rest_as_it_stands),
	    cmocka_unit_test(reads_positions_names_and_quotes),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(shows_whole_characters_of_a_long_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
