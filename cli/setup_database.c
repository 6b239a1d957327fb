/* Roles, who may be which, databases, and what is in them: the verbs of teleops do the work. */
#include "cli/pg.h"
#include "cli/setup.h"
#include "cli/spawn.h"
#include "lib/password.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER "teleops_owner"
#define HBA "local  telemanager,teleapp  all  peer  map=teleops"
#define PASSWORD_FILE SETUP_ETC "/admin_password"

/* Which system user works as which role, and in which database it has to do with. */
static const struct peer {
	const char *user, *role, *database;
} peers[] = {
    {"teleops-bot", "teleops_bot", "telemanager"},
    {"teleops-manager", "teleops_manager", "telemanager"},
    {"teleops-engine", "teleops_engine", "telemanager"},
    {"teleops-engine", "teleapp_reader", "teleapp"},
    {"teleops-engine", "teleapp_writer", "teleapp"},
    {"teleops-sender", "teleops_sender", "telemanager"},
    {"root", OWNER, "telemanager"},
};

enum { PEERS = sizeof peers / sizeof *peers };

static const char *const databases[] = {"telemanager", "teleapp"};

enum { DATABASES = sizeof databases / sizeof *databases };

void setup_conninfo(const struct setup *s, const char *role, const char *database, struct tele_buf *out)
{
	tele_buf_printf(out, "host=%s", s->answer[ANSWER_SOCKET]);
	if (strcmp(s->answer[ANSWER_DB_PORT], "5432"))
		tele_buf_printf(out, " port=%s", s->answer[ANSWER_DB_PORT]);
	tele_buf_printf(out, " dbname=%s user=%s", database, role);
}

/* PostgreSQL asks the kernel who is on the socket's other end: the effective user at the time of connecting. */
PGconn *setup_connect(const struct setup *s, const char *user, const char *role, const char *database, struct tele_buf *why)
{
	struct passwd *pw = getpwnam(user);
	struct tele_buf conninfo = {0};
	PGconn *conn = NULL;

	if (!pw) {
		tele_buf_printf(why, "there is no system user %s", user);
		return NULL;
	}
	setup_conninfo(s, role, database, &conninfo);
	if (pw->pw_uid && seteuid(pw->pw_uid))
		tele_buf_printf(why, "cannot become %s: %s", user, strerror(errno));
	else
		conn = pg_connect(tele_buf_text(&conninfo), why);
	if (pw->pw_uid && geteuid() && seteuid(0))
		abort(); /* what follows would be done as somebody else */
	tele_buf_release(&conninfo);
	return conn;
}

static PGconn *as_superuser(const struct setup *s, const char *database, struct tele_buf *said)
{
	return setup_connect(s, "postgres", "postgres", database, said);
}

static long count(PGconn *conn, const char *sql, struct tele_buf *said)
{
	PGresult *res = pg_query(conn, sql, 0, NULL, said);
	long n = res ? atol(PQgetvalue(res, 0, 0)) : -1;

	PQclear(res);
	return n;
}

/* roles.sql, of several statements. */
static bool run_roles(PGconn *conn, const char *schema_dir, struct tele_buf *said)
{
	char path[PATH_MAX], *sql;
	PGresult *res;
	bool good = false;

	snprintf(path, sizeof path, "%s/roles.sql", schema_dir);
	sql = setup_read(path);
	if (!sql) {
		tele_buf_printf(said, "%s: %s", path, strerror(errno));
		return false;
	}
	res = PQexec(conn, sql);
	good = PQresultStatus(res) == PGRES_COMMAND_OK;
	if (!good)
		tele_buf_printf(said, "%s: %s", path, PQerrorMessage(conn));
	PQclear(res);
	free(sql);
	return good;
}

enum outcome setup_roles(struct setup *s, struct tele_buf *said)
{
	static const char all[] = "SELECT count(*) FROM pg_roles WHERE rolname IN ('teleops_owner', 'teleops_bot', 'teleops_engine', 'teleops_sender', "
				  "'teleops_manager', 'teleapp_reader', 'teleapp_writer')";
	PGconn *conn = as_superuser(s, "postgres", said);
	long before = conn ? count(conn, all, said) : -1, after = -1;

	if (before >= 0 && run_roles(conn, s->call->conf->schema_dir, said))
		after = count(conn, all, said);
	PQfinish(conn);
	if (after < 0)
		return SETUP_FAILED;
	if (after != before)
		tele_buf_printf(said, "made %ld", after - before);
	return after == before ? SETUP_SAME : SETUP_DONE;
}

enum outcome setup_databases(struct setup *s, struct tele_buf *said)
{
	PGconn *conn = as_superuser(s, "postgres", said);
	enum outcome all = conn ? SETUP_SAME : SETUP_FAILED;

