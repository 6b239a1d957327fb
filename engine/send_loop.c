/*
 * One loop over libcurl's multi handle, the database's socket and a signalfd. A row is taken, sent, settled:
 *  - Only the holder of the advisory lock (sender_lead) takes rows. When its connection breaks, the lead is gone: nothing new is
 *    started, what is under way ends, is settled first, and only then the lead is asked for again. So this process never sends twice.
 *  - One window is left: sent, but the process died before it was settled. The next sender sends that one message again.
 *  - A part of a long text is settled before the next part is sent.
 */
#include "engine/send_loop.h"

#include "engine/bot.h"
#include "engine/lane.h"
#include "engine/operation.h"
#include "engine/transfer.h"
#include "lib/log.h"
#include "lib/metric.h"
#include "lib/notify.h"
#include "lib/start.h"
#include "lib/outbox.h"
#include "lib/telegram.h"

#include <json-c/json.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { TAKE = 256, ROWS_MOST = 4096, FLIGHT_S = 60 };
static const double lead_every_s = 1, token_every_s = 60, sweep_every_s = 30;
static const double backoff_least_s = 0.5, backoff_most_s = 30;

enum op { NONE, LEAD, TAKE_ROWS, FETCH, TRANSFER, SETTLE, SEEN, WEBHOOK, CERTIFICATE, METRICS };

struct sender {
	struct tele_conf *conf;
	struct tele_db *db;
	struct tele_metrics *metrics;
	struct tele_telegram *telegram;
	struct transfers *transfers;
	struct lanes *lanes;
	struct rate rate, edit_rate; /* of the bot; what is shown of running commands may use half */
	enum op op;
	long long epoch; /* 0: not the active one */
	struct tele_settlements settling, under_way; /* the latter is being stored */
	unsigned long batch;    /* number of what is collected in settling, from 1 */
	struct bot bot;
	double lead_due, look_due, sweep_due, alive_due;
	double hold_all;        /* nothing is sent before */
	int failures;           /* in a row, over all chats */
	double last_429;
	long long last_429_chat;
	bool look, stopping, standing_by, told_all;
	bool left_out;          /* the last take passed over chats that had rows in hand: more may wait for them */
	bool again;             /* the database brought something that may be sent at once */
	double stop_by;
	int signals;
};

static const char *const channels[] = {"outbox", NULL};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void settle_first(struct sender *s, struct lane *lane, const char *outcome, long long message_id, const char *reason)
{
	struct tele_outbox_row *row = lane->first;

	tele_settlements_add(&s->settling, row, outcome, message_id, reason);
	/* What moved is sent to where its chat is now. */
	if (strcmp(outcome, "sent") && strcmp(outcome, "moved")) {
		tele_metric_add(s->metrics, TELE_METRIC_NOT_SENT, outcome, NULL, 1);
		tele_log(TELE_WARN, "not_sent", tele_int("outbox", row->id), tele_int("chat", row->chat_id), tele_int("update", row->update_id),
		    tele_str("outcome", outcome), tele_str("why", reason));
	}
	lane_pop(s->lanes, lane);
}

/* What becomes of what Telegram refused for good, or what cannot even be asked. */
static const char *end_of_refused(const struct operation *op, const struct tele_outbox_row *row)
{
	if (op && op->is_fleeting)
		return "expired";
	/* Somebody deleted the message. What it says in the end is said anew; until then nobody wants to see it. */
	if (op && op->is_live && op->is_edit)
		return row->final ? "anew" : "sent";
	return "dead";
}

static void give_up_first(struct sender *s, struct lane *lane, const char *why)
{
	settle_first(s, lane, end_of_refused(operation_of(lane->first), lane->first), 0, why);
}

static bool lacks_something(const struct operation *op, const struct tele_outbox_row *row)
{
	return (op->with_file && !row->file_name) || (op->is_live && !row->fresh);
}

