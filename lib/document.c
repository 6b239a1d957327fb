#include "lib/document.h"

#include "lib/cmdline.h"
#include "lib/decimal.h"
#include "lib/parameter.h"
#include "lib/statement.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, INTEGER, NUMBER, BOOLEAN, TEXTS, INTEGERS, OBJECTS, OBJECT, SCALAR, LIMIT, ANY };

static const char *const type_names[] = {"a text", "a whole number", "a number", "true or false", "a list of texts", "a list of whole numbers",
    "a list of objects", "an object", "a text, a number, true or false", "a number, or a text for a duration or date", "any JSON"};

/* One key of one kind of object. for TEXT least and most are lengths in characters, for numbers values. */
struct key {
	const char *name;
	enum type type;
	bool required;
	long long least, most;
	const char *letters;  /* TEXT, TEXTS: allowed bytes; NULL: any but control characters; "": any */
	const char *initial;  /* for --help */
	const char *what;
};

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
enum { FILE_MOST = 20 * 1024 * 1024, FILES_MOST = 8 }; /* the former: core.telegram.org/bots/api#getfile */
#define IDS 4503599627370495LL /* 52 bits (core.telegram.org/bots/api#user) */

static const struct key organization_keys[] = {
    {"name", TEXT, true, 1, 64, NULL, "", "unique name"},
    {0},
};
static const struct key role_keys[] = {
    {"name", TEXT, true, 1, 64, NULL, "", "unique name"},
    {"description", TEXT, false, 0, 1000, NULL, "\"\"", "what it is for"},
    {"manages_tasks", BOOLEAN, false, 0, 0, NULL, "false", "sees and cancels other people's tasks in chat"},
    {0},
};
static const struct key queue_keys[] = {
    {"name", TEXT, true, 1, 32, LOWER DIGITS "_-", "", "unique name"},
    {"concurrency", INTEGER, false, 1, 100000, NULL, "none", "how many tasks at once over all engines"},
    {0},
};
static const struct key group_keys[] = {
    {"name", TEXT, true, 1, 64, NULL, "", "unique name"},
    {"roles", TEXTS, false, 1, 64, NULL, "[]", "roles of every member"},
    {0},
};
static const struct key user_keys[] = {
    {"login", TEXT, true, 1, 64, LOWER DIGITS "._@-", "", "unique short name"},
    {"first_name", TEXT, false, 0, 64, NULL, "\"\"", "first name"},
    {"last_name", TEXT, false, 0, 64, NULL, "\"\"", "last name"},
    {"organization", TEXT, false, 1, 64, NULL, "none", "name of an organization"},
    {"groups", TEXTS, false, 1, 64, NULL, "[]", "names of groups"},
    {"telegram_ids", INTEGERS, false, 1, IDS, NULL, "[]", "numeric ids of Telegram accounts"},
    {"roles", TEXTS, false, 1, 64, NULL, "[]", "names of roles"},
    {"enabled", BOOLEAN, false, 0, 0, NULL, "true", "false: may do nothing"},
    {"locale", TEXT, false, 2, 16, NULL, "\"en\"", "language"},
    {"timezone", TEXT, false, 1, 64, NULL, "\"UTC\"", "time zone"},
    {0},
};
static const struct key command_keys[] = {
    {"name", TEXT, true, 1, 32, LOWER DIGITS "_", "", "name after the slash"},
    {"description", TEXT, false, 0, 256, NULL, "\"\"", "one line for menus and /help"},
    {"descriptions", OBJECT, false, 0, 0, NULL, "{}", "the description in other languages, for menus: {\"de\": \"Neu starten\"}"},
    {"detail", TEXT, false, 0, 4000, "", "\"\"", "more, for /help NAME"},
    {"kind", TEXT, true, 1, 16, NULL, "", "exec, text, sql or http"},
    {"program", TEXT, false, 1, 255, NULL, "", "exec: file name within exec_dir"},
    {"args", TEXTS, false, 0, 32768, "", "[]", "exec: arguments, {parameter} is replaced within one"},
    {"template", TEXT, false, 1, 32768, "", "", "text: the answer; {parameter} and {user} are replaced"},
    {"connection", TEXT, false, 1, 32, LOWER DIGITS "_-", "", "sql, http: name of a file in connection_dir of the engines"},
    {"statement", TEXT, false, 1, 32768, "", "", "sql: one statement; {parameter} is a bound value"},
    {"writes", BOOLEAN, false, 0, 0, NULL, "false", "sql: as the connection's writer; else it can only read"},
    {"row_limit", INTEGER, false, 1, 100000, NULL, "1000", "sql: rows shown at most"},
    {"method", TEXT, false, 1, 8, NULL, "\"GET\"", "http: GET, HEAD, POST, PUT, PATCH or DELETE"},
    {"path", TEXT, false, 1, 4096, NULL, "", "http: what follows the connection's url; {parameter} is URL-encoded"},
    {"headers", OBJECT, false, 0, 0, NULL, "{}", "http: headers by name; {parameter} is replaced"},
    {"body", ANY, false, 0, 0, NULL, "none", "http: JSON; {parameter} is replaced within its texts"},
    {"expect", INTEGERS, false, 100, 599, NULL, "[]", "http: statuses that are a success; none: 200 to 299"},
    {"pointer", TEXT, false, 1, 1000, NULL, "", "http: JSON Pointer to what is shown of the answer"},
    {"parameters", OBJECTS, false, 0, 64, NULL, "[]", "what is asked for, in order"},
    {"timeout_s", INTEGER, false, 1, 604800, NULL, "60", "ended after so many seconds"},
    {"grace_s", INTEGER, false, 0, 3600, NULL, "5", "seconds between TERM and KILL"},
    {"output_limit", INTEGER, false, 1, 67108864, NULL, "262144", "bytes of output kept"},
    {"queue", TEXT, false, 1, 32, LOWER DIGITS "_-", "\"default\"", "queue; made if it is new"},
    {"priority", INTEGER, false, -100, 100, NULL, "0", "lower goes first"},
    {"concurrency", INTEGER, false, 1, 100000, NULL, "none", "how many at once over all engines"},
    {"idempotent", BOOLEAN, false, 0, 0, NULL, "false", "may be run again when an engine died"},
    {"max_attempts", INTEGER, false, 1, 100, NULL, "3", "idempotent: how often"},
    {"ordered", BOOLEAN, false, 0, 0, NULL, "false", "one at a time in a chat, first come first served"},
    {"logged", BOOLEAN, false, 0, 0, NULL, "true", "false: output is sent, not kept"},
    {"long_running", BOOLEAN, false, 0, 0, NULL, "false", "expected to take long"},
    {"interactive", BOOLEAN, false, 0, 0, NULL, "false", "asks for required arguments that are missing"},
    {"dangerous", BOOLEAN, false, 0, 0, NULL, "false", "shows what would run and asks whether it should"},
    {"approvals", INTEGER, false, 0, 10, NULL, "0", "how many others must approve a run"},
    {"approvers", TEXT, false, 1, 64, NULL, "none", "name of the role whose members may approve"},
    {"at_once", INTEGER, false, 1, 1000, NULL, "10", "with a target: on how many engines it runs at the same time"},
    {"stop_after", INTEGER, false, 1, 1000, NULL, "", "with a target: after so many failures no further engine begins"},
    {"answer", TEXT, false, 1, 16, NULL, "\"chat\"", "where results go: chat; private: to the person alone, wherever they asked"},
    {"enabled", BOOLEAN, false, 0, 0, NULL, "true", "false: nobody can run it"},
    {0},
};
static const struct key parameter_keys[] = {
    {"name", TEXT, true, 1, 32, LOWER DIGITS "_", "", "for name=value and {name}"},
    {"type", TEXT, true, 1, 16, NULL, "", "text, integer, number, boolean, choice, duration, date, pattern, user, target or file"},
    {"required", BOOLEAN, false, 0, 0, NULL, "false", "must be given"},
    {"default", SCALAR, false, 0, 0, NULL, "none", "used when it is not given"},
    {"minimum", LIMIT, false, 0, 0, NULL, "none", "least value, or length of a text: 5, \"90s\", \"today\""},
    {"maximum", LIMIT, false, 0, 0, NULL, "none", "greatest value, length of a text, or bytes of a file: 9, \"2d\", \"+30d\""},
    {"choices", TEXTS, false, 1, 200, NULL, "[]", "choice: the values"},
    {"choices_from", TEXT, false, 1, 32, NULL, "none", "choice: name of a command whose output lines are the values"},
    {"every_s", INTEGER, false, 5, 86400, NULL, "300", "choices_from: how old they may grow, in seconds"},
    {"pattern", TEXT, false, 1, 1000, NULL, "none", "pattern: regular expression (PCRE2) that a whole value fits"},
    {"secret", BOOLEAN, false, 0, 0, NULL, "false", "sealed and never shown; a program reads it from descriptor 3"},
    {"help", TEXT, false, 0, 256, NULL, "\"\"", "one line for /help NAME"},
    {0},
};
static const struct key grant_keys[] = {
    {"role", TEXT, true, 1, 64, NULL, "", "name of a role"},
    {"command", TEXT, true, 1, 32, NULL, "", "name of a command"},
    {"constraints", OBJECT, false, 0, 0, NULL, "{}", "values allowed by parameter: {\"env\": [\"staging\"]}"},
    {"chat_id", INTEGER, false, -IDS, IDS, NULL, "any", "only in this chat"},
    {"hours", TEXT, false, 0, 64, NULL, "\"\"", "only then: \"mon-fri 08:00-18:00\", \"sat,sun\", \"22:00-06:00\""},
    {"timezone", TEXT, false, 1, 64, NULL, "\"UTC\"", "zone in which the hours are read, as Europe/Berlin"},
    {0},
};

