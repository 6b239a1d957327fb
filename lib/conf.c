#include "lib/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum type { STRING, NUMBER, BOOLEAN };

struct setting {
	const char *key;
	enum type type;
	size_t offset;
	const char *initial;
	long least, most;
	const char *why;
};

#define AT(member) offsetof(struct tele_conf, member)

static const struct setting settings[] = {
    {"database", STRING, AT(database), NULL, 0, 0, "libpq conninfo of the database telemanager, with this program's role"},
    {"app_database", STRING, AT(app_database), NULL, 0, 0, "libpq conninfo of the database teleapp, if there is one"},
    {"api_base", STRING, AT(api_base), "https://api.telegram.org", 0, 0, "where the Bot API is"},
    {"bot_token", STRING, AT(bot_token), NULL, 0, 0, "the bot's token; better in bot_token_file"},
    {"bot_token_file", STRING, AT(bot_token_file), NULL, 0, 0, "file that holds the bot's token"},
    {"webhook_secret", STRING, AT(webhook_secret), NULL, 0, 0, "secret that Telegram sends along; better in webhook_secret_file"},
    {"webhook_secret_file", STRING, AT(webhook_secret_file), NULL, 0, 0, "file that holds the webhook's secret"},
    {"metrics_token", STRING, AT(metrics_token), NULL, 0, 0, "bearer token that opens /metrics to others than loopback; better in metrics_token_file"},
    {"metrics_token_file", STRING, AT(metrics_token_file), NULL, 0, 0, "file that holds that token"},
    {"webhook_url", STRING, AT(webhook_url), NULL, 0, 0, "where Telegram delivers, as https://HOST:8443/webhook"},
    {"bot_socket", STRING, AT(bot_socket), "/run/teleops/telebot.sock", 0, 0, "socket of telebot.fcgi; for teleops doctor"},
    {"manager_socket", STRING, AT(manager_socket), "/run/teleops/telemanager.sock", 0, 0, "socket of telemanager.fcgi; for teleops doctor"},
    {"certificate", STRING, AT(certificate), NULL, 0, 0, "certificate file that nginx serves; for teleops doctor"},
    {"webhook_port", NUMBER, AT(webhook_port), "0", 0, 65535, "port of nginx for the webhook on this host; for teleops doctor; 0: none"},
    {"admin_port", NUMBER, AT(admin_port), "0", 0, 65535, "port of nginx for the pages on this host; for teleops doctor; 0: none"},
    {"secret_public_key", STRING, AT(secret_public_key), NULL, 0, 0, "what TeleBot seals secret arguments with; see teleops secret keygen"},
    {"secret_key_file", STRING, AT(secret_key_file), NULL, 0, 0, "file of the keys that an engine opens them with"},
    {"exec_dir", STRING, AT(exec_dir), TELE_SYSCONFDIR "/teleops/exec", 0, 0, "root-owned directory of programs that commands may run"},
    {"connection_dir", STRING, AT(connection_dir), TELE_SYSCONFDIR "/teleops/connections", 0, 0, "root-owned directory of the connections that sql and http commands may use"},
    {"call_program", STRING, AT(call_program), TELE_LIBEXECDIR "/telecall", 0, 0, "program that carries out sql and http commands"},
    {"run_dir", STRING, AT(run_dir), "/run/teleops", 0, 0, "lock files"},
    {"work_dir", STRING, AT(work_dir), TELE_LOCALSTATEDIR "/lib/teleops/work", 0, 0, "working directories of running commands"},
    {"results_files", NUMBER, AT(results_files), "10", 0, 1000, "files that a command may leave in its results directory to be sent; 0: none"},
    {"results_megabytes", NUMBER, AT(results_megabytes), "20", 1, 50, "how large each of them may be; Telegram takes no more than 50"},
    {"schema_dir", STRING, AT(schema_dir), TELE_DATADIR "/schema", 0, 0, "migrations that teleops migrate applies"},
    {"template_dir", STRING, AT(template_dir), TELE_DATADIR "/templates", 0, 0, "templates of pages"},
    {"queues", STRING, AT(queues), "default", 0, 0, "queues this engine serves, separated by commas"},
    {"engine_labels", STRING, AT(engine_labels), "", 0, 0, "what targets may ask of this engine, as env=staging,role=web"},
    {"engine_name", STRING, AT(engine_name), NULL, 0, 0, "this engine's name; the host's name if not set"},
    {"engine_user", STRING, AT(engine_user), "teleops-engine", 0, 0, "system user that the engine becomes after it has forked its runner"},
    {"command_user", STRING, AT(command_user), "teleops-cmd", 0, 0, "system user that commands run as, unless a policy names another"},
    {"http_user", STRING, AT(http_user), "teleops-http", 0, 0, "system user that requests of http commands are made as"},
    {"log_level", STRING, AT(log_level), "info", 0, 0, "error, warn, info or debug"},
    {"log_format", STRING, AT(log_format), "logfmt", 0, 0, "logfmt or json"},
    {"slots", NUMBER, AT(slots), "8", 1, 10000, "tasks that this engine runs at once"},
    {"acceptors", NUMBER, AT(acceptors), "160", 1, 4096, "threads of telebot.fcgi; more than the connections nginx may open"},
    {"writers", NUMBER, AT(writers), "2", 1, 64, "database connections of telebot.fcgi"},
    {"batch", NUMBER, AT(batch), "64", 1, 1000, "updates that are admitted in one transaction at most"},
    {"person_rate", NUMBER, AT(person_rate), "100", 0, 1000000, "messages of one person within ten seconds, the rest is left out; 0: no limit"},
    {"keep_history_days", NUMBER, AT(keep_history_days), "0", 0, 36500, "finished tasks are kept so long, in whole months; 0: for ever"},
    {"keep_output_days", NUMBER, AT(keep_output_days), "90", 0, 36500, "what commands printed is kept so long; 0: for ever"},
    {"grace_s", NUMBER, AT(grace_s), "30", 0, 3600, "seconds that a stopping program gives to what is under way"},
    {"poll_ms", NUMBER, AT(poll_ms), "1000", 10, 60000, "milliseconds between looks at the queue without a ring"},
    {"send_rate", NUMBER, AT(send_rate), "30", 0, 100000, "messages a second over all; 0: no limit"},
    {"send_burst", NUMBER, AT(send_burst), "30", 1, 100000, "messages that may be sent at once before send_rate counts"},
    {"send_rate_chat", NUMBER, AT(send_rate_chat), "1", 0, 100000, "messages a second in one chat; 0: no limit"},
    {"send_burst_chat", NUMBER, AT(send_burst_chat), "20", 1, 100000, "messages that may be sent at once in one chat before send_rate_chat counts"},
    {"send_rate_group", NUMBER, AT(send_rate_group), "20", 0, 100000, "messages a minute in one group; 0: no limit"},
    {"send_parallel", NUMBER, AT(send_parallel), "16", 1, 1000, "requests to the Bot API at once"},
    {"pages_connections", NUMBER, AT(pages_connections), "4", 1, 64, "database connections of telemanager.fcgi"},
    {"session_idle_min", NUMBER, AT(session_idle_min), "30", 1, 10080, "minutes without a request after which one is signed out of the pages"},
    {"session_hours", NUMBER, AT(session_hours), "12", 1, 720, "hours after which one signs in to the pages again in any case"},
    {"insecure_same_user", BOOLEAN, AT(insecure_same_user), "no", 0, 0, "without root: run commands as the engine's own user"},
};