/* Whose limits a lane keeps to: its own, or its chat's where it has no place in it. */
static struct lane *limits_of(const struct sender *s, struct lane *lane, double now)
{
	struct lane *chat = lane->chat_id || !lane->first->chat_id ? NULL : lanes_of_chat(s->lanes, lane->first, now);

	return chat ? chat : lane;
}

/* Settled without asking Telegram, or the lane waits for its document; true: go on. */
static bool is_ready(struct sender *s, struct lane *lane, const struct operation *op, double now)
{
	struct tele_outbox_row *row = lane->first;

	if (!op) {
		give_up_first(s, lane, "this sender cannot do it");
	} else if (row->blocked) {
		give_up_first(s, lane, "the chat is closed to the bot");
	} else if (now >= row->expires_at) {
		settle_first(s, lane, "expired", 0, "too late");
	} else if (lacks_something(op, row)) {
		lane->busy = lane->fetching = s->again = true;
	} else {
		return true;
	}
	return false;
}

static enum tele_err call(struct sender *s, const struct operation *op, const struct tele_outbox_row *row, struct json_object *request,
    struct lane *lane)
{
	struct tele_telegram_file file = {
	    .field = "document", .name = row->file_name, .type = "text/plain; charset=utf-8", .bytes = row->file, .size = row->file_size};

	if (op->with_file && row->file_id)
		return transfers_upload(s->transfers, lane, op->method, request);
	if (op->with_file)
		return tele_telegram_upload(s->telegram, op->method, request, &file, lane);
	return tele_telegram_call(s->telegram, op->method, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN), lane);
}

static void take_rates(struct sender *s, struct lane *lane, const struct operation *op, double now)
{
	struct lane *limits = limits_of(s, lane, now);

	if (!op->is_message)
		return;
	rate_take(&limits->rate, now);
	rate_take(&limits->group_rate, now);
	rate_take(&s->rate, now);
	if (!op->is_live || lane->first->final)
		return;
	rate_take(&limits->edit_rate, now);
	rate_take(&limits->edit_group_rate, now);
	rate_take(&s->edit_rate, now);
}