static const struct key chat_keys[] = {
    {"chat_id", INTEGER, true, -IDS, -1, NULL, "", "a group or channel, by its number"},
    {"allowed", BOOLEAN, false, 0, 0, NULL, "true", "false: nothing but /id is answered there"},
    {0},
};

static const struct key schedule_keys[] = {
    {"name", TEXT, true, 1, 64, NULL, "", "unique name"},
    {"line", TEXT, true, 2, 4096, NULL, "", "command line, as it would be typed: /backup db"},
    {"cron", TEXT, true, 1, 200, NULL, "", "when: minute hour day month weekday, or @daily and the like"},
    {"timezone", TEXT, false, 1, 64, NULL, "\"UTC\"", "zone in which that is read, as Europe/Berlin"},
    {"user", TEXT, true, 1, 64, NULL, "", "login of the person it runs as, with their rights at that time"},
    {"chat_id", INTEGER, true, -IDS, IDS, NULL, "", "where the answer goes"},
    {"thread_id", INTEGER, false, 1, IDS, NULL, "none", "topic it goes to"},
    {"missed", TEXT, false, 1, 8, NULL, "\"skip\"", "what becomes of runs missed by more than a minute: skip, once or all"},
    {"enabled", BOOLEAN, false, 0, 0, NULL, "true", "false: rests"},
    {0},
};

