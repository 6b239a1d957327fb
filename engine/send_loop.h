#ifndef ENGINE_SEND_LOOP_H
#define ENGINE_SEND_LOOP_H

#include "lib/conf.h"

/* The sender's life, until TERM or INT. conf may be changed by HUP. Returns the process's exit status. */
int send_loop(struct tele_conf *conf);

#endif