	for (int i = 0; i < DATABASES && all != SETUP_FAILED; i++) {
		char sql[200];
		PGresult *res = pg_query(conn, "SELECT FROM pg_database WHERE datname = $1", 1, &databases[i], said);
		bool there = res && PQntuples(res);

		all = res ? all : SETUP_FAILED;
		PQclear(res);
		if (there || all == SETUP_FAILED)
			continue;
		snprintf(sql, sizeof sql, "CREATE DATABASE %s OWNER " OWNER " ENCODING 'UTF8' TEMPLATE template0", databases[i]);
		res = pg_query(conn, sql, 0, NULL, said);
		all = res ? SETUP_DONE : SETUP_FAILED;
		if (res)
			tele_buf_printf(said, "%s%s", said->len ? ", " : "", databases[i]);
		PQclear(res);
	}
	PQfinish(conn);
	return all;
}

/* Whether everybody who is to gets in. */
static bool all_get_in(struct setup *s, struct tele_buf *why)
{
	for (int i = 0; i < PEERS; i++) {
		PGconn *conn = setup_connect(s, peers[i].user, peers[i].role, peers[i].database, why);

		if (!conn)
			return false;
		PQfinish(conn);
	}
	return true;
}

/* The path of one of PostgreSQL's own files, by the name of its setting. */
static bool file_of(PGconn *conn, const char *setting, char path[PATH_MAX], struct tele_buf *said)
{
	PGresult *res = pg_query(conn, "SELECT current_setting($1)", 1, &setting, said);

	if (res)
		snprintf(path, PATH_MAX, "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	return res != NULL;
}

static bool has_words(const char *text, const struct peer *p)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		char map[64], user[64], role[64];

		if (sscanf(text, " %63s %63s %63s", map, user, role) == 3 && !strcmp(map, "teleops") && !strcmp(user, p->user) && !strcmp(role, p->role))
			return true;
	}
	return false;
}

/* These files are where PostgreSQL says, whatever stands for /. */
static enum outcome put_theirs(const char *path, const char *text, struct tele_buf *said)
{
	const struct setup here = {.root = ""};
	struct stat st;

	if (stat(path, &st)) {
		tele_buf_printf(said, "%s: %s", path, strerror(errno));
		return SETUP_FAILED;
	}
	return setup_put(&here, path, text, NULL, st.st_mode & 07777, said);
}

static enum outcome add_idents(const char *path, struct tele_buf *said)
{
	char *former = setup_read(path);
	struct tele_buf text = {0};
	enum outcome all;

	tele_buf_str(&text, former ? former : "");
	if (text.len && text.data[text.len - 1] != '\n')
		tele_buf_char(&text, '\n');
	for (int i = 0; i < PEERS; i++)
		if (!has_words(tele_buf_text(&text), &peers[i]))
			tele_buf_printf(&text, "teleops  %-15s  %s\n", peers[i].user, peers[i].role);
	all = put_theirs(path, tele_buf_text(&text), said);
	tele_buf_release(&text);
	free(former);
	return all;
}

/* The first line that fits counts, so ours is the first. */
static enum outcome add_hba(const char *path, struct tele_buf *said)
{
	char *former = setup_read(path);
	struct tele_buf text = {0};
	enum outcome all;

	if (former && strstr(former, HBA)) {
		free(former);
		return SETUP_SAME;
	}
	tele_buf_printf(&text, HBA "\n%s", former ? former : "");
	all = put_theirs(path, tele_buf_text(&text), said);
	tele_buf_release(&text);
	free(former);
	return all;
}

static enum outcome let_in(struct setup *s, struct tele_buf *said)
{
	PGconn *conn = as_superuser(s, "postgres", said);
	char hba[PATH_MAX], ident[PATH_MAX];
	enum outcome all = SETUP_FAILED;

	if (conn && file_of(conn, "hba_file", hba, said) && file_of(conn, "ident_file", ident, said))
		all = setup_worst(add_idents(ident, said), add_hba(hba, said));
	if (all == SETUP_DONE && count(conn, "SELECT pg_reload_conf()::integer", said) < 0)
		all = SETUP_FAILED;
	PQfinish(conn);
	return all;
}

/* PostgreSQL reads its files again within moments. */
static bool soon_in(struct setup *s, struct tele_buf *why)
{
	for (int i = 0; i < 100; i++) {
		tele_buf_reset(why);
		if (all_get_in(s, why))
			return true;
		usleep(100 * 1000);
	}
	return false;
}