static const struct key hook_keys[] = {
    {"name", TEXT, true, 1, 64, NULL, "", "unique name"},
    {"chat_id", INTEGER, true, -IDS, IDS, NULL, "", "where its alerts go"},
    {"thread_id", INTEGER, false, 1, IDS, NULL, "none", "topic they go to"},
    {"rate", INTEGER, false, 1, 6000, NULL, "60", "how many requests it takes a minute"},
    {"forget_h", INTEGER, false, 1, 2160, NULL, "72", "an alert not repeated for so many hours is closed"},
    {"enabled", BOOLEAN, false, 0, 0, NULL, "true", "false: takes nothing"},
    {"buttons", OBJECTS, false, 0, 64, NULL, "[]", "commands that its alerts offer to run"},
    {0},
};
static const struct key button_keys[] = {
    {"command", TEXT, true, 1, 32, NULL, "", "name of a command"},
    {"args", OBJECT, false, 0, 0, NULL, "{}", "its arguments: {\"path\": \"{mountpoint}\"}; {label} is that label of the alert"},
    {"when", OBJECT, false, 0, 0, NULL, "{}", "only for alerts with these labels: {\"alertname\": \"Disk*\"}"},
    {"text", TEXT, false, 0, 60, NULL, "\"\"", "what the button says; else the command line"},
    {0},
};

struct check {
	struct tele_buf *errors;
	size_t before;
};

/* key is the part of path's object that is wrong; NULL: the whole. */
static void complain(struct check *c, const char *path, const char *key, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void complain(struct check *c, const char *path, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tele_buf_printf(c->errors, "%s%s%s: %s\n", path, key ? "." : "", key ? key : "", text);
}

static bool is_number(struct json_object *v, enum type type)
{
	return json_object_is_type(v, json_type_int) || (type == NUMBER && json_object_is_type(v, json_type_double));
}

static void check_text(struct check *c, const char *path, const struct key *k, struct json_object *v)
{
	const char *s = json_object_get_string(v);
	size_t bytes = (size_t)json_object_get_string_len(v);
	long long n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += (s[i] & 0xc0) != 0x80;
	if (strlen(s) != bytes)
		complain(c, path, NULL, "must not hold a NUL character");
	else if (n < k->least || n > k->most)
		complain(c, path, NULL, "must have %lld to %lld characters", k->least, k->most);
	else if (k->letters && *k->letters && s[strspn(s, k->letters)])
		complain(c, path, NULL, "may only hold %s", k->letters);
	else if (!k->letters)
		for (; *s; s++)
			if ((unsigned char)*s < 0x20) {
				complain(c, path, NULL, "must not hold control characters");
				return;
			}
}

static void check_number(struct check *c, const char *path, const struct key *k, struct json_object *v)
{
	if (k->type != NUMBER && (json_object_get_int64(v) < k->least || json_object_get_int64(v) > k->most))
		complain(c, path, NULL, "must be from %lld to %lld", k->least, k->most);
}

static void check_list(struct check *c, const char *path, const struct key *k, struct json_object *v)
{
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct json_object *e = json_object_array_get_idx(v, i);
		char at[300];

		snprintf(at, sizeof at, "%s[%zu]", path, i);
		if (k->type == TEXTS && json_object_is_type(e, json_type_string))
			check_text(c, at, k, e);
		else if (k->type == INTEGERS && json_object_is_type(e, json_type_int))
			check_number(c, at, k, e);
		else
			complain(c, at, NULL, "must be a %s", k->type == TEXTS ? "text" : "whole number");
	}
}

static bool has_type(struct json_object *v, enum type type)
{
	switch (type) {
	case TEXT:
		return json_object_is_type(v, json_type_string);
	case INTEGER:
	case NUMBER:
		return is_number(v, type);
	case BOOLEAN:
		return json_object_is_type(v, json_type_boolean);
	case TEXTS:
	case INTEGERS:
	case OBJECTS:
		return json_object_is_type(v, json_type_array);
	case OBJECT:
		return json_object_is_type(v, json_type_object);
	case SCALAR:
		return json_object_is_type(v, json_type_string) || json_object_is_type(v, json_type_boolean) || is_number(v, NUMBER);
	case LIMIT:
		return json_object_is_type(v, json_type_string) || is_number(v, NUMBER);
	case ANY:
		return true;
	}
	return false;
}

