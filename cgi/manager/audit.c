#include "cgi/manager/audit.h"

#include "cgi/manager/export.h"

static const char *const filters[] = {"person", "actor", "action", "object", "date", NULL};

const struct family audit = {
    .path = "/audit",
    .area = "audit",
    .name = "audit/event",
    .list = TELE_STMT_MANAGER_AUDIT,
    .filters = filters,
};

enum tele_err audit_export(struct visit *v)
{
	static const char *const columns[] = {"event", "at", "actor", "login", "user_id", "telegram_id", "chat_id", "action", "object", "detail",
	    "address", NULL};

	return export_list(v, &audit, TELE_STMT_MANAGER_AUDIT_EXPORT, columns, "audit");
}

enum tele_err audit_verify(struct visit *v)
{
	struct json_object *input = json_object_new_object(), *document = NULL;
	enum tele_err rc;

	page_set_text(input, "before", request_get(&v->in.query, "before"));
	rc = page_ask(v, TELE_STMT_MANAGER_AUDIT_VERIFY, input, &document);
	json_object_put(input);
	return rc == TELE_OK ? page_render(v, "audit/verify", document) : rc;
}
