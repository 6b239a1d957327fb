#include "lib/template.h"

#include "lib/log.h"
#include "lib/mustache.h"
#include "lib/render.h"

#include <errno.h>
#include <fts.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char suffix[] = ".html";

/* All that was compiled together; not changed once it is linked. */
struct set {
	struct tele_mustache *list; /* by name */
	size_t n, room;
	int users;
};

struct tele_templates {
	char *directory; /* NULL: from memory */
	pthread_mutex_t lock; /* of the pointer; see hold */
	struct set *set;
};

static void drop(struct set *set)
{
	if (!set || __atomic_sub_fetch(&set->users, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < set->n; i++)
		tele_mustache_release(&set->list[i]);
	free(set->list);
	free(set);
}

/* The present set, which stays until it is dropped. */
static struct set *hold(struct tele_templates *t)
{
	struct set *set;

	pthread_mutex_lock(&t->lock);
	set = t->set;
	__atomic_add_fetch(&set->users, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->lock);
	return set;
}

static void replace(struct tele_templates *t, struct set *set)
{
	struct set *old;

	pthread_mutex_lock(&t->lock);
	old = t->set;
	t->set = set;
	pthread_mutex_unlock(&t->lock);
	drop(old);
}

static struct set *new_set(void)
{
	struct set *set = calloc(1, sizeof *set);

	if (set)
		set->users = 1;
	return set;
}

/* Compiles one more; name and file become its own. TELE_INVALID leaves a set that is of no use but to be dropped. */
static enum tele_err add(struct set *set, char *name, char *file, const char *text, size_t n, bool whole, struct tele_buf *why)
{
	struct tele_mustache *m;

	if (set->n == set->room) {
		size_t room = set->room ? set->room * 2 : 32;
		struct tele_mustache *more = realloc(set->list, room * sizeof *more);

		if (more) {
			set->list = more;
			set->room = room;
		}
	}
	if (set->n == set->room || !name || !file) {
		free(name);
		free(file);
		return TELE_NOMEM;
	}
	m = &set->list[set->n++];
	*m = (struct tele_mustache){.name = name, .file = file};
	return tele_mustache_compile(m, text, n, whole, why);
}

/* By name */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tele_mustache *)a)->name, ((const struct tele_mustache *)b)->name);
}

static int name_is(const void *name, const void *m)
{
	return strcmp(name, ((const struct tele_mustache *)m)->name);
}

static const struct tele_mustache *find(const struct set *set, const char *name)
{
	return set->n ? bsearch(name, set->list, set->n, sizeof *set->list, name_is) : NULL;
}

/* Sorts the set and points each call at its template. */
static enum tele_err link_set(struct set *set, struct tele_buf *why)
{
	enum tele_err rc = TELE_OK;

	if (set->n)
		qsort(set->list, set->n, sizeof *set->list, by_name);
	for (size_t i = 0; i < set->n; i++) {
		struct tele_mustache *m = &set->list[i];

		if (i && !by_name(m, m - 1)) {
			tele_buf_printf(why, "%s:1: there are two templates of this name\n", m->file);
			rc = TELE_INVALID;
		}
		for (uint32_t s = 0; s < m->nsteps; s++)
			if (m->steps[s].op == TELE_OP_CALL)
				m->steps[s].target = find(set, tele_mustache_name(m, &m->steps[s]));
	}
	return rc;
}

/* Check */

static bool has_block(const struct tele_mustache *m, const char *name)
{
	for (uint32_t i = 0; i < m->nsteps; i++)
		if (m->steps[i].op == TELE_OP_BLOCK && !strcmp(tele_mustache_name(m, &m->steps[i]), name))
			return true;
	return false;
}

/* Adds what m calls to the list, each once. */
static void add_called(const struct set *set, const struct tele_mustache *m, const struct tele_mustache **list, size_t *n, bool *listed)
{
	for (uint32_t i = 0; i < m->nsteps; i++) {
		const struct tele_mustache *target = m->steps[i].target;

		if (!target || listed[target - set->list])
			continue;
		listed[target - set->list] = true;
		list[(*n)++] = target;
	}
}

