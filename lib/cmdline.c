#include "lib/cmdline.h"

#include "lib/parameter.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

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

/* The work of reading one line: values found so far, one a parameter. */
struct reading {
	const struct tele_command *command;
	char **values;
	const struct tele_attachment *document; /* that came along; NULL: none */
	struct tele_buf *complaint;
	struct tele_buf *shown; /* the line as it may be kept; NULL: not wanted */
	bool has_secrets;       /* no word is repeated then: it may be a secret in the wrong place */
	bool missing;           /* something that is asked for */
};

static enum tele_err start_reading(struct reading *r)
{
	r->has_secrets = tele_command_has_secrets(r->command);
	r->values = calloc(r->command->nparameters + 1, sizeof *r->values);
	return r->values ? TELE_OK : TELE_NOMEM;
}

static void end_reading(struct reading *r)
{
	for (size_t i = 0; r->values && i < r->command->nparameters; i++) {
		if (r->values[i] && r->command->parameters[i].secret)
			explicit_bzero(r->values[i], strlen(r->values[i]));
		free(r->values[i]);
	}
	free(r->values);
}

static size_t next_free(const struct reading *r)
{
	size_t i = 0;

	/* A file has no place among words. */
	while (i < r->command->nparameters && (r->values[i] || tele_parameter_is_file(&r->command->parameters[i])))
		i++;
	return i;
}

static bool takes_rest(const struct reading *r, size_t i)
{
	size_t last = r->command->nparameters;

	while (last && tele_parameter_is_file(&r->command->parameters[last - 1]))
		last--;
	return i + 1 == last && !strcmp(r->command->parameters[i].type, "text");
}

/* Bytes of what stands before = where a name may stand; 0: no = follows it. */
static size_t name_length(const char *s)
{
	size_t n = strcspn(s, "= \t\r\n'\"\\");

	return s[n] == '=' ? n : 0;
}

