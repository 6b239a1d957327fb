#include "engine/ask.h"

#include "engine/connection.h"
#include "engine/result.h"

#include <json-c/json.h>
#include <string.h>

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && v ? json_object_get_string(v) : "";
}

/* The password is opened and leaves the object: what is sealed is of no use to telecall. */
static enum tele_err open_password(const struct tele_seal_ring *ring, const char *name, struct json_object *connection, struct secrets *secrets,
    struct tele_buf *why)
{
	char owner[CONNECTION_NAME_MOST + 2];
	enum tele_err rc;

	if (!*text_of(connection, CONNECTION_PASSWORD))
		return TELE_OK;
	connection_owner(name, owner);
	rc = secrets_add(ring, owner, CONNECTION_PASSWORD, text_of(connection, CONNECTION_PASSWORD), secrets, why);
	json_object_object_del(connection, CONNECTION_PASSWORD);
	if (rc == TELE_OK)
		secrets->list[secrets->n - 1].name = "@";
	return rc;
}

static enum tele_err check_kind(const struct tele_task *t, const char *name, struct json_object *connection, struct tele_buf *why)
{
	const char *needed = !strcmp(t->kind, "sql") ? "conninfo" : "url";

	if (*text_of(connection, needed))
		return TELE_OK;
	tele_buf_printf(why, "connection %s is none for commands of kind %s", name, t->kind);
	return TELE_INVALID;
}

static enum tele_err write_file(const struct tele_task *t, struct json_object *connection, const struct secrets *secrets, int *fd)
{
	struct json_object *o = json_object_new_object();
	enum tele_err rc = TELE_RETRY;

	json_object_object_add(o, "task", json_object_new_int64(t->id));
	json_object_object_add(o, "list", json_object_new_boolean(t->internal));
	json_object_object_add(o, "timeout_s", json_object_new_int(t->timeout_s));
	json_object_object_add(o, "limit", json_object_new_int64(t->output_limit));
	json_object_object_add(o, "units", json_object_new_int64((int64_t)result_text_units(t)));
	json_object_object_add(o, "call", json_object_get(t->call));
	json_object_object_add(o, "args", json_object_get(t->args));
	json_object_object_add(o, "connection", json_object_get(connection));
	if (secrets_file_with(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), secrets, fd) == TELE_OK)
		rc = TELE_OK;
	json_object_put(o);
	return rc;
}

enum tele_err ask_file(const struct tele_conf *conf, const struct tele_seal_ring *ring, const struct tele_task *t, struct secrets *secrets,
    int *fd, struct tele_buf *why)
{
	struct json_object *connection = NULL;
	const char *name = t->call ? text_of(t->call, "connection") : "";
	enum tele_err rc = connection_read(conf, name, &connection, why);

	if (rc == TELE_OK)
		rc = check_kind(t, name, connection, why);
	if (rc == TELE_OK)
		rc = open_password(ring, name, connection, secrets, why);
	if (rc == TELE_OK)
		rc = write_file(t, connection, secrets, fd);
	json_object_put(connection);
	return rc == TELE_NOMEM ? TELE_RETRY : rc;
}
