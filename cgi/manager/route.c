#include "cgi/manager/route.h"

#include "cgi/manager/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const needs[] = {[PAGE_MACHINE] = "machine", [PAGE_PUBLIC] = "public", [PAGE_SIGNED_IN] = "signed in", [PAGE_VIEW] = "view",
    [PAGE_CHANGE] = "change"};

/* A family's pages */

static bool has_list(const struct family *f) { return f->list != TELE_STMT_NONE; }
static bool has_act(const struct family *f) { return f->act != TELE_STMT_NONE; }
static bool has_form(const struct family *f) { return f->get != TELE_STMT_NONE; }
static bool has_change(const struct family *f) { return has_form(f) && f->save != TELE_STMT_NONE; }
static bool has_new(const struct family *f) { return has_change(f) && !f->not_made; }
static bool has_clone(const struct family *f) { return has_new(f) && !f->not_cloned; }
static bool has_removal(const struct family *f) { return f->remove != TELE_STMT_NONE; }
static bool has_history(const struct family *f) { return has_form(f) && f->kind; }

static const struct family_page {
	const char *suffix, *method;
	enum page_need need;
	route_handler *handler;
	bool (*has)(const struct family *f);
} family_pages[] = {
    {"", "GET", PAGE_VIEW, list_show, has_list},
    {"", "POST", PAGE_CHANGE, list_act, has_act},
    {"/new", "GET", PAGE_CHANGE, form_new, has_new},
    {"/new", "POST", PAGE_CHANGE, form_make, has_new},
    {"/{id}", "GET", PAGE_VIEW, form_show, has_form},
    {"/{id}", "POST", PAGE_CHANGE, form_change, has_change},
    {"/{id}/clone", "GET", PAGE_CHANGE, form_clone, has_clone},
    {"/{id}/delete", "GET", PAGE_CHANGE, form_delete, has_removal},
    {"/{id}/delete", "POST", PAGE_CHANGE, form_remove, has_removal},
    {"/{id}/history", "GET", PAGE_VIEW, form_history, has_history},
};

enum { FAMILY_PAGES = sizeof family_pages / sizeof *family_pages };

static enum tele_err add_family(struct route_table *t, const struct family *f)
{
	for (size_t i = 0; i < FAMILY_PAGES; i++) {
		const struct family_page *p = &family_pages[i];
		struct tele_buf path = {0};

		if (!p->has(f))
			continue;
		tele_buf_printf(&path, "%s%s", f->path, p->suffix);
		t->list[t->n] = (struct route){tele_buf_detach(&path), p->method, p->need, f->area, p->handler, f};
		if (!t->list[t->n++].path)
			return TELE_NOMEM;
	}
	return TELE_OK;
}

enum tele_err route_table_make(struct route_table *t, const struct route *pages, size_t npages, const struct family *const *families,
    size_t nfamilies)
{
	enum tele_err rc = TELE_OK;

	t->n = 0;
	t->list = calloc(npages + nfamilies * FAMILY_PAGES, sizeof *t->list);
	if (!t->list)
		return TELE_NOMEM;
	for (size_t i = 0; i < npages; i++)
		t->list[t->n++] = pages[i];
	for (size_t i = 0; rc == TELE_OK && i < nfamilies; i++)
		rc = add_family(t, families[i]);
	return rc;
}

void route_table_release(struct route_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].family)
			free((char *)(uintptr_t)t->list[i].path);
	free(t->list);
}

/* What stands for {id} goes to id, of size bytes. A word of the pattern's own fits before any id does: see route_find. */
static bool fits(const char *pattern, const char *path, char *id, size_t size)
{
	*id = '\0';
	while (*pattern) {
		if (!strncmp(pattern, "{id}", 4)) {
			size_t n = strcspn(path, "/");

			if (!n || n >= size)
				return false;
			memcpy(id, path, n);
			id[n] = '\0';
			pattern += 4;
			path += n;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static void note_allowed(char *allow, size_t size, const char *method)
{
	size_t n = strlen(allow);

	snprintf(allow + n, size - n, "%s%s", n ? ", " : "", strcmp(method, "GET") ? method : "GET, HEAD");
}

enum tele_err route_find(const struct route_table *t, struct visit *v, char *allow, size_t size)
{
	const struct route *variable = NULL;
	char id[sizeof v->id_text];
	bool plain = false;

	*allow = '\0';
	for (size_t i = 0; i < t->n; i++) {
		const struct route *r = &t->list[i];

		if (!fits(r->path, v->in.path, id, sizeof id))
			continue;
		/* /users/new is not the user called new. */
		if (!*id && !plain) {
			plain = true;
			*allow = '\0';
			variable = NULL;
		} else if (*id && plain) {
			continue;
		}
		note_allowed(allow, size, r->method);
		if (!strcmp(r->method, v->in.method)) {
			variable = r;
			memcpy(v->id_text, id, sizeof id);
		}
	}
	v->route = variable;
	v->id = v->id_text;
	return variable ? TELE_OK : *allow ? TELE_INVALID : TELE_NOTFOUND;
}

void route_table_print(const struct route_table *t, struct tele_buf *out)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < t->n; i++) {
		struct json_object *o = json_object_new_object();

		page_set_text(o, "path", t->list[i].path);
		page_set_text(o, "method", t->list[i].method);
		page_set_text(o, "need", needs[t->list[i].need]);
		page_set(o, "area", t->list[i].area ? json_object_new_string(t->list[i].area) : NULL);
		json_object_array_add(list, o);
	}
	tele_buf_str(out, json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	tele_buf_char(out, '\n');
	json_object_put(list);
}
