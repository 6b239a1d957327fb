#ifndef CGI_SERVE_H
#define CGI_SERVE_H

#include "lib/err.h"

#include <fcgiapp.h>

/*
 * The accept loop of a FastCGI program: a thread a connection, since nginx keeps connections open and an acceptor belongs to its
 * connection as long as that lasts. On TERM or INT no new request is taken, those begun are finished, and serve returns.
 * The listening socket (descriptor 0, inherited from spawn-fcgi and shared with others) is left as it is.
 */
typedef void serve_handler(FCGX_Request *request, void *context);

/* Called for HUP, in the thread that waits for signals; may be NULL. */
typedef void serve_reload(void *context);

/* First thing in main: signals are for serve alone, so they are blocked before any thread is made. */
void serve_prepare(void);
/* threads acceptors with small stacks. TELE_SYSTEM: descriptor 0 is no socket, or no thread could be made. */
enum tele_err serve(int threads, serve_handler *handler, serve_reload *reload, void *context) TELE_MUST;

/* Writes a whole answer: status as "200 OK", type as "text/plain", extra header lines each ended by \r\n, or "". */
void serve_answer(FCGX_Request *request, const char *status, const char *type, const char *headers, const char *body);
/* A parameter of the request, "" when there is none. */
const char *serve_param(FCGX_Request *request, const char *name);

#endif
