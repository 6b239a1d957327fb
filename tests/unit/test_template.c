#include "lib/template.h"

#include "lib/json.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mustache specification is tested by test_mustache_spec; this is what it does not say, and what is ours. */

enum { TEXTS_MOST = 5 };

static struct json_object *json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

static size_t count(const struct tele_template_text *texts)
{
	size_t n = 0;

	while (n < TEXTS_MOST && texts[n].name)
		n++;
	return n;
}

static struct tele_templates *compiled(const struct tele_template_text *texts, size_t n)
{
	struct tele_templates *t = NULL;
	struct tele_buf why = {0};

	if (tele_template_compile(texts, n, false, &t, &why) != TELE_OK)
		fail_msg("%s", tele_buf_text(&why));
	tele_buf_release(&why);
	return t;
}

/* Renders the first of texts. */
static void expect(const struct tele_template_text *texts, const char *data, const char *expected)
{
	struct tele_templates *t = compiled(texts, count(texts));
	struct json_object *o = json(data);
	struct tele_buf out = {0};

	assert_int_equal(tele_template_render(t, texts[0].name, o, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), expected);
	tele_buf_release(&out);
	json_object_put(o);
	tele_template_free(t);
}

static void expect_one(const char *text, const char *data, const char *expected)
{
	const struct tele_template_text texts[TEXTS_MOST] = {{"page", text}};

	expect(texts, data, expected);
}

/* Values */

static void escapes_always(void **state)
{
	static const char data[] = "{\"a\": \"<b title=\\\"x\\\">'&amp;'</b>\"}";

	expect_one("{{a}}|{{a}}", data,
	    "&lt;b title=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/b&gt;|&lt;b title=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/b&gt;");
}

static void objects_are_json(void **state)
{
	expect_one("{{o}} {{l}}", "{\"o\": {\"<\": [\"&\"]}, \"l\": [1, \"a\", null]}",
	    "{&quot;&lt;&quot;:[&quot;&amp;&quot;]} [1,&quot;a&quot;,null]");
	expect_one("{{u}}", "{\"u\": \"\\u00e9\\ud83d\\ude80\"}", "\xc3\xa9\xf0\x9f\x9a\x80");
}

static void numbers_as_json_has_them(void **state)
{
	static const char data[] = "{\"n\": [0, -1, 9223372036854775807, 9223372036854775808, 18446744073709551615, "
				   "-9223372036854775808, 1.50, 1e3, true, false, null, \"\"]}";

	expect_one("{{#n}}{{.}},{{/n}}", data,
	    "0,-1,9223372036854775807,9223372036854775808,18446744073709551615,-9223372036854775808,1.50,1e3,true,false,,,");
}

static void what_is_false(void **state)
{
	static const char *const no[] = {"null", "false", "0", "0.0", "\"\"", "[]"};
	static const char *const yes[] = {"true", "1", "-1", "0.5", "\"0\"", "\" \"", "{}", "[null]", "[[]]"};
	char data[64];

	for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
		snprintf(data, sizeof data, "{\"a\": %s}", no[i]);
		expect_one("{{#a}}yes{{/a}}{{^a}}no{{/a}}", data, "no");
	}
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		snprintf(data, sizeof data, "{\"a\": %s}", yes[i]);
		expect_one("{{#a}}yes{{/a}}{{^a}}no{{/a}}", data, "yes");
	}
}

static void names_go_outwards(void **state)
{
	static const char data[] = "{\"a\": \"outer\", \"b\": {\"a\": null, \"c\": [{\"d\": 1}, {\"a\": \"own\"}, 7]}}";

	/* A member that is null is there, and hides the outer one. */
	expect_one("{{#b}}[{{a}}]{{#c}}({{a}}{{d}}){{/c}}{{/b}}{{a}}", data, "[](1)(own)()outer");
	expect_one("{{#b.c}}{{a}}{{d}} {{/b.c}}", data, "outer1 own outer ");
	expect_one("{{x.y}}{{a.b.c}}{{#a}}{{b.q}}{{/a}}", data, "");
}

