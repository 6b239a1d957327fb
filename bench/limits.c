/*
 * Limits to measure against: what the least of programs needs for what TeleOps does. Each mode prints its figures in one line.
 *	limits pickup N CONNINFO             ms from before an INSERT until another connection, rung by NOTIFY, has claimed the row: p50 p99
 *	limits commits N CONNINFO            ms of an INSERT of one row with its commit: p50
 *	limits spawn N FLIGHT PROGRAM ARG    posix_spawn, so many in flight: a second; ms from start to end: p50
 *	limits runner N FLIGHT PROGRAM ARG   the same through teleengine's own runner and supervisor, with its settings
 */
#include "engine/runner.h"
#include "lib/conf.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1000000, FLIGHT_MOST = 64, PAUSE_US = 3000, PATIENCE_MS = 60000 };

extern char **environ;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nearest rank; sorts them. */
static double percentile(double *ms, int n, int p)
{
	qsort(ms, (size_t)n, sizeof *ms, by_size);
	return ms[(n * p + 99) / 100 - 1];
}

static double *numbers(int n)
{
	double *made = calloc((size_t)n, sizeof *made);

	if (made)
		return made;
	fprintf(stderr, "limits: no memory\n");
	exit(EXIT_FAILURE);
}

static void check(PGconn *c, PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	PQclear(r);
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return;
	fprintf(stderr, "limits: %s", PQerrorMessage(c));
	exit(EXIT_FAILURE);
}

static PGconn *open_database(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) == CONNECTION_OK)
		return c;
	fprintf(stderr, "limits: %s", PQerrorMessage(c));
	exit(EXIT_FAILURE);
}

static PGconn *open_table(const char *conninfo)
{
	PGconn *c = open_database(conninfo);

	check(c, PQexec(c, "SET client_min_messages = warning; DROP TABLE IF EXISTS bench_floor;"
			   "CREATE TABLE bench_floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer NOT NULL, state smallint NOT NULL DEFAULT 0);"
			   "CREATE INDEX ON bench_floor (id) WHERE state = 0"));
	return c;
}

static void insert(PGconn *c, int n)
{
	char text[16];

	snprintf(text, sizeof text, "%d", n);
	check(c, PQexecPrepared(c, "insert", 1, (const char *[]){text}, NULL, NULL, 0));
}

struct worker {
	PGconn *db;
	int n;
	double *got;
};

static void drop_rings(PGconn *c)
{
	PGnotify *ring;

	PQconsumeInput(c);
	while ((ring = PQnotifies(c)))
		PQfreemem(ring);
}

static void *claim(void *arg)
{
	struct worker *w = arg;
	double give_up = now_ms() + PATIENCE_MS;

	for (int got = 0; got < w->n && now_ms() < give_up;) {
		PGresult *r = PQexecPrepared(w->db, "claim", 0, NULL, NULL, NULL, 0);
		double at = now_ms();
		struct pollfd p = {.fd = PQsocket(w->db), .events = POLLIN};

		if (PQntuples(r) == 1) {
			w->got[atoi(PQgetvalue(r, 0, 0))] = at;
			got++;
			PQclear(r);
			continue;
		}
		check(w->db, r);
		drop_rings(w->db);
		poll(&p, 1, 1000);
		drop_rings(w->db);
	}
	return NULL;
}

static int pickup(int n, char **argv)
{
	PGconn *db = open_table(argv[0]);
	struct worker w = {open_database(argv[0]), n, numbers(n)};
	double *before = numbers(n);
	pthread_t thread;

	check(w.db, PQexec(w.db, "LISTEN bench_floor"));
	check(w.db, PQprepare(w.db, "claim",
			"WITH next AS (SELECT id FROM bench_floor WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) "
			"UPDATE bench_floor f SET state = 1 FROM next WHERE f.id = next.id RETURNING f.n", 0, NULL));
	check(db, PQprepare(db, "insert", "WITH made AS (INSERT INTO bench_floor (n) VALUES ($1)) SELECT pg_notify('bench_floor', '')", 1, NULL));
	if (pthread_create(&thread, NULL, claim, &w))
		return EXIT_FAILURE;
	usleep(100000);
	for (int i = 0; i < n; i++) {
		before[i] = now_ms();
		insert(db, i);
		usleep(PAUSE_US);
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < n; i++) {
		if (w.got[i] <= 0) {
			fprintf(stderr, "limits: row %d was never claimed\n", i);
			return EXIT_FAILURE;
		}
		w.got[i] -= before[i];
	}
	printf("%.4f %.4f\n", percentile(w.got, n, 50), percentile(w.got, n, 99));
	free(before);
	free(w.got);
	PQfinish(w.db);
	PQfinish(db);
	return EXIT_SUCCESS;
}

static int commits(int n, char **argv)
{
	PGconn *db = open_table(argv[0]);
	double *ms = numbers(n);

	check(db, PQprepare(db, "insert", "INSERT INTO bench_floor (n) VALUES ($1)", 1, NULL));
	for (int i = 0; i < n; i++) {
		double begin = now_ms();

		insert(db, i);
		ms[i] = now_ms() - begin;
		usleep(PAUSE_US);
	}
	printf("%.4f\n", percentile(ms, n, 50));
	free(ms);
	PQfinish(db);
	return EXIT_SUCCESS;
}

