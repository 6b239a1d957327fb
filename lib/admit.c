#include "lib/admit.h"

#include "lib/array.h"
#include "lib/cmdline.h"
#include "lib/parameter.h"
#include "lib/text.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXTRA_MOST = 64, REJECTED_MOST = 65536 };

/* Commands that TeleOps answers itself. */
static const char *const builtins[] = {"approve", "cancel", "help", "id", "output", "reject", "start", "status", "tasks", "whoami", NULL};

static bool is_builtin(const char *name)
{
	for (size_t i = 0; builtins[i]; i++)
		if (!strcmp(name, builtins[i]))
			return true;
	return false;
}

static const char *builtin_action(const char *name)
{
	size_t i = 0;

	while (strcmp(builtins[i], name))
		i++;
	return builtins[i];
}

void tele_decision_release(struct tele_decision *d)
{
	free(d->args);
	free(d->line);
	free(d->reply);
	free(d->extra);
	memset(d, 0, sizeof *d);
}

static bool set(char **slot, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return false;
	free(*slot);
	*slot = copy;
	return true;
}

/* The first word, without the slash people put before a command's name. */
static enum tele_err set_word(char **slot, const char *rest)
{
	char word[EXTRA_MOST + 1];
	size_t n;

	if (*rest == '/')
		rest++;
	n = strcspn(rest, " \t\r\n@");
	snprintf(word, sizeof word, "%.*s", (int)(n > EXTRA_MOST ? 0 : n), rest);
	return set(slot, word) ? TELE_OK : TELE_NOMEM;
}

/*
 * The line as it may be kept: what stands before the arguments, and these with secrets masked. Of a line that is wrong nothing is
 * kept where one may be among the words.
 */
static enum tele_err mask_line(const struct tele_command *command, const struct tele_update *u, const struct tele_cmdline *line,
    struct tele_decision *d)
{
	bool wrong = !strcmp(d->action, "invalid") && *line->rest && tele_command_has_secrets(command);
	struct tele_buf shown = {0};
	enum tele_err rc = TELE_OK;

	tele_buf_add(&shown, u->text, (size_t)(line->rest - u->text));
	if (wrong)
		tele_buf_str(&shown, tele_parameter_mask);
	else
		rc = tele_cmdline_shown(command, line->rest, &shown);
	if (rc == TELE_OK && !set(&d->line, tele_buf_text(&shown)))
		rc = TELE_NOMEM;
	tele_buf_release(&shown);
	return rc;
}

static enum tele_err decide_run(const struct tele_command *command, const struct tele_update *u, const struct tele_cmdline *line,
    struct tele_decision *d)
{
	struct tele_buf args = {0}, complaint = {0};
	enum tele_err rc = tele_cmdline_arguments_with(command, line->rest, &u->document, &args, &complaint);

	d->command_id = command->id;
	d->action = rc == TELE_OK ? "run" : rc == TELE_EMPTY ? "ask" : "invalid";
	if (rc == TELE_OK || rc == TELE_EMPTY)
		rc = set(&d->args, tele_buf_text(&args)) ? TELE_OK : TELE_NOMEM;
	else if (rc == TELE_INVALID)
		rc = set(&d->reply, tele_buf_text(&complaint)) ? TELE_OK : TELE_NOMEM;
	tele_buf_release(&args);
	tele_buf_release(&complaint);
	return rc;
}

static enum tele_err decide_unknown(const struct tele_catalogue *c, const struct tele_cmdline *line, struct tele_decision *d)
{
	struct tele_buf near = {0};
	bool stored;

	d->action = "unknown";
	tele_catalogue_near(c, line->name, builtins, &near);
	stored = set(&d->reply, line->name) && set(&d->extra, tele_buf_text(&near));
	/* What was to be a secret of a command that was mistyped is one too. */
	tele_buf_reset(&near);
	tele_buf_printf(&near, "/%s%s%s", line->name, *line->rest ? " " : "", *line->rest ? tele_parameter_mask : "");
	stored = stored && set(&d->line, tele_buf_text(&near));
	tele_buf_release(&near);
	return stored ? TELE_OK : TELE_NOMEM;
}

