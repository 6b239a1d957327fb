/* What the database knows, asked of config_doctor() once; and whether it can be asked. */
#include "cli/check.h"
#include "cli/migrate.h"
#include "cli/pg.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VERSION_LEAST = 150000, GRANTS_MOST = 1024 * 1024, MESSAGE_S = 60, HEARD_S = 300, CLOCK_S = 5 };

/* How long a transaction may be open, and how many may come after it, before that is told; the second: before it is a fault. */
static const long long open_s[] = {300, 3600}, behind[] = {100000, 1000000};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The text of this version's grants.sql, "" when it cannot be read. */
static void read_grants(const struct tele_conf *conf, struct tele_buf *text)
{
	struct tele_buf path = {0};
	char chunk[4096];
	size_t n;
	FILE *file;

	tele_buf_printf(&path, "%s/telemanager/grants.sql", conf->schema_dir);
	file = fopen(tele_buf_text(&path), "re");
	tele_buf_release(&path);
	while (file && text->len < GRANTS_MOST && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
		tele_buf_add(text, chunk, n);
	if (file)
		fclose(file);
}

static void load_facts(struct doctor *d)
{
	struct tele_buf grants = {0};
	double before, after;
	PGresult *res;

	read_grants(d->conf, &grants);
	before = now_s();
	res = pg_query(d->db, "SELECT facts, extract(epoch FROM clock_timestamp()) FROM config_doctor($1) AS facts", 1,
	    (const char *[]){tele_buf_text(&grants)}, &d->facts_error);
	after = now_s();
	if (res) {
		d->facts = json_tokener_parse(PQgetvalue(res, 0, 0));
		d->clock_off_s = strtod(PQgetvalue(res, 0, 1), NULL) - (before + after) / 2;
	}
	PQclear(res);
	tele_buf_release(&grants);
}

void check_database(struct doctor *d, struct finding *f)
{
	static const char todo[] = "check setting database, and that PostgreSQL runs and lets this user in (pg_hba.conf, pg_ident.conf)";
	struct tele_buf why = {0};
	PGresult *res;

	if (!d->conf->database) {
		check_fail(f, "set it in teleops.conf or as TELEOPS_DATABASE", "setting database is missing");
		return;
	}
	d->db = pg_connect(d->conf->database, &why);
	if (!d->db) {
		check_fail(f, todo, "cannot connect: %s", tele_buf_text(&why));
	} else {
		if (PQserverVersion(d->db) < VERSION_LEAST)
			check_fail(f, "upgrade it to 15 or newer", "PostgreSQL %s is too old", PQparameterStatus(d->db, "server_version"));
		res = pg_query(d->db, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean", 0, NULL, &why);
		if (res && PQgetvalue(res, 0, 0)[0] == 't')
			check_fail(f, "name the primary, or several hosts with target_session_attrs=read-write",
			    "%s can only be read: a standby", PQhost(d->db));
		PQclear(res);
		check_ok(f, "PostgreSQL %s on %s", PQparameterStatus(d->db, "server_version"), PQhost(d->db));
		load_facts(d);
	}
	tele_buf_release(&why);
}

static void check_files(struct doctor *d, struct finding *f, PGconn *conn, const char *database)
{
	struct tele_buf what = {0};

	migrate_difference(d->conf, conn, database, &what);
	if (what.len)
		check_fail(f, "run teleops migrate with this version's schema_dir", "%s", tele_buf_text(&what));
	else
		check_ok(f, "that of this version");
	tele_buf_release(&what);
}

void check_schema(struct doctor *d, struct finding *f)
{
	if (d->db)
		check_files(d, f, d->db, "telemanager");
}

void check_grants(struct doctor *d, struct finding *f)
{
	struct json_object *list = check_list(d->facts, "lacking");

	if (d->db && !d->facts && !strstr(tele_buf_text(&d->facts_error), "does not exist"))
		check_fail(f, "connect as the owner of the database, teleops_owner", "cannot look: %s", tele_buf_text(&d->facts_error));
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		check_fail(f, "run psql -f SCHEMA_DIR/telemanager/grants.sql as the owner; roles.sql as a superuser where a role is missing",
		    "%s lacks %s", check_text(o, "role"), check_text(o, "lacks"));
	}
	if (list)
		check_ok(f, "each role has what its program needs");
}

void check_app_database(struct doctor *d, struct finding *f)
{
	struct tele_buf why = {0};
	PGconn *conn;

	if (!d->conf->app_database) {
		check_ok(f, "none is set");
		return;
	}
	conn = pg_connect(d->conf->app_database, &why);
	if (conn)
		check_files(d, f, conn, "teleapp");
	else
		check_fail(f, "check setting app_database", "cannot connect: %s", tele_buf_text(&why));
	d->app_away = !conn;
	PQfinish(conn);
	tele_buf_release(&why);
}

void check_durability(struct doctor *d, struct finding *f)
{
	if (!d->facts)
		return;
	if (strcmp(check_text(d->facts, "fsync"), "on"))
		check_fail(f, "switch it on in postgresql.conf", "fsync is off: a crash can lose everything");
	if (!strcmp(check_text(d->facts, "synchronous_commit"), "off"))
		check_fail(f, "set it to on", "synchronous_commit is off: a crash loses updates that were acknowledged");
	if (strcmp(check_text(d->facts, "full_page_writes"), "on"))
		check_warn(f, "switch it on, unless the file system never writes half a page", "full_page_writes is off");
	check_ok(f, "what is committed is on the disk");
}

void check_replication(struct doctor *d, struct finding *f)
{
	long long standbys = check_number(d->facts, "standbys"), synchronous = check_number(d->facts, "synchronous_standbys");
	const char *names = check_text(d->facts, "synchronous_standby_names");

	if (!d->facts)
		return;
	if (!standbys && *names)
		check_fail(f, "start the standby, or empty it",
		    "synchronous_standby_names is \"%s\" and no standby is there: commits wait", names);
	else if (standbys && !*names)
		check_warn(f, "set synchronous_standby_names, else a failover can lose what was acknowledged",
		    "%lld %s, none of them synchronous", standbys, standbys == 1 ? "standby" : "standbys");
	else if (standbys && !synchronous && check_flag(d->facts, "sees_others"))
		check_warn(f, "see pg_stat_replication", "%lld standbys, none of them in sync now", standbys);
	else if (standbys)
		check_ok(f, "%lld standbys, %lld synchronous", standbys, synchronous);
	else
		check_ok(f, "single server");
}

void check_transactions(struct doctor *d, struct finding *f)
{
	struct json_object *o = NULL;
	long long seconds, transactions;

	if (!d->facts)
		return;
	json_object_object_get_ex(d->facts, "oldest_transaction", &o);
	seconds = check_number(o, "seconds");
	transactions = check_number(o, "transactions");
	for (int i = 0; i < 2; i++)
		if (seconds > open_s[i] || transactions > behind[i])
			(i ? check_fail : check_warn)(f, "end it: SELECT pg_terminate_backend(pid)",
			    "pid %lld (%s, %s) holds one open for %lld s and %lld transactions: nothing since can be vacuumed",
			    check_number(o, "pid"), check_text(o, "who"), check_text(o, "program"), seconds, transactions);
	if (check_number(d->facts, "prepared"))
		check_fail(f, "see pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED",
		    "%lld prepared ones are forgotten", check_number(d->facts, "prepared"));
	if (!check_flag(d->facts, "sees_others"))
		check_warn(f, "run this version's roles.sql as a superuser", "this role cannot see since when others are open");
	check_ok(f, "none is old");
}

void check_history(struct doctor *d, struct finding *f)
{
	if (!d->facts)
		return;
	if (check_flag(d->facts, "history_default"))
		check_fail(f, "move its rows to partitions of their months; they stand in the way of new ones",
		    "task_history_default is not empty: a partition was missing");
	if (!check_flag(d->facts, "history_ahead"))
		check_fail(f, "start an engine, which makes partitions", "task_history has no partition for the next month");
	check_ok(f, "partitions are ahead");
}

void check_updates(struct doctor *d, struct finding *f)
{
	long long n = check_number(d->facts, "rejected");

	if (n)
		check_warn(f, "see table update_rejected", "%lld of the last day could not be stored", n);
	else if (d->facts)
		check_ok(f, "none of the last day was rejected");
}

void check_database_clock(struct doctor *d, struct finding *f)
{
	if (!d->facts)
		return;
	if (fabs(d->clock_off_s) > CLOCK_S)
		check_warn(f, "let NTP set both clocks",
		    "the database's clock is %.0f s %s this host's", fabs(d->clock_off_s), d->clock_off_s < 0 ? "behind" : "before");
	else
		check_ok(f, "as this host's");
}

void check_engines(struct doctor *d, struct finding *f)
{
	struct json_object *gone = check_list(d->facts, "engines_gone");
	long long alive = check_number(d->facts, "engines");

	if (!d->facts)
		return;
	if (!alive)
		check_fail(f, "start teleengine", "none is alive: commands wait");
	for (size_t i = 0; gone && i < json_object_array_length(gone); i++) {
		struct json_object *o = json_object_array_get_idx(gone, i);

		check_warn(f, "start it again, or nothing if it is gone for good",
		    "%s went away %lld s ago", check_text(o, "engine"), check_number(o, "seconds"));
	}
	check_ok(f, "%lld alive", alive);
}

/* With no engine at all another check has told it. */
static bool has_engines(const struct doctor *d)
{
	return check_number(d->facts, "engines") > 0;
}

void check_queues(struct doctor *d, struct finding *f)
{
	struct json_object *unserved = check_list(d->facts, "queues_unserved"), *odd = check_list(d->facts, "queues_odd");

	if (!has_engines(d))
		return;
	for (size_t i = 0; unserved && i < json_object_array_length(unserved); i++) {
		struct json_object *o = json_object_array_get_idx(unserved, i);

		check_fail(f, "name the queue in setting queues of an engine, or change the command's",
		    "no engine serves queue %s (%s)", check_text(o, "queue"), check_text(o, "commands"));
	}
	for (size_t i = 0; odd && i < json_object_array_length(odd); i++) {
		struct json_object *o = json_object_array_get_idx(odd, i);

		check_warn(f, "look for a typing mistake in its setting queues",
		    "engine %s serves queue %s, which does not exist", check_text(o, "engine"), check_text(o, "queue"));
	}
	check_ok(f, "each one that is used is served");
}

void check_programs(struct doctor *d, struct finding *f)
{
	struct json_object *missing = check_list(d->facts, "programs_missing");

	if (!has_engines(d))
		return;
	for (size_t i = 0; missing && i < json_object_array_length(missing); i++) {
		struct json_object *o = json_object_array_get_idx(missing, i);

		check_warn(f, "put it into exec_dir and send the engine HUP",
		    "no engine of its queue has %s (%s)", check_text(o, "program"), check_text(o, "commands"));
	}
	check_ok(f, "each command's is there");
}

/* What stands in the way of a hook, as config_doctor() names it: whether nothing of it can arrive, what is said, and what to do. */
static const struct hook_trouble {
	const char *what;
	bool fails;
	const char *said, *todo;
} hook_troubles[] = {
    {"missing", true, "Telegram knows no such chat", "correct chat_id; /id in the chat tells it"},
    {"unseen", false, "the bot has heard nothing from there yet", "let the bot in there and write to it, or correct chat_id"},
    {"closed", true, "closed to the bot: blocked, or removed from the group", "let it in again, and write to it there"},
    {"forbidden", true, "not allowed", "teleops chat allow NUMBER, or take the hook away"},
    {"no_address", false, "it has no address yet", "teleops hook renew NAME makes it"},
    {"silent", false, "nothing has come in the week and more since its address was made", "see whether its sender has the address, or take the hook away"},
};

static const struct hook_trouble *trouble_of(const char *what)
{
	for (size_t i = 0; i < sizeof hook_troubles / sizeof *hook_troubles; i++)
		if (!strcmp(hook_troubles[i].what, what))
			return &hook_troubles[i];
	return NULL;
}

void check_hooks(struct doctor *d, struct finding *f)
{
	struct json_object *odd = check_list(d->facts, "hooks_odd");
	long long n = check_number(d->facts, "hooks");

	if (!d->facts)
		return;
	for (size_t i = 0; odd && i < json_object_array_length(odd); i++) {
		struct json_object *o = json_object_array_get_idx(odd, i);
		const struct hook_trouble *t = trouble_of(check_text(o, "what"));

		if (t)
			(t->fails ? check_fail : check_warn)(f, t->todo, "%s (chat %lld): %s", check_text(o, "hook"), check_number(o, "chat"), t->said);
	}
	if (n)
		check_ok(f, "%lld, each with an address and a chat that takes its alerts", n);
	else
		check_ok(f, "none");
}

void check_sender(struct doctor *d, struct finding *f)
{
	long long waiting = check_number(d->facts, "messages"), oldest = check_number(d->facts, "oldest_message_s");
	const char *error = check_text(d->facts, "last_error"), *bot = check_text(d->facts, "bot");

	if (!d->facts)
		return;
	if (!check_flag(d->facts, "sender"))
		check_fail(f, "start telesender", "none is active: %lld messages wait", waiting);
	else if (*bot && *d->bot && strcasecmp(bot, d->bot))
		check_fail(f, "give both the same bot_token", "it speaks as @%s, this token is @%s's", bot, d->bot);
	if (oldest > MESSAGE_S)
		check_warn(f, "see its log", "%lld messages wait, one for %lld s%s%s", waiting, oldest, *error ? ": " : "", error);
	if (check_number(d->facts, "heard_s") > HEARD_S)
		check_warn(f, "see its log", "it has heard nothing of Telegram for %lld s", check_number(d->facts, "heard_s"));
	check_ok(f, "active, %lld messages wait", waiting);
}
