#include "lib/render.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

/* A template, or a block's argument, being run. */
struct call {
	const struct tele_mustache *m;
	uint32_t next, end; /* steps */
	size_t indent;      /* bytes of the indentation that are its own; it ends there */
	size_t indent_from; /* and begin here */
	bool skip;          /* the line is begun: no indentation at the first step */
	const struct tele_mustache *giver; /* whose step gave it arguments; NULL: none */
	uint32_t given;
	int outer; /* the call whose arguments its blocks look at as well; -1: none */
};

/* A value that names are looked up in: the data, or a section's. */
struct level {
	struct json_object *value;
	struct json_object *list; /* NULL: value is all there is */
	size_t i, n;
};

struct render {
	struct tele_buf *out;
	struct tele_buf *why;
	struct tele_buf indent; /* of all calls, one after the other */
	int calls, levels;
	struct call call[TELE_RENDER_CALLS + 1]; /* of the template itself first */
	struct level level[TELE_RENDER_LEVELS + 1]; /* the data first */
};

static enum tele_err too_deep(struct render *r, const struct call *c, const struct tele_step *s, const char *what, int most)
{
	tele_buf_printf(r->why, "%s:%u: %s are nested more than %d deep", c->m->file, s->source, what, most);
	return TELE_INVALID;
}

/* Names */

/* A member null is there, but NULL. */
static bool member(struct json_object *o, const struct tele_mustache *m, const struct tele_key *key, struct json_object **value)
{
	struct lh_entry *e;

	if (!json_object_is_type(o, json_type_object))
		return false;
	e = lh_table_lookup_entry_w_hash(json_object_get_object(o), m->text.data + key->at, key->hash);
	if (e)
		*value = lh_entry_v(e);
	return e;
}

/* The first part is the nearest level's that has it, the others are members of what it is. NULL: missing or null. */
static struct json_object *resolve(const struct render *r, const struct call *c, const struct tele_step *s)
{
	struct json_object *value = NULL;
	const struct tele_key *key;
	int i = r->levels - 1;

	if (!s->nkeys)
		return r->level[i].value;
	key = &c->m->keys[s->key];
	while (i >= 0 && !member(r->level[i].value, c->m, key, &value))
		i--;
	for (int k = 1; k < s->nkeys; k++)
		if (!value || !member(value, c->m, &key[k], &value))
			return NULL;
	return value;
}

/* What JavaScript takes for false, and an empty list. */
static bool is_false(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return true;
	case json_type_array:
		return !json_object_array_length(value);
	case json_type_object:
		return false;
	case json_type_double:
		return !(json_object_get_double(value) < 0 || json_object_get_double(value) > 0);
	default:
		return !json_object_get_boolean(value);
	}
}

/* Output */

static const struct {
	const char *text;
	size_t n;
} entities[] = {{"", 0}, {"&amp;", 5}, {"&lt;", 4}, {"&gt;", 4}, {"&quot;", 6}, {"&#39;", 5}};

static const unsigned char entity_of[UCHAR_MAX + 1] = {['&'] = 1, ['<'] = 2, ['>'] = 3, ['"'] = 4, ['\''] = 5};

static void add_escaped(struct tele_buf *out, const char *text, size_t n)
{
	size_t plain = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char entity = entity_of[(unsigned char)text[i]];

		if (!entity)
			continue;
		tele_buf_add(out, text + plain, i - plain);
		tele_buf_add(out, entities[entity].text, entities[entity].n);
		plain = i + 1;
	}
	tele_buf_add(out, text + plain, n - plain);
}

static void add_plain(struct tele_buf *out, const char *text, size_t n)
{
	tele_buf_add(out, text, n);
}

