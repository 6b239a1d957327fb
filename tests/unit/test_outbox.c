#include "lib/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static char *repeat(char c, size_t n, const char *end)
{
	char *s = malloc(n + strlen(end) + 1);

	memset(s, c, n);
	memcpy(s + n, end, strlen(end) + 1);
	return s;
}

static void one_part_when_it_fits(void **state)
{
	struct tele_outbox_row row = {.text = "hello", .entities = json_tokener_parse("[{\"type\":\"bold\",\"offset\":1,\"length\":2}]")};
	struct json_object *entities = NULL;
	char *text = NULL;
	bool last = false;

	assert_int_equal(tele_outbox_part(&row, 0, &text, &entities, &last), TELE_OK);
	assert_string_equal(text, "hello");
	assert_true(last);
	assert_string_equal(json_object_to_json_string_ext(entities, JSON_C_TO_STRING_PLAIN), "[{\"type\":\"bold\",\"offset\":1,\"length\":2}]");
	free(text);
	json_object_put(entities);
	assert_int_equal(tele_outbox_part(&row, 1, &text, &entities, &last), TELE_EMPTY);
	json_object_put(row.entities);
}

/* 4,090 letters and a line end, then 20 more; an entity lies across the border. */
static void entities_are_clipped_where_a_text_is_split(void **state)
{
	char *whole = repeat('a', 4090, "\nbbbbbbbbbbbbbbbbbbbb");
	struct tele_outbox_row row = {.text = whole, .entities = json_tokener_parse("[{\"type\":\"pre\",\"offset\":4080,\"length\":20}]")};
	struct json_object *entities = NULL;
	char *text = NULL;
	bool last = true;

	assert_int_equal(tele_outbox_part(&row, 0, &text, &entities, &last), TELE_OK);
	assert_false(last);
	assert_true(strlen(text) >= 4090 && strlen(text) <= 4091);
	assert_non_null(strstr(json_object_to_json_string_ext(entities, JSON_C_TO_STRING_PLAIN), "\"offset\":4080"));
	free(text);
	json_object_put(entities);
	entities = NULL;
	assert_int_equal(tele_outbox_part(&row, 1, &text, &entities, &last), TELE_OK);
	assert_true(last);
	assert_string_equal(text, "bbbbbbbbbbbbbbbbbbbb");
	assert_string_equal(json_object_to_json_string_ext(entities, JSON_C_TO_STRING_PLAIN), "[{\"type\":\"pre\",\"offset\":0,\"length\":9}]");
	free(text);
	json_object_put(entities);
	json_object_put(row.entities);
	free(whole);
}

static void a_pair_is_never_split(void **state)
{
	char *whole = repeat('a', 4095, "\xf0\x9f\x98\x80tail");
	struct tele_outbox_row row = {.text = whole};
	struct json_object *entities = NULL;
	char *text = NULL;
	bool last;

	assert_int_equal(tele_outbox_part(&row, 0, &text, &entities, &last), TELE_OK);
	assert_int_equal(strlen(text), 4095);
	assert_null(entities);
	free(text);
	assert_int_equal(tele_outbox_part(&row, 1, &text, &entities, &last), TELE_OK);
	assert_string_equal(text, "\xf0\x9f\x98\x80tail");
	free(text);
	free(whole);
}

static void a_head_fits_and_takes_its_entities_along(void **state)
{
	struct tele_outbox_row row = {.text = "ab\xf0\x9f\x98\x80xy", .entities = json_tokener_parse("[{\"type\":\"pre\",\"offset\":1,\"length\":5}]")};
	struct json_object *entities;
	char *text;

	/* Three units end within the pair of the third character, which is left out whole. */
	assert_int_equal(tele_outbox_head(&row, 3, &text, &entities), TELE_OK);
	assert_string_equal(text, "ab");
	assert_string_equal(json_object_to_json_string_ext(entities, JSON_C_TO_STRING_PLAIN), "[{\"type\":\"pre\",\"offset\":1,\"length\":1}]");
	free(text);
	json_object_put(entities);
	json_object_put(row.entities);
}

static void settlements_become_arrays(void **state)
{
	struct tele_outbox_row edit = {.id = 5, .version = 3}, part = {.id = 6, .version = 1, .parts_sent = 2};
	struct tele_settlements s = {0};

	tele_settlements_add(&s, &edit, "sent", 77, "");
	tele_settlements_add(&s, &part, "dead", 0, "Bad \"Request\"");
	assert_int_equal(s.n, 2);
	assert_string_equal(tele_array_text(&s.id), "{5,6}");
	assert_string_equal(tele_array_text(&s.version), "{3,1}");
	assert_string_equal(tele_array_text(&s.parts), "{0,2}");
	assert_string_equal(tele_array_text(&s.reason), "{\"\",\"Bad \\\"Request\\\"\"}");
	tele_settlements_reset(&s);
	assert_int_equal(s.n, 0);
	tele_settlements_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_part_when_it_fits), cmocka_unit_test(entities_are_clipped_where_a_text_is_split),
	    cmocka_unit_test(a_pair_is_never_split), cmocka_unit_test(a_head_fits_and_takes_its_entities_along), cmocka_unit_test(settlements_become_arrays)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