static void no_data_is_no_trouble(void **state)
{
	const struct tele_template_text text = {"page", "{{a}}{{a.b}}{{.}}{{#a}}x{{/a}}{{#.}}x{{/.}}{{^.}}nothing{{/.}}"};
	struct tele_templates *t = compiled(&text, 1);
	struct tele_buf out = {0};

	assert_int_equal(tele_template_render(t, "page", NULL, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), "nothing");
	tele_buf_release(&out);
	tele_template_free(t);
}

/* Partials and parents */

static void layouts(void **state)
{
	static const char layout[] = "<title>{{$title}}TeleOps{{/title}}</title>\n<main>\n{{$content}}\n{{/content}}\n</main>\n{{>foot}}\n";
	const struct tele_template_text users[TEXTS_MOST] = {
	    {"users", "{{<layout}}\n\n{{! what it is }}\n{{$title}}{{title}} - TeleOps{{/title}}\n{{$content}}\n\t<ul>\n\t{{#users}}\n"
		      "\t\t<li>{{name}}</li>\n\t{{/users}}\n\t</ul>\n{{/content}}\n{{/layout}}\n"},
	    {"layout", layout}, {"foot", "<footer>{{$foot}}{{version}}{{/foot}}</footer>\n"}};
	const struct tele_template_text bare[TEXTS_MOST] = {{"bare", "{{<layout}}{{/layout}}"}, {"layout", layout}};
	const struct tele_template_text foot[TEXTS_MOST] = {
	    {"foot", "{{<layout}}{{$foot}}mine{{/foot}}{{/layout}}"}, {"layout", "a{{>inner}}"}, {"inner", "b{{$foot}}theirs{{/foot}}"}};

	expect(users, "{\"title\": \"A&B\", \"version\": 2, \"users\": [{\"name\": \"<x>\"}, {\"name\": \"y\"}]}",
	    "<title>A&amp;B - TeleOps</title>\n<main>\n<ul>\n\t<li>&lt;x&gt;</li>\n\t<li>y</li>\n</ul>\n</main>\n<footer>2</footer>\n");
	expect(bare, "{}", "<title>TeleOps</title>\n<main>\n</main>\n");
	expect(foot, "{}", "abmine");
}

static void layouts_of_layouts(void **state)
{
	/* The outermost word counts; an argument's own blocks are its template's, given by who calls that. */
	const struct tele_template_text three[TEXTS_MOST] = {
	    {"page", "{{<section}}{{$body}}page{{/body}}{{/section}}"},
	    {"section", "{{<layout}}{{$main}}[{{$body}}none{{/body}}{{$aside}}aside{{/aside}}]{{/main}}{{$body}}not this{{/body}}{{/layout}}"},
	    {"layout", "{{$main}}main{{/main}} {{$body}}body{{/body}}"}};
	const struct tele_template_text same[TEXTS_MOST] = {
	    {"page", "{{<layout}}{{$a}}<{{$a}}inner{{/a}}>{{/a}}{{/layout}}"}, {"layout", "{{$a}}default{{/a}}"}};
	const struct tele_template_text in_section[TEXTS_MOST] = {
	    {"page", "{{<layout}}{{$row}}{{n}}{{outer}};{{/row}}{{/layout}}"}, {"layout", "{{#rows}}{{$row}}{{/row}}{{/rows}}"}};
	const struct tele_template_text within[TEXTS_MOST] = {
	    {"page", "{{<layout}}{{$a}}{{<box}}{{$in}}{{x}}{{/in}}{{/box}}{{>box}}{{/a}}{{/layout}}"}, {"layout", "({{$a}}{{/a}})"},
	    {"box", "[{{$in}}empty{{/in}}]"}};

	expect(three, "{}", "[pageaside] page");
	expect(same, "{}", "<inner>");
	expect(in_section, "{\"outer\": \"!\", \"rows\": [{\"n\": 1}, {\"n\": 2}]}", "1!;2!;");
	expect(within, "{\"x\": 5}", "([5][empty])");
}

