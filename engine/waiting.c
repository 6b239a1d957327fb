#include "engine/waiting.h"

#include "engine/files.h"

#include <stdlib.h>
#include <string.h>

void waiting_add(struct waiting *w, struct tele_task *task)
{
	struct tele_task *more = realloc(w->list, (w->n + 1) * sizeof *more);

	if (!more) {
		tele_task_release(task);
		return;
	}
	w->list = more;
	more[w->n++] = *task;
	memset(task, 0, sizeof *task);
}

struct tele_task *waiting_find(const struct waiting *w, long long id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].id == id)
			return &w->list[i];
	return NULL;
}

struct tele_task *waiting_lacking(const struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (files_lacking(&w->list[i]))
			return &w->list[i];
	return NULL;
}

struct tele_task waiting_take(struct waiting *w, struct tele_task *task)
{
	struct tele_task t = *task;

	memmove(task, task + 1, (size_t)(w->list + --w->n - task) * sizeof *task);
	return t;
}

void waiting_release(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		tele_task_release(&w->list[i]);
	free(w->list);
	memset(w, 0, sizeof *w);
}