static void check_value(struct check *c, const char *path, const struct key *k, struct json_object *v)
{
	if (!has_type(v, k->type)) {
		complain(c, path, NULL, "must be %s", type_names[k->type]);
		return;
	}
	if (k->type == TEXT)
		check_text(c, path, k, v);
	else if (k->type == INTEGER || k->type == NUMBER)
		check_number(c, path, k, v);
	else if (k->type == TEXTS || k->type == INTEGERS)
		check_list(c, path, k, v);
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

/* Every key of an object against its table; false when it is no object at all. */
static bool check_object(struct check *c, const char *path, const struct key *keys, struct json_object *o)
{
	char at[300];

	if (!json_object_is_type(o, json_type_object)) {
		complain(c, path, NULL, "must be an object");
		return false;
	}
	json_object_object_foreach(o, name, v)
	{
		const struct key *k = find_key(keys, name);

		snprintf(at, sizeof at, "%s.%.64s", path, name);
		if (k)
			check_value(c, at, k, v);
		else
			complain(c, at, NULL, "unknown key");
	}
	for (; keys->name; keys++)
		if (keys->required && !json_object_object_get_ex(o, keys->name, NULL))
			complain(c, path, keys->name, "is missing");
	return true;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static struct json_object *list_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_array) ? v : NULL;
}

static size_t length_of(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static bool is_true(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static char *unconst(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* What TeleBot would have of it, all borrowed from o but the compiled pattern. */
static void read_parameter(struct json_object *o, struct tele_parameter *p)
{
	static const char *const limits[] = {"minimum", "maximum"};
	struct json_object *choices = list_of(o, "choices"), *v;
	struct tele_buf why = {0};

	*p = (struct tele_parameter){.name = unconst(text_of(o, "name")), .type = unconst(text_of(o, "type")), .secret = is_true(o, "secret")};
	for (int i = 0; i < 2; i++)
		if (json_object_object_get_ex(o, limits[i], &v))
			*(i ? &p->maximum : &p->minimum) = unconst(json_object_get_string(v));
	p->choices = calloc(length_of(choices) + 1, sizeof *p->choices);
	for (size_t i = 0; p->choices && i < length_of(choices); i++)
		p->choices[p->nchoices++] = unconst(json_object_get_string(json_object_array_get_idx(choices, i)));
	p->choices_from = *text_of(o, "choices_from") ? unconst(text_of(o, "choices_from")) : NULL;
	p->pattern = unconst(text_of(o, "pattern"));
	if (*p->pattern && tele_pattern_compile(p->pattern, &p->compiled, &why) != TELE_OK)
		p->compiled = NULL;
	tele_buf_release(&why);
}

static void release_parameter(struct tele_parameter *p)
{
	free(p->choices);
	tele_pattern_free(p->compiled);
}

static void check_default(struct check *c, const char *path, struct json_object *o, const struct tele_parameter *p)
{
	struct json_object *value = NULL;
	struct tele_buf out = {0};

	if (!json_object_object_get_ex(o, "default", &value))
		return;
	if (!strcmp(p->type, "file"))
		complain(c, path, "default", "a file cannot have one");
	else if (is_true(o, "required"))
		complain(c, path, "default", "a required parameter cannot have one");
	else if (p->secret)
		complain(c, path, "default", "a secret cannot have one: everybody could read it here");
	else if (!p->choices_from && !(*p->pattern && !p->compiled) && tele_parameter_check(p, json_object_get_string(value), &out) != TELE_OK)
		complain(c, path, "default", "must be %s", tele_buf_text(&out));
	tele_buf_release(&out);
}

/* In which order two limits are to be compared: as numbers, and dates as they stand where both count from nowhere. */
static void write_limit(const struct tele_parameter *p, const char *limit, struct tele_buf *out)
{
	struct tele_parameter free_of_limits = {.name = p->name, .type = p->type};

	if (strcmp(p->type, "duration") && strcmp(p->type, "date"))
		tele_buf_str(out, limit);
	else if (tele_parameter_check(&free_of_limits, limit, out) != TELE_OK)
		tele_buf_reset(out);
}

static bool is_above(const struct tele_parameter *p, const char *least, const char *most)
{
	if (!strcmp(p->type, "date"))
		return *least >= '0' && *least <= '9' && *most >= '0' && *most <= '9' && strcmp(least, most) > 0;
	return tele_decimal_is(least) && tele_decimal_is(most) && tele_decimal_compare(least, most) > 0;
}

/* Of a file: it has a greatest size alone. */
static bool check_size(struct check *c, const char *path, struct json_object *v, const char *key)
{
	if (strcmp(key, "maximum"))
		complain(c, path, key, "means nothing for type file");
	else if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 1 || json_object_get_int64(v) > FILE_MOST)
		complain(c, path, key, "must be a number of bytes from 1 to %d", FILE_MOST);
	return false;
}

/* True: there is one, and it is good; as it is compared in out. */
static bool check_limit(struct check *c, const char *path, struct json_object *o, const struct tele_parameter *p, const char *key,
    struct tele_buf *out)
{
	bool in_words = !strcmp(p->type, "duration") || !strcmp(p->type, "date");
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, key, &v) || !has_type(v, LIMIT))
		return false;
	write_limit(p, json_object_get_string(v), out);
	if (!strcmp(p->type, "file"))
		return check_size(c, path, v, key);
	if (!in_words && strcmp(p->type, "text") && strcmp(p->type, "integer") && strcmp(p->type, "number"))
		complain(c, path, key, "means nothing for type %s", p->type);
	else if (in_words != json_object_is_type(v, json_type_string))
		complain(c, path, key, "must be a %s for type %s", in_words ? "text" : "number", p->type);
	else if (!out->len || (!in_words && !tele_decimal_is(tele_buf_text(out))))
		complain(c, path, key, "must be %s", !strcmp(p->type, "duration") ? "a duration, as 90s, 5m, 1h30m or 2d" :
			!in_words ? "a number of at most 64 digits" : "a date, as 2026-11-25, today, +30d or monday");
	else
		return true;
	return false;
}

