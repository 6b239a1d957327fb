#include "cgi/manager/engines.h"

static const char *const engine_filters[] = {"state", "queue", NULL};
static const char *const engine_actions[] = {"pause", "resume", "forget", NULL};

const struct family engines = {
    .path = "/engines",
    .area = "engines",
    .name = "engines/engine",
    .kind = "engine",
    .list = TELE_STMT_MANAGER_ENGINES,
    .get = TELE_STMT_MANAGER_ENGINE,
    .act = TELE_STMT_MANAGER_ENGINE_ACT,
    .filters = engine_filters,
    .actions = engine_actions,
};

/* Queues, named by their names */

static const char *const queue_filters[] = {"search", NULL};
static const char *const queue_actions[] = {"pause", "resume", NULL};
static const struct field queue_fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_FIXED | FIELD_NOT_CLONED, 32},
    {"concurrency", FIELD_NUMBER, 0, 0},
    {NULL},
};

const struct family engines_queues = {
    .path = "/queues",
    .area = "engines",
    .name = "engines/queue",
    .kind = "queue",
    .list = TELE_STMT_MANAGER_QUEUES,
    .get = TELE_STMT_MANAGER_QUEUE,
    .save = TELE_STMT_MANAGER_QUEUE_SAVE,
    .remove = TELE_STMT_MANAGER_QUEUE_REMOVE,
    .act = TELE_STMT_MANAGER_QUEUE_ACT,
    .filters = queue_filters,
    .actions = queue_actions,
    .fields = queue_fields,
    .not_cloned = true,
};
