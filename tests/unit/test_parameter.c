#include "lib/parameter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void expect(const struct tele_parameter *p, const char *value, const char *normal)
{
	struct tele_buf out = {0}, again = {0};

	assert_int_equal(tele_parameter_check(p, value, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), normal);
	/* What is kept could have been typed, and means the same. */
	assert_int_equal(tele_parameter_check(p, tele_buf_text(&out), &again), TELE_OK);
	assert_string_equal(tele_buf_text(&again), normal);
	tele_buf_release(&out);
	tele_buf_release(&again);
}

static void expect_bad(const struct tele_parameter *p, const char *value, const char *expected)
{
	struct tele_buf out = {0};

	assert_int_equal(tele_parameter_check(p, value, &out), TELE_INVALID);
	assert_string_equal(tele_buf_text(&out), expected);
	tele_buf_release(&out);
}

static void texts_by_length_in_characters(void **state)
{
	const struct tele_parameter any = {.type = "text"}, some = {.type = "text", .minimum = "2", .maximum = "3"}, most = {.type = "text", .maximum = "3"},
	                            least = {.type = "text", .minimum = "2"};

	expect(&any, "", "");
	expect(&any, "  as it stands \n", "  as it stands \n");
	expect(&some, "ab", "ab");
	expect(&some, "😀éx", "😀éx");
	expect_bad(&some, "a", "a text of 2 to 3 characters");
	expect_bad(&some, "abcd", "a text of 2 to 3 characters");
	expect_bad(&most, "😀😀😀😀", "a text of 0 to 3 characters");
	expect_bad(&least, "é", "a text of at least 2 characters");
}

