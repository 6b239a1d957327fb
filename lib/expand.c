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

void tele_expand(struct tele_buf *out, const char *template, struct json_object *values)
{
	char name[NAME_MOST + 1];
	struct json_object *value;

	while (*template) {
		size_t n = placeholder(template);
		size_t plain = n ? 0 : 1 + strcspn(template + 1, "{");

		tele_buf_add(out, template, plain);
		template += plain;
		if (!n)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)n, template + 1);
		if (json_object_object_get_ex(values, name, &value) && value)
			tele_buf_str(out, json_object_get_string(value));
		template += n + 2;
	}
}
