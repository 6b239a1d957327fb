#include "lib/metric.h"

#include "lib/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { NODE, NAME, LABELS, KIND, VALUE, BOUNDS, COUNTS, COLUMNS };

/* What a flush tells, taken apart. */
struct told {
	char **items[COLUMNS];
	size_t n;
};

static void read_told(struct told *t, struct tele_metrics *m)
{
	const char *const *p = tele_metrics_take(m);
	size_t n;

	assert_non_null(p);
	for (int i = NAME; i < COLUMNS; i++) {
		assert_int_equal(tele_array_parse(p[i], &t->items[i], &n), TELE_OK);
		t->n = i == NAME ? n : t->n;
		assert_int_equal(n, t->n);
	}
}

static void release_told(struct told *t)
{
	for (int i = NAME; i < COLUMNS; i++)
		tele_array_free(t->items[i], t->n);
}

/* The place of a series in what was told; -1: it is not there. */
static int place(const struct told *t, const char *name, const char *labels)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->items[NAME][i], name) && !strcmp(t->items[LABELS][i], labels))
			return (int)i;
	return -1;
}

/* The value a series is told with in the next flush; -1: it is not told. */
static double told_value(struct tele_metrics *m, const char *name, const char *labels)
{
	struct told t;
	double value;
	int i;

	read_told(&t, m);
	i = place(&t, name, labels);
	value = i < 0 ? -1 : strtod(t.items[VALUE][i], NULL);
	release_told(&t);
	return value;
}

static void only_what_changed_is_told(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", "node1");
	struct told t;

	assert_false(tele_metrics_changed(m));
	read_told(&t, m);
	/* The memory always is. */
	assert_int_equal(t.n, 1);
	assert_string_equal(t.items[NAME][0], "teleops_memory_resident_bytes");
	assert_string_equal(t.items[LABELS][0], "program=\"prog\"");
	assert_string_equal(t.items[KIND][0], "gauge");
	assert_true(strtod(t.items[VALUE][0], NULL) > 100000);
	release_told(&t);
	tele_metrics_stored(m);

	tele_metric_add(m, TELE_METRIC_SENT, "send", NULL, 1);
	tele_metric_add(m, TELE_METRIC_SENT, "send", NULL, 2);
	tele_metric_add(m, TELE_METRIC_SENT, "edit", NULL, 5);
	assert_true(tele_metrics_changed(m));
	read_told(&t, m);
	assert_int_equal(t.n, 3);
	assert_string_equal(t.items[VALUE][place(&t, "teleops_sent_total", "op=\"send\"")], "3");
	assert_string_equal(t.items[KIND][place(&t, "teleops_sent_total", "op=\"edit\"")], "counter");
	assert_string_equal(t.items[BOUNDS][1], "{}");
	assert_string_equal(t.items[COUNTS][1], "{}");
	release_told(&t);
	tele_metrics_stored(m);
	assert_false(tele_metrics_changed(m));

	tele_metric_add(m, TELE_METRIC_SENT, "send", NULL, 1);
	read_told(&t, m);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.items[VALUE][place(&t, "teleops_sent_total", "op=\"send\"")], "1");
	release_told(&t);
	tele_metrics_free(m);
}

static void a_flush_that_failed_is_told_again(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", "node1");

	tele_metric_add(m, TELE_METRIC_UPDATES_RECEIVED, NULL, NULL, 4);
	assert_true(told_value(m, "teleops_updates_received_total", "") == 4);
	tele_metric_add(m, TELE_METRIC_UPDATES_RECEIVED, NULL, NULL, 1);
	assert_true(told_value(m, "teleops_updates_received_total", "") == 5);
	/* What is counted while a flush is under way is told with the next. */
	tele_metric_add(m, TELE_METRIC_UPDATES_RECEIVED, NULL, NULL, 2);
	tele_metric_add(m, TELE_METRIC_RUNNER_BUSY, NULL, NULL, 1);
	tele_metrics_stored(m);
	assert_true(tele_metrics_changed(m));
	assert_true(told_value(m, "teleops_updates_received_total", "") == 2);
	assert_true(told_value(m, "teleops_runner_busy_total", "") == 1);
	tele_metrics_free(m);
}

static void histograms_count_in_buckets(void **state)
{
	static const double seconds[] = {0.0005, 0.001, 0.0011, 0.3, 601, -1};
	struct tele_metrics *m = tele_metrics_new("prog", "node1");
	struct told t;
	int i;

	for (size_t j = 0; j < sizeof seconds / sizeof *seconds; j++)
		tele_metric_observe(m, TELE_METRIC_CLAIM, NULL, seconds[j]);
	read_told(&t, m);
	i = place(&t, "teleops_claim_seconds", "");
	assert_string_equal(t.items[KIND][i], "histogram");
	assert_string_equal(t.items[COUNTS][i], "{3,1,0,0,0,0,0,0,1,0,0,0,0,0,1}");
	assert_true(strtod(t.items[VALUE][i], NULL) > 601.302 && strtod(t.items[VALUE][i], NULL) < 601.303);
	assert_non_null(strstr(t.items[BOUNDS][i], "\"600\"}"));
	release_told(&t);
	tele_metrics_stored(m);
	tele_metric_observe(m, TELE_METRIC_CLAIM, NULL, 700);
	tele_metric_observe(m, TELE_METRIC_BATCH, NULL, 3);
	read_told(&t, m);
	assert_string_equal(t.items[COUNTS][place(&t, "teleops_claim_seconds", "")], "{0,0,0,0,0,0,0,0,0,0,0,0,0,0,1}");
	assert_string_equal(t.items[COUNTS][place(&t, "teleops_admission_batch_size", "")], "{0,0,1,0,0,0,0,0,0,0,0,0}");
	release_told(&t);
	tele_metrics_free(m);
}