/* Whether m or what it calls, near or far, has the block. list and listed have room for all templates. */
static bool offers(const struct set *set, const struct tele_mustache *m, const char *name, const struct tele_mustache **list, bool *listed)
{
	size_t n = 1;

	memset(listed, 0, set->n * sizeof *listed);
	listed[m - set->list] = true;
	list[0] = m;
	for (size_t i = 0; i < n; i++) {
		if (has_block(list[i], name))
			return true;
		add_called(set, list[i], list, &n, listed);
	}
	return false;
}

static void check_call(const struct set *set, const struct tele_mustache *m, const struct tele_step *s, const struct tele_mustache **list,
    bool *listed, struct tele_buf *why)
{
	const char *called = tele_mustache_name(m, s);

	if (!s->target) {
		tele_buf_printf(why, "%s:%u: there is no template %s\n", m->file, s->source, called);
		return;
	}
	for (uint32_t i = (uint32_t)(s - m->steps) + 1; i < s->jump; i = m->steps[i].jump) {
		const char *name = tele_mustache_name(m, &m->steps[i]);

		if (!offers(set, s->target, name, list, listed))
			tele_buf_printf(why, "%s:%u: %s has no block %s\n", m->file, m->steps[i].source, called, name);
	}
}

static enum tele_err check(const struct set *set, struct tele_buf *why)
{
	const struct tele_mustache **list = calloc(set->n + 1, sizeof *list);
	bool *listed = calloc(set->n + 1, sizeof *listed);
	size_t before = why->len;
	enum tele_err rc = TELE_NOMEM;

	if (list && listed) {
		for (size_t i = 0; i < set->n; i++)
			for (uint32_t s = 0; s < set->list[i].nsteps; s++)
				if (set->list[i].steps[s].op == TELE_OP_CALL)
					check_call(set, &set->list[i], &set->list[i].steps[s], list, listed, why);
		rc = why->len > before ? TELE_INVALID : TELE_OK;
	}
	free(list);
	free(listed);
	return rc;
}

/* From files */

static enum tele_err read_file(const char *path, struct tele_buf *text, struct tele_buf *why)
{
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;
	int error = errno;

	/* One byte too many is enough for the compiler to refuse it. */
	while (f && text->len <= TELE_MUSTACHE_MOST && (n = fread(part, 1, sizeof part, f)) > 0)
		tele_buf_add(text, part, n);
	if (f) {
		error = ferror(f) ? errno : 0;
		fclose(f);
	}
	if (error)
		tele_buf_printf(why, "%s: %s\n", path, strerror(error));
	return error ? TELE_SYSTEM : text->failed ? TELE_NOMEM : TELE_OK;
}

/* path below the directory, of length skip with its slash, without the suffix. */
static char *name_of(const char *path, size_t skip)
{
	return strndup(path + skip, strlen(path) - skip - (sizeof suffix - 1));
}

static bool is_template(const FTSENT *e)
{
	size_t n = e->fts_namelen;

	return n >= sizeof suffix && !strcmp(e->fts_name + n - (sizeof suffix - 1), suffix);
}

/* Why an entry cannot be read; NULL: it can, or need not be. */
static const char *trouble_of(const FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return strerror(e->fts_errno);
	case FTS_DC:
		return "leads back into itself";
	case FTS_SLNONE:
		return is_template(e) ? "leads nowhere" : NULL;
	case FTS_D:
	case FTS_DP:
		return NULL;
	default:
		return e->fts_level ? NULL : "is no directory";
	}
}

static enum tele_err load_file(struct set *set, const FTSENT *e, size_t skip, struct tele_buf *why)
{
	struct tele_buf text = {0};
	enum tele_err rc = read_file(e->fts_path, &text, why);

	if (rc == TELE_OK)
		rc = add(set, name_of(e->fts_path, skip), strdup(e->fts_path), tele_buf_text(&text), text.len, false, why);
	tele_buf_release(&text);
	return rc;
}

/* Goes on after an error, so that all are told at once; the worst counts. */
static enum tele_err load_tree(struct set *set, FTS *tree, size_t skip, struct tele_buf *why)
{
	enum tele_err worst = TELE_OK;
	FTSENT *e;