static void whole_numbers(void **state)
{
	const struct tele_parameter any = {.type = "integer"}, some = {.type = "integer", .minimum = "-3", .maximum = "9"};

	expect(&any, "+007", "7");
	expect(&any, "-0", "0");
	expect(&any, "999999999999999999", "999999999999999999");
	expect(&any, "-999999999999999999", "-999999999999999999");
	expect(&some, "-3", "-3");
	expect(&some, "9", "9");
	expect_bad(&some, "-4", "a whole number from -3 to 9");
	expect_bad(&some, "10", "a whole number from -3 to 9");
	static const char *const bad[] = {"", "-", "1.0", "1e3", " 1", "1 ", "0x1", "1000000000000000000", "99999999999999999999", "١", "one", "1\n"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_bad(&any, bad[i], "a whole number");
}

static void numbers_to_the_last_digit(void **state)
{
	const struct tele_parameter any = {.type = "number"}, some = {.type = "number", .minimum = "0.1", .maximum = "0.30000000000000000001"};

	expect(&any, "+.5", "0.5");
	expect(&any, "2.5e0", "2.5e0");
	expect(&some, "0.30000000000000000001", "0.30000000000000000001");
	expect_bad(&some, "0.30000000000000000002", "a number from 0.1 to 0.30000000000000000001");
	expect_bad(&some, "0.0999999999999999999999", "a number from 0.1 to 0.30000000000000000001");
	static const char *const bad[] = {"", ".", "nan", "inf", "0x1p3", "1,5", "1e999", "--1", "1.2.3"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_bad(&any, bad[i], "a number");
}

static void choices(void **state)
{
	char *values[30];
	char *few[] = {"a b", "é"};
	const struct tele_parameter fixed = {.type = "choice", .choices = few, .nchoices = 2}, none = {.type = "choice", .choices_from = "hosts"};
	struct tele_parameter many = {.type = "choice", .choices = values, .nchoices = 30};

	for (int i = 0; i < 30; i++)
		values[i] = "v";
	values[29] = "last";
	expect(&fixed, "a b", "a b");
	expect(&fixed, "é", "é");
	expect(&many, "last", "last");
	expect_bad(&fixed, "A B", "one of a b, é");
	expect_bad(&fixed, "", "one of a b, é");
	expect_bad(&none, "x", "one of the values that /hosts gives, and there are none now");
	expect_bad(&many, "x", "one of v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v … (30 in all)");
}

static void durations(void **state)
{
	const struct tele_parameter any = {.type = "duration"}, some = {.type = "duration", .minimum = "1m", .maximum = "1h30m"};
	static const char expected[] = "a duration, as 90s, 5m, 1h30m or 2d";

	expect(&any, "90s", "90");
	expect(&any, "5m", "300");
	expect(&any, "1h30m", "5400");
	expect(&any, "2d", "172800");
	expect(&any, "1w2d3h4m5s", "788645");
	expect(&any, "0s", "0");
	expect(&any, "45", "45");
	expect(&any, "00090m", "5400");
	expect(&any, "999999999s", "999999999");
	expect(&some, "1m", "60");
	expect(&some, "60", "60");
	expect(&some, "90m", "5400");
	expect_bad(&some, "59s", "a duration from 1m to 1h30m, as 90s, 5m, 1h30m or 2d");
	expect_bad(&some, "5401s", "a duration from 1m to 1h30m, as 90s, 5m, 1h30m or 2d");
	static const char *const bad[] = {"", "s", "m5", "5 m", "5M", "1m1h", "5m5m", "1h 30m", "-5m", "+5m", "1.5h", "5min", "1h30", "1000000000s", "9999999999s", "99999w",
	    "9999999999999999999999d", "٥m", "5µ"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_bad(&any, bad[i], expected);
}

static void dates(void **state)
{
	const struct tele_parameter any = {.type = "date"}, some = {.type = "date", .minimum = "today", .maximum = "+30d"}, later = {.type = "date", .minimum = "today"};

	expect(&any, "2026-11-25", "2026-11-25");
	expect(&any, "2028-02-29", "2028-02-29");
	expect(&any, "2000-02-29", "2000-02-29");
	expect(&any, "0001-01-01", "0001-01-01");
	expect(&any, "Today", "today");
	expect(&any, "TOMORROW", "tomorrow");
	expect(&any, "yesterday", "yesterday");
	expect(&any, "+3d", "+3d");
	expect(&any, "-1D", "-1d");
	expect(&any, "+2w", "+14d");
	expect(&any, "Monday", "mon");
	expect(&any, "sun", "sun");
	expect_bad(&some, "soon", "a date from today to +30d, as 2026-11-25, today, tomorrow, +3d or monday");
	expect_bad(&later, "soon", "a date, not before today, as 2026-11-25, today, tomorrow, +3d or monday");
	static const char *const bad[] = {"", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-04-31", "2026-1-1", "25.11.2026", "11/25/2026",
	    "2026-11-25 ", "2026-11-25T00:00", "0000-01-01", "3d", "+3", "+d", "+3y", "+99999d", "+3dd", "to", "mond", "tod", "20261125"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_bad(&any, bad[i], "a date, as 2026-11-25, today, tomorrow, +3d or monday");
}

static void patterns(void **state)
{
	struct tele_parameter p = {.type = "pattern", .pattern = "v\\d+(\\.\\d+)*"}, slow = {.type = "pattern", .pattern = "(a+)+\\d"};
	const struct tele_parameter broken = {.type = "pattern", .pattern = "("};
	struct tele_buf why = {0};
	char value[200];

	assert_int_equal(tele_pattern_compile(p.pattern, &p.compiled, &why), TELE_OK);
	assert_int_equal(tele_pattern_compile(slow.pattern, &slow.compiled, &why), TELE_OK);
	memset(value, 'a', sizeof value);
	value[sizeof value - 1] = '\0';
	expect(&p, "v1.20.3", "v1.20.3");
	expect_bad(&p, "v1.", "a text that fits the pattern v\\d+(\\.\\d+)*");
	expect_bad(&p, "", "a text that fits the pattern v\\d+(\\.\\d+)*");
	expect_bad(&slow, value, "a text that fits the pattern (a+)+\\d without too long a search");
	expect_bad(&broken, "(", "a text that fits a pattern which itself is wrong: tell an administrator");
	tele_pattern_free(p.compiled);
	tele_pattern_free(slow.compiled);
	tele_buf_release(&why);
}

static void targets(void **state)
{
	const struct tele_parameter p = {.type = "target"};
	char longest[202];

	memset(longest, 'x', sizeof longest);
	longest[200] = '\0';
	expect(&p, "web1", "web1");
	expect(&p, "Web*,db?,env=staging", "Web*,db?,env=staging");
	expect(&p, longest, longest);
	longest[200] = 'x';
	longest[201] = '\0';
	static const char *const bad[] = {"", "a b", "web%", "wéb", "web;x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_bad(&p, bad[i], "an engine: its name, a pattern as web*, or labels as env=staging");
	expect_bad(&p, longest, "an engine: its name, a pattern as web*, or labels as env=staging");
}

static void people(void **state)
{
	const struct tele_parameter p = {.type = "user"};
	char longest[80];

	memset(longest, 'x', sizeof longest);
	longest[64] = '\0';
	expect(&p, "Ada", "ada");
	expect(&p, "@Ada_L", "@ada_l");
	expect(&p, "4503599627370495", "4503599627370495");
	expect(&p, "ada@example.org", "ada@example.org");
	expect(&p, longest, longest);
	longest[64] = 'x';
	longest[65] = '\0';
	static const char *const bad[] = {"", "@", "a b", "ada!", "äda", "@@"};
	expect_bad(&p, longest, "a person: login, @name or Telegram id");
	for (size_t i = 0; i < 5; i++)
		expect_bad(&p, bad[i], "a person: login, @name or Telegram id");
}

static void yes_and_no(void **state)
{
	const struct tele_parameter p = {.type = "boolean"};

	expect(&p, "YES", "true");
	expect(&p, "off", "false");
	expect_bad(&p, "", "yes or no");
	expect_bad(&p, "ja", "yes or no");
}

static void a_type_of_the_future_lets_nothing_pass(void **state)
{
	expect_bad(&(const struct tele_parameter){.type = "moon"}, "x", "a value of type moon, which this version does not know");
}

static struct json_object *read_value(const struct tele_command *c, const char *value, const char *complaint)
{
	struct tele_buf words = {0};
	struct json_object *out = NULL;
	enum tele_err rc = tele_parameter_read(c, &c->parameters[0], value, &out, &words);

	assert_int_equal(rc, complaint ? TELE_INVALID : TELE_OK);
	assert_string_equal(tele_buf_text(&words), complaint ? complaint : "");
	tele_buf_release(&words);
	return out;
}

static void arguments_say_what_the_database_must_resolve(void **state)
{
	struct tele_parameter p = {.name = "x", .type = "user"};
	const struct tele_command c = {.name = "c", .parameters = &p, .nparameters = 1};
	struct json_object *o = read_value(&c, "@Ada", NULL);

	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"user\":\"@ada\"}");
	json_object_put(o);
	p.type = "date";
	o = read_value(&c, "Mon", NULL);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"date\":\"mon\"}");
	json_object_put(o);
	p.type = "duration";
	o = read_value(&c, "2m", NULL);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "\"120\"");
	json_object_put(o);
	read_value(&c, "long", "x must be a duration, as 90s, 5m, 1h30m or 2d, not \"long\".");
}

static void secrets_are_sealed_and_never_repeated(void **state)
{
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT];
	struct tele_parameter p[] = {{.name = "pin", .type = "integer", .secret = true}, {.name = "n", .type = "integer"}};
	struct tele_command c = {.name = "c", .parameters = p, .nparameters = 2};
	struct tele_seal_key key;
	struct json_object *o;
	struct tele_buf words = {0};

	read_value(&c, "1234", "pin is a secret, and nothing is set up to seal it with: tell an administrator.");
	assert_int_equal(tele_seal_keygen(secret, public), TELE_OK);
	assert_int_equal(tele_seal_key_read(public, &key), TELE_OK);
	c.seal = &key;
	o = read_value(&c, "1234", NULL);
	assert_int_equal(strncmp(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"sealed\":\"", 11), 0);
	assert_null(strstr(json_object_to_json_string(o), "1234"));
	json_object_put(o);
	read_value(&c, "hunter2", "pin must be a whole number.");
	/* It may be the secret in the wrong place. */
	assert_int_equal(tele_parameter_read(&c, &p[1], "hunter2", &o, &words), TELE_INVALID);
	assert_string_equal(tele_buf_text(&words), "n must be a whole number.");
	tele_buf_release(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_by_length_in_characters),
	    cmocka_unit_test(whole_numbers),
	    cmocka_unit_test(numbers_to_the_last_digit),
	    cmocka_unit_test(choices),
	    cmocka_unit_test(durations),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(patterns),
	    cmocka_unit_test(people),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(yes_and_no),
	    cmocka_unit_test(a_type_of_the_future_lets_nothing_pass),
	    cmocka_unit_test(arguments_say_what_the_database_must_resolve),
	    cmocka_unit_test(secrets_are_sealed_and_never_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
