#include "lib/cmdline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
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

static struct tele_seal_key key;
static struct tele_parameter every_parameters[] = {
    {.name = "pin", .type = "text", .required = true, .secret = true},
    {.name = "count", .type = "integer", .minimum = "1"},
    {.name = "env", .type = "choice", .choices = envs, .nchoices = 2},
    {.name = "for", .type = "duration"},
    {.name = "on", .type = "date", .default_value = "today"},
    {.name = "tag", .type = "pattern", .pattern = "v[0-9]+"},
    {.name = "factor", .type = "number"},
    {.name = "force", .type = "boolean"},
};
static const struct tele_command every = {
    .name = "every", .usage = "/every", .parameters = every_parameters, .nparameters = COUNT(every_parameters), .seal = &key, .interactive = true};

static void expect_shown(const struct tele_command *c, const char *rest, const char *shown)
{
	struct tele_buf out = {0};

	assert_int_equal(tele_cmdline_shown(c, rest, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), shown);
	tele_buf_release(&out);
}

static void shows_a_line_without_its_secrets(void **state)
{
	expect_shown(&restart, "web  'staging", "web  'staging");
	expect_shown(&every, "hunter2  5 env=staging ", "•••  5 env=staging ");
	expect_shown(&every, "5=5 count=7", "••• count=7");
	expect_shown(&every, "env=staging\npin=\"a \\\" b\"\n3", "env=staging\npin=•••\n3");
	expect_shown(&every, "'hunter2 5", "•••");
	expect_shown(&every, "hunter2 5 staging 5m today v1 1 yes more", "•••");
	expect_shown(&every, "", "");
}

/* Lines of all that means something to the reader, put together at random. SEKRIT is no value of anything but the secret. */
static void no_line_crashes_or_shows_a_secret(void **state)
{
	static const char *const pieces[] = {"SEKRIT", "pin=", "count=", "env=", "for=", "on=", "tag=", "factor=", "=", "'", "\"", "\\", " ", " ", "  ", "\n", "\t",
	    "5", "staging", "1h30m", "2d", "+3d", "today", "v12", "-1.5e3", "yes", "é", "😀", "•••", "pim=", "{\"sealed\":", "%s%n", "@ada", "/", "0", "e", "."};

	srand(20261125);
	for (int round = 0; round < 20000; round++) {
		struct tele_buf line = {0}, args = {0}, complaint = {0}, shown = {0};
		const struct tele_command *c = round % 4 ? &every : round % 8 ? &restart : &say;
		enum tele_err rc;

		for (int n = rand() % 12; n >= 0; n--)
			tele_buf_str(&line, pieces[(size_t)rand() % COUNT(pieces)]);
		rc = tele_cmdline_arguments(c, tele_buf_text(&line), &args, &complaint);
		assert_true(rc == TELE_OK || rc == TELE_EMPTY || rc == TELE_INVALID);
		assert_int_equal(rc == TELE_INVALID, complaint.len > 0);
		assert_int_equal(tele_cmdline_shown(c, tele_buf_text(&line), &shown), TELE_OK);
		if (c == &every) {
			assert_null(strstr(tele_buf_text(&args), "SEKRIT"));
			assert_null(strstr(tele_buf_text(&complaint), "SEKRIT"));
			assert_true(rc == TELE_INVALID || !strstr(tele_buf_text(&shown), "SEKRIT"));
		}
		tele_buf_release(&line);
		tele_buf_release(&args);
		tele_buf_release(&complaint);
		tele_buf_release(&shown);
	}
}

static void no_bytes_crash(void **state)
{
	char line[200];

	srand(20261126);
	for (int round = 0; round < 20000; round++) {
		struct tele_buf args = {0}, complaint = {0}, shown = {0};
		size_t n = (size_t)rand() % (sizeof line - 1);
		enum tele_err rc;

		for (size_t i = 0; i < n; i++)
			line[i] = (char)(1 + rand() % (round % 2 ? 255 : 127));
		line[n] = '\0';
		rc = tele_cmdline_arguments(round % 3 ? &every : &restart, line, &args, &complaint);
		assert_true(rc == TELE_OK || rc == TELE_EMPTY || rc == TELE_INVALID);
		assert_int_equal(tele_cmdline_shown(&every, line, &shown), TELE_OK);
		tele_buf_release(&args);
		tele_buf_release(&complaint);
		tele_buf_release(&shown);
	}
}

static int compile_pattern(void **state)
{
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT];
	struct tele_buf why = {0};

	if (tele_seal_keygen(secret, public) != TELE_OK || tele_seal_key_read(public, &key) != TELE_OK)
		return -1;
	return tele_pattern_compile(every_parameters[5].pattern, &every_parameters[5].compiled, &why) != TELE_OK;
}

static int free_pattern(void **state)
{
	tele_pattern_free(every_parameters[5].compiled);
	return 0;
}

static void expect_with(const struct tele_command *c, const char *rest, const struct tele_attachment *document, enum tele_err rc, const char *said)
{
	struct tele_buf out = {0}, complaint = {0};

	assert_int_equal(tele_cmdline_arguments_with(c, rest, document, &out, &complaint), rc);
	assert_string_equal(tele_buf_text(rc == TELE_INVALID ? &complaint : &out), said);
	tele_buf_release(&out);
	tele_buf_release(&complaint);
}

static void takes_a_document_beside_the_words(void **state)
{
	static struct tele_parameter p[] = {{.name = "doc", .type = "file", .required = true}, {.name = "n", .type = "integer"}, {.name = "note", .type = "text"},
	    {.name = "more", .type = "file"}};
	static struct tele_command load = {.name = "load", .usage = "/load <doc: file>", .parameters = p, .nparameters = 4};
	const struct tele_attachment own = {.file_id = "F", .name = "../x y.csv", .size = 3}, answered = {.file_id = "F", .name = "", .answered = true};
	const char doc[] = "{\"doc\":{\"document\":\"F\",\"name\":\"x_y.csv\",\"size\":3}}";

	expect_with(&load, "", &own, TELE_OK, doc);
	expect_with(&load, "7 the 'rest' as it stands", &own, TELE_OK,
	    "{\"doc\":{\"document\":\"F\",\"name\":\"x_y.csv\",\"size\":3},\"n\":\"7\",\"note\":\"the 'rest' as it stands\"}");
	expect_with(&load, "", NULL, TELE_INVALID,
	    "doc is missing: send the command as the caption of a document, or as a reply to one.\nUsage: /load <doc: file>");
	expect_with(&load, "doc=/etc/passwd", &own, TELE_INVALID,
	    "doc must be a file: send the command as the caption of a document, or as a reply to one, not \"/etc/passwd\".\nUsage: /load <doc: file>");
	expect_with(&bare, "", &own, TELE_INVALID, "It takes no file, but one came.\nUsage: /uptime");
	expect_with(&bare, "", &answered, TELE_OK, "{}");
	load.interactive = true;
	expect_with(&load, "7", NULL, TELE_EMPTY, "{\"n\":\"7\"}");
	load.interactive = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits_name_mention_and_rest),
	    cmocka_unit_test(last_text_takes_the_rest_as_it_stands),
	    cmocka_unit_test(reads_positions_names_and_quotes),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(shows_whole_characters_of_a_long_value),
	    cmocka_unit_test(shows_a_line_without_its_secrets),
	    cmocka_unit_test(no_line_crashes_or_shows_a_secret),
	    cmocka_unit_test(no_bytes_crash),
	    cmocka_unit_test(takes_a_document_beside_the_words),
	};

	return cmocka_run_group_tests(tests, compile_pattern, free_pattern);
}
