#include "lib/array.h"

#include <stdlib.h>
#include <string.h>

static void next(struct tele_array *a)
{
	/* The closing brace is put on by tele_array_text and taken off again here. */
	if (a->buf.len && a->buf.data[a->buf.len - 1] == '}' && a->buf.size)
		a->buf.data[--a->buf.len] = '\0';
	tele_buf_char(&a->buf, a->buf.len ? ',' : '{');
}

void tele_array_int(struct tele_array *a, long long value)
{
	next(a);
	tele_buf_int(&a->buf, value);
}

void tele_array_bool(struct tele_array *a, bool value)
{
	next(a);
	tele_buf_char(&a->buf, value ? 't' : 'f');
}

void tele_array_str(struct tele_array *a, const char *value)
{
	next(a);
	if (!value) {
		tele_buf_str(&a->buf, "NULL");
		return;
	}
	tele_buf_char(&a->buf, '"');
	while (*value) {
		size_t plain = strcspn(value, "\"\\");

		tele_buf_add(&a->buf, value, plain);
		value += plain;
		if (*value) {
			tele_buf_char(&a->buf, '\\');
			tele_buf_char(&a->buf, *value++);
		}
	}
	tele_buf_char(&a->buf, '"');
}

const char *tele_array_text(struct tele_array *a)
{
	if (!a->buf.len)
		return "{}";
	if (a->buf.data[a->buf.len - 1] != '}')
		tele_buf_char(&a->buf, '}');
	return tele_buf_text(&a->buf);
}

void tele_array_reset(struct tele_array *a)
{
	tele_buf_reset(&a->buf);
}

void tele_array_release(struct tele_array *a)
{
	tele_buf_release(&a->buf);
}

/* One element, quoted or bare; returns what follows it, or NULL. */
static const char *read_item(const char *p, struct tele_buf *item)
{
	if (*p != '"') {
		size_t n = strcspn(p, ",}");

		tele_buf_add(item, p, n);
		return p + n;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		tele_buf_char(item, *p);
	}
	tele_buf_str(item, "");
	return *p == '"' ? p + 1 : NULL;
}

enum tele_err tele_array_parse(const char *literal, char ***items, size_t *n)
{
	const char *p = literal;
	char **list = NULL;
	size_t count = 0;

	if (*p++ != '{')
		return TELE_INVALID;
	while (*p && *p != '}') {
		struct tele_buf item = {0};
		char **more = realloc(list, (count + 1) * sizeof *list);

		if (!more)
			goto nomem;
		list = more;
		p = read_item(p, &item);
		list[count] = tele_buf_detach(&item);
		if (!list[count++])
			goto nomem;
		if (!p || (*p != ',' && *p != '}')) {
			tele_array_free(list, count);
			return TELE_INVALID;
		}
		if (*p == ',')
			p++;
	}
	*items = list;
	*n = count;
	return TELE_OK;
nomem:
	tele_array_free(list, count);
	return TELE_NOMEM;
}

void tele_array_free(char **items, size_t n)
{
	for (size_t i = 0; items && i < n; i++)
		free(items[i]);
	free(items);
}
