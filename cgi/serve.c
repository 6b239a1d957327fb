#include "cgi/serve.h"

#include "lib/log.h"
#include "lib/notify.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { STACK = 256 * 1024 };

struct acceptor {
	pthread_t thread;
	struct server *server;
	atomic_bool waiting; /* between requests: may be interrupted */
	atomic_bool gone;
};

struct server {
	serve_handler *handler;
	void *context;
	atomic_bool stopping;
	struct acceptor *acceptors;
	int count;
};

static void wake(int sig)
{
	/* Only there so that accept and read return. */
	(void)sig;
}

static void *accept_loop(void *arg)
{
	struct acceptor *a = arg;
	FCGX_Request request;

	if (FCGX_InitRequest(&request, 0, FCGI_FAIL_ACCEPT_ON_INTR)) {
		a->gone = true;
		return NULL;
	}
	while (!a->server->stopping) {
		a->waiting = true;
		if (FCGX_Accept_r(&request) < 0) {
			if (a->server->stopping)
				break;
			continue;
		}
		a->waiting = false;
		a->server->handler(&request, a->server->context);
		FCGX_Finish_r(&request);
	}
	a->waiting = false;
	FCGX_Free(&request, 1);
	a->gone = true;
	return NULL;
}

static int start(struct server *s)
{
	pthread_attr_t attr;
	int made = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (; made < s->count; made++) {
		s->acceptors[made].server = s;
		if (pthread_create(&s->acceptors[made].thread, &attr, accept_loop, &s->acceptors[made]))
			break;
	}
	pthread_attr_destroy(&attr);
	return made;
}

static int wake_waiting(struct server *s)
{
	int left = 0;

	for (int i = 0; i < s->count; i++) {
		if (s->acceptors[i].gone)
			continue;
		left++;
		if (s->acceptors[i].waiting)
			pthread_kill(s->acceptors[i].thread, SIGUSR1);
	}
	return left;
}

/* A signal can fall between the test of the flag and the system call, so waiting threads are woken until they are gone. */
static void join_all(struct server *s)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	s->stopping = true;
	FCGX_ShutdownPending();
	while (wake_waiting(s))
		nanosleep(&pause, NULL);
	for (int i = 0; i < s->count; i++)
		pthread_join(s->acceptors[i].thread, NULL);
}

static sigset_t stop_and_reload(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void serve_prepare(void)
{
	struct sigaction waker = {.sa_handler = wake};
	sigset_t set = stop_and_reload();

	sigaction(SIGUSR1, &waker, NULL);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void wait_for_signals(serve_reload *reload, void *context)
{
	sigset_t set = stop_and_reload();
	int sig;

	for (;;) {
		if (sigwait(&set, &sig))
			continue;
		if (sig != SIGHUP)
			return;
		if (reload)
			reload(context);
	}
}

enum tele_err serve(int threads, serve_handler *handler, serve_reload *reload, void *context)
{
	struct server s = {.handler = handler, .context = context, .count = threads};
	int type;
	socklen_t size = sizeof type;

	if (getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &size) || FCGX_Init()) {
		tele_log(TELE_ERROR, "no_socket", tele_str("todo", "start it with spawn-fcgi or a socket unit, which give the listening socket as descriptor 0"));
		return TELE_SYSTEM;
	}
	s.acceptors = calloc((size_t)threads, sizeof *s.acceptors);
	if (!s.acceptors)
		return TELE_NOMEM;
	s.count = start(&s);
	if (s.count < threads)
		tele_log(TELE_WARN, "fewer_acceptors", tele_int("wanted", threads), tele_int("made", s.count), tele_str("todo", "raise the process limit (ulimit -u)"));
	tele_log(TELE_INFO, "started", tele_int("acceptors", s.count));
	tele_notify_ready();
	wait_for_signals(reload, context);
	tele_log(TELE_INFO, "stopping");
	tele_notify_stopping();
	join_all(&s);
	free(s.acceptors);
	return TELE_OK;
}

void serve_answer(FCGX_Request *request, const char *status, const char *type, const char *headers, const char *body)
{
	FCGX_FPrintF(request->out, "Status: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n", status, type, (int)strlen(body), headers);
	FCGX_PutStr(body, (int)strlen(body), request->out);
}

const char *serve_param(FCGX_Request *request, const char *name)
{
	const char *value = FCGX_GetParam(name, request->envp);

	return value ? value : "";
}
