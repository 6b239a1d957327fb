#include "cgi/manager/family.h"

#include <stdio.h>
#include <string.h>

/*
 * Lists. The query has the family's filters, sort (a name, with - before it the other way round) and after or before, the key of a
 * row as the database gave it. All of it goes to the list's function, which gives rows, next, previous and choices.
 */

/* The address of this list with its filters, and another order, to go on from. */
static void list_address(const struct visit *v, const char *sort, struct tele_buf *out)
{
	const struct family *f = v->route->family;

	tele_buf_str(out, f->path);
	for (size_t i = 0; f->filters && f->filters[i]; i++)
		if (*request_get(&v->in.query, f->filters[i]))
			page_address(out, f->filters[i], request_get(&v->in.query, f->filters[i]));
	if (*sort)
		page_address(out, "sort", sort);
}

struct json_object *list_input(const struct visit *v, const struct family *f, int rows)
{
	static const char *const passed[] = {"sort", "after", "before"};
	struct json_object *input = json_object_new_object(), *filters = json_object_new_object();

	for (size_t i = 0; f->filters && f->filters[i]; i++)
		if (*request_get(&v->in.query, f->filters[i]))
			page_set_text(filters, f->filters[i], request_get(&v->in.query, f->filters[i]));
	page_set(input, "filters", filters);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		if (*request_get(&v->in.query, passed[i]))
			page_set_text(input, passed[i], request_get(&v->in.query, passed[i]));
	page_set(input, "limit", json_object_new_int(rows));
	return input;
}

/* key: as the database wrote it, JSON. */
static void set_turn(const struct visit *v, struct json_object *data, const char *name, const char *way)
{
	struct json_object *key = page_get(data, name);
	struct tele_buf address = {0};

	if (!key)
		return;
	list_address(v, request_get(&v->in.query, "sort"), &address);
	page_address(&address, way, json_object_to_json_string_ext(key, JSON_C_TO_STRING_PLAIN));
	page_set_text(data, name, tele_buf_text(&address));
	tele_buf_release(&address);
}

static struct json_object *date_link(const struct visit *v, const char *date)
{
	const struct family *f = v->route->family;
	struct json_object *o = json_object_new_object();
	struct tele_buf address = {0};

	tele_buf_str(&address, f->path);
	for (size_t i = 0; f->filters && f->filters[i]; i++)
		if (strcmp(f->filters[i], "date") && *request_get(&v->in.query, f->filters[i]))
			page_address(&address, f->filters[i], request_get(&v->in.query, f->filters[i]));
	if (*date)
		page_address(&address, "date", date);
	page_set_text(o, "url", tele_buf_text(&address));
	page_set_text(o, "text", date);
	tele_buf_release(&address);
	return o;
}

/* A date hierarchy: what page_dates() gave, with addresses. */
static void set_dates(const struct visit *v, struct json_object *data)
{
	struct json_object *dates = page_get(data, "dates"), *parts = page_get(dates, "parts"), *links = json_object_new_array();
	size_t n = json_object_is_type(parts, json_type_array) ? json_object_array_length(parts) : 0;

	for (size_t i = 0; i < n; i++)
		json_object_array_add(links, date_link(v, json_object_get_string(json_object_array_get_idx(parts, i))));
	if (!dates) {
		json_object_put(links);
		return;
	}
	page_set(dates, "parts", links);
	page_set(dates, "up", date_link(v, page_text(dates, "up")));
}

/* {"login": {"url": …, "ascending": true}} for each order there is. */
static void set_orders(const struct visit *v, struct json_object *data)
{
	struct json_object *orders = page_get(data, "orders"), *made = json_object_new_object();
	const char *now = page_text(data, "sort");
	size_t n = json_object_is_type(orders, json_type_array) ? json_object_array_length(orders) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(orders, i));
		bool current = !strcmp(now + (*now == '-'), name);
		struct json_object *o = json_object_new_object();
		struct tele_buf address = {0}, sort = {0};

		tele_buf_printf(&sort, "%s%s", current && *now != '-' ? "-" : "", name);
		list_address(v, tele_buf_text(&sort), &address);
		page_set_text(o, "url", tele_buf_text(&address));
		page_set_bool(o, "ascending", current && *now != '-');
		page_set_bool(o, "descending", current && *now == '-');
		page_set(made, name, o);
		tele_buf_release(&address);
		tele_buf_release(&sort);
	}
	page_set(data, "order", made);
}

/* The choices of a select, with the one that is chosen marked. */
static void mark_chosen(struct json_object *choices, const char *value)
{
	for (size_t i = 0; i < json_object_array_length(choices); i++) {
		struct json_object *c = json_object_array_get_idx(choices, i);

		page_set_bool(c, "selected", !strcmp(page_text(c, "value"), value));
	}
}

/* {"organization": {"name": …, "value": …, "is": {"17": true}, "choices": […]}} */
static void set_filters(const struct visit *v, struct json_object *data)
{
	const struct family *f = v->route->family;
	struct json_object *filters = json_object_new_object(), *all = page_get(data, "choices");
	bool any = false;

	for (size_t i = 0; f->filters && f->filters[i]; i++) {
		const char *value = request_get(&v->in.query, f->filters[i]);
		struct json_object *o = json_object_new_object(), *is = json_object_new_object(), *choices = page_get(all, f->filters[i]);

		page_set_text(o, "name", f->filters[i]);
		page_set_text(o, "value", value);
		if (*value)
			page_set_bool(is, value, true);
		page_set(o, "is", is);
		if (json_object_is_type(choices, json_type_array)) {
			mark_chosen(choices, value);
			page_set(o, "choices", json_object_get(choices));
		}
		page_set(filters, f->filters[i], o);
		any |= *value != '\0';
	}
	page_set(data, "filter", filters);
	page_set_bool(data, "filtered", any);
}

