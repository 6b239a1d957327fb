#include "lib/alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The report made of a body, the caller's to put; NULL: it was refused. */
static struct json_object *read_body(const char *body)
{
	struct tele_buf report = {0};
	const char *why = NULL;
	enum tele_err rc = tele_alert_read(body, strlen(body), &report, &why);
	struct json_object *o = rc == TELE_OK ? json_tokener_parse(tele_buf_text(&report)) : NULL;

	assert_true(rc == TELE_OK || (rc == TELE_INVALID && why && *why));
	tele_buf_release(&report);
	return o;
}

static struct json_object *read_text(const char *body, const char *query)
{
	struct tele_buf report = {0};
	const char *why = NULL;
	enum tele_err rc = tele_alert_read_text(body, strlen(body), query, &report, &why);
	struct json_object *o = rc == TELE_OK ? json_tokener_parse(tele_buf_text(&report)) : NULL;

	tele_buf_release(&report);
	return o;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "(none)";
}

static struct json_object *alert_at(struct json_object *o, size_t i)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(o, "alerts", &list);
	return json_object_array_get_idx(list, i);
}

static void is_report(struct json_object *o, const char *status, const char *title, const char *text)
{
	assert_non_null(o);
	assert_string_equal(text_of(o, "status"), status);
	assert_string_equal(text_of(o, "title"), title);
	assert_string_equal(text_of(o, "text"), text);
}

/* As prometheus.io/docs/alerting/latest/configuration, webhook_config, shows it. */
static void reads_alertmanager(void **state)
{
	struct json_object *o = read_body("{\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"DiskFull\\\"}\",\"truncatedAlerts\":3,\"status\":\"firing\","
		"\"receiver\":\"ops\",\"groupLabels\":{\"alertname\":\"DiskFull\"},\"commonLabels\":{\"alertname\":\"DiskFull\"},\"commonAnnotations\":{},"
		"\"externalURL\":\"http://am\",\"alerts\":["
		"{\"status\":\"resolved\",\"labels\":{\"alertname\":\"DiskFull\",\"mountpoint\":\"/old\"},\"annotations\":{\"summary\":\"was full\"}},"
		"{\"status\":\"firing\",\"labels\":{\"alertname\":\"DiskFull\",\"mountpoint\":\"/var\"},\"annotations\":{},\"generatorURL\":\"http://p\"}]}");

	is_report(o, "firing", "DiskFull", "");
	assert_string_equal(text_of(o, "key"), "{}:{alertname=\"DiskFull\"}");
	assert_string_equal(text_of(o, "url"), "http://am");
	assert_string_equal(text_of(o, "more"), "3");
	assert_string_equal(text_of(alert_at(o, 0), "status"), "firing");
	assert_string_equal(text_of(alert_at(o, 0), "text"), "mountpoint=/var");
	assert_string_equal(text_of(alert_at(o, 1), "text"), "was full");
	json_object_put(o);
}

static void reads_grafana(void **state)
{
	struct json_object *o = read_body("{\"receiver\":\"\",\"status\":\"resolved\",\"orgId\":1,\"alerts\":[{\"status\":\"resolved\",\"labels\":{\"alertname\":\"High load\"},"
		"\"annotations\":{\"description\":\"load 9\"},\"panelURL\":\"https://g/p\"}],\"groupLabels\":{},\"commonLabels\":{},\"groupKey\":\"k\",\"title\":\"[RESOLVED] High load\","
		"\"state\":\"ok\",\"message\":\"**Resolved**\"}");

	is_report(o, "resolved", "[RESOLVED] High load", "");
	assert_string_equal(text_of(o, "url"), "https://g/p");
	assert_string_equal(text_of(alert_at(o, 0), "text"), "load 9");
	json_object_put(o);
	o = read_body("{\"ruleId\":17,\"ruleName\":\"Load\",\"state\":\"alerting\",\"message\":\"too high\",\"ruleUrl\":\"https://g\",\"tags\":{\"host\":\"web1\",\"n\":2,\"x\":[1]}}");
	is_report(o, "firing", "Load", "too high");
	assert_string_equal(text_of(o, "key"), "17");
	assert_string_equal(json_object_to_json_string_ext(alert_at(o, 0), JSON_C_TO_STRING_PLAIN),
	    "{\"status\":\"firing\",\"text\":\"\",\"labels\":{\"host\":\"web1\",\"n\":\"2\"}}");
	json_object_put(o);
}

