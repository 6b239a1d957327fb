/*
 * teleops setup [--answers FILE] [--root DIR]: from an installed TeleOps to a working bot. First all questions, each answer with its check;
 * then the steps (setup_steps.c). Secrets stand in files and nowhere else.
 */
#include "cli/setup.h"
#include "cli/hidden.h"
#include "cli/spawn.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 4096 };

static void initial_api(struct setup *s, char *out);
static void initial_token(struct setup *s, char *out);
static void initial_host(struct setup *s, char *out);
static void initial_updates(struct setup *s, char *out);
static bool has_own(const struct setup *s);

static const struct question {
	const char *key;
	const char *ask;     /* NULL: a person is not asked, only a file may say it */
	const char *why;     /* for --help */
	const char *initial; /* what counts where nothing is said; NULL: */
	void (*find)(struct setup *s, char *out);
	setup_check *check;
	bool (*needed)(const struct setup *s); /* NULL: always */
	bool hidden;
} questions[ANSWERS] = {
    [ANSWER_API] = {"api_base", NULL, "the Bot API server", NULL, initial_api, setup_check_api, NULL, false},
    [ANSWER_TOKEN] = {"token_file", "The bot's token, as BotFather gave it, or the whole path of its file; it is not shown",
	"file that holds the bot's token", NULL, initial_token, setup_check_token, NULL, true},
    [ANSWER_HOST] = {"host", "The name by which browsers and Telegram reach this host", "name by which browsers and Telegram reach this host", NULL,
	initial_host, setup_check_host, NULL, false},
    [ANSWER_UPDATES] = {"updates", "webhook (Telegram comes to this host) or polling (this host asks Telegram; it needs no public address)",
	"webhook, or polling where the host has no public address", NULL, initial_updates, setup_check_updates, NULL, false},
    [ANSWER_WEBHOOK_PORT] = {"webhook_port", "The port for Telegram: 443, 80, 88 or 8443", "nginx's port for Telegram and alerts", "8443", NULL,
	setup_check_webhook_port, NULL, false},
    [ANSWER_ADMIN_PORT] = {"admin_port", "The port for the admin pages", "nginx's port for the admin pages", "443", NULL, setup_check_admin_port, NULL, false},
    [ANSWER_CERTIFICATE] = {"certificate", "The certificate: self-signed (made here), certbot (that it has made), or the whole path of one with its chain",
	"self-signed, certbot, or the path of one with its chain", SETUP_SELF_SIGNED, NULL, setup_check_certificate, NULL, false},
    [ANSWER_KEY] = {"certificate_key", "The whole path of its private key", "the path of its private key", "", NULL, setup_check_key, has_own, false},
    [ANSWER_SOCKET] = {"database_socket", "The directory of PostgreSQL's socket", "directory of PostgreSQL's socket", "/run/postgresql", NULL, setup_check_socket,
	NULL, false},
    [ANSWER_DB_PORT] = {"database_port", "PostgreSQL's port, which names the socket", "PostgreSQL's port, which names the socket", "5432", NULL,
	setup_check_db_port, NULL, false},
    [ANSWER_ADMIN] = {"admin_login", "The first administrator's login", "first administrator's login", "admin", NULL, setup_check_login, NULL, false},
    [ANSWER_PASSWORD] = {"admin_password_file", NULL, "file that holds the administrator's password; without it one is made, and put into a file", "", NULL,
	setup_check_password, NULL, false},
    [ANSWER_PEOPLE] = {"people_file", NULL, "file of people and commands for teleops apply", "", NULL, setup_check_people, NULL, false},
};

const char *setup_key(enum answer i)
{
	return questions[i].key;
}

bool setup_polls(const struct setup *s)
{
	return s->answer[ANSWER_UPDATES] && !strcmp(s->answer[ANSWER_UPDATES], SETUP_POLLING);
}

bool setup_elsewhere(const struct setup *s)
{
	return *s->root;
}

static bool has_own(const struct setup *s)
{
	return *s->answer[ANSWER_CERTIFICATE] == '/';
}

static void initial_api(struct setup *s, char *out)
{
	snprintf(out, LINE_MOST, "%s", s->call->conf->api_base);
}

/* The one of a former run. */
static void initial_token(struct setup *s, char *out)
{
	char at[PATH_MAX];

	setup_path(s, SETUP_ETC "/bot_token", at, sizeof at);
	snprintf(out, LINE_MOST, "%s", access(at, R_OK) ? "" : at);
}