	while (errno = 0, (e = fts_read(tree))) {
		const char *trouble = trouble_of(e);
		enum tele_err rc = TELE_OK;

		if (e->fts_level > 0 && e->fts_name[0] == '.') {
			fts_set(tree, e, FTS_SKIP);
			continue;
		}
		if (trouble) {
			tele_buf_printf(why, "%s: %s\n", e->fts_path, trouble);
			rc = TELE_SYSTEM;
		} else if (e->fts_info == FTS_F && is_template(e)) {
			rc = load_file(set, e, skip, why);
		}
		worst = rc > worst ? rc : worst;
	}
	if (errno) {
		tele_buf_printf(why, "%s\n", strerror(errno));
		worst = TELE_SYSTEM;
	}
	return worst;
}

static int in_order(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum tele_err load_files(struct set *set, const char *directory, struct tele_buf *why)
{
	size_t n = strlen(directory);
	char *path = strdup(directory);
	char *const paths[] = {path, NULL};
	enum tele_err rc = TELE_NOMEM;
	FTS *tree;

	if (!path)
		return rc;
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, in_order);
	if (tree) {
		rc = load_tree(set, tree, n + 1, why);
		fts_close(tree);
	} else {
		tele_buf_printf(why, "%s: %s\n", path, strerror(errno));
		rc = TELE_SYSTEM;
	}
	free(path);
	return rc;
}

static enum tele_err load(const char *directory, struct set **out, struct tele_buf *why)
{
	struct set *set = new_set();
	enum tele_err rc = set ? load_files(set, directory, why) : TELE_NOMEM;

	if (rc == TELE_OK && !set->n) {
		tele_buf_printf(why, "%s: there is no *%s in it\n", directory, suffix);
		rc = TELE_INVALID;
	}
	if (rc == TELE_OK)
		rc = link_set(set, why);
	if (rc == TELE_OK)
		rc = check(set, why);
	if (rc == TELE_OK)
		*out = set;
	else
		drop(set);
	return rc;
}

/* The whole */

static enum tele_err new_templates(const char *directory, struct set *set, struct tele_templates **out)
{
	struct tele_templates *t = calloc(1, sizeof *t);

	if (!t || (directory && !(t->directory = strdup(directory)))) {
		free(t);
		drop(set);
		return TELE_NOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->set = set;
	*out = t;
	return TELE_OK;
}

enum tele_err tele_template_load(const char *directory, struct tele_templates **out, struct tele_buf *why)
{
	struct set *set = NULL;
	enum tele_err rc = load(directory, &set, why);

	return rc == TELE_OK ? new_templates(directory, set, out) : rc;
}

enum tele_err tele_template_reload(struct tele_templates *t, struct tele_buf *why)
{
	struct set *set = NULL;
	enum tele_err rc = t->directory ? load(t->directory, &set, why) : TELE_OK;

	if (set)
		replace(t, set);
	return rc;
}

void tele_template_free(struct tele_templates *t)
{
	if (!t)
		return;
	drop(t->set);
	pthread_mutex_destroy(&t->lock);
	free(t->directory);
	free(t);
}

enum tele_err tele_template_compile(const struct tele_template_text *texts, size_t n, bool whole, struct tele_templates **out,
    struct tele_buf *why)
{
	struct set *set = new_set();
	enum tele_err worst = set ? TELE_OK : TELE_NOMEM;

	for (size_t i = 0; set && i < n; i++) {
		enum tele_err rc = add(set, strdup(texts[i].name), strdup(texts[i].name), texts[i].text, strlen(texts[i].text), whole, why);

		worst = rc > worst ? rc : worst;
	}
	if (worst == TELE_OK)
		worst = link_set(set, why);
	if (worst == TELE_OK)
		return new_templates(NULL, set, out);
	drop(set);
	return worst;
}

enum tele_err tele_template_check(struct tele_templates *t, struct tele_buf *why)
{
	struct set *set = hold(t);
	enum tele_err rc = check(set, why);

	drop(set);
	return rc;
}

enum tele_err tele_template_render(struct tele_templates *t, const char *name, struct json_object *data, struct tele_buf *out)
{
	struct set *set = hold(t);
	const struct tele_mustache *m = find(set, name);
	struct tele_buf why = {0};
	enum tele_err rc = TELE_NOTFOUND;

	if (m)
		rc = tele_render(m, data, out, &why);
	if (rc != TELE_OK)
		tele_log(TELE_ERROR, "not_rendered", tele_str("template", name),
		    tele_str("error", why.len ? tele_buf_text(&why) : tele_err_name(rc)));
	tele_buf_release(&why);
	drop(set);
	return rc;
}
