#include "engine/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MOST = 16 };

static enum tele_err refuse(struct tele_buf *why, const char *path, const char *what)
{
	tele_buf_printf(why, "%s %s", path, what);
	return TELE_DENIED;
}

static bool owner_is_trusted(uid_t owner)
{
	return owner == 0 || (geteuid() != 0 && owner == geteuid());
}

/* One step of the way, which is no link. */
static enum tele_err check_step(const char *path, const struct stat *st, struct tele_buf *why)
{
	if (!owner_is_trusted(st->st_uid))
		return refuse(why, path, "does not belong to root");
	/* Of a link only the owner counts: its mode means nothing. */
	if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)))
		return refuse(why, path, "can be written by others than root");
	return TELE_OK;
}

/* Puts the link's target in front of what is still to be walked. */
static enum tele_err follow(const char *link, char *rest, size_t size, struct tele_buf *why)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof target - 1);

	if (n < 0)
		return refuse(why, link, "cannot be read");
	target[n] = '\0';
	if ((size_t)snprintf(whole, sizeof whole, "%s/%s", target, rest) >= size)
		return refuse(why, link, "leads to a path that is too long");
	memcpy(rest, whole, strlen(whole) + 1);
	return TELE_OK;
}

static void up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

/* Takes the first component of rest off; false when there is none left. */
static bool next_component(char *rest, char *name)
{
	size_t skip = strspn(rest, "/");
	size_t n = strcspn(rest + skip, "/");

	if (!n || n > NAME_MAX)
		return false;
	memcpy(name, rest + skip, n);
	name[n] = '\0';
	memmove(rest, rest + skip + n, strlen(rest + skip + n) + 1);
	return true;
}

/* Walks from the root down, looking at each component before it is entered. */
enum tele_err program_check_path(const char *path, char *resolved, struct tele_buf *why)
{
	char rest[PATH_MAX], name[NAME_MAX + 1], here[PATH_MAX] = "";
	struct stat st;
	enum tele_err rc;
	int links = 0;

	if (*path != '/' || (size_t)snprintf(rest, sizeof rest, "%s", path) >= sizeof rest)
		return refuse(why, path, "is no absolute path");
	while (next_component(rest, name)) {
		size_t used = strlen(here);

		if (!strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			up(here);
			continue;
		}
		if ((size_t)snprintf(here + used, sizeof here - used, "/%s", name) >= sizeof here - used)
			return refuse(why, path, "is too long");
		if (lstat(here, &st)) {
			tele_buf_printf(why, "%s: %s", here, strerror(errno));
			return errno == ENOENT ? TELE_NOTFOUND : TELE_SYSTEM;
		}
		rc = check_step(here, &st, why);
		if (rc == TELE_OK && S_ISLNK(st.st_mode)) {
			if (++links > LINKS_MOST)
				return refuse(why, path, "has too many links");
			rc = follow(here, rest, sizeof rest, why);
			/* An absolute target starts over; rest holds it whole. */
			if (*rest == '/')
				*here = '\0';
			else
				up(here);
		}
		if (rc != TELE_OK)
			return rc;
	}
	if (stat("/", &st) || check_step("/", &st, why) != TELE_OK)
		return TELE_DENIED;
	snprintf(resolved, PATH_MAX, "%s", *here ? here : "/");
	return TELE_OK;
}

enum tele_err program_find(const char *directory, const char *name, char *resolved, struct tele_buf *why)
{
	char path[PATH_MAX];
	struct stat st;
	enum tele_err rc;

	if (!*name || *name == '.' || strchr(name, '/'))
		return refuse(why, name, "is no program name");
	if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
		return refuse(why, name, "is too long");
	rc = program_check_path(path, resolved, why);
	if (rc != TELE_OK)
		return rc;
	if (stat(resolved, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR))
		return refuse(why, resolved, "is no executable file");
	return TELE_OK;
}
