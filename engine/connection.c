#include "engine/connection.h"

#include "engine/program.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { SQL = 1, HTTP = 2 };

static const struct key {
	const char *name;
	int kinds;
} keys[] = {{"conninfo", SQL}, {"reader", SQL}, {"writer", SQL}, {"url", HTTP}, {"header", HTTP}, {"ca_file", HTTP}, {CONNECTION_PASSWORD, SQL | HTTP}};

enum { KEYS = sizeof keys / sizeof *keys };

void connection_owner(const char *name, char owner[CONNECTION_NAME_MOST + 2])
{
	snprintf(owner, CONNECTION_NAME_MOST + 2, "@%s", name);
}

static enum tele_err complain(struct tele_buf *why, const char *name, const char *what)
{
	tele_buf_printf(why, "connection %s: %s", name, what);
	return TELE_INVALID;
}

static bool is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return *name >= 'a' && *name <= 'z' && !name[n] && n <= CONNECTION_NAME_MOST;
}

static char *trim(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	return s + strspn(s, " \t");
}

static void add_header(struct json_object *o, const char *value)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(o, "headers", &list)) {
		list = json_object_new_array();
		json_object_object_add(o, "headers", list);
	}
	json_object_array_add(list, json_object_new_string(value));
}

/* kinds: those that all keys so far allow. */
static enum tele_err read_line(struct json_object *o, char *line, int *kinds)
{
	char *eq, *text = trim(line);

	if (!*text || *text == '#')
		return TELE_OK;
	eq = strchr(text, '=');
	if (!eq)
		return TELE_INVALID;
	*eq = '\0';
	text = trim(text);
	for (int i = 0; i < KEYS; i++) {
		if (strcmp(keys[i].name, text))
			continue;
		*kinds &= keys[i].kinds;
		if (!strcmp(text, "header"))
			add_header(o, trim(eq + 1));
		else
			json_object_object_add(o, text, json_object_new_string(trim(eq + 1)));
		return *kinds ? TELE_OK : TELE_INVALID;
	}
	return TELE_INVALID;
}

static enum tele_err read_file(const char *path, const char *name, struct json_object *o, struct tele_buf *why)
{
	FILE *f = fopen(path, "re");
	int kinds = SQL | HTTP, n = 0;
	enum tele_err rc = TELE_OK;
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		tele_buf_printf(why, "connection %s: %s: %s", name, path, strerror(errno));
		return TELE_DENIED;
	}
	while (rc == TELE_OK && getline(&line, &size, f) >= 0) {
		n++;
		rc = read_line(o, line, &kinds);
	}
	if (line)
		explicit_bzero(line, size);
	free(line);
	fclose(f);
	if (rc != TELE_OK)
		tele_buf_printf(why, "%s:%d: unknown key, or one that the other keys do not go with", path, n);
	else if (!json_object_object_get_ex(o, "conninfo", NULL) && !json_object_object_get_ex(o, "url", NULL))
		return complain(why, name, "it names neither conninfo nor url");
	return rc;
}

static void add_teleapp(struct json_object *o, const char *conninfo)
{
	json_object_object_add(o, "conninfo", json_object_new_string(conninfo));
	json_object_object_add(o, "reader", json_object_new_string("teleapp_reader"));
	json_object_object_add(o, "writer", json_object_new_string("teleapp_writer"));
}

enum tele_err connection_read(const struct tele_conf *conf, const char *name, struct json_object **out, struct tele_buf *why)
{
	char path[PATH_MAX], resolved[PATH_MAX];
	struct tele_buf said = {0};
	struct json_object *o;
	enum tele_err rc;

	if (!is_name(name) || (size_t)snprintf(path, sizeof path, "%s/%s", conf->connection_dir, name) >= sizeof path)
		return complain(why, name, "is no name of one");
	o = json_object_new_object();
	rc = o ? program_check_path(path, resolved, &said) : TELE_NOMEM;
	if (rc == TELE_NOTFOUND && conf->app_database && !strcmp(name, "teleapp")) {
		add_teleapp(o, conf->app_database);
		rc = TELE_OK;
	} else if (rc == TELE_OK) {
		rc = read_file(resolved, name, o, why);
	} else if (rc == TELE_NOTFOUND) {
		tele_buf_printf(why, "there is no connection %s here", name);
	} else {
		tele_buf_printf(why, "connection %s: %s", name, tele_buf_text(&said));
	}
	tele_buf_release(&said);
	if (rc == TELE_OK)
		*out = o;
	else
		json_object_put(o);
	return rc;
}
