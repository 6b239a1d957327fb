#ifndef TELE_PARAMETER_H
#define TELE_PARAMETER_H

#include "lib/catalogue.h"
#include "lib/update.h"

struct json_object;

/*
 * Checks one value; on success it is normalised into out, and a normalised value is one that could have been typed: duration is
 * whole seconds; date is YYYY-MM-DD, or as it counts from today (today, +3d, -1d, mon); user has its login in lower case. On
 * TELE_INVALID out says what was expected, as "a whole number from 1 to 9".
 */
enum tele_err tele_parameter_check(const struct tele_parameter *p, const char *value, struct tele_buf *out) TELE_MUST;

/*
 * Checks a value and makes of it what goes into the arguments, the caller's to put: a text; {"date": …} and {"user": …}, which only
 * the database can resolve; {"sealed": …} for a secret. TELE_INVALID: complaint is a sentence for the person who typed it: which
 * parameter, what was expected, and what came, unless the command has secrets. TELE_NOMEM.
 */
enum tele_err tele_parameter_read(const struct tele_command *c, const struct tele_parameter *p, const char *value, struct json_object **out,
    struct tele_buf *complaint) TELE_MUST;

/*
 * The same for a document that was sent: {"document": Telegram's id of it, "name": …, "size": …}, which the sender fetches once the
 * command may run. The name is one that can stand in a directory.
 */
enum tele_err tele_parameter_take(const struct tele_parameter *p, const struct tele_attachment *document, struct json_object **out,
    struct tele_buf *complaint) TELE_MUST;
bool tele_parameter_is_file(const struct tele_parameter *p);

/* How much of a wrong value is shown, in bytes: whole characters only. */
int tele_parameter_shown(const char *value);

/* What stands where a secret was. */
extern const char tele_parameter_mask[];

#endif