static void lines_and_indentation(void **state)
{
	const struct tele_template_text nested[TEXTS_MOST] = {
	    {"page", "a\n  {{>outer}}\nz\n"}, {"outer", "b\n\n\t{{>inner}}\nc {{>inner}}\n{{#x}}\n{{x}}\n{{/x}}\n{{x}}{{x}}\n"},
	    {"inner", "i\n{{x}}\n"}};
	const struct tele_template_text block[TEXTS_MOST] = {
	    {"page", "  {{<layout}}\n    {{$b}}\n      one\n        {{>two}}\n\n      three\n    {{/b}}\n  {{/layout}}\n!"},
	    {"layout", "<\n {{$b}}\n {{/b}}\n {{$c}}\n   c\n {{/c}}\n>\n"}, {"two", "2\n22\n"}};
	const struct tele_template_text begun[TEXTS_MOST] = {
	    {"page", "{{<layout}}{{$b}}one\n{{two}}{{/b}}{{$c}}\n    x\n{{/c}}{{/layout}}\n    y\n"},
	    {"layout", "<\n  {{$b}}{{/b}}!\n{{$c}}\n{{/c}}\n>\n"}};
	const struct tele_template_text parents[TEXTS_MOST] = {
	    {"page", "  {{>deeper}}\n  {{>as_deep}}\n"}, {"deeper", "\t{{<p}}{{/p}}\n"}, {"as_deep", "{{<p}}{{/p}}\n"}, {"p", "1\n2\n"}};
	const struct tele_template_text inline_parent[TEXTS_MOST] = {{"page", "x {{<p}}{{/p}} y\n  {{<p}}{{/p}}  \r\nz"}, {"p", "1\n2\n"}};

	expect(nested, "{\"x\": \"m\\nn\"}", "a\n  b\n  \n  \ti\n  \tm\nn\n  c i\nm\nn\n\n  m\nn\n  m\nnm\nn\nz\n");
	expect(block, "{}", "  <\n   one\n     2\n     22\n   \n   three\n     c\n  >\n!");
	expect(begun, "{\"two\": \"two\"}", "<\n  one\n  two!\nx\n>\n    y\n");
	expect(parents, "{}", "  \t1\n  \t2\n  1\n  2\n");
	expect(inline_parent, "{}", "x 1\n2\n y\n  1\n  2\nz");
}

/* What is refused */

static void expect_refused(const char *text, const char *because)
{
	const struct tele_template_text one = {"page", text};
	struct tele_templates *t = NULL;
	struct tele_buf why = {0};

	assert_int_equal(tele_template_compile(&one, 1, false, &t, &why), TELE_INVALID);
	assert_null(t);
	assert_string_equal(tele_buf_text(&why), because);
	tele_buf_release(&why);
}

static void refuses_the_unescaped_form(void **state)
{
	expect_refused("<p>\n{{{a}}}", "page:2: {{{a}}} is unescaped, which no page may be: write {{a}}\n");
	expect_refused("{{&a}}", "page:1: {{&a}} is unescaped, which no page may be: write {{a}}\n");
	expect_refused("{{ & a }}", "page:1: {{ & a }} is unescaped, which no page may be: write {{a}}\n");
	expect_refused("{{ {a} }}", "page:1: the tag {{ {a} }} is not closed by }}}\n");
	expect_refused("{{{a}}", "page:1: the tag {{{a}} is not closed by }}}\n");
	expect_refused("{{=<% %>=}}<%& a %>", "page:1: <%& a %> is unescaped, which no page may be: write <%a%>\n");
	expect_refused("{{=<% %>=}}<%{a}%>", "page:1: <%{a}%> is unescaped, which no page may be: write <%a%>\n");
	expect_refused("{{#x}}{{<l}}{{$b}}{{&a}}{{/b}}{{/l}}{{/x}}", "page:1: {{&a}} is unescaped, which no page may be: write {{a}}\n");
}