static void check_range(struct check *c, const char *path, struct json_object *o, const struct tele_parameter *p)
{
	struct tele_buf least = {0}, most = {0};
	bool has_least = check_limit(c, path, o, p, "minimum", &least), has_most = check_limit(c, path, o, p, "maximum", &most);

	if (has_least && has_most && is_above(p, tele_buf_text(&least), tele_buf_text(&most)))
		complain(c, path, "minimum", "is above the maximum");
	tele_buf_release(&least);
	tele_buf_release(&most);
}

/* Keys that mean something for one type only, and which that type needs. */
static void check_own_keys(struct check *c, const char *path, const struct tele_parameter *p)
{
	struct tele_pattern *compiled = NULL;
	struct tele_buf why = {0};
	bool choice = !strcmp(p->type, "choice"), pattern = !strcmp(p->type, "pattern");

	if (choice && !p->nchoices && !p->choices_from)
		complain(c, path, "choices", "is missing: a choice needs some, or choices_from");
	else if (p->nchoices && p->choices_from)
		complain(c, path, "choices_from", "and choices exclude each other");
	else if (!choice && (p->nchoices || p->choices_from))
		complain(c, path, p->nchoices ? "choices" : "choices_from", "means nothing for type %s", p->type);
	if (pattern && !*p->pattern)
		complain(c, path, "pattern", "is missing: type pattern needs one");
	else if (!pattern && *p->pattern)
		complain(c, path, "pattern", "means nothing for type %s", p->type);
	else if (pattern && tele_pattern_compile(p->pattern, &compiled, &why) == TELE_INVALID)
		complain(c, path, "pattern", "%s", tele_buf_text(&why));
	if (p->secret && strcmp(p->type, "text") && strcmp(p->type, "integer") && strcmp(p->type, "number") && !pattern)
		complain(c, path, "secret", "a secret is of type text, pattern, integer or number");
	tele_pattern_free(compiled);
	tele_buf_release(&why);
}

static void check_parameter(struct check *c, const char *path, struct json_object *o, bool *optional_before)
{
	static const char *const types[] = {"text", "integer", "number", "boolean", "choice", "duration", "date", "pattern", "user", "target", "file", NULL};
	bool required = is_true(o, "required"), known = false;
	struct tele_parameter p;

	read_parameter(o, &p);
	for (size_t i = 0; types[i]; i++)
		known |= !strcmp(types[i], p.type);
	if (!known && *p.type)
		complain(c, path, "type", "must be one of text, integer, number, boolean, choice, duration, date, pattern, user, target, file");
	/* A file has no place among the words of a line. */
	if (required && *optional_before && strcmp(p.type, "file"))
		complain(c, path, "required", "a required parameter cannot come after one that may be left out");
	*optional_before |= !required && strcmp(p.type, "file");
	if (known) {
		check_own_keys(c, path, &p);
		check_range(c, path, o, &p);
		check_default(c, path, o, &p);
	}
	release_parameter(&p);
}

/* NULL: there is none. */
static struct json_object *find_parameter(struct json_object *parameters, const char *name, size_t n)
{
	for (size_t i = 0; i < length_of(parameters); i++) {
		struct json_object *o = json_object_array_get_idx(parameters, i);
		const char *p = text_of(o, "name");

		if (strlen(p) == n && !strncmp(p, name, n))
			return o;
	}
	return NULL;
}

enum place { ARGUMENT, ANSWER, PATH, VALUE };

/* Why a secret must not stand there; NULL: it may. */
static const char *const forbidden[] = {[ARGUMENT] = "in an argument; the program reads it from descriptor 3", [ANSWER] = "in an answer",
    [PATH] = "in path, which servers note in their logs", [VALUE] = NULL};

/*
 * Each {name} of a template must be a parameter, or one of the words that are always there; none may be a secret, which would be
 * seen by every process of the machine, or in the chat.
 */
