#include "cgi/manager/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct field fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED, 8},
    {"login", FIELD_TEXT, FIELD_FIXED, 0},
    {"text", FIELD_LONG, 0, 0},
    {"args", FIELD_LINES, 0, 3},
    {"count", FIELD_NUMBER, 0, 0},
    {"ratio", FIELD_DECIMAL, 0, 0},
    {"on", FIELD_BOOL, 0, 0},
    {"kind", FIELD_CHOICE, 0, 0},
    {"roles", FIELD_MANY, 0, 0},
    {NULL},
};
static const struct field row_fields[] = {
    {"id", FIELD_NUMBER, FIELD_REQUIRED, 0},
    {"note", FIELD_TEXT, 0, 0},
    {"on", FIELD_BOOL, 0, 0},
    {NULL},
};
static const struct inline_table inlines[] = {
    {"rows", row_fields, 2, 5},
    {NULL},
};
static const struct family family = {.path = "/x", .name = "x", .fields = fields, .inlines = inlines};

static void read_form(struct form *form, const char *text, bool made)
{
	struct request_pairs p;

	assert_int_equal(request_pairs_parse(&p, text, strlen(text)), TELE_OK);
	form_read(form, &family, &p, made);
	request_pairs_release(&p);
}

static void assert_values(const char *typed, const char *values)
{
	struct form form;

	read_form(&form, typed, false);
	assert_string_equal(json_object_to_json_string_ext(form.values, JSON_C_TO_STRING_PLAIN), values);
	form_release(&form);
}

static void values_have_their_types(void **state)
{
	assert_values("name=+ada+%09&login=x&text=a%0D%0Ab%0Dc+%0A&args=-h%0D%0A%0D%0A--x+y%0D%0A&count=+-7+&ratio=0.10&on=1&kind=k&roles=a&roles=b",
	    "{\"name\":\"ada\",\"login\":\"x\",\"text\":\"a\\nb\\nc\",\"args\":[\"-h\",\"\",\"--x y\"],\"count\":-7,\"ratio\":\"0.10\",\"on\":true,"
	    "\"kind\":\"k\",\"roles\":[\"a\",\"b\"],\"rows\":[]}");
	assert_values("",
	    "{\"name\":\"\",\"login\":\"\",\"text\":\"\",\"args\":[],\"count\":null,\"ratio\":null,\"on\":false,\"kind\":null,\"roles\":[],\"rows\":[]}");
}

static void what_is_fixed_is_not_taken_again(void **state)
{
	struct form form;

	read_form(&form, "name=a&login=other", true);
	assert_null(page_get(form.values, "login"));
	form_release(&form);
}

static void assert_error(const char *typed, const char *path, const char *error)
{
	struct form form;
	struct json_object *list;

	read_form(&form, typed, false);
	list = page_get(form.errors, path);
	if (!error)
		assert_null(list);
	else
		assert_string_equal(json_object_to_json_string_ext(json_object_array_get_idx(list, 0), JSON_C_TO_STRING_PLAIN), error);
	form_release(&form);
}

static void what_is_wrong_is_said_beside_its_field(void **state)
{
	assert_error("name=", "name", "{\"e\":{\"required\":true}}");
	assert_error("name=+%0A", "name", "{\"e\":{\"required\":true}}");
	assert_error("name=123456789", "name", "{\"e\":{\"too_long\":8}}");
	/* Characters are counted, not bytes. */
	assert_error("name=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9", "name", NULL);
	assert_error("name=a&count=1x", "count", "{\"e\":{\"not_number\":true}}");
	assert_error("name=a&count=1.5", "count", "{\"e\":{\"not_number\":true}}");
	assert_error("name=a&count=99999999999999999999", "count", "{\"e\":{\"not_number\":true}}");
	assert_error("name=a&ratio=1.5", "ratio", NULL);
	assert_error("name=a&ratio=.", "ratio", "{\"e\":{\"not_decimal\":true}}");
	assert_error("name=a&ratio=inf", "ratio", "{\"e\":{\"not_decimal\":true}}");
	assert_error("name=a&args=1%0A2%0A3%0A4", "args", "{\"e\":{\"too_many_lines\":3}}");
	assert_error("name=a&args=1%0A2%0A3", "args", NULL);
}