static void says_where_and_what(void **state)
{
	static const struct {
		const char *text, *because;
	} cases[] = {
	    {"a\n{{#rows}}\n{{x}}\n", "page:2: #rows is not closed\n"},
	    {"{{^rows}}", "page:1: ^rows is not closed\n"},
	    {"{{#a}}\n{{#b}}\n{{/a}}{{/b}}", "page:3: /a where #b of line 2 is to be closed\n"},
	    {"x{{/a}}", "page:1: {{/a}} closes nothing\n"},
	    {"\n\n{{name\n}", "page:3: the tag {{name is not closed by }}\n"},
	    {"{{", "page:1: the tag {{ is not closed by }}\n"},
	    {"{{}}", "page:1: {{}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{ # }}", "page:1: {{ # }}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{user|raw}}", "page:1: {{user|raw}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{#if x}}", "page:1: {{#if x}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{a..b}}", "page:1: {{a..b}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{.a}}", "page:1: {{.a}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{>*dynamic}}", "page:1: {{>*dynamic}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{$a/b}}{{/a/b}}", "page:1: {{$a/b}}: a name is of letters, digits, - and _, parts joined by dots\n"},
	    {"{{a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a}}", "page:1: a name of more than 32 parts\n"},
	    {"{{=<%=}}", "page:1: {{=<%=}}: two delimiters between = and =, without blanks or = in them\n"},
	    {"{{=a b c=}}", "page:1: {{=a b c=}}: two delimiters between = and =, without blanks or = in them\n"},
	    {"{{== ==}}", "page:1: {{== ==}}: two delimiters between = and =, without blanks or = in them\n"},
	    {"{{=<% %>}}", "page:1: the tag {{=<% %>}} is not closed by =}}\n"},
	    {"{{=| |=}}\n|#a|{{/a}}", "page:2: #a is not closed\n"},
	    {"{{<layout}}", "page:1: <layout is not closed\n"},
	    {"{{<layout}}\n<p>lost\n</p>\n{{/layout}}", "page:2: \"<p>lost\" stands within <layout but in no block, and would never be seen\n"},
	    {"{{<layout}}\n{{name}}{{/layout}}", "page:2: {{name}} stands within <layout but in no block\n"},
	    {"{{<layout}}{{#x}}{{$a}}{{/a}}{{/x}}{{/layout}}", "page:1: {{#x}} stands within <layout but in no block\n"},
	    {"{{<layout}}{{$a}}1{{/a}}\n{{$b}}{{/b}}{{$a}}2{{/a}}{{/layout}}", "page:2: block a is given twice, first in line 1\n"},
	    {"ok\n\xff", "page:2: not UTF-8\n"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_refused(cases[i].text, cases[i].because);
}

static void names_all_that_is_wrong_at_once(void **state)
{
	static const struct tele_template_text texts[] = {{"a", "{{#x}}"}, {"b", "fine"}, {"c", "{{/y}}"}};
	static const struct tele_template_text twice[] = {{"a", "1"}, {"a", "2"}};
	struct tele_templates *t = NULL;
	struct tele_buf why = {0};

	assert_int_equal(tele_template_compile(texts, 3, false, &t, &why), TELE_INVALID);
	assert_string_equal(tele_buf_text(&why), "a:1: #x is not closed\nc:1: {{/y}} closes nothing\n");
	tele_buf_reset(&why);
	assert_int_equal(tele_template_compile(twice, 2, false, &t, &why), TELE_INVALID);
	assert_string_equal(tele_buf_text(&why), "a:1: there are two templates of this name\n");
	tele_buf_release(&why);
}

static void knows_what_is_missing(void **state)
{
	static const struct tele_template_text good[] = {
	    {"page", "{{<layout}}{{$foot}}x{{/foot}}{{/layout}}"}, {"layout", "{{>foot}}"},
	    {"foot", "{{$foot}}{{/foot}}{{#more}}{{>layout}}{{/more}}"}};
	static const struct tele_template_text bad[] = {
	    {"page", "{{<layout}}\n{{$titel}}x{{/titel}}\n{{$title}}{{>nothing}}{{/title}}{{/layout}}"},
	    {"layout", "{{$title}}{{/title}}\n{{<gone}}{{/gone}}"}};
	struct tele_templates *t = compiled(good, 3);
	struct tele_buf why = {0}, out = {0};

	assert_int_equal(tele_template_check(t, &why), TELE_OK);
	tele_template_free(t);
	t = compiled(bad, 2);
	assert_int_equal(tele_template_check(t, &why), TELE_INVALID);
	assert_string_equal(tele_buf_text(&why), "layout:2: there is no template gone\npage:2: layout has no block titel\n"
	    "page:3: there is no template nothing\n");
	assert_int_equal(tele_template_render(t, "page", NULL, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), "\n");
	tele_template_free(t);
	tele_buf_release(&out);
	tele_buf_release(&why);
}

/* Bounds */

/* Renders and gives what was logged; out must be untouched where it failed. */
static enum tele_err render_logged(struct tele_templates *t, const char *name, const char *data, struct tele_buf *log)
{
	struct json_object *o = json(data);
	struct tele_buf out = {0};
	int saved = dup(STDERR_FILENO);
	char text[4096];
	enum tele_err rc;
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	tele_buf_str(&out, "before");
	dup2(ends[1], STDERR_FILENO);
	rc = tele_template_render(t, name, o, &out);
	dup2(saved, STDERR_FILENO);
	close(ends[1]);
	close(saved);
	n = read(ends[0], text, sizeof text);
	close(ends[0]);
	tele_buf_add(log, text, n > 0 ? (size_t)n : 0);
	if (rc != TELE_OK) {
		assert_string_equal(tele_buf_text(&out), "before");
		assert_int_equal(out.len, strlen("before"));
	}
	tele_buf_release(&out);
	json_object_put(o);
	return rc;
}

static void expect_too_deep(const struct tele_template_text *texts, const char *data, const char *because)
{
	struct tele_templates *t = compiled(texts, count(texts));
	struct tele_buf log = {0};

	assert_int_equal(render_logged(t, texts[0].name, data, &log), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&log), "level=error"));
	assert_non_null(strstr(tele_buf_text(&log), "event=not_rendered"));
	assert_non_null(strstr(tele_buf_text(&log), because));
	tele_buf_release(&log);
	tele_template_free(t);
}

