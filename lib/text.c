#include "lib/text.h"

#include <stdint.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Bytes of the valid UTF-8 sequence at s (RFC 3629), 0 if there is none. */
static size_t sequence(const unsigned char *s, size_t n)
{
	size_t need = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (!need || need > n)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return need;
}

size_t tele_text_decode(const char *text, size_t n, uint32_t *character)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = n ? sequence(s, n) : 0;

	if (!len)
		return 0;
	*character = len == 1 ? s[0] : s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++)
		*character = *character << 6 | (s[i] & 0x3fU);
	return len;
}

void tele_text_clean(struct tele_buf *out, const char *bytes, size_t n)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t good = 0; /* start of the run not yet copied */
	size_t i = 0;

	while (i < n) {
		size_t len = s[i] ? sequence(s + i, n - i) : 0;

		if (len) {
			i += len;
			continue;
		}
		tele_buf_add(out, s + good, i - good);
		if (s[i])
			tele_buf_str(out, replacement);
		good = ++i;
	}
	tele_buf_add(out, s + good, n - good);
}

static bool starts_character(char c)
{
	return (c & 0xc0) != 0x80;
}

/* A character of four bytes is a surrogate pair in UTF-16. */
static size_t units_of(char first)
{
	return (unsigned char)first >= 0xf0 ? 2 : 1;
}

/* Bytes of the escape sequence at text, whose first byte is ESC; one that does not end within n bytes goes to the end. */
static size_t escape_sequence(const char *text, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	if (text[1] == '[') {
		while (i < n && (unsigned char)text[i] < 0x40)
			i++;
		return i < n ? i + 1 : n;
	}
	if (text[1] != ']' && text[1] != 'P' && text[1] != '^' && text[1] != '_')
		return 2;
	/* A string up to BEL or ESC \. */
	for (; i < n; i++) {
		if (text[i] == '\a')
			return i + 1;
		if (text[i] == '\033')
			return i + 1 < n ? i + 2 : n;
	}
	return n;
}

static void take_back(struct tele_buf *out, size_t line)
{
	while (out->len > line) {
		char last = out->data[--out->len];

		if (((unsigned char)last & 0xc0) != 0x80)
			break;
	}
}

void tele_text_terminal(struct tele_buf *out, const char *text, size_t n)
{
	size_t line = out->len; /* where the current one begins */
	bool returned = false;  /* to its beginning: what comes next writes over it */

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == 033) {
			i += escape_sequence(text + i, n - i) - 1;
		} else if (c == '\r') {
			returned = true;
		} else if (c == '\n') {
			tele_buf_char(out, '\n');
			line = out->len;
			returned = false;
		} else if (c == '\b') {
			take_back(out, line);
		} else if (c == '\t' || (c >= 0x20 && c != 0x7f)) {
			if (returned && !out->failed)
				out->len = line;
			returned = false;
			tele_buf_char(out, (char)c);
		}
	}
	if (out->data && !out->failed)
		out->data[out->len] = '\0';
}

size_t tele_text_units(const char *text, size_t n)
{
	size_t units = 0;

	for (size_t i = 0; i < n; i++)
		if (starts_character(text[i]))
			units += units_of(text[i]);
	return units;
}

size_t tele_text_cut(const char *text, size_t n, size_t units)
{
	size_t i = 0;

	while (i < n) {
		if (starts_character(text[i])) {
			if (units < units_of(text[i]))
				break;
			units -= units_of(text[i]);
		}
		i++;
	}
	return i;
}

size_t tele_text_tail(const char *text, size_t n, size_t units)
{
	size_t at = n;

	for (size_t i = n; i-- > 0;) {
		if (!starts_character(text[i]))
			continue;
		if (units < units_of(text[i]))
			break;
		units -= units_of(text[i]);
		at = i;
	}
	return at;
}

size_t tele_text_part(const char *text, size_t n, size_t units)
{
	size_t most = tele_text_cut(text, n, units);

	if (most == n)
		return n;
	for (size_t i = most; i > most / 2; i--)
		if (text[i - 1] == '\n')
			return i;
	return most;
}
