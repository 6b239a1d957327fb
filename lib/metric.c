#include "lib/metric.h"

#include "lib/array.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SERIES_MOST = 512, BUCKETS_MOST = 14, VALUE_MOST = 48, LABELS_MOST = 224, HEADS = 256, FLUSH_MS = 10000, PARAMETERS = 7 };

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Upper bounds of buckets, growing; 0 ends them, the infinite one is understood. */
static const double of_latency[BUCKETS_MOST + 1] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600};
static const double of_duration[BUCKETS_MOST + 1] = {0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200, 86400};
static const double of_number[BUCKETS_MOST + 1] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000};

static const struct about {
	const char *name;
	enum kind kind;
	const char *labels[2]; /* "program" is filled in */
	const double *bounds;
} abouts[TELE_METRIC_COUNT] = {
    [TELE_METRIC_UPDATES_RECEIVED] = {"teleops_updates_received_total", COUNTER, {NULL}, NULL},
    [TELE_METRIC_UPDATES_ADMITTED] = {"teleops_updates_admitted_total", COUNTER, {"outcome"}, NULL},
    [TELE_METRIC_UPDATES_REJECTED] = {"teleops_updates_rejected_total", COUNTER, {NULL}, NULL},
    [TELE_METRIC_UPDATES_REFUSED] = {"teleops_updates_refused_total", COUNTER, {"code"}, NULL},
    [TELE_METRIC_HOOKS] = {"teleops_hook_requests_total", COUNTER, {"outcome"}, NULL},
    [TELE_METRIC_ADMISSION] = {"teleops_admission_seconds", HISTOGRAM, {NULL}, of_latency},
    [TELE_METRIC_BATCH] = {"teleops_admission_batch_size", HISTOGRAM, {NULL}, of_number},
    [TELE_METRIC_CLAIM] = {"teleops_claim_seconds", HISTOGRAM, {NULL}, of_latency},
    [TELE_METRIC_RUN] = {"teleops_run_seconds", HISTOGRAM, {"command"}, of_duration},
    [TELE_METRIC_FINISHED] = {"teleops_tasks_finished_total", COUNTER, {"command", "state"}, NULL},
    [TELE_METRIC_GIVEN_BACK] = {"teleops_tasks_given_back_total", COUNTER, {NULL}, NULL},
    [TELE_METRIC_RUNNER_BUSY] = {"teleops_runner_busy_total", COUNTER, {NULL}, NULL},
    [TELE_METRIC_SENT] = {"teleops_sent_total", COUNTER, {"op"}, NULL},
    [TELE_METRIC_NOT_SENT] = {"teleops_not_sent_total", COUNTER, {"outcome"}, NULL},
    [TELE_METRIC_SEND] = {"teleops_send_seconds", HISTOGRAM, {NULL}, of_latency},
    [TELE_METRIC_ERRORS] = {"teleops_telegram_errors_total", COUNTER, {"code"}, NULL},
    [TELE_METRIC_WAITS] = {"teleops_telegram_waits_total", COUNTER, {"for"}, NULL},
    [TELE_METRIC_WAITED] = {"teleops_telegram_wait_seconds_total", COUNTER, {NULL}, NULL},
    [TELE_METRIC_MEMORY] = {"teleops_memory_resident_bytes", GAUGE, {"program"}, NULL},
    [TELE_METRIC_RECONNECTS] = {"teleops_database_reconnects_total", COUNTER, {"program"}, NULL},
    [TELE_METRIC_DROPPED] = {"teleops_metric_series_dropped_total", COUNTER, {"program"}, NULL},
};

struct tally {
	double value;
	long long counts[BUCKETS_MOST + 1]; /* of a histogram, by bucket; the infinite one comes after the last bound */
};

/* Counted since the start, told in the flush under way, and known to be stored: the difference of the first and the last is owed. */
struct series {
	enum tele_metric what;
	int next; /* in its chain; -1: the last */
	struct tally now, telling, stored;
	char labels[LABELS_MOST];
};

