/* The steps of setup, in their order, and those that write users, directories and settings. */
#include "cli/setup.h"
#include "cli/spawn.h"
#include "lib/seal.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As deploy/systemd/sysusers.conf and tmpfiles.conf have them, for hosts without systemd. */
static const char *const users[][2] = {
    {"teleops-bot", "TeleOps, TeleBot"},
    {"teleops-manager", "TeleOps, TeleManager"},
    {"teleops-engine", "TeleOps, TeleEngine"},
    {"teleops-sender", "TeleOps, TeleSender"},
    {"teleops-cmd", "TeleOps, commands"},
    {"teleops-http", "TeleOps, requests of http commands"},
};

static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
    {"/run/teleops", 0755},
    {TELE_LOCALSTATEDIR "/lib/teleops", 0755},
    {TELE_LOCALSTATEDIR "/lib/teleops/work", 0711},
    {SETUP_ETC, 0755},
    {SETUP_ETC "/exec", 0755},
    {SETUP_ETC "/connections", 0755},
};

/* Settings of one program each, beside what all read; an operator's own teleops has a file like theirs. */
static const struct program {
	const char *name, *role;
	const char *secret, *file; /* the setting that names a secret's file; NULL: none */
	bool polls, hooks;         /* is there when updates are fetched, when Telegram brings them */
} programs[] = {
    {"telebot", "teleops_bot", "TELEOPS_WEBHOOK_SECRET_FILE", SETUP_ETC "/webhook_secret", false, true},
    {"telepoll", "teleops_bot", "TELEOPS_BOT_TOKEN_FILE", SETUP_ETC "/poll_token", true, false},
    {"telemanager", "teleops_manager", NULL, NULL, true, true},
    {"teleengine", "teleops_engine", "TELEOPS_SECRET_KEY_FILE", SETUP_ETC "/secret_keys", true, true},
    {"telesender", "teleops_sender", "TELEOPS_BOT_TOKEN_FILE", SETUP_ETC "/bot_token", true, true},
    {"operator", "teleops_owner", "TELEOPS_BOT_TOKEN_FILE", SETUP_ETC "/bot_token", true, true},
};

enum { SECRET_BYTES = 32 };

static enum outcome step_users(struct setup *s, struct tele_buf *said)
{
	enum outcome all = SETUP_SAME;

	(void)s;
	for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
		const char *const argv[] = {"useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
		    "--comment", users[i][1], users[i][0], NULL};
		struct tele_buf out = {0};
		bool there = getpwnam(users[i][0]);

		/* Somebody else may have made it meanwhile. */
		if (!there && !spawn_run(argv, NULL, &out) && !getpwnam(users[i][0])) {
			tele_buf_reset(said);
			tele_buf_printf(said, "useradd %s: %s", users[i][0], tele_buf_text(&out));
			tele_buf_release(&out);
			return SETUP_FAILED;
		}
		tele_buf_release(&out);
		if (!there) {
			tele_buf_printf(said, "%s%s", said->len ? ", " : "", users[i][0]);
			all = SETUP_DONE;
		}
	}
	return all;
}

static enum outcome step_directories(struct setup *s, struct tele_buf *said)
{
	enum outcome all = SETUP_SAME;

	for (size_t i = 0; i < sizeof directories / sizeof *directories && all != SETUP_FAILED; i++)
		all = setup_worst(all, setup_directory(s, directories[i].path, directories[i].mode, said));
	return all;
}

static enum outcome put_token(struct setup *s, const char *path, const char *user, struct tele_buf *said)
{
	char text[SETUP_TOKEN_MOST + 1];
	enum outcome all;

	snprintf(text, sizeof text, "%s\n", s->token);
	all = setup_put(s, path, text, user, 0600, said);
	explicit_bzero(text, sizeof text);
	return all;
}

/* Kept when there is one: Telegram knows it. */
static enum outcome put_webhook_secret(struct setup *s, struct tele_buf *said)
{
	const char *path = SETUP_ETC "/webhook_secret";
	unsigned char bytes[SECRET_BYTES];
	char text[2 * SECRET_BYTES + 2], at[PATH_MAX], *former;
	enum outcome all;

	setup_path(s, path, at, sizeof at);
	former = setup_read(at);
	if (!former || !*former) {
		randombytes_buf(bytes, sizeof bytes);
		sodium_bin2hex(text, sizeof text, bytes, sizeof bytes);
		memcpy(text + 2 * SECRET_BYTES, "\n", 2);
		s->new_secret = true;
	}
	all = setup_put(s, path, former && *former ? former : text, "teleops-bot", 0600, said);
	explicit_bzero(text, sizeof text);
	free(former);
	return all;
}

