#include "engine/transfer.h"

#include "lib/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSFERS_MOST = 4, PART = 256 * 1024 };

/* What it waits for the database to do. */
enum want { NOTHING, PUT, END, GET };

struct transfer {
	struct transfer *next;
	struct transfers *all;
	struct lane *lane;
	struct tele_buf part;
	size_t at;         /* upload: so much of part has gone */
	int number;        /* of part */
	long long left;    /* bytes that may still come, or are still to go */
	bool upload;
	bool paused;       /* the request waits for transfer_go_on */
	bool running;      /* a request is under way */
	bool there;        /* download: all of it has come */
	bool too_long;
	const char *why;   /* why it failed, as file_end() has it; "" else */
	char words[200];
	enum want want;
};

struct transfers {
	struct tele_telegram *telegram;
	struct transfer *first, *asked; /* asked: whose statement is under way */
	enum want asked_for;
	int count;
};

struct transfers *transfers_new(struct tele_telegram *telegram)
{
	struct transfers *t = calloc(1, sizeof *t);

	if (t)
		t->telegram = telegram;
	return t;
}

static void *tag_of(struct transfer *f)
{
	return f->upload ? (void *)f->lane : (void *)f;
}

static void forget(struct transfer *f)
{
	struct transfer **at = &f->all->first;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->all->count--;
	if (f->all->asked == f)
		f->all->asked = NULL;
	if (f->running)
		tele_telegram_cancel(f->all->telegram, tag_of(f));
	tele_buf_release(&f->part);
	free(f);
}

void transfers_free(struct transfers *t)
{
	while (t && t->first)
		forget(t->first);
	free(t);
}

bool transfers_full(const struct transfers *t)
{
	return t->count >= TRANSFERS_MOST;
}

bool transfers_any(const struct transfers *t)
{
	return t->first != NULL;
}

static struct transfer *make(struct transfers *t, struct lane *lane)
{
	struct transfer *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->all = t;
	f->lane = lane;
	f->why = "";
	f->next = t->first;
	t->first = f;
	t->count++;
	return f;
}

static void go_on(struct transfer *f)
{
	if (f->paused && f->running) {
		f->paused = false;
		tele_telegram_resume(f->all->telegram, tag_of(f));
	}
}

/* What the person hears; the row is settled by that. */
static void fail(struct transfer *f, const char *why, const char *words)
{
	f->why = why;
	snprintf(f->words, sizeof f->words, "%s", words);
	f->want = END;
	tele_buf_reset(&f->part);
}

/* What Telegram says of files it does not give (its server's own words). */
static const struct {
	const char *words, *why;
} refusals[] = {
    {"file is too big", "big"},
    {"wrong file_id", "gone"},
    {"temporarily unavailable", "gone"},
    {"invalid file_id", "gone"},
};

enum tele_err transfers_fail(struct transfers *t, struct lane *lane, const char *words)
{
	struct transfer *f = make(t, lane);
	const char *why = "refused";

	if (!f)
		return TELE_NOMEM;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strstr(words, refusals[i].words))
			why = refusals[i].why;
	fail(f, why, words);
	return TELE_OK;
}

/* A piece of what is downloaded. */
static enum tele_err take(const char *bytes, size_t n, void *arg)
{
	struct transfer *f = arg;

	if (f->want == PUT) {
		f->paused = true;
		return TELE_RETRY;
	}
	f->too_long = (long long)n > f->left;
	if (f->too_long)
		return TELE_INVALID;
	f->left -= (long long)n;
	tele_buf_add(&f->part, bytes, n);
	if (f->part.len >= PART)
		f->want = PUT;
	return f->part.failed ? TELE_NOMEM : TELE_OK;
}

static long long number_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

enum tele_err transfers_download(struct transfers *t, struct lane *lane, const struct tele_answer *file)
{
	struct json_object *path = NULL;
	struct transfer *f = make(t, lane);
	long long size = number_of(file->result, "file_size");
	enum tele_err rc;

