#ifndef TELE_CMDLINE_H
#define TELE_CMDLINE_H

#include "lib/catalogue.h"
#include "lib/update.h"

/* What a person types after the slash. */
struct tele_cmdline {
	char name[33];     /* lower case, without slash and @ */
	char mention[65];  /* after @; "" when there is none */
	const char *rest;  /* within the text: what follows, leading white space skipped */
};

/* TELE_NOTFOUND: the text is no command (does not start with /name, names are 1-32 of a-z 0-9 _). */
enum tele_err tele_cmdline_split(const char *text, struct tele_cmdline *line) TELE_MUST;

/*
 * Reads the arguments of a command and checks them: words with POSIX-like quoting, by position or name=value; a last parameter of
 * type text takes the rest of the line as it stands. TELE_OK: args is a JSON object by parameter name, defaults filled in; its
 * values are those of tele_parameter_read. TELE_EMPTY: the command asks for what is missing; args is what there is.
 * TELE_INVALID: complaint says, for the person who typed it, which parameter, what was expected and what came, with the usage line.
 */
enum tele_err tele_cmdline_arguments(const struct tele_command *command, const char *rest, struct tele_buf *args,
    struct tele_buf *complaint) TELE_MUST;

/* The same with a document that came along, for the first parameter of type file (as of tele_parameter_take); NULL, or without id: none. */
enum tele_err tele_cmdline_arguments_with(const struct tele_command *command, const char *rest, const struct tele_attachment *document,
    struct tele_buf *args, struct tele_buf *complaint) TELE_MUST;

/*
 * The rest of a line as it may be kept and shown: each secret value masked, and all of it where it is not clear which word is one.
 * TELE_NOMEM.
 */
enum tele_err tele_cmdline_shown(const struct tele_command *command, const char *rest, struct tele_buf *out) TELE_MUST;

#endif
