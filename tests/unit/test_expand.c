#include "lib/buf.h"
#include "lib/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>

static void puts_values_in(void **state)
{
	static const struct {
		const char *template, *out;
	} cases[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"{a}", "one"},
	    {"--x={a},{b_2}!", "--x=one,{a}!"}, /* a value is never expanded again */
	    {"{nothing}|", "|"},
	    {"{}", "{}"},
	    {"{A}", "{A}"},
	    {"{a", "{a"},
	    {"{{a}}", "{one}"},
	    {"{a b}", "{a b}"},
	};
	struct json_object *values = json_tokener_parse("{\"a\": \"one\", \"b_2\": \"{a}\"}");

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tele_buf out = {0};

		tele_expand(&out, cases[i].template, values);
		assert_string_equal(tele_buf_text(&out), cases[i].out);
		tele_buf_release(&out);
	}
	json_object_put(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(puts_values_in)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
