#ifndef ENGINE_SECRETS_H
#define ENGINE_SECRETS_H

#include "lib/seal.h"
#include "lib/task.h"

/*
 * The secret arguments of a task, opened. Open them when they are needed and not before, wipe them at once after: a value is one
 * that a statement is given as a bound parameter, a request as part of it, or a command on descriptor 3. It goes into no log, no
 * argument vector and no text.
 */
struct secrets {
	struct secret {
		const char *name; /* the task's */
		char *value;
	} *list;
	size_t n;
};

/* ring NULL: this engine has no keys. TELE_OK, also when there are none; else why says for the chat what stands in the way. */
enum tele_err secrets_open(const struct tele_seal_ring *ring, const struct tele_task *task, struct secrets *s, struct tele_buf *why) TELE_MUST;
/*
 * Opens one more, sealed for owner (see engine/connection.h), as name, which stays the caller's; results as above. After an error s is
 * as it was.
 */
enum tele_err secrets_add(const struct tele_seal_ring *ring, const char *owner, const char *name, const char *sealed, struct secrets *s,
    struct tele_buf *why) TELE_MUST;
/* NULL: there is none of that name. */
const char *secrets_value(const struct secrets *s, const char *name);
/* Overwrites all and frees; s may be used again. */
void secrets_wipe(struct secrets *s);

/*
 * All as one JSON object of texts and a line end, in a file that exists in memory only, that nobody can write to, and which *fd
 * reads from its beginning. The caller closes it. TELE_SYSTEM: errno tells. TELE_NOMEM.
 */
enum tele_err secrets_file(const struct secrets *s, int *fd) TELE_MUST;
/* The same, as member "secrets" of the object that head is, as text; it must have members of its own, and none of that name. */
enum tele_err secrets_file_with(const char *head, const struct secrets *s, int *fd) TELE_MUST;

#endif
