#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "engine/secrets.h"
#include "lib/conf.h"

/*
 * What telecall shall ask for a task of kind sql or http, as an object in a file that exists in memory only (engine/call.h): what the
 * command says, its arguments, the connection of this host, and the secrets, to which the connection's own is added.
 * TELE_NOTFOUND, TELE_DENIED, TELE_INVALID: why says for the chat what stands in the way. TELE_RETRY: no memory, no descriptor.
 */
enum tele_err ask_file(const struct tele_conf *conf, const struct tele_seal_ring *ring, const struct tele_task *task, struct secrets *secrets,
    int *fd, struct tele_buf *why) TELE_MUST;

#endif
