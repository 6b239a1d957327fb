#ifndef ENGINE_SUPERVISOR_H
#define ENGINE_SUPERVISOR_H

#include "engine/runner.h"

/* A request taken apart; pointers into the message. */
struct supervisor_job {
	struct run_request head;
	const char *program;
	char **argv; /* argv[0] is the program's name, NULL at the end */
	char **envp; /* NULL at the end, room for what the supervisor adds */
	int output, control;
	const int *files; /* head.files of them */
	char **names;     /* of each its parameter and name */
	int secret; /* becomes the command's descriptor 3; -1: none */
};

/* The whole life of a supervisor, in a process of its own. Returns the process's exit status. */
int supervise(const struct tele_conf *conf, const struct supervisor_job *job);

#endif
