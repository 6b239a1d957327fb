#include "cgi/manager/people.h"

/* Users */

static const char *const user_filters[] = {"search", "organization", "group", "role", "enabled", "date", NULL};
static const char *const user_actions[] = {"enable", "disable", "give_role", "take_role", NULL};
static const struct field user_fields[] = {
    {"login", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {"first_name", FIELD_TEXT, FIELD_NOT_CLONED, 64},
    {"last_name", FIELD_TEXT, FIELD_NOT_CLONED, 64},
    {"organization", FIELD_CHOICE, 0, 0},
    {"groups", FIELD_MANY, 0, 0},
    {"roles", FIELD_MANY, 0, 0},
    {"enabled", FIELD_BOOL, 0, 0},
    {"locale", FIELD_TEXT, FIELD_REQUIRED, 16},
    {"timezone", FIELD_TEXT, FIELD_REQUIRED, 64},
    {NULL},
};
static const struct field user_account_fields[] = {
    {"telegram_id", FIELD_NUMBER, FIELD_REQUIRED | FIELD_NOT_CLONED, 0},
    {NULL},
};
static const struct inline_table user_inlines[] = {
    {"telegram", user_account_fields, 1, 50},
    {NULL},
};

const struct family people_users = {
    .path = "/people/users",
    .area = "people",
    .name = "people/user",
    .kind = "user",
    .list = TELE_STMT_MANAGER_USERS,
    .get = TELE_STMT_MANAGER_USER,
    .save = TELE_STMT_MANAGER_USER_SAVE,
    .remove = TELE_STMT_MANAGER_USER_REMOVE,
    .act = TELE_STMT_MANAGER_USER_ACT,
    .filters = user_filters,
    .actions = user_actions,
    .fields = user_fields,
    .inlines = user_inlines,
};

/* Strangers who wrote to the bot */

static const char *const request_filters[] = {"search", "state", NULL};
static const char *const request_actions[] = {"approve", "refuse", NULL};

const struct family people_requests = {
    .path = "/people/requests",
    .area = "people",
    .name = "people/request",
    .list = TELE_STMT_MANAGER_REQUESTS,
    .act = TELE_STMT_MANAGER_REQUEST_ACT,
    .filters = request_filters,
    .actions = request_actions,
};

/* Groups */

static const char *const group_filters[] = {"search", "role", NULL};
static const struct field group_fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {"roles", FIELD_MANY, 0, 0},
    {NULL},
};

const struct family people_groups = {
    .path = "/people/groups",
    .area = "people",
    .name = "people/group",
    .kind = "group",
    .list = TELE_STMT_MANAGER_GROUPS,
    .get = TELE_STMT_MANAGER_GROUP,
    .save = TELE_STMT_MANAGER_GROUP_SAVE,
    .remove = TELE_STMT_MANAGER_GROUP_REMOVE,
    .filters = group_filters,
    .fields = group_fields,
};

/* Roles */

static const char *const role_filters[] = {"search", NULL};
static const struct field role_fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {"description", FIELD_TEXT, 0, 200},
    {"manages_tasks", FIELD_BOOL, 0, 0},
    {NULL},
};

const struct family people_roles = {
    .path = "/people/roles",
    .area = "people",
    .name = "people/role",
    .kind = "role",
    .list = TELE_STMT_MANAGER_ROLES,
    .get = TELE_STMT_MANAGER_ROLE,
    .save = TELE_STMT_MANAGER_ROLE_SAVE,
    .remove = TELE_STMT_MANAGER_ROLE_REMOVE,
    .filters = role_filters,
    .fields = role_fields,
};

/* Organizations */

static const char *const organization_filters[] = {"search", NULL};
static const struct field organization_fields[] = {
    {"name", FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_CLONED, 64},
    {NULL},
};

const struct family people_organizations = {
    .path = "/people/organizations",
    .area = "people",
    .name = "people/organization",
    .kind = "organization",
    .list = TELE_STMT_MANAGER_ORGANIZATIONS,
    .get = TELE_STMT_MANAGER_ORGANIZATION,
    .save = TELE_STMT_MANAGER_ORGANIZATION_SAVE,
    .remove = TELE_STMT_MANAGER_ORGANIZATION_REMOVE,
    .filters = organization_filters,
    .fields = organization_fields,
};