static void check_template(struct check *c, const char *path, struct json_object *parameters, const char *template, enum place place)
{
	bool with_user = place == ANSWER;

	for (const char *s = strchr(template, '{'); s; s = strchr(s + 1, '{')) {
		size_t n = strspn(s + 1, LOWER DIGITS "_");
		struct json_object *p = n && s[n + 1] == '}' ? find_parameter(parameters, s + 1, n) : NULL;

		if (p && is_true(p, "secret") && forbidden[place])
			complain(c, path, NULL, "{%.*s} is a secret: it must not stand %s", (int)n, s + 1, forbidden[place]);
		if (!n || s[n + 1] != '}' || p)
			continue;
		if (!with_user || (strncmp(s, "{user}", 6) && strncmp(s, "{person}", 8)))
			complain(c, path, NULL, "there is no parameter for {%.*s}", (int)n, s + 1);
	}
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

/* What a kind cannot be without, and what means nothing elsewhere. */
static const struct need {
	const char *kind, *key;
	bool needed;
} needs[] = {
    {"exec", "program", true},    {"text", "template", true},   {"sql", "connection", true}, {"http", "connection", true}, {"sql", "statement", true},
    {"sql", "writes", false},     {"sql", "row_limit", false},  {"http", "path", true},      {"http", "method", false},    {"http", "headers", false},
    {"http", "body", false},      {"http", "expect", false},    {"http", "pointer", false},
};

enum { NEEDS = sizeof needs / sizeof *needs };

static bool takes(const char *kind, const char *key)
{
	for (int i = 0; i < NEEDS; i++)
		if (!strcmp(needs[i].key, key) && !strcmp(needs[i].kind, kind))
			return true;
	return false;
}

static void check_needs(struct check *c, const char *path, const char *kind, struct json_object *o)
{
	for (int i = 0; i < NEEDS; i++) {
		const struct need *n = &needs[i];
		bool there = json_object_object_get_ex(o, n->key, NULL);

		if (n->needed && !strcmp(n->kind, kind) && !there)
			complain(c, path, n->key, "is missing: a command of kind %s needs one", kind);
		/* Programs and answers were always taken, and left alone, whatever the kind. */
		if (there && *kind && strcmp(n->key, "program") && strcmp(n->key, "template") && !takes(kind, n->key) && (!i || strcmp(n[-1].key, n->key)))
			complain(c, path, n->key, "means nothing for kind %s", kind);
	}
}

/* Each {name} of the statement must be a parameter, outside of quotes. */
static void check_statement(struct check *c, const char *path, struct json_object *o, struct json_object *parameters)
{
	const char *names[TELE_STATEMENT_NAMES + 1] = {NULL};
	struct tele_statement s;
	struct tele_buf why = {0};

	for (size_t i = 0; i < length_of(parameters) && i < TELE_STATEMENT_NAMES; i++)
		names[i] = text_of(json_object_array_get_idx(parameters, i), "name");
	if (tele_statement_read(text_of(o, "statement"), names, &s, &why) != TELE_OK)
		complain(c, path, "statement", "%s", tele_buf_text(&why));
	for (size_t i = 0; i < s.n; i++)
		if (!find_parameter(parameters, s.names[i], strlen(s.names[i])))
			complain(c, path, "statement", "there is no parameter for {%s}", s.names[i]);
	tele_statement_release(&s);
	tele_buf_release(&why);
}

/* Texts within a body, however deep. */
static void check_body(struct check *c, const char *path, struct json_object *parameters, struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		check_template(c, path, parameters, json_object_get_string(v), VALUE);
	for (size_t i = 0; json_object_is_type(v, json_type_array) && i < json_object_array_length(v); i++)
		check_body(c, path, parameters, json_object_array_get_idx(v, i));
	if (!json_object_is_type(v, json_type_object))
		return;
	json_object_object_foreach(v, key, member)
	{
		(void)key;
		check_body(c, path, parameters, member);
	}
}

static void check_headers(struct check *c, const char *path, struct json_object *parameters, struct json_object *headers)
{
	static const char token[] = LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "!#$%&'*+-.^_`|~"; /* RFC 9110, 5.6.2 */
	char at[400];

	json_object_object_foreach(headers, name, v)
	{
		snprintf(at, sizeof at, "%s.headers.%.64s", path, name);
		if (!*name || name[strspn(name, token)])
			complain(c, at, NULL, "is no name of a header");
		else if (!json_object_is_type(v, json_type_string) || strpbrk(json_object_get_string(v), "\r\n"))
			complain(c, at, NULL, "must be a text of one line");
		else
			check_template(c, at, parameters, json_object_get_string(v), VALUE);
	}
}

static void check_request(struct check *c, const char *path, struct json_object *o, struct json_object *parameters)
{
	static const char *const methods[] = {"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
	struct json_object *v = NULL;
	const char *target = text_of(o, "path");
	char at[400];

	if (!is_one_of(text_of(o, "method"), methods))
		complain(c, path, "method", "must be GET, HEAD, POST, PUT, PATCH or DELETE");
	if (*target && (*target != '/' || strpbrk(target, " \t#")))
		complain(c, path, "path", "must begin with / and hold neither spaces nor #");
	snprintf(at, sizeof at, "%s.path", path);
	check_template(c, at, parameters, target, PATH);
	if (*text_of(o, "pointer") && *text_of(o, "pointer") != '/')
		complain(c, path, "pointer", "must begin with / (RFC 6901)");
	if (json_object_object_get_ex(o, "headers", &v) && json_object_is_type(v, json_type_object))
		check_headers(c, path, parameters, v);
	snprintf(at, sizeof at, "%s.body", path);
	if (json_object_object_get_ex(o, "body", &v))
		check_body(c, at, parameters, v);
}

static void check_kind(struct check *c, const char *path, struct json_object *o)
{
	static const char *const kinds[] = {"exec", "text", "sql", "http", NULL};
	const char *kind = text_of(o, "kind"), *program = text_of(o, "program");
	struct json_object *parameters = list_of(o, "parameters"), *args = list_of(o, "args");
	char at[320];

	if (*kind && !is_one_of(kind, kinds))
		complain(c, path, "kind", "must be exec, text, sql or http");
	check_needs(c, path, kind, o);
	if (strchr(program, '/') || *program == '.')
		complain(c, path, "program", "must be a file name within exec_dir");
	for (size_t i = 0; i < length_of(args); i++) {
		snprintf(at, sizeof at, "%s.args[%zu]", path, i);
		if (json_object_is_type(json_object_array_get_idx(args, i), json_type_string))
			check_template(c, at, parameters, json_object_get_string(json_object_array_get_idx(args, i)), ARGUMENT);
	}
	snprintf(at, sizeof at, "%s.template", path);
	check_template(c, at, parameters, text_of(o, "template"), ANSWER);
	if (!strcmp(kind, "sql"))
		check_statement(c, path, o, parameters);
	if (!strcmp(kind, "http"))
		check_request(c, path, o, parameters);
}

static void check_descriptions(struct check *c, const char *path, struct json_object *o)
{
	static const struct key text = {"", TEXT, false, 1, 256, NULL, "", ""};
	struct json_object *list = NULL;
	char at[400];

	if (!json_object_object_get_ex(o, "descriptions", &list) || !json_object_is_type(list, json_type_object))
		return;
	json_object_object_foreach(list, language, v)
	{
		snprintf(at, sizeof at, "%s.descriptions.%.64s", path, language);
		check_value(c, at, &text, v);
	}
}

/* Only a program can take a file. */
static void check_files(struct check *c, const char *path, struct json_object *o)
{
	struct json_object *parameters = list_of(o, "parameters");
	size_t n = 0;

	for (size_t i = 0; i < length_of(parameters); i++)
		n += !strcmp(text_of(json_object_array_get_idx(parameters, i), "type"), "file");
	if (n && *text_of(o, "kind") && strcmp(text_of(o, "kind"), "exec"))
		complain(c, path, "parameters", "a file can only be given to a command of kind exec, not %s", text_of(o, "kind"));
	if (n > FILES_MOST)
		complain(c, path, "parameters", "a command can take %d files at most", FILES_MOST);
}

static void check_approvals(struct check *c, const char *path, struct json_object *o)
{
	struct json_object *n = NULL;
	bool needed = json_object_object_get_ex(o, "approvals", &n) && json_object_get_int(n) > 0;

	if (needed && !*text_of(o, "approvers"))
		complain(c, path, "approvers", "is missing: approvals need a role that gives them");
}

static void check_command(struct check *c, const char *path, struct json_object *o)
{
	static const char *const builtins[] = {"start", "help", "whoami", "id", "tasks", "status", "output", "cancel", "approve", "reject", NULL};
	static const char *const places[] = {"chat", "private", "", NULL};
	struct json_object *parameters = list_of(o, "parameters");
	const char *name = text_of(o, "name");
	bool optional_before = false;
	char at[300];

	for (size_t i = 0; i < length_of(parameters); i++) {
		struct json_object *p = json_object_array_get_idx(parameters, i);

		snprintf(at, sizeof at, "%s.parameters[%zu]", path, i);
		if (!check_object(c, at, parameter_keys, p))
			continue;
		check_parameter(c, at, p, &optional_before);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(text_of(json_object_array_get_idx(parameters, j), "name"), text_of(p, "name")))
				complain(c, at, "name", "%s is named twice", text_of(p, "name"));
	}
	for (size_t i = 0; builtins[i]; i++)
		if (!strcmp(builtins[i], name))
			complain(c, path, "name", "/%s is built in", name);
	if (*name && (*name < 'a' || *name > 'z'))
		complain(c, path, "name", "must begin with a letter");
	check_kind(c, path, o);
	check_files(c, path, o);
	check_approvals(c, path, o);
	if (!is_one_of(text_of(o, "answer"), places))
		complain(c, path, "answer", "must be chat or private");
	check_descriptions(c, path, o);
}

static void check_user(struct check *c, const char *path, struct json_object *o)
{
	const char *login = text_of(o, "login");

	if (*login && strchr("._@-", *login))
		complain(c, path, "login", "must begin with a letter or digit");
}

static void check_schedule(struct check *c, const char *path, struct json_object *o)
{
	static const char *const rules[] = {"skip", "once", "all", "", NULL};
	struct tele_cmdline line;
	struct json_object *chat = NULL;

	if (*text_of(o, "line") && (tele_cmdline_split(text_of(o, "line"), &line) != TELE_OK || *line.mention))
		complain(c, path, "line", "must be a command line, as /backup db");
	if (!is_one_of(text_of(o, "missed"), rules))
		complain(c, path, "missed", "must be skip, once or all");
	if (json_object_object_get_ex(o, "chat_id", &chat) && json_object_is_type(chat, json_type_int) && !json_object_get_int64(chat))
		complain(c, path, "chat_id", "must not be 0");
}

/* An object whose values are texts. */
static void check_texts(struct check *c, const char *path, struct json_object *o, const char *name)
{
	static const struct key text = {"", TEXT, false, 0, 1000, NULL, "", ""};
	struct json_object *list = NULL;
	char at[400];

	if (!json_object_object_get_ex(o, name, &list) || !json_object_is_type(list, json_type_object))
		return;
	json_object_object_foreach(list, key, v)
	{
		snprintf(at, sizeof at, "%s.%s.%.64s", path, name, key);
		check_value(c, at, &text, v);
	}
}

static void check_hook(struct check *c, const char *path, struct json_object *o)
{
	struct json_object *buttons = list_of(o, "buttons"), *chat = NULL;
	char at[320];

	if (json_object_object_get_ex(o, "chat_id", &chat) && json_object_is_type(chat, json_type_int) && !json_object_get_int64(chat))
		complain(c, path, "chat_id", "must not be 0");
	for (size_t i = 0; i < length_of(buttons); i++) {
		struct json_object *b = json_object_array_get_idx(buttons, i);

		snprintf(at, sizeof at, "%s.buttons[%zu]", path, i);
		if (!check_object(c, at, button_keys, b))
			continue;
		check_texts(c, at, b, "args");
		check_texts(c, at, b, "when");
	}
}

static void check_grant(struct check *c, const char *path, struct json_object *o)
{
	static const struct key values = {"", TEXTS, false, 0, 4096, "", "", ""};
	struct json_object *constraints = NULL;
	char at[400];

	if (!json_object_object_get_ex(o, "constraints", &constraints) || !json_object_is_type(constraints, json_type_object))
		return;
	json_object_object_foreach(constraints, name, v)
	{
		snprintf(at, sizeof at, "%s.constraints.%.64s", path, name);
		check_value(c, at, &values, v);
	}
}

static const struct section {
	const char *name;
	const struct key *keys;
	const char *identity; /* key that must not come twice; NULL: the whole object */
	void (*check)(struct check *c, const char *path, struct json_object *o);
} sections[] = {
    {"organizations", organization_keys, "name", NULL}, {"groups", group_keys, "name", NULL}, {"roles", role_keys, "name", NULL},
    {"users", user_keys, "login", check_user},          {"queues", queue_keys, "name", NULL},
    {"commands", command_keys, "name", check_command},  {"grants", grant_keys, NULL, check_grant},
    {"chats", chat_keys, "chat_id", NULL},              {"schedules", schedule_keys, "name", check_schedule},
    {"hooks", hook_keys, "name", check_hook},
};

enum { SECTIONS = sizeof sections / sizeof *sections };

/* Names seen so far are kept in an object, so that a file with many thousand people is read in no time. */
static void check_twice(struct check *c, const char *path, const struct section *s, struct json_object *seen, struct json_object *o)
{
	struct json_object *key = s->identity ? json_object_object_get(o, s->identity) : o;
	const char *id = json_object_is_type(key, json_type_string) ? json_object_get_string(key) : json_object_to_json_string_ext(key, JSON_C_TO_STRING_PLAIN);

	if (*id && json_object_object_get_ex(seen, id, NULL))
		complain(c, path, NULL, "%.200s stands here twice", id);
	else
		json_object_object_add(seen, id, json_object_new_boolean(1));
}

static void check_section(struct check *c, const struct section *s, struct json_object *list)
{
	struct json_object *seen = json_object_new_object();
	char path[64];

	if (!json_object_is_type(list, json_type_array))
		complain(c, s->name, NULL, "must be a list");
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		snprintf(path, sizeof path, "%s[%zu]", s->name, i);
		if (!check_object(c, path, s->keys, o))
			continue;
		check_twice(c, path, s, seen, o);
		if (s->check)
			s->check(c, path, o);
	}
	json_object_put(seen);
}

