#include "lib/parameter.h"

#include "lib/decimal.h"
#include "lib/filename.h"
#include "lib/seal.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHOWN = 60, CHOICES_SHOWN = 20, USER_MOST = 64, TARGET_MOST = 200 };

const char tele_parameter_mask[] = "•••";

int tele_parameter_shown(const char *value)
{
	size_t n = strnlen(value, SHOWN);

	while (n && (value[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static bool is_below(const char *value, const char *limit)
{
	return limit && tele_decimal_is(limit) && tele_decimal_compare(value, limit) < 0;
}

static bool is_above(const char *value, const char *limit)
{
	return limit && tele_decimal_is(limit) && tele_decimal_compare(value, limit) > 0;
}

static bool is_within(const struct tele_parameter *p, const char *number)
{
	return !is_below(number, p->minimum) && !is_above(number, p->maximum);
}

/* As range_text() in the schema. */
static void say_range(const struct tele_parameter *p, const char *what, struct tele_buf *out)
{
	bool days = !strcmp(p->type, "date");

	tele_buf_str(out, what);
	if (p->minimum && p->maximum)
		tele_buf_printf(out, " from %s to %s", p->minimum, p->maximum);
	else if (p->minimum)
		tele_buf_printf(out, ", %s %s", days ? "not before" : "at least", p->minimum);
	else if (p->maximum)
		tele_buf_printf(out, ", %s %s", days ? "not after" : "at most", p->maximum);
}

static enum tele_err check_text(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	char length[24];
	size_t n = 0;

	for (const char *s = value; *s; s++)
		n += (*s & 0xc0) != 0x80;
	snprintf(length, sizeof length, "%zu", n);
	if (is_within(p, length)) {
		tele_buf_str(out, value);
		return TELE_OK;
	}
	if (p->maximum)
		tele_buf_printf(out, "a text of %s to %s characters", p->minimum ? p->minimum : "0", p->maximum);
	else
		tele_buf_printf(out, "a text of at least %s characters", p->minimum);
	return TELE_INVALID;
}

static enum tele_err check_integer(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	const char *digits = value + (*value == '-' || *value == '+');
	size_t n = strspn(digits, "0123456789");

	if (n && n <= 18 && !digits[n] && is_within(p, value)) {
		tele_buf_int(out, strtoll(value, NULL, 10));
		return TELE_OK;
	}
	say_range(p, "a whole number", out);
	return TELE_INVALID;
}

static enum tele_err check_number(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	if (tele_decimal_is(value) && is_within(p, value)) {
		tele_decimal_write(out, value);
		return TELE_OK;
	}
	say_range(p, "a number", out);
	return TELE_INVALID;
}

static enum tele_err check_boolean(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1", "n", "y"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcasecmp(value, words[i])) {
			tele_buf_str(out, i % 2 ? "true" : "false");
			return TELE_OK;
		}
	}
	tele_buf_str(out, "yes or no");
	return TELE_INVALID;
}

static void say_choices(const struct tele_parameter *p, struct tele_buf *out)
{
	if (!p->nchoices) {
		tele_buf_printf(out, "one of the values that /%s gives, and there are none now", p->choices_from ? p->choices_from : "?");
		return;
	}
	tele_buf_str(out, "one of");
	for (size_t i = 0; i < p->nchoices && i < CHOICES_SHOWN; i++)
		tele_buf_printf(out, "%s %s", i ? "," : "", p->choices[i]);
	if (p->nchoices > CHOICES_SHOWN)
		tele_buf_printf(out, " … (%zu in all)", p->nchoices);
}

static enum tele_err check_choice(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	for (size_t i = 0; i < p->nchoices; i++) {
		if (!strcmp(value, p->choices[i])) {
			tele_buf_str(out, value);
			return TELE_OK;
		}
	}
	say_choices(p, out);
	return TELE_INVALID;
}

/* "1h30m", "2d"; each unit once, larger ones first; a number alone is seconds. At most some thirty years. */
static bool read_duration(const char *s, long long *seconds)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	enum { UNITS = sizeof units / sizeof *units, DIGITS_MOST = 9, MOST = 999999999 };
	size_t next = 0, n = strspn(s, "0123456789");

	*seconds = n && n <= DIGITS_MOST && !s[n] ? strtoll(s, NULL, 10) : 0;
	if (n && n <= DIGITS_MOST && !s[n])
		return true;
	for (; *s; s += n + 1) {
		n = strspn(s, "0123456789");
		while (n && next < UNITS && units[next].unit != s[n])
			next++;
		if (!n || n > DIGITS_MOST || next == UNITS)
			return false;
		*seconds += strtoll(s, NULL, 10) * units[next++].seconds;
	}
	return next > 0 && *seconds <= MOST;
}

static enum tele_err check_duration(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	long long seconds, least = 0, most = 0;

	if (read_duration(value, &seconds) && !(p->minimum && read_duration(p->minimum, &least) && seconds < least) &&
	    !(p->maximum && read_duration(p->maximum, &most) && seconds > most)) {
		tele_buf_int(out, seconds);
		return TELE_OK;
	}
	say_range(p, "a duration", out);
	tele_buf_str(out, ", as 90s, 5m, 1h30m or 2d");
	return TELE_INVALID;
}

static bool is_day(const char *s)
{
	static const char form[] = "0000-00-00";
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	bool leap;

	for (size_t i = 0; i < sizeof form; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return false;
	year = atoi(s);
	month = atoi(s + 5);
	day = atoi(s + 8);
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* "+3d", "-1d", "+2w": so many days from today. */
static bool read_distance(const char *s, struct tele_buf *out)
{
	size_t n = *s == '+' || *s == '-' ? strspn(s + 1, "0123456789") : 0;
	char unit = n && n <= 4 ? (char)tolower((unsigned char)s[n + 1]) : '\0';

	if ((unit != 'd' && unit != 'w') || s[n + 2])
		return false;
	tele_buf_char(out, *s);
	tele_buf_int(out, strtoll(s + 1, NULL, 10) * (unit == 'w' ? 7 : 1));
	tele_buf_char(out, 'd');
	return true;
}

static bool read_day_word(const char *s, struct tele_buf *out)
{
	static const char *const words[] = {"today", "tomorrow", "yesterday"};
	static const char *const weekdays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcasecmp(s, words[i])) {
			tele_buf_str(out, words[i]);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof weekdays / sizeof *weekdays; i++) {
		if (!strcasecmp(s, weekdays[i]) || (strlen(s) == 3 && !strncasecmp(s, weekdays[i], 3))) {
			tele_buf_add(out, weekdays[i], 3);
			return true;
		}
	}
	return false;
}

/* Which day "today" is depends on who asks, so the database, which knows that, looks at minimum and maximum. */
static enum tele_err check_date(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	if (is_day(value)) {
		tele_buf_str(out, value);
		return TELE_OK;
	}
	if (read_distance(value, out) || read_day_word(value, out))
		return TELE_OK;
	say_range(p, "a date", out);
	tele_buf_str(out, ", as 2026-11-25, today, tomorrow, +3d or monday");
	return TELE_INVALID;
}

static enum tele_err check_pattern(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	enum tele_err rc = p->compiled ? tele_pattern_match(p->compiled, value) : TELE_SYSTEM;

	if (rc == TELE_OK)
		tele_buf_str(out, value);
	else if (!p->compiled)
		tele_buf_str(out, "a text that fits a pattern which itself is wrong: tell an administrator");
	else
		tele_buf_printf(out, "a text that fits the pattern %s%s", p->pattern, rc == TELE_SYSTEM ? " without too long a search" : "");
	return rc == TELE_OK ? TELE_OK : TELE_INVALID;
}

/* Whether there is such a person is the database's to say. */
static enum tele_err check_user(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	const char *name = value + (*value == '@');
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-");

	if (n && n <= USER_MOST && !name[n]) {
		for (; *value; value++)
			tele_buf_char(out, (char)tolower((unsigned char)*value));
		return TELE_OK;
	}
	tele_buf_str(out, "a person: login, @name or Telegram id");
	return TELE_INVALID;
}

/* Which engines it means is the database's to say. */
static enum tele_err check_target(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._*?=,-");

	(void)p;
	if (n && n <= TARGET_MOST && !value[n]) {
		tele_buf_str(out, value);
		return TELE_OK;
	}
	tele_buf_str(out, "an engine: its name, a pattern as web*, or labels as env=staging");
	return TELE_INVALID;
}

/* A file is never typed. */
static enum tele_err check_file(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	(void)p;
	(void)value;
	tele_buf_str(out, "a file: send the command as the caption of a document, or as a reply to one");
	return TELE_INVALID;
}

static const struct {
	const char *type;
	enum tele_err (*check)(const struct tele_parameter *p, const char *value, struct tele_buf *out);
	const char *resolved_as; /* key under which the database finds what it is to resolve; NULL: the value stands as it is */
} types[] = {
    {"text", check_text, NULL},     {"integer", check_integer, NULL},   {"number", check_number, NULL},
    {"boolean", check_boolean, NULL}, {"choice", check_choice, NULL},   {"duration", check_duration, NULL},
    {"date", check_date, "date"},   {"pattern", check_pattern, NULL},   {"user", check_user, "user"},
    {"target", check_target, "target"}, {"file", check_file, NULL},
};

enum { TYPES = sizeof types / sizeof *types };

static int type_of(const struct tele_parameter *p)
{
	int i = 0;

	while (i < TYPES && strcmp(types[i].type, p->type))
		i++;
	return i;
}

enum tele_err tele_parameter_check(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	int i = type_of(p);

	if (i < TYPES)
		return types[i].check(p, value, out);
	tele_buf_printf(out, "a value of type %s, which this version does not know", p->type);
	return TELE_INVALID;
}

bool tele_parameter_is_file(const struct tele_parameter *p)
{
	return !strcmp(p->type, "file");
}

static struct json_object *wrap(const char *key, const char *text)
{
	struct json_object *o = key ? json_object_new_object() : NULL, *value = json_object_new_string(text);

	if (!key)
		return value;
	json_object_object_add(o, key, value);
	return o;
}

static enum tele_err seal(const struct tele_command *c, const struct tele_parameter *p, const char *value, struct json_object **out,
    struct tele_buf *complaint)
{
	struct tele_buf sealed = {0};
	enum tele_err rc = TELE_INVALID;

	if (!c->seal)
		tele_buf_printf(complaint, "%s is a secret, and nothing is set up to seal it with: tell an administrator.", p->name);
	else
		rc = tele_seal(c->seal, c->name, p->name, value, &sealed);
	if (rc == TELE_OK)
		*out = wrap("sealed", tele_buf_text(&sealed));
	tele_buf_release(&sealed);
	return rc;
}

enum tele_err tele_parameter_take(const struct tele_parameter *p, const struct tele_attachment *document, struct json_object **out,
    struct tele_buf *complaint)
{
	struct tele_buf name = {0};
	struct json_object *o;

	if (!tele_parameter_is_file(p)) {
		tele_buf_printf(complaint, "%s is no file: send its value as a text.", p->name);
		return TELE_INVALID;
	}
	tele_filename_clean(&name, document->name);
	o = name.failed ? NULL : wrap("document", document->file_id);
	if (o) {
		json_object_object_add(o, "name", json_object_new_string(tele_buf_text(&name)));
		json_object_object_add(o, "size", json_object_new_int64(document->size));
	}
	tele_buf_release(&name);
	*out = o;
	return o ? TELE_OK : TELE_NOMEM;
}

enum tele_err tele_parameter_read(const struct tele_command *c, const struct tele_parameter *p, const char *value, struct json_object **out,
    struct tele_buf *complaint)
{
	struct tele_buf normal = {0};
	enum tele_err rc = tele_parameter_check(p, value, &normal);

	if (rc == TELE_INVALID && tele_command_has_secrets(c))
		tele_buf_printf(complaint, "%s must be %s.", p->name, tele_buf_text(&normal));
	else if (rc == TELE_INVALID)
		tele_buf_printf(complaint, "%s must be %s, not \"%.*s\".", p->name, tele_buf_text(&normal), tele_parameter_shown(value), value);
	else if (rc == TELE_OK && p->secret)
		rc = seal(c, p, tele_buf_text(&normal), out, complaint);
	else if (rc == TELE_OK)
		*out = wrap(types[type_of(p)].resolved_as, tele_buf_text(&normal));
	if (p->secret)
		tele_buf_wipe(&normal);
	tele_buf_release(&normal);
	return rc;
}
