#include "cgi/manager/people.h"

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