/* Starts what the first row of a lane asks for; settles it where there is nothing to send. */
static void start_first(struct sender *s, struct lane *lane, double now)
{
	struct tele_outbox_row *row = lane->first;
	const struct operation *op = operation_of(row);
	struct json_object *request;
	enum tele_err rc;
	bool last = true;

	if (!is_ready(s, lane, op, now))
		return;
	request = json_object_new_object();
	rc = op->build(lane, row, request, &last);
	if (rc == TELE_EMPTY) {
		row->parts_sent++;
		if (last)
			settle_first(s, lane, "sent", 0, "");
	} else if (rc == TELE_INVALID) {
		give_up_first(s, lane, "the row lacks what the operation needs");
	} else if (rc != TELE_OK || call(s, op, row, request, lane) != TELE_OK) {
		lane->not_before = now + 1;
	} else {
		lane->busy = true;
		take_rates(s, lane, op, now);
	}
	json_object_put(request);
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

/* When the lane's first row may go. */
static double lane_when(const struct sender *s, struct lane *lane, double now)
{
	const struct operation *op = operation_of(lane->first);
	const struct lane *limits = limits_of(s, lane, now);
	double when = later(later(lane->not_before, limits->not_before), s->hold_all);

	if (op && (op->is_fetch || lane->first->file_id) && transfers_full(s->transfers))
		when = later(when, now + 1);
	if (!op || !op->is_message)
		return when;
	when = later(when, rate_when(&limits->rate, now));
	when = later(when, rate_when(&limits->group_rate, now));
	when = later(when, rate_when(&s->rate, now));
	if (!op->is_live || lane->first->final)
		return when;
	when = later(when, rate_when(&limits->edit_rate, now));
	when = later(when, rate_when(&limits->edit_group_rate, now));
	return later(when, rate_when(&s->edit_rate, now));
}

/* Starts all that may go now; returns when the next could. */
static double start_due(struct sender *s, double now)
{
	double next = now + 60;
	struct lane *newer;

	for (struct lane *lane = lanes_first(s->lanes); lane && s->epoch && !s->stopping; lane = newer) {
		double when;

		newer = lane->newer;
		if (lane->busy)
			continue;
		if (tele_telegram_active(s->telegram) >= s->conf->send_parallel)
			break;
		when = lane_when(s, lane, now);
		if (when <= now) {
			start_first(s, lane, now);
			if (lane->listed && !lane->busy)
				next = now;
		} else if (when < next) {
			next = when;
		}
	}
	return next;
}

static double jitter(double s)
{
	return s * (0.5 + (double)rand() / RAND_MAX / 2);
}

/* Telegram or the way to it is down: the chat waits, and when several chats meet that, all wait. Nothing is dropped. */
static void back_off(struct sender *s, struct lane *lane, const char *words, double now)
{
	bool told = lane->backoff_s > 0;

	lane->backoff_s = lane->backoff_s > 0 ? fmin(lane->backoff_s * 2, backoff_most_s) : backoff_least_s;
	lane->not_before = now + jitter(lane->backoff_s);
	lane->first->fresh = false;
	if (++s->failures > 3)
		s->hold_all = now + jitter(fmin(backoff_least_s * s->failures / 4, 5));
	if (told && lane->backoff_s < backoff_most_s)
		return;
	tele_log(TELE_WARN, "telegram_away", tele_int("outbox", lane->first->id), tele_int("chat", lane->chat_id),
	    tele_int("update", lane->first->update_id), tele_str("error", words), tele_str("todo", "trying again by itself"));
	tele_settlements_add(&s->settling, lane->first, "failed", 0, words);
}

/* The limit may be the chat's or the bot's: when a second chat meets it within a second, it is the bot's. */
static void hold(struct sender *s, struct lane *lane, long retry_after, double now)
{
	double until = now + (double)(retry_after > 0 ? retry_after : 1);
	long long chat = lane->first->chat_id;

	lane->not_before = limits_of(s, lane, now)->not_before = until;
	lane->first->fresh = false;
	if (s->last_429_chat != chat && now - s->last_429 < 1)
		s->hold_all = until;
	s->last_429 = now;
	s->last_429_chat = chat;
	tele_metric_add(s->metrics, TELE_METRIC_WAITS, s->hold_all == until ? "all" : "chat", NULL, 1);
	tele_metric_add(s->metrics, TELE_METRIC_WAITED, NULL, NULL, until - now);
	tele_log(TELE_WARN, "limited", tele_int("chat", chat), tele_int("update", lane->first->update_id),
	    tele_int("retry_after", retry_after), tele_str("for", s->hold_all == until ? "all" : "chat"));
}

static void note_sent(struct sender *s, struct lane *lane, const struct tele_answer *a)
{
	struct tele_outbox_row *row = lane->first;
	struct json_object *entities = NULL;
	char *text = NULL;
	bool last = true;

	lane->backoff_s = 0;
	s->failures = 0;
	row->parts_sent++;
	tele_metric_add(s->metrics, TELE_METRIC_SENT, row->op, NULL, 1);
	tele_log(TELE_INFO, "sent", tele_int("outbox", row->id), tele_int("chat", row->chat_id), tele_int("update", row->update_id),
	    tele_int("task", row->task_id), tele_int("message", a->message_id));
	if (operation_of(row)->in_parts && tele_outbox_part(row, row->parts_sent, &text, &entities, &last) == TELE_OK) {
		free(text);
		json_object_put(entities);
		/* The lane stays busy until this part is stored; see on_settled. */
		lane->busy = true;
		lane->stored_with = s->batch;
		tele_settlements_add(&s->settling, row, "part", a->message_id, "");
		return;
	}
	/* One that was overwritten meanwhile is as old as what it shows, not as its row. */
	if (row->version == 1)
		tele_metric_observe(s->metrics, TELE_METRIC_SEND, NULL, now_s() - row->written_at);
	settle_first(s, lane, "sent", a->message_id, "");
}

/* All that waits for a chat that is closed to us, in hand or not. */
static void close_chat(struct sender *s, struct lane *lane, const char *words)
{
	while (lane->first)
		settle_first(s, lane, "blocked", 0, words);
}

/* The database moves what waits for the chat, and what is in hand here too, to the chat it has become. */
static void follow_chat(struct sender *s, struct lane *lane, long long to)
{
	tele_log(TELE_INFO, "chat_migrated", tele_int("chat", lane->first->chat_id), tele_int("to", to),
	    tele_int("update", lane->first->update_id));
	settle_first(s, lane, "moved", to, "");
	while (lane->first)
		lane_pop(s->lanes, lane);
}

/* What getFile said of a file. False: try again, as with everything else. */
static bool on_file(struct sender *s, struct lane *lane, const struct tele_answer *a)
{
	enum tele_err rc;

	if (a->verdict == TELE_TG_WAIT || a->verdict == TELE_TG_AWAY || a->verdict == TELE_TG_TOKEN)
		return false;
	rc = a->verdict == TELE_TG_OK ? transfers_download(s->transfers, lane, a) : transfers_fail(s->transfers, lane, a->words);
	lane->busy = rc == TELE_OK;
	if (rc != TELE_OK)
		lane->not_before = now_s() + 1;
	return true;
}

static void on_answer(struct sender *s, struct lane *lane, const struct tele_answer *a, double now)
{
	static const struct tele_answer away = {.verdict = TELE_TG_AWAY, .words = "another sender leads"};

	lane->busy = false;
	if (lane->first->file_id)
		transfers_forget(s->transfers, lane);
	if (operation_of(lane->first)->is_fetch) {
		/* Whoever leads now asks for it again. */
		if (lane->abandoned)
			a = &away;
		else if (on_file(s, lane, a))
			return;
	}
	switch (a->verdict) {
	case TELE_TG_OK:
	case TELE_TG_NOT_MODIFIED:
	case TELE_TG_TOO_OLD:
		if (!strcmp(lane->first->op, "webhook_info"))
			bot_note_webhook(&s->bot, a);
		note_sent(s, lane, a);
		break;
	case TELE_TG_WAIT:
		hold(s, lane, a->retry_after, now);
		break;
	case TELE_TG_MIGRATED:
		follow_chat(s, lane, a->migrate_to);
		break;
	case TELE_TG_BLOCKED:
		close_chat(s, lane, a->words);
		break;
	case TELE_TG_BAD_ENTITIES:
	case TELE_TG_NO_THREAD:
		if (a->verdict == TELE_TG_BAD_ENTITIES ? lane->plain : lane->no_thread)
			give_up_first(s, lane, a->words);
		else if (a->verdict == TELE_TG_BAD_ENTITIES)
			lane->plain = true;
		else
			lane->no_thread = true;
		break;
	case TELE_TG_REFUSED:
		give_up_first(s, lane, a->words);
		break;
	case TELE_TG_TOKEN:
		tele_log(TELE_ERROR, "token_refused", tele_str("error", a->words), tele_str("todo", "check bot_token; nothing is sent until then"));
		s->hold_all = now + token_every_s;
		break;
	case TELE_TG_AWAY:
		back_off(s, lane, a->words, now);
		break;
	}
	/* Taken back while it was under way: what is not settled now waits in the database. */
	if (lane->abandoned && !lane->busy && lane->first)
		lane_pop(s->lanes, lane);
	if (!lane->busy)
		lane->abandoned = false;
}

static void on_lead(struct sender *s, const PGresult *res)
{
	s->lead_due = now_s() + lead_every_s;
	if (PQgetisnull(res, 0, 0)) {
		if (!s->standing_by)
			tele_log(TELE_INFO, "standing_by", tele_str("why", "another sender is active"));
		s->standing_by = true;
		return;
	}
	s->standing_by = false;
	s->epoch = tele_db_int(res, 0, 0);
	s->look = true;
	tele_log(TELE_INFO, "active", tele_int("epoch", s->epoch));
}

static void on_rows(struct sender *s, const PGresult *res)
{
	double now = now_s();
	struct tele_outbox_row *row;

	for (int i = 0; i < PQntuples(res); i++) {
		bool good = tele_outbox_read(res, i, &row) == TELE_OK;

		if (good) {
			row->expires_at = now + row->expires_s;
			row->written_at = now - row->age_s;
			good = lanes_add(s->lanes, row, now) == TELE_OK;
		}
		if (!good)
			tele_log(TELE_ERROR, "no_memory", tele_str("todo", "rows wait until the sender starts again"));
	}
	/* There may be more than one take brings. */
	s->look = s->again = PQntuples(res) > 0;
}

static struct lane *first_fetching(const struct sender *s)
{
	struct lane *lane = lanes_first(s->lanes);

	while (lane && !lane->fetching)
		lane = lane->newer;
	return lane;
}

static void on_fetched(struct sender *s, const PGresult *res)
{
	struct lane *lane = first_fetching(s);

	if (!lane)
		return;
	lane->busy = lane->fetching = false;
	s->again = true;
	switch (tele_outbox_fetched(res, lane->first)) {
	case TELE_OK:
		break;
	case TELE_NOTFOUND:
		/* A live row that was settled meanwhile, or a document somebody removed. */
		give_up_first(s, lane, "what it would send is gone");
		break;
	default:
		lane->not_before = now_s() + 1;
		break;
	}
}

static void on_transfer(struct sender *s, const PGresult *res)
{
	struct lane *lane = NULL;

	s->again = true;
	switch (transfers_answer(s->transfers, res, &lane)) {
	case TELE_EMPTY:
		lane->busy = lane->abandoned = false;
		lane_pop(s->lanes, lane);
		break;
	case TELE_NOTFOUND:
		lane->busy = false;
		give_up_first(s, lane, "the file it would send is gone");
		break;
	default:
		break;
	}
}

/* Parts are stored: their lanes may go on with the next. */
static void on_settled(struct sender *s, const PGresult *res)
{
	struct lane *newer;

	tele_settlements_reset(&s->under_way);
	s->again = true;
	s->look |= s->left_out || tele_db_bool(res, 0, 1);
	for (struct lane *lane = lanes_first(s->lanes); lane; lane = newer) {
		newer = lane->newer;
		if (!lane->stored_with || lane->stored_with >= s->batch)
			continue;
		lane->stored_with = 0;
		lane->busy = false;
		if (lane->abandoned)
			lane_pop(s->lanes, lane);
		lane->abandoned = false;
	}
}

static void on_seen(struct sender *s, const PGresult *res)
{
	s->bot.stored = true;
}

static void on_webhook_stored(struct sender *s, const PGresult *res)
{
	/* What came meanwhile is stored with the next. */
}

static void on_certificate_stored(struct sender *s, const PGresult *res)
{
	/* The next comes in an hour. */
}

static void on_metrics(struct sender *s, const PGresult *res)
{
	if (tele_db_bool(res, 0, 0))
		tele_metrics_stored(s->metrics);
}

static void (*const answers[])(struct sender *s, const PGresult *res) = {[LEAD] = on_lead, [TAKE_ROWS] = on_rows, [FETCH] = on_fetched, [TRANSFER] = on_transfer,
    [SETTLE] = on_settled, [SEEN] = on_seen, [WEBHOOK] = on_webhook_stored,
    [CERTIFICATE] = on_certificate_stored, [METRICS] = on_metrics};

static enum tele_err send_settlements(struct sender *s)
{
	/* What was under way when a connection broke is stored again as it was: to settle twice is to settle once. */
	if (!s->under_way.n) {
		struct tele_settlements empty = s->under_way;

		s->under_way = s->settling;
		s->settling = empty;
		s->batch++;
	}
	return tele_settlements_send(s->db, s->epoch, &s->under_way);
}

static enum tele_err send_take(struct sender *s)
{
	struct tele_array busy = {{0}};
	enum tele_err rc;

	for (struct lane *lane = lanes_first(s->lanes); lane; lane = lane->newer)
		if (lane->chat_id)
			tele_array_int(&busy, lane->chat_id);
	s->look = false;
	s->left_out = lanes_first(s->lanes) != NULL;
	rc = tele_outbox_take(s->db, s->epoch, &busy, TAKE);
	tele_array_release(&busy);
	return rc;
}

/* Nothing is under way, nothing is to be stored. */
static bool is_idle(const struct sender *s)
{
	return tele_telegram_active(s->telegram) == bot_asks(&s->bot) && !s->settling.n && !s->under_way.n && !transfers_any(s->transfers);
}

static enum tele_err send_metrics(struct sender *s)
{
	const char *const *values = tele_metrics_take(s->metrics);

	/* The last time once nothing more will come to be counted. */
	s->told_all = s->stopping && is_idle(s);
	return values ? tele_db_send(s->db, TELE_STMT_METRIC_ADD, values) : TELE_NOMEM;
}

static enum op choose(struct sender *s, double now)
{
	if (s->under_way.n || s->settling.n)
		return SETTLE;
	if (s->epoch && transfers_want(s->transfers))
		return TRANSFER;
	if (s->stopping)
		return is_idle(s) && !s->told_all ? METRICS : NONE;
	if (!tele_metrics_wait_ms(s->metrics))
		return METRICS;
	if (s->bot.known && !s->bot.stored)
		return SEEN;
	if (!s->epoch)
		return tele_telegram_active(s->telegram) == bot_asks(&s->bot) && now >= s->lead_due ? LEAD : NONE;
	if (first_fetching(s))
		return FETCH;
	if (s->bot.webhook)
		return WEBHOOK;
	if (s->bot.certificate)
		return CERTIFICATE;
	return s->look && lanes_rows(s->lanes) < ROWS_MOST ? TAKE_ROWS : NONE;
}

static enum tele_err send_op(struct sender *s)
{
	switch (s->op) {
	case LEAD:
		return tele_db_send(s->db, TELE_STMT_SENDER_LEAD, NULL);
	case TAKE_ROWS:
		return send_take(s);
	case FETCH:
		return tele_outbox_fetch(s->db, s->epoch, first_fetching(s)->first);
	case TRANSFER:
		return transfers_send(s->transfers, s->db, s->epoch);
	case WEBHOOK:
		return bot_send_webhook(&s->bot, s->db);
	case CERTIFICATE:
		return bot_send_certificate(&s->bot, s->db);
	case SETTLE:
		return send_settlements(s);
	case SEEN:
		return bot_send_seen(&s->bot, s->db);
	case METRICS:
		return send_metrics(s);
	case NONE:
		break;
	}
	return TELE_EMPTY;
}

static void on_connection_lost(struct sender *s)
{
	s->op = NONE;
	if (s->epoch)
		tele_log(TELE_WARN, "lead_lost", tele_str("why", "the database connection, and the lead with it, is gone"));
	s->epoch = 0;
	s->lead_due = 0;
	for (struct lane *lane = lanes_first(s->lanes); lane; lane = lane->newer)
		if (lane->fetching)
			lane->busy = lane->fetching = false;
	transfers_abort(s->transfers);
	lanes_abandon(s->lanes);
}

/* Not the lead any more, or something an operator must see; after the connection's backoff. Figures alone are not worth it. */
static void start_over(struct sender *s)
{
	if (tele_db_ready(s->db))
		tele_db_drop(s->db);
	on_connection_lost(s);
	s->lead_due = now_s() + lead_every_s;
}

static void settle_op(struct sender *s)
{
	PGresult *res = NULL;
	enum tele_err rc = s->op == NONE ? TELE_EMPTY : tele_db_result(s->db, &res);

	if (rc == TELE_EMPTY)
		return;
	if (rc == TELE_OK) {
		answers[s->op](s, res);
	} else if (rc == TELE_RETRY) {
		transfers_again(s->transfers);
	} else {
		tele_log(TELE_ERROR, "statement_failed", tele_int("op", s->op), tele_str("error", tele_db_error(s->db)));
		if (s->op != METRICS || !tele_db_ready(s->db))
			start_over(s);
	}
	PQclear(res);
	s->op = NONE;
}

static void drive_db(struct sender *s)
{
	for (int i = 0; i < 100; i++) {
		if (tele_db_step(s->db) == TELE_DB)
			on_connection_lost(s);
		settle_op(s);
		if (tele_db_notified(s->db))
			s->look = true;
		if (s->op != NONE || !tele_db_ready(s->db))
			return;
		s->op = choose(s, now_s());
		if (s->op == NONE)
			return;
		if (send_op(s) != TELE_OK)
			s->op = NONE;
	}
}

static void count_error(struct sender *s, const struct tele_answer *a)
{
	char code[16] = "network";

	if (a->verdict == TELE_TG_OK || a->verdict == TELE_TG_NOT_MODIFIED || a->verdict == TELE_TG_TOO_OLD)
		return;
	if (a->code)
		snprintf(code, sizeof code, "%ld", a->code);
	tele_metric_add(s->metrics, TELE_METRIC_ERRORS, code, NULL, 1);
}

static void on_download(struct sender *s, const struct tele_answer *a, double now)
{
	struct lane *lane = transfers_lane(s->transfers, a->tag);

	if (!transfers_downloaded(s->transfers, a))
		on_answer(s, lane, a, now);
}

static void drive_telegram(struct sender *s, double now)
{
	struct tele_answer a;

	while (tele_telegram_next(s->telegram, &a) == TELE_OK) {
		count_error(s, &a);
		if (bot_answer(&s->bot, &a, now))
			continue;
		if (transfers_lane(s->transfers, a.tag))
			on_download(s, &a, now);
		else
			on_answer(s, a.tag, &a, now);
	}
	if (!s->stopping)
		bot_ask(&s->bot, s->telegram, s->epoch != 0, now);
}

static void set_rates(struct sender *s)
{
	double rate = (double)s->conf->send_rate, burst = (double)s->conf->send_burst, now = now_s();

	rate_init(&s->rate, rate, burst, now);
	rate_init(&s->edit_rate, rate / 2, burst >= 2 ? burst / 2 : 1, now);
}

static void reload(struct sender *s)
{
	struct tele_conf fresh;

	if (tele_reload("telesender", &fresh) != TELE_OK)
		return;
	if (!fresh.bot_token) {
		tele_log(TELE_ERROR, "not_reloaded", tele_str("error", "setting bot_token is missing"));
		tele_conf_release(&fresh);
		return;
	}
	if (tele_telegram_set(s->telegram, fresh.api_base, fresh.bot_token) != TELE_OK)
		tele_log(TELE_ERROR, "no_memory", tele_str("todo", "send HUP again; the former token is used"));
	tele_conf_release(s->conf);
	*s->conf = fresh;
	s->bot.known = s->bot.stored = false;
	s->bot.me_due = s->hold_all = 0;
	lanes_set_rates(s->lanes, s->conf, now_s());
	set_rates(s);
}

static void take_signals(struct sender *s, double now)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP) {
			reload(s);
			continue;
		}
		tele_log(TELE_INFO, "stopping", tele_int("under_way", tele_telegram_active(s->telegram)));
		s->stop_by = s->stopping ? now : now + (double)s->conf->grace_s;
		s->stopping = true;
		tele_notify_stopping();
	}
}

