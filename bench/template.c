/*
 * What a list page costs the template engine: 50 rows of 8 columns within a layout. Prints microseconds a page, the median of 21
 * rounds, for the data (which the page builds anyway), for rendering alone, and for compiling.
 *	make bench-programs && bench/template
 */
#include "lib/template.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 50, ROUNDS = 21, PAGES = 200 };

static const struct tele_template_text texts[] = {
    {"layout", "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	       "<title>{{$title}}TeleOps{{/title}} - TeleOps</title>\n<link rel=\"stylesheet\" href=\"/static/teleops.css\">\n</head>\n"
	       "<body>\n<nav>\n<ul>\n{{#nav}}\n"
	       "<li><a href=\"{{path}}\"{{#here}} aria-current=\"page\"{{/here}}>{{label}}</a></li>\n{{/nav}}\n</ul>\n</nav>\n"
	       "<main>\n{{$content}}\n{{/content}}\n</main>\n<footer>{{person.login}}, {{person.zone}}</footer>\n</body>\n</html>\n"},
    {"task/row", "<tr class=\"{{state}}\">\n<td><a href=\"/tasks/{{id}}\">{{id}}</a></td>\n<td>{{state}}</td>\n"
		 "<td>{{#person}}<a href=\"/users/{{id}}\">{{name}}</a>{{/person}}{{^person}}nobody{{/person}}</td>\n<td>{{chat}}</td>\n"
		 "<td><code>{{command}}</code></td>\n<td>{{engine}}</td>\n<td><time datetime=\"{{at.iso}}\">{{at.text}}</time></td>\n"
		 "<td>{{seconds}}</td>\n</tr>\n"},
    {"tasks", "{{<layout}}\n{{$title}}Tasks{{/title}}\n{{$content}}\n<h1>Tasks</h1>\n<table>\n<thead>\n<tr>{{#columns}}<th scope=\"col\">"
	      "<a href=\"?sort={{key}}\">{{label}}</a></th>{{/columns}}</tr>\n</thead>\n<tbody>\n{{#tasks}}\n{{>task/row}}\n{{/tasks}}\n"
	      "</tbody>\n</table>\n{{^tasks}}\n<p>No task yet.</p>\n{{/tasks}}\n{{#next}}\n<a rel=\"next\" href=\"?after={{next}}\">Next</a>\n"
	      "{{/next}}\n{{/content}}\n{{/layout}}\n"},
};

static void put(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *labels(const char *const *words)
{
	struct json_object *list = json_object_new_array();

	for (; *words; words++) {
		struct json_object *o = json_object_new_object();

		put(o, "label", *words);
		put(o, "key", *words);
		put(o, "path", "/tasks");
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *task(int i)
{
	struct json_object *o = json_object_new_object(), *person = json_object_new_object(), *at = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_int64(4000000000LL + i));
	put(o, "state", i % 7 ? "done" : "failed");
	put(person, "name", "On & Call");
	json_object_object_add(person, "id", json_object_new_int64(i));
	json_object_object_add(o, "person", person);
	put(o, "chat", "web \"night\" shift");
	put(o, "command", "/restart env=staging service=web reason='too slow'");
	put(o, "engine", "engine-1.example");
	put(at, "iso", "2026-11-24T17:37:01Z");
	put(at, "text", "24 Nov 17:37 (+00:00)");
	json_object_object_add(o, "at", at);
	json_object_object_add(o, "seconds", json_object_new_double(0.25 * i));
	return o;
}

static struct json_object *page(void)
{
	static const char *const columns[] = {"id", "state", "person", "chat", "command", "engine", "time", "seconds", NULL};
	static const char *const nav[] = {"Tasks", "People", "Commands", "Engines", "Chats", "Outbox", "Audit", "Settings", NULL};
	struct json_object *o = json_object_new_object(), *person = json_object_new_object(), *tasks = json_object_new_array();

	json_object_object_add(o, "nav", labels(nav));
	json_object_object_add(o, "columns", labels(columns));
	put(person, "login", "oncall");
	put(person, "zone", "Europe/Berlin");
	json_object_object_add(o, "person", person);
	for (int i = 0; i < ROWS; i++)
		json_object_array_add(tasks, task(i));
	json_object_object_add(o, "tasks", tasks);
	put(o, "next", "4000000049");
	return o;
}

/* One page each; false: it failed. */
static bool build(struct tele_templates *t, struct json_object *data, struct tele_buf *out)
{
	struct json_object *o = page();

	json_object_put(o);
	return o;
}

static bool render(struct tele_templates *t, struct json_object *data, struct tele_buf *out)
{
	tele_buf_release(out); /* as a request does, which begins with nothing */
	return tele_template_render(t, "tasks", data, out) == TELE_OK;
}

static bool compile(struct tele_templates *t, struct json_object *data, struct tele_buf *out)
{
	struct tele_templates *other = NULL;

	if (tele_template_compile(texts, sizeof texts / sizeof *texts, false, &other, out) != TELE_OK)
		return false;
	tele_template_free(other);
	return true;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of the rounds, microseconds of processor time a page; negative: it failed. */
static double measure(bool (*fn)(struct tele_templates *, struct json_object *, struct tele_buf *), struct tele_templates *t,
    struct json_object *data, struct tele_buf *out)
{
	double us[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double begin = now_us();

		for (int k = 0; k < PAGES; k++)
			if (!fn(t, data, out))
				return -1;
		us[i] = (now_us() - begin) / PAGES;
	}
	qsort(us, ROUNDS, sizeof *us, by_size);
	return us[ROUNDS / 2];
}

int main(void)
{
	struct tele_templates *t = NULL;
	struct tele_buf out = {0};
	struct json_object *data = page();
	double built, rendered, compiled;

	if (tele_template_compile(texts, sizeof texts / sizeof *texts, false, &t, &out) != TELE_OK ||
	    tele_template_check(t, &out) != TELE_OK) {
		fprintf(stderr, "%s", tele_buf_text(&out));
		return EXIT_FAILURE;
	}
	built = measure(build, t, data, &out);
	compiled = measure(compile, t, data, &out);
	rendered = measure(render, t, data, &out);
	printf("page of %d rows, %zu bytes: data %.1f us, rendering %.1f us; compiling %.1f us\n", ROWS, out.len, built, rendered, compiled);
	json_object_put(data);
	tele_template_free(t);
	tele_buf_release(&out);
	return built < 0 || rendered < 0 || compiled < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
