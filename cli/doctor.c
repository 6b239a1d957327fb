/*
 * teleops doctor: looks at everything that has to be right, a line each, and says what to do about what is not. It never stops at the
 * first; what cannot be looked at because of another fault has no line.
 */
#include "cli/check.h"
#include "cli/show.h"
#include "cli/verb.h"
#include "lib/telegram.h"

#include <json-c/json.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct check {
	const char *name;
	check_function *look;
} checks[] = {
    {"settings", check_settings},
    {"database", check_database},
    {"schema", check_schema},
    {"grants", check_grants},
    {"app database", check_app_database},
    {"durability", check_durability},
    {"replication", check_replication},
    {"transactions", check_transactions},
    {"history", check_history},
    {"updates", check_updates},
    {"database clock", check_database_clock},
    {"engines", check_engines},
    {"queues", check_queues},
    {"programs", check_programs},
    {"hooks", check_hooks},
    {"users", check_users},
    {"exec_dir", check_exec_dir},
    {"run_dir", check_run_dir},
    {"work_dir", check_work_dir},
    {"secret keys", check_keys},
    {"connections", check_connections},
    {"token", check_token},
    {"bot", check_bot},
    {"webhook", check_webhook},
    {"secret", check_secret},
    {"Telegram's clock", check_telegram_clock},
    {"sender", check_sender},
    {"telebot", check_telebot},
    {"telemanager", check_telemanager},
    {"webhook port", check_webhook_port},
    {"admin port", check_admin_port},
    {"certificate", check_certificate},
};

enum { CHECKS = sizeof checks / sizeof *checks };

static const char *const level_names[] = {"unknown", "ok", "warn", "FAIL"};

static void add(struct finding *f, enum level level, const char *todo, const char *fmt, va_list ap)
{
	char text[1024];

	if (level < f->level)
		return;
	if (level > f->level)
		tele_buf_reset(&f->text);
	f->level = level;
	f->todo = todo;
	vsnprintf(text, sizeof text, fmt, ap);
	tele_buf_printf(&f->text, "%s%s", f->text.len ? "; " : "", text);
}

void check_ok(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, LEVEL_OK, NULL, fmt, ap);
	va_end(ap);
}

void check_warn(struct finding *f, const char *todo, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, LEVEL_WARN, todo, fmt, ap);
	va_end(ap);
}

void check_fail(struct finding *f, const char *todo, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, LEVEL_FAIL, todo, fmt, ap);
	va_end(ap);
}

static struct json_object *member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, type) ? v : NULL;
}

long long check_number(struct json_object *o, const char *key)
{
	return json_object_get_int64(member(o, key, json_type_int));
}

bool check_flag(struct json_object *o, const char *key)
{
	return json_object_get_boolean(member(o, key, json_type_boolean));
}

const char *check_text(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key, json_type_string);

	return v ? json_object_get_string(v) : "";
}

struct json_object *check_list(struct json_object *o, const char *key)
{
	return member(o, key, json_type_array);
}

static void print_line(const char *name, const struct finding *f)
{
	if (f->level != LEVEL_UNKNOWN)
		printf("%-4s  %s: %s%s%s\n", level_names[f->level], name, tele_buf_text(&f->text), f->todo ? "; " : "",
		    f->todo ? f->todo : "");
	fflush(stdout);
}

static void add_line(struct json_object *list, const char *name, const struct finding *f)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "check", json_object_new_string(name));
	json_object_object_add(one, "level", json_object_new_string(level_names[f->level]));
	json_object_object_add(one, "finding", json_object_new_string(tele_buf_text(&f->text)));
	json_object_object_add(one, "todo", json_object_new_string(f->todo ? f->todo : ""));
	json_object_array_add(list, one);
}

static void finish(bool json, struct json_object *list, const int *counts)
{
	struct json_object *all = json_object_new_object();

	if (!json)
		printf("%d ok, %d warn, %d failed, %d not looked at\n", counts[LEVEL_OK], counts[LEVEL_WARN], counts[LEVEL_FAIL],
		    counts[LEVEL_UNKNOWN]);
	json_object_object_add(all, "checks", list);
	json_object_object_add(all, "failed", json_object_new_int(counts[LEVEL_FAIL]));
	json_object_object_add(all, "warned", json_object_new_int(counts[LEVEL_WARN]));
	if (json)
		show_json(all);
	json_object_put(all);
}

static void release(struct doctor *d)
{
	json_object_put(d->facts);
	tele_buf_release(&d->facts_error);
	PQfinish(d->db);
	if (d->telegram)
		tele_telegram_free(d->telegram);
	curl_global_cleanup();
}

int verb_doctor(const struct call *c)
{
	struct doctor d = {.conf = c->conf, .conf_errors = c->conf_errors};
	struct json_object *list = json_object_new_array();
	int counts[LEVEL_FAIL + 1] = {0};

	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (int i = 0; i < CHECKS; i++) {
		struct finding f = {0};

		checks[i].look(&d, &f);
		counts[f.level]++;
		if (c->json)
			add_line(list, checks[i].name, &f);
		else
			print_line(checks[i].name, &f);
		tele_buf_release(&f.text);
	}
	finish(c->json, list, counts);
	release(&d);
	return counts[LEVEL_FAIL] ? EXIT_FAILED : EXIT_DONE;
}