	if (!f)
		return TELE_NOMEM;
	f->left = number_of(lane->first->params, "most");
	if (size > f->left) {
		fail(f, "big", "");
		return TELE_OK;
	}
	if (!json_object_object_get_ex(file->result, "file_path", &path)) {
		fail(f, "gone", "");
		return TELE_OK;
	}
	rc = tele_telegram_download(t->telegram, json_object_get_string(path), f->left, take, f, f);
	f->running = rc == TELE_OK;
	if (rc != TELE_OK)
		forget(f);
	return rc;
}

static struct transfer *of_tag(const struct transfers *t, const void *tag)
{
	struct transfer *f = t->first;

	while (f && f != tag)
		f = f->next;
	return f;
}

struct lane *transfers_lane(const struct transfers *t, const void *tag)
{
	struct transfer *f = of_tag(t, tag);

	return f ? f->lane : NULL;
}

bool transfers_downloaded(struct transfers *t, const struct tele_answer *answer)
{
	struct transfer *f = of_tag(t, answer->tag);

	f->running = false;
	if (f->too_long) {
		fail(f, "big", "");
	} else if (answer->verdict == TELE_TG_WAIT || answer->verdict == TELE_TG_AWAY || answer->verdict == TELE_TG_TOKEN) {
		forget(f);
		return false;
	} else if (answer->verdict != TELE_TG_OK) {
		fail(f, "gone", answer->words);
	} else {
		f->there = true;
		/* The last part may be on its way just now: what follows it is seen then. */
		if (f->want == NOTHING)
			f->want = f->part.len ? PUT : END;
	}
	return true;
}

/* Gives the next bytes of an upload. */
static enum tele_err give(char *to, size_t room, size_t *n, void *arg)
{
	struct transfer *f = arg;
	size_t there = f->part.len - f->at;

	*n = 0;
	if (!there && f->left > 0) {
		f->paused = true;
		return TELE_RETRY;
	}
	*n = there < room ? there : room;
	if (*n)
		memcpy(to, f->part.data + f->at, *n);
	f->at += *n;
	f->left -= (long long)*n;
	if (f->at == f->part.len && f->left > 0) {
		tele_buf_reset(&f->part);
		f->at = 0;
		f->want = GET;
	}
	return TELE_OK;
}

/* A kept connection turned out to be closed: libcurl begins anew on another. */
static void from_start(void *arg)
{
	struct transfer *f = arg;

	tele_buf_reset(&f->part);
	f->at = 0;
	f->number = 0;
	f->left = (long long)f->lane->first->file_size;
	/* A part that is on its way is of no use now. */
	if (f->all->asked == f)
		f->all->asked = NULL;
	f->want = GET;
}

enum tele_err transfers_upload(struct transfers *t, struct lane *lane, const char *method, struct json_object *params)
{
	struct tele_outbox_row *row = lane->first;
	struct transfer *f = make(t, lane);
	struct tele_telegram_file file = {.field = "document", .name = row->file_name, .type = "application/octet-stream", .size = row->file_size,
	    .give = give, .from_start = from_start, .arg = f};
	enum tele_err rc;

	if (!f)
		return TELE_NOMEM;
	f->upload = true;
	f->left = (long long)row->file_size;
	f->want = GET;
	rc = tele_telegram_upload(t->telegram, method, params, &file, lane);
	f->running = rc == TELE_OK;
	if (rc != TELE_OK)
		forget(f);
	return rc;
}

void transfers_forget(struct transfers *t, const struct lane *lane)
{
	for (struct transfer *f = t->first; f; f = f->next) {
		if (f->lane != lane || !f->upload)
			continue;
		f->running = false;
		forget(f);
		return;
	}
}

static struct transfer *next_wanting(const struct transfers *t)
{
	struct transfer *f = t->first;

	while (f && f->want == NOTHING)
		f = f->next;
	return f;
}

bool transfers_want(const struct transfers *t)
{
	return next_wanting(t) != NULL;
}

static enum tele_err send_put(struct tele_db *db, const char *const *ids, const struct transfer *f)
{
	static const char digits[] = "0123456789abcdef";
	struct tele_buf hex = {0};
	char number[16];
	enum tele_err rc;