/* The parameter that a word starting with name= is for; nparameters: none. */
static size_t named(const struct reading *r, const char *s)
{
	size_t n = name_length(s);
	size_t i;

	for (i = 0; n && i < r->command->nparameters; i++)
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

static void complain_of_too_many(struct reading *r, const char *s)
{
	if (r->has_secrets)
		tele_buf_str(r->complaint, "There are too many arguments; put one with spaces in quotes.");
	else if (r->command->nparameters)
		tele_buf_printf(r->complaint, "Too many arguments at \"%.*s\".", tele_parameter_shown(s), s);
	else
		tele_buf_printf(r->complaint, "It takes no arguments, but \"%.*s\" came.", tele_parameter_shown(s), s);
}

/* Where its value begins, and which parameter the argument at s is for; NULL with a complaint: there is none. */
static const char *place_argument(struct reading *r, const char *s, size_t *place)
{
	size_t count = r->command->nparameters, n = name_length(s), i = named(r, s);

	*place = i < count ? i : next_free(r);
	if (*place == count) {
		complain_of_too_many(r, s);
		return NULL;
	}
	if (r->values[*place]) {
		tele_buf_printf(r->complaint, "%s is given twice.", r->command->parameters[*place].name);
		return NULL;
	}
	/* A mistyped pasword=… would else become the value of what anybody may see. */
	if (r->has_secrets && n && i == count && !r->command->parameters[*place].secret) {
		tele_buf_str(r->complaint, "There is no parameter of the name that stands before =.");
		return NULL;
	}
	return i < count ? s + n + 1 : s;
}

static void show(struct reading *r, const char *from, const char *value, const char *end, size_t place)
{
	if (!r->shown)
		return;
	tele_buf_add(r->shown, from, (size_t)(value - from));
	if (r->command->parameters[place].secret)
		tele_buf_str(r->shown, tele_parameter_mask);
	else
		tele_buf_add(r->shown, value, (size_t)(end - value));
}

/* Reads the next argument at s; NULL with a complaint when it cannot. */
static const char *read_argument(struct reading *r, const char *s)
{
	struct tele_buf word = {0};
	const char *value, *end;
	size_t i;

	value = place_argument(r, s, &i);
	if (!value)
		return NULL;
	if (takes_rest(r, i)) {
		r->values[i] = rest_of_line(value);
		end = value + strlen(value);
	} else {
		end = read_word(value, &word);
		r->values[i] = strdup(tele_buf_text(&word));
		if (r->command->parameters[i].secret)
			tele_buf_wipe(&word);
		tele_buf_release(&word);
		if (!end)
			tele_buf_printf(r->complaint, "A quote is not closed in the value of %s.", r->command->parameters[i].name);
	}
	if (end)
		show(r, s, value, end, i);
	return end;
}

/* False with a complaint when it cannot. */
static bool read_line(struct reading *r, const char *rest)
{
	const char *s = skip_space(rest);

	while (s && *s) {
		const char *end = read_argument(r, s);

		s = end ? skip_space(end) : NULL;
		if (s && r->shown)
			tele_buf_add(r->shown, end, (size_t)(s - end));
	}
	return s != NULL;
}

/* TELE_EMPTY: no document is left for it. */
static enum tele_err take_document(struct reading *r, const struct tele_parameter *p, struct json_object *args)
{
	const struct tele_attachment *document = r->document;
	struct json_object *read = NULL;
	enum tele_err rc;

	if (!document || !tele_parameter_is_file(p))
		return TELE_EMPTY;
	r->document = NULL;
	rc = tele_parameter_take(p, document, &read, r->complaint);
	if (rc == TELE_OK)
		json_object_object_add(args, p->name, read);
	return rc;
}

/* What is not typed: TELE_OK without it, TELE_INVALID with a complaint when it must be given. */
static enum tele_err check_missing(struct reading *r, const struct tele_parameter *p)
{
	if (!p->required)
		return TELE_OK;
	if (r->command->interactive) {
		r->missing = true;
		return TELE_OK;
	}
	tele_buf_printf(r->complaint, "%s is missing%s", p->name,
	    tele_parameter_is_file(p) ? ": send the command as the caption of a document, or as a reply to one." : ".");
	return TELE_INVALID;
}

static enum tele_err check_values(struct reading *r, struct json_object *args)
{
	enum tele_err rc = TELE_OK;

	for (size_t i = 0; i < r->command->nparameters && rc == TELE_OK; i++) {
		const struct tele_parameter *p = &r->command->parameters[i];
		const char *value = r->values[i] && (*r->values[i] || !p->required) ? r->values[i] : p->default_value;
		struct json_object *read = NULL;

		if (!value) {
			rc = take_document(r, p, args);
			if (rc == TELE_EMPTY)
				rc = check_missing(r, p);
			continue;
		}
		rc = tele_parameter_read(r->command, p, value, &read, r->complaint);
		if (rc == TELE_OK)
			json_object_object_add(args, p->name, read);
	}
	/* One that hangs on an answered message need not be meant. */
	if (rc == TELE_OK && r->document && !r->document->answered) {
		tele_buf_str(r->complaint, "It takes no file, but one came.");
		rc = TELE_INVALID;
	}
	return rc;
}

enum tele_err tele_cmdline_arguments(const struct tele_command *command, const char *rest, struct tele_buf *args, struct tele_buf *complaint)
{
	return tele_cmdline_arguments_with(command, rest, NULL, args, complaint);
}

enum tele_err tele_cmdline_arguments_with(const struct tele_command *command, const char *rest, const struct tele_attachment *document,
    struct tele_buf *args, struct tele_buf *complaint)
{
	struct reading r = {.command = command, .document = document && *document->file_id ? document : NULL, .complaint = complaint};
	struct json_object *object = json_object_new_object();
	enum tele_err rc = object ? start_reading(&r) : TELE_NOMEM;

	if (rc == TELE_OK)
		rc = read_line(&r, rest) ? check_values(&r, object) : TELE_INVALID;
	if (rc == TELE_OK)
		tele_buf_str(args, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (rc == TELE_INVALID)
		tele_buf_printf(complaint, "\nUsage: %s", command->usage);
	if (rc == TELE_OK && r.missing)
		rc = TELE_EMPTY;
	end_reading(&r);
	json_object_put(object);
	return rc;
}

enum tele_err tele_cmdline_shown(const struct tele_command *command, const char *rest, struct tele_buf *out)
{
	struct tele_buf shown = {0}, complaint = {0};
	struct reading r = {.command = command, .complaint = &complaint, .shown = &shown};
	enum tele_err rc = start_reading(&r);

	if (rc == TELE_OK && !r.has_secrets)
		tele_buf_str(out, rest);
	else if (rc == TELE_OK && read_line(&r, rest))
		tele_buf_str(out, tele_buf_text(&shown));
	else if (rc == TELE_OK)
		tele_buf_str(out, tele_parameter_mask);
	end_reading(&r);
	tele_buf_release(&shown);
	tele_buf_release(&complaint);
	return rc;
}
