#include "lib/alert.h"

#include "lib/json.h"
#include "lib/session.h"
#include "lib/text.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 32, TITLE_UNITS = 200, TEXT_UNITS = 1500, ITEM_UNITS = 400, VALUE_UNITS = 400, URL_UNITS = 400, KEY_BYTES = 200, NAME_BYTES = 64, ITEMS_MOST = 20,
	LABELS_MOST = 64 };

/* The words that senders have for the two states; everything else is a note. */
static const struct {
	const char *word, *status;
} statuses[] = {
    {"firing", "firing"},       {"alerting", "firing"}, {"no_data", "firing"}, {"problem", "firing"},  {"down", "firing"},
    {"critical", "firing"},     {"warning", "firing"},  {"error", "firing"},   {"failed", "firing"},   {"open", "firing"},
    {"resolved", "resolved"},   {"ok", "resolved"},     {"up", "resolved"},    {"recovery", "resolved"}, {"normal", "resolved"},
    {"closed", "resolved"},     {"paused", "resolved"},
};

static const char *status_of(const char *word)
{
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (!strcasecmp(statuses[i].word, word))
			return statuses[i].status;
	return "note";
}

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static bool is_plain(struct json_object *v)
{
	return json_object_is_type(v, json_type_string) || json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double) ||
	    json_object_is_type(v, json_type_boolean);
}

/* At most so many UTF-16 units of s, as one line or as several; blanks at both ends go. */
static struct json_object *cleaned(const char *s, size_t n, size_t units, bool lines)
{
	struct tele_buf valid = {0};
	struct json_object *out;
	size_t from = 0, end;
	char *at;

	tele_text_clean(&valid, s, n);
	at = tele_buf_detach(&valid);
	if (!at)
		return NULL;
	for (char *c = at; *c; c++)
		if (((unsigned char)*c < 0x20 && !(lines && *c == '\n')) || *c == 0x7f)
			*c = ' ';
	end = strlen(at);
	while (from < end && (at[from] == ' ' || at[from] == '\n'))
		from++;
	while (end > from && (at[end - 1] == ' ' || at[end - 1] == '\n'))
		end--;
	out = json_object_new_string_len(at + from, (int)tele_text_cut(at + from, end - from, units));
	free(at);
	return out;
}

static struct json_object *cleaned_value(struct json_object *v, size_t units, bool lines)
{
	const char *s = v && is_plain(v) ? json_object_get_string(v) : "";
	size_t n = v && json_object_is_type(v, json_type_string) ? (size_t)json_object_get_string_len(v) : strlen(s);

	return cleaned(s, n, units, lines);
}

/* The first of the members that has something to say, names in a list to a NULL; NULL: none. */
static struct json_object *first_of(struct json_object *o, const char *const *names)
{
	for (; *names; names++) {
		struct json_object *v = member(o, *names);

		if (v && is_plain(v) && *json_object_get_string(v))
			return v;
	}
	return NULL;
}

static struct json_object *first_named(struct json_object *o, const char *name)
{
	return first_of(o, (const char *const[]){name, NULL});
}

static struct json_object *labels_of(struct json_object *given)
{
	struct json_object *out = json_object_new_object();
	int n = 0;

	if (!out || !given || !json_object_is_type(given, json_type_object))
		return out;
	json_object_object_foreach(given, name, value)
		if (is_plain(value) && strlen(name) <= NAME_BYTES && n++ < LABELS_MOST)
			json_object_object_add(out, name, cleaned_value(value, VALUE_UNITS, false));
	return out;
}

/* "instance=web1, job=node" where nothing else tells what it is about. */
static struct json_object *listed(struct json_object *labels)
{
	struct tele_buf list = {0};
	struct json_object *out;

	json_object_object_foreach(labels, name, value)
		if (strcmp(name, "alertname"))
			tele_buf_printf(&list, "%s%s=%s", list.len ? ", " : "", name, json_object_get_string(value));
	out = cleaned(tele_buf_text(&list), list.len, ITEM_UNITS, false);
	tele_buf_release(&list);
	return out;
}

static struct json_object *item(const char *status, struct json_object *text, struct json_object *labels)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "status", json_object_new_string(status));
	json_object_object_add(out, "text", text);
	json_object_object_add(out, "labels", labels);
	return out;
}

static struct json_object *group_item(struct json_object *alert, const char *status)
{
	static const char *const says[] = {"summary", "description", "message", NULL};
	struct json_object *labels = labels_of(member(alert, "labels")), *text = first_of(member(alert, "annotations"), says);

