#include "cgi/manager/administrators.h"

#include "lib/password.h"

#include <sodium.h>
#include <string.h>

static const char *const filters[] = {"search", NULL};
/* An area each, as admin_areas() has them. */
static const struct field fields[] = {
    {"login", FIELD_TEXT, FIELD_REQUIRED | FIELD_FIXED | FIELD_NOT_CLONED, 64},
    {"everything", FIELD_CHOICE, 0, 0},
    {"people", FIELD_CHOICE, 0, 0},
    {"commands", FIELD_CHOICE, 0, 0},
    {"tasks", FIELD_CHOICE, 0, 0},
    {"engines", FIELD_CHOICE, 0, 0},
    {"chats", FIELD_CHOICE, 0, 0},
    {"outbox", FIELD_CHOICE, 0, 0},
    {"audit", FIELD_CHOICE, 0, 0},
    {"settings", FIELD_CHOICE, 0, 0},
    {"administrators", FIELD_CHOICE, 0, 0},
    {"backup", FIELD_CHOICE, 0, 0},
    {NULL},
};

const struct family administrators = {
    .path = "/administrators",
    .area = "administrators",
    .name = "administrators/administrator",
    .kind = "administrator",
    .list = TELE_STMT_MANAGER_ADMINISTRATORS,
    .get = TELE_STMT_MANAGER_ADMINISTRATOR,
    .save = TELE_STMT_MANAGER_ADMINISTRATOR_SAVE,
    .remove = TELE_STMT_MANAGER_ADMINISTRATOR_REMOVE,
    .filters = filters,
    .fields = fields,
};

/* password: "", or the one to show this once. */
static enum tele_err show(struct visit *v, const char *what, const char *password, struct json_object *said)
{
	page_set_text(said, "base", administrators.path);
	page_set_bool(said, what, true);
	page_set_text(said, "password", password);
	if (!page_get(said, "done"))
		v->status = "409 Conflict";
	return page_render(v, "administrators/reset", said);
}

enum tele_err administrators_reset(struct visit *v)
{
	static const char *const known[] = {"password", "totp", "sessions"};
	char password[TELE_PASSWORD_GENERATED + 1] = "", hash[TELE_PASSWORD_HASH] = "";
	struct json_object *input = json_object_new_object(), *said = NULL;
	const char *what = NULL;
	enum tele_err rc = TELE_INVALID;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i], request_get(&v->in.form, "what")))
			what = known[i];
	if (what && !strcmp(what, "password")) {
		tele_password_generate(password);
		rc = tele_password_hash(password, hash);
	} else if (what) {
		rc = TELE_OK;
	}
	page_set_text(input, "id", v->id);
	page_set_text(input, "what", what);
	page_set_text(input, "hash", hash);
	if (rc == TELE_OK)
		rc = page_ask(v, TELE_STMT_MANAGER_ADMINISTRATOR_RESET, input, &said);
	json_object_put(input);
	if (rc == TELE_OK)
		rc = show(v, what, password, said);
	sodium_memzero(password, sizeof password);
	return rc;
}
