#include "lib/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and a NUL. */
static bool grow(struct tele_buf *b, size_t n)
{
	size_t want = b->len + n + 1;
	size_t size = b->size ? b->size : 64;
	char *data;

	if (b->failed)
		return false;
	if (want <= b->size)
		return true;
	while (size < want)
		size *= 2;
	data = realloc(b->data, size);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->size = size;
	return true;
}

void tele_buf_add(struct tele_buf *b, const void *bytes, size_t n)
{
	if (!grow(b, n))
		return;
	if (n)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void tele_buf_str(struct tele_buf *b, const char *s)
{
	tele_buf_add(b, s, strlen(s));
}

void tele_buf_char(struct tele_buf *b, char c)
{
	tele_buf_add(b, &c, 1);
}

void tele_buf_int(struct tele_buf *b, long long value)
{
	char digits[24];
	char *p = digits + sizeof digits;
	unsigned long long rest = value < 0 ? 0ULL - (unsigned long long)value : (unsigned long long)value;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--p = '-';
	tele_buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void tele_buf_printf(struct tele_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !grow(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

const char *tele_buf_text(const struct tele_buf *b)
{
	return b->data ? b->data : "";
}

void tele_buf_reset(struct tele_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

char *tele_buf_detach(struct tele_buf *b)
{
	char *text = b->failed ? NULL : b->data ? b->data : strdup("");

	if (b->failed)
		free(b->data);
	memset(b, 0, sizeof *b);
	return text;
}

void tele_buf_release(struct tele_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof *b);
}

void tele_buf_wipe(struct tele_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	b->len = 0;
}