enum outcome setup_peers(struct setup *s, struct tele_buf *said)
{
	struct tele_buf why = {0};
	enum outcome all = SETUP_SAME;

	if (!all_get_in(s, &why)) {
		all = let_in(s, said);
		if (all != SETUP_FAILED && !soon_in(s, &why)) {
			tele_buf_reset(said);
			tele_buf_printf(said, "%s; see pg_hba.conf and pg_ident.conf", tele_buf_text(&why));
			all = SETUP_FAILED;
		}
	}
	tele_buf_release(&why);
	return all;
}

/* This program again, with another verb; what it says ends in said. same: what it says when nothing was to be done. */
static enum outcome verb(const char *const *argv, const char *input, const char *same, struct tele_buf *said)
{
	struct tele_buf out = {0};
	enum outcome all = SETUP_FAILED;

	if (spawn_run(argv, input, &out))
		all = !strcmp(tele_buf_text(&out), same) ? SETUP_SAME : SETUP_DONE;
	if (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	if (all != SETUP_SAME)
		tele_buf_str(said, tele_buf_text(&out));
	tele_buf_release(&out);
	return all;
}

enum outcome setup_schema(struct setup *s, struct tele_buf *said)
{
	const char *const look[] = {"/proc/self/exe", "migrate", "--dry-run", NULL}, *const work[] = {"/proc/self/exe", "migrate", NULL};
	struct tele_buf would = {0};
	enum outcome all = SETUP_SAME;

	(void)s;
	if (!spawn_run(look, NULL, &would)) {
		tele_buf_str(said, tele_buf_text(&would));
		all = SETUP_FAILED;
	} else if (strstr(tele_buf_text(&would), "would")) {
		all = verb(work, NULL, "", said);
	}
	if (all == SETUP_DONE) {
		tele_buf_reset(said);
		tele_buf_str(said, "brought to this version");
	}
	tele_buf_release(&would);
	return all;
}

/* The password: of the file that was named, or made here and put into one; never said. False: said tells why. */
static bool password_of(struct setup *s, char *out, size_t size, struct tele_buf *said)
{
	const char *path = s->answer[ANSWER_PASSWORD];
	char *text = NULL, at[PATH_MAX];
	struct tele_buf line = {0};
	bool good;

	if (*path) {
		text = setup_read(path);
		snprintf(out, size, "%.*s", text ? (int)strcspn(text, "\r\n") : 0, text ? text : "");
		if (text)
			explicit_bzero(text, strlen(text));
		free(text);
		return text != NULL;
	}
	tele_password_generate(out);
	tele_buf_printf(&line, "%s\n", out);
	good = setup_put(s, PASSWORD_FILE, tele_buf_text(&line), "root", 0600, said) != SETUP_FAILED;
	tele_buf_wipe(&line);
	tele_buf_release(&line);
	if (good) {
		setup_path(s, PASSWORD_FILE, at, sizeof at);
		tele_buf_reset(said);
		tele_buf_printf(said, "the password is in %s; sign in, change it, and remove the file", at);
	}
	return good;
}

static int has_password(struct setup *s, struct tele_buf *said)
{
	PGconn *conn = setup_connect(s, "root", OWNER, "telemanager", said);
	const char *login = s->answer[ANSWER_ADMIN];
	PGresult *res = conn ? pg_query(conn, "SELECT FROM app_user WHERE login = $1 AND password_hash IS NOT NULL", 1, &login, said) : NULL;
	int n = res ? PQntuples(res) : -1;

	PQclear(res);
	PQfinish(conn);
	return n;
}

enum outcome setup_admin(struct setup *s, struct tele_buf *said)
{
	const char *const argv[] = {"/proc/self/exe", "admin", "create", s->answer[ANSWER_ADMIN], NULL};
	char password[TELE_PASSWORD_MOST + 2] = "";
	struct tele_buf out = {0};
	int there = has_password(s, said);
	enum outcome all = there > 0 ? SETUP_SAME : SETUP_FAILED;

	if (!there && sodium_init() >= 0 && password_of(s, password, sizeof password, said)) {
		all = verb(argv, password, "", &out);
		if (all == SETUP_FAILED)
			tele_buf_reset(said);
		tele_buf_printf(said, "%s%s", said->len ? "; " : "", tele_buf_text(&out));
	}
	sodium_memzero(password, sizeof password);
	tele_buf_release(&out);
	return all;
}

enum outcome setup_people(struct setup *s, struct tele_buf *said)
{
	const char *const argv[] = {"/proc/self/exe", "apply", s->answer[ANSWER_PEOPLE], NULL};

	return *s->answer[ANSWER_PEOPLE] ? verb(argv, NULL, "nothing to change\n", said) : SETUP_SAME;
}
