/* Files that setup writes: each is what it is to be, or stays what it was. */
#include "cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 4 * 1024 * 1024 };

enum outcome setup_worst(enum outcome a, enum outcome b)
{
	return a > b ? a : b;
}

static enum outcome fail(struct tele_buf *said, const char *path)
{
	tele_buf_printf(said, "%s: %s", path, strerror(errno));
	return SETUP_FAILED;
}

static enum outcome done(struct tele_buf *said, const char *path)
{
	tele_buf_printf(said, "%s%s", said->len ? ", " : "", path);
	return SETUP_DONE;
}

void setup_path(const struct setup *s, const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s%s", s->root, path);
}

char *setup_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(FILE_MOST) : NULL, *less;
	size_t n;

	if (!f)
		return NULL;
	if (text) {
		n = fread(text, 1, FILE_MOST - 1, f);
		text[n] = '\0';
		less = realloc(text, n + 1);
		text = less ? less : text;
	}
	fclose(f);
	return text;
}

/* Whose a file is to be. False: there is no such user, which step "users" would have said. */
static bool owner(const char *user, const struct stat *former, uid_t *uid, gid_t *gid)
{
	struct passwd *pw = user ? getpwnam(user) : NULL;

	*uid = pw ? pw->pw_uid : former->st_uid;
	*gid = pw ? pw->pw_gid : former->st_gid;
	errno = ENOENT;
	return !user || pw;
}

static bool is_so(const char *path, const char *text, const struct stat *st, uid_t uid, gid_t gid, mode_t mode)
{
	char *now;
	bool same;

	if (!S_ISREG(st->st_mode) || (st->st_mode & 07777) != mode || st->st_uid != uid || st->st_gid != gid)
		return false;
	now = setup_read(path);
	same = now && !strcmp(now, text);
	if (now)
		explicit_bzero(now, strlen(now));
	free(now);
	return same;
}

/* Nobody reads half of it, and none of it while it is not its reader's. */
static bool replace(const char *path, const char *text, uid_t uid, gid_t gid, mode_t mode)
{
	char new[PATH_MAX];
	size_t n = strlen(text);
	bool good;
	int fd;

	if ((size_t)snprintf(new, sizeof new, "%s.new", path) >= sizeof new)
		return errno = ENAMETOOLONG, false;
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	good = write(fd, text, n) == (ssize_t)n && !fchown(fd, uid, gid) && !fchmod(fd, mode) && !fsync(fd);
	good = !close(fd) && good && !rename(new, path);
	if (!good) {
		int why = errno;

		unlink(new);
		errno = why;
	}
	return good;
}

enum outcome setup_put(const struct setup *s, const char *path, const char *text, const char *user, mode_t mode, struct tele_buf *said)
{
	char at[PATH_MAX], real[PATH_MAX];
	struct stat st = {0};
	bool there;
	uid_t uid;
	gid_t gid;

	setup_path(s, path, at, sizeof at);
	/* Who keeps it elsewhere, with a link here, goes on to. */
	if (realpath(at, real))
		snprintf(at, sizeof at, "%s", real);
	there = !lstat(at, &st);
	if (!owner(user, &st, &uid, &gid))
		return fail(said, user);
	if (there && is_so(at, text, &st, uid, gid, mode))
		return SETUP_SAME;
	return replace(at, text, uid, gid, mode) ? done(said, at) : fail(said, at);
}

enum outcome setup_link(const struct setup *s, const char *path, const char *target, struct tele_buf *said)
{
	char at[PATH_MAX], former[PATH_MAX], new[PATH_MAX + 8];
	ssize_t n;

	setup_path(s, path, at, sizeof at);
	n = readlink(at, former, sizeof former - 1);
	former[n > 0 ? n : 0] = '\0';
	if (!strcmp(at, target) || !strcmp(former, target))
		return SETUP_SAME;
	snprintf(new, sizeof new, "%s.new", at);
	unlink(new);
	return symlink(target, new) || rename(new, at) ? fail(said, at) : done(said, at);
}

enum outcome setup_directory(const struct setup *s, const char *path, mode_t mode, struct tele_buf *said)
{
	char at[PATH_MAX];
	struct stat st;

	setup_path(s, path, at, sizeof at);
	/* What an administrator made of one that is there is theirs. */
	if (!stat(at, &st) && S_ISDIR(st.st_mode))
		return SETUP_SAME;
	for (char *p = at + strlen(s->root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(at, 0755) && errno != EEXIST)
			return fail(said, at);
		*p = '/';
	}
	return mkdir(at, mode) || chmod(at, mode) ? fail(said, at) : done(said, at);
}

/* Whether a line sets the key: the key, blanks, and what begins what stands between. */
static bool sets(const char *line, const char *key, const char *between)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n))
		return false;
	line += n + strspn(line + n, " \t");
	return *line == between[strspn(between, " \t")];
}

char *setup_with_line(const char *text, const char *key, const char *between, const char *value)
{
	struct tele_buf out = {0};
	bool set = false;

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (!sets(text, key, between))
			tele_buf_printf(&out, "%.*s\n", (int)n, text);
		else if (value && !set)
			tele_buf_printf(&out, "%s%s%s\n", key, between, value);
		set = set || sets(text, key, between);
		text += n + (text[n] == '\n');
	}
	if (value && !set)
		tele_buf_printf(&out, "%s%s%s\n", key, between, value);
	return tele_buf_detach(&out);
}