struct tele_metrics {
	pthread_mutex_t lock;
	const char *program;
	char node[65];
	long long due;
	struct tele_array columns[PARAMETERS - 1];
	const char *parameters[PARAMETERS];
	int heads[HEADS];
	int n;
	struct series *memory;
	struct series series[SERIES_MOST]; /* filled from the front, so that unused ones cost no memory */
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

double tele_metric_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* key="value" as Prometheus reads it (text exposition format: \\ \" \n), the value cut before a character that has no room. */
static size_t write_label(char *out, const char *key, const char *value)
{
	static const char escaped[] = "\\\"\n", letters[] = "\\\"n";
	size_t n = (size_t)sprintf(out, "%s=\"", key), most = strnlen(value, VALUE_MOST);

	while (most && ((unsigned char)value[most] & 0xc0) == 0x80)
		most--;
	for (size_t i = 0; i < most; i++) {
		const char *e = strchr(escaped, value[i]);

		if (e)
			out[n++] = '\\';
		out[n++] = e ? letters[e - escaped] : value[i];
	}
	out[n++] = '"';
	out[n] = '\0';
	return n;
}

static void write_labels(const struct tele_metrics *m, const struct about *a, const char *first, const char *second, char *out)
{
	const char *values[] = {first, second};
	size_t n = 0;

	/* Two labels with keys of eight letters and every character escaped. */
	_Static_assert(LABELS_MOST >= 2 * (8 + 3 + 2 * VALUE_MOST) + 2, "labels always have room");
	out[0] = '\0';
	for (int i = 0; i < 2 && a->labels[i]; i++) {
		const char *value = strcmp(a->labels[i], "program") ? values[i] : m->program;

		if (i)
			out[n++] = ',';
		n += write_label(out + n, a->labels[i], value ? value : "");
	}
}

/* FNV-1a. */
static unsigned hash(enum tele_metric what, const char *labels)
{
	unsigned h = (2166136261U ^ (unsigned)what) * 16777619U;

	for (; *labels; labels++)
		h = (h ^ (unsigned char)*labels) * 16777619U;
	return h % HEADS;
}

static struct series *look_up(struct tele_metrics *m, enum tele_metric what, const char *labels)
{
	int *head = &m->heads[hash(what, labels)];
	struct series *s;

	for (int i = *head; i >= 0; i = m->series[i].next)
		if (m->series[i].what == what && !strcmp(m->series[i].labels, labels))
			return &m->series[i];
	/* The last place is kept for the number of those that found none. */
	if (m->n >= SERIES_MOST - (what != TELE_METRIC_DROPPED))
		return NULL;
	s = &m->series[m->n];
	s->what = what;
	s->next = *head;
	strcpy(s->labels, labels);
	*head = m->n++;
	return s;
}

/* The series to count in; when there is no room for it, the count of those. Under the lock. */
static struct series *find(struct tele_metrics *m, enum tele_metric what, const char *first, const char *second)
{
	char labels[LABELS_MOST];
	struct series *s;

	write_labels(m, &abouts[what], first, second, labels);
	s = look_up(m, what, labels);
	if (s)
		return s;
	write_labels(m, &abouts[TELE_METRIC_DROPPED], NULL, NULL, labels);
	s = look_up(m, TELE_METRIC_DROPPED, labels);
	s->now.value++;
	return NULL;
}

/* Only what the schema takes as a node, so that an odd host name does not spoil every flush. */
static void set_node(struct tele_metrics *m, const char *node)
{
	if (node)
		snprintf(m->node, sizeof m->node, "%s", node);
	else
		gethostname(m->node, sizeof m->node - 1);
	for (char *p = m->node; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *p))
			*p = '_';
	if (!*m->node)
		strcpy(m->node, "unknown");
}

struct tele_metrics *tele_metrics_new(const char *program, const char *node)
{
	struct tele_metrics *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->program = program;
	set_node(m, node);
	m->due = now_ms() + FLUSH_MS;
	for (int i = 0; i < HEADS; i++)
		m->heads[i] = -1;
	m->memory = find(m, TELE_METRIC_MEMORY, NULL, NULL);
	return m;
}

void tele_metrics_free(struct tele_metrics *m)
{
	if (!m)
		return;
	for (int i = 0; i < PARAMETERS - 1; i++)
		tele_array_release(&m->columns[i]);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void tele_metric_add(struct tele_metrics *m, enum tele_metric what, const char *first, const char *second, double n)
{
	struct series *s;

	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	s = find(m, what, first, second);
	if (s)
		s->now.value += n;
	pthread_mutex_unlock(&m->lock);
}

void tele_metric_observe(struct tele_metrics *m, enum tele_metric what, const char *first, double value)
{
	const double *bounds = abouts[what].bounds;
	struct series *s;
	int i = 0;

	if (!m)
		return;
	/* Of two clocks that disagree. */
	if (value < 0)
		value = 0;
	while (bounds[i] > 0 && value > bounds[i])
		i++;
	pthread_mutex_lock(&m->lock);
	s = find(m, what, first, NULL);
	if (s) {
		s->now.value += value;
		s->now.counts[i]++;
	}
	pthread_mutex_unlock(&m->lock);
}

int tele_metrics_wait_ms(const struct tele_metrics *m)
{
	long long left = m ? m->due - now_ms() : FLUSH_MS;

	return left < 0 ? 0 : (int)left;
}

static bool owes(const struct series *s)
{
	return memcmp(&s->now, &s->stored, sizeof s->now) != 0;
}

bool tele_metrics_changed(struct tele_metrics *m)
{
	bool changed = false;

	if (!m)
		return false;
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < m->n && !changed; i++)
		changed = abouts[m->series[i].what].kind != GAUGE && owes(&m->series[i]);
	pthread_mutex_unlock(&m->lock);
	return changed;
}

/* proc(5), statm: the second number is the resident set, in pages. */
static double resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void add_number(struct tele_array *a, double value)
{
	char text[32];

	snprintf(text, sizeof text, "%.17g", value);
	tele_array_str(a, text);
}

/* The two arrays of a histogram, as literals within arrays of text; empty for what is none. */
static void add_buckets(struct tele_array *bounds, struct tele_array *counts, const struct series *s)
{
	const struct about *a = &abouts[s->what];
	struct tele_array b = {{0}}, c = {{0}};

	for (int i = 0; a->bounds && (!i || a->bounds[i - 1] > 0); i++) {
		if (a->bounds[i] > 0)
			add_number(&b, a->bounds[i]);
		tele_array_int(&c, s->telling.counts[i] - s->stored.counts[i]);
	}
	tele_array_str(bounds, tele_array_text(&b));
	tele_array_str(counts, tele_array_text(&c));
	bounds->buf.failed |= b.buf.failed || c.buf.failed;
	tele_array_release(&b);
	tele_array_release(&c);
}

/* In the order of metric_add()'s parameters from p_name on. */
static void tell(struct tele_array *columns, struct series *s)
{
	const struct about *a = &abouts[s->what];

	s->telling = s->now;
	tele_array_str(&columns[0], a->name);
	tele_array_str(&columns[1], s->labels);
	tele_array_str(&columns[2], kind_names[a->kind]);
	add_number(&columns[3], a->kind == GAUGE ? s->telling.value : s->telling.value - s->stored.value);
	add_buckets(&columns[4], &columns[5], s);
}

const char *const *tele_metrics_take(struct tele_metrics *m)
{
	double memory = resident_bytes();
	bool failed = false;

	if (!m)
		return NULL;
	for (int i = 0; i < PARAMETERS - 1; i++)
		tele_array_reset(&m->columns[i]);
	pthread_mutex_lock(&m->lock);
	m->due = now_ms() + FLUSH_MS;
	m->memory->now.value = memory;
	for (int i = 0; i < m->n; i++)
		if (abouts[m->series[i].what].kind == GAUGE || owes(&m->series[i]))
			tell(m->columns, &m->series[i]);
	pthread_mutex_unlock(&m->lock);
	m->parameters[0] = m->node;
	for (int i = 0; i < PARAMETERS - 1; i++) {
		m->parameters[i + 1] = tele_array_text(&m->columns[i]);
		failed |= m->columns[i].buf.failed;
	}
	for (int i = 0; failed && i < PARAMETERS - 1; i++)
		tele_array_release(&m->columns[i]);
	return failed ? NULL : m->parameters;
}

void tele_metrics_stored(struct tele_metrics *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	/* A series that had nothing to tell has the three equal. */
	for (int i = 0; i < m->n; i++)
		m->series[i].stored = m->series[i].telling;
	pthread_mutex_unlock(&m->lock);
}
