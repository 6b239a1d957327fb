#ifndef TELE_TEMPLATE_H
#define TELE_TEMPLATE_H

#include "lib/buf.h"

#include <stdbool.h>

struct json_object;

/*
 * Templates of pages: mustache (mustache.github.io/mustache.5.html) over json-c objects.
 *
 *	{{name}} {{a.b}} {{.}}         a value, always escaped for HTML: & < > " '
 *	{{#name}}...{{/name}}          for each of a list; once, looking names up in it first, for another value; not at all for a false one
 *	{{^name}}...{{/name}}          for a false one
 *	{{>row}}                       the template row, in its place
 *	{{<layout}}{{$title}}Users{{/title}}{{/layout}}
 *	                               the template layout, with Users for its block title
 *	{{$title}}TeleOps{{/title}}    a block, and what stands there if nobody gives it
 *	{{! why }}  {{=<% %>=}}        a comment; other delimiters
 *
 * False is what is missing, null, false, 0, "" or an empty list. Numbers are written as json-c writes them, objects and lists as JSON.
 * A tag that is alone on its line takes the line with it; blanks before {{>row}} or {{<layout}} indent each line of that template.
 * There is no unescaped form, and no lambda.
 *
 *	tele_template_load at the start    tele_template_render from any thread    tele_template_reload on HUP    tele_template_free
 */
struct tele_templates;

/*
 * Compiles every *.html below directory: users.html is called users, part/row.html part/row; what begins with a dot is passed over.
 * TELE_INVALID: why says what is wrong, a line "file:line: what" each, missing templates and blocks included. TELE_SYSTEM: what
 * cannot be read, likewise.
 */
enum tele_err tele_template_load(const char *directory, struct tele_templates **out, struct tele_buf *why) TELE_MUST;
/*
 * Loads all of it again; what is being rendered goes on with the old ones, and in case of an error they stay. Those from memory
 * are never other ones.
 */
enum tele_err tele_template_reload(struct tele_templates *t, struct tele_buf *why) TELE_MUST;
/* Nobody may be rendering any more. NULL is fine. */
void tele_template_free(struct tele_templates *t);

/*
 * Adds the template name, rendered with data (an object; NULL: nothing is known), to out. data is read by this thread alone and
 * stays the caller's. TELE_NOTFOUND: no such template; TELE_INVALID: it calls itself, or nests, too deep (more than 32 partials and
 * blocks or 128 sections); TELE_NOMEM. The log has the reason, and out is as it was. Needs less than 16 KiB of stack.
 */
enum tele_err tele_template_render(struct tele_templates *t, const char *name, struct json_object *data, struct tele_buf *out) TELE_MUST;

/* A template in memory. */
struct tele_template_text {
	const char *name;
	const char *text;
};

/*
 * The same from memory, without a check for what is missing. whole: the whole language of the public specification, with
 * {{{unescaped}}} and {{&values}}; pages are never compiled like that.
 */
enum tele_err tele_template_compile(const struct tele_template_text *texts, size_t n, bool whole, struct tele_templates **out,
    struct tele_buf *why) TELE_MUST;
/* TELE_INVALID: a line in why for each partial or parent that does not exist, and each block given that its parent does not have. */
enum tele_err tele_template_check(struct tele_templates *t, struct tele_buf *why) TELE_MUST;

#endif
