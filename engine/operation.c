#include "engine/operation.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTION_UNITS = 1024 }; /* UTF-16 units (core.telegram.org/bots/api#senddocument) */

static void add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

static void add_place(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o)
{
	add(o, "chat_id", json_object_new_int64(row->chat_id));
	if (row->thread_id && !lane->no_thread)
		add(o, "message_thread_id", json_object_new_int64(row->thread_id));
}

static void add_reply(const struct tele_outbox_row *row, struct json_object *o)
{
	struct json_object *reply;

	if (!row->reply_to || row->parts_sent)
		return;
	reply = json_object_new_object();
	add(reply, "message_id", json_object_new_int64(row->reply_to));
	add(reply, "allow_sending_without_reply", json_object_new_boolean(1));
	add(o, "reply_parameters", reply);
}

/* Takes text and entities over. A chat that refused the entities gets the same text without. */
static void add_text(const struct lane *lane, struct json_object *o, const char *text_key, char *text, const char *entities_key,
    struct json_object *entities)
{
	add(o, text_key, json_object_new_string(text));
	free(text);
	if (entities && !lane->plain)
		add(o, entities_key, entities);
	else
		json_object_put(entities);
}

static enum tele_err build_send(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	struct json_object *entities = NULL;
	char *text = NULL;
	enum tele_err rc = tele_outbox_part(row, row->parts_sent, &text, &entities, last);

	if (rc != TELE_OK)
		return rc;
	if (is_blank(text)) {
		free(text);
		json_object_put(entities);
		if (!*last || row->parts_sent)
			return TELE_EMPTY;
		text = strdup("(no text)");
		entities = NULL;
	}
	add_place(lane, row, o);
	add_text(lane, o, "text", text, "entities", entities);
	add_reply(row, o);
	if (row->markup && *last)
		add(o, "reply_markup", json_object_get(row->markup));
	return TELE_OK;
}

static enum tele_err build_document(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	struct json_object *entities = NULL;
	char *text = NULL;
	enum tele_err rc = tele_outbox_head(row, CAPTION_UNITS, &text, &entities);

	*last = true;
	if (rc != TELE_OK)
		return rc;
	add_place(lane, row, o);
	if (is_blank(text)) {
		free(text);
		json_object_put(entities);
	} else {
		add_text(lane, o, "caption", text, "caption_entities", entities);
	}
	add_reply(row, o);
	if (row->markup)
		add(o, "reply_markup", json_object_get(row->markup));
	return TELE_OK;
}

/* What an edit does not fit into one message is left out: a message cannot become two. */
static enum tele_err build_edit(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	struct json_object *entities = NULL, *message = NULL;
	char *text = NULL;
	enum tele_err rc;

	*last = true;
	if (!json_object_object_get_ex(row->params, "message_id", &message))
		return TELE_INVALID;
	rc = tele_outbox_head(row, TELE_MESSAGE_UNITS, &text, &entities);
	if (rc != TELE_OK)
		return rc;
	add(o, "chat_id", json_object_new_int64(row->chat_id));
	add(o, "message_id", json_object_get(message));
	add_text(lane, o, "text", text, "entities", entities);
	if (row->markup)
		add(o, "reply_markup", json_object_get(row->markup));
	return TELE_OK;
}

static void add_params(const struct tele_outbox_row *row, struct json_object *o)
{
	if (!row->params)
		return;
	json_object_object_foreach(row->params, key, value)
		add(o, key, json_object_get(value));
}

static enum tele_err build_answer_callback(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	*last = true;
	add_params(row, o);
	if (*row->text)
		add(o, "text", json_object_new_string(row->text));
	return TELE_OK;
}

static enum tele_err build_chat_action(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	*last = true;
	add_place(lane, row, o);
	add_params(row, o);
	return TELE_OK;
}

static enum tele_err build_delete_message(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	*last = true;
	add(o, "chat_id", json_object_new_int64(row->chat_id));
	add_params(row, o);
	return TELE_OK;
}

static enum tele_err build_params(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	*last = true;
	add_params(row, o);
	return TELE_OK;
}

static enum tele_err build_get_file(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	struct json_object *id = NULL;

	*last = true;
	if (!json_object_object_get_ex(row->params, "file_id", &id))
		return TELE_INVALID;
	add(o, "file_id", json_object_get(id));
	return TELE_OK;
}

/* The first time it is a message, which keeps to one; from then on that message is edited. */
static enum tele_err build_live(const struct lane *lane, const struct tele_outbox_row *row, struct json_object *o, bool *last)
{
	struct json_object *entities = NULL;
	char *text = NULL;
	enum tele_err rc = tele_outbox_head(row, TELE_MESSAGE_UNITS, &text, &entities);

	*last = true;
	if (rc != TELE_OK)
		return rc;
	if (row->message_id) {
		add(o, "chat_id", json_object_new_int64(row->chat_id));
		add(o, "message_id", json_object_new_int64(row->message_id));
	} else {
		add_place(lane, row, o);
		add_reply(row, o);
	}
	add_text(lane, o, "text", text, "entities", entities);
	if (row->markup)
		add(o, "reply_markup", json_object_get(row->markup));
	return TELE_OK;
}

static const struct operation operations[] = {
    {"send", "sendMessage", build_send, .is_message = true, .in_parts = true},
    {"document", "sendDocument", build_document, .is_message = true, .with_file = true},
    {"edit", "editMessageText", build_edit, .is_message = true},
    {"live", "sendMessage", build_live, .is_message = true, .is_live = true},
    {"live", "editMessageText", build_live, .is_message = true, .is_live = true, .is_edit = true},
    /* Not limited (tdlib/telegram-bot-api#648). */
    {"answer_callback", "answerCallbackQuery", build_answer_callback, .is_fleeting = true},
    {"chat_action", "sendChatAction", build_chat_action, .is_fleeting = true},
    {"set_commands", "setMyCommands", build_params, .is_message = false},
    /* What Telegram does not let us delete stays; outbox_settle() tells of it. */
    {"delete_message", "deleteMessage", build_delete_message, .is_fleeting = true},
    {"get_file", "getFile", build_get_file, .is_fetch = true},
    {"webhook_info", "getWebhookInfo", build_params, .is_message = false},
};

const struct operation *operation_of(const struct tele_outbox_row *row)
{
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
		if (!strcmp(operations[i].op, row->op) && operations[i].is_edit == (operations[i].is_live && row->message_id))
			return &operations[i];
	return NULL;
}
