#ifndef TELE_SESSION_H
#define TELE_SESSION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What sessions of browsers are made of: random tokens, of which the database knows the hash alone, and the form token that follows
 * from a session's. sodium_init comes before all of it.
 */
enum {
	TELE_SESSION_TOKEN = 43, /* 256 bits in base64url, without the closing NUL */
	TELE_SESSION_HASH = 64   /* SHA-256 in hexadecimal, without the closing NUL */
};

void tele_session_token(char out[TELE_SESSION_TOKEN + 1]);
/* False: this cannot be one of ours. */
bool tele_session_is_token(const char *text);
/* SHA-256 of a text, a token for one: what is kept of it. */
void tele_session_hash(const char *text, char out[TELE_SESSION_HASH + 1]);
/* The token that forms of this session carry. Nobody can tell the session's token from it. */
void tele_session_form_token(const char *token, char out[TELE_SESSION_TOKEN + 1]);
/* In constant time; given may be anything. */
bool tele_session_form_fits(const char *token, const char *given);
/* Whether a place to go to after signing in is one of our own: a path, not another host's address. */
bool tele_session_is_local(const char *place);

#endif
