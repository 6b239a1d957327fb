#include "lib/catalogue.h"

#include "lib/array.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR = 5, NAME_MOST = 32 };

enum column { ID, NAME, ENABLED, USAGE, PARAMETER, TYPE, REQUIRED, DEFAULT, MINIMUM, MAXIMUM, CHOICES, PATTERN, SECRET, INTERACTIVE, CHOICES_FROM };

static char *copy(const PGresult *res, int row, int column)
{
	return PQgetisnull(res, row, column) ? NULL : strdup(PQgetvalue(res, row, column));
}

/* One that is wrong (apply takes none) lets no value pass. */
static enum tele_err compile(struct tele_parameter *p, const char *command)
{
	struct tele_buf why = {0};
	enum tele_err rc = *p->pattern ? tele_pattern_compile(p->pattern, &p->compiled, &why) : TELE_OK;

	if (rc == TELE_INVALID)
		tele_log(TELE_ERROR, "bad_pattern", tele_str("command", command), tele_str("parameter", p->name), tele_str("why", tele_buf_text(&why)));
	tele_buf_release(&why);
	return rc == TELE_INVALID ? TELE_OK : rc;
}

static enum tele_err read_parameter(struct tele_parameter *p, const PGresult *res, int row)
{
	enum tele_err rc;


	p->name = copy(res, row, PARAMETER);
	p->type = copy(res, row, TYPE);
	p->required = tele_db_bool(res, row, REQUIRED);
	p->secret = tele_db_bool(res, row, SECRET);
	p->default_value = copy(res, row, DEFAULT);
	p->minimum = copy(res, row, MINIMUM);
	p->maximum = copy(res, row, MAXIMUM);
	p->choices_from = copy(res, row, CHOICES_FROM);
	p->pattern = copy(res, row, PATTERN);
	if (!p->name || !p->type || !p->pattern)
		return TELE_NOMEM;
	rc = compile(p, PQgetvalue(res, row, NAME));
	if (rc == TELE_OK && !PQgetisnull(res, row, CHOICES))
		rc = tele_array_parse(PQgetvalue(res, row, CHOICES), &p->choices, &p->nchoices);
	return rc;
}

/* A row of catalogue() is a parameter, or a command that has none; rows of a command follow each other. */
static enum tele_err read_row(struct tele_catalogue *c, const PGresult *res, int row)
{
	struct tele_command *k = c->ncommands ? &c->commands[c->ncommands - 1] : NULL;
	struct tele_parameter *more;

	if (!k || k->id != tele_db_int(res, row, ID)) {
		k = &c->commands[c->ncommands++];
		k->id = tele_db_int(res, row, ID);
		k->name = copy(res, row, NAME);
		k->usage = copy(res, row, USAGE);
		k->enabled = tele_db_bool(res, row, ENABLED);
		k->interactive = tele_db_bool(res, row, INTERACTIVE);
		if (!k->name || !k->usage)
			return TELE_NOMEM;
	}
	if (PQgetisnull(res, row, PARAMETER))
		return TELE_OK;
	more = realloc(k->parameters, (k->nparameters + 1) * sizeof *more);
	if (!more)
		return TELE_NOMEM;
	k->parameters = more;
	memset(&more[k->nparameters], 0, sizeof *more);
	return read_parameter(&more[k->nparameters++], res, row);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tele_command *)a)->name, ((const struct tele_command *)b)->name);
}

static void take_seal(struct tele_catalogue *c, const struct tele_seal_key *seal)
{
	if (seal)
		c->seal = *seal;
	for (size_t i = 0; i < c->ncommands; i++) {
		c->commands[i].seal = seal ? &c->seal : NULL;
		c->secrets |= tele_command_has_secrets(&c->commands[i]);
	}
}

static enum tele_err fill(struct tele_catalogue *c, const PGresult *head, const PGresult *res)
{
	enum tele_err rc = TELE_OK;
	int rows = PQntuples(res);

	c->version = head ? tele_db_int(head, 0, 0) : 0;
	c->bot_username = head ? copy(head, 0, 1) : strdup("");
	c->commands = calloc((size_t)rows + 1, sizeof *c->commands);
	if (!c->bot_username || !c->commands)
		return TELE_NOMEM;
	for (int i = 0; i < rows && rc == TELE_OK; i++)
		rc = read_row(c, res, i);
	/* The server sorts by its collation; lookups go by bytes. */
	if (rc == TELE_OK)
		qsort(c->commands, c->ncommands, sizeof *c->commands, by_name);
	return rc;
}

enum tele_err tele_catalogue_read(const PGresult *head, const PGresult *res, const struct tele_seal_key *seal, struct tele_catalogue **out)
{
	struct tele_catalogue *c = calloc(1, sizeof *c);
	enum tele_err rc;