	return item(status, text ? cleaned_value(text, ITEM_UNITS, false) : listed(labels), labels);
}

/* Those that fire come first: what is left out is what matters less. */
static struct json_object *group_items(struct json_object *alerts, const char *status, size_t *more)
{
	struct json_object *out = json_object_new_array(), *said;

	for (int ended = 0; ended < 2; ended++) {
		for (size_t i = 0; i < json_object_array_length(alerts); i++) {
			struct json_object *alert = json_object_array_get_idx(alerts, i);
			const char *own = (said = first_named(alert, "status")) ? status_of(json_object_get_string(said)) : status;

			if (!json_object_is_type(alert, json_type_object) || !strcmp(own, "resolved") != (ended == 1))
				continue;
			if (json_object_array_length(out) < ITEMS_MOST)
				json_object_array_add(out, group_item(alert, own));
			else
				++*more;
		}
	}
	return out;
}

static struct json_object *or_else(struct json_object *a, struct json_object *b)
{
	return a ? a : b;
}

/* An alert's rule has a name; a group of several rules has a title, or whom it was sent to. */
static struct json_object *group_title(struct json_object *o, struct json_object *first)
{
	static const char *const others[] = {"title", "receiver", NULL};
	struct json_object *v = or_else(first_named(member(o, "commonLabels"), "alertname"), first_named(member(o, "groupLabels"), "alertname"));

	return or_else(or_else(v, first_of(o, others)), first_named(member(first, "labels"), "alertname"));
}

static struct json_object *group_url(struct json_object *o, struct json_object *first)
{
	static const char *const places[] = {"panelURL", "dashboardURL", "generatorURL", NULL};
	struct json_object *v = or_else(first_named(member(o, "commonAnnotations"), "runbook_url"), first_of(first, places));

	return or_else(v, first_named(o, "externalURL"));
}

static void set(struct json_object *out, const char *key, struct json_object *v)
{
	json_object_object_add(out, key, v);
}

/* A key of any length, or what stands for it. */
static void set_key(struct json_object *out, struct json_object *given)
{
	struct json_object *key = cleaned_value(given, KEY_BYTES * 8, false);
	char hash[TELE_SESSION_HASH + 1], made[TELE_SESSION_HASH + 8];

	if (key && json_object_get_string_len(key) && json_object_get_string_len(key) <= KEY_BYTES) {
		set(out, "key", key);
		return;
	}
	if (key && json_object_get_string_len(key)) {
		tele_session_hash(json_object_get_string(given), hash);
		snprintf(made, sizeof made, "key:%s", hash);
	} else {
		tele_session_hash(json_object_get_string(member(out, "title")), hash);
		snprintf(made, sizeof made, "title:%s", hash);
	}
	json_object_put(key);
	set(out, "key", json_object_new_string(made));
}

static void read_group(struct json_object *o, struct json_object *alerts, struct json_object *out)
{
	struct json_object *first = json_object_array_get_idx(alerts, 0), *said = first_named(o, "status"), *cut = member(o, "truncatedAlerts");
	const char *status = said ? status_of(json_object_get_string(said)) : "firing";
	size_t more = cut && json_object_get_int(cut) > 0 ? (size_t)json_object_get_int(cut) : 0;

	set(out, "status", json_object_new_string(status));
	set(out, "title", cleaned_value(group_title(o, first), TITLE_UNITS, false));
	set(out, "text", json_object_new_string(""));
	set(out, "url", cleaned_value(group_url(o, first), URL_UNITS, false));
	set(out, "alerts", group_items(alerts, status, &more));
	set(out, "more", json_object_new_int64((int64_t)more));
	set_key(out, first_named(o, "groupKey"));
}

/* One alert, whose text is the report's. */
static void finish_single(struct json_object *out, const char *status, struct json_object *labels)
{
	struct json_object *alerts = json_object_new_array();

	json_object_array_add(alerts, item(status, json_object_new_string(""), labels));
	set(out, "status", json_object_new_string(status));
	set(out, "alerts", alerts);
	set(out, "more", json_object_new_int(0));
}