	snprintf(number, sizeof number, "%d", f->number);
	tele_buf_str(&hex, "\\x");
	for (size_t i = 0; i < f->part.len; i++) {
		tele_buf_char(&hex, digits[(unsigned char)f->part.data[i] >> 4]);
		tele_buf_char(&hex, digits[f->part.data[i] & 15]);
	}
	rc = hex.failed ? TELE_NOMEM : tele_db_send(db, TELE_STMT_FILE_PUT, (const char *[]){ids[0], ids[1], number, tele_buf_text(&hex)});
	tele_buf_release(&hex);
	return rc;
}

enum tele_err transfers_send(struct transfers *t, struct tele_db *db, long long epoch)
{
	struct transfer *f = next_wanting(t);
	char number[16], lead[24], row[24];
	const char *const ids[] = {lead, row};
	enum tele_err rc;

	snprintf(number, sizeof number, "%d", f->number);
	snprintf(lead, sizeof lead, "%lld", epoch);
	snprintf(row, sizeof row, "%lld", f->lane->first->id);
	if (f->want == PUT)
		rc = send_put(db, ids, f);
	else if (f->want == GET)
		rc = tele_db_send(db, TELE_STMT_FILE_PART, (const char *[]){lead, row, number});
	else
		rc = tele_db_send(db, TELE_STMT_FILE_END, (const char *[]){lead, row, f->why, f->words});
	t->asked = rc == TELE_OK ? f : NULL;
	t->asked_for = f->want;
	return rc;
}

static enum tele_err on_put(struct transfer *f, const PGresult *res)
{
	f->want = NOTHING;
	f->number++;
	tele_buf_reset(&f->part);
	if (*f->why) {
		f->want = END;
	} else if (!tele_db_bool(res, 0, 0)) {
		/* Nobody waits for it any more. */
		if (f->running)
			tele_telegram_cancel(f->all->telegram, f);
		f->running = false;
		fail(f, "gone", "");
	} else if (f->there) {
		f->want = END;
	} else {
		f->all->asked = NULL;
		go_on(f);
	}
	return TELE_OK;
}

static enum tele_err on_end(struct transfer *f, struct lane **lane)
{
	const struct tele_outbox_row *row = f->lane->first;

	tele_log(*f->why ? TELE_WARN : TELE_INFO, *f->why ? "not_fetched" : "fetched", tele_int("outbox", row->id), tele_int("update", row->update_id),
	    tele_int("file", number_of(row->params, "file")), tele_int("parts", f->number), tele_str("why", f->why), tele_str("error", f->words));
	*lane = f->lane;
	forget(f);
	return TELE_EMPTY;
}

static enum tele_err on_get(struct transfer *f, const PGresult *res, struct lane **lane)
{
	unsigned char *bytes;
	size_t n;

	if (PQntuples(res) == 0) {
		*lane = f->lane;
		forget(f);
		return TELE_NOTFOUND;
	}
	bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(res, 0, 0), &n);
	if (bytes)
		tele_buf_add(&f->part, bytes, n);
	PQfreemem(bytes);
	f->want = NOTHING;
	f->number++;
	f->all->asked = NULL;
	go_on(f);
	return TELE_OK;
}

enum tele_err transfers_answer(struct transfers *t, const PGresult *res, struct lane **lane)
{
	struct transfer *f = t->asked;
	enum want did = f ? t->asked_for : NOTHING;

	t->asked = NULL;
	if (did == PUT)
		return on_put(f, res);
	if (did == GET)
		return on_get(f, res, lane);
	return did == END ? on_end(f, lane) : TELE_OK;
}

void transfers_again(struct transfers *t)
{
	t->asked = NULL;
}

void transfers_abort(struct transfers *t)
{
	struct transfer *next;

	t->asked = NULL;
	for (struct transfer *f = t->first; f; f = next) {
		next = f->next;
		if (f->upload && f->left == 0)
			continue;
		f->lane->busy = false;
		forget(f);
	}
}
