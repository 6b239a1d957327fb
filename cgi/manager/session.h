#ifndef MANAGER_SESSION_H
#define MANAGER_SESSION_H

#include "cgi/manager/route.h"

/* Who is visiting: the session gate that stands before every route. */

/* Finds out who it is: v->user, v->who, v->zone, v->token. TELE_OK also when it is nobody. */
enum tele_err session_find(struct visit *v) TELE_MUST;

/*
 * Lets a visit pass to its route, or answers itself: TELE_OK: go on. TELE_EMPTY: answered (sign in first). TELE_DENIED: not allowed,
 * or a form that is not ours.
 */
enum tele_err session_admit(struct visit *v) TELE_MUST;

/* A form without a session (to sign in) gets its token from a cookie of its own. */
void session_prepare_form(struct visit *v);

/* The token of the session's cookie, whether or not the session is anybody's yet. False: there is none. */
bool session_cookie_of(const struct visit *v, char token[TELE_SESSION_TOKEN + 1]);

/* From now on the browser is signed in with this token; what it had before is worth nothing. */
void session_begin(struct visit *v, const char *token);
void session_end(struct visit *v);

#endif
