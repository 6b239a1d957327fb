#include "lib/mustache.h"

#include "lib/text.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_MOST = 64, KEYS_MOST = 32, SHOWN = 40 };

static const char blanks[] = " \t\r\n\v\f";

/* A piece of the source. */
struct piece {
	const char *p;
	size_t n;
};

/* A tag as it stands in the source: {{sign name}}. */
struct tag {
	char sign; /* 0: a value */
	struct piece name;
	struct piece all; /* with its delimiters */
	size_t from, to; /* its offsets */
	size_t before; /* where the blanks begin that alone stand before it on its line, if begins */
	size_t after;  /* where the next line begins, if ends */
	bool begins, ends;
	bool alone;    /* its line holds nothing else, and goes with it */
	uint32_t line;
};

/* A section, block or parent that is not closed yet. */
struct open {
	char sign;
	bool argument;
	bool begins;
	bool blank; /* the step before it holds the blanks before it */
	struct piece name;
	struct piece margin; /* the outer one */
	uint32_t line, step;
};

struct compiler {
	struct tele_mustache *m;
	struct tele_buf *why;
	bool whole;
	const char *text;
	size_t n;
	size_t at;
	uint32_t line;  /* of counted */
	size_t counted;
	struct piece left, right; /* delimiters */
	struct piece margin; /* of an argument's lines: taken off here, the block's is put on where it is rendered */
	bool at_line;    /* what comes next begins a line */
	uint32_t fence;  /* steps before it are complete: something jumps to here */
	size_t room_steps, room_keys;
	struct lh_table *table; /* knows how names are hashed */
	struct open open[OPEN_MOST];
	int depth;
};

static bool fail(struct compiler *c, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Always false. */
static bool fail(struct compiler *c, uint32_t line, const char *format, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof what, format, ap);
	va_end(ap);
	tele_buf_printf(c->why, "%s:%u: %s\n", c->m->file, line, what);
	return false;
}

