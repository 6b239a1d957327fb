#include "lib/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The public specification's own tests, as its authors wrote them (github.com/mustache/spec, licence beside them).
 * With arguments, files of the same form are run instead.
 */
static const struct file {
	const char *name;
	size_t tests;
} files[] = {
    {"comments.json", 12}, {"delimiters.json", 14}, {"interpolation.json", 42}, {"inverted.json", 22}, {"partials.json", 12},
    {"sections.json", 34},
};

enum { PARTIALS_MOST = 8 };

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

/* What the test's template gives, or what is wrong with it. */
static void render(struct json_object *test, struct tele_buf *out)
{
	struct tele_template_text texts[PARTIALS_MOST + 1] = {{"", text_of(test, "template")}};
	struct json_object *partials = NULL, *data = NULL;
	struct tele_templates *t = NULL;
	size_t n = 1;

	json_object_object_get_ex(test, "data", &data);
	if (json_object_object_get_ex(test, "partials", &partials)) {
		json_object_object_foreach(partials, name, text) {
			if (n <= PARTIALS_MOST)
				texts[n++] = (struct tele_template_text){name, json_object_get_string(text)};
		}
	}
	if (tele_template_compile(texts, n, true, &t, out) == TELE_OK && tele_template_render(t, "", data, out) != TELE_OK)
		tele_buf_str(out, "not rendered");
	tele_template_free(t);
}

/* The number of tests in the file; *failed counts those that gave something else. */
static size_t run(const char *path, size_t *failed)
{
	struct json_object *spec = json_object_from_file(path);
	struct json_object *tests = NULL;
	size_t n;

	if (!spec || !json_object_object_get_ex(spec, "tests", &tests))
		fail_msg("%s: %s", path, json_util_get_last_err());
	n = json_object_array_length(tests);
	for (size_t i = 0; i < n; i++) {
		struct json_object *test = json_object_array_get_idx(tests, i);
		struct tele_buf out = {0};

		render(test, &out);
		if (strcmp(tele_buf_text(&out), text_of(test, "expected"))) {
			print_error("%s: %s\n--- gave\n%s\n--- where expected is\n%s\n---\n", path, text_of(test, "name"), tele_buf_text(&out),
			    text_of(test, "expected"));
			++*failed;
		}
		tele_buf_release(&out);
	}
	json_object_put(spec);
	return n;
}

static void passes(void **state)
{
	const struct file *file = *state;
	const char *source = getenv("srcdir");
	char path[4096];
	size_t failed = 0;

	snprintf(path, sizeof path, "%s/tests/unit/mustache-spec/%s", source ? source : ".", file->name);
	assert_int_equal(run(path, &failed), file->tests);
	assert_int_equal(failed, 0);
}

static int run_these(char **paths)
{
	size_t failed = 0, n = 0;

	for (; *paths; paths++)
		n += run(*paths, &failed);
	printf("%zu tests, %zu failed\n", n, failed);
	return n && !failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[sizeof files / sizeof *files];

	if (argc > 1)
		return run_these(argv + 1);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		tests[i] = (struct CMUnitTest){files[i].name, passes, NULL, NULL, (void *)(uintptr_t)&files[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
