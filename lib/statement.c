#include "lib/statement.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

static bool is_word(char c)
{
	return c && (strchr(WORD, c) || (unsigned char)c >= 0x80);
}

/* After the end of what is quoted with one sign, which stands doubled within; NULL: it has no end. */
static const char *skip_quotes(const char *s, bool backslash)
{
	char quote = *s++;

	for (; *s; s++) {
		if (backslash && *s == '\\' && s[1])
			s++;
		else if (*s == quote && s[1] == quote)
			s++;
		else if (*s == quote)
			return s + 1;
	}
	return NULL;
}

/* They nest (PostgreSQL's manual, 4.1.5). */
static const char *skip_comment(const char *s)
{
	int depth = 0;

	for (; *s; s++) {
		if (s[0] == '/' && s[1] == '*') {
			depth++;
			s++;
		} else if (s[0] == '*' && s[1] == '/') {
			s++;
			if (!--depth)
				return s + 1;
		}
	}
	return NULL;
}

/* The length of $tag$ at s, 0 if there is none. */
static size_t dollar_tag(const char *s)
{
	size_t n = s[1] >= '0' && s[1] <= '9' ? 0 : strspn(s + 1, WORD);

	return s[1 + n] == '$' ? n + 2 : 0;
}

static const char *skip_dollars(const char *s, size_t n)
{
	for (const char *at = s + n; *at; at++)
		if (!strncmp(at, s, n))
			return at + n;
	return NULL;
}

/* After what is quoted or a comment and begins at s; s when nothing does; NULL: it has no end. */
static const char *skip_quoted(const char *template, const char *s)
{
	bool in_word = s > template && is_word(s[-1]);
	/* E'…': a backslash takes the sign after it. */
	bool escapes = in_word && (s[-1] == 'e' || s[-1] == 'E') && (s - template < 2 || !is_word(s[-2]));

	if (*s == '\'')
		return skip_quotes(s, escapes);
	if (*s == '"')
		return skip_quotes(s, false);
	if (s[0] == '-' && s[1] == '-')
		return s + strcspn(s, "\n");
	if (s[0] == '/' && s[1] == '*')
		return skip_comment(s);
	if (*s == '$' && !in_word && dollar_tag(s))
		return skip_dollars(s, dollar_tag(s));
	return s;
}

/* The length of the name in braces at s, 0 if there is none. */
static size_t placeholder(const char *s)
{
	size_t n = *s == '{' && s[1] >= 'a' && s[1] <= 'z' ? strspn(s + 1, name_bytes) : 0;

	return n && n <= TELE_STATEMENT_NAME && s[n + 1] == '}' ? n : 0;
}

static bool holds_name(const char *s, const char *end, const char *const *names)
{
	for (; names && s < end; s++) {
		size_t n = placeholder(s);

		for (const char *const *name = names; n && *name; name++)
			if (strlen(*name) == n && !strncmp(*name, s + 1, n))
				return true;
	}
	return false;
}

/* The number of a name; 0: there are too many. */
static size_t number_of(struct tele_statement *s, const char *name, size_t n)
{
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->names[i]) == n && !strncmp(s->names[i], name, n))
			return i + 1;
	if (s->n == TELE_STATEMENT_NAMES)
		return 0;
	snprintf(s->names[s->n], sizeof *s->names, "%.*s", (int)n, name);
	return ++s->n;
}

static enum tele_err complain(struct tele_buf *why, const char *what)
{
	tele_buf_str(why, what);
	return TELE_INVALID;
}

static bool is_rest_empty(const char *template, const char *s)
{
	while (*s) {
		const char *after = strchr("-/", *s) ? skip_quoted(template, s) : s;

		if (after && after > s)
			s = after;
		else if (strchr(" \t\r\n;", *s))
			s++;
		else
			return false;
	}
	return true;
}

enum tele_err tele_statement_read(const char *template, const char *const *names, struct tele_statement *s, struct tele_buf *why)
{
	memset(s, 0, sizeof *s);
	for (const char *at = template; *at;) {
		const char *after = skip_quoted(template, at);
		size_t n = placeholder(at), number;

		if (!after)
			return complain(why, "a quote or comment has no end");
		if (after > at) {
			if (holds_name(at, after, names))
				return complain(why, "within quotes {name} is text and no value; write it outside of them");
			tele_buf_add(&s->text, at, (size_t)(after - at));
			at = after;
		} else if (n) {
			number = number_of(s, at + 1, n);
			if (!number)
				return complain(why, "there are too many values");
			tele_buf_printf(&s->text, "$%zu", number);
			at += n + 2;
		} else if (*at == '$' && at[1] >= '0' && at[1] <= '9' && !(at > template && is_word(at[-1]))) {
			return complain(why, "write {name} for a value, not its number");
		} else if (*at == ';' && !is_rest_empty(template, at)) {
			return complain(why, "it must be one statement");
		} else {
			tele_buf_char(&s->text, *at++);
		}
	}
	return s->text.failed ? TELE_NOMEM : TELE_OK;
}

void tele_statement_release(struct tele_statement *s)
{
	tele_buf_release(&s->text);
	s->n = 0;
}
