#ifndef ENGINE_WAITING_H
#define ENGINE_WAITING_H

#include "lib/task.h"

/* Tasks that are claimed, but have not begun: the runner was busy, or files of theirs are still to come. */
struct waiting {
	struct tele_task *list;
	size_t n;
};

/* Takes the task over. Without memory it is released; its expired lease will tell of it. */
void waiting_add(struct waiting *w, struct tele_task *task);
/* NULL: it does not wait here. Valid until the next change. */
struct tele_task *waiting_find(const struct waiting *w, long long id);
/* The first of which a file is still to come; NULL: none. */
struct tele_task *waiting_lacking(const struct waiting *w);
/* Takes one off the list; the caller's to release. */
struct tele_task waiting_take(struct waiting *w, struct tele_task *task);
void waiting_release(struct waiting *w);

#endif
