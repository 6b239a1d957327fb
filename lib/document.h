#ifndef TELE_DOCUMENT_H
#define TELE_DOCUMENT_H

#include "lib/buf.h"

struct json_object;

/*
 * Checks the file that apply reads against one table of keys. Adds a line with path and reason for every error it finds; TELE_OK
 * when there is none. What only the database knows (references, Telegram ids of others) is checked there.
 */
enum tele_err tele_document_check(struct json_object *document, struct tele_buf *errors) TELE_MUST;

/*
 * A document of config_export() with its sections in the order in which people look for them; the caller's to put. jsonb sorts keys by
 * length.
 */
struct json_object *tele_document_in_order(struct json_object *document);

/* The table as text: every key with type, default and meaning. */
void tele_document_describe(struct tele_buf *out);

#endif
