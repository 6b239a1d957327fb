#include "cgi/manager/settings.h"

static const struct field fields[] = {
    {"value", FIELD_NUMBER, FIELD_REQUIRED, 0},
    {NULL},
};

const struct family settings = {
    .path = "/settings",
    .area = "settings",
    .name = "settings/setting",
    .kind = "setting",
    .list = TELE_STMT_MANAGER_SETTINGS,
    .get = TELE_STMT_MANAGER_SETTING,
    .save = TELE_STMT_MANAGER_SETTING_SAVE,
    .fields = fields,
    .not_made = true,
};