static enum tele_err decide_command(const struct tele_catalogue *c, const struct tele_update *u, const struct tele_cmdline *line,
    struct tele_decision *d)
{
	bool private = !strcmp(u->chat_type, "private");
	bool ours = !*line->mention || !strcasecmp(line->mention, c->bot_username) || (private && !*c->bot_username);
	const struct tele_command *command;

	if (!ours)
		return TELE_OK;
	if (!set(&d->line, u->text))
		return TELE_NOMEM;
	if (is_builtin(line->name)) {
		d->action = builtin_action(line->name);
		return set_word(&d->extra, line->rest);
	}
	command = tele_catalogue_find(c, line->name);
	if (command && command->enabled)
		return decide_run(command, u, line, d) == TELE_OK ? mask_line(command, u, line, d) : TELE_NOMEM;
	/* In a group a plain /name may be meant for another bot. */
	return private || *line->mention ? decide_unknown(c, line, d) : TELE_OK;
}

static enum tele_err decide_message(const struct tele_catalogue *c, const struct tele_update *u, struct tele_decision *d)
{
	struct tele_cmdline line;

	/* What somebody else once wrote is not this person's order. */
	if (u->forwarded)
		return TELE_OK;
	if (tele_cmdline_split(u->text, &line) == TELE_OK)
		return decide_command(c, u, &line, d);
	d->action = strcmp(u->chat_type, "private") ? "chatter" : "text";
	/* It may be the answer to a question, which only the database knows. */
	return set(&d->line, "") && set(&d->extra, *u->text ? "" : "file") ? TELE_OK : TELE_NOMEM;
}

enum tele_err tele_admit_decide(const struct tele_catalogue *c, const struct tele_update *u, struct tele_decision *d)
{
	char number[24];

	tele_decision_release(d);
	d->action = "ignore";
	d->version = c->version;
	if (!set(&d->args, "") || !set(&d->line, "") || !set(&d->reply, "") || !set(&d->extra, ""))
		return TELE_NOMEM;
	switch (u->kind) {
	case TELE_UPDATE_MESSAGE:
		return decide_message(c, u, d);
	case TELE_UPDATE_CALLBACK:
		d->action = "callback";
		return set(&d->extra, u->callback_id) && set(&d->reply, u->callback_data) ? TELE_OK : TELE_NOMEM;
	case TELE_UPDATE_MEMBER:
		d->action = "mychat";
		return set(&d->extra, u->member_status) ? TELE_OK : TELE_NOMEM;
	case TELE_UPDATE_MIGRATED:
		d->action = "migrate";
		snprintf(number, sizeof number, "%lld", u->migrated_to);
		return set(&d->extra, number) ? TELE_OK : TELE_NOMEM;
	case TELE_UPDATE_OTHER:
		break;
	}
	return TELE_OK;
}

static const struct tele_parameter *find_parameter(const struct tele_command *command, const char *name)
{
	for (size_t i = 0; command && i < command->nparameters; i++)
		if (!strcmp(command->parameters[i].name, name))
			return &command->parameters[i];
	return NULL;
}

static enum tele_err check_answer(const struct tele_command *c, const struct tele_parameter *p, const struct tele_update *u, struct tele_decision *d)
{
	struct tele_buf complaint = {0};
	struct json_object *read = NULL;
	bool typed = !*u->document.file_id || (u->document.answered && !tele_parameter_is_file(p));
	enum tele_err rc = typed ? tele_parameter_read(c, p, u->text, &read, &complaint) : tele_parameter_take(p, &u->document, &read, &complaint);

