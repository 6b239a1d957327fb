#include "engine/offer.h"

#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void add_list(struct tele_array *to, const char *commas)
{
	char *list = commas ? strdup(commas) : NULL, *save = NULL;

	for (char *q = list ? strtok_r(list, ", ", &save) : NULL; q; q = strtok_r(NULL, ", ", &save))
		tele_array_str(to, q);
	free(list);
}

static void add_programs(struct tele_array *to, const char *exec_dir)
{
	DIR *d = opendir(exec_dir);
	struct dirent *f;

	if (!d)
		tele_log(TELE_WARN, "no_exec_dir", tele_str("exec_dir", exec_dir), tele_str("error", strerror(errno)));
	while (d && (f = readdir(d)))
		if (*f->d_name != '.' && !strstr(f->d_name, ".policy"))
			tele_array_str(to, f->d_name);
	if (d)
		closedir(d);
}

void offer_read(struct offer *o, const struct tele_conf *conf)
{
	tele_array_reset(&o->queues);
	tele_array_reset(&o->labels);
	tele_array_reset(&o->programs);
	add_list(&o->queues, conf->queues);
	add_list(&o->labels, conf->engine_labels);
	add_programs(&o->programs, conf->exec_dir);
}

void offer_release(struct offer *o)
{
	tele_array_release(&o->queues);
	tele_array_release(&o->labels);
	tele_array_release(&o->programs);
}
