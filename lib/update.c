#include "lib/update.h"

#include "lib/json.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64 }; /* a real update has about ten levels */

static struct json_object *member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v = NULL;

	if (!o || !json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, type))
		return NULL;
	return v;
}

static long long number(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key, json_type_int);

	return v ? json_object_get_int64(v) : 0;
}

/* A string of o. PostgreSQL's text knows no NUL, which JSON can hold: it is left out. */
static const char *string(struct tele_update *u, struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key, json_type_string);
	const char *s = v ? json_object_get_string(v) : "";
	size_t n = v ? (size_t)json_object_get_string_len(v) : 0;
	char *copy, *to;

	if (strlen(s) == n || u->nowned == sizeof u->owned / sizeof *u->owned)
		return s;
	copy = to = malloc(n + 1);
	if (!copy)
		return "";
	for (size_t i = 0; i < n; i++)
		if (s[i])
			*to++ = s[i];
	*to = '\0';
	u->owned[u->nowned++] = copy;
	return copy;
}

static void read_person(struct tele_update *u, struct json_object *from)
{
	struct json_object *bot = member(from, "is_bot", json_type_boolean);

	if (bot && json_object_get_boolean(bot))
		return;
	u->from_id = number(from, "id");
	u->username = string(u, from, "username");
	u->first_name = string(u, from, "first_name");
	u->last_name = string(u, from, "last_name");
	u->language = string(u, from, "language_code");
}

static bool known_type(const char *type)
{
	return !strcmp(type, "private") || !strcmp(type, "group") || !strcmp(type, "supergroup") || !strcmp(type, "channel");
}

static void read_chat(struct tele_update *u, struct json_object *chat)
{
	u->chat_type = string(u, chat, "type");
	if (!known_type(u->chat_type))
		return;
	u->chat_id = number(chat, "id");
	u->chat_title = string(u, chat, strcmp(u->chat_type, "private") ? "title" : "first_name");
}

static void read_place(struct tele_update *u, struct json_object *message)
{
	struct json_object *topic = member(message, "is_topic_message", json_type_boolean);

	read_chat(u, member(message, "chat", json_type_object));
	u->message_id = number(message, "message_id");
	/* Replies in ordinary groups carry a message_thread_id too; only a topic's can be answered into. */
	if (topic && json_object_get_boolean(topic))
		u->thread_id = number(message, "message_thread_id");
	if (u->thread_id == 1)
		u->thread_id = 0;
}

/* Its own, or else that of the message it answers. */
static void read_document(struct tele_update *u, struct json_object *message)
{
	struct json_object *own = member(message, "document", json_type_object), *document = own;

	if (!own)
		document = member(member(message, "reply_to_message", json_type_object), "document", json_type_object);
	u->document.file_id = string(u, document, "file_id");
	u->document.name = string(u, document, "file_name");
	u->document.size = number(document, "file_size");
	u->document.answered = !own;
}

static void read_message(struct tele_update *u, struct json_object *message)
{
	read_place(u, message);
	/* Who speaks in the name of a chat (anonymous administrators, linked channels) is nobody we know. */
	if (!member(message, "sender_chat", json_type_object))
		read_person(u, member(message, "from", json_type_object));
	u->text = string(u, message, "text");
	if (!*u->text)
		u->text = string(u, message, "caption");
	read_document(u, message);
	u->forwarded = member(message, "forward_origin", json_type_object) || member(message, "forward_date", json_type_int) ||
	    member(message, "via_bot", json_type_object);
	u->migrated_to = number(message, "migrate_to_chat_id");
	if (u->migrated_to)
		u->kind = TELE_UPDATE_MIGRATED;
	else if (*u->text || (*u->document.file_id && !u->document.answered))
		u->kind = TELE_UPDATE_MESSAGE;
}

static void read_callback(struct tele_update *u, struct json_object *query)
{
	u->kind = TELE_UPDATE_CALLBACK;
	read_place(u, member(query, "message", json_type_object));
	read_person(u, member(query, "from", json_type_object));
	u->callback_id = string(u, query, "id");
	u->callback_data = string(u, query, "data");
}

static void read_member(struct tele_update *u, struct json_object *change)
{
	u->kind = TELE_UPDATE_MEMBER;
	read_chat(u, member(change, "chat", json_type_object));
	u->member_status = string(u, member(change, "new_chat_member", json_type_object), "status");
}

/* Updates we act on. Edited messages and channel posts are not among them: an edit runs nothing, a channel is nobody. */
static const struct {
	const char *key;
	void (*read)(struct tele_update *u, struct json_object *o);
} readers[] = {
    {"message", read_message},
    {"callback_query", read_callback},
    {"my_chat_member", read_member},
};

const char *tele_update_wanted(size_t i)
{
	return i < sizeof readers / sizeof *readers ? readers[i].key : NULL;
}

enum tele_err tele_update_parse(struct tele_update *u, const char *body, size_t n, const char **why)
{
	struct json_object *json = tele_json_parse(body, n, DEPTH, why, NULL);
	struct json_object *o;

	memset(u, 0, sizeof *u);
	u->username = u->first_name = u->last_name = u->language = u->chat_type = u->chat_title = "";
	u->text = u->callback_id = u->callback_data = u->member_status = "";
	u->document.file_id = u->document.name = "";
	if (!json)
		return TELE_INVALID;
	u->json = json;
	if (!member(json, "update_id", json_type_int)) {
		*why = "not an object with an integer update_id";
		tele_update_release(u);
		return TELE_INVALID;
	}
	u->update_id = number(json, "update_id");
	/* json-c gives the nearest number it has for one that is too large. */
	if (u->update_id == INT64_MAX || u->update_id == INT64_MIN) {
		*why = "update_id is out of range";
		tele_update_release(u);
		return TELE_INVALID;
	}
	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if ((o = member(json, readers[i].key, json_type_object)))
			readers[i].read(u, o);
	return TELE_OK;
}

/* In messages wherever they stand: replies and quotes hold others. What the fields may be called grows with Telegram. */
static bool holds_words(const char *key)
{
	static const char *const keys[] = {"text", "caption", "data", "query", "url", "file_name", NULL};

	for (int i = 0; keys[i]; i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static struct json_object *without_words(struct json_object *o)
{
	struct json_object *out;

	if (json_object_is_type(o, json_type_array)) {
		out = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(o); i++)
			json_object_array_add(out, without_words(json_object_array_get_idx(o, i)));
		return out;
	}
	if (!json_object_is_type(o, json_type_object))
		return json_object_get(o);
	out = json_object_new_object();
	json_object_object_foreach(o, key, value)
		json_object_object_add(out, key,
		    json_object_is_type(value, json_type_string) && holds_words(key) ? json_object_new_string("•••") : without_words(value));
	return out;
}

void tele_update_masked(const struct tele_update *u, struct tele_buf *out)
{
	struct json_object *o = without_words(u->json);

	tele_buf_str(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void tele_update_release(struct tele_update *u)
{
	for (int i = 0; i < u->nowned; i++)
		free(u->owned[i]);
	u->nowned = 0;
	json_object_put(u->json);
	u->json = NULL;
}
