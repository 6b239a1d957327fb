/*
 * TeleEngine: claims tasks and runs them. Started as root it forks its runner, which stays root and starts commands as other
 * users, and becomes engine_user itself before it speaks to the database.
 */
#include "engine/loop.h"
#include "engine/runner.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The lock belongs to the engine, its runner and its supervisors together: who gets it knows that the former process of this name
 * is gone, and its commands with it.
 */
static int take_lock(const struct tele_conf *conf)
{
	char path[4096], host[64] = "";
	int fd;

	gethostname(host, sizeof host - 1);
	snprintf(path, sizeof path, "%s/engine-%s.lock", conf->run_dir, conf->engine_name ? conf->engine_name : host);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		tele_log(TELE_ERROR, "no_lock_file", tele_str("file", path), tele_str("error", strerror(errno)), tele_str("todo", "make run_dir"));
		return -1;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	tele_log(TELE_WARN, "waiting", tele_str("file", path), tele_str("why", "a former engine of this name or its commands are still there"));
	while (flock(fd, LOCK_EX))
		if (errno != EINTR)
			return -1;
	return fd;
}

/* For good: neither the user nor the groups can be taken back. */
static bool become(const char *name)
{
	struct passwd *user = getpwnam(name);

	if (!user) {
		tele_log(TELE_ERROR, "no_such_user", tele_str("engine_user", name), tele_str("todo", "create it, or set engine_user"));
		return false;
	}
	if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid) || (user->pw_uid && !setuid(0))) {
		tele_log(TELE_ERROR, "not_dropped", tele_str("engine_user", name), tele_str("error", strerror(errno)));
		return false;
	}
	return true;
}

/* Where files wait for the command that they are for; the engine's own. */
static bool make_spool(const struct tele_conf *conf)
{
	struct passwd *user = geteuid() == 0 ? getpwnam(conf->engine_user) : NULL;
	char path[4096];

	snprintf(path, sizeof path, "%s/spool", conf->work_dir);
	if ((!mkdir(path, 0700) || errno == EEXIST) && (!user || !lchown(path, user->pw_uid, user->pw_gid)))
		return true;
	tele_log(TELE_ERROR, "no_spool", tele_str("directory", path), tele_str("error", strerror(errno)), tele_str("todo", "make work_dir"));
	return false;
}

static int run(struct tele_conf *conf)
{
	int lock, runner;

	if (geteuid() != 0 && !conf->insecure_same_user) {
		tele_log(TELE_ERROR, "not_root",
		    tele_str("todo", "start it as root, so that commands run as another user than the engine; or set insecure_same_user=yes"));
		return EXIT_FAILURE;
	}
	if (geteuid() != 0)
		tele_log(TELE_WARN, "same_user", tele_str("why", "commands run as the engine's own user and could read its secrets"));
	umask(077);
	if (mkdir(conf->work_dir, 0711) && errno != EEXIST)
		tele_log(TELE_ERROR, "no_work_dir", tele_str("work_dir", conf->work_dir), tele_str("error", strerror(errno)));
	else
		chmod(conf->work_dir, 0711);
	lock = take_lock(conf);
	if (lock < 0 || !make_spool(conf))
		return EXIT_FAILURE;
	if (runner_start(conf, lock, &runner) != TELE_OK) {
		tele_log(TELE_ERROR, "no_runner", tele_str("error", strerror(errno)));
		return EXIT_FAILURE;
	}
	if (geteuid() == 0 && !become(conf->engine_user))
		return EXIT_FAILURE;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0);
	return loop_run(conf, runner);
}

int main(int argc, char **argv)
{
	static const struct tele_program teleengine = {"teleengine", "teleengine",
	    "claims tasks and runs them. Start it as root, in the foreground: its runner starts commands as other users,\n"
	    "the engine itself becomes engine_user.\n\n"
	    "  TERM, INT   claims nothing more, waits grace_s for what runs, ends the rest; twice: ends it now\n"
	    "  HUP         reads its settings again; run_dir, work_dir, call_program and the users need a new start\n",
	    {"database"}, run};

	return tele_start(&teleengine, argc, argv);
}