static void recursion_ends(void **state)
{
	static const char calls[] = "partials and blocks are nested more than 32 deep";
	const struct tele_template_text self[TEXTS_MOST] = {{"a", "x\n{{>a}}"}};
	const struct tele_template_text indented[TEXTS_MOST] = {{"a", "x\n  {{>a}}\n"}};
	const struct tele_template_text pair[TEXTS_MOST] = {{"a", "{{>b}}"}, {"b", "{{<a}}{{/a}}"}};
	const struct tele_template_text block[TEXTS_MOST] = {{"a", "{{<b}}{{$x}}{{>a}}{{/x}}{{/b}}"}, {"b", "{{$x}}{{/x}}"}};
	const struct tele_template_text sections[TEXTS_MOST] = {{"a", "{{#x}}{{#x}}{{#x}}{{#x}}{{#x}}{{>a}}{{/x}}{{/x}}{{/x}}{{/x}}{{/x}}"}};

	expect_too_deep(self, "{}", "a:2: partials and blocks are nested more than 32 deep");
	expect_too_deep(indented, "{}", calls);
	expect_too_deep(pair, "{}", calls);
	expect_too_deep(block, "{}", calls);
	expect_too_deep(sections, "{\"x\": 1}", "a:1: sections are nested more than 128 deep");
}

/* A node with depth nodes below each other. The last has a list too: a name that it has not would be found further out. */
static struct json_object *tree(int depth)
{
	struct json_object *node = json("{\"c\": []}");

	while (depth--) {
		struct json_object *above = json_object_new_object(), *list = json_object_new_array();

		json_object_array_add(list, node);
		json_object_object_add(above, "c", list);
		node = above;
	}
	return node;
}

static void trees_up_to_the_bound(void **state)
{
	const struct tele_template_text node = {"node", "({{#c}}{{>node}}{{/c}})"};
	struct tele_templates *t = compiled(&node, 1);
	struct tele_buf out = {0};
	struct json_object *data = tree(32);

	assert_int_equal(tele_template_render(t, "node", data, &out), TELE_OK);
	assert_int_equal(out.len, 2 * 33);
	json_object_put(data);
	data = tree(33);
	tele_buf_reset(&out);
	assert_int_equal(tele_template_render(t, "node", data, &out), TELE_INVALID);
	assert_string_equal(tele_buf_text(&out), "");
	json_object_put(data);
	tele_buf_release(&out);
	tele_template_free(t);
}

static void nests(struct tele_buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		tele_buf_str(b, "{{#a}}");
	tele_buf_str(b, "x");
	for (int i = 0; i < depth; i++)
		tele_buf_str(b, "{{/a}}");
}

