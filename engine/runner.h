#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include "lib/conf.h"

#include <stdint.h>

/*
 * The runner is the half of teleengine that keeps root: no database, no network, one socket to the engine. For each request it
 * forks a supervisor, which starts the command and stays until the last descendant is gone.
 *
 * Who says what over the descriptors of a request: the output end carries what the command prints and closes when nobody
 * can print any more. The control end is a SOCK_SEQPACKET: the engine sends one byte to end the command; the supervisor sends
 * one struct run_report when none is left. When either end goes, the other sees it close: the supervisor then ends the command.
 * A third descriptor, where there is one, becomes the command's descriptor 3: its secrets, which nothing here reads. Files among its
 * arguments follow; the supervisor copies them into the command's directory (engine/work_dir.h). Before the report come the files that
 * the command has left there, a struct run_file each, with a descriptor.
 */
enum { RUN_REQUEST_MOST = 128 * 1024, RUN_WHY_MOST = 240, RUN_FILES_MOST = 8, RUN_NAME_MOST = 256 };

/* What is run: a program of exec_dir, or call_program, with what it shall ask on descriptor 3 (engine/call.h). */
enum run_kind { RUN_PROGRAM, RUN_SQL, RUN_HTTP };

/* Before the strings, each ended by NUL: program, argc arguments (without argv[0]), envc assignments, of each file its parameter and name. */
struct run_request {
	int64_t task, update;
	uint32_t kind; /* enum run_kind */
	uint32_t timeout_s, grace_s;
	uint32_t argc, envc;
	uint32_t secret; /* 1: there is a descriptor of secrets */
	uint32_t files;  /* descriptors that follow it */
};

struct run_report {
	int32_t exit_status; /* -1: none */
	int32_t signal;      /* -1: none */
	uint8_t started;     /* 0: why says what stood in the way */
	uint8_t timed_out;
	uint8_t cancelled;   /* ended because the engine said so, or went */
	uint32_t left_out;   /* files that it left, but that are not sent */
	char why[RUN_WHY_MOST];
};

struct run_file {
	int64_t size;
	char name[RUN_NAME_MOST];
};

/*
 * Forks the runner; *sock is the engine's end. The runner keeps no descriptor but its own end, standard error and keep_fd (a lock
 * that lasts as long as it and its supervisors do). TELE_SYSTEM: errno tells.
 */
enum tele_err runner_start(const struct tele_conf *conf, int keep_fd, int *sock) TELE_MUST;

/*
 * Asks for a command: size bytes of request and strings; secret and files are the descriptors that the request tells of, still the
 * caller's to close; secret -1: none. *output and *control are the engine's ends, both non-blocking.
 * TELE_INVALID: too large. TELE_RETRY: the runner is busy. TELE_SYSTEM: it is gone, or descriptors ran out; errno tells.
 */
enum tele_err runner_request(int sock, const void *request, size_t size, int secret, const int *files, int *output, int *control) TELE_MUST;

#endif