static void keep_time(struct sender *s, double now)
{
	if (now >= s->look_due) {
		s->look = true;
		s->look_due = now + later(1, (double)s->conf->poll_ms / 1000);
	}
	if (tele_notify_alive_s() > 0 && now >= s->alive_due) {
		tele_notify_alive();
		s->alive_due = now + tele_notify_alive_s();
	}
	if (now >= s->sweep_due) {
		lanes_sweep(s->lanes, now);
		s->sweep_due = now + sweep_every_s;
	}
}

static bool is_over(const struct sender *s, double now)
{
	bool done = is_idle(s) && s->op == NONE && (s->told_all || !tele_db_ready(s->db));

	return s->stopping && (done || now >= s->stop_by);
}

static int wait_ms(const struct sender *s, double next, double now)
{
	int due = tele_db_wait_ms(s->db);
	double until = fmin(next, s->look_due);

	if (tele_notify_alive_s() > 0)
		until = fmin(until, s->alive_due);
	if (!s->epoch && tele_db_ready(s->db))
		until = fmin(until, later(s->lead_due, now + 0.01));
	until = fmin(until, now + (due >= 0 ? (double)due / 1000 : 60));
	return until <= now ? 0 : (int)ceil((until - now) * 1000);
}

static void run(struct sender *s)
{
	for (;;) {
		struct curl_waitfd fds[2] = {{.fd = s->signals, .events = CURL_WAIT_POLLIN}};
		double now = now_s(), next;
		unsigned n = 1;
		short events;

		take_signals(s, now);
		keep_time(s, now);
		drive_telegram(s, now);
		drive_db(s);
		next = start_due(s, now);
		s->again = false;
		/* What was settled without a request is stored now, not at the next event; and what that brings may go at once. */
		drive_db(s);
		if (s->again)
			continue;
		if (is_over(s, now))
			return;
		events = tele_db_events(s->db);
		if (tele_db_fd(s->db) >= 0 && events) {
			fds[1].fd = tele_db_fd(s->db);
			fds[1].events = (short)((events & POLLIN ? CURL_WAIT_POLLIN : 0) | (events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
			n = 2;
		}
		tele_telegram_wait(s->telegram, fds, n, wait_ms(s, next, now));
	}
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int send_loop(struct tele_conf *conf)
{
	static const enum tele_stmt stmts[] = {TELE_STMT_SENDER_LEAD, TELE_STMT_OUTBOX_TAKE, TELE_STMT_OUTBOX_TEXT,
	    TELE_STMT_OUTBOX_FILE, TELE_STMT_FILE_PUT, TELE_STMT_FILE_END, TELE_STMT_FILE_PART, TELE_STMT_OUTBOX_SETTLE, TELE_STMT_BOT_SEEN,
	    TELE_STMT_BOT_WEBHOOK, TELE_STMT_BOT_CERTIFICATE, TELE_STMT_METRIC_ADD};
	static const struct tele_db_use use = {"telesender", stmts, sizeof stmts / sizeof *stmts, channels};
	struct sender s = {.conf = conf, .batch = 1};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	s.signals = watch_signals();
	s.metrics = tele_metrics_new("telesender", NULL);
	s.db = tele_db_new(conf->database, &use);
	s.telegram = tele_telegram_new(conf->api_base, conf->bot_token, FLIGHT_S);
	s.transfers = s.telegram ? transfers_new(s.telegram) : NULL;
	s.lanes = lanes_new(conf);
	set_rates(&s);
	if (s.signals < 0 || !s.db || !s.telegram || !s.transfers || !s.lanes)
		return EXIT_FAILURE;
	tele_db_count(s.db, s.metrics);
	tele_log(TELE_INFO, "started", tele_str("api_base", conf->api_base), tele_int("send_rate", conf->send_rate));
	tele_notify_ready();
	run(&s);
	transfers_free(s.transfers);
	tele_telegram_free(s.telegram);
	tele_db_free(s.db);
	tele_metrics_free(s.metrics);
	lanes_free(s.lanes);
	tele_settlements_release(&s.settling);
	tele_settlements_release(&s.under_way);
	bot_release(&s.bot);
	close(s.signals);
	curl_global_cleanup();
	tele_log(TELE_INFO, "stopped");
	return EXIT_SUCCESS;
}
