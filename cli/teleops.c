/*
 * teleops: the operator's tool.
 */
#include "cli/verb.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
	const char *name; /* one word or two */
	const char *words, *what;
	int (*run)(const struct call *c);
	void (*more)(void);
	int least, most; /* words */
	const char *options; /* that it takes, space around each */
	bool despite;        /* runs with settings that are wrong, too */
} verbs[] = {
    {"setup", "[--answers FILE] [--root DIR]", "leads from an installed TeleOps to a working bot, or looks that all of it is so", verb_setup, setup_describe,
	0, 0, " --answers --root ", true},
    {"migrate", "[--dry-run]", "brings the databases to the schema of this version", verb_migrate, NULL, 0, 0, " --dry-run ", false},
    {"apply", "FILE.json [--dry-run] [--prune] [--json]", "makes people, roles and commands match a file; - is standard input", verb_apply,
	apply_describe, 1, 1, " --dry-run --prune --json ", false},
    {"export", "", "prints what is, as a file for apply", verb_export, NULL, 0, 0, " --json ", false},
    {"admin create", "LOGIN [--generate] [--reset-password] [--first-name X] [--last-name Y]",
	"makes an administrator; the password comes from TELEOPS_ADMIN_PASSWORD or standard input", verb_admin_create, NULL, 1, 1,
	" --generate --reset-password --first-name --last-name ", false},
    {"status", "[--json]", "shows tasks, messages, engines and the bot", verb_status, NULL, 0, 0, " --json ", false},
    {"task show", "N [--json]", "shows what became of a task: its times, messages, record, and the end of its output", verb_task_show,
	NULL, 1, 1, " --json ", false},
    {"schedule list", "[--json]", "shows what runs by the clock, and the next five times of each in its own zone", verb_schedule_list, NULL, 0, 0,
	" --json ", false},
    {"hook create", "NAME --chat ID [--topic N] [--json]", "makes an address that alerts are posted to, and shows it this once", verb_hook_create,
	NULL, 1, 1, " --chat --topic --json ", false},
    {"hook renew", "NAME [--json]", "gives a hook another address; the former one takes nothing any more", verb_hook_renew, NULL, 1, 1, " --json ", false},
    {"hook list", "[--json]", "shows the hooks, where their alerts go, and whether they take any", verb_hook_list, NULL, 0, 0, " --json ", false},
    {"hook delete", "NAME", "takes a hook away, with its alerts; what it has told stays in the chat", verb_hook_delete, NULL, 1, 1, " ", false},
    {"chat list", "[--json]", "shows groups and channels, and where the bot answers", verb_chat_list, NULL, 0, 0, " --json ", false},
    {"chat allow", "CHAT", "lets the bot answer in a group, by its number; new: in every one that nobody has forbidden", verb_chat_allow, NULL, 1, 1,
	" ", false},
    {"chat forbid", "CHAT", "lets the bot answer nothing but /id there; new: nor in any that nobody has allowed", verb_chat_forbid, NULL, 1, 1,
	" ", false},
    {"audit verify", "[--head SHA256] [--json]", "follows the seals over the record; --head: one noted earlier must be among them",
	verb_audit_verify, NULL, 0, 0, " --head --json ", false},
    {"webhook set", "[URL] [--certificate FILE] [--max-connections N] [--ip-address A] [--drop-pending] [--json]",
	"tells Telegram where updates go (setting webhook_url), and the secret; a self-signed certificate goes along", verb_webhook_set,
	NULL, 0, 1, " --certificate --max-connections --ip-address --drop-pending --json ", false},
    {"webhook info", "[--json]", "shows what Telegram says of the webhook", verb_webhook_info, NULL, 0, 0, " --json ", false},
    {"webhook delete", "[--drop-pending] [--json]", "takes the webhook away; updates wait for the next one, or for teleops poll",
	verb_webhook_delete, NULL, 0, 0, " --drop-pending --json ", false},
    {"poll", "", "takes updates by long polling, where no webhook can be reached; runs until it is told to stop", verb_poll, poll_describe,
	0, 0, " ", false},
    {"secret keygen", "FILE", "makes the keys for secret arguments: FILE for engines, and a setting for TeleBot", verb_secret_keygen,
	secret_describe, 1, 1, " ", false},
    {"secret seal", "CONNECTION", "seals the password of a connection, read from standard input, for its file in connection_dir", verb_secret_seal,
	seal_describe, 1, 1, " ", false},
    {"conf reference", "", "prints every setting with its default and what it is for, as a file to begin with", verb_conf_reference, NULL, 0, 0,
	" ", true},
    {"doctor", "[--json]", "looks at everything that has to be right, and says what to do about what is not", verb_doctor, NULL, 0, 0,
	" --json ", true},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

#define IDS 4503599627370495L /* 52 bits (core.telegram.org/bots/api#user) */
#define AT(member) offsetof(struct call, member)

enum type { FLAG, TEXT, NUMBER };

static const struct option {
	const char *name;
	enum type type;
	size_t offset;
	long least, most;
} options[] = {
    {"--json", FLAG, AT(json), 0, 0},
    {"--dry-run", FLAG, AT(dry_run), 0, 0},
    {"--prune", FLAG, AT(prune), 0, 0},
    {"--generate", FLAG, AT(generate), 0, 0},
    {"--reset-password", FLAG, AT(reset_password), 0, 0},
    {"--first-name", TEXT, AT(first_name), 0, 0},
    {"--last-name", TEXT, AT(last_name), 0, 0},
    {"--head", TEXT, AT(head), 0, 0},
    {"--certificate", TEXT, AT(certificate), 0, 0},
    {"--ip-address", TEXT, AT(ip_address), 0, 0},
    {"--answers", TEXT, AT(answers), 0, 0},
    {"--root", TEXT, AT(root), 0, 0},
    {"--chat", NUMBER, AT(chat), -IDS, IDS},
    {"--topic", NUMBER, AT(topic), 1, IDS},
    {"--max-connections", NUMBER, AT(max_connections), 1, 100},
    {"--drop-pending", FLAG, AT(drop_pending), 0, 0},
};

static void usage(FILE *to)
{
	fprintf(to, "teleops: operations by Telegram, the operator's tool\n\n");
	for (int i = 0; i < VERBS; i++)
		fprintf(to, "  teleops %s%s%s\n        %s\n", verbs[i].name, *verbs[i].words ? " " : "", verbs[i].words, verbs[i].what);
	fprintf(to, "\n  teleops VERB --help   says more\n\nExit status: 0 done, 1 failed, 2 wrong usage.\n");
}

static int help(const struct verb *v)
{
	struct tele_buf keys = {0};

	printf("teleops %s %s\n  %s\n", v->name, v->words, v->what);
	if (v->more)
		v->more();
	tele_conf_describe(&keys);
	printf("\nSettings (teleops.conf, or TELEOPS_KEY in the environment):\n%s", tele_buf_text(&keys));
	tele_buf_release(&keys);
	return EXIT_DONE;
}

/* How many of the words make the verb's name: 0: they are another verb, or none. */
static int fits(const struct verb *v, int argc, char **argv)
{
	size_t first = strcspn(v->name, " ");

	if (!argc || strlen(argv[0]) != first || strncmp(v->name, argv[0], first))
		return 0;
	if (!v->name[first])
		return 1;
	return argc > 1 && !strcmp(v->name + first + 1, argv[1]) ? 2 : 0;
}

static const struct verb *find(int argc, char **argv, int *taken)
{
	for (int i = 0; i < VERBS; i++)
		if ((*taken = fits(&verbs[i], argc, argv)))
			return &verbs[i];
	return NULL;
}

/* There is no such verb; perhaps some that begin like it. asked: that was the question. */
static int explain(const char *word, bool asked)
{
	FILE *to = asked ? stdout : stderr;
	size_t n = strlen(word);
	int shown = 0;

	for (int i = 0; i < VERBS; i++)
		if (!strncmp(verbs[i].name, word, n) && verbs[i].name[n] == ' ')
			fprintf(to, "%s teleops %s %s\n", shown++ ? "      " : "usage:", verbs[i].name, verbs[i].words);
	if (!shown)
		fprintf(stderr, "teleops: there is no verb %s; see teleops --help\n", word);
	return asked && shown ? EXIT_DONE : EXIT_USAGE;
}

static const struct option *find_option(const struct verb *v, const char *name)
{
	char padded[64];

	if ((size_t)snprintf(padded, sizeof padded, " %s ", name) >= sizeof padded || !strstr(v->options, padded))
		return NULL;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

/* value is NULL where the words have come to their end. */
static bool set_option(const struct verb *v, const struct option *o, const char *value, struct call *c)
{
	char *at = (char *)c + o->offset, *end;
	long n;

	if (o->type == FLAG) {
		*(bool *)at = true;
		return true;
	}
	if (!value) {
		fprintf(stderr, "teleops %s: %s needs a value\n", v->name, o->name);
		return false;
	}
	if (o->type == TEXT) {
		memcpy(at, &value, sizeof value);
		return true;
	}
	n = strtol(value, &end, 10);
	if (!*value || *end || n < o->least || n > o->most) {
		fprintf(stderr, "teleops %s: %s must be a whole number from %ld to %ld\n", v->name, o->name, o->least, o->most);
		return false;
	}
	memcpy(at, &n, sizeof n);
	return true;
}

/* Options may stand anywhere after the verb; what is left are its words. False: said what is wrong. */
static bool read_options(const struct verb *v, int argc, char **argv, struct call *c)
{
	for (int i = 0; i < argc; i++) {
		const struct option *o;

		if (strncmp(argv[i], "--", 2)) {
			c->argv[c->argc++] = argv[i];
			continue;
		}
		o = find_option(v, argv[i]);
		if (!o) {
			fprintf(stderr, "teleops %s: unknown option %s; see teleops %s --help\n", v->name, argv[i], v->name);
			return false;
		}
		if (!set_option(v, o, i + 1 < argc ? argv[i + 1] : NULL, c))
			return false;
		i += o->type != FLAG;
	}
	if (c->argc >= v->least && c->argc <= v->most)
		return true;
	fprintf(stderr, "usage: teleops %s %s\n", v->name, v->words);
	return false;
}

static int run(const struct verb *v, struct call *c)
{
	struct tele_conf conf;
	struct tele_buf err = {0};
	int status = EXIT_FAILED;

	if (tele_conf_load(&conf, &err) == TELE_OK || v->despite) {
		c->conf = &conf;
		c->conf_errors = tele_buf_text(&err);
		status = v->run(c);
	} else {
		fprintf(stderr, "teleops: %s", tele_buf_text(&err));
	}
	tele_buf_release(&err);
	tele_conf_release(&conf);
	return status;
}

int main(int argc, char **argv)
{
	struct call c = {0};
	const struct verb *v;
	int status = EXIT_USAGE, taken;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	v = find(argc - 1, argv + 1, &taken);
	if (!v)
		return explain(argv[1], argc == 3 && !strcmp(argv[2], "--help"));
	for (int i = 1 + taken; i < argc; i++)
		if (!strcmp(argv[i], "--help"))
			return help(v);
	c.argv = calloc((size_t)argc, sizeof *c.argv);
	if (c.argv && read_options(v, argc - 1 - taken, argv + 1 + taken, &c))
		status = run(v, &c);
	free(c.argv);
	return status;
}
