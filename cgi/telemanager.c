/*
 * TeleManager: the admin pages. It holds the role teleops_manager. Requests go through one table of routes, and past the session
 * gate before any of them.
 */
#include "cgi/manager/account.h"
#include "cgi/manager/administrators.h"
#include "cgi/manager/audit.h"
#include "cgi/manager/backup.h"
#include "cgi/manager/chats.h"
#include "cgi/manager/commands.h"
#include "cgi/manager/engines.h"
#include "cgi/manager/hooks.h"
#include "cgi/manager/invites.h"
#include "cgi/manager/metrics.h"
#include "cgi/manager/outbox.h"
#include "cgi/manager/people.h"
#include "cgi/manager/schedules.h"
#include "cgi/manager/session.h"
#include "cgi/manager/settings.h"
#include "cgi/manager/signin.h"
#include "cgi/manager/start.h"
#include "cgi/manager/tasks.h"
#include "cgi/manager/try.h"
#include "cgi/serve.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/start.h"
#include "lib/totp.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEALTH_MS = 2000, METRICS_MS = 5000, ACCEPTORS = 32 };

/* Pages of their own */

static enum tele_err show_health(struct visit *v)
{
	PGresult *res = NULL;
	enum tele_err rc = tele_pool_run(v->m->pool, TELE_STMT_HEALTH, NULL, HEALTH_MS, &res, NULL);

	if (rc == TELE_OK)
		tele_buf_printf(&v->body, "{\"status\":\"ok\",\"database\":true,\"schema\":%lld,\"tasks\":%lld,\"outbox\":%lld,\"engines\":%lld}\n",
		    tele_db_int(res, 0, 0), tele_db_int(res, 0, 1), tele_db_int(res, 0, 2), tele_db_int(res, 0, 3));
	else
		tele_buf_str(&v->body, "{\"status\":\"unavailable\",\"database\":false}\n");
	v->status = rc == TELE_OK ? "200 OK" : "503 Service Unavailable";
	v->type = "application/json";
	page_header(v, "Cache-Control: no-store");
	PQclear(res);
	return TELE_OK;
}

/* This program has nothing to do between requests: it tells its own figures when somebody asks for all. */
static enum tele_err store_metrics(struct manager *m)
{
	const char *const *values;
	PGresult *res = NULL;
	enum tele_err rc = TELE_OK;

	/* Two at once would each take the figures of the other. */
	pthread_mutex_lock(&m->metrics_lock);
	values = tele_metrics_take(m->metrics);
	if (values)
		rc = tele_pool_run(m->pool, TELE_STMT_METRIC_ADD, values, METRICS_MS, &res, NULL);
	if (res && tele_db_bool(res, 0, 0))
		tele_metrics_stored(m->metrics);
	pthread_mutex_unlock(&m->metrics_lock);
	PQclear(res);
	return rc;
}

static enum tele_err show_metrics(struct visit *v)
{
	struct tele_buf why = {0};
	PGresult *res = NULL;
	enum tele_err rc;

	if (!metrics_allowed(v->m->conf, v->sink)) {
		metrics_refuse(v);
		return TELE_OK;
	}
	rc = store_metrics(v->m);
	/* A database that is away is waited for once. */
	if (rc != TELE_DB)
		rc = tele_pool_run(v->m->pool, TELE_STMT_METRICS, NULL, METRICS_MS, &res, &why);
	if (rc != TELE_OK)
		tele_log(TELE_ERROR, "no_metrics", tele_str("error", tele_buf_text(&why)));
	metrics_answer(v, rc == TELE_OK ? res : NULL);
	tele_buf_release(&why);
	PQclear(res);
	return TELE_OK;
}

