#include "cli/migrate.h"
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
	int version; /* 0: a standing file */
	char name[300];
	char checksum[crypto_hash_sha256_BYTES * 2 + 1];
	char *sql;
};

/*
 * Two kinds of files make a database: numbered migrations, each applied once and never changed again, for what holds data; and
 * standing files (functions, texts, grants), which say what holds now and are applied again, all of them, when one has changed.
 */
struct files {
	struct migration *numbered, *standing;
	int nnumbered, nstanding; /* -1: could not be read, and why was said */
};

static const char *const prepare_sql[] = {
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE IF NOT EXISTS schema_standing ("
    " name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
    "COMMENT ON TABLE schema_version IS 'Migrations applied to this database'",
    "COMMENT ON COLUMN schema_version.version IS 'Number of the migration file'",
    "COMMENT ON COLUMN schema_version.name IS 'Its name'",
    "COMMENT ON COLUMN schema_version.checksum IS 'SHA-256 of its contents when it was applied'",
    "COMMENT ON COLUMN schema_version.applied_at IS 'When'",
    "COMMENT ON TABLE schema_standing IS 'Standing files (functions, texts, grants) as they were last applied'",
    "COMMENT ON COLUMN schema_standing.name IS 'File, within the directory of the database'",
    "COMMENT ON COLUMN schema_standing.checksum IS 'SHA-256 of its contents when it was applied'",
    "COMMENT ON COLUMN schema_standing.applied_at IS 'When'",
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

static int is_sql(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && *e->d_name != '.' && !strcmp(e->d_name + n - 4, ".sql");
}

static bool load_standing(const char *directory, const char *part, const char *name, struct migration *m)
{
	char path[4096];

	snprintf(path, sizeof path, "%s%s", part, name);
	return load(directory, path, m);
}

/* functions/ first, then what builds on it; a database without them (teleapp) has none. -1 after saying what is wrong. */
static int load_all_standing(const char *directory, struct migration **list)
{
	static const char *const last[] = {"texts.sql", "grants.sql"};
	struct tele_buf path = {0};
	struct dirent **names = NULL;
	int n, rc = 0;

	tele_buf_printf(&path, "%s/functions", directory);
	n = scandir(tele_buf_text(&path), &names, is_sql, alphasort);
	tele_buf_release(&path);
	if (n <= 0)
		return 0;
	*list = calloc((size_t)n + sizeof last / sizeof *last, sizeof **list);
	for (int i = 0; i < n; i++) {
		if (rc >= 0)
			rc = *list && load_standing(directory, "functions/", names[i]->d_name, &(*list)[i]) ? rc + 1 : -1;
		free(names[i]);
	}
	free(names);
	for (size_t i = 0; i < sizeof last / sizeof *last && rc >= 0; i++)
		rc = load_standing(directory, "", last[i], &(*list)[rc]) ? rc + 1 : -1;
	return rc;
}

/* All numbered files in order; -1 after saying what is wrong: none, gaps, numbers given twice. */
static int load_all_numbered(const char *directory, struct migration **list)
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

static bool load_all(const char *directory, struct files *f)
{
	f->nnumbered = load_all_numbered(directory, &f->numbered);
	f->nstanding = f->nnumbered > 0 ? load_all_standing(directory, &f->standing) : -1;
	return f->nstanding >= 0;
}

static void free_list(struct migration *list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i].sql);
	free(list);
}

