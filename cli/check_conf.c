/* What this host's settings name: users and directories. */
#include "cli/check.h"
#include "engine/program.h"
#include "lib/seal.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcasecmp(*words, word))
		words++;
	return *words;
}

/* Lines of complaints as one. */
static void add_errors(struct finding *f, const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");

		check_fail(f, "correct what is named; what is wrong counts as not set", "%.*s", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

void check_settings(struct doctor *d, struct finding *f)
{
	static const char *const levels[] = {"error", "warn", "info", "debug", NULL}, *const formats[] = {"logfmt", "json", NULL};
	const struct tele_conf *c = d->conf;

	add_errors(f, d->conf_errors);
	if (!is_one_of(c->log_level, levels))
		check_warn(f, "use error, warn, info or debug", "log_level \"%s\" is none, so info is used", c->log_level);
	if (!is_one_of(c->log_format, formats))
		check_warn(f, "use logfmt or json", "log_format \"%s\" is none, so logfmt is used", c->log_format);
	check_ok(f, "all understood");
}

static void check_user(struct finding *f, const char *setting, const char *name)
{
	struct passwd *user = getpwnam(name);

	if (!user)
		check_fail(f, "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin NAME, or another in teleops.conf",
		    "%s: there is no user %s on this host", setting, name);
	else if (!user->pw_uid)
		check_fail(f, "use a system user of its own", "%s: %s is root", setting, name);
}

void check_users(struct doctor *d, struct finding *f)
{
	const struct tele_conf *c = d->conf;

	if (c->insecure_same_user)
		check_warn(f, "start teleengine as root and leave insecure_same_user out",
		    "insecure_same_user=yes: without root, commands run as the engine's own user and can read what it can");
	check_user(f, "engine_user", c->engine_user);
	check_user(f, "command_user", c->command_user);
	if (!strcmp(c->engine_user, c->command_user))
		check_warn(f, "use two", "engine_user and command_user are both %s: commands can read what the engine can", c->engine_user);
	check_ok(f, "the engine becomes %s, commands run as %s", c->engine_user, c->command_user);
}

void check_exec_dir(struct doctor *d, struct finding *f)
{
	const char *path = d->conf->exec_dir;
	struct tele_buf why = {0};
	char resolved[PATH_MAX];
	struct stat st;

	if (program_check_path(path, resolved, &why) != TELE_OK)
		check_fail(f, "the engine runs nothing from there: it, and all above it, must be root's and writable by nobody else",
		    "%s", tele_buf_text(&why));
	else if (stat(resolved, &st) || !S_ISDIR(st.st_mode))
		check_fail(f, "name a directory in exec_dir", "%s is no directory", path);
	else
		check_ok(f, "%s is root's alone", path);
	tele_buf_release(&why);
}

/* A directory that only root, or who runs everything as one user, may write in. False: said what is wrong. */
static bool check_directory(struct finding *f, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		check_fail(f, "make it, root's own", "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		check_fail(f, "make it a directory, root's own", "%s is no directory", path);
	else if ((st.st_mode & S_IWOTH) || (st.st_uid && st.st_uid != geteuid()))
		check_fail(f, "chown root and chmod go-w it", "%s can be written by others than root", path);
	else
		return true;
	return false;
}

void check_run_dir(struct doctor *d, struct finding *f)
{
	if (check_directory(f, d->conf->run_dir))
		check_ok(f, "%s is root's own", d->conf->run_dir);
}

void check_work_dir(struct doctor *d, struct finding *f)
{
	const char *path = d->conf->work_dir;

	if (access(path, F_OK) && errno == ENOENT)
		check_warn(f, "the engine makes it when it starts, if the directory above is there", "%s is not there", path);
	else if (check_directory(f, path))
		check_ok(f, "%s is root's own", path);
}

static void check_pair(struct finding *f, const struct tele_seal_key *key, const struct tele_seal_ring *ring)
{
	struct tele_buf sealed = {0};
	char *opened = NULL;

	if (tele_seal(key, "doctor", "check", "", &sealed) != TELE_OK || tele_seal_open(ring, "doctor", "check", tele_buf_text(&sealed), &opened) != TELE_OK)
		check_fail(f, "give TeleBot the key that the file names above its first line", "no key in secret_key_file opens what secret_public_key seals");
	sodium_free(opened);
	tele_buf_release(&sealed);
}

static void check_ring(struct finding *f, const char *path, const struct tele_seal_key *key)
{
	struct tele_seal_ring *ring = NULL;
	struct tele_buf why = {0};

	if (tele_seal_ring_load(path, &ring, &why) != TELE_OK)
		check_fail(f, "engines take no other; see teleops secret keygen --help", "secret_key_file: %s", tele_buf_text(&why));
	else if (key)
		check_pair(f, key, ring);
	tele_seal_ring_free(ring);
	tele_buf_release(&why);
}

/* Each half may be on another host; where both are, they must fit. The file is its engine's: who may not read it cannot tell. */
void check_keys(struct doctor *d, struct finding *f)
{
	const char *public = d->conf->secret_public_key, *path = d->conf->secret_key_file, *commands = check_text(d->facts, "secret_commands");
	struct tele_seal_key key;
	bool good = public && tele_seal_key_read(public, &key) == TELE_OK;

	if (public && !good)
		check_fail(f, "give what teleops secret keygen printed", "secret_public_key is no key");
	if (path && (!access(path, R_OK) || errno != EACCES))
		check_ring(f, path, good ? &key : NULL);
	if (!public && !path && *commands)
		check_fail(f, "make keys with teleops secret keygen, set secret_public_key and secret_key_file", "%s take secrets, and there are no keys", commands);
	if (public || path)
		check_ok(f, "%s", public && path ? "what TeleBot seals can be opened" : public ? "TeleBot seals; no engine's keys are set here" : "an engine's keys are there");
	else if (d->facts)
		check_ok(f, "no command takes a secret");
}

void check_secret_file(struct finding *f, const char *path)
{
	struct stat st;

	if (path && !stat(path, &st) && (st.st_mode & (S_IROTH | S_IWOTH)))
		check_warn(f, "chmod o-rwx it", "%s can be read or written by everybody", path);
}
