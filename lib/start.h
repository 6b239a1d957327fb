#ifndef TELE_START_H
#define TELE_START_H

#include "lib/conf.h"

/* How the four long-running programs begin, and what HUP means to all of them. */
struct tele_program {
	const char *name;  /* in logs */
	const char *file;  /* as it is called */
	const char *about; /* for --help: what it is, how it is started, its signals; whole lines */
	const char *needed[5]; /* settings without which it does not start; NULL-terminated */
	int (*run)(struct tele_conf *conf); /* gives the exit status */
};

/* Takes --help, reads the settings, begins the log, runs. The exit status: 2 for wrong usage. */
int tele_start(const struct tele_program *program, int argc, char **argv);

/*
 * Reads the settings again. Those of the log count at once; what else may change is in *fresh, which the caller releases.
 * TELE_INVALID: what is wrong is in the log, nothing changed, nothing is to be released.
 */
enum tele_err tele_reload(const char *name, struct tele_conf *fresh) TELE_MUST;

/* The same for a program in which only the log can change while it runs. */
void tele_reload_log(const char *name);

#endif
