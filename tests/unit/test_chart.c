#include "cgi/manager/chart.h"
#include "cgi/manager/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* Where the parts of charts go, and cells of files. */

static const char *const keys[] = {"good", "bad", NULL};

static struct json_object *parsed(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

static struct json_object *item(struct json_object *chart, const char *list, size_t i)
{
	struct json_object *o = json_object_array_get_idx(page_get(chart, list), i);

	assert_non_null(o);
	return o;
}

static double number(struct json_object *o, const char *key)
{
	return atof(page_text(o, key));
}

static void bars_stand_on_each_other(void **state)
{
	struct json_object *rows = parsed("[{\"text\": \"00:00\", \"good\": 30, \"bad\": 10}, {\"text\": \"01:00\", \"good\": 0, \"bad\": 0}]");
	struct json_object *chart = chart_bars(rows, keys), *good = item(chart, "bars", 0), *bad = item(chart, "bars", 1);

	(void)state;
	assert_int_equal(json_object_array_length(page_get(chart, "bars")), 2);
	assert_true(page_get(page_get(good, "is"), "good") && page_get(page_get(bad, "is"), "bad"));
	assert_float_equal(number(good, "y") + number(good, "height"), number(chart, "base"), 0.2);
	assert_float_equal(number(bad, "y") + number(bad, "height"), number(good, "y"), 0.2);
	assert_float_equal(number(good, "height"), 3 * number(bad, "height"), 0.2);
	assert_string_equal(page_text(item(chart, "ticks", 2), "text"), "50");
	assert_string_equal(page_text(item(chart, "labels", 0), "text"), "00:00");
	json_object_put(chart);
	json_object_put(rows);
}

static void one_of_thousands_is_seen(void **state)
{
	struct json_object *rows = parsed("[{\"text\": \"\", \"good\": 100000, \"bad\": 1}]"), *chart = chart_bars(rows, keys);

	(void)state;
	assert_true(number(item(chart, "bars", 1), "height") >= 1);
	/* Nothing leaves the chart. */
	assert_true(number(item(chart, "bars", 1), "y") >= 0);
	json_object_put(chart);
	json_object_put(rows);
}

static void lines_have_gaps(void **state)
{
	struct json_object *rows = parsed("[{\"text\": \"\", \"good\": 0.5}, {\"text\": \"\", \"good\": null}, {\"text\": \"\", \"good\": 50}, {\"text\": \"\", \"good\": 5}]");
	struct json_object *chart = chart_lines(rows, keys);
	const char *path = page_text(item(chart, "lines", 0), "path");

	(void)state;
	assert_non_null(strstr(path + 1, "M"));
	assert_null(strstr(strchr(path + 1, 'M') + 1, "M"));
	assert_string_equal(page_text(item(chart, "lines", 1), "path"), "");
	assert_string_equal(page_text(item(chart, "ticks", 0), "text"), "0.1");
	assert_string_equal(page_text(item(chart, "ticks", 3), "text"), "100");
	json_object_put(chart);
	json_object_put(rows);
}

static void nothing_is_empty(void **state)
{
	struct json_object *rows = parsed("[{\"text\": \"\", \"good\": 0, \"bad\": 0}]"), *bars = chart_bars(rows, keys), *lines = chart_lines(rows, keys), *none = chart_bars(NULL, keys);

	(void)state;
	assert_true(json_object_get_boolean(page_get(bars, "empty")) && json_object_get_boolean(page_get(lines, "empty")) && json_object_get_boolean(page_get(none, "empty")));
	json_object_put(bars);
	json_object_put(lines);
	json_object_put(none);
	json_object_put(rows);
}

static void cells_are_no_formulas(void **state)
{
	static const struct {
		const char *value, *cell;
	} cases[] = {
	    {"\"plain\"", "\"plain\""},
	    {"\"with \\\"quotes\\\", and\\nlines\"", "\"with \"\"quotes\"\", and\nlines\""},
	    {"\"=1+1\"", "\"'=1+1\""},
	    {"\"-x\"", "\"'-x\""},
	    {"\"@x\"", "\"'@x\""},
	    {"-17", "-17"},
	    {"true", "true"},
	    {"\"\"", "\"\""},
	    {"{\"a\": [1, \"b/c\"]}", "\"{\"\"a\"\":[1,\"\"b/c\"\"]}\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct json_object *value = parsed(cases[i].value);
		struct tele_buf cell = {0};

		export_cell(&cell, value);
		assert_string_equal(tele_buf_text(&cell), cases[i].cell);
		tele_buf_release(&cell);
		json_object_put(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bars_stand_on_each_other),
	    cmocka_unit_test(one_of_thousands_is_seen),
	    cmocka_unit_test(lines_have_gaps),
	    cmocka_unit_test(nothing_is_empty),
	    cmocka_unit_test(cells_are_no_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
