#include "lib/outbox.h"

#include "lib/text.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
	ID, OP, CHAT_ID, SEQ, THREAD_ID, REPLY_TO, TEXT, ENTITIES, MARKUP, PARAMS, TASK_ID, UPDATE_ID, VERSION, FINAL, MESSAGE_ID, PARTS_SENT, ATTEMPTS, EXPIRES_S,
	BLOCKED, AGE_S
};

enum tele_err tele_outbox_take(struct tele_db *db, long long epoch, struct tele_array *busy, int limit)
{
	char number[24], most[16];

	snprintf(number, sizeof number, "%lld", epoch);
	snprintf(most, sizeof most, "%d", limit);
	return tele_db_send(db, TELE_STMT_OUTBOX_TAKE, (const char *[]){number, tele_array_text(busy), most});
}

static struct json_object *json(const PGresult *res, int i, int column)
{
	return PQgetisnull(res, i, column) ? NULL : json_tokener_parse(PQgetvalue(res, i, column));
}

enum tele_err tele_outbox_read(const PGresult *res, int i, struct tele_outbox_row **row)
{
	struct tele_outbox_row *r = calloc(1, sizeof *r);

	if (!r)
		return TELE_NOMEM;
	r->id = tele_db_int(res, i, ID);
	r->op = strdup(PQgetvalue(res, i, OP));
	r->chat_id = tele_db_int(res, i, CHAT_ID);
	r->group = r->chat_id < 0;
	r->thread_id = tele_db_int(res, i, THREAD_ID);
	r->reply_to = tele_db_int(res, i, REPLY_TO);
	r->text = strdup(PQgetvalue(res, i, TEXT));
	r->entities = json(res, i, ENTITIES);
	r->markup = json(res, i, MARKUP);
	r->params = json(res, i, PARAMS);
	r->task_id = tele_db_int(res, i, TASK_ID);
	r->update_id = tele_db_int(res, i, UPDATE_ID);
	r->parts_sent = (int)tele_db_int(res, i, PARTS_SENT);
	r->attempts = (int)tele_db_int(res, i, ATTEMPTS);
	r->version = (int)tele_db_int(res, i, VERSION);
	r->final = tele_db_bool(res, i, FINAL);
	r->message_id = tele_db_int(res, i, MESSAGE_ID);
	/* What changes as it goes holds up nobody; what a task says in the end keeps its place, unless it is an edit. */
	r->in_lane = !PQgetisnull(res, i, SEQ) && r->op && (strcmp(r->op, "live") || (r->final && !r->message_id));
	r->expires_s = PQgetisnull(res, i, EXPIRES_S) ? HUGE_VAL : strtod(PQgetvalue(res, i, EXPIRES_S), NULL);
	r->blocked = tele_db_bool(res, i, BLOCKED);
	r->age_s = tele_db_double(res, i, AGE_S);
	if (r->op && r->text) {
		*row = r;
		return TELE_OK;
	}
	tele_outbox_row_free(r);
	return TELE_NOMEM;
}

void tele_outbox_row_free(struct tele_outbox_row *row)
{
	if (!row)
		return;
	free(row->op);
	free(row->text);
	json_object_put(row->entities);
	json_object_put(row->markup);
	json_object_put(row->params);
	free(row->file_name);
	free(row->file);
	free(row);
}

enum tele_err tele_outbox_fetch(struct tele_db *db, long long epoch, const struct tele_outbox_row *row)
{
	char number[24], id[24];

	snprintf(number, sizeof number, "%lld", epoch);
	snprintf(id, sizeof id, "%lld", row->id);
	return tele_db_send(db, strcmp(row->op, "live") ? TELE_STMT_OUTBOX_FILE : TELE_STMT_OUTBOX_TEXT, (const char *[]){number, id});
}

static enum tele_err read_text(const PGresult *res, struct tele_outbox_row *row)
{
	char *text = strdup(PQgetvalue(res, 0, 0));

	if (!text)
		return TELE_NOMEM;
	free(row->text);
	json_object_put(row->entities);
	json_object_put(row->markup);
	row->text = text;
	row->entities = json(res, 0, 1);
	row->markup = json(res, 0, 2);
	row->version = (int)tele_db_int(res, 0, 3);
	row->final = tele_db_bool(res, 0, 4);
	row->fresh = true;
	return TELE_OK;
}

static enum tele_err read_file(const PGresult *res, struct tele_outbox_row *row)
{
	unsigned char *bytes;