static void free_all(struct files *f)
{
	free_list(f->numbered, f->nnumbered);
	free_list(f->standing, f->nstanding);
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

static bool has_table(PGconn *conn, const char *name)
{
	PGresult *res = pg_run(conn, name, "SELECT to_regclass('public.' || $1) IS NOT NULL", 1, (const char *[]){name});
	bool there = res && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	return there;
}

/* Sees to the tables of what is applied; a dry run leaves them as they are. */
static bool prepare(PGconn *conn, const char *database, bool dry_run)
{
	if (dry_run || has_table(conn, "schema_standing"))
		return true;
	for (size_t i = 0; i < sizeof prepare_sql / sizeof *prepare_sql; i++)
		if (!pg_do(conn, database, prepare_sql[i]))
			return false;
	return true;
}

/* Whether a standing file is not as it was last applied. */
static bool has_changed(const PGresult *applied, const struct migration *m)
{
	for (int i = 0; i < PQntuples(applied); i++)
		if (!strcmp(PQgetvalue(applied, i, 0), m->name))
			return strcmp(PQgetvalue(applied, i, 1), m->checksum) != 0;
	return true;
}

static bool note_standing(PGconn *conn, const struct migration *m)
{
	PGresult *res = pg_run(conn, m->name,
	    "INSERT INTO schema_standing (name, checksum) VALUES ($1, $2)"
	    " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()", 2, (const char *[]){m->name, m->checksum});

	PQclear(res);
	return res != NULL;
}

static bool run_standing(PGconn *conn, const char *database, const struct files *f, const char *bodies)
{
	if (!pg_do(conn, database, bodies))
		return false;
	for (int i = 0; i < f->nstanding; i++)
		if (!run_file(conn, &f->standing[i]) || !note_standing(conn, &f->standing[i]))
			return false;
	return true;
}

/*
 * All in one transaction, so that no program sees half of them. Twice: functions may name each other in any order, so their bodies
 * are looked at only once all are there.
 */
static bool apply_standing(PGconn *conn, const char *database, const struct files *f)
{
	return pg_do(conn, database, "BEGIN") && run_standing(conn, database, f, "SET LOCAL check_function_bodies = off") &&
	    run_standing(conn, database, f, "SET LOCAL check_function_bodies = on") && pg_do(conn, database, "COMMIT");
}

/* again: numbered files were applied just now, which may have replaced what the standing ones define. */
static bool migrate_standing(PGconn *conn, const char *database, const struct files *f, bool again, bool dry_run)
{
	PGresult *applied = has_table(conn, "schema_standing") ? pg_run(conn, database, "SELECT name, checksum FROM schema_standing", 0, NULL) : NULL;
	bool any = again && f->nstanding;

	if (!applied && !dry_run)
		return false;
	for (int i = 0; i < f->nstanding; i++) {
		if (applied && !has_changed(applied, &f->standing[i]))
			continue;
		printf("%s: %s %s\n", database, dry_run ? "would apply" : "applying", f->standing[i].name);
		any = true;
	}
	PQclear(applied);
	return !any || dry_run || apply_standing(conn, database, f);
}

static bool migrate_locked(PGconn *conn, const char *database, const struct files *f, bool dry_run)
{
	int have = -1;

	if (prepare(conn, database, dry_run))
		have = has_table(conn, "schema_version") ? compare(conn, database, f->numbered, f->nnumbered) : 0;
	if (have < 0)
		return false;
	if (have == f->nnumbered)
		printf("%s is up to date (%s)\n", database, f->numbered[have - 1].name);
	for (int i = have; i < f->nnumbered; i++) {
		if (!dry_run && !apply_one(conn, &f->numbered[i]))
			return false;
		printf("%s: %s %s\n", database, dry_run ? "would apply" : "applied", f->numbered[i].name);
	}
	return migrate_standing(conn, database, f, have < f->nnumbered, dry_run);
}

static bool migrate(const struct call *c, const char *conninfo, const char *setting, const char *database)
{
	struct tele_buf directory = {0};
	struct files files = {0};
	PGconn *conn = pg_open(conninfo, setting);
	bool good = false;

	tele_buf_printf(&directory, "%s/%s", c->conf->schema_dir, database);
	if (conn && load_all(tele_buf_text(&directory), &files) &&
	    pg_do(conn, "waiting for another migrate", "SELECT pg_advisory_lock(hashtext('teleops.migrate'))"))
		good = migrate_locked(conn, database, &files, c->dry_run);
	free_all(&files);
	PQfinish(conn);
	tele_buf_release(&directory);
	return good;
}

static void list_one(struct tele_buf *what, const char *verb, const char *name)
{
	tele_buf_printf(what, "%s%s %s", what->len ? ", " : "", verb, name);
}

static void compare_numbered(const PGresult *applied, const struct files *f, struct tele_buf *what)
{
	int have = PQntuples(applied);

	for (int i = f->nnumbered; i < have; i++)
		list_one(what, "it is newer by", PQgetvalue(applied, i, 0));
	for (int i = 0; i < f->nnumbered; i++)
		if (i >= have)
			list_one(what, "it lacks", f->numbered[i].name);
		else if (strcmp(PQgetvalue(applied, i, 1), f->numbered[i].checksum))
			list_one(what, "it has another", f->numbered[i].name);
}

static void compare_standing(const PGresult *applied, const struct files *f, struct tele_buf *what)
{
	for (int i = 0; i < f->nstanding; i++)
		if (has_changed(applied, &f->standing[i]))
			list_one(what, "it has another", f->standing[i].name);
}

void migrate_difference(const struct tele_conf *conf, PGconn *conn, const char *database, struct tele_buf *what)
{
	struct tele_buf directory = {0};
	struct files files = {0};
	PGresult *numbered = pg_query(conn, "SELECT name, checksum FROM schema_version ORDER BY version", 0, NULL, what);
	PGresult *standing = numbered ? pg_query(conn, "SELECT name, checksum FROM schema_standing", 0, NULL, what) : NULL;

	tele_buf_printf(&directory, "%s/%s", conf->schema_dir, database);
	if (sodium_init() < 0 || !load_all(tele_buf_text(&directory), &files)) {
		tele_buf_printf(what, "the files in %s cannot be read, to compare with", tele_buf_text(&directory));
	} else if (numbered && standing) {
		compare_numbered(numbered, &files, what);
		compare_standing(standing, &files, what);
	}
	free_all(&files);
	tele_buf_release(&directory);
	PQclear(numbered);
	PQclear(standing);
}

int verb_migrate(const struct call *c)
{
	if (sodium_init() < 0 || !migrate(c, c->conf->database, "database", "telemanager"))
		return EXIT_FAILED;
	if (c->conf->app_database && !migrate(c, c->conf->app_database, "app_database", "teleapp"))
		return EXIT_FAILED;
	return EXIT_DONE;
}
