#include "cgi/manager/schedules.h"

#include "cgi/manager/declare.h"

static const char *const filters[] = {"search", "command", "user", "enabled", NULL};
static const char *const actions[] = {"pause", "resume", NULL};
static const struct field fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {"line", FIELD_TEXT, FIELD_REQUIRED, 4096},
    {"cron", FIELD_TEXT, FIELD_REQUIRED, 200},
    {"timezone", FIELD_TEXT, FIELD_REQUIRED, 64},
    {"user", FIELD_TEXT, FIELD_REQUIRED, 64},
    {"chat_id", FIELD_NUMBER, FIELD_REQUIRED, 0},
    {"thread_id", FIELD_NUMBER, 0, 0},
    {"missed", FIELD_CHOICE, FIELD_REQUIRED, 0},
    {"enabled", FIELD_BOOL, 0, 0},
    {NULL},
};

static struct json_object *declare(struct form *form, struct json_object *base)
{
	struct json_object *document = json_object_new_object();

	declare_add(document, "schedules", declare_object(fields, form->values, base));
	return document;
}

const struct family schedules = {
    .path = "/commands/schedules",
    .area = "commands",
    .name = "commands/schedule",
    .kind = "schedule",
    .list = TELE_STMT_MANAGER_SCHEDULES,
    .get = TELE_STMT_MANAGER_SCHEDULE,
    .save = TELE_STMT_MANAGER_SCHEDULE_SAVE,
    .remove = TELE_STMT_MANAGER_SCHEDULE_REMOVE,
    .act = TELE_STMT_MANAGER_SCHEDULE_ACT,
    .filters = filters,
    .actions = actions,
    .fields = fields,
    .declare = declare,
};