	if (!c)
		return TELE_NOMEM;
	c->users = 1;
	rc = fill(c, head, res);
	if (rc == TELE_OK)
		take_seal(c, seal);
	if (rc == TELE_OK)
		*out = c;
	else
		tele_catalogue_drop(c);
	return rc;
}

enum tele_err tele_catalogue_load(struct tele_db *db, int timeout_ms, const struct tele_seal_key *seal, struct tele_catalogue **out)
{
	PGresult *head = NULL, *res = NULL;
	enum tele_err rc = tele_db_run(db, TELE_STMT_CATALOGUE_HEAD, NULL, timeout_ms, &head);

	if (rc == TELE_OK)
		rc = tele_db_run(db, TELE_STMT_CATALOGUE, NULL, timeout_ms, &res);
	if (rc == TELE_OK)
		rc = tele_catalogue_read(head, res, seal, out);
	PQclear(head);
	PQclear(res);
	return rc;
}

static void release_command(struct tele_command *k)
{
	for (size_t i = 0; i < k->nparameters; i++) {
		struct tele_parameter *p = &k->parameters[i];

		free(p->name);
		free(p->type);
		free(p->default_value);
		free(p->minimum);
		free(p->maximum);
		free(p->choices_from);
		free(p->pattern);
		tele_pattern_free(p->compiled);
		tele_array_free(p->choices, p->nchoices);
	}
	free(k->parameters);
	free(k->name);
	free(k->usage);
}

struct tele_catalogue *tele_catalogue_hold(struct tele_catalogue *c)
{
	__atomic_add_fetch(&c->users, 1, __ATOMIC_RELAXED);
	return c;
}

void tele_catalogue_drop(struct tele_catalogue *c)
{
	if (!c || __atomic_sub_fetch(&c->users, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < c->ncommands; i++)
		release_command(&c->commands[i]);
	free(c->commands);
	free(c->bot_username);
	free(c);
}

bool tele_command_has_secrets(const struct tele_command *c)
{
	for (size_t i = 0; i < c->nparameters; i++)
		if (c->parameters[i].secret)
			return true;
	return false;
}

const struct tele_command *tele_catalogue_by_id(const struct tele_catalogue *c, long long id)
{
	for (size_t i = 0; i < c->ncommands; i++)
		if (c->commands[i].id == id)
			return &c->commands[i];
	return NULL;
}

static int name_is(const void *key, const void *command)
{
	return strcmp(key, ((const struct tele_command *)command)->name);
}

const struct tele_command *tele_catalogue_find(const struct tele_catalogue *c, const char *name)
{
	return bsearch(name, c->commands, c->ncommands, sizeof *c->commands, name_is);
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* Edits from a to b, a swap of neighbours counted as one: what a typing mistake is. */
static int distance(const char *a, const char *b)
{
	int na = (int)strnlen(a, NAME_MOST), nb = (int)strnlen(b, NAME_MOST);
	int d[NAME_MOST + 1][NAME_MOST + 1];

	for (int i = 0; i <= na; i++)
		d[i][0] = i;
	for (int j = 0; j <= nb; j++)
		d[0][j] = j;
	for (int i = 1; i <= na; i++)
		for (int j = 1; j <= nb; j++) {
			int same = a[i - 1] == b[j - 1] ? 0 : 1;

			d[i][j] = least(least(d[i - 1][j] + 1, d[i][j - 1] + 1), d[i - 1][j - 1] + same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[na][nb];
}

struct near {
	const char *name;
	int distance;
};

/* Keeps the best few, nearest first; of equals the earlier one. */
static void offer(struct near *best, const char *name, int d)
{
	int at = NEAR;

	while (at > 0 && (!best[at - 1].name || d < best[at - 1].distance))
		at--;
	if (at == NEAR)
		return;
	memmove(&best[at + 1], &best[at], (size_t)(NEAR - 1 - at) * sizeof *best);
	best[at] = (struct near){name, d};
}

void tele_catalogue_near(const struct tele_catalogue *c, const char *name, const char *const *builtins, struct tele_buf *out)
{
	struct near best[NEAR] = {{0}};
	int most = (int)strnlen(name, NAME_MOST) / 3 + 1;

	for (size_t i = 0; i < c->ncommands; i++)
		if (c->commands[i].enabled)
			offer(best, c->commands[i].name, distance(name, c->commands[i].name));
	for (; *builtins; builtins++)
		offer(best, *builtins, distance(name, *builtins));
	for (int i = 0; i < NEAR && best[i].name && best[i].distance <= most; i++)
		tele_buf_printf(out, "%s%s", i ? " " : "", best[i].name);
}