	row->file_id = tele_db_int(res, 0, 2);
	if (row->file_id) {
		row->file_name = strdup(PQgetvalue(res, 0, 0));
		row->file_size = (size_t)tele_db_int(res, 0, 3);
		return row->file_name ? TELE_OK : TELE_NOMEM;
	}
	bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(res, 0, 1), &row->file_size);
	row->file = bytes ? malloc(row->file_size + 1) : NULL;
	row->file_name = row->file ? strdup(PQgetvalue(res, 0, 0)) : NULL;
	if (row->file_name)
		memcpy(row->file, bytes, row->file_size);
	PQfreemem(bytes);
	return row->file_name ? TELE_OK : TELE_NOMEM;
}

enum tele_err tele_outbox_fetched(const PGresult *res, struct tele_outbox_row *row)
{
	if (PQntuples(res) == 0)
		return TELE_NOTFOUND;
	return strcmp(row->op, "live") ? read_file(res, row) : read_text(res, row);
}

void tele_settlements_add(struct tele_settlements *s, const struct tele_outbox_row *row, const char *outcome, long long message_id, const char *reason)
{
	tele_array_int(&s->id, row->id);
	tele_array_str(&s->outcome, outcome);
	tele_array_int(&s->version, row->version);
	tele_array_int(&s->parts, row->parts_sent);
	tele_array_int(&s->message_id, message_id);
	tele_array_str(&s->reason, reason);
	s->n++;
}

enum tele_err tele_settlements_send(struct tele_db *db, long long epoch, struct tele_settlements *s)
{
	char number[24];

	snprintf(number, sizeof number, "%lld", epoch);
	return tele_db_send(db, TELE_STMT_OUTBOX_SETTLE,
	    (const char *[]){number, tele_array_text(&s->id), tele_array_text(&s->outcome), tele_array_text(&s->version),
		tele_array_text(&s->parts), tele_array_text(&s->message_id), tele_array_text(&s->reason)});
}

void tele_settlements_reset(struct tele_settlements *s)
{
	tele_array_reset(&s->id);
	tele_array_reset(&s->outcome);
	tele_array_reset(&s->version);
	tele_array_reset(&s->parts);
	tele_array_reset(&s->message_id);
	tele_array_reset(&s->reason);
	s->n = 0;
}

void tele_settlements_release(struct tele_settlements *s)
{
	tele_array_release(&s->id);
	tele_array_release(&s->outcome);
	tele_array_release(&s->version);
	tele_array_release(&s->parts);
	tele_array_release(&s->message_id);
	tele_array_release(&s->reason);
	s->n = 0;
}

static void set_number(struct json_object *o, const char *key, size_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

static size_t get_number(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;
	int64_t n = json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;

	return n > 0 ? (size_t)n : 0;
}

/* Entities between two offsets, all in UTF-16 units; one that reaches over an end is cut there. */
static struct json_object *clip(struct json_object *entities, size_t from, size_t to)
{
	struct json_object *list = json_object_new_array();
	size_t n = json_object_is_type(entities, json_type_array) ? json_object_array_length(entities) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_array_get_idx(entities, i), *copy = NULL;
		size_t start = get_number(e, "offset"), end = start + get_number(e, "length");

		start = start < from ? from : start;
		end = end > to ? to : end;
		if (end <= start || json_object_deep_copy(e, &copy, NULL))
			continue;
		set_number(copy, "offset", start - from);
		set_number(copy, "length", end - start);
		json_object_array_add(list, copy);
	}
	if (json_object_array_length(list))
		return list;
	json_object_put(list);
	return NULL;
}

enum tele_err tele_outbox_part(const struct tele_outbox_row *row, int part, char **text, struct json_object **entities, bool *last)
{
	size_t n = strlen(row->text), at = 0, len = tele_text_part(row->text, n, TELE_MESSAGE_UNITS), from = 0;

	for (int i = 0; i < part; i++) {
		from += tele_text_units(row->text + at, len);
		at += len;
		if (at == n)
			return TELE_EMPTY;
		len = tele_text_part(row->text + at, n - at, TELE_MESSAGE_UNITS);
	}
	*text = strndup(row->text + at, len);
	if (!*text)
		return TELE_NOMEM;
	*entities = row->entities ? clip(row->entities, from, from + tele_text_units(row->text + at, len)) : NULL;
	*last = at + len == n;
	return TELE_OK;
}

enum tele_err tele_outbox_head(const struct tele_outbox_row *row, size_t units, char **text, struct json_object **entities)
{
	size_t len = tele_text_cut(row->text, strlen(row->text), units);

	*text = strndup(row->text, len);
	if (!*text)
		return TELE_NOMEM;
	*entities = row->entities ? clip(row->entities, 0, tele_text_units(row->text, len)) : NULL;
	return TELE_OK;
}