static void initial_host(struct setup *s, char *out)
{
	const struct addrinfo hints = {.ai_flags = AI_CANONNAME};
	struct addrinfo *list = NULL;

	(void)s;
	gethostname(out, SETUP_HOST_MOST);
	if (!getaddrinfo(out, NULL, &hints, &list) && list->ai_canonname)
		snprintf(out, LINE_MOST, "%s", list->ai_canonname);
	if (list)
		freeaddrinfo(list);
}

static void initial_updates(struct setup *s, char *out)
{
	struct tele_buf ignored = {0};
	bool good = s->good[ANSWER_HOST] && setup_check_updates(s, SETUP_WEBHOOK, &ignored);

	snprintf(out, LINE_MOST, "%s", good ? SETUP_WEBHOOK : SETUP_POLLING);
	tele_buf_release(&ignored);
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

static int key_of(const char *key)
{
	for (int i = 0; i < ANSWERS; i++)
		if (!strcmp(questions[i].key, key))
			return i;
	return -1;
}

/* key = value lines, as in teleops.conf; lines[] says where each stands. False after saying what is no answer. */
static bool read_answers(const char *path, char *values[ANSWERS], int lines[ANSWERS])
{
	FILE *f = fopen(path, "re");
	char line[LINE_MOST];
	bool good = f != NULL;
	int n = 0;

	if (!f)
		fprintf(stderr, "teleops setup: %s: %s\n", path, strerror(errno));
	while (f && fgets(line, sizeof line, f)) {
		char *key = trim(line), *eq = strchr(key, '=');
		int i;

		n++;
		if (!*key || *key == '#')
			continue;
		if (eq)
			*eq = '\0';
		i = key_of(trim(key));
		if (!eq || i < 0) {
			fprintf(stderr, "%s:%d: there is no question %s; teleops setup --help lists them\n", path, n, eq ? key : "without =");
			good = false;
			continue;
		}
		free(values[i]);
		values[i] = strdup(trim(eq + 1));
		lines[i] = n;
	}
	if (f)
		fclose(f);
	return good;
}

/* What counts where nothing is said. */
static void initial(struct setup *s, int i, char *out)
{
	*out = '\0';
	if (questions[i].find)
		questions[i].find(s, out);
	else
		snprintf(out, LINE_MOST, "%s", questions[i].initial);
}

static bool take(struct setup *s, int i, const char *value, struct tele_buf *why)
{
	free(s->answer[i]);
	s->answer[i] = strdup(value);
	if (questions[i].needed && !questions[i].needed(s))
		return s->good[i] = true;
	s->good[i] = s->answer[i] && questions[i].check(s, s->answer[i], why);
	return s->good[i];
}

/* Every answer is looked at, so that all that is wrong is said at once. */
static bool take_file(struct setup *s, const char *path)
{
	char *values[ANSWERS] = {0}, found[LINE_MOST];
	int lines[ANSWERS] = {0};
	bool good = read_answers(path, values, lines);

	for (int i = 0; good && i < ANSWERS; i++) {
		struct tele_buf why = {0};

		initial(s, i, found);
		if (!take(s, i, values[i] && *values[i] ? values[i] : found, &why)) {
			fprintf(stderr, "%s:%d: %s: %s\n", path, lines[i], questions[i].key, tele_buf_text(&why));
		}
		tele_buf_release(&why);
	}
	for (int i = 0; i < ANSWERS; i++) {
		good = good && s->good[i];
		free(values[i]);
	}
	if (!good)
		fprintf(stderr, "teleops setup: nothing was changed\n");
	return good;
}

/* One line of a person's; an empty one means what stands in brackets. False: there is none. */
static bool ask(const struct question *q, const char *found, char *line)
{
	char prompt[512];

	if (q->hidden) {
		snprintf(prompt, sizeof prompt, "%s%s", q->ask, *found ? "; nothing for the one that is there" : "");
		if (!hidden_read(prompt, line, LINE_MOST))
			return false;
	} else {
		printf("%s [%s]: ", q->ask, found);
		fflush(stdout);
		if (!fgets(line, LINE_MOST, stdin))
			return false;
	}
	if (!*trim(line))
		snprintf(line, LINE_MOST, "%s", found);
	return true;
}

/* Asked again until it is good. */
static bool take_one(struct setup *s, int i, const char *former)
{
	char found[LINE_MOST], line[LINE_MOST];
	const struct question *q = &questions[i];
	bool good = false, said = true;

	initial(s, i, found);
	if (former)
		snprintf(found, sizeof found, "%s", former);
	while (!good && said) {
		struct tele_buf why = {0};
		bool asked = q->ask && (!q->needed || q->needed(s));

		said = !asked || ask(q, found, line);
		good = said && take(s, i, asked ? trim(line) : found, &why);
		if (said && !good)
			printf("  %s\n", tele_buf_text(&why));
		tele_buf_release(&why);
		said = said && asked;
	}
	explicit_bzero(line, sizeof line);
	return good;
}

static bool take_person(struct setup *s)
{
	char *former[ANSWERS] = {0}, at[PATH_MAX], line[LINE_MOST] = "";
	int lines[ANSWERS];
	bool good = true;

	setup_path(s, SETUP_ETC "/setup.answers", at, sizeof at);
	if (!access(at, R_OK))
		good = read_answers(at, former, lines);
	for (int i = 0; good && i < ANSWERS; i++)
		good = take_one(s, i, i == ANSWER_TOKEN ? NULL : former[i]);
	for (int i = 0; i < ANSWERS; i++)
		free(former[i]);
	if (good) {
		printf("The bot is @%s. Set it up on this host now? [yes]: ", s->bot);
		fflush(stdout);
		good = fgets(line, sizeof line, stdin) && (!*trim(line) || !strcasecmp(trim(line), "yes") || !strcasecmp(trim(line), "y"));
	}
	if (!good)
		fprintf(stderr, "\nteleops setup: nothing was changed\n");
	return good;
}

/* What must be there before anything is asked. */
static bool can_run(const struct setup *s)
{
	static const struct {
		const char *program, *package;
	} programs[] = {{"nginx", "nginx-light"}, {"useradd", "passwd"}};
	bool good = true;

	if (geteuid()) {
		fprintf(stderr, "teleops setup: run it as root; it makes users and writes below /etc\n");
		return false;
	}
	for (size_t i = 0; i < sizeof programs / sizeof *programs && !setup_elsewhere(s); i++)
		if (!spawn_find(programs[i].program)) {
			fprintf(stderr, "teleops setup: there is no %s; apt-get install %s\n", programs[i].program, programs[i].package);
			good = false;
		}
	return good;
}

static void tell_end(const struct setup *s)
{
	const char *port = s->answer[ANSWER_ADMIN_PORT];

	if (!s->changed)
		printf("All of it was so already: nothing was changed.\n");
	setup_tell_start(s);
	printf("The pages are at https://%s%s%s/, for %s. Write to @%s: it answers with your numeric id, which goes to your person there.\n", s->answer[ANSWER_HOST],
	    strcmp(port, "443") ? ":" : "", strcmp(port, "443") ? port : "", s->answer[ANSWER_ADMIN], s->bot);
	printf("For teleops itself: set -a; . " SETUP_ETC "/operator.env; set +a; then teleops doctor looks at all of it.\n");
}

static void release(struct setup *s)
{
	for (int i = 0; i < ANSWERS; i++) {
		if (s->answer[i] && questions[i].hidden)
			explicit_bzero(s->answer[i], strlen(s->answer[i]));
		free(s->answer[i]);
	}
	explicit_bzero(s->token, sizeof s->token);
	free(s->certificate);
	free(s->key);
	curl_global_cleanup();
}

int verb_setup(const struct call *c)
{
	struct setup s = {.call = c, .root = c->root ? c->root : "", .asking = !c->answers};
	bool good = can_run(&s) && (c->answers ? take_file(&s, c->answers) : take_person(&s)) && setup_carry_out(&s);

	if (good)
		tell_end(&s);
	release(&s);
	return good ? EXIT_DONE : EXIT_FAILED;
}

void setup_describe(void)
{
	printf("\nIt asks, looks at each answer, changes nothing before all are good, and then says of every step whether it was so already (same)\n"
	       "or is now (done). Run again it changes nothing. With --answers it asks nothing; FILE has lines key = value, of these keys:\n");
	for (int i = 0; i < ANSWERS; i++)
		printf("  %-20s %s%s%s%s\n", questions[i].key, questions[i].why, questions[i].initial && *questions[i].initial ? " (" : "",
		    questions[i].initial ? questions[i].initial : "", questions[i].initial && *questions[i].initial ? ")" : "");
	printf("What was answered is kept in " SETUP_ETC "/setup.answers, without secrets.\n"
	       "--root DIR: files are written below DIR, where TeleOps is installed, and nothing is started; database and users are this host's.\n");
}