	if (rc == TELE_OK) {
		d->action = "answer";
		rc = set(&d->extra, json_object_to_json_string_ext(read, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) ? TELE_OK : TELE_NOMEM;
	} else if (rc == TELE_INVALID) {
		d->action = "badanswer";
		rc = set(&d->reply, tele_buf_text(&complaint)) ? TELE_OK : TELE_NOMEM;
	}
	json_object_put(read);
	tele_buf_release(&complaint);
	return rc;
}

/* What such a button stands for was put together from an alert's words: it is checked like a line that a person typed. */
static enum tele_err read_button(const struct tele_catalogue *c, const char *text, struct tele_decision *d)
{
	struct tele_buf args = {0}, complaint = {0};
	const struct tele_command *command;
	struct tele_cmdline line;
	enum tele_err rc = tele_cmdline_split(text, &line);

	command = rc == TELE_OK ? tele_catalogue_find(c, line.name) : NULL;
	if (!command)
		return TELE_OK;
	rc = tele_cmdline_arguments(command, line.rest, &args, &complaint);
	if (rc == TELE_OK || rc == TELE_EMPTY) {
		d->command_id = command->id;
		rc = set(&d->args, tele_buf_text(&args)) ? TELE_OK : TELE_NOMEM;
	} else if (rc == TELE_INVALID) {
		rc = set(&d->line, tele_buf_text(&complaint)) ? TELE_OK : TELE_NOMEM;
	}
	tele_buf_release(&args);
	tele_buf_release(&complaint);
	return rc;
}

static enum tele_err find_button(struct tele_db *db, const struct tele_catalogue *c, const char *token, struct tele_decision *d, int timeout_ms)
{
	PGresult *res = NULL;
	enum tele_err rc = tele_db_run(db, TELE_STMT_BUTTON_LINE, &token, timeout_ms, &res);

	if (rc == TELE_OK && !PQgetisnull(res, 0, 0))
		rc = read_button(c, PQgetvalue(res, 0, 0), d);
	PQclear(res);
	return rc;
}

enum tele_err tele_admit_answer(struct tele_db *db, const struct tele_catalogue *c, const struct tele_update *u, struct tele_decision *d,
    int timeout_ms)
{
	char from[24], chat[24], thread[24];
	const struct tele_command *command = NULL;
	const struct tele_parameter *p = NULL;
	PGresult *res = NULL;
	enum tele_err rc;

	if (!strcmp(d->action, "callback"))
		return find_button(db, c, u->callback_data, d, timeout_ms);
	if (strcmp(d->action, "text") && strcmp(d->action, "chatter"))
		return TELE_OK;
	snprintf(from, sizeof from, "%lld", u->from_id);
	snprintf(chat, sizeof chat, "%lld", u->chat_id);
	snprintf(thread, sizeof thread, "%lld", u->thread_id);
	rc = tele_db_run(db, TELE_STMT_PENDING_ASKED, (const char *[]){from, chat, thread}, timeout_ms, &res);
	if (rc == TELE_OK && PQntuples(res)) {
		command = tele_catalogue_by_id(c, tele_db_int(res, 0, 0));
		p = find_parameter(command, PQgetvalue(res, 0, 1));
	}
	PQclear(res);
	return p ? check_answer(command, p, u, d) : rc;
}

static const struct {
	const char *word;
	enum tele_outcome outcome;
} outcomes[] = {
    {"task", TELE_ADMIT_TASK},          {"reply", TELE_ADMIT_REPLY},       {"refused", TELE_ADMIT_REPLY},
    {"disabled", TELE_ADMIT_REPLY},     {"stranger", TELE_ADMIT_REPLY},    {"duplicate", TELE_ADMIT_IGNORED},
    {"ignored", TELE_ADMIT_IGNORED},    {"deferred", TELE_ADMIT_DEFERRED},   {"flood", TELE_ADMIT_REPLY},
    {"flooded", TELE_ADMIT_IGNORED},    {"pending", TELE_ADMIT_REPLY},
};

static void note_outcome(struct tele_admission *list, size_t n, long long update_id, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].update->update_id != update_id)
			continue;
		for (size_t j = 0; j < sizeof outcomes / sizeof *outcomes; j++) {
			if (!strcmp(outcomes[j].word, word)) {
				list[i].outcome = outcomes[j].outcome;
				list[i].word = outcomes[j].word;
			}
		}
	}
}

