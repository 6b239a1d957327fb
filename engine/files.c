#include "engine/files.h"

#include "lib/filename.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART = 256 * 1024 };

static struct tele_task_file *first_lacking(const struct tele_task *task)
{
	for (size_t i = 0; i < task->nfiles; i++)
		if (!task->files[i].complete)
			return &task->files[i];
	return NULL;
}

bool files_lacking(const struct tele_task *task)
{
	return first_lacking(task) != NULL;
}

enum tele_err files_ask(struct tele_db *db, long long engine, long long epoch, const struct tele_task *task)
{
	const struct tele_task_file *f = first_lacking(task);
	char numbers[5][24];

	snprintf(numbers[0], sizeof numbers[0], "%lld", engine);
	snprintf(numbers[1], sizeof numbers[1], "%lld", epoch);
	snprintf(numbers[2], sizeof numbers[2], "%lld", task->id);
	snprintf(numbers[3], sizeof numbers[3], "%lld", f->id);
	snprintf(numbers[4], sizeof numbers[4], "%d", f->parts);
	return tele_db_send(db, TELE_STMT_TASK_FILE, (const char *[]){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]});
}

/* It has no name from the start: whatever becomes of this process, nothing is left. */
static int make_spool_file(const char *spool)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/XXXXXX", spool);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static bool write_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return false;
		if (done < 0)
			continue;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

enum tele_err files_take(struct tele_task *task, const PGresult *res, const char *spool, struct tele_buf *why)
{
	struct tele_task_file *f = first_lacking(task);
	unsigned char *bytes;
	size_t n;
	bool good;

	if (PQntuples(res) == 0) {
		tele_buf_printf(why, "the file for %s is not kept any more", f->parameter);
		return TELE_NOTFOUND;
	}
	bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(res, 0, 0), &n);
	if (f->fd < 0)
		f->fd = make_spool_file(spool);
	good = bytes && f->fd >= 0 && write_all(f->fd, bytes, n);
	if (!good)
		tele_buf_printf(why, "the file for %s cannot be kept: %s", f->parameter, strerror(errno));
	PQfreemem(bytes);
	f->parts++;
	f->complete = tele_db_bool(res, 0, 1);
	return good ? TELE_OK : TELE_SYSTEM;
}

void files_name(struct tele_task *task, const char *work_dir)
{
	for (size_t i = 0; i < task->nfiles; i++) {
		const struct tele_task_file *f = &task->files[i];
		struct tele_buf path = {0};

		tele_buf_printf(&path, "%s/%lld/files/%s/%s", work_dir, task->id, f->parameter, f->name);
		json_object_object_add(task->args, f->parameter, json_object_new_string(tele_buf_text(&path)));
		tele_buf_release(&path);
	}
}

struct result_file {
	char *name;
	int fd;
	int part;
	long long size, at; /* what of it is in the database */
	size_t sent;        /* bytes of the part under way */
};

enum tele_err results_add(struct results *r, const char *name, long long size, int fd)
{
	struct result_file *more = realloc(r->list, (r->n + 1) * sizeof *more);
	struct tele_buf clean = {0};

	if (more)
		r->list = more;
	tele_filename_clean(&clean, name);
	if (more)
		more[r->n] = (struct result_file){.name = tele_buf_detach(&clean), .fd = fd, .size = size};
	tele_buf_release(&clean);
	if (!more || !more[r->n].name) {
		close(fd);
		return TELE_NOMEM;
	}
	r->n++;
	return TELE_OK;
}

bool results_left(const struct results *r)
{
	return r->stored < r->n;
}

static void add_hex(struct tele_buf *out, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	tele_buf_str(out, "\\x");
	for (size_t i = 0; i < n; i++) {
		tele_buf_char(out, digits[bytes[i] >> 4]);
		tele_buf_char(out, digits[bytes[i] & 15]);
	}
}

enum tele_err results_store(struct tele_db *db, long long engine, long long epoch, const struct tele_task *task, struct results *r)
{
	struct result_file *f = &r->list[r->stored];
	unsigned char *bytes = malloc(PART);
	ssize_t n = bytes ? pread(f->fd, bytes, PART, f->at) : -1;
	struct tele_buf hex = {0};
	char numbers[6][24];
	enum tele_err rc;

	/* Nobody writes to it any more; what cannot be read is given up. */
	if (n <= 0) {
		free(bytes);
		r->stored++;
		return TELE_SYSTEM;
	}
	f->sent = (size_t)n;
	snprintf(numbers[0], sizeof numbers[0], "%lld", engine);
	snprintf(numbers[1], sizeof numbers[1], "%lld", epoch);
	snprintf(numbers[2], sizeof numbers[2], "%lld", task->id);
	snprintf(numbers[3], sizeof numbers[3], "%d", task->attempt);
	snprintf(numbers[4], sizeof numbers[4], "%zu", r->stored + 1);
	snprintf(numbers[5], sizeof numbers[5], "%d", f->part);
	add_hex(&hex, bytes, f->sent);
	free(bytes);
	rc = hex.failed ? TELE_NOMEM : tele_db_send(db, TELE_STMT_RESULT_PUT, (const char *[]){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
		f->name, numbers[5], tele_buf_text(&hex), f->at + n >= f->size ? "t" : "f"});
	tele_buf_release(&hex);
	return rc;
}

bool results_stored(struct results *r, const PGresult *res)
{
	struct result_file *f = &r->list[r->stored];

	if (!tele_db_bool(res, 0, 0)) {
		r->stored = r->n;
		return false;
	}
	f->at += (long long)f->sent;
	f->part++;
	if (f->at >= f->size)
		r->stored++;
	return true;
}

void results_release(struct results *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->list[i].name);
		close(r->list[i].fd);
	}
	free(r->list);
	memset(r, 0, sizeof *r);
}
