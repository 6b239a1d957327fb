#ifndef TELE_LOG_H
#define TELE_LOG_H

/*
 * One line an event on standard error, logfmt: ts= level= prog= event= and what the event has to say.
 *	tele_log(TELE_INFO, "claimed", tele_int("task", id), tele_str("command", name));
 * Never hand it a token, a password or a secret argument.
 */
enum tele_level { TELE_ERROR, TELE_WARN, TELE_INFO, TELE_DEBUG };

struct tele_field {
	const char *key; /* NULL ends the list */
	const char *str; /* NULL: the number counts */
	long long num;
};

struct tele_field tele_str(const char *key, const char *value); /* value NULL is written as "" */
struct tele_field tele_int(const char *key, long long value);
struct tele_field tele_end(void);

/* prog must stay valid; level is one of error, warn, info, debug; format is logfmt or json. */
void tele_log_init(const char *prog, const char *level, const char *format);
void tele_log_write(enum tele_level level, const char *event, ...);

/* Between the two, this thread's lines are kept and written together: for what has many to write at once. */
void tele_log_hold(void);
void tele_log_let_go(void);

#define tele_log(level, ...) tele_log_write(level, __VA_ARGS__, tele_end())

#endif
