#include "lib/schedule.h"

#include "lib/catalogue.h"
#include "lib/cmdline.h"

#include <json-c/json.h>
#include <sodium.h>
#include <string.h>

/* What a schedule holds can be read by everybody who may see it. */
static const char *given_secret(const struct tele_command *command, const char *args)
{
	struct json_object *o = json_tokener_parse(args);
	const char *name = NULL;

	for (size_t i = 0; i < command->nparameters; i++)
		if (command->parameters[i].secret && json_object_object_get_ex(o, command->parameters[i].name, NULL))
			name = command->parameters[i].name;
	json_object_put(o);
	return name;
}

static enum tele_err read_line(const struct tele_command *command, const char *text, struct tele_buf *args, struct tele_buf *complaint)
{
	struct tele_cmdline line;
	enum tele_err rc;
	const char *secret;

	if (tele_cmdline_split(text, &line) != TELE_OK || *line.mention || strcmp(line.name, command->name)) {
		tele_buf_printf(complaint, "\"%.60s\" is no line of /%s.", text, command->name);
		return TELE_INVALID;
	}
	rc = tele_cmdline_arguments(command, line.rest, args, complaint);
	if (rc == TELE_EMPTY)
		tele_buf_printf(complaint, "An argument is missing, and nobody is there to be asked.\nUsage: %s", command->usage);
	else if (rc == TELE_OK && (secret = given_secret(command, tele_buf_text(args))))
		tele_buf_printf(complaint, "%s is secret and cannot stand in a schedule.", secret);
	return rc == TELE_OK && complaint->len ? TELE_INVALID : rc;
}

enum tele_err tele_schedule_read(const PGresult *res, struct tele_schedule_lines *lines)
{
	int at_line = PQfnumber(res, "line"), at_version = PQfnumber(res, "version");
	/* For nobody to open: a secret is only to be recognised, and refused. */
	struct tele_seal_key nobody;
	struct tele_catalogue *c;
	long long former = 0;
	enum tele_err rc;

	if (sodium_init() < 0)
		return TELE_SYSTEM;
	randombytes_buf(nobody.bytes, sizeof nobody.bytes);
	/* Each schedule comes with a command of its own, under the schedule's number. */
	rc = tele_catalogue_read(NULL, res, &nobody, &c);

	if (rc != TELE_OK)
		return rc;
	for (int i = 0; i < PQntuples(res); i++) {
		struct tele_buf args = {0}, complaint = {0};
		long long id = tele_db_int(res, i, 0);

		if (id == former)
			continue;
		former = id;
		rc = read_line(tele_catalogue_by_id(c, id), PQgetvalue(res, i, at_line), &args, &complaint);
		tele_array_int(&lines->id, id);
		tele_array_str(&lines->version, PQgetvalue(res, i, at_version));
		tele_array_str(&lines->args, rc == TELE_OK ? tele_buf_text(&args) : "");
		tele_array_str(&lines->complaint, tele_buf_text(&complaint));
		lines->n++;
		tele_buf_release(&args);
		tele_buf_release(&complaint);
	}
	tele_catalogue_drop(c);
	return lines->complaint.buf.failed || lines->args.buf.failed ? TELE_NOMEM : TELE_OK;
}

void tele_schedule_values(struct tele_schedule_lines *lines, const char **values)
{
	values[0] = tele_array_text(&lines->id);
	values[1] = tele_array_text(&lines->version);
	values[2] = tele_array_text(&lines->args);
	values[3] = tele_array_text(&lines->complaint);
}

void tele_schedule_release(struct tele_schedule_lines *lines)
{
	tele_array_release(&lines->id);
	tele_array_release(&lines->version);
	tele_array_release(&lines->args);
	tele_array_release(&lines->complaint);
	lines->n = 0;
}