static void add_value(struct tele_buf *out, struct json_object *value, void (*add)(struct tele_buf *, const char *, size_t))
{
	const char *text;
	size_t n;

	switch (json_object_get_type(value)) {
	case json_type_null:
		return;
	case json_type_string:
		add(out, json_object_get_string(value), (size_t)json_object_get_string_len(value));
		return;
	case json_type_int:
		/* Above that it is unsigned. */
		if (json_object_get_int64(value) < INT64_MAX) {
			tele_buf_int(out, json_object_get_int64(value));
			return;
		}
		break;
	default:
		break;
	}
	text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN, &n);
	if (text)
		add(out, text, n);
	else
		out->failed = true;
}

static void add_indent(struct render *r, const struct call *c)
{
	tele_buf_add(r->out, r->indent.data + c->indent_from, c->indent);
}

/* Steps */

typedef enum tele_err step_fn(struct render *r, struct call *c, const struct tele_step *s);

static enum tele_err run_text(struct render *r, struct call *c, const struct tele_step *s)
{
	const char *p = c->m->text.data + s->at, *end = p + s->len;

	while (c->indent && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		if (!newline || newline + 1 == end)
			break;
		tele_buf_add(r->out, p, (size_t)(newline + 1 - p));
		add_indent(r, c);
		p = newline + 1;
	}
	tele_buf_add(r->out, p, (size_t)(end - p));
	return TELE_OK;
}

static enum tele_err run_value(struct render *r, struct call *c, const struct tele_step *s)
{
	add_value(r->out, resolve(r, c, s), add_escaped);
	return TELE_OK;
}

static enum tele_err run_raw(struct render *r, struct call *c, const struct tele_step *s)
{
	add_value(r->out, resolve(r, c, s), add_plain);
	return TELE_OK;
}

static enum tele_err run_section(struct render *r, struct call *c, const struct tele_step *s)
{
	struct json_object *value = resolve(r, c, s);
	struct level *l = &r->level[r->levels];

	if (is_false(value)) {
		c->next = s->jump;
		return TELE_OK;
	}
	if (r->levels > TELE_RENDER_LEVELS)
		return too_deep(r, c, s, "sections", TELE_RENDER_LEVELS);
	*l = (struct level){.value = value};
	if (json_object_is_type(value, json_type_array))
		*l = (struct level){json_object_array_get_idx(value, 0), value, 0, json_object_array_length(value)};
	r->levels++;
	return TELE_OK;
}

static enum tele_err run_inverted(struct render *r, struct call *c, const struct tele_step *s)
{
	if (!is_false(resolve(r, c, s)))
		c->next = s->jump;
	return TELE_OK;
}

static enum tele_err run_end(struct render *r, struct call *c, const struct tele_step *s)
{
	struct level *l = &r->level[r->levels - 1];

	if (++l->i < l->n) {
		l->value = json_object_array_get_idx(l->list, l->i);
		c->next = s->jump;
	} else {
		r->levels--;
	}
	return TELE_OK;
}

/* A new call; its indentation goes on from that of the present one, or, within a line, begins anew. */
static struct call *push(struct render *r, const struct tele_step *s, bool go_on, const char *indent)
{
	const struct call *c = &r->call[r->calls - 1];
	struct call *new = &r->call[r->calls++];

	*new = (struct call){.indent_from = c->indent_from + c->indent, .outer = -1};
	if (go_on) {
		new->indent_from = c->indent_from;
		new->indent = c->indent;
		if (s->len) {
			r->indent.len = c->indent_from + c->indent;
			tele_buf_add(&r->indent, indent, s->len);
			new->indent = r->indent.failed ? c->indent : c->indent + s->len;
		}
	}
	return new;
}

static enum tele_err run_call(struct render *r, struct call *c, const struct tele_step *s)
{
	struct call *new;

	if (!s->target)
		return TELE_OK;
	if (r->calls > TELE_RENDER_CALLS)
		return too_deep(r, c, s, "partials and blocks", TELE_RENDER_CALLS);
	new = push(r, s, !s->within, c->m->text.data + s->at);
	new->m = s->target;
	new->end = s->target->nsteps;
	new->giver = c->m;
	new->given = (uint32_t)(s - c->m->steps);
	new->outer = (int)(c - r->call);
	return TELE_OK;
}

