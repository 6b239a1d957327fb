#include "cli/pg.h"
#include "cli/verb.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MOST = 9999, FILE_MOST = 16 * 1024 * 1024 };

struct migration {
	int version;
	char name[256];
	char checksum[crypto_hash_sha256_BYTES * 2 + 1];
	char *sql;
};

static const char prepare_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
static const char *const comment_sql[] = {
    "COMMENT ON TABLE schema_version IS 'Migrations applied to this database'",
    "COMMENT ON COLUMN schema_version.version IS 'Number of the migration file'",
    "COMMENT ON COLUMN schema_version.name IS 'Its name'",
    "COMMENT ON COLUMN schema_version.checksum IS 'SHA-256 of its contents when it was applied'",
    "COMMENT ON COLUMN schema_version.applied_at IS 'When'",
};

static char *read_file(const char *path, size_t *size)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(FILE_MOST + 1) : NULL;

	if (text) {
		*size = fread(text, 1, FILE_MOST, f);
		text[*size] = '\0';
	}
	if (!f)
		fprintf(stderr, "teleops: %s: %s\n", path, strerror(errno));
	else
		fclose(f);
	return text;
}

static bool load(const char *directory, const char *name, struct migration *m)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char path[4096];
	size_t size = 0;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	m->version = atoi(name);
	snprintf(m->name, sizeof m->name, "%s", name);
	m->sql = read_file(path, &size);
	if (!m->sql)
		return false;
	crypto_hash_sha256(hash, (const unsigned char *)m->sql, size);
	sodium_bin2hex(m->checksum, sizeof m->checksum, hash, sizeof hash);
	return true;
}

static int is_migration(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 9 && strspn(e->d_name, "0123456789") == 4 && e->d_name[4] == '-' && !strcmp(e->d_name + n - 4, ".sql");
}

/* All files in order; -1 after saying what is wrong: none, gaps, numbers given twice. */
static int load_all(const char *directory, struct migration **list)
{
	struct dirent **names = NULL;
	int n = scandir(directory, &names, is_migration, alphasort);
	int rc = n;

	if (n <= 0)
		fprintf(stderr, "teleops: no migrations in %s; check schema_dir\n", directory);
	*list = n > 0 ? calloc((size_t)n, sizeof **list) : NULL;
	for (int i = 0; i < n; i++) {
		if (rc >= 0 && (!*list || !load(directory, names[i]->d_name, &(*list)[i])))
			rc = -1;
		if (rc >= 0 && (*list)[i].version != i + 1) {
			fprintf(stderr, "teleops: %s/%s: expected number %04d; numbers must follow each other\n", directory, names[i]->d_name, i + 1);
			rc = -1;
		}
		free(names[i]);
	}
	free(names);
	return rc > 0 ? rc : -1;
}

static void free_all(struct migration *list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i].sql);
	free(list);
}

/* The line of a file in which the server found the error, from its character position. */
static int line_of(const char *sql, const char *position)
{
	long left = position ? strtol(position, NULL, 10) : 0;
	int line = 1;

	for (; left > 1 && *sql; sql++) {
		if ((*sql & 0xc0) == 0x80)
			continue;
		left--;
		line += *sql == '\n';
	}
	return line;
}

static bool run_file(PGconn *conn, const struct migration *m)
{
	PGresult *res = PQexec(conn, m->sql);
	bool good = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!good)
		fprintf(stderr, "teleops: %s:%d: %s", m->name, line_of(m->sql, PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION)), PQerrorMessage(conn));
	PQclear(res);
	return good;
}

static bool apply_one(PGconn *conn, const struct migration *m)
{
	char version[16];
	PGresult *res;

	snprintf(version, sizeof version, "%d", m->version);
	if (!pg_do(conn, m->name, "BEGIN") || !run_file(conn, m))
		return false;
	res = pg_run(conn, m->name, "INSERT INTO schema_version (version, name, checksum) VALUES ($1::integer, $2, $3)", 3,
	    (const char *[]){version, m->name, m->checksum});
	PQclear(res);
	return res && pg_do(conn, m->name, "COMMIT");
}

/* How many of the files are applied already; -1 when they are not what was applied. */
static int compare(PGconn *conn, const char *database, const struct migration *list, int n)
{
	PGresult *res = pg_run(conn, database, "SELECT version, name, checksum FROM schema_version ORDER BY version", 0, NULL);
	int have = res ? PQntuples(res) : -1;

	if (have > n) {
		fprintf(stderr, "teleops: database %s is newer (%s) than this version of TeleOps; nothing was changed\n", database, PQgetvalue(res, have - 1, 1));
		have = -1;
	}
	for (int i = 0; i < have; i++) {
		if (atoi(PQgetvalue(res, i, 0)) == list[i].version && !strcmp(PQgetvalue(res, i, 2), list[i].checksum))
			continue;
		fprintf(stderr, "teleops: %s was changed after it had been applied to %s as %s; put the old file back and write a new one\n", list[i].name,
		    database, PQgetvalue(res, i, 1));
		have = -1;
	}
	PQclear(res);
	return have;
}

/* Sees to the table of what is applied; *empty: it is not there and, for a dry run, stays so. */
static bool prepare(PGconn *conn, const char *database, bool dry_run, bool *empty)
{
	PGresult *res = pg_run(conn, database, "SELECT to_regclass('public.schema_version') IS NOT NULL", 0, NULL);
	bool there = res && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	*empty = res && !there && dry_run;
	if (there || !res || dry_run)
		return res != NULL;
	if (!pg_do(conn, database, prepare_sql))
		return false;
	for (size_t i = 0; i < sizeof comment_sql / sizeof *comment_sql; i++)
		if (!pg_do(conn, database, comment_sql[i]))
			return false;
	return true;
}

static bool migrate_locked(PGconn *conn, const char *database, const struct migration *list, int n, bool dry_run)
{
	bool empty;
	int have = -1;

	if (prepare(conn, database, dry_run, &empty))
		have = empty ? 0 : compare(conn, database, list, n);

	if (have == n)
		printf("%s is up to date (%s)\n", database, list[n - 1].name);
	for (int i = have; i >= 0 && i < n; i++) {
		if (!dry_run && !apply_one(conn, &list[i]))
			return false;
		printf("%s: %s %s\n", database, dry_run ? "would apply" : "applied", list[i].name);
	}
	return have >= 0;
}

static bool migrate(const struct call *c, const char *conninfo, const char *setting, const char *database)
{
	struct tele_buf directory = {0};
	struct migration *list = NULL;
	PGconn *conn = pg_open(conninfo, setting);
	bool good = false;
	int n = -1;

	tele_buf_printf(&directory, "%s/%s", c->conf->schema_dir, database);
	if (conn)
		n = load_all(tele_buf_text(&directory), &list);
	if (n > 0 && pg_do(conn, "waiting for another migrate", "SELECT pg_advisory_lock(hashtext('teleops.migrate'))"))
		good = migrate_locked(conn, database, list, n, c->dry_run);
	free_all(list, n);
	PQfinish(conn);
	tele_buf_release(&directory);
	return good;
}

int verb_migrate(const struct call *c)
{
	if (sodium_init() < 0 || !migrate(c, c->conf->database, "database", "telemanager"))
		return EXIT_FAILED;
	if (c->conf->app_database && !migrate(c, c->conf->app_database, "app_database", "teleapp"))
		return EXIT_FAILED;
	return EXIT_DONE;
}
