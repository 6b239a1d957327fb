#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <string.h>

static void takes_what_is_json(void **state)
{
	static const char *const good[] = {"{}", "[]", " {\"a\": 1}\n", "[\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80\"]", "{\"\xc3\xa9\": [\"\xd7\xa9\"]}", "[7, 1.5e3, -0, true, null]"};
	const char *why;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct json_object *o = tele_json_parse(good[i], strlen(good[i]), 8, &why, NULL);

		assert_non_null(o);
		json_object_put(o);
	}
}

static void characters_arrive_as_they_were(void **state)
{
	static const char text[] = "[\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80\\u00e9\"]";
	const char *why;
	struct json_object *o = tele_json_parse(text, strlen(text), 8, &why, NULL);

	assert_non_null(o);
	assert_string_equal(json_object_get_string(json_object_array_get_idx(o, 0)), "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80\xc3\xa9");
	json_object_put(o);
}

static void refuses_the_rest_and_says_where(void **state)
{
	static const struct {
		const char *text;
		int line;
	} bad[] = {
	    {"", 1}, {"null", 1}, {"{", 1}, {"{\n\n\"a\": }", 3}, {"{} x", 1}, {"['a']", 1}, {"{a: 1}", 1}, {"[1,]", 1}, {"/* c */ {}", 1},
	    {"[\"\xff\"]", 1}, {"\n[\"\xed\xa0\x80\"]", 2}, {"\xc3\xa9", 1}, {"[[[[[[[[[1]]]]]]]]]", 1},
	};
	const char *why;
	int line;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		why = "";
		assert_null(tele_json_parse(bad[i].text, strlen(bad[i].text), 8, &why, &line));
		assert_true(*why);
		assert_int_equal(line, bad[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(takes_what_is_json), cmocka_unit_test(characters_arrive_as_they_were),
	    cmocka_unit_test(refuses_the_rest_and_says_where)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