/* The argument of that name that a call was given; NULL: none. */
static const struct tele_step *argument(const struct call *c, const char *name)
{
	const struct tele_step *s, *end;

	if (!c->giver)
		return NULL;
	end = &c->giver->steps[c->giver->steps[c->given].jump];
	for (s = &c->giver->steps[c->given + 1]; s < end; s = &c->giver->steps[s->jump])
		if (!strcmp(tele_mustache_name(c->giver, s), name))
			return s;
	return NULL;
}

/*
 * The outermost caller's word counts. An argument is run where the block stands, but as a part of the template that gave it: its own
 * blocks are given by who called that one.
 */
static enum tele_err run_block(struct render *r, struct call *c, const struct tele_step *s)
{
	const char *name = tele_mustache_name(c->m, s);
	const struct tele_step *found = NULL;
	const struct call *by = NULL;
	struct call *new;

	for (int i = (int)(c - r->call); i >= 0; i = r->call[i].outer) {
		const struct tele_step *a = argument(&r->call[i], name);

		if (a) {
			found = a;
			by = &r->call[i];
		}
	}
	if (!found)
		return TELE_OK;
	c->next = s->jump;
	if (r->calls > TELE_RENDER_CALLS)
		return too_deep(r, c, s, "partials and blocks", TELE_RENDER_CALLS);
	new = push(r, s, true, c->m->text.data + s->at);
	new->m = by->giver;
	new->next = (uint32_t)(found - by->giver->steps) + 1;
	new->end = found->jump;
	new->skip = s->within;
	new->outer = by->outer;
	return TELE_OK;
}

/* Run only by its block; a call's arguments are passed on the way on. */
static enum tele_err run_argument(struct render *r, struct call *c, const struct tele_step *s)
{
	c->next = s->jump;
	return TELE_OK;
}

static step_fn *const steps[TELE_OPS] = {
    [TELE_OP_TEXT] = run_text,
    [TELE_OP_VALUE] = run_value,
    [TELE_OP_RAW] = run_raw,
    [TELE_OP_SECTION] = run_section,
    [TELE_OP_INVERTED] = run_inverted,
    [TELE_OP_END] = run_end,
    [TELE_OP_CALL] = run_call,
    [TELE_OP_BLOCK] = run_block,
    [TELE_OP_ARGUMENT] = run_argument,
};

static enum tele_err run(struct render *r)
{
	enum tele_err rc = TELE_OK;

	while (r->calls && rc == TELE_OK) {
		struct call *c = &r->call[r->calls - 1];
		const struct tele_step *s;

		if (c->next == c->end) {
			r->calls--;
			continue;
		}
		s = &c->m->steps[c->next++];
		if (s->line && c->indent && !c->skip)
			add_indent(r, c);
		c->skip = false;
		rc = steps[s->op](r, c, s);
	}
	return rc;
}

enum tele_err tele_render(const struct tele_mustache *m, struct json_object *data, struct tele_buf *out, struct tele_buf *why)
{
	struct render r;
	size_t before = out->len;
	enum tele_err rc;

	/* Levels and calls are filled as they are used. */
	r.out = out;
	r.why = why;
	r.indent = (struct tele_buf){0};
	r.calls = r.levels = 1;
	r.call[0] = (struct call){.m = m, .end = m->nsteps, .outer = -1};
	r.level[0] = (struct level){.value = data};
	rc = run(&r);
	if (rc == TELE_OK && (out->failed || r.indent.failed))
		rc = TELE_NOMEM;
	tele_buf_release(&r.indent);
	if (rc != TELE_OK && out->data) {
		out->len = before;
		out->data[before] = '\0';
	}
	return rc;
}