static void sections_up_to_the_bound(void **state)
{
	struct tele_buf text = {0};

	nests(&text, 64);
	expect_one(tele_buf_text(&text), "{\"a\": [1]}", "x");
	tele_buf_reset(&text);
	nests(&text, 65);
	expect_refused(tele_buf_text(&text), "page:1: sections and blocks are nested more than 64 deep\n");
	tele_buf_reset(&text);
	for (int i = 0; i < 1024 * 1024; i++)
		tele_buf_char(&text, 'x');
	expect_one(tele_buf_text(&text), "{}", tele_buf_text(&text));
	tele_buf_char(&text, 'x');
	expect_refused(tele_buf_text(&text), "page:1: larger than 1048576 bytes\n");
	tele_buf_release(&text);
}

/* Directories */

static char directory[] = "/tmp/test_template.XXXXXX";

static void put_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void drop_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	assert_int_equal(remove(path), 0);
}

static int make_directory(void **state)
{
	char path[256];

	memcpy(strrchr(directory, '.'), ".XXXXXX", 7);
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/part", directory);
	if (mkdir(path, 0700))
		return -1;
	snprintf(path, sizeof path, "%s/.git", directory);
	return mkdir(path, 0700);
}

static int drop_directory(void **state)
{
	drop_file(".git");
	drop_file("part");
	return rmdir(directory);
}

static void expect_rendered(struct tele_templates *t, const char *name, const char *expected)
{
	struct tele_buf out = {0};

	assert_int_equal(tele_template_render(t, name, NULL, &out), TELE_OK);
	assert_string_equal(tele_buf_text(&out), expected);
	tele_buf_release(&out);
}

static void loads_a_directory(void **state)
{
	static const char *const names[] = {"page.html", "part/row.html", ".#page.html", ".git/page.html", "page.html~", "page.txt", ".html"};
	struct tele_templates *t = NULL;
	struct tele_buf why = {0}, slashed = {0}, log = {0};

	for (size_t i = 2; i < sizeof names / sizeof *names; i++)
		put_file(names[i], "{{#bad}}");
	put_file("page.html", "a{{>part/row}}");
	put_file("part/row.html", "b");
	tele_buf_printf(&slashed, "%s//", directory);
	assert_int_equal(tele_template_load(tele_buf_text(&slashed), &t, &why), TELE_OK);
	assert_string_equal(tele_buf_text(&why), "");
	expect_rendered(t, "page", "ab");
	expect_rendered(t, "part/row", "b");
	assert_int_equal(render_logged(t, "page.txt", "{}", &log), TELE_NOTFOUND);
	assert_non_null(strstr(tele_buf_text(&log), "template=page.txt error=notfound"));
	tele_template_free(t);
	tele_template_free(NULL);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		drop_file(names[i]);
	tele_buf_release(&log);
	tele_buf_release(&slashed);
	tele_buf_release(&why);
}

static void expect_not_loaded(enum tele_err rc, const char *because)
{
	struct tele_templates *t = NULL;
	struct tele_buf why = {0}, expected = {0};

	tele_buf_printf(&expected, "%s%s", directory, because);
	assert_int_equal(tele_template_load(directory, &t, &why), rc);
	assert_null(t);
	assert_string_equal(tele_buf_text(&why), tele_buf_text(&expected));
	tele_buf_release(&expected);
	tele_buf_release(&why);
}

static void says_why_it_cannot_load(void **state)
{
	char link[256];

	expect_not_loaded(TELE_INVALID, ": there is no *.html in it\n");
	put_file("page.html", "\n{{{a}}}");
	expect_not_loaded(TELE_INVALID, "/page.html:2: {{{a}}} is unescaped, which no page may be: write {{a}}\n");
	put_file("page.html", "{{>part/row}}");
	expect_not_loaded(TELE_INVALID, "/page.html:1: there is no template part/row\n");
	snprintf(link, sizeof link, "%s/part/row.html", directory);
	assert_int_equal(symlink("nowhere.html", link), 0);
	expect_not_loaded(TELE_SYSTEM, "/part/row.html: leads nowhere\n");
	drop_file("part/row.html");
	assert_int_equal(symlink("..", link), 0);
	expect_not_loaded(TELE_SYSTEM, "/part/row.html: leads back into itself\n");
	drop_file("part/row.html");
	drop_file("page.html");
	drop_directory(NULL);
	expect_not_loaded(TELE_SYSTEM, ": No such file or directory\n");
	assert_int_equal(close(open(directory, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)), 0);
	expect_not_loaded(TELE_SYSTEM, ": is no directory\n");
	assert_int_equal(unlink(directory), 0);
	assert_int_equal(make_directory(NULL), 0);
}

