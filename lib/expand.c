#include "lib/expand.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 32 };

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

/* The length of the name in braces at s, 0 if there is none. */
static size_t placeholder(const char *s)
{
	size_t n = *s == '{' && s[1] >= 'a' && s[1] <= 'z' ? strspn(s + 1, name_bytes) : 0;

	return n && n <= NAME_MOST && s[n + 1] == '}' ? n : 0;
}

void tele_expand_by(struct tele_buf *out, const char *template, tele_expand_add *add, const void *arg)
{
	char name[NAME_MOST + 1];

	while (*template) {
		size_t n = placeholder(template);
		size_t plain = n ? 0 : 1 + strcspn(template + 1, "{");

		tele_buf_add(out, template, plain);
		template += plain;
		if (!n)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)n, template + 1);
		add(out, name, arg);
		template += n + 2;
	}
}

static void add_member(struct tele_buf *out, const char *name, const void *arg)
{
	struct json_object *value;

	if (json_object_object_get_ex((const struct json_object *)arg, name, &value) && value)
		tele_buf_str(out, json_object_get_string(value));
}

void tele_expand(struct tele_buf *out, const char *template, struct json_object *values)
{
	tele_expand_by(out, template, add_member, values);
}