static void rows_that_say_nothing_are_left_out(void **state)
{
	struct form form;

	read_form(&form, "name=a&rows-0-id=1&rows-1-on=1&rows-2-id=++&rows-3-id=3&rows-3-note=n&rows-4-id=4&rows-4-remove=1&rows-5-id=5", false);
	assert_string_equal(json_object_to_json_string_ext(page_get(form.values, "rows"), JSON_C_TO_STRING_PLAIN),
	    "[{\"id\":1,\"note\":\"\",\"on\":false},{\"id\":3,\"note\":\"n\",\"on\":false}]");
	assert_false(form_has_errors(&form));
	form_release(&form);
	/* Errors go by the row that is left, as it is shown again. */
	assert_error("name=a&rows-2-note=x", "rows.0.id", "{\"e\":{\"required\":true}}");
}

static struct json_object *shown(const char *document, struct form *typed)
{
	struct json_object *o = json_tokener_parse(document);

	assert_non_null(o);
	form_show_fields(o, &family, typed, 0);
	return o;
}

static void what_was_typed_is_shown_again(void **state)
{
	struct form form;
	struct json_object *o, *count;

	read_form(&form, "name=&count=1x&kind=b&rows-0-id=z", false);
	o = shown("{\"id\":1,\"values\":{\"name\":\"ada\",\"login\":\"ada\"},\"choices\":{\"kind\":[{\"value\":\"a\",\"text\":\"A\"},{\"value\":\"b\",\"text\":\"B\"}]}}", &form);
	count = page_get(page_get(o, "f"), "count");
	assert_string_equal(page_text(count, "value"), "1x");
	assert_int_equal(json_object_array_length(page_get(count, "errors")), 1);
	assert_true(json_object_get_boolean(page_get(o, "wrong")));
	/* Fixed: as it is, not as it was typed. */
	assert_string_equal(page_text(page_get(page_get(o, "f"), "login"), "value"), "ada");
	assert_true(json_object_get_boolean(page_get(json_object_array_get_idx(page_get(page_get(page_get(o, "f"), "kind"), "choices"), 1), "selected")));
	/* One row, and the spare ones. */
	assert_int_equal(json_object_array_length(page_get(page_get(page_get(o, "inline"), "rows"), "rows")), 3);
	json_object_put(o);
	form_release(&form);
}

static void what_others_saved_is_shown_beside(void **state)
{
	struct form form;
	struct json_object *o, *f;

	read_form(&form, "name=mine&count=1&rows-0-id=1", false);
	o = shown("{\"id\":1,\"values\":{},\"conflict\":{\"version\":2,\"values\":{\"name\":\"theirs\",\"count\":1,\"rows\":[{\"id\":1,\"note\":\"\",\"seen\":\"x\"}]}}}", &form);
	f = page_get(o, "f");
	assert_string_equal(page_text(page_get(page_get(f, "name"), "theirs"), "value"), "theirs");
	assert_string_equal(page_text(page_get(f, "name"), "value"), "mine");
	assert_null(page_get(page_get(f, "count"), "theirs"));
	assert_null(page_get(page_get(page_get(o, "inline"), "rows"), "theirs"));
	json_object_put(o);
	form_release(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_have_their_types),
	    cmocka_unit_test(what_is_fixed_is_not_taken_again),
	    cmocka_unit_test(what_is_wrong_is_said_beside_its_field),
	    cmocka_unit_test(rows_that_say_nothing_are_left_out),
	    cmocka_unit_test(what_was_typed_is_shown_again),
	    cmocka_unit_test(what_others_saved_is_shown_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