static int said(double began, double *ms, int n)
{
	double seconds = (now_ms() - began) / 1000;

	printf("%.1f %.4f\n", n / seconds, percentile(ms, n, 50));
	free(ms);
	return EXIT_SUCCESS;
}

/* -- processes, as bare as can be */

struct child {
	pid_t pid;
	double began;
};

/* The place of the child that ended; -1: none did. */
static int await_child(const struct child *children, int flight)
{
	int status, at = 0;
	pid_t pid = wait(&status);

	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return -1;
	while (at < flight && children[at].pid != pid)
		at++;
	return at < flight ? at : -1;
}

static int spawn(int n, char **argv)
{
	struct child children[FLIGHT_MOST] = {{0}};
	posix_spawn_file_actions_t actions;
	int flight = atoi(argv[0]);
	double *ms = numbers(n), began = now_ms();

	if (posix_spawn_file_actions_init(&actions) || posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0))
		return EXIT_FAILURE;
	/* Once all places are taken, each that ends makes room for the next. */
	for (int i = 0; i < n + flight; i++) {
		int at = i < flight ? i : await_child(children, flight);

		if (at < 0)
			return EXIT_FAILURE;
		if (i >= flight)
			ms[i - flight] = now_ms() - children[at].began;
		children[at].began = now_ms();
		if (i < n && posix_spawn(&children[at].pid, argv[1], &actions, NULL, argv + 1, environ))
			return EXIT_FAILURE;
	}
	posix_spawn_file_actions_destroy(&actions);
	return said(began, ms, n);
}

/* -- the same through the runner */

struct run {
	int output, control;
	double began;
};

static bool start_run(int sock, const void *message, size_t size, struct run *run)
{
	run->began = now_ms();
	return runner_request(sock, message, size, -1, NULL, &run->output, &run->control) == TELE_OK;
}

/* False: it could not be run. Its output was none. */
static bool end_run(struct run *run)
{
	struct run_report report = {0};
	bool well = read(run->control, &report, sizeof report) == sizeof report && report.started;

	if (!well)
		fprintf(stderr, "limits: %s\n", report.why);
	close(run->control);
	close(run->output);
	return well;
}

static struct pollfd *ends_of(const struct run *runs, struct pollfd *p, int flight)
{
	for (int i = 0; i < flight; i++)
		p[i] = (struct pollfd){.fd = runs[i].control, .events = POLLIN};
	return p;
}

static int loop_runs(int sock, int n, int flight, const struct tele_buf *message)
{
	struct run runs[FLIGHT_MOST];
	struct pollfd p[FLIGHT_MOST];
	struct run_request head;
	double *ms = numbers(n), began = now_ms();
	int started = 0, ended = 0;

	memcpy(&head, message->data, sizeof head);
	for (int i = 0; i < FLIGHT_MOST; i++)
		runs[i].control = -1;
	while (ended < n) {
		for (int i = 0; i < flight; i++) {
			if (runs[i].control >= 0 || started == n)
				continue;
			head.task = ++started;
			memcpy(message->data, &head, sizeof head);
			if (!start_run(sock, message->data, message->len, &runs[i]))
				return EXIT_FAILURE;
		}
		if (poll(ends_of(runs, p, flight), (nfds_t)flight, PATIENCE_MS) <= 0)
			return EXIT_FAILURE;
		for (int i = 0; i < flight; i++) {
			if (runs[i].control < 0 || !p[i].revents)
				continue;
			if (!end_run(&runs[i]))
				return EXIT_FAILURE;
			ms[ended++] = now_ms() - runs[i].began;
			runs[i].control = -1;
		}
	}
	return said(began, ms, n);
}

static int runner(int n, char **argv)
{
	struct run_request head = {.kind = RUN_PROGRAM, .timeout_s = 60, .grace_s = 5, .argc = argv[2] ? 1 : 0};
	struct tele_buf message = {0};
	struct tele_conf conf;
	int sock, rc = EXIT_FAILURE;

	if (tele_conf_load(&conf, &message) != TELE_OK || runner_start(&conf, -1, &sock) != TELE_OK) {
		fprintf(stderr, "limits: no runner: %s\n", tele_buf_text(&message));
	} else {
		tele_buf_release(&message);
		tele_buf_add(&message, &head, sizeof head);
		for (char **word = argv + 1; *word; word++)
			tele_buf_add(&message, *word, strlen(*word) + 1);
		if (!message.failed)
			rc = loop_runs(sock, n, atoi(argv[0]), &message);
		close(sock);
	}
	tele_buf_release(&message);
	tele_conf_release(&conf);
	return rc;
}

static const struct mode {
	const char *name;
	int least, most; /* arguments after N */
	int (*run)(int n, char **argv);
} modes[] = {{"pickup", 1, 1, pickup}, {"commits", 1, 1, commits}, {"spawn", 2, 3, spawn}, {"runner", 2, 3, runner}};

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		const struct mode *m = &modes[i];
		bool flight = m->least > 1;

		if (argc < 2 || strcmp(argv[1], m->name) || argc - 3 < m->least || argc - 3 > m->most)
			continue;
		if (n < 1 || n > MOST || (flight && (atoi(argv[3]) < 1 || atoi(argv[3]) > FLIGHT_MOST || atoi(argv[3]) > n)))
			break;
		return m->run(n, argv + 3);
	}
	fprintf(stderr, "usage: limits pickup|commits N CONNINFO | spawn|runner N FLIGHT PROGRAM [ARG]\n");
	return 2;
}
