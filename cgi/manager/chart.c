#include "cgi/manager/chart.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 720, HEIGHT = 220, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 24, EVERY = 3, PLOT_WIDTH = WIDTH - LEFT - RIGHT, PLOT_HEIGHT = HEIGHT - TOP - BOTTOM };

static size_t length(struct json_object *rows)
{
	return json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
}

static double value_of(struct json_object *row, const char *key)
{
	struct json_object *value = page_get(row, key);

	return value ? json_object_get_double(value) : 0;
}

static double sum_of(struct json_object *row, const char *const *keys)
{
	double sum = 0;

	for (; *keys; keys++)
		sum += value_of(row, *keys);
	return sum;
}

static void set_place(struct json_object *o, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof text, "%.1f", value);
	page_set_text(o, key, text);
}

static double column(size_t i, size_t n)
{
	return LEFT + (double)PLOT_WIDTH * (double)i / (double)n;
}

static void add_mark(struct json_object *list, const char *axis, double place, const char *text)
{
	struct json_object *o = json_object_new_object();

	set_place(o, axis, place);
	page_set_text(o, "text", text);
	json_object_array_add(list, o);
}

/* The frame that both kinds of charts have. */
static struct json_object *frame(struct json_object *rows)
{
	struct json_object *chart = json_object_new_object(), *labels = json_object_new_array();
	size_t n = length(rows);

	for (size_t i = 0; i < n; i += EVERY)
		add_mark(labels, "x", column(i, n) + PLOT_WIDTH / (double)n / 2, page_text(json_object_array_get_idx(rows, i), "text"));
	page_set(chart, "width", json_object_new_int(WIDTH));
	page_set(chart, "height", json_object_new_int(HEIGHT));
	page_set(chart, "left", json_object_new_int(LEFT));
	page_set(chart, "right", json_object_new_int(WIDTH - RIGHT));
	page_set(chart, "base", json_object_new_int(TOP + PLOT_HEIGHT));
	page_set(chart, "under", json_object_new_int(HEIGHT - 6));
	page_set(chart, "labels", labels);
	return chart;
}

static void set_is(struct json_object *o, const char *key)
{
	struct json_object *is = json_object_new_object();

	page_set_bool(is, key, true);
	page_set(o, "is", is);
}

/* The least of 1, 2, 5, 10, 20 … that is not below. */
static double round_up(double most)
{
	double unit = pow(10, floor(log10(most)));

	return most <= unit ? unit : most <= 2 * unit ? 2 * unit : most <= 5 * unit ? 5 * unit : 10 * unit;
}

static void add_bars(struct json_object *bars, struct json_object *row, const char *const *keys, double x, double width, double scale)
{
	double y = TOP + PLOT_HEIGHT;

	for (; *keys; keys++) {
		double height = value_of(row, *keys) * scale;
		struct json_object *o;

		if (height <= 0)
			continue;
		/* One of thousands is still seen. */
		if (height < 1)
			height = 1;
		y -= height;
		o = json_object_new_object();
		set_place(o, "x", x);
		set_place(o, "y", y < TOP ? TOP : y);
		set_place(o, "width", width);
		set_place(o, "height", height);
		set_is(o, *keys);
		json_object_array_add(bars, o);
	}
}

struct json_object *chart_bars(struct json_object *rows, const char *const *keys)
{
	struct json_object *chart = frame(rows), *bars = json_object_new_array(), *ticks = json_object_new_array();
	size_t n = length(rows);
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, sum_of(json_object_array_get_idx(rows, i), keys));
	page_set_bool(chart, "empty", most <= 0);
	if (most > 0) {
		most = round_up(fmax(most, 2));
		for (size_t i = 0; i < n; i++)
			add_bars(bars, json_object_array_get_idx(rows, i), keys, column(i, n) + 2, PLOT_WIDTH / (double)n - 4, PLOT_HEIGHT / most);
		for (int i = 0; i <= 2; i++) {
			char text[32];

			snprintf(text, sizeof text, "%.0f", most * i / 2);
			add_mark(ticks, "y", TOP + PLOT_HEIGHT * (2 - i) / 2.0, text);
		}
	}
	page_set(chart, "bars", bars);
	page_set(chart, "ticks", ticks);
	return chart;
}

/* A logarithmic scale from 0.01 s to 100000 s would be mostly empty: decades that hold something. */
struct decades {
	double low, high;
};

static bool find_decades(struct json_object *rows, const char *const *keys, struct decades *d)
{
	double least = INFINITY, most = 0;

	for (size_t i = 0; i < length(rows); i++)
		for (const char *const *k = keys; *k; k++) {
			double value = value_of(json_object_array_get_idx(rows, i), *k);

			if (value > 0) {
				least = fmin(least, value);
				most = fmax(most, value);
			}
		}
	if (most <= 0)
		return false;
	d->low = floor(log10(fmax(least, 0.001)));
	d->high = fmax(ceil(log10(most)), d->low + 1);
	return true;
}

static double height_of(const struct decades *d, double value)
{
	double part = (log10(fmax(value, 0.001)) - d->low) / (d->high - d->low);

	return TOP + PLOT_HEIGHT * (1 - fmin(fmax(part, 0), 1));
}

static struct json_object *line_of(struct json_object *rows, const char *key, const struct decades *d)
{
	struct json_object *o = json_object_new_object();
	struct tele_buf path = {0};
	size_t n = length(rows);
	bool drawing = false;

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		double x = column(i, n) + PLOT_WIDTH / (double)n / 2;

		if (!page_get(row, key)) {
			drawing = false;
			continue;
		}
		/* One that stands alone is a dot: a line of no length with round ends. */
		tele_buf_printf(&path, "%c%.1f %.1f", drawing ? 'L' : 'M', x, height_of(d, value_of(row, key)));
		if (!drawing)
			tele_buf_str(&path, "h0");
		drawing = true;
	}
	page_set_text(o, "path", tele_buf_text(&path));
	set_is(o, key);
	tele_buf_release(&path);
	return o;
}

struct json_object *chart_lines(struct json_object *rows, const char *const *keys)
{
	struct json_object *chart = frame(rows), *lines = json_object_new_array(), *ticks = json_object_new_array();
	struct decades d;
	bool any = find_decades(rows, keys, &d);

	page_set_bool(chart, "empty", !any);
	for (const char *const *k = keys; any && *k; k++)
		json_object_array_add(lines, line_of(rows, *k, &d));
	for (double e = any ? d.low : 1; any && e <= d.high; e++) {
		char text[32];

		snprintf(text, sizeof text, "%g", pow(10, e));
		add_mark(ticks, "y", height_of(&d, pow(10, e)), text);
	}
	page_set(chart, "lines", lines);
	page_set(chart, "ticks", ticks);
	return chart;
}

void chart_shares(struct json_object *rows, const char *key)
{
	double most = 0;

	for (size_t i = 0; i < length(rows); i++)
		most = fmax(most, value_of(json_object_array_get_idx(rows, i), key));
	for (size_t i = 0; i < length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		set_place(row, "share", most > 0 ? 100 * value_of(row, key) / most : 0);
	}
}