/* The public key goes into the comment that stands above its secret one, so that it is found again. */
static enum outcome put_keys(struct setup *s, struct tele_buf *said)
{
	const char *path = SETUP_ETC "/secret_keys";
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT], day[16], at[PATH_MAX], *former;
	struct tele_buf text = {0};
	time_t now = time(NULL);
	enum outcome all;

	setup_path(s, path, at, sizeof at);
	former = setup_read(at);
	if (former) {
		all = setup_put(s, path, former, "teleops-engine", 0600, said);
		explicit_bzero(former, strlen(former));
		free(former);
		return all;
	}
	if (tele_seal_keygen(secret, public) != TELE_OK) {
		tele_buf_str(said, "libsodium cannot make keys here");
		return SETUP_FAILED;
	}
	strftime(day, sizeof day, "%Y-%m-%d", gmtime(&now));
	tele_buf_printf(&text, "# made %s, secret_public_key = %s\n%s\n", day, public, secret);
	all = setup_put(s, path, tele_buf_text(&text), "teleops-engine", 0600, said);
	sodium_memzero(secret, sizeof secret);
	tele_buf_wipe(&text);
	tele_buf_release(&text);
	return all;
}

static enum outcome step_secrets(struct setup *s, struct tele_buf *said)
{
	enum outcome all = put_token(s, SETUP_ETC "/bot_token", "teleops-sender", said);

	if (all != SETUP_FAILED && setup_polls(s))
		all = setup_worst(all, put_token(s, SETUP_ETC "/poll_token", "teleops-bot", said));
	if (all != SETUP_FAILED)
		all = setup_worst(all, put_webhook_secret(s, said));
	if (all != SETUP_FAILED)
		all = setup_worst(all, put_keys(s, said));
	s->restart = s->restart || all == SETUP_DONE;
	return all;
}

/* Replaces *text. */
static void set_line(char **text, const char *key, const char *between, const char *value)
{
	char *new = *text ? setup_with_line(*text, key, between, value) : NULL;

	free(*text);
	*text = new;
}

/* The text of a file, "" where there is none yet. */
static char *former_text(struct setup *s, const char *path)
{
	char at[PATH_MAX], *text;

	setup_path(s, path, at, sizeof at);
	text = setup_read(at);
	return text ? text : strdup("");
}

static enum outcome put_text(struct setup *s, const char *path, char *text, mode_t mode, struct tele_buf *said)
{
	enum outcome all = SETUP_FAILED;

	if (text)
		all = setup_put(s, path, text, NULL, mode, said);
	else
		tele_buf_str(said, "no memory");
	free(text);
	return all;
}

/* The newest key's, from the comment above it; false: somebody keeps them in another way. */
static bool public_key(struct setup *s, char out[TELE_SEAL_TEXT])
{
	char *text = former_text(s, SETUP_ETC "/secret_keys"), *at = text ? strstr(text, "secret_public_key = ") : NULL;

	if (at)
		snprintf(out, TELE_SEAL_TEXT, "%.*s", (int)strcspn(at + 20, "\n"), at + 20);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return at != NULL;
}

static enum outcome step_settings(struct setup *s, struct tele_buf *said)
{
	const char *path = SETUP_ETC "/teleops.conf";
	char url[SETUP_HOST_MOST + 40], public[TELE_SEAL_TEXT], *text = former_text(s, path);
	bool telegram = !strcmp(s->answer[ANSWER_API], "https://api.telegram.org");
	enum outcome all;

	snprintf(url, sizeof url, "https://%s:%s/webhook", s->answer[ANSWER_HOST], s->answer[ANSWER_WEBHOOK_PORT]);
	set_line(&text, "api_base", " = ", telegram ? NULL : s->answer[ANSWER_API]);
	set_line(&text, "webhook_url", " = ", setup_polls(s) ? NULL : url);
	set_line(&text, "webhook_port", " = ", s->answer[ANSWER_WEBHOOK_PORT]);
	set_line(&text, "admin_port", " = ", s->answer[ANSWER_ADMIN_PORT]);
	set_line(&text, "certificate", " = ", SETUP_ETC "/cert.pem");
	if (public_key(s, public))
		set_line(&text, "secret_public_key", " = ", public);
	all = put_text(s, path, text, 0644, said);
	s->restart = s->restart || all == SETUP_DONE;
	return all;
}

static void set_quoted(char **text, const char *key, const char *value)
{
	struct tele_buf quoted = {0};

	tele_buf_printf(&quoted, "\"%s\"", value);
	set_line(text, key, "=", tele_buf_text(&quoted));
	tele_buf_release(&quoted);
}

static enum outcome put_program(struct setup *s, const struct program *p, struct tele_buf *said)
{
	bool operator = !strcmp(p->name, "operator");
	struct tele_buf conninfo = {0};
	char path[PATH_MAX], *text;