#define SETTINGS (sizeof settings / sizeof *settings)

static char **string_at(const struct tele_conf *conf, const struct setting *s)
{
	return (char **)(void *)((char *)(uintptr_t)conf + s->offset);
}

static const struct setting *find(const char *key, size_t len)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strlen(settings[i].key) == len && !strncmp(settings[i].key, key, len))
			return &settings[i];
	return NULL;
}

static bool parse_boolean(const char *value, bool *out)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcasecmp(value, words[i])) {
			*out = i % 2;
			return true;
		}
	}
	return false;
}

/* where: file and line, or the variable; for the message. */
static void assign(struct tele_conf *conf, const struct setting *s, const char *value, const char *where, struct tele_buf *err)
{
	char *end;
	long n;

	if (!*value)
		return;
	switch (s->type) {
	case STRING:
		free(*string_at(conf, s));
		*string_at(conf, s) = strdup(value);
		break;
	case NUMBER:
		errno = 0;
		n = strtol(value, &end, 10);
		if (errno || *end || n < s->least || n > s->most)
			tele_buf_printf(err, "%s: %s must be a whole number from %ld to %ld\n", where, s->key, s->least, s->most);
		else
			memcpy((char *)conf + s->offset, &n, sizeof n);
		break;
	case BOOLEAN:
		if (!parse_boolean(value, (bool *)((char *)conf + s->offset)))
			tele_buf_printf(err, "%s: %s must be yes or no\n", where, s->key);
		break;
	}
}

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

static void read_line(struct tele_conf *conf, char *line, const char *where, struct tele_buf *err)
{
	const struct setting *s;
	char *text = trim(line);
	char *eq = strchr(text, '=');

	if (!*text || *text == '#')
		return;
	if (!eq) {
		tele_buf_printf(err, "%s: expected key = value\n", where);
		return;
	}
	*eq = '\0';
	text = trim(text);
	s = find(text, strlen(text));
	if (!s)
		tele_buf_printf(err, "%s: unknown setting \"%s\"\n", where, text);
	else
		assign(conf, s, trim(eq + 1), where, err);
}

