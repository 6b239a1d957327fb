#ifndef ENGINE_LOOP_H
#define ENGINE_LOOP_H

#include "lib/conf.h"

/*
 * The engine's life: registers, claims, runs, finishes, until TERM or INT. runner is the socket to the runner. conf is changed by HUP;
 * the runner keeps what it was forked with.
 * Returns the process's exit status: 0 after a stop in good order, 1 when the runner went away.
 */
int loop_run(struct tele_conf *conf, int runner);

#endif