/* What the layout of lists needs around the rows. */
static void set_list(const struct visit *v, struct json_object *data)
{
	const struct family *f = v->route->family;
	struct tele_buf address = {0};
	bool turned = request_has(&v->in.query, "after") || request_has(&v->in.query, "before");

	page_set_text(data, "base", f->path);
	page_set_bool(data, "has_filters", f->filters != NULL);
	page_set_bool(data, "has_rows", json_object_array_length(page_get(data, "rows")) > 0);
	set_orders(v, data);
	set_filters(v, data);
	set_dates(v, data);
	set_turn(v, data, "next", "after");
	set_turn(v, data, "previous", "before");
	list_address(v, request_get(&v->in.query, "sort"), &address);
	page_set_text(data, "here", tele_buf_text(&address));
	page_set_text(data, "query", strchr(tele_buf_text(&address), '?') ? strchr(tele_buf_text(&address), '?') + 1 : "");
	if (turned)
		page_set_text(data, "first", tele_buf_text(&address));
	page_set_bool(data, "turned", page_get(data, "next") || turned);
	page_set_text(data, "sorted", request_get(&v->in.query, "sort"));
	page_set_bool(data, "can_act", f->act && page_may(v, f->area, PAGE_CHANGE));
	page_set_bool(data, "can_make", f->save && !f->not_made && page_may(v, f->area, PAGE_CHANGE));
	tele_buf_release(&address);
}

static enum tele_err render(struct visit *v, const char *what, struct json_object *data)
{
	char template[128];

	snprintf(template, sizeof template, "%s_%s", v->route->family->name, what);
	return page_render(v, template, data);
}

enum tele_err list_show(struct visit *v)
{
	struct json_object *input = list_input(v, v->route->family, PAGE_ROWS), *data = NULL;
	enum tele_err rc = page_ask(v, v->route->family->list, input, &data);

	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	set_list(v, data);
	return render(v, "list", data);
}

/* Actions on those ticked */

static bool is_known(const char *const *names, const char *name)
{
	while (names && *names && strcmp(*names, name))
		names++;
	return names && *names;
}

/*
 * A button in a row, one = "approve:17", acts on that row at once; else action is for those that are ticked (id), and asked for once
 * more (confirmed).
 */
static struct json_object *act_input(const struct visit *v, const char *action, const char *one)
{
	struct json_object *input = json_object_new_object(), *ids = json_object_new_array();
	const char *id;
	size_t at = 0;

	if (one)
		json_object_array_add(ids, json_object_new_string(one));
	while (!one && (id = request_next(&v->in.form, "id", &at)) != NULL)
		json_object_array_add(ids, json_object_new_string(id));
	page_set_text(input, "action", action);
	page_set(input, "ids", ids);
	/* What an action may be told besides: the role to give, for one. */
	page_set_text(input, "value", request_get(&v->in.form, "value"));
	page_set_bool(input, "confirmed", one || request_has(&v->in.form, "confirmed"));
	return input;
}

/* Back to the list as it was filtered and sorted. */
static enum tele_err back(struct visit *v)
{
	struct tele_buf address = {0};
	enum tele_err rc;

	list_address(v, request_get(&v->in.query, "sort"), &address);
	rc = page_redirect(v, tele_buf_text(&address));
	tele_buf_release(&address);
	return rc;
}

/* Not confirmed yet: shows what it would be done to. Refused: shows why. */
static enum tele_err show_action(struct visit *v, const char *action, struct json_object *said)
{
	struct json_object *is = json_object_new_object();
	struct tele_buf here = {0};

	page_set_bool(is, action, true);
	page_set(said, "is", is);
	page_set_text(said, "action", action);
	page_set_text(said, "value", request_get(&v->in.form, "value"));
	page_set_text(said, "base", v->route->family->path);
	list_address(v, request_get(&v->in.query, "sort"), &here);
	page_set_text(said, "here", tele_buf_text(&here));
	tele_buf_release(&here);
	return render(v, "action", said);
}

static enum tele_err act(struct visit *v, const char *action, const char *one)
{
	struct json_object *input, *said = NULL, *done;
	enum tele_err rc;

	if (!is_known(v->route->family->actions, action))
		return TELE_INVALID;
	if (!one && !request_has(&v->in.form, "id")) {
		page_flash(v, "nothing_ticked", NULL);
		return back(v);
	}
	input = act_input(v, action, one);
	rc = page_ask(v, v->route->family->act, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	done = page_get(said, "done");
	if (!done)
		return show_action(v, action, said);
	page_flash(v, page_text(said, "flash"), json_object_get(done));
	json_object_put(said);
	return back(v);
}

enum tele_err list_act(struct visit *v)
{
	const char *one = request_get(&v->in.form, "one"), *id = strchr(one, ':');
	char action[32];

	if (!id)
		return act(v, request_get(&v->in.form, "action"), NULL);
	snprintf(action, sizeof action, "%.*s", (int)(id - one), one);
	return act(v, action, id + 1);
}
