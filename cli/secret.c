/*
 * teleops secret keygen FILE: a new pair of keys for secret arguments. The secret one goes into the file, before those that are
 * there; the public one is printed. teleops secret seal CONNECTION: a password that only engines can open. None of them ever stands in
 * an argument.
 */
#include "cli/hidden.h"
#include "cli/verb.h"
#include "engine/connection.h"
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

enum { PASSWORD_MOST = 4096 };

static int seal(const struct tele_conf *conf, const char *name, const char *password)
{
	char owner[CONNECTION_NAME_MOST + 2];
	struct tele_buf sealed = {0};
	struct tele_seal_key key;
	int status = EXIT_FAILED;

	connection_owner(name, owner);
	if (!conf->secret_public_key || tele_seal_key_read(conf->secret_public_key, &key) != TELE_OK)
		fprintf(stderr, "teleops: setting secret_public_key is missing, or no key: see teleops secret keygen\n");
	else if (!*password)
		fprintf(stderr, "teleops: there is no password on standard input\n");
	else if (tele_seal(&key, owner, CONNECTION_PASSWORD, password, &sealed) != TELE_OK)
		fprintf(stderr, "teleops: no memory\n");
	else
		status = printf(CONNECTION_PASSWORD " = %s\n", tele_buf_text(&sealed)) > 0 ? EXIT_DONE : EXIT_FAILED;
	tele_buf_release(&sealed);
	return status;
}

int verb_secret_seal(const struct call *c)
{
	const char *name = c->argv[0];
	char *password;
	int status;

	if (sodium_init() < 0)
		return EXIT_FAILED;
	if (!*name || strlen(name) > CONNECTION_NAME_MOST || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
		return complain(name, "is no name of a connection");
	password = sodium_malloc(PASSWORD_MOST);
	if (!password)
		return complain(name, "no memory");
	if (!hidden_read("Password", password, PASSWORD_MOST))
		*password = '\0';
	status = seal(c->conf, name, password);
	sodium_free(password);
	return status;
}

void seal_describe(void)
{
	printf("\nWhat is printed is a line for the file CONNECTION in connection_dir of the engines. It opens for this connection alone, with the keys\n"
	       "of secret_key_file: an sql connection's password, or what {password} stands for in an http connection's headers. Seal it anew after\n"
	       "an exchange of keys, before the old one is taken out.\n");
}
