#include "engine/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <string.h>

static struct tele_task task = {.id = 17, .attempt = 1, .command = "backup", .line = "/backup db", .timeout_s = 60, .message_id = 5};

static struct tele_result make(struct ending e, const char *output, size_t n, long long total)
{
	struct tele_result r;

	e.output = output;
	e.size = n;
	e.total = total;
	e.why = e.why ? e.why : "";
	assert_int_equal(result_make(&task, &e, &r), TELE_OK);
	return r;
}

static const struct ending fine = {.exit_status = 0, .signal = -1, .started = true, .started_at = 10, .finished_at = 10.2};

static void a_short_success_is_its_output(void **state)
{
	struct tele_result r = make(fine, "hello\n", 6, 6);

	assert_string_equal(r.state, "done");
	assert_string_equal(r.text, "hello");
	assert_string_equal(r.entities, "");
	assert_string_equal(r.output, "hello\n");
	tele_result_release(&r);
	r = make(fine, " \n", 2, 2);
	assert_non_null(strstr(r.text, "no output"));
	tele_result_release(&r);
}

static void columns_keep_their_places(void **state)
{
	struct tele_result r = make(fine, "Size  Used\n252G   17G\n", 22, 22);

	assert_string_equal(r.text, "Size  Used\n252G   17G");
	assert_string_equal(r.entities, "[{\"type\":\"pre\",\"offset\":0,\"length\":21}]");
	tele_result_release(&r);
	r = make(fine, "one\ntwo\n", 8, 8);
	assert_string_equal(r.entities, "");
	tele_result_release(&r);
}

static void what_nobody_asked_for_has_a_head(void **state)
{
	struct tele_result r;

	task.message_id = 0;
	r = make(fine, "hello\n", 6, 6);
	assert_string_equal(r.text, "/backup · task 17 · 0.2 s\nhello");
	task.message_id = 5;
	tele_result_release(&r);
}

static void a_slow_one_has_a_head(void **state)
{
	struct ending e = fine;
	struct tele_result r;

	e.finished_at = 100;
	r = make(e, "ok\n", 3, 3);
	assert_string_equal(r.text, "/backup · task 17 · 1 min 30 s\nok");
	tele_result_release(&r);
}

static void a_failure_tells_how_and_its_tail(void **state)
{
	struct ending e = fine;
	struct tele_result r;

	e.exit_status = 3;
	r = make(e, "it broke\n", 9, 9);
	assert_string_equal(r.state, "failed");
	assert_string_equal(r.text, "/backup · task 17 failed: exit status 3\nit broke");
	assert_string_equal(r.entities, "[{\"type\":\"pre\",\"offset\":40,\"length\":8}]");
	tele_result_release(&r);
	e.exit_status = -1;
	e.signal = 9;
	r = make(e, "", 0, 0);
	assert_non_null(strstr(r.text, "signal 9"));
	tele_result_release(&r);
	e.timed_out = true;
	r = make(e, "", 0, 0);
	assert_string_equal(r.state, "timeout");
	tele_result_release(&r);
	e.vanished = true;
	r = make(e, "", 0, 0);
	assert_string_equal(r.state, "lost");
	assert_non_null(strstr(r.text, "/backup db"));
	tele_result_release(&r);
}

static void who_cancelled_is_told(void **state)
{
	struct ending e = fine;
	struct tele_result r;

	e.exit_status = -1;
	e.signal = 15;
	e.cancelled = true;
	r = make(e, "", 0, 0);
	assert_string_equal(r.state, "cancelled");
	assert_non_null(strstr(r.text, "the engine stopped"));
	tele_result_release(&r);
	e.cancelled_by = "Ada";
	r = make(e, "so far\n", 7, 7);
	assert_string_equal(r.text, "/backup · task 17 · cancelled by Ada; nothing of it is left\nso far");
	tele_result_release(&r);
}

/* What another program was asked for may be done there though its process here is gone. */
static void a_call_that_was_cancelled_claims_no_more_than_is_known(void **state)
{
	static const struct {
		const char *kind, *call;
		int signal, status;
		const char *state, *says;
	} cases[] = {
	    {"http", "{\"method\":\"POST\"}", 15, -1, "cancelled", "cancelled by Ada; it may have been done all the same"},
	    {"http", "{\"method\":\"GET\"}", 15, -1, "cancelled", "cancelled by Ada\n"},
	    {"sql", "{\"writes\":true}", 9, -1, "cancelled", "cancelled by Ada; it may have been done all the same"},
	    {"sql", "{\"writes\":true}", 15, -1, "cancelled", "cancelled by Ada\n"},
	    {"sql", "{\"writes\":false}", 9, -1, "cancelled", "cancelled by Ada\n"},
	    {"sql", "{\"writes\":true}", -1, 1, "cancelled", "cancelled by Ada\n"},
	    {"sql", "{\"writes\":true}", -1, 0, "done", "so far"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ending e = fine;
		struct tele_result r;

		task.kind = (char *)(uintptr_t)cases[i].kind;
		task.call = json_tokener_parse(cases[i].call);
		e.cancelled = true;
		e.cancelled_by = "Ada";
		e.signal = cases[i].signal;
		e.exit_status = cases[i].status;
		r = make(e, "so far\n", 7, 7);
		assert_string_equal(r.state, cases[i].state);
		assert_non_null(strstr(r.text, cases[i].says));
		assert_null(strstr(r.text, "nothing of it is left"));
		tele_result_release(&r);
		json_object_put(task.call);
		task.call = NULL;
	}
	task.kind = NULL;
}

static void a_long_output_is_a_document(void **state)
{
	static char output[13001];
	struct tele_result r;

	memset(output, 'x', 13000);
	for (int i = 99; i < 13000; i += 100)
		output[i] = '\n';
	r = make(fine, output, 12000, 12000);
	assert_string_equal(r.document, "");
	assert_null(strstr(r.text, "in the file"));
	tele_result_release(&r);
	r = make(fine, output, 13000, 13000);
	assert_string_equal(r.document, output);
	assert_non_null(strstr(r.text, "13000 characters, in the file"));
	assert_true(strlen(r.text) < 1024);
	tele_result_release(&r);
}

static void what_was_cut_ends_with_a_whole_character_and_says_so(void **state)
{
	struct tele_result r = make(fine, "caf\xc3", 4, 5000);

	assert_true(r.output_cut);
	assert_string_equal(r.output, "caf");
	assert_non_null(strstr(r.text, "of 5000 bytes"));
	tele_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_short_success_is_its_output), cmocka_unit_test(columns_keep_their_places), cmocka_unit_test(a_slow_one_has_a_head),
	    cmocka_unit_test(what_nobody_asked_for_has_a_head),
	    cmocka_unit_test(a_failure_tells_how_and_its_tail), cmocka_unit_test(who_cancelled_is_told),
	    cmocka_unit_test(a_call_that_was_cancelled_claims_no_more_than_is_known), cmocka_unit_test(a_long_output_is_a_document), cmocka_unit_test(what_was_cut_ends_with_a_whole_character_and_says_so)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
