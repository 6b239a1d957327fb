/*
 * Where sql and http commands of this host go: each connection is tried as the engine would, by telecall, as its user. What the other side
 * says to that is not repeated further than its first line.
 */
#include "cli/check.h"
#include "engine/ask.h"
#include "engine/connection.h"
#include "engine/program.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <json-c/json.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK = 3, SAID_MOST = 400, TRY_S = 8, ALARM_S = 20 };

static const char todo[] = "correct the file in connection_dir (docs/commands.md), or what it leads to";

/* In the child. */
static void become_call(const struct tele_conf *conf, const char *kind, const struct passwd *user, int ask, int out)
{
	if (geteuid() == 0 && (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)))
		_exit(1);
	if (dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(ask, ASK) < 0)
		_exit(1);
	alarm(ALARM_S);
	execle(conf->call_program, "telecall", kind, (char *)NULL, (char *[]){NULL});
	dprintf(1, "%s: %s\n", conf->call_program, strerror(errno));
	_exit(1);
}

/* Runs telecall; false with the first line of what it printed. */
static bool try_call(const struct tele_conf *conf, const char *kind, const struct passwd *user, int ask, char said[SAID_MOST])
{
	int ends[2], status = 1;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	snprintf(said, SAID_MOST, "it was not tried: %s", strerror(errno));
	if (pipe(ends))
		return false;
	pid = fork();
	if (pid == 0)
		become_call(conf, kind, user, ask, ends[1]);
	close(ends[1]);
	while (n < SAID_MOST - 1 && (got = read(ends[0], said + n, SAID_MOST - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	said[strcspn(said, "\r\n")] = '\0';
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		snprintf(said, SAID_MOST, "no answer within %d s", ALARM_S);
	return !status;
}

/* Like a task of a command that asks nothing of importance. */
static enum tele_err write_ask(struct doctor *d, char *name, char *kind, int *fd, struct tele_buf *why)
{
	struct tele_task task = {.kind = kind, .timeout_s = TRY_S, .output_limit = 65536, .args = json_object_new_object()};
	struct tele_seal_ring *ring = NULL;
	struct secrets secrets = {0};
	struct tele_buf ignored = {0};
	enum tele_err rc;

	if (d->conf->secret_key_file && tele_seal_ring_load(d->conf->secret_key_file, &ring, &ignored) != TELE_OK)
		ring = NULL;
	task.call = json_tokener_parse("{\"statement\": \"SELECT 1\", \"row_limit\": 1, \"writes\": false, \"method\": \"GET\", \"path\": \"/\", \"connect_only\": true}");
	json_object_object_add(task.call, "connection", json_object_new_string(name));
	rc = ask_file(d->conf, ring, &task, &secrets, fd, why);
	secrets_wipe(&secrets);
	json_object_put(task.call);
	json_object_put(task.args);
	tele_seal_ring_free(ring);
	tele_buf_release(&ignored);
	return rc;
}

/* Root reads every file; the engine is not root. */
static bool engine_reads(const struct tele_conf *conf, const char *name)
{
	const struct passwd *engine = getpwnam(conf->engine_user);
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", conf->connection_dir, name);
	if (stat(path, &st) || !engine || conf->insecure_same_user)
		return true;
	return (st.st_mode & S_IROTH) || ((st.st_mode & S_IRGRP) && st.st_gid == engine->pw_gid) || st.st_uid == engine->pw_uid;
}

static void try_connection(struct doctor *d, struct finding *f, char *name, const char *kind)
{
	const char *user_name = !strcmp(kind, "sql") ? d->conf->engine_user : d->conf->http_user;
	const struct passwd *user = getpwnam(user_name);
	struct tele_buf why = {0};
	char said[SAID_MOST], kind_copy[8];
	int ask = -1;

	snprintf(kind_copy, sizeof kind_copy, "%s", kind);
	if (!user)
		check_fail(f, "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin NAME, or another in teleops.conf",
		    "%s: there is no system user %s to ask as", name, user_name);
	else if (write_ask(d, name, kind_copy, &ask, &why) != TELE_OK)
		check_fail(f, todo, "%s", why.len ? tele_buf_text(&why) : name);
	else if (geteuid() != 0)
		check_ok(f, "%s is understood; only root can try it", name);
	else if (!try_call(d->conf, kind, user, ask, said))
		check_fail(f, todo, "connection %s: %s", name, said);
	else
		check_ok(f, "%s answers", name);
	if (ask >= 0)
		close(ask);
	tele_buf_release(&why);
}

static void check_one(struct doctor *d, struct finding *f, char *name)
{
	struct json_object *connection = NULL;
	struct tele_buf why = {0};

	if (connection_read(d->conf, name, &connection, &why) != TELE_OK)
		check_fail(f, todo, "%s", tele_buf_text(&why));
	else if (!engine_reads(d->conf, name))
		check_fail(f, "chgrp it to the engine's group and chmod 640", "connection %s: %s cannot read it", name, d->conf->engine_user);
	else
		try_connection(d, f, name, json_object_object_get_ex(connection, "url", NULL) ? "http" : "sql");
	json_object_put(connection);
	tele_buf_release(&why);
}

static bool is_here(const struct tele_conf *conf, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", conf->connection_dir, name);
	return !access(path, F_OK) || (conf->app_database && !strcmp(name, "teleapp"));
}

static void check_files(struct doctor *d, struct finding *f)
{
	struct dirent **list = NULL;
	int n = scandir(d->conf->connection_dir, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (*list[i]->d_name != '.' && (strcmp(list[i]->d_name, "teleapp") || !d->conf->app_database))
			check_one(d, f, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

void check_connections(struct doctor *d, struct finding *f)
{
	struct json_object *used = check_list(d->facts, "connections");
	char teleapp[] = "teleapp", resolved[PATH_MAX];
	struct tele_buf why = {0};

	/* That the database is away has been told. */
	if (d->conf->app_database && !d->app_away)
		check_one(d, f, teleapp);
	check_files(d, f);
	for (size_t i = 0; used && i < json_object_array_length(used); i++) {
		struct json_object *o = json_object_array_get_idx(used, i);

		if (!is_here(d->conf, check_text(o, "connection")))
			check_warn(f, "add the file on the hosts of the engines that run them", "connection %s is not on this host (%s)",
			    check_text(o, "connection"), check_text(o, "commands"));
	}
	if (f->level == LEVEL_UNKNOWN)
		check_ok(f, "there are none");
	else if (program_check_path(d->conf->call_program, resolved, &why) != TELE_OK)
		check_fail(f, "install it, and set call_program", "sql and http commands cannot run: %s", tele_buf_text(&why));
	tele_buf_release(&why);
}
