#include "lib/json.h"

#include "lib/buf.h"
#include "lib/text.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

static int line_at(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

static void escape(struct tele_buf *out, uint32_t c)
{
	if (c < 0x10000)
		tele_buf_printf(out, "\\u%04x", c);
	else
		tele_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

/*
 * json-c 0.18 in strict mode takes every byte above 0x7f for a control character where char is signed (json-c/json-c#892), so it is
 * given ASCII: outside a string no such byte is allowed anyway, and within one an escape means the same. False: at is no UTF-8.
 */
static bool to_ascii(struct tele_buf *out, const char *text, size_t n, size_t *at)
{
	size_t plain = 0;

	for (*at = 0; *at < n;) {
		uint32_t c;
		size_t len;

		if (!((unsigned char)text[*at] & 0x80)) {
			++*at;
			continue;
		}
		len = tele_text_decode(text + *at, n - *at, &c);
		if (!len)
			return false;
		tele_buf_add(out, text + plain, *at - plain);
		escape(out, c);
		plain = *at += len;
	}
	tele_buf_add(out, text + plain, n - plain);
	return true;
}

static struct json_object *parse(const char *text, size_t n, int depth, const char **why, size_t *at)
{
	struct json_tokener *tok = json_tokener_new_ex(depth);
	struct json_object *o = NULL;

	*why = "no memory";
	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* The closing NUL goes along: a number or a word at the very end is complete only with it. */
	o = json_tokener_parse_ex(tok, text, (int)n + 1);
	*at = json_tokener_get_parse_end(tok);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		*why = "ends too early";
	else if (json_tokener_get_error(tok) != json_tokener_success)
		*why = json_tokener_error_desc(json_tokener_get_error(tok));
	else
		*why = o ? "" : "it is null";
	json_tokener_free(tok);
	return o;
}

struct json_object *tele_json_parse(const char *text, size_t n, int depth, const char **why, int *line)
{
	struct tele_buf ascii = {0};
	struct json_object *o = NULL;
	size_t at = 0;

	if (n >= INT_MAX / 6) {
		*why = "too large";
	} else if (!to_ascii(&ascii, text, n, &at)) {
		*why = "invalid utf-8";
	} else if (ascii.failed) {
		*why = "no memory";
	} else {
		o = parse(tele_buf_text(&ascii), ascii.len, depth, why, &at);
		text = tele_buf_text(&ascii);
	}
	if (line)
		*line = line_at(text, at);
	tele_buf_release(&ascii);
	return o;
}