/* The map: pages of their own here, families below. */
static const struct route pages[] = {
    {"/", "GET", PAGE_SIGNED_IN, NULL, start_show, NULL},
    {"/healthz", "GET", PAGE_MACHINE, NULL, show_health, NULL},
    {"/metrics", "GET", PAGE_MACHINE, NULL, show_metrics, NULL},
    {"/signin", "GET", PAGE_PUBLIC, NULL, signin_show, NULL},
    {"/signin", "POST", PAGE_PUBLIC, NULL, signin_try, NULL},
    {"/signin/code", "GET", PAGE_PUBLIC, NULL, signin_code, NULL},
    {"/signin/code", "POST", PAGE_PUBLIC, NULL, signin_code_try, NULL},
    {"/signout", "POST", PAGE_SIGNED_IN, NULL, signin_out, NULL},
    {"/account", "GET", PAGE_SIGNED_IN, NULL, account_show, NULL},
    {"/account", "POST", PAGE_SIGNED_IN, NULL, account_save, NULL},
    {"/account/password", "GET", PAGE_SIGNED_IN, NULL, account_password, NULL},
    {"/account/password", "POST", PAGE_SIGNED_IN, NULL, account_password_change, NULL},
    {"/account/sessions/{id}", "POST", PAGE_SIGNED_IN, NULL, account_session_end, NULL},
    {"/account/totp", "GET", PAGE_SIGNED_IN, NULL, account_totp, NULL},
    {"/account/totp", "POST", PAGE_SIGNED_IN, NULL, account_totp_begin, NULL},
    {"/account/totp/confirm", "POST", PAGE_SIGNED_IN, NULL, account_totp_confirm, NULL},
    {"/account/totp/off", "POST", PAGE_SIGNED_IN, NULL, account_totp_off, NULL},
    {"/account/totp/codes", "POST", PAGE_SIGNED_IN, NULL, account_totp_codes, NULL},
    {"/commands/try", "GET", PAGE_VIEW, "commands", try_show, NULL},
    {"/backup", "GET", PAGE_VIEW, "backup", backup_show, NULL},
    {"/backup/export", "GET", PAGE_VIEW, "backup", backup_export, NULL},
    {"/backup/apply", "POST", PAGE_CHANGE, "backup", backup_apply, NULL},
    {"/people/invites/new", "GET", PAGE_CHANGE, "people", invites_new, NULL},
    {"/people/invites/new", "POST", PAGE_CHANGE, "people", invites_make, NULL},
    {"/tasks/export", "GET", PAGE_VIEW, "tasks", tasks_export, NULL},
    {"/tasks/{id}/output", "GET", PAGE_VIEW, "tasks", tasks_output, NULL},
    {"/tasks/{id}/live", "GET", PAGE_VIEW, "tasks", tasks_live, NULL},
    {"/tasks/{id}/cancel", "POST", PAGE_CHANGE, "tasks", tasks_cancel, NULL},
    {"/tasks/{id}/again", "POST", PAGE_CHANGE, "tasks", tasks_again, NULL},
    {"/alert-hooks/{id}/renew", "POST", PAGE_CHANGE, "commands", hooks_renew, NULL},
    {"/audit/export", "GET", PAGE_VIEW, "audit", audit_export, NULL},
    {"/audit/verify", "GET", PAGE_VIEW, "audit", audit_verify, NULL},
    {"/administrators/{id}/reset", "POST", PAGE_CHANGE, "administrators", administrators_reset, NULL},
};

static const struct family *const families[] = {
    &tasks,
    &tasks_pending,
    &engines,
    &engines_queues,
    &chats,
    &outbox_messages,
    &outbox_dead,
    &people_users,
    &people_requests,
    &people_invites,
    &people_groups,
    &people_roles,
    &people_organizations,
    &commands,
    &commands_grants,
    &schedules,
    &hooks,
    &audit,
    &settings,
    &administrators,
};

/* A request */

struct telemanager {
	struct manager manager;
	struct route_table routes;
};

static const char *param(void *context, const char *name)
{
	return serve_param(context, name);
}

static size_t read_body(void *context, char *out, size_t n)
{
	FCGX_Request *r = context;
	int got = FCGX_GetStr(out, (int)n, r->in);

	return got < 0 ? 0 : (size_t)got;
}

static void send_part(void *context, const char *bytes, size_t n)
{
	FCGX_Request *r = context;

	FCGX_PutStr(bytes, (int)n, r->out);
}

/* What a request that cannot be taken gets. */
static const char *refusal(enum tele_err rc)
{
	switch (rc) {
	case TELE_INVALID: return "400 Bad Request";
	case TELE_CONFLICT: return "413 Content Too Large";
	case TELE_DENIED: return "415 Unsupported Media Type";
	default: return "500 Internal Server Error";
	}
}

/* What a handler that had no answer of its own gets. */
static const char *trouble(enum tele_err rc)
{
	switch (rc) {
	case TELE_INVALID: return "400 Bad Request";
	case TELE_DENIED: return "403 Forbidden";
	case TELE_NOTFOUND: return "404 Not Found";
	case TELE_DB: return "503 Service Unavailable";
	default: return "500 Internal Server Error";
	}
}

static enum tele_err to_route(const struct telemanager *t, struct visit *v)
{
	char allow[64];
	enum tele_err rc = route_find(&t->routes, v, allow, sizeof allow);

	if (rc == TELE_OK && v->route->need == PAGE_MACHINE)
		return v->route->handler(v);
	if (session_find(v) != TELE_OK)
		return TELE_DB;
	if (rc == TELE_INVALID) {
		page_header(v, "Allow: %s", allow);
		return page_error(v, "405 Method Not Allowed");
	}
	if (rc == TELE_OK)
		rc = session_admit(v);
	return rc == TELE_OK ? v->route->handler(v) : rc == TELE_EMPTY ? TELE_OK : rc;
}

