#include "cgi/manager/chats.h"

static const char *const filters[] = {"search", "type", "state", NULL};
static const char *const actions[] = {"allow", "disallow", "reopen", NULL};

const struct family chats = {
    .path = "/chats",
    .area = "chats",
    .name = "chats/chat",
    .kind = "chat",
    .list = TELE_STMT_MANAGER_CHATS,
    .get = TELE_STMT_MANAGER_CHAT,
    .act = TELE_STMT_MANAGER_CHAT_ACT,
    .filters = filters,
    .actions = actions,
};
