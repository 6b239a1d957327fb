#include "engine/work_dir.h"

#include "engine/runner.h"
#include "lib/filename.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, NAMES_MOST = 10000, COPY = 1024 * 1024 };
enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	/* What cannot be removed stays; the next entry may still go. */
	remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void work_dir_remove(struct work_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->results >= 0)
		close(d->results);
	if (*d->path)
		remove_tree(d->path);
}

static enum tele_err cannot(struct tele_buf *why, const char *what, const char *path)
{
	tele_buf_printf(why, "cannot %s %s: %s", what, path, strerror(errno));
	return TELE_DENIED;
}

enum tele_err work_dir_make(struct work_dir *d, const char *parent, long long task, uid_t uid, gid_t gid, struct tele_buf *why)
{
	d->uid = uid;
	d->gid = gid;
	if ((size_t)snprintf(d->path, sizeof d->path, "%s/%lld", parent, task) >= sizeof d->path)
		return TELE_DENIED;
	/* What an earlier attempt left here belongs to somebody else, and may hold anything. */
	if (mkdir(d->path, 0700) && errno == EEXIST) {
		remove_tree(d->path);
		if (mkdir(d->path, 0700))
			return cannot(why, "make", d->path);
	}
	d->fd = open(d->path, OPEN_DIR);
	return d->fd < 0 ? cannot(why, "make", d->path) : TELE_OK;
}

/* A directory within, given away; its descriptor, -1 with errno. */
static int make_within(const struct work_dir *d, int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return -1;
	fd = openat(at, name, OPEN_DIR);
	if (fd >= 0 && fchown(fd, d->uid, d->gid)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool copy(int from, int to)
{
	off_t at = 0;
	ssize_t n;

	while ((n = sendfile(to, from, &at, COPY)) > 0)
		;
	return n == 0;
}

static bool put(const struct work_dir *d, int directory, const char *name, int from)
{
	int to = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = to >= 0 && copy(from, to) && !fchown(to, d->uid, d->gid);

	if (to >= 0)
		good = !close(to) && good;
	return good;
}

enum tele_err work_dir_put(struct work_dir *d, const char *parameter, const char *name, int fd, struct tele_buf *why)
{
	int files, own;
	bool good;

	if (!tele_filename_is(parameter) || !tele_filename_is(name)) {
		tele_buf_printf(why, "%s has a name that no file can have", parameter);
		return TELE_DENIED;
	}
	files = make_within(d, d->fd, "files");
	own = files < 0 ? -1 : make_within(d, files, parameter);
	good = own >= 0 && put(d, own, name, fd);
	if (!good)
		cannot(why, "make", name);
	if (files >= 0)
		close(files);
	if (own >= 0)
		close(own);
	return good ? TELE_OK : TELE_DENIED;
}

enum tele_err work_dir_open_results(struct work_dir *d, struct tele_buf *why)
{
	d->results = make_within(d, d->fd, "results");
	return d->results < 0 ? cannot(why, "make", "results") : TELE_OK;
}

enum tele_err work_dir_give_away(struct work_dir *d, struct tele_buf *why)
{
	return fchown(d->fd, d->uid, d->gid) ? cannot(why, "give away", d->path) : TELE_OK;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in order; hidden ones are the command's own business. */
static char **list_names(int directory, size_t *n)
{
	char **names = calloc(NAMES_MOST, sizeof *names);
	int fd = dup(directory);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*n = 0;
	while (names && dir && *n < NAMES_MOST && (e = readdir(dir)))
		if (*e->d_name != '.' && (names[*n] = strdup(e->d_name)))
			++*n;
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (names)
		qsort(names, *n, sizeof *names, compare);
	return names;
}

/* Its descriptor when it may be sent, else -1. Opening must wait for nothing, as a FIFO would have it. */
static int open_result(const struct work_dir *d, const char *name, long long most, long long *size)
{
	int fd = openat(d->results, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	/* Another's file could be linked to from here; Telegram takes no empty one. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == d->uid && st.st_nlink == 1 && st.st_size > 0 && st.st_size <= most) {
		*size = st.st_size;
		return fd;
	}
	close(fd);
	return -1;
}

static bool send_file(int control, const char *name, long long size, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} passed = {0};
	struct run_file file = {.size = size};
	struct iovec iov = {&file, sizeof file};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	snprintf(file.name, sizeof file.name, "%s", name);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(control, &m, MSG_NOSIGNAL) == (ssize_t)sizeof file;
}

unsigned work_dir_send_results(struct work_dir *d, const struct tele_conf *conf, int control)
{
	size_t n = 0;
	char **names = d->results < 0 ? NULL : list_names(d->results, &n);
	unsigned sent = 0, left_out = 0;

	for (size_t i = 0; names && i < n; i++) {
		long long size = 0;
		int fd = sent < (unsigned)conf->results_files ? open_result(d, names[i], conf->results_megabytes * MIB, &size) : -1;

		if (fd >= 0 && send_file(control, names[i], size, fd))
			sent++;
		else
			left_out++;
		if (fd >= 0)
			close(fd);
		free(names[i]);
	}
	free(names);
	return left_out;
}