static void reads_plain_ones(void **state)
{
	struct json_object *o = read_body("{\"title\":\" disk\\u0000 full\\n \",\"text\":\"line\\n\\tmore\",\"status\":\"OK\"}"), *same;

	is_report(o, "resolved", "disk full", "line\n more");
	assert_int_equal(strlen(text_of(o, "key")), 6 + 64);
	same = read_body("{\"title\":\"disk full\",\"message\":\"other words\"}");
	is_report(same, "note", "disk full", "other words");
	assert_string_equal(text_of(same, "key"), text_of(o, "key"));
	json_object_put(o);
	json_object_put(same);
	o = read_body("{\"message\":\"a text alone\"}");
	is_report(o, "note", "a text alone", "");
	json_object_put(o);
}

static void reads_texts(void **state)
{
	struct json_object *o = read_text("\r\n backup failed\r\non web1\n", "");

	is_report(o, "note", "backup failed", "on web1");
	json_object_put(o);
	o = read_text("x", "a=1&key=back%75p+1%zz&status=firing");
	is_report(o, "firing", "x", "");
	assert_string_equal(text_of(o, "key"), "backup 1%zz");
	json_object_put(o);
	assert_null(read_text(" \n", ""));
	/* What is no UTF-8 is shown as such. */
	o = read_text("bad \xff", "keyed=1&status");
	is_report(o, "note", "bad \xef\xbf\xbd", "");
	json_object_put(o);
}

static void refuses_the_rest(void **state)
{
	static const char *const bodies[] = {"", "[]", "7", "null", "\"text\"", "{}", "{\"alerts\":[]}", "{\"alerts\":[1,\"x\"]}", "{\"title\":\"\"}",
		"{\"title\":[\"x\"]}", "{\"title\":\"x\"", "{\"title\":\"x\"} x"};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_null(read_body(bodies[i]));
}

/* However much comes, the report stays small, and its letters whole. */
static void bounds_what_it_takes(void **state)
{
	struct tele_buf body = {0};
	struct json_object *o, *list = NULL;

	tele_buf_str(&body, "{\"groupKey\":\"");
	for (int i = 0; i < 1000; i++)
		tele_buf_str(&body, "🔥");
	tele_buf_str(&body, "\",\"alerts\":[");
	for (int i = 0; i < 500; i++) {
		tele_buf_printf(&body, "%s{\"labels\":{", i ? "," : "");
		for (int j = 0; j < 100; j++)
			tele_buf_printf(&body, "%s\"label%d\":\"🔥%0500d\"", j ? "," : "", j, i);
		tele_buf_str(&body, "}}");
	}
	tele_buf_str(&body, "]}");
	o = read_body(tele_buf_text(&body));
	json_object_object_get_ex(o, "alerts", &list);
	assert_int_equal(json_object_array_length(list), 20);
	assert_string_equal(text_of(o, "more"), "480");
	assert_int_equal(strlen(text_of(o, "key")), 4 + 64);
	json_object_object_get_ex(alert_at(o, 0), "labels", &list);
	assert_int_equal(json_object_object_length(list), 64);
	assert_int_equal(strlen(text_of(list, "label0")), 4 + 398);
	json_object_put(o);
	tele_buf_release(&body);
}

static int start(void **state)
{
	return sodium_init() < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_alertmanager), cmocka_unit_test(reads_grafana),   cmocka_unit_test(reads_plain_ones),
		cmocka_unit_test(reads_texts),        cmocka_unit_test(refuses_the_rest), cmocka_unit_test(bounds_what_it_takes),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