static void reloads_all_or_nothing(void **state)
{
	struct tele_templates *t = NULL;
	struct tele_buf why = {0};

	put_file("a.html", "1{{>b}}");
	put_file("b.html", "1");
	assert_int_equal(tele_template_load(directory, &t, &why), TELE_OK);
	put_file("a.html", "2{{>b}}");
	put_file("b.html", "{{2");
	assert_int_equal(tele_template_reload(t, &why), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&why), "/b.html:1: the tag {{2 is not closed by }}\n"));
	expect_rendered(t, "a", "11");
	put_file("b.html", "2");
	assert_int_equal(tele_template_reload(t, &why), TELE_OK);
	expect_rendered(t, "a", "22");
	tele_template_free(t);
	drop_file("a.html");
	drop_file("b.html");
	tele_buf_release(&why);
}

/* Threads: as many as acceptors, with their stacks, while the templates are loaded anew. */

enum { THREADS = 8, ROUNDS = 2000, STACK = 256 * 1024 };

static struct tele_templates *shared;

/* NULL: every page was the old or the new one, whole; else what it was called with. */
static void *render_many(void *context)
{
	struct json_object *data = json_tokener_parse("{\"rows\": [{\"n\": 1.5}, {\"n\": \"<\"}]}");
	struct tele_buf out = {0};
	bool good = data;

	for (int i = 0; good && i < ROUNDS; i++) {
		tele_buf_reset(&out);
		good = tele_template_render(shared, "page", data, &out) == TELE_OK &&
		    (!strcmp(tele_buf_text(&out), "old: old 1.5 old &lt; old old") || !strcmp(tele_buf_text(&out), "new: new 1.5 new &lt; new new"));
	}
	tele_buf_release(&out);
	json_object_put(data);
	return good ? NULL : context;
}

static void put_version(const char *version)
{
	char text[128];

	snprintf(text, sizeof text, "{{<layout}}{{$body}}%s {{#rows}}{{>part/row}}{{/rows}}%s{{/body}}{{/layout}}", version, version);
	put_file("page.html", text);
	snprintf(text, sizeof text, "{{n}} %s ", version);
	put_file("part/row.html", text);
	snprintf(text, sizeof text, "%s: {{$body}}{{/body}}", version);
	put_file("layout.html", text);
}

static void renders_in_threads_while_reloading(void **state)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	struct tele_buf why = {0};
	void *bad;

	put_version("old");
	assert_int_equal(tele_template_load(directory, &shared, &why), TELE_OK);
	assert_int_equal(pthread_attr_init(&small), 0);
	assert_int_equal(pthread_attr_setstacksize(&small, STACK), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], &small, render_many, threads), 0);
	for (int i = 0; i < 50; i++) {
		put_version(i % 2 ? "old" : "new");
		assert_int_equal(tele_template_reload(shared, &why), TELE_OK);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	pthread_attr_destroy(&small);
	tele_template_free(shared);
	drop_file("page.html");
	drop_file("part/row.html");
	drop_file("layout.html");
	tele_buf_release(&why);
}

/* Damaged templates: cut off anywhere, or with bytes changed. They may be refused or rendered, but nothing else. */

static const char *const whole[] = {
    "<ul>\n  {{#rows}}\n  <li>{{a.b}} {{{c}}} {{&c}} {{.}}</li>\n  {{/rows}}\n{{^rows}}\nnone\n{{/rows}}\n</ul>\n",
    "{{<p}}\n  {{! x }}\n{{$t}}T{{/t}}\n  {{$b}}\n    {{>q}}\n    {{$n}}\n  x\n    {{/n}}\n  {{/b}}\n{{/p}}\r\n",
    "{{=<% %>=}}\r\n<%#rows%>(<%c%>)<%/rows%>\n<%={{ }}=%> {{c}} {{= | | =}}|#rows||>q||/rows|",
    "{{#rows}}{{>page}}{{<q}}{{$n}}{{$n}}{{c}}{{/n}}{{/n}}{{/q}}{{/rows}}",
    "\xc3\xa9{{\xc3\xa9}}{{#a}}{{#b}}{{^c}}{{$n}}{{/n}}{{/c}}{{/b}}{{/a}}",
};

