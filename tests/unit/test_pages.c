#include "lib/buf.h"
#include "lib/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The project's own pages: each is compiled as telemanager.fcgi does, and has its values only where escaping is enough. */

static void pages_directory(char *path, size_t size)
{
	const char *source = getenv("srcdir");

	snprintf(path, size, "%s/templates", source ? source : ".");
}

static void all_compile(void **state)
{
	struct tele_templates *t = NULL;
	struct tele_buf why = {0};
	char path[4096];

	pages_directory(path, sizeof path);
	if (tele_template_load(path, &t, &why) != TELE_OK)
		fail_msg("%s", tele_buf_text(&why));
	tele_template_free(t);
	tele_buf_release(&why);
}

/* Where a reader of HTML is. */
struct place {
	bool tag;   /* between < and > */
	char quote; /* of an attribute's value; 0: none */
	const char *raw; /* within script or style: what ends it; NULL: in neither */
	const char *opens; /* the same for what this tag begins */
};

static bool begins(const char *p, const char *with)
{
	return !strncasecmp(p, with, strlen(with));
}

/* {{...}} at p, after the character before. */
static const char *wrong_tag(const struct place *at, const char *p, char before)
{
	bool value = !strchr("#^/!><$=", p[2 + strspn(p + 2, " ")]);

	if (at->raw)
		return "stands in a script or style";
	if (at->tag && !at->quote && (value || before == '='))
		return "stands in a tag without quotes around it";
	return NULL;
}

/* An attribute that begins at p. */
static const char *wrong_attribute(const char *p)
{
	if (begins(p, "style="))
		return "is refused by the Content-Security-Policy";
	if (begins(p, "on") && isalpha((unsigned char)p[2]) && p[strcspn(p, "= >\n")] == '=')
		return "is refused by the Content-Security-Policy";
	return NULL;
}

static void read_character(struct place *at, const char *p)
{
	if (at->raw && !begins(p, at->raw))
		return;
	if (at->quote) {
		if (*p == at->quote)
			at->quote = 0;
	} else if (at->tag) {
		if (*p == '"' || *p == '\'')
			at->quote = *p;
		else if (*p == '>')
			*at = (struct place){.raw = at->opens};
	} else if (*p == '<') {
		*at = (struct place){.tag = true, .opens = begins(p, "<script") ? "</script" : begins(p, "<style") ? "</style" : NULL};
	}
}

/* What is wrong with a page, and where; NULL: nothing. */
static const char *wrong(const char *html, const char **where)
{
	struct place at = {0};

	for (const char *p = html; *p; p++) {
		const char *what = NULL;
		const char *end = begins(p, "{{") ? strstr(p, "}}") : begins(p, "<!--") ? strstr(p, "-->") : NULL;

		if (*p == '{' && end)
			what = wrong_tag(&at, p, p > html ? p[-1] : 0);
		else if (at.tag && !at.quote && isspace((unsigned char)*p))
			what = wrong_attribute(p + 1);
		if (what) {
			*where = p;
			return what;
		}
		if (end) {
			p = end + 1;
			continue;
		}
		read_character(&at, p);
	}
	return NULL;
}

static void knows_wrong_places(void **state)
{
	static const char *const good[] = {"<a href=\"/x/{{id}}\">{{name}}</a>",
	    "<input value='{{v}}'{{#on}} checked{{/on}}>{{#a}}<b>{{/a}}", "a=b {{c}}",
	    "<!-- don't {{x}} --><p title=\"on it\" only>{{x}}", "<script src=\"/static/a.js\"></script>{{x}}",
	    "<p{{! > }} a=\"{{>p}}\">{{=<% %>=}}"};
	static const char *const bad[] = {"<a href={{x}}>", "<a {{x}}>", "<p>\n<a\nclass={{#x}}y{{/x}}>",
	    "<script>if (a > b) {{x}}</script>", "<style>\n{{#x}}", "<b>a{{ x}}</b><i {{ x }}>",
	    "<p style=\"{{x}}\">", "<p id=\"a\" onclick=\"x()\">"};
	const char *where;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_null(wrong(good[i], &where));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(wrong(bad[i], &where));
}

static char *read_page(const char *path)
{
	struct tele_buf text = {0};
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		tele_buf_add(&text, part, n);
	fclose(f);
	return tele_buf_detach(&text);
}

static void have_values_in_right_places(void **state)
{
	char path[4096];
	char *const paths[] = {path, NULL};
	FTS *tree;
	FTSENT *e;
	int pages = 0, bad = 0;

	pages_directory(path, sizeof path);
	tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	assert_non_null(tree);
	while ((e = fts_read(tree))) {
		const char *what, *where = "";
		char *html;

		if (e->fts_info != FTS_F || !strstr(e->fts_name, ".html"))
			continue;
		html = read_page(e->fts_path);
		what = wrong(html, &where);
		if (what)
			print_error("%s: %.40s: %s\n", e->fts_path, where, what);
		bad += what != NULL;
		pages++;
		free(html);
	}
	fts_close(tree);
	assert_int_not_equal(pages, 0);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_compile),
	    cmocka_unit_test(knows_wrong_places),
	    cmocka_unit_test(have_values_in_right_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
