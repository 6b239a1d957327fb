#include "lib/cmdline.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHOWN = 60 }; /* of a wrong value, in bytes */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *s)
{
	while (is_space(*s))
		s++;
	return s;
}

enum tele_err tele_cmdline_split(const char *text, struct tele_cmdline *line)
{
	size_t n = 0;

	memset(line, 0, sizeof *line);
	if (*text++ != '/')
		return TELE_NOTFOUND;
	while ((isalnum((unsigned char)*text) || *text == '_') && n < sizeof line->name - 1)
		line->name[n++] = (char)tolower((unsigned char)*text++);
	if (!n)
		return TELE_NOTFOUND;
	if (*text == '@') {
		for (n = 0, text++; (isalnum((unsigned char)*text) || *text == '_') && n < sizeof line->mention - 1;)
			line->mention[n++] = *text++;
	}
	if (*text && !is_space(*text))
		return TELE_NOTFOUND;
	line->rest = skip_space(text);
	return TELE_OK;
}

/* How much of a wrong value is shown: whole characters only. */
static int shown(const char *value)
{
	size_t n = strnlen(value, SHOWN);

	while (n && (value[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

/*
 * One word with quotes taken off: '…' as it stands, "…" with \" and \\, \x outside. Returns what follows; NULL: a quote is not
 * closed.
 */
static const char *read_word(const char *s, struct tele_buf *word)
{
	char quote = '\0';

	for (; *s && (quote || !is_space(*s)); s++) {
		if (quote ? *s == quote : *s == '\'' || *s == '"')
			quote = quote ? '\0' : *s;
		else if (*s == '\\' && s[1] && (!quote || (quote == '"' && (s[1] == '"' || s[1] == '\\'))))
			tele_buf_char(word, *++s);
		else
			tele_buf_char(word, *s);
	}
	return quote ? NULL : s;
}

static enum tele_err check_text(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	double least = p->minimum ? strtod(p->minimum, NULL) : 0;
	double most = p->maximum ? strtod(p->maximum, NULL) : HUGE_VAL;
	size_t length = 0;

	for (const char *s = value; *s; s++)
		length += (*s & 0xc0) != 0x80;
	if ((double)length >= least && (double)length <= most) {
		tele_buf_str(out, value);
		return TELE_OK;
	}
	if (p->maximum)
		tele_buf_printf(out, "a text of %.0f to %.0f characters", least, most);
	else
		tele_buf_printf(out, "a text of at least %.0f characters", least);
	return TELE_INVALID;
}

static void say_range(const struct tele_parameter *p, const char *what, struct tele_buf *out)
{
	tele_buf_str(out, what);
	if (p->minimum && p->maximum)
		tele_buf_printf(out, " from %s to %s", p->minimum, p->maximum);
	else if (p->minimum)
		tele_buf_printf(out, ", at least %s", p->minimum);
	else if (p->maximum)
		tele_buf_printf(out, ", at most %s", p->maximum);
}

static enum tele_err check_integer(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	const char *digits = value + (*value == '-' || *value == '+');
	size_t n = strspn(digits, "0123456789");
	long long v = strtoll(value, NULL, 10);

	if (n && n <= 18 && !digits[n] && (!p->minimum || v >= strtold(p->minimum, NULL)) && (!p->maximum || v <= strtold(p->maximum, NULL))) {
		tele_buf_printf(out, "%lld", v);
		return TELE_OK;
	}
	say_range(p, "a whole number", out);
	return TELE_INVALID;
}

static enum tele_err check_number(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	char *end;
	double v = strtod(value, &end);

	/* strtod also takes hexadecimal, inf and nan, which nobody means in a chat. */
	if (*value && !*end && !value[strspn(value, "+-0123456789.eE")] && isfinite(v) && (!p->minimum || v >= strtod(p->minimum, NULL)) &&
	    (!p->maximum || v <= strtod(p->maximum, NULL))) {
		tele_buf_str(out, value);
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

static enum tele_err check_choice(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	for (size_t i = 0; i < p->nchoices; i++) {
		if (!strcmp(value, p->choices[i])) {
			tele_buf_str(out, value);
			return TELE_OK;
		}
	}
	tele_buf_str(out, "one of");
	for (size_t i = 0; i < p->nchoices; i++)
		tele_buf_printf(out, "%s %s", i ? "," : "", p->choices[i]);
	return TELE_INVALID;
}

static const struct {
	const char *type;
	enum tele_err (*check)(const struct tele_parameter *p, const char *value, struct tele_buf *out);
} checks[] = {
    {"text", check_text}, {"integer", check_integer}, {"number", check_number}, {"boolean", check_boolean}, {"choice", check_choice},
};

enum tele_err tele_parameter_check(const struct tele_parameter *p, const char *value, struct tele_buf *out)
{
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		if (!strcmp(checks[i].type, p->type))
			return checks[i].check(p, value, out);
	tele_buf_printf(out, "a value of type %s, which this version does not know", p->type);
	return TELE_INVALID;
}

/* The work of reading one line: values found so far, one a parameter. */
struct reading {
	const struct tele_command *command;
	char **values;
	struct tele_buf *complaint;
	bool missing; /* something that is asked for */
};

static enum tele_err complain(struct reading *r, const char *usage_head)
{
	tele_buf_printf(r->complaint, "\n%s%s", usage_head, r->command->usage);
	return TELE_INVALID;
}

static size_t next_free(const struct reading *r)
{
	size_t i = 0;

	while (i < r->command->nparameters && r->values[i])
		i++;
	return i;
}

static bool takes_rest(const struct reading *r, size_t i)
{
	return i + 1 == r->command->nparameters && !strcmp(r->command->parameters[i].type, "text");
}

/* The parameter that a word starting with name= is for; nparameters: none. */
static size_t named(const struct reading *r, const char *s)
{
	size_t n = strcspn(s, "= \t\r\n'\"\\");
	size_t i;

	for (i = 0; s[n] == '=' && i < r->command->nparameters; i++)
		if (strlen(r->command->parameters[i].name) == n && !strncmp(r->command->parameters[i].name, s, n))
			return i;
	return r->command->nparameters;
}

static char *rest_of_line(const char *s)
{
	size_t n = strlen(s);

	while (n && is_space(s[n - 1]))
		n--;
	return strndup(s, n);
}

/* Reads the next argument at s; NULL with a complaint when it cannot. */
static const char *read_argument(struct reading *r, const char *s)
{
	size_t count = r->command->nparameters;
	size_t i = named(r, s);
	bool by_name = i < count;
	struct tele_buf word = {0};

	if (by_name)
		s += strlen(r->command->parameters[i].name) + 1;
	else
		i = next_free(r);
	if (i == count) {
		tele_buf_printf(r->complaint, count ? "Too many arguments at \"%.*s\"." : "It takes no arguments, but \"%.*s\" came.", shown(s), s);
		return NULL;
	}
	if (r->values[i]) {
		tele_buf_printf(r->complaint, "%s is given twice.", r->command->parameters[i].name);
		return NULL;
	}
	if (takes_rest(r, i)) {
		r->values[i] = rest_of_line(s);
		return s + strlen(s);
	}
	s = read_word(s, &word);
	r->values[i] = tele_buf_detach(&word);
	if (!s)
		tele_buf_printf(r->complaint, "A quote is not closed in the value of %s.", r->command->parameters[i].name);
	return s;
}

static enum tele_err check_values(struct reading *r, struct json_object *args)
{
	for (size_t i = 0; i < r->command->nparameters; i++) {
		const struct tele_parameter *p = &r->command->parameters[i];
		const char *value = r->values[i] && (*r->values[i] || !p->required) ? r->values[i] : p->default_value;
		struct tele_buf out = {0};
		enum tele_err rc;

		if (!value && p->required && r->command->interactive) {
			r->missing = true;
			continue;
		}
		if (!value && p->required) {
			tele_buf_printf(r->complaint, "%s is missing.", p->name);
			return TELE_INVALID;
		}
		if (!value)
			continue;
		rc = tele_parameter_check(p, value, &out);
		if (rc == TELE_OK)
			json_object_object_add(args, p->name, json_object_new_string(tele_buf_text(&out)));
		else if (p->secret)
			tele_buf_printf(r->complaint, "%s must be %s.", p->name, tele_buf_text(&out));
		else
			tele_buf_printf(r->complaint, "%s must be %s, not \"%.*s\".", p->name, tele_buf_text(&out), shown(value), value);
		tele_buf_release(&out);
		if (rc != TELE_OK)
			return rc;
	}
	return TELE_OK;
}

enum tele_err tele_cmdline_arguments(const struct tele_command *command, const char *rest, struct tele_buf *args, struct tele_buf *complaint)
{
	struct reading r = {.command = command, .complaint = complaint};
	struct json_object *object = json_object_new_object();
	enum tele_err rc = TELE_OK;
	const char *s = skip_space(rest);

	r.values = calloc(command->nparameters + 1, sizeof *r.values);
	if (!r.values || !object) {
		rc = TELE_NOMEM;
		goto out;
	}
	while (s && *s)
		if ((s = read_argument(&r, s)))
			s = skip_space(s);
	rc = s ? check_values(&r, object) : TELE_INVALID;
	if (rc == TELE_OK)
		tele_buf_str(args, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		rc = complain(&r, "Usage: ");
	if (rc == TELE_OK && r.missing)
		rc = TELE_EMPTY;
out:
	for (size_t i = 0; r.values && i < command->nparameters; i++)
		free(r.values[i]);
	free(r.values);
	json_object_put(object);
	return rc;
}