enum { ARRAYS = 17 };

/* In the order of admit()'s parameters from p_update_id on. */
static void add_row(struct tele_array *a, const struct tele_update *u, const struct tele_decision *d)
{
	tele_array_int(&a[0], u->update_id);
	tele_array_int(&a[1], u->from_id);
	tele_array_str(&a[2], u->username);
	tele_array_str(&a[3], u->first_name);
	tele_array_str(&a[4], u->last_name);
	tele_array_str(&a[5], u->language);
	tele_array_int(&a[6], u->chat_id);
	tele_array_str(&a[7], u->chat_type);
	tele_array_str(&a[8], u->chat_title);
	tele_array_int(&a[9], u->thread_id);
	tele_array_int(&a[10], u->message_id);
	tele_array_str(&a[11], d->action);
	tele_array_int(&a[12], d->command_id);
	tele_array_str(&a[13], d->args);
	tele_array_str(&a[14], d->line);
	tele_array_str(&a[15], d->reply);
	tele_array_str(&a[16], d->extra);
}

static enum tele_err read_outcomes(const PGresult *res, struct tele_admission *list, size_t n)
{
	for (int i = 0; i < PQntuples(res); i++) {
		if (!strcmp(PQgetvalue(res, i, 1), "stale"))
			return TELE_CONFLICT;
		note_outcome(list, n, tele_db_int(res, i, 0), PQgetvalue(res, i, 1));
	}
	return TELE_OK;
}

enum tele_err tele_admit(struct tele_db *db, long long version, bool single, long rate, struct tele_admission *list, size_t n, int timeout_ms)
{
	struct tele_array arrays[ARRAYS] = {{{0}}};
	const char *values[ARRAYS + 3];
	char number[24], most[24];
	PGresult *res = NULL;
	enum tele_err rc = TELE_OK;

	for (size_t i = 0; i < n; i++) {
		list[i].outcome = TELE_ADMIT_UNKNOWN;
		list[i].word = "unknown";
		add_row(arrays, list[i].update, list[i].decision);
	}
	snprintf(number, sizeof number, "%lld", version);
	values[0] = number;
	values[1] = single ? "t" : "f";
	snprintf(most, sizeof most, "%ld", rate);
	values[2] = most;
	for (int i = 0; i < ARRAYS; i++) {
		values[i + 3] = tele_array_text(&arrays[i]);
		if (arrays[i].buf.failed)
			rc = TELE_NOMEM;
	}
	if (rc == TELE_OK)
		rc = tele_db_run(db, TELE_STMT_ADMIT, values, timeout_ms, &res);
	if (rc == TELE_OK)
		rc = read_outcomes(res, list, n);
	PQclear(res);
	for (int i = 0; i < ARRAYS; i++)
		tele_array_release(&arrays[i]);
	return rc;
}

enum tele_err tele_admit_reject(struct tele_db *db, long long update_id, const char *reason, const char *body, size_t n, int timeout_ms)
{
	struct tele_buf clean = {0};
	PGresult *res = NULL;
	enum tele_err rc;
	char number[24];

	snprintf(number, sizeof number, "%lld", update_id);
	tele_text_clean(&clean, body, n < REJECTED_MOST ? n : REJECTED_MOST);
	rc = tele_db_run(db, TELE_STMT_UPDATE_REJECT, (const char *[]){number, reason, tele_buf_text(&clean)}, timeout_ms, &res);
	PQclear(res);
	tele_buf_release(&clean);
	return rc;
}
