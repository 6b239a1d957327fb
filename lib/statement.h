#ifndef TELE_STATEMENT_H
#define TELE_STATEMENT_H

#include "lib/buf.h"

#include <stddef.h>

/*
 * The statement of an sql command. {name} stands for a value, which travels beside the text: it becomes $1, $2 …, the same number
 * where the same name comes again. Within quotes, dollar quotes and comments text stays as it is.
 */
enum { TELE_STATEMENT_NAMES = 64, TELE_STATEMENT_NAME = 32 };

struct tele_statement {
	struct tele_buf text;
	char names[TELE_STATEMENT_NAMES][TELE_STATEMENT_NAME + 1]; /* of $1 and so on */
	size_t n;
};

/*
 * TELE_INVALID: why says what is wrong: more than one statement, a $1, a quote that does not end, a {name} of names (NULL-terminated,
 * or NULL) within quotes, where it would be text. TELE_NOMEM. Release with tele_statement_release in any case.
 */
enum tele_err tele_statement_read(const char *template, const char *const *names, struct tele_statement *s, struct tele_buf *why) TELE_MUST;
void tele_statement_release(struct tele_statement *s);

#endif
