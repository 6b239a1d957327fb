#ifndef TELE_CATALOGUE_H
#define TELE_CATALOGUE_H

#include "lib/buf.h"
#include "lib/db.h"
#include "lib/pattern.h"
#include "lib/seal.h"

#include <stdbool.h>

/* The commands as TeleBot knows them: a copy under a version, never changed once it is made. */
struct tele_parameter {
	char *name;
	char *type;
	bool required;
	bool secret;
	char *default_value; /* NULL: none */
	char *minimum, *maximum; /* decimal, for a duration or date as one; NULL: no limit */
	char **choices;
	size_t nchoices;
	char *choices_from; /* the command that the choices come from; NULL: they are fixed */
	char *pattern;      /* "" for none */
	struct tele_pattern *compiled; /* NULL: none, or it is wrong */
};

struct tele_command {
	long long id;
	char *name;
	char *usage;
	bool enabled;
	bool interactive; /* asks for what is missing */
	struct tele_parameter *parameters;
	size_t nparameters;
	const struct tele_seal_key *seal; /* what its secrets are sealed with; NULL: nothing */
};

struct tele_catalogue {
	long long version;
	char *bot_username; /* "" until the sender has asked */
	struct tele_command *commands; /* by name */
	size_t ncommands;
	struct tele_seal_key seal;
	bool secrets; /* some command takes one */
	int users; /* references; see tele_catalogue_hold */
};

/*
 * Reads the whole catalogue with two statements; the version first, so that a change in between shows as stale. seal: what secrets
 * are to be sealed with, copied; NULL: nothing, so commands refuse them.
 */
enum tele_err tele_catalogue_load(struct tele_db *db, int timeout_ms, const struct tele_seal_key *seal, struct tele_catalogue **out) TELE_MUST;
/*
 * The same from rows that were fetched already: of catalogue_head() (NULL: version 0), and of catalogue(), perhaps with more columns
 * after them. TELE_NOMEM.
 */
enum tele_err tele_catalogue_read(const PGresult *head, const PGresult *res, const struct tele_seal_key *seal,
    struct tele_catalogue **out) TELE_MUST;
/* Another reference; each is given back with tele_catalogue_drop, the last frees. Safe between threads. */
struct tele_catalogue *tele_catalogue_hold(struct tele_catalogue *c);
void tele_catalogue_drop(struct tele_catalogue *c);

/* Whether one of its parameters is secret. */
bool tele_command_has_secrets(const struct tele_command *c);
/* NULL: there is none of that number. */
const struct tele_command *tele_catalogue_by_id(const struct tele_catalogue *c, long long id);
/* NULL: there is none of that name. */
const struct tele_command *tele_catalogue_find(const struct tele_catalogue *c, const char *name);
/*
 * Up to five names near to this one, nearest first, separated by spaces: commands and the built-in names given. Who may run them
 * is not looked at here.
 */
void tele_catalogue_near(const struct tele_catalogue *c, const char *name, const char *const *builtins, struct tele_buf *out);

#endif
