#ifndef ENGINE_WORK_DIR_H
#define ENGINE_WORK_DIR_H

#include "lib/buf.h"
#include "lib/conf.h"

#include <limits.h>
#include <sys/types.h>

/*
 * The directory of one task, WORK_DIR/TASK: where its command begins, with the files it was given below files/PARAMETER/, and results/ for
 * those it leaves. Made while nobody but root can reach into it, and given away at the end: what runs beside it, perhaps as the same
 * user, has had no chance to put a link in the way.
 */
struct work_dir {
	char path[PATH_MAX]; /* "" until there is one */
	int fd, results;     /* -1: none */
	uid_t uid;
	gid_t gid;
};

/* All of these: TELE_DENIED, and why says what stood in the way. */
enum tele_err work_dir_make(struct work_dir *d, const char *parent, long long task, uid_t uid, gid_t gid, struct tele_buf *why) TELE_MUST;
/* Copies what fd holds, from its beginning, to files/parameter/name. */
enum tele_err work_dir_put(struct work_dir *d, const char *parameter, const char *name, int fd, struct tele_buf *why) TELE_MUST;
enum tele_err work_dir_open_results(struct work_dir *d, struct tele_buf *why) TELE_MUST;
enum tele_err work_dir_give_away(struct work_dir *d, struct tele_buf *why) TELE_MUST;

/*
 * Once nothing of the command is left: sends each file of results/ to control (struct run_file, with a descriptor), as many and as
 * large as conf allows, by name. Only files that are the command's own: no links, no devices. Returns how many were left out.
 */
unsigned work_dir_send_results(struct work_dir *d, const struct tele_conf *conf, int control);

/* With all that is in it. */
void work_dir_remove(struct work_dir *d);

#endif
