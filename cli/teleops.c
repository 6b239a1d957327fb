/*
 * teleops: the operator's tool.
 */
#include "cli/verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
	const char *name, *words, *what;
	int (*run)(const struct call *c);
	void (*more)(void);
	int least, most; /* words */
	const char *options; /* that it takes, space around each */
} verbs[] = {
    {"migrate", "[--dry-run]", "brings the databases to the schema of this version", verb_migrate, NULL, 0, 0, " --dry-run "},
    {"apply", "FILE.json [--dry-run] [--prune] [--json]", "makes people, roles and commands match a file; - is standard input", verb_apply,
	apply_describe, 1, 1, " --dry-run --prune --json "},
    {"export", "", "prints what is, as a file for apply", verb_export, NULL, 0, 0, " --json "},
    {"admin", "create LOGIN [--generate] [--reset-password] [--first-name X] [--last-name Y]",
	"makes an administrator; the password comes from TELEOPS_ADMIN_PASSWORD or standard input", verb_admin, NULL, 2, 2,
	" --generate --reset-password --first-name --last-name "},
    {"status", "[--json]", "shows tasks, messages, engines and the bot", verb_status, NULL, 0, 0, " --json "},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

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

static const struct verb *find(const char *name)
{
	for (int i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static bool takes(const struct verb *v, const char *option)
{
	char padded[64];

	return (size_t)snprintf(padded, sizeof padded, " %s ", option) < sizeof padded && strstr(v->options, padded);
}

/* Options may stand anywhere after the verb; what is left are its words. False: said what is wrong. */
static bool read_options(const struct verb *v, int argc, char **argv, struct call *c)
{
	struct {
		const char *name;
		bool *flag;
		const char **value;
	} options[] = {{"--json", &c->json, NULL}, {"--dry-run", &c->dry_run, NULL}, {"--prune", &c->prune, NULL},
	    {"--generate", &c->generate, NULL}, {"--reset-password", &c->reset_password, NULL}, {"--first-name", NULL, &c->first_name},
	    {"--last-name", NULL, &c->last_name}};

	for (int i = 0; i < argc; i++) {
		size_t o = 0;

		if (strncmp(argv[i], "--", 2)) {
			c->argv[c->argc++] = argv[i];
			continue;
		}
		while (o < sizeof options / sizeof *options && strcmp(options[o].name, argv[i]))
			o++;
		if (!takes(v, argv[i]) || o == sizeof options / sizeof *options) {
			fprintf(stderr, "teleops %s: unknown option %s; see teleops %s --help\n", v->name, argv[i], v->name);
			return false;
		}
		if (options[o].flag) {
			*options[o].flag = true;
		} else if (++i < argc) {
			*options[o].value = argv[i];
		} else {
			fprintf(stderr, "teleops %s: %s needs a value\n", v->name, options[o].name);
			return false;
		}
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

	if (tele_conf_load(&conf, &err) == TELE_OK) {
		c->conf = &conf;
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
	int status = EXIT_USAGE;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	v = find(argv[1]);
	if (!v) {
		fprintf(stderr, "teleops: there is no verb %s; see teleops --help\n", argv[1]);
		return EXIT_USAGE;
	}
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], "--help"))
			return help(v);
	c.argv = calloc((size_t)argc, sizeof *c.argv);
	if (c.argv && read_options(v, argc - 2, argv + 2, &c))
		status = run(v, &c);
	free(c.argv);
	return status;
}
