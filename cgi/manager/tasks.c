#include "cgi/manager/tasks.h"

#include "cgi/manager/export.h"
#include "lib/log.h"

static const char *const filters[] = {"number", "state", "person", "command", "chat", "engine", "since", "date", NULL};
static const char *const actions[] = {"cancel", "again", NULL};

const struct family tasks = {
    .path = "/tasks",
    .area = "tasks",
    .name = "tasks/task",
    .list = TELE_STMT_MANAGER_TASKS,
    .get = TELE_STMT_MANAGER_TASK,
    .act = TELE_STMT_MANAGER_TASK_ACT,
    .filters = filters,
    .actions = actions,
};

/* What waits for a person before it becomes a task */

static const char *const pending_filters[] = {"state", "person", NULL};
static const char *const pending_actions[] = {"withdraw", NULL};

const struct family tasks_pending = {
    .path = "/pending",
    .area = "tasks",
    .name = "tasks/pending",
    .list = TELE_STMT_MANAGER_PENDING,
    .act = TELE_STMT_MANAGER_PENDING_ACT,
    .filters = pending_filters,
    .actions = pending_actions,
};

/* The part of a task's page that changes, for the script that shows it anew. */
enum tele_err tasks_live(struct visit *v)
{
	struct json_object *input = json_object_new_object(), *document = NULL;
	enum tele_err rc;

	page_set_text(input, "id", v->id);
	rc = page_ask(v, TELE_STMT_MANAGER_TASK, input, &document);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	page_set_text(document, "base", tasks.path);
	return page_render(v, "tasks/live", document);
}

static enum tele_err act(struct visit *v, const char *action)
{
	struct json_object *input = json_object_new_object(), *ids = json_object_new_array(), *said = NULL, *made;
	struct tele_buf path = {0};
	enum tele_err rc;

	json_object_array_add(ids, json_object_new_string(v->id));
	page_set_text(input, "action", action);
	page_set(input, "ids", ids);
	page_set_bool(input, "confirmed", true);
	rc = page_ask(v, TELE_STMT_MANAGER_TASK_ACT, input, &said);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	page_flash(v, page_text(said, "flash"), json_object_get(page_get(said, "done")));
	/* Run again it is another task. */
	made = page_get(page_get(said, "done"), "task");
	tele_buf_printf(&path, "%s/%s", tasks.path, made ? json_object_get_string(made) : v->id);
	rc = page_redirect(v, tele_buf_text(&path));
	tele_buf_release(&path);
	json_object_put(said);
	return rc;
}

enum tele_err tasks_cancel(struct visit *v)
{
	return act(v, "cancel");
}

enum tele_err tasks_again(struct visit *v)
{
	return act(v, "again");
}

enum tele_err tasks_export(struct visit *v)
{
	static const char *const columns[] = {"task", "state", "command", "line", "login", "chat_id", "queue", "engine", "attempt", "admitted_at",
	    "claimed_at", "started_at", "finished_at", "sent_at", "exit_status", "term_signal", "reason", NULL};

	return export_list(v, &tasks, TELE_STMT_MANAGER_TASK_EXPORT, columns, "tasks");
}

/* Sends the text of this part and those after it; puts it. */
static enum tele_err send_output(struct visit *v, struct json_object *input, struct json_object *part)
{
	enum tele_err rc = TELE_OK;

	while (rc == TELE_OK) {
		struct json_object *text = page_get(part, "text"), *next = json_object_get(page_get(part, "next"));

		page_send(v, json_object_get_string(text), (size_t)json_object_get_string_len(text));
		json_object_put(part);
		if (!next)
			return TELE_OK;
		page_set(input, "after", next);
		part = NULL;
		rc = page_ask(v, TELE_STMT_MANAGER_TASK_OUTPUT, input, &part);
	}
	return rc;
}

/* A part at a time: neither the whole nor a second copy is ever held here. */
enum tele_err tasks_output(struct visit *v)
{
	struct json_object *input = json_object_new_object(), *part = NULL;
	enum tele_err rc;

	page_set_text(input, "id", v->id);
	rc = page_ask(v, TELE_STMT_MANAGER_TASK_OUTPUT, input, &part);
	if (rc == TELE_OK) {
		page_stream(v, "text/plain; charset=utf-8", page_text(part, "name"));
		rc = send_output(v, input, part);
		if (rc != TELE_OK) {
			static const char incomplete[] = "\nINCOMPLETE\n";

			tele_log(TELE_ERROR, "export_incomplete", tele_str("path", v->in.path), tele_str("error", tele_err_name(rc)));
			page_send(v, incomplete, sizeof incomplete - 1);
			rc = TELE_OK;
		}
	}
	json_object_put(input);
	return rc;
}