enum tele_err tele_document_check(struct json_object *document, struct tele_buf *errors)
{
	struct check c = {errors, errors->len};

	if (!json_object_is_type(document, json_type_object)) {
		complain(&c, "file", NULL, "must be an object");
		return TELE_INVALID;
	}
	json_object_object_foreach(document, name, list)
	{
		int i = 0;

		while (i < SECTIONS && strcmp(sections[i].name, name))
			i++;
		if (i < SECTIONS)
			check_section(&c, &sections[i], list);
		else
			complain(&c, name, NULL, "unknown key");
	}
	return errors->len == c.before ? TELE_OK : TELE_INVALID;
}

struct json_object *tele_document_in_order(struct json_object *document)
{
	static const char *const order[] = {"organizations", "groups", "roles", "users", "queues", "commands", "chats", "grants", "schedules", "hooks"};
	struct json_object *out = json_object_new_object(), *list;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (json_object_object_get_ex(document, order[i], &list))
			json_object_object_add(out, order[i], json_object_get(list));
	/* A section this list has forgotten is not to be lost. */
	json_object_object_foreach(document, section, rest)
		if (!json_object_object_get_ex(out, section, NULL))
			json_object_object_add(out, section, json_object_get(rest));
	return out;
}

static void describe(struct tele_buf *out, const char *name, const struct key *keys)
{
	tele_buf_printf(out, "  %s\n", name);
	for (; keys->name; keys++)
		tele_buf_printf(out, "    %-14s %s; %s%s%s\n", keys->name, keys->what, type_names[keys->type],
		    keys->required ? "; required" : *keys->initial ? "; default " : "", keys->required ? "" : keys->initial);
}

void tele_document_describe(struct tele_buf *out)
{
	for (int i = 0; i < SECTIONS; i++) {
		describe(out, sections[i].name, sections[i].keys);
		if (sections[i].keys == command_keys)
			describe(out, "commands: parameters", parameter_keys);
		if (sections[i].keys == hook_keys)
			describe(out, "hooks: buttons", button_keys);
	}
}
