#include "cgi/manager/declare.h"

#include "lib/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE = 160 };

/* From values to a document */

static bool says_nothing(struct json_object *value)
{
	if (json_object_is_type(value, json_type_array))
		return !json_object_array_length(value);
	return !value || (json_object_is_type(value, json_type_string) && !json_object_get_string_len(value));
}

static const struct field *find_field(const struct field *d, const char *name)
{
	while (d && d->name && strcmp(d->name, name))
		d++;
	return d && d->name ? d : NULL;
}

struct json_object *declare_object(const struct field *fields, struct json_object *values, struct json_object *base)
{
	struct json_object *o = json_object_new_object();

	if (base) {
		json_object_object_foreach(base, key, member)
			if (!find_field(fields, key))
				page_set(o, key, json_object_get(member));
	}
	for (const struct field *d = fields; d && d->name; d++)
		if (!says_nothing(page_get(values, d->name)))
			page_set(o, d->name, json_object_get(page_get(values, d->name)));
	return o;
}

void declare_add(struct json_object *document, const char *section, struct json_object *object)
{
	struct json_object *list = page_get(document, section);

	if (!list) {
		list = json_object_new_array();
		page_set(document, section, list);
	}
	json_object_array_add(list, object);
}

/* From a path in the document to a place in the form */

static const struct inline_table *find_inline(const struct family *f, const char *name)
{
	const struct inline_table *t = f->inlines;

	while (t && t->name && strcmp(t->name, name))
		t++;
	return t && t->name ? t : NULL;
}

/* Takes the word that text begins with; false: it begins with none. */
static bool take_word(const char **text, char *word, size_t size)
{
	size_t n = strcspn(*text, ".[");

	snprintf(word, size, "%.*s", (int)n, *text);
	*text += n;
	return n > 0;
}

/* [3] */
static bool take_number(const char **text, long *number)
{
	char *end;

	if (**text != '[')
		return false;
	*number = strtol(*text + 1, &end, 10);
	if (*end != ']')
		return false;
	*text = end + 1;
	return true;
}

/* Where it is in a row; what is left of the path stays in rest. */
static void place_in_row(const struct inline_table *t, long row, const char **rest, char *place)
{
	const char *after = *rest + (**rest == '.');
	char key[64];

	if (take_word(&after, key, sizeof key) && find_field(t->fields, key))
		*rest = after;
	else
		snprintf(key, sizeof key, "%s", t->fields->name);
	snprintf(place, PLACE, "%s.%ld.%s", t->name, row, key);
}

/* commands[0].parameters[2].minimum is parameters.2.minimum of a command's form, grants[1].role its grants.1.role. */
static const char *find_place(const struct family *f, const char *path, char *place)
{
	const char *rest = path, *own;
	char word[64];
	long row;

	*place = '\0';
	take_word(&rest, word, sizeof word);
	if (!find_inline(f, word)) {
		take_number(&rest, &row);
		rest += *rest == '.';
		own = rest;
		take_word(&rest, word, sizeof word);
		if (!find_inline(f, word) && !find_field(f->fields, word))
			return own;
	}
	if (find_inline(f, word) && take_number(&rest, &row))
		place_in_row(find_inline(f, word), row, &rest, place);
	else
		snprintf(place, PLACE, "%s", word);
	return rest;
}

static void complain(const struct family *f, struct form *form, const char *path, const char *reason)
{
	struct json_object *detail;
	char place[PLACE];
	const char *rest = find_place(f, path, place);
	long line;

	/* Of one field that was found wrong when it was read, there is nothing more to say. */
	if (*place && page_get(form->errors, place))
		return;
	detail = json_object_new_object();

	/* Lists are typed a line each. */
	page_set(detail, "line", take_number(&rest, &line) ? json_object_new_int64(line + 1) : NULL);
	page_set_text(detail, "at", rest + (*rest == '.'));
	page_set_text(detail, "why", reason);
	form_error(form, place, "declared", detail);
}

/* "path: reason" */
static void take_lines(const struct family *f, struct form *form, char *text)
{
	char *line, *reason;

	while ((line = strsep(&text, "\n")) != NULL) {
		reason = strstr(line, ": ");
		if (!reason)
			continue;
		*reason = '\0';
		complain(f, form, line, reason + 2);
	}
}

enum tele_err declare_typed(const struct family *f, struct form *form, struct json_object *base, struct json_object *input)
{
	struct json_object *document = f->declare(form, base);
	struct tele_buf errors = {0};
	char *text = NULL;

	page_set(input, "document", document);
	if (tele_document_check(document, &errors) != TELE_OK) {
		text = tele_buf_detach(&errors);
		if (!text)
			return TELE_NOMEM;
		take_lines(f, form, text);
	}
	free(text);
	tele_buf_release(&errors);
	return TELE_OK;
}

bool declare_take_problems(const struct family *f, struct form *form, struct json_object *said)
{
	struct json_object *list = page_get(said, "problems");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++)
		complain(f, form, page_text(json_object_array_get_idx(list, i), "path"), page_text(json_object_array_get_idx(list, i), "reason"));
	return n > 0;
}
