/*
 * TeleManager: the admin pages. It holds the role teleops_manager. Requests go through one table of routes.
 */
#include "cgi/manager/metrics.h"
#include "cgi/serve.h"
#include "lib/conf.h"
#include "lib/db.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/start.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEALTH_MS = 2000, METRICS_MS = 5000, ACCEPTORS = 32, PAGE_MOST = 1024 * 1024 };

/* Pages tell a browser nothing it could misuse; nginx adds what belongs to TLS. */
#define PAGE_HEADERS \
	"Cache-Control: no-store\r\n" \
	"Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n" \
	"X-Content-Type-Options: nosniff\r\n" \
	"Referrer-Policy: no-referrer\r\n"

struct manager {
	const struct tele_conf *conf;
	struct tele_metrics *metrics;
	pthread_mutex_t lock; /* db is one connection, used by one thread at a time */
	struct tele_db *db;
	char *about; /* the page at / */
	char *missing;
};

static void show_about(struct manager *m, FCGX_Request *r)
{
	serve_answer(r, "200 OK", "text/html; charset=utf-8", PAGE_HEADERS, m->about);
}

static void show_health(struct manager *m, FCGX_Request *r)
{
	struct tele_buf body = {0};
	PGresult *res = NULL;
	enum tele_err rc;

	pthread_mutex_lock(&m->lock);
	rc = tele_db_run(m->db, TELE_STMT_HEALTH, NULL, HEALTH_MS, &res);
	pthread_mutex_unlock(&m->lock);
	if (rc == TELE_OK)
		tele_buf_printf(&body, "{\"status\":\"ok\",\"database\":true,\"schema\":%lld,\"tasks\":%lld,\"outbox\":%lld,\"engines\":%lld}\n",
		    tele_db_int(res, 0, 0), tele_db_int(res, 0, 1), tele_db_int(res, 0, 2), tele_db_int(res, 0, 3));
	else
		tele_buf_str(&body, "{\"status\":\"unavailable\",\"database\":false}\n");
	serve_answer(r, rc == TELE_OK ? "200 OK" : "503 Service Unavailable", "application/json", "Cache-Control: no-store\r\n",
	    tele_buf_text(&body));
	PQclear(res);
	tele_buf_release(&body);
}

/* This program has nothing to do between requests: it tells its own figures when somebody asks for all. */
static void store_metrics(struct manager *m)
{
	const char *const *values = tele_metrics_take(m->metrics);
	PGresult *res = NULL;

	if (values && tele_db_run(m->db, TELE_STMT_METRIC_ADD, values, METRICS_MS, &res) == TELE_OK && tele_db_bool(res, 0, 0))
		tele_metrics_stored(m->metrics);
	PQclear(res);
}

static void show_metrics(struct manager *m, FCGX_Request *r)
{
	PGresult *res = NULL;
	enum tele_err rc;

	if (!metrics_allowed(m->conf, r)) {
		metrics_refuse(r);
		return;
	}
	pthread_mutex_lock(&m->lock);
	rc = tele_db_wait(m->db, HEALTH_MS);
	if (rc == TELE_OK) {
		store_metrics(m);
		rc = tele_db_run(m->db, TELE_STMT_METRICS, NULL, METRICS_MS, &res);
		if (rc != TELE_OK)
			tele_log(TELE_ERROR, "no_metrics", tele_str("error", tele_db_error(m->db)));
	}
	pthread_mutex_unlock(&m->lock);
	metrics_answer(r, rc == TELE_OK ? res : NULL);
	PQclear(res);
}

static const struct route {
	const char *path;
	void (*show)(struct manager *m, FCGX_Request *r);
} routes[] = {
    {"/", show_about},
    {"/healthz", show_health},
    {"/metrics", show_metrics},
};

static void handle(FCGX_Request *r, void *context)
{
	struct manager *m = context;
	const char *path = serve_param(r, "SCRIPT_NAME");
	const char *method = serve_param(r, "REQUEST_METHOD");

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (strcmp(routes[i].path, path))
			continue;
		if (strcmp(method, "GET") && strcmp(method, "HEAD"))
			serve_answer(r, "405 Method Not Allowed", "text/plain", "Allow: GET, HEAD\r\n", "This page can only be looked at.\n");
		else
			routes[i].show(m, r);
		return;
	}
	serve_answer(r, "404 Not Found", "text/html; charset=utf-8", PAGE_HEADERS, m->missing);
}

static char *read_page(const char *directory, const char *name)
{
	struct tele_buf path = {0}, page = {0};
	char part[4096];
	size_t n;
	FILE *f;

	tele_buf_printf(&path, "%s/%s", directory, name);
	f = fopen(tele_buf_text(&path), "re");
	if (!f)
		tele_log(TELE_ERROR, "no_template", tele_str("file", tele_buf_text(&path)), tele_str("error", strerror(errno)),
		    tele_str("todo", "set template_dir"));
	tele_buf_release(&path);
	if (!f)
		return NULL;
	while (page.len < PAGE_MOST && (n = fread(part, 1, sizeof part, f)) > 0)
		tele_buf_add(&page, part, n);
	fclose(f);
	return tele_buf_detach(&page);
}

static void reload(void *context)
{
	(void)context;
	tele_reload_log("telemanager");
}

static int run(struct tele_conf *conf)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_HEALTH, TELE_STMT_METRICS, TELE_STMT_METRIC_ADD};
	static const struct tele_db_use use = {"telemanager", stmts, sizeof stmts / sizeof *stmts, NULL};
	struct manager m = {.conf = conf, .lock = PTHREAD_MUTEX_INITIALIZER};
	enum tele_err rc = TELE_SYSTEM;

	serve_prepare();
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	m.metrics = tele_metrics_new("telemanager", NULL);
	m.about = read_page(conf->template_dir, "about.html");
	m.missing = read_page(conf->template_dir, "missing.html");
	m.db = tele_db_new(conf->database, &use);
	if (m.db)
		tele_db_count(m.db, m.metrics);
	if (m.about && m.missing && m.db)
		rc = serve(ACCEPTORS, handle, reload, &m);
	tele_db_free(m.db);
	tele_metrics_free(m.metrics);
	free(m.about);
	free(m.missing);
	tele_log(TELE_INFO, "stopped");
	return rc == TELE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct tele_program telemanager = {"telemanager", "telemanager.fcgi",
	    "the admin pages. Started by spawn-fcgi, for example:\n"
	    "  spawn-fcgi -n -s /run/teleops/telemanager.sock -- telemanager.fcgi\n\n"
	    "  TERM, INT   takes no new request, finishes those begun\n"
	    "  HUP         reads the log settings again\n",
	    {"database", "template_dir"}, run};

	return tele_start(&telemanager, argc, argv);
}