/* Grafana's former alerting (ruleId, ruleName, state, message, tags) is of this shape too. */
static bool read_plain(struct json_object *o, struct json_object *out)
{
	static const char *const titles[] = {"title", "ruleName", "summary", "subject", NULL};
	static const char *const texts[] = {"text", "message", "body", "description", NULL};
	static const char *const states[] = {"status", "state", NULL};
	static const char *const keys[] = {"key", "ruleId", NULL};
	static const char *const urls[] = {"url", "ruleUrl", NULL};
	struct json_object *title = first_of(o, titles), *text = first_of(o, texts), *state = first_of(o, states);
	struct json_object *labels = or_else(member(o, "labels"), member(o, "tags"));

	set(out, "title", cleaned_value(or_else(title, text), TITLE_UNITS, false));
	set(out, "text", cleaned_value(title ? text : NULL, TEXT_UNITS, true));
	set(out, "url", cleaned_value(first_of(o, urls), URL_UNITS, false));
	finish_single(out, state ? status_of(json_object_get_string(state)) : "note", labels_of(labels));
	set_key(out, first_of(o, keys));
	return title || text;
}

static enum tele_err write_report(struct json_object *out, struct tele_buf *report)
{
	const char *text = json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return TELE_NOMEM;
	tele_buf_str(report, text);
	return report->failed ? TELE_NOMEM : TELE_OK;
}

enum tele_err tele_alert_read(const char *body, size_t n, struct tele_buf *report, const char **why)
{
	struct json_object *o = tele_json_parse(body, n, DEPTH, why, NULL), *out, *alerts;
	enum tele_err rc = TELE_INVALID;

	if (!o)
		return TELE_INVALID;
	if (!json_object_is_type(o, json_type_object)) {
		*why = "not an object";
		json_object_put(o);
		return TELE_INVALID;
	}
	out = json_object_new_object();
	alerts = member(o, "alerts");
	if (alerts && json_object_is_type(alerts, json_type_array)) {
		read_group(o, alerts, out);
		*why = "there is nothing in alerts";
		rc = json_object_array_length(member(out, "alerts")) ? TELE_OK : TELE_INVALID;
	} else {
		*why = "it has neither title nor text";
		rc = read_plain(o, out) ? TELE_OK : TELE_INVALID;
	}
	if (rc == TELE_OK)
		rc = write_report(out, report);
	json_object_put(out);
	json_object_put(o);
	return rc;
}

static int hex(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* One value of a query string (url.spec.whatwg.org, application/x-www-form-urlencoded); NULL: it is not there, or empty. */
static struct json_object *query_value(const char *query, const char *name)
{
	size_t n = strlen(name);
	struct tele_buf value = {0};
	struct json_object *out;

	while (*query && !(!strncmp(query, name, n) && query[n] == '=')) {
		query += strcspn(query, "&");
		query += *query == '&';
	}
	for (const char *s = *query ? query + n + 1 : ""; *s && *s != '&'; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			tele_buf_char(&value, (char)(hex(s[1]) * 16 + hex(s[2])));
			s += 2;
		} else {
			tele_buf_char(&value, *s == '+' ? ' ' : *s);
		}
	}
	out = value.len ? cleaned(tele_buf_text(&value), value.len, KEY_BYTES * 8, false) : NULL;
	tele_buf_release(&value);
	return out;
}

enum tele_err tele_alert_read_text(const char *body, size_t n, const char *query, struct tele_buf *report, const char **why)
{
	struct json_object *out, *state, *key;
	const char *end;
	enum tele_err rc;

	while (n && strchr(" \t\r\n", *body) && *body) {
		body++;
		n--;
	}
	if (!n) {
		*why = "it is empty";
		return TELE_INVALID;
	}
	end = memchr(body, '\n', n);
	out = json_object_new_object();
	state = query_value(query, "status");
	key = query_value(query, "key");
	set(out, "title", cleaned(body, end ? (size_t)(end - body) : n, TITLE_UNITS, false));
	set(out, "text", cleaned(end ? end : "", end ? n - (size_t)(end - body) : 0, TEXT_UNITS, true));
	set(out, "url", json_object_new_string(""));
	finish_single(out, state ? status_of(json_object_get_string(state)) : "note", json_object_new_object());
	set_key(out, key);
	rc = write_report(out, report);
	json_object_put(state);
	json_object_put(key);
	json_object_put(out);
	return rc;
}

void tele_alert_url(const char *webhook_url, const char *token, struct tele_buf *url)
{
	static const char tail[] = "/webhook";
	size_t n = webhook_url ? strlen(webhook_url) : 0;

	if (n > sizeof tail - 1 && !strcmp(webhook_url + n - (sizeof tail - 1), tail))
		tele_buf_add(url, webhook_url, n - (sizeof tail - 1));
	tele_buf_printf(url, "/hooks/%s", token);
}