	snprintf(path, sizeof path, SETUP_ETC "/%s.env", p->name);
	text = former_text(s, path);
	setup_conninfo(s, p->role, "telemanager", &conninfo);
	set_quoted(&text, "TELEOPS_DATABASE", tele_buf_text(&conninfo));
	if (p->secret)
		set_quoted(&text, p->secret, p->file);
	if (operator) {
		tele_buf_reset(&conninfo);
		setup_conninfo(s, p->role, "teleapp", &conninfo);
		set_quoted(&text, "TELEOPS_APP_DATABASE", tele_buf_text(&conninfo));
		set_quoted(&text, "TELEOPS_WEBHOOK_SECRET_FILE", SETUP_ETC "/webhook_secret");
	}
	tele_buf_release(&conninfo);
	return put_text(s, path, text, 0644, said);
}

static enum outcome step_programs(struct setup *s, struct tele_buf *said)
{
	enum outcome all = SETUP_SAME;

	for (size_t i = 0; i < sizeof programs / sizeof *programs && all != SETUP_FAILED; i++)
		if (setup_polls(s) ? programs[i].polls : programs[i].hooks)
			all = setup_worst(all, put_program(s, &programs[i], said));
	s->restart = s->restart || all == SETUP_DONE;
	return all;
}

/* What was answered, for the next time; the token and passwords only by the names of their files. */
static enum outcome step_answers(struct setup *s, struct tele_buf *said)
{
	struct tele_buf text = {0};
	enum outcome all;

	tele_buf_str(&text, "# What teleops setup was answered: teleops setup --answers THIS does the same again.\n");
	for (int i = 0; i < ANSWERS; i++)
		if (i == ANSWER_TOKEN)
			tele_buf_printf(&text, "%s = " SETUP_ETC "/bot_token\n", setup_key(i));
		else if (i != ANSWER_PASSWORD && *s->answer[i])
			tele_buf_printf(&text, "%s = %s\n", setup_key(i), s->answer[i]);
	all = setup_put(s, SETUP_ETC "/setup.answers", tele_buf_text(&text), "root", 0600, said);
	tele_buf_release(&text);
	return all;
}

static const struct step {
	const char *name;
	setup_step *run;
} steps[] = {
    {"users", step_users},
    {"directories", step_directories},
    {"database roles", setup_roles},
    {"databases", setup_databases},
    {"database access", setup_peers},
    {"secrets", step_secrets},
    {"settings", step_settings},
    {"programs' settings", step_programs},
    {"schema", setup_schema},
    {"people and commands", setup_people},
    {"administrator", setup_admin},
    {"certificate", setup_certificate},
    {"nginx", setup_nginx},
    {"programs", setup_programs},
    {"webhook", setup_webhook},
    {"pages", setup_health},
    {"answers", step_answers},
};

static const char *const outcomes[] = {"same", "done", "FAIL"};

/* What the verbs of teleops that do some of the work are to see: the operator's settings. */
static void set_environment(struct setup *s)
{
	struct tele_buf conninfo = {0};
	char at[PATH_MAX];

	unsetenv("TELEOPS_BOT_TOKEN");
	unsetenv("TELEOPS_WEBHOOK_SECRET");
	setenv("TELEOPS_API_BASE", s->answer[ANSWER_API], 1);
	setup_conninfo(s, "teleops_owner", "telemanager", &conninfo);
	setenv("TELEOPS_DATABASE", tele_buf_text(&conninfo), 1);
	tele_buf_reset(&conninfo);
	setup_conninfo(s, "teleops_owner", "teleapp", &conninfo);
	setenv("TELEOPS_APP_DATABASE", tele_buf_text(&conninfo), 1);
	tele_buf_release(&conninfo);
	setup_path(s, SETUP_ETC "/bot_token", at, sizeof at);
	setenv("TELEOPS_BOT_TOKEN_FILE", at, 1);
	setup_path(s, SETUP_ETC "/webhook_secret", at, sizeof at);
	setenv("TELEOPS_WEBHOOK_SECRET_FILE", at, 1);
	setup_path(s, SETUP_ETC "/teleops.conf", at, sizeof at);
	setenv("TELEOPS_CONFIG", at, 1);
}

bool setup_carry_out(struct setup *s)
{
	enum outcome all = SETUP_SAME;

	if (sodium_init() < 0)
		return false;
	set_environment(s);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && all != SETUP_FAILED; i++) {
		struct tele_buf said = {0};

		all = steps[i].run(s, &said);
		s->changed += all == SETUP_DONE;
		fprintf(all == SETUP_FAILED ? stderr : stdout, "%s  %s%s%s\n", outcomes[all], steps[i].name, said.len ? ": " : "", tele_buf_text(&said));
		fflush(stdout);
		tele_buf_release(&said);
	}
	if (all == SETUP_FAILED)
		fprintf(stderr, "teleops setup: correct that and run it again; what is done is not done twice\n");
	return all != SETUP_FAILED;
}