static void labels_are_escaped_and_cut(void **state)
{
	static const char strange[] = "a\"b\\c\nd";
	struct tele_metrics *m = tele_metrics_new("prog", "node1");
	static const char cut[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	char longest[200], euros[64], expected[64];

	memset(longest, '"', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	tele_metric_add(m, TELE_METRIC_FINISHED, strange, "done", 1);
	tele_metric_add(m, TELE_METRIC_FINISHED, longest, longest, 1);
	assert_true(told_value(m, "teleops_tasks_finished_total", "command=\"a\\\"b\\\\c\\nd\",state=\"done\"") == 1);
	/* 47 letters leave one byte for a character of three: none of it is taken. */
	assert_int_equal(sizeof cut, 48);
	snprintf(euros, sizeof euros, "%s€€", cut);
	snprintf(expected, sizeof expected, "op=\"%s\"", cut);
	tele_metric_add(m, TELE_METRIC_SENT, euros, NULL, 1);
	assert_true(told_value(m, "teleops_sent_total", expected) == 1);
	tele_metrics_free(m);
}

static void too_many_series_are_counted_as_dropped(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", "node1");
	struct told t;
	char code[16];

	for (int i = 0; i < 600; i++) {
		snprintf(code, sizeof code, "%d", i);
		tele_metric_add(m, TELE_METRIC_ERRORS, code, NULL, 1);
	}
	read_told(&t, m);
	assert_int_equal(t.n, 512);
	/* One series is the memory, one this very count. */
	assert_string_equal(t.items[VALUE][place(&t, "teleops_metric_series_dropped_total", "program=\"prog\"")], "90");
	release_told(&t);
	/* Those that are there go on. */
	tele_metric_add(m, TELE_METRIC_ERRORS, "509", NULL, 1);
	tele_metric_add(m, TELE_METRIC_ERRORS, "510", NULL, 1);
	assert_true(told_value(m, "teleops_telegram_errors_total", "code=\"509\"") == 2);
	assert_true(told_value(m, "teleops_telegram_errors_total", "code=\"510\"") == -1);
	tele_metrics_free(m);
}

static void odd_nodes_become_plain(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", "host one/\"é");

	assert_string_equal(tele_metrics_take(m)[NODE], "host_one____");
	tele_metrics_free(m);
	m = tele_metrics_new("prog", "");
	assert_string_equal(tele_metrics_take(m)[NODE], "unknown");
	tele_metrics_free(m);
	m = tele_metrics_new("prog", NULL);
	assert_true(*tele_metrics_take(m)[NODE]);
	tele_metrics_free(m);
}

static void a_flush_is_due_every_ten_seconds(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", NULL);

	assert_in_range(tele_metrics_wait_ms(m), 9000, 10000);
	assert_non_null(tele_metrics_take(m));
	assert_in_range(tele_metrics_wait_ms(m), 9000, 10000);
	tele_metrics_free(m);
}

static void nobody_needs_a_registry(void **state)
{
	tele_metric_add(NULL, TELE_METRIC_SENT, "send", NULL, 1);
	tele_metric_observe(NULL, TELE_METRIC_CLAIM, NULL, 1);
	assert_false(tele_metrics_changed(NULL));
	assert_true(tele_metrics_wait_ms(NULL) > 0);
	assert_null(tele_metrics_take(NULL));
	tele_metrics_stored(NULL);
	tele_metrics_free(NULL);
}

enum { THREADS = 8, EACH = 20000 };

static void *count(void *arg)
{
	struct tele_metrics *m = arg;
	char name[16];

	for (int i = 0; i < EACH; i++) {
		snprintf(name, sizeof name, "c%d", i % 50);
		tele_metric_add(m, TELE_METRIC_FINISHED, name, "done", 1);
		tele_metric_observe(m, TELE_METRIC_RUN, name, 0.02);
	}
	return NULL;
}

/* Flushes go on while threads count: nothing is told twice, nothing is left out. */
static void threads_lose_nothing(void **state)
{
	struct tele_metrics *m = tele_metrics_new("prog", NULL);
	pthread_t threads[THREADS];
	double total = 0, observed = 0;
	struct told t;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, m), 0);
	for (int round = 0; round < 40; round++) {
		if (round == 20)
			for (int i = 0; i < THREADS; i++)
				pthread_join(threads[i], NULL);
		read_told(&t, m);
		/* Every third flush fails. */
		for (size_t i = 0; round % 3 != 2 && i < t.n; i++) {
			if (!strcmp(t.items[NAME][i], "teleops_tasks_finished_total"))
				total += strtod(t.items[VALUE][i], NULL);
			if (!strcmp(t.items[NAME][i], "teleops_run_seconds"))
				observed += strtod(strchr(strchr(t.items[COUNTS][i], ',') + 1, ',') + 1, NULL);
		}
		if (round % 3 != 2)
			tele_metrics_stored(m);
		release_told(&t);
	}
	assert_true(total == (double)THREADS * EACH);
	assert_true(observed == (double)THREADS * EACH);
	assert_false(tele_metrics_changed(m));
	tele_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_changed_is_told),
	    cmocka_unit_test(a_flush_that_failed_is_told_again),
	    cmocka_unit_test(histograms_count_in_buckets),
	    cmocka_unit_test(labels_are_escaped_and_cut),
	    cmocka_unit_test(too_many_series_are_counted_as_dropped),
	    cmocka_unit_test(odd_nodes_become_plain),
	    cmocka_unit_test(a_flush_is_due_every_ten_seconds),
	    cmocka_unit_test(nobody_needs_a_registry),
	    cmocka_unit_test(threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
