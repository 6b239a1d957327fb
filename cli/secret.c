/*
 * teleops secret keygen FILE: a new pair of keys for secret arguments. The secret one goes into the file, before those that are
 * there; the public one is printed. Neither ever stands in an argument.
 */
#include "cli/verb.h"
#include "lib/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MOST = 8192 };

static int complain(const char *path, const char *why)
{
	fprintf(stderr, "teleops: %s: %s\n", path, why);
	return EXIT_FAILED;
}

/* Whether an engine would take the file; says why not. */
static bool is_good(const char *path)
{
	struct tele_seal_ring *ring = NULL;
	struct tele_buf why = {0};
	bool good = tele_seal_ring_load(path, &ring, &why) == TELE_OK;

	if (!good)
		fprintf(stderr, "teleops: %s\n", tele_buf_text(&why));
	tele_seal_ring_free(ring);
	tele_buf_release(&why);
	return good;
}

/* The file as it is, "" where there is none; st tells whose it is. False after saying why not. */
static bool read_former(const char *path, char *text, struct stat *st)
{
	bool good;
	FILE *f;

	*text = '\0';
	if (stat(path, st)) {
		good = errno == ENOENT;
		if (!good)
			complain(path, strerror(errno));
		return good;
	}
	good = !st->st_size || is_good(path);
	f = good ? fopen(path, "re") : NULL;
	if (f) {
		text[fread(text, 1, FILE_MOST - 1, f)] = '\0';
		fclose(f);
	}
	return good;
}

static bool write_keys(int fd, const char *secret, const char *public, const char *former)
{
	char day[16];
	time_t now = time(NULL);

	strftime(day, sizeof day, "%Y-%m-%d", gmtime(&now));
	return dprintf(fd, "# made %s, secret_public_key = %s\n%s\n%s", day, public, secret, former) > 0 && !fsync(fd);
}

/* Beside it first, then in its place: nobody ever reads half a file, and the owner stays. */
static int replace(const char *path, const struct stat *st, const char *secret, const char *public, const char *former)
{
	char new[4096];
	bool written, good;
	int fd;

	if ((size_t)snprintf(new, sizeof new, "%s.new", path) >= sizeof new)
		return complain(path, "is too long");
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return complain(new, strerror(errno));
	written = !(st->st_nlink && fchown(fd, st->st_uid, st->st_gid)) && write_keys(fd, secret, public, former);
	close(fd);
	good = written && is_good(new);
	if (good && !rename(new, path))
		return EXIT_DONE;
	if (good || !written)
		complain(new, strerror(errno));
	unlink(new);
	return EXIT_FAILED;
}

int verb_secret_keygen(const struct call *c)
{
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT], *former;
	const char *path = c->argv[0];
	struct stat st = {0};
	int status = EXIT_FAILED;

	if (tele_seal_keygen(secret, public) != TELE_OK)
		return complain(path, "libsodium cannot make keys here");
	former = sodium_malloc(FILE_MOST);
	if (former && read_former(path, former, &st))
		status = replace(path, &st, secret, public, former);
	if (status == EXIT_DONE)
		printf("secret_public_key = %s\n", public);
	if (status == EXIT_DONE && *former)
		fprintf(stderr, "teleops: keys in %s: the new one, and those before it, which open what was sealed until now\n", path);
	sodium_free(former);
	sodium_memzero(secret, sizeof secret);
	return status;
}

void secret_describe(void)
{
	printf("\nFILE is for setting secret_key_file of engines; what is printed is a line of settings for TeleBot. Where FILE is there, the new key\n"
	       "goes before the others: give it to every engine first (HUP), then TeleBot the new line (HUP); take older keys out once no task\n"
	       "waits any more that was sealed with them.\n");
}