static void read_file(struct tele_conf *conf, const char *path, bool must_exist, struct tele_buf *err)
{
	FILE *f = fopen(path, "re");
	char where[4200];
	char *line = NULL;
	size_t size = 0;
	int n = 0;

	if (!f) {
		if (must_exist || errno != ENOENT)
			tele_buf_printf(err, "%s: %s\n", path, strerror(errno));
		return;
	}
	while (getline(&line, &size, f) >= 0) {
		snprintf(where, sizeof where, "%s:%d", path, ++n);
		read_line(conf, line, where, err);
	}
	free(line);
	fclose(f);
}

static void read_environment(struct tele_conf *conf, struct tele_buf *err)
{
	char name[80] = "TELEOPS_";

	for (size_t i = 0; i < SETTINGS; i++) {
		const char *value;
		size_t j;

		for (j = 0; settings[i].key[j]; j++)
			name[8 + j] = (char)toupper((unsigned char)settings[i].key[j]);
		name[8 + j] = '\0';
		value = getenv(name);
		if (value)
			assign(conf, &settings[i], value, name, err);
	}
}

/* A secret that stands in a file of its own; one trailing newline is not part of it. */
static void read_secret(char **secret, const char *path, const char *key, struct tele_buf *err)
{
	char text[4096];
	size_t n;
	FILE *f;

	if (!path || *secret)
		return;
	f = fopen(path, "re");
	if (!f) {
		tele_buf_printf(err, "%s: cannot read %s: %s\n", key, path, strerror(errno));
		return;
	}
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	/* An empty one would fit whoever sends none. */
	if (*trim(text))
		*secret = strdup(trim(text));
	else
		tele_buf_printf(err, "%s: %s is empty\n", key, path);
	explicit_bzero(text, sizeof text);
}

enum tele_err tele_conf_load(struct tele_conf *conf, struct tele_buf *err)
{
	const char *path = getenv("TELEOPS_CONFIG");
	bool named = path && *path;
	size_t before = err->len;

	memset(conf, 0, sizeof *conf);
	for (size_t i = 0; i < SETTINGS; i++)
		if (settings[i].initial)
			assign(conf, &settings[i], settings[i].initial, "default", err);
	read_file(conf, named ? path : TELE_SYSCONFDIR "/teleops/teleops.conf", named, err);
	read_environment(conf, err);
	read_secret(&conf->bot_token, conf->bot_token_file, "bot_token_file", err);
	read_secret(&conf->webhook_secret, conf->webhook_secret_file, "webhook_secret_file", err);
	read_secret(&conf->metrics_token, conf->metrics_token_file, "metrics_token_file", err);
	return err->len == before ? TELE_OK : TELE_INVALID;
}

void tele_conf_release(struct tele_conf *conf)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (settings[i].type == STRING) {
			free(*string_at(conf, &settings[i]));
			*string_at(conf, &settings[i]) = NULL;
		}
	}
}

enum tele_err tele_conf_require(const struct tele_conf *conf, struct tele_buf *err, const char *const *keys)
{
	enum tele_err rc = TELE_OK;

	for (; *keys; keys++) {
		const struct setting *s = find(*keys, strlen(*keys));

		if (s && s->type == STRING && *string_at(conf, s))
			continue;
		tele_buf_printf(err, "setting %s is missing: %s\n", *keys, s ? s->why : "");
		rc = TELE_INVALID;
	}
	return rc;
}

void tele_conf_describe(struct tele_buf *out)
{
	for (size_t i = 0; i < SETTINGS; i++)
		tele_buf_printf(out, "  %-20s %s%s%s%s\n", settings[i].key, settings[i].why, settings[i].initial ? " (" : "",
		    settings[i].initial ? settings[i].initial : "", settings[i].initial ? ")" : "");
}

static void add_range(struct tele_buf *out, const struct setting *s)
{
	if (s->type == NUMBER)
		tele_buf_printf(out, " (a whole number from %ld to %ld)", s->least, s->most);
	if (s->type == BOOLEAN)
		tele_buf_str(out, " (yes or no)");
}

void tele_conf_example(struct tele_buf *out)
{
	tele_buf_str(out, "# Settings of TeleOps: every key with its default; one without a value has none. TELEOPS_KEY in a program's environment wins.\n"
			  "# Every program reads this file: secrets have files of their own, and each program's database comes with its start.\n");
	for (size_t i = 0; i < SETTINGS; i++) {
		tele_buf_printf(out, "\n# %s", settings[i].why);
		add_range(out, &settings[i]);
		tele_buf_printf(out, "\n#%s =%s%s\n", settings[i].key, settings[i].initial ? " " : "", settings[i].initial ? settings[i].initial : "");
	}
}
