#include "engine/table.h"

#include <stdlib.h>
#include <string.h>

void table_begin(struct table *t, size_t columns)
{
	t->columns = columns;
	t->names = calloc(columns + 1, sizeof *t->names);
	t->right = calloc(columns + 1, sizeof *t->right);
	t->failed |= !t->names || !t->right;
}

void table_name(struct table *t, size_t column, const char *name, bool right)
{
	if (t->failed)
		return;
	t->names[column] = strdup(name);
	t->right[column] = right;
	t->failed |= !t->names[column];
}

static bool has_room(struct table *t)
{
	size_t room = t->room ? 2 * t->room : 16;
	char **more;

	if (t->rows < t->room)
		return true;
	more = reallocarray(t->cells, room * (t->columns + 1), sizeof *more);
	if (!more)
		return false;
	t->cells = more;
	t->room = room;
	return true;
}

void table_add(struct table *t, const char *const *values)
{
	char **row;

	t->failed |= t->failed || !has_room(t);
	if (t->failed)
		return;
	row = t->cells + t->rows++ * t->columns;
	for (size_t i = 0; i < t->columns; i++) {
		row[i] = values[i] ? strdup(values[i]) : NULL;
		t->failed |= values[i] && !row[i];
		t->bytes += values[i] ? strlen(values[i]) : 0;
	}
}

/* A cell in one line: what would begin another is shown as a space. */
static void add_flat(struct tele_buf *out, const char *text)
{
	for (; text && *text; text++)
		tele_buf_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
}

/* In characters. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; text && *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void add_times(struct tele_buf *out, char c, size_t n)
{
	while (n--)
		tele_buf_char(out, c);
}

/* No spaces at the end of a line. */
static void end_line(struct tele_buf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	tele_buf_char(out, '\n');
}

static void add_row(const struct table *t, struct tele_buf *out, char *const *cells, const size_t *widths)
{
	for (size_t i = 0; i < t->columns; i++) {
		size_t gap = widths[i] - width(cells[i]);

		if (i)
			tele_buf_str(out, "  ");
		if (t->right[i])
			add_times(out, ' ', gap);
		add_flat(out, cells[i]);
		if (!t->right[i])
			add_times(out, ' ', gap);
	}
	end_line(out);
}

static size_t widest(const struct table *t, size_t column)
{
	size_t most = width(t->names[column]);

	for (size_t r = 0; r < t->rows; r++)
		if (width(t->cells[r * t->columns + column]) > most)
			most = width(t->cells[r * t->columns + column]);
	return most;
}

size_t table_area(const struct table *t)
{
	size_t line = 0;

	for (size_t i = 0; !t->failed && i < t->columns; i++)
		line += widest(t, i) + 2;
	return line * (t->rows + 2);
}

void table_text(const struct table *t, struct tele_buf *out)
{
	size_t *widths = calloc(t->columns + 1, sizeof *widths);

	if (!widths || t->failed) {
		free(widths);
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = widest(t, i);
	add_row(t, out, t->names, widths);
	for (size_t i = 0; i < t->columns; i++) {
		tele_buf_str(out, i ? "  " : "");
		add_times(out, '-', widths[i]);
	}
	end_line(out);
	for (size_t r = 0; r < t->rows; r++)
		add_row(t, out, t->cells + r * t->columns, widths);
	if (out->len)
		out->data[--out->len] = '\0';
	free(widths);
}

static void add_field(struct tele_buf *out, const char *text)
{
	if (!text)
		return;
	if (*text && !text[strcspn(text, "\",\r\n")]) {
		tele_buf_str(out, text);
		return;
	}
	tele_buf_char(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			tele_buf_char(out, '"');
		tele_buf_char(out, *text);
	}
	tele_buf_char(out, '"');
}

static void add_record(const struct table *t, struct tele_buf *out, char *const *cells)
{
	for (size_t i = 0; i < t->columns; i++) {
		if (i)
			tele_buf_char(out, ',');
		add_field(out, cells[i]);
	}
	tele_buf_char(out, '\n');
}

void table_csv(const struct table *t, struct tele_buf *out)
{
	if (t->failed) {
		out->failed = true;
		return;
	}
	add_record(t, out, t->names);
	for (size_t r = 0; r < t->rows; r++)
		add_record(t, out, t->cells + r * t->columns);
}

void table_release(struct table *t)
{
	for (size_t i = 0; t->names && i < t->columns; i++)
		free(t->names[i]);
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->names);
	free(t->right);
	free(t->cells);
	memset(t, 0, sizeof *t);
}
