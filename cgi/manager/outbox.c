#include "cgi/manager/outbox.h"

static const char *const message_filters[] = {"state", "op", "chat", NULL};
static const char *const message_actions[] = {"hold", NULL};

const struct family outbox_messages = {
    .path = "/outbox",
    .area = "outbox",
    .name = "outbox/message",
    .list = TELE_STMT_MANAGER_MESSAGES,
    .act = TELE_STMT_MANAGER_MESSAGE_ACT,
    .filters = message_filters,
    .actions = message_actions,
};

static const char *const dead_filters[] = {"op", "chat", NULL};
static const char *const dead_actions[] = {"again", "discard", NULL};

const struct family outbox_dead = {
    .path = "/dead-letters",
    .area = "outbox",
    .name = "outbox/dead",
    .list = TELE_STMT_MANAGER_DEAD,
    .act = TELE_STMT_MANAGER_DEAD_ACT,
    .filters = dead_filters,
    .actions = dead_actions,
};