/* For printf's %.*s: enough of a piece to be recognised, a line at most, whole characters. */
static int shown(struct piece s)
{
	size_t n = 0;

	while (n < s.n && n < SHOWN && s.p[n] != '\n')
		n++;
	while (n && n < s.n && (s.p[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static bool same(struct piece a, struct piece b)
{
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

static bool is_blank(char c)
{
	return c && strchr(blanks, c);
}

static struct piece trim(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	return (struct piece){p, (size_t)(end - p)};
}

static const char *find(const char *p, const char *end, struct piece what)
{
	return memmem(p, (size_t)(end - p), what.p, what.n);
}

static uint32_t line_at(struct compiler *c, size_t at)
{
	for (; c->counted < at; c->counted++)
		c->line += c->text[c->counted] == '\n';
	return c->line;
}

/* Room for one more of size bytes in *list, which holds n of *room. */
static bool grow(void *list, size_t n, size_t *room, size_t size)
{
	void *old, *more;

	if (n < *room)
		return true;
	memcpy(&old, list, sizeof old);
	more = realloc(old, (*room ? *room * 2 : 32) * size);
	if (!more)
		return false;
	memcpy(list, &more, sizeof more);
	*room = *room ? *room * 2 : 32;
	return true;
}

static struct open *top(struct compiler *c)
{
	return c->depth ? &c->open[c->depth - 1] : NULL;
}

/* Directly within a parent, where only blocks count. */
static bool in_parent(struct compiler *c)
{
	return c->depth && top(c)->sign == '<';
}

/* Steps */

static struct tele_step *add_step(struct compiler *c, enum tele_op op, uint32_t source)
{
	struct tele_mustache *m = c->m;
	struct tele_step *s;

	if (!grow(&m->steps, m->nsteps, &c->room_steps, sizeof *m->steps)) {
		c->m->text.failed = true;
		return NULL;
	}
	s = &m->steps[m->nsteps++];
	*s = (struct tele_step){.op = (uint8_t)op, .source = source, .line = c->at_line, .jump = m->nsteps};
	c->at_line = false;
	return s;
}

static struct tele_step *add_tag_step(struct compiler *c, enum tele_op op, const struct tag *t)
{
	struct tele_step *s = add_step(c, op, t->line);

	if (s && t->alone)
		s->line = false;
	return s;
}

static bool add_key(struct compiler *c, struct piece name)
{
	struct tele_mustache *m = c->m;
	size_t at = m->text.len;

	if (!grow(&m->keys, m->nkeys, &c->room_keys, sizeof *m->keys)) {
		m->text.failed = true;
		return false;
	}
	tele_buf_add(&m->text, name.p, name.n);
	tele_buf_char(&m->text, '\0');
	if (m->text.failed)
		return false;
	m->keys[m->nkeys++] = (struct tele_key){(uint32_t)at, lh_get_hash(c->table, m->text.data + at)};
	return true;
}

/* A step that has a name for the set: a call, block or argument. */
static struct tele_step *add_named(struct compiler *c, enum tele_op op, const struct tag *t)
{
	struct tele_step *s = add_tag_step(c, op, t);

	if (!s || !add_key(c, t->name))
		return NULL;
	s->key = c->m->nkeys - 1;
	s->nkeys = 1;
	return s;
}

/* A step that has a value: its dotted name is split here, once and for all. */
static struct tele_step *add_valued(struct compiler *c, enum tele_op op, const struct tag *t)
{
	struct tele_step *s = add_tag_step(c, op, t);
	const char *p = t->name.p, *end = p + t->name.n;

	if (!s)
		return NULL;
	s->key = c->m->nkeys;
	if (t->name.n == 1 && *p == '.')
		return s;
	while (p < end) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		const char *stop = dot ? dot : end;

		if (!add_key(c, (struct piece){p, (size_t)(stop - p)}))
			return NULL;
		s->nkeys++;
		p = dot ? dot + 1 : end;
	}
	return s;
}

/* The step's body ends here; text that follows is no longer of it. */
static void close_body(struct compiler *c, uint32_t step)
{
	c->m->steps[step].jump = c->m->nsteps;
	c->fence = c->m->nsteps;
}

/* Text */

/* Where from..to, at a line's start, begins without the margin. */
static size_t past_margin(const struct compiler *c, size_t from, size_t to)
{
	for (size_t i = 0; i < c->margin.n && from < to && c->text[from] == c->margin.p[i]; i++)
		from++;
	return from;
}

static void append(struct compiler *c, size_t from, size_t to)
{
	struct tele_mustache *m = c->m;
	struct tele_step *s = m->nsteps > c->fence ? &m->steps[m->nsteps - 1] : NULL;

	if (from == to)
		return;
	if (!s || s->op != TELE_OP_TEXT) {
		s = add_step(c, TELE_OP_TEXT, c->line);
		if (!s)
			return;
		s->at = (uint32_t)m->text.len;
	}
	tele_buf_add(&m->text, c->text + from, to - from);
	s->len += (uint32_t)(to - from);
	c->at_line = c->text[to - 1] == '\n';
}

static void add_text(struct compiler *c, size_t from, size_t to)
{
	while (from < to) {
		const char *newline = c->margin.n ? memchr(c->text + from, '\n', to - from) : NULL;
		size_t end = newline ? (size_t)(newline - c->text) + 1 : to;

		if (!from || c->text[from - 1] == '\n')
			from = past_margin(c, from, end);
		append(c, from, end);
		from = end;
	}
}

/* The step's indentation, from blanks at a line's start. */
static void set_indent(struct compiler *c, struct tele_step *s, size_t from, size_t to)
{
	from = past_margin(c, from, to);
	s->at = (uint32_t)c->m->text.len;
	s->len = (uint32_t)(to - from);
	tele_buf_add(&c->m->text, c->text + from, to - from);
}

/* The blanks that the first line from at on begins with which holds anything. */
static struct piece lead(const struct compiler *c, size_t at)
{
	size_t start = at;

	for (; at < c->n && is_blank(c->text[at]); at++)
		if (c->text[at] == '\n')
			start = at + 1;
	return (struct piece){c->text + start, at < c->n ? at - start : 0};
}

/* Tags */

/* Where a tag's line begins and ends, if it is alone on that side. */
static void look_around(const struct compiler *c, struct tag *t)
{
	size_t i = t->from;

	while (i && (c->text[i - 1] == ' ' || c->text[i - 1] == '\t'))
		i--;
	t->begins = !i || c->text[i - 1] == '\n';
	t->before = t->begins ? i : t->from;
	i = t->to;
	while (i < c->n && (c->text[i] == ' ' || c->text[i] == '\t'))
		i++;
	if (i + 1 < c->n && c->text[i] == '\r' && c->text[i + 1] == '\n')
		i++;
	t->ends = i == c->n || c->text[i] == '\n';
	t->after = !t->ends ? t->to : i < c->n ? i + 1 : i;
}

static bool read_tag(struct compiler *c, size_t from, struct tag *t)
{
	const char *end = c->text + c->n;
	const char *p = c->text + from + c->left.n;
	const char *stop;

	*t = (struct tag){.all = {c->text + from, c->n - from}, .from = from, .line = line_at(c, from)};
	while (p < end && is_blank(*p))
		p++;
	if (p < end && *p && strchr("#^/!>=<$&{", *p))
		t->sign = *p++;
	stop = find(p, end, c->right);
	/* {{{ and {{= have a closing of their own before the delimiter. */
	while (stop && (t->sign == '{' || t->sign == '=') && (stop == p || stop[-1] != (t->sign == '{' ? '}' : '=')))
		stop = find(stop + 1, end, c->right);
	if (!stop)
		return fail(c, t->line, "the tag %.*s is not closed by %s%.*s", shown(t->all), t->all.p,
		    t->sign == '{' ? "}" : t->sign == '=' ? "=" : "", shown(c->right), c->right.p);
	t->name = trim(p, t->sign == '{' || t->sign == '=' ? stop - 1 : stop);
	t->to = (size_t)(stop - c->text) + c->right.n;
	t->all.n = t->to - from;
	look_around(c, t);
	return true;
}

/*
 * Stricter than the specification, which takes any text without blanks: {{user|raw}}, {{if x}} or {{*name}} would be looked up
 * under just that name, and silently give nothing.
 */
static bool check_name(struct compiler *c, const struct tag *t)
{
	const char *p = t->name.p;
	size_t n = t->name.n, parts = 1;
	bool file = t->sign == '>' || t->sign == '<';

	if (n == 1 && *p == '.' && !file && t->sign != '$')
		return true;
	for (size_t i = 0; i < n; i++) {
		bool letter = (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z';
		bool other = (p[i] >= '0' && p[i] <= '9') || p[i] == '_' || p[i] == '-' || (p[i] & 0x80) || (file && p[i] == '/');
		bool dot = p[i] == '.' && i && i + 1 < n && p[i + 1] != '.';

		parts += dot;
		if (!letter && !other && !dot)
			n = 0;
	}
	if (!n)
		return fail(c, t->line, "%.*s: a name is of letters, digits, - and _, parts joined by dots", shown(t->all), t->all.p);
	if (parts > KEYS_MOST)
		return fail(c, t->line, "a name of more than %d parts", KEYS_MOST);
	return true;
}

static bool open_body(struct compiler *c, const struct tag *t)
{
	if (c->depth == OPEN_MOST)
		return fail(c, t->line, "sections and blocks are nested more than %d deep", OPEN_MOST);
	c->open[c->depth++] = (struct open){.sign = t->sign, .begins = t->begins, .name = t->name, .margin = c->margin, .line = t->line,
	    .step = c->m->nsteps - 1};
	return true;
}

static bool take_nothing(struct compiler *c, const struct tag *t)
{
	return true;
}

static bool take_value(struct compiler *c, const struct tag *t)
{
	return check_name(c, t) && add_valued(c, TELE_OP_VALUE, t);
}

static bool take_raw(struct compiler *c, const struct tag *t)
{
	if (!c->whole)
		return fail(c, t->line, "%.*s is unescaped, which no page may be: write %.*s%.*s%.*s", shown(t->all), t->all.p,
		    shown(c->left), c->left.p, shown(t->name), t->name.p, shown(c->right), c->right.p);
	return check_name(c, t) && add_valued(c, TELE_OP_RAW, t);
}

static bool take_section(struct compiler *c, const struct tag *t)
{
	return check_name(c, t) && add_valued(c, t->sign == '#' ? TELE_OP_SECTION : TELE_OP_INVERTED, t) && open_body(c, t);
}

static bool take_partial(struct compiler *c, const struct tag *t)
{
	struct tele_step *s = check_name(c, t) ? add_named(c, TELE_OP_CALL, t) : NULL;

	if (!s)
		return false;
	s->within = !t->alone;
	if (t->alone)
		set_indent(c, s, t->before, t->from);
	return true;
}

/*
 * Whether a parent is alone on its lines is seen at its end. Until then blanks before it are a text of their own, which becomes
 * its indentation if it is.
 */
static bool take_parent(struct compiler *c, const struct tag *t)
{
	struct tele_step *s;
	bool blank;

	if (!check_name(c, t))
		return false;
	c->fence = c->m->nsteps;
	add_text(c, t->before, t->from);
	blank = c->m->nsteps > c->fence;
	s = add_named(c, TELE_OP_CALL, t);
	if (!s || !open_body(c, t))
		return false;
	s->within = true;
	top(c)->blank = blank;
	return true;
}

static bool take_block(struct compiler *c, const struct tag *t)
{
	bool argument = in_parent(c);
	struct tele_step *s = check_name(c, t) ? add_named(c, argument ? TELE_OP_ARGUMENT : TELE_OP_BLOCK, t) : NULL;
	struct piece blank = lead(c, t->after);

	if (!s || !open_body(c, t))
		return false;
	if (argument) {
		top(c)->argument = true;
		c->margin = t->alone ? blank : (struct piece){"", 0};
		c->at_line = true;
		return true;
	}
	s->within = !t->alone;
	if (t->alone)
		set_indent(c, s, (size_t)(blank.p - c->text), (size_t)(blank.p - c->text) + blank.n);
	else if (t->begins)
		set_indent(c, s, t->before, t->from);
	return true;
}

/* Two arguments of one name: the second would never be seen. */
static bool check_arguments(struct compiler *c, uint32_t call)
{
	const struct tele_mustache *m = c->m;

	for (uint32_t a = call + 1; a < m->nsteps; a = m->steps[a].jump)
		for (uint32_t b = m->steps[a].jump; b < m->nsteps; b = m->steps[b].jump)
			if (!strcmp(tele_mustache_name(m, &m->steps[a]), tele_mustache_name(m, &m->steps[b])))
				return fail(c, m->steps[b].source, "block %s is given twice, first in line %u", tele_mustache_name(m, &m->steps[b]),
				    m->steps[a].source);
	return true;
}

static bool close_parent(struct compiler *c, const struct tag *t, const struct open *o)
{
	struct tele_step *call = &c->m->steps[o->step];

	close_body(c, o->step);
	c->at_line = false;
	if (t->alone) {
		call->line = false;
		call->within = false;
	}
	if (t->alone && o->blank) {
		struct tele_step *blank = call - 1;

		call->at = blank->at;
		call->len = blank->len;
		blank->len = 0;
		blank->line = false;
	}
	return check_arguments(c, o->step);
}

static bool take_end(struct compiler *c, const struct tag *t)
{
	const struct open *o = top(c);
	struct tele_step *s;

	if (!o)
		return fail(c, t->line, "%.*s closes nothing", shown(t->all), t->all.p);
	if (!same(o->name, t->name))
		return fail(c, t->line, "/%.*s where %c%.*s of line %u is to be closed", shown(t->name), t->name.p, o->sign, shown(o->name),
		    o->name.p, o->line);
	c->depth--;
	c->margin = o->margin;
	if (o->sign == '<')
		return close_parent(c, t, o);
	if (o->sign == '#') {
		s = add_tag_step(c, TELE_OP_END, t);
		if (!s)
			return false;
		s->jump = o->step + 1;
	}
	close_body(c, o->step);
	return true;
}

static bool take_delimiters(struct compiler *c, const struct tag *t)
{
	struct piece left = t->name, right = t->name;

	left.n = 0;
	while (left.n < t->name.n && !is_blank(left.p[left.n]))
		left.n++;
	right = trim(left.p + left.n, t->name.p + t->name.n);
	for (size_t i = 0; i < right.n; i++)
		if (is_blank(right.p[i]))
			right.n = 0;
	if (!left.n || !right.n || memchr(t->name.p, '=', t->name.n))
		return fail(c, t->line, "%.*s: two delimiters between = and =, without blanks or = in them", shown(t->all), t->all.p);
	c->left = left;
	c->right = right;
	return true;
}

static const struct form {
	char sign;
	bool line; /* takes its line with it if it is alone there */
	bool in_parent;
	bool (*take)(struct compiler *c, const struct tag *t);
} forms[] = {
    {0, false, false, take_value},
    {'#', true, false, take_section},
    {'^', true, false, take_section},
    {'/', true, true, take_end},
    {'>', true, false, take_partial},
    {'<', false, false, take_parent},
    {'$', true, true, take_block},
    {'!', true, true, take_nothing},
    {'=', true, true, take_delimiters},
    {'{', false, false, take_raw},
    {'&', false, false, take_raw},
};

static const struct form *form_of(char sign)
{
	size_t i = 0;

	while (forms[i].sign != sign)
		i++;
	return &forms[i];
}

/*
 * Around an argument counts only what is in it, so its tags are alone with nothing on the other side; a parent is alone if both of
 * its tags are towards the outside.
 */
static bool is_alone(struct compiler *c, const struct tag *t, const struct form *form)
{
	const struct open *o = top(c);

	if (!form->line)
		return false;
	if (in_parent(c))
		return t->ends && (t->sign != '/' || o->begins);
	return t->begins && (t->ends || (t->sign == '/' && o && o->argument));
}

/* Within a parent, between its blocks. */
static bool pass_over(struct compiler *c, size_t from, size_t to)
{
	struct piece stray = trim(c->text + from, c->text + to);

	if (!stray.n || c->whole)
		return true;
	return fail(c, line_at(c, (size_t)(stray.p - c->text)), "\"%.*s\" stands within <%.*s but in no block, and would never be seen",
	    shown(stray), stray.p, shown(top(c)->name), top(c)->name.p);
}

static bool take_tag(struct compiler *c, struct tag *t)
{
	const struct form *form = form_of(t->sign);

	if (in_parent(c) && !form->in_parent)
		return fail(c, t->line, "%.*s stands within <%.*s but in no block", shown(t->all), t->all.p, shown(top(c)->name), top(c)->name.p);
	t->alone = is_alone(c, t, form);
	if (!in_parent(c))
		add_text(c, c->at, t->alone || t->sign == '<' ? t->before : t->from);
	if (!form->take(c, t))
		return false;
	c->at = t->alone ? t->after : t->to;
	if (t->alone)
		c->at_line = true;
	return true;
}

static bool compile(struct compiler *c)
{
	struct tag t;

	while (c->at < c->n) {
		const char *tag = find(c->text + c->at, c->text + c->n, c->left);
		size_t from = tag ? (size_t)(tag - c->text) : c->n;

		if (in_parent(c) && !pass_over(c, c->at, from))
			return false;
		if (!tag && !in_parent(c))
			add_text(c, c->at, c->n);
		if (!tag)
			break;
		if (!read_tag(c, from, &t) || !take_tag(c, &t))
			return false;
	}
	if (c->depth)
		return fail(c, top(c)->line, "%c%.*s is not closed", top(c)->sign, shown(top(c)->name), top(c)->name.p);
	return true;
}

static bool check_text(struct compiler *c)
{
	uint32_t character;
	size_t len;

	if (c->n > TELE_MUSTACHE_MOST)
		return fail(c, 1, "larger than %d bytes", TELE_MUSTACHE_MOST);
	for (size_t i = 0; i < c->n; i += len) {
		len = tele_text_decode(c->text + i, c->n - i, &character);
		if (!len || !character)
			return fail(c, line_at(c, i), len ? "a NUL" : "not UTF-8");
	}
	c->counted = 0;
	c->line = 1;
	return true;
}

enum tele_err tele_mustache_compile(struct tele_mustache *m, const char *text, size_t n, bool whole, struct tele_buf *why)
{
	struct json_object *any = json_object_new_object();
	struct compiler c = {.m = m, .why = why, .whole = whole, .text = text, .n = n, .line = 1, .left = {"{{", 2}, .right = {"}}", 2},
	    .at_line = true};
	bool good;

	if (!any)
		return TELE_NOMEM;
	c.table = json_object_get_object(any);
	good = check_text(&c) && compile(&c);
	json_object_put(any);
	return m->text.failed ? TELE_NOMEM : good ? TELE_OK : TELE_INVALID;
}

void tele_mustache_release(struct tele_mustache *m)
{
	free(m->name);
	free(m->file);
	free(m->steps);
	free(m->keys);
	tele_buf_release(&m->text);
}

const char *tele_mustache_name(const struct tele_mustache *m, const struct tele_step *s)
{
	return m->text.data + m->keys[s->key].at;
}