static void try(const char *text, struct json_object *data, struct tele_buf *out)
{
	const struct tele_template_text texts[] = {{"page", text}, {"p", "a\n  {{$t}}t{{/t}}\n  {{$b}}\n   b\n  {{/b}}\n"},
	    {"q", " {{$n}}1\n2{{/n}}\n{{>p}}"}};

	for (int as_spec = 0; as_spec < 2; as_spec++) {
		struct tele_templates *t = NULL;
		enum tele_err rc;

		tele_buf_reset(out);
		rc = tele_template_compile(texts, 3, as_spec, &t, out);
		assert_true(rc == TELE_OK || (rc == TELE_INVALID && out->len));
		if (rc == TELE_OK) {
			rc = tele_template_render(t, "page", data, out);
			assert_true(rc == TELE_OK || rc == TELE_INVALID);
			rc = tele_template_check(t, out);
			assert_true(rc == TELE_OK || rc == TELE_INVALID);
		}
		tele_template_free(t);
	}
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void damaged_templates_do_no_harm(void **state)
{
	static const char bytes[] = "{}#^/!><$=&. \n|%abcnq\xc3\xa9";
	struct json_object *data = json("{\"c\": \"<c>\", \"a\": {\"b\": 1}, \"rows\": [{\"c\": [1, 2]}, \"s\", null, 2.5]}");
	struct tele_buf out = {0};
	unsigned seed = 1;
	char text[256];
	/* Pages that call themselves log that they do. */
	int saved = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(nowhere, STDERR_FILENO);
	for (size_t w = 0; w < sizeof whole / sizeof *whole; w++) {
		size_t n = strlen(whole[w]);

		for (size_t cut = 0; cut <= n; cut++) {
			snprintf(text, sizeof text, "%.*s", (int)cut, whole[w]);
			try(text, data, &out);
			try(whole[w] + cut, data, &out);
		}
		for (int round = 0; round < 2000; round++) {
			snprintf(text, sizeof text, "%s", whole[w]);
			for (unsigned k = next_random(&seed) % 3 + 1; k; k--)
				text[next_random(&seed) % n] = bytes[next_random(&seed) % (sizeof bytes - 1)];
			try(text, data, &out);
		}
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(nowhere);
	tele_buf_release(&out);
	json_object_put(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(escapes_always),
	    cmocka_unit_test(objects_are_json),
	    cmocka_unit_test(numbers_as_json_has_them),
	    cmocka_unit_test(what_is_false),
	    cmocka_unit_test(names_go_outwards),
	    cmocka_unit_test(no_data_is_no_trouble),
	    cmocka_unit_test(layouts),
	    cmocka_unit_test(layouts_of_layouts),
	    cmocka_unit_test(lines_and_indentation),
	    cmocka_unit_test(refuses_the_unescaped_form),
	    cmocka_unit_test(says_where_and_what),
	    cmocka_unit_test(names_all_that_is_wrong_at_once),
	    cmocka_unit_test(knows_what_is_missing),
	    cmocka_unit_test(recursion_ends),
	    cmocka_unit_test(trees_up_to_the_bound),
	    cmocka_unit_test(sections_up_to_the_bound),
	    cmocka_unit_test_setup_teardown(loads_a_directory, make_directory, drop_directory),
	    cmocka_unit_test_setup_teardown(says_why_it_cannot_load, make_directory, drop_directory),
	    cmocka_unit_test_setup_teardown(reloads_all_or_nothing, make_directory, drop_directory),
	    cmocka_unit_test_setup_teardown(renders_in_threads_while_reloading, make_directory, drop_directory),
	    cmocka_unit_test(damaged_templates_do_no_harm),
	};

	tele_log_init("test", "info", "logfmt");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