static void answer(struct visit *v, const struct telemanager *t, enum tele_err taken)
{
	enum tele_err rc = taken == TELE_OK ? to_route(t, v) : page_error(v, refusal(taken));

	if (rc == TELE_OK)
		return;
	if (rc != TELE_NOTFOUND && rc != TELE_DENIED && rc != TELE_DB)
		tele_log(TELE_ERROR, "page_failed", tele_str("path", v->in.path), tele_str("error", tele_err_name(rc)));
	/* What was begun is not to be seen. */
	tele_buf_reset(&v->headers);
	if (rc == TELE_DB)
		page_header(v, "Retry-After: 3");
	if (page_error(v, trouble(rc)) != TELE_OK) {
		tele_buf_reset(&v->body);
		v->type = "text/plain";
	}
}

static void release(struct visit *v)
{
	request_release(&v->in);
	json_object_put(v->who);
	json_object_put(v->flash);
	tele_buf_release(&v->headers);
	tele_buf_release(&v->body);
	sodium_memzero(v->token, sizeof v->token);
}

static void handle(FCGX_Request *r, void *context)
{
	struct telemanager *t = context;
	struct request_source source = {param, read_body, r};
	struct visit v = {.m = &t->manager, .id = "", .send = send_part, .sink = r};

	answer(&v, t, request_take(&v.in, &source));
	if (!v.streaming)
		serve_answer(r, v.status, v.type, tele_buf_text(&v.headers), tele_buf_text(&v.body));
	release(&v);
}

/* The program */

static void reload(void *context)
{
	struct telemanager *t = context;
	struct tele_buf why = {0};

	tele_reload_log("telemanager");
	if (tele_template_reload(t->manager.templates, &why) != TELE_OK)
		tele_log(TELE_ERROR, "templates_kept", tele_str("error", tele_buf_text(&why)));
	tele_buf_release(&why);
}

static enum tele_err load_templates(struct manager *m)
{
	struct tele_buf why = {0};
	enum tele_err rc = tele_template_load(m->conf->template_dir, &m->templates, &why);

	if (rc != TELE_OK)
		tele_log(TELE_ERROR, "no_templates", tele_str("error", tele_buf_text(&why)), tele_str("todo", "set template_dir"));
	tele_buf_release(&why);
	return rc;
}

/* What is TeleManager's by name. */
static int own_statements(enum tele_stmt *out)
{
	int n = 0;

	for (int i = TELE_STMT_NONE + 1; i < TELE_STMT_COUNT; i++)
		if (i == TELE_STMT_HEALTH || i == TELE_STMT_METRICS || i == TELE_STMT_METRIC_ADD ||
		    !strncmp(tele_stmt_text((enum tele_stmt)i)->name, "manager_", 8))
			out[n++] = (enum tele_stmt)i;
	return n;
}

static enum tele_err make_routes(struct route_table *routes)
{
	return route_table_make(routes, pages, sizeof pages / sizeof *pages, families, sizeof families / sizeof *families);
}

static int run(struct tele_conf *conf)
{
	enum tele_stmt stmts[TELE_STMT_COUNT];
	const struct tele_db_use use = {"telemanager", stmts, own_statements(stmts), NULL};
	struct telemanager t = {.manager = {.conf = conf, .metrics_lock = PTHREAD_MUTEX_INITIALIZER}};
	enum tele_err rc = TELE_NOMEM;

	serve_prepare();
	if (sodium_init() < 0 || tele_totp_init() != TELE_OK)
		return EXIT_FAILURE;
	t.manager.metrics = tele_metrics_new("telemanager", NULL);
	t.manager.pool = tele_pool_new(conf->database, &use, (int)conf->pages_connections);
	if (t.manager.pool)
		tele_pool_count(t.manager.pool, t.manager.metrics);
	if (t.manager.pool)
		rc = make_routes(&t.routes);
	if (rc == TELE_OK)
		rc = load_templates(&t.manager);
	if (rc == TELE_OK)
		rc = serve(ACCEPTORS, handle, reload, &t);
	tele_pool_free(t.manager.pool);
	tele_metrics_free(t.manager.metrics);
	tele_template_free(t.manager.templates);
	route_table_release(&t.routes);
	tele_log(TELE_INFO, "stopped");
	return rc == TELE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_routes(void)
{
	struct route_table routes = {0};
	struct tele_buf out = {0};
	enum tele_err rc = make_routes(&routes);

	if (rc == TELE_OK)
		route_table_print(&routes, &out);
	fputs(tele_buf_text(&out), stdout);
	tele_buf_release(&out);
	route_table_release(&routes);
	return rc == TELE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct tele_program telemanager = {"telemanager", "telemanager.fcgi",
	    "the admin pages. Started by spawn-fcgi, for example:\n"
	    "  spawn-fcgi -n -s /run/teleops/telemanager.sock -- telemanager.fcgi\n\n"
	    "  --routes    prints every address with the permission it needs, as JSON\n\n"
	    "  TERM, INT   takes no new request, finishes those begun\n"
	    "  HUP         reads the log settings and the templates again\n",
	    {"database", "template_dir"}, run};

	if (argc == 2 && !strcmp(argv[1], "--routes"))
		return print_routes();
	return tele_start(&telemanager, argc, argv);
}
