#include "engine/lane.h"

#include <stdlib.h>

enum { BUCKETS = 1024 };

struct lanes {
	const struct tele_conf *conf;
	struct lane *buckets[BUCKETS];
	struct lane *oldest, *newest;
	int rows;
};

struct lanes *lanes_new(const struct tele_conf *conf)
{
	struct lanes *l = calloc(1, sizeof *l);

	if (l)
		l->conf = conf;
	return l;
}

static struct lane **bucket(struct lanes *l, long long chat_id)
{
	return &l->buckets[((unsigned long long)chat_id * 0x9e3779b97f4a7c15ULL) >> 54];
}

static double half(double burst)
{
	return burst >= 2 ? burst / 2 : 1;
}

static void set_rates(struct lane *lane, const struct tele_conf *conf, double now)
{
	/* Answers to pressed buttons are not limited (tdlib/telegram-bot-api#648); they are the operations without a chat. */
	rate_init(&lane->rate, lane->chat_id ? (double)conf->send_rate_chat : 0, (double)conf->send_burst_chat, now);
	rate_init(&lane->group_rate, lane->group ? (double)conf->send_rate_group / 60 : 0, (double)conf->send_rate_group, now);
	rate_init(&lane->edit_rate, lane->rate.rate / 2, half(lane->rate.burst), now);
	rate_init(&lane->edit_group_rate, lane->group_rate.rate / 2, half(lane->group_rate.burst), now);
}

void lanes_set_rates(struct lanes *l, const struct tele_conf *conf, double now)
{
	l->conf = conf;
	for (int i = 0; i < BUCKETS; i++)
		for (struct lane *lane = l->buckets[i]; lane; lane = lane->next)
			set_rates(lane, conf, now);
}

/* chat_id 0: a lane for one free operation. */
static struct lane *new_lane(struct lanes *l, long long chat_id, bool group, double now)
{
	struct lane *lane = calloc(1, sizeof *lane);
	struct lane **b = bucket(l, chat_id);

	if (!lane)
		return NULL;
	lane->chat_id = chat_id;
	lane->group = group;
	lane->last = &lane->first;
	set_rates(lane, l->conf, now);
	lane->next = *b;
	*b = lane;
	return lane;
}

static struct lane *find(struct lanes *l, long long chat_id)
{
	struct lane *lane = *bucket(l, chat_id);

	while (lane && lane->chat_id != chat_id)
		lane = lane->next;
	return lane;
}

static void list(struct lanes *l, struct lane *lane)
{
	lane->listed = true;
	lane->older = l->newest;
	lane->newer = NULL;
	*(l->newest ? &l->newest->newer : &l->oldest) = lane;
	l->newest = lane;
}

static void unlist(struct lanes *l, struct lane *lane)
{
	*(lane->older ? &lane->older->newer : &l->oldest) = lane->newer;
	*(lane->newer ? &lane->newer->older : &l->newest) = lane->older;
	lane->listed = false;
}

struct lane *lanes_of_chat(struct lanes *l, const struct tele_outbox_row *row, double now)
{
	struct lane *lane = find(l, row->chat_id);

	return lane ? lane : new_lane(l, row->chat_id, row->group, now);
}

enum tele_err lanes_add(struct lanes *l, struct tele_outbox_row *row, double now)
{
	struct lane *lane = row->in_lane ? lanes_of_chat(l, row, now) : new_lane(l, 0, false, now);

	if (!lane) {
		tele_outbox_row_free(row);
		return TELE_NOMEM;
	}
	row->next = NULL;
	*lane->last = row;
	lane->last = &row->next;
	l->rows++;
	if (!lane->listed)
		list(l, lane);
	return TELE_OK;
}

void lane_pop(struct lanes *l, struct lane *lane)
{
	struct tele_outbox_row *row = lane->first;

	lane->first = row->next;
	if (!lane->first)
		lane->last = &lane->first;
	l->rows--;
	lane->plain = lane->no_thread = false;
	tele_outbox_row_free(row);
	if (!lane->first)
		unlist(l, lane);
}

struct lane *lanes_first(const struct lanes *l)
{
	return l->oldest;
}

int lanes_rows(const struct lanes *l)
{
	return l->rows;
}

static void drop_tail(struct lanes *l, struct lane *lane)
{
	while (lane->first->next) {
		struct tele_outbox_row *row = lane->first->next;

		lane->first->next = row->next;
		l->rows--;
		tele_outbox_row_free(row);
	}
	lane->last = &lane->first->next;
}

void lanes_abandon(struct lanes *l)
{
	struct lane *next;

	for (struct lane *lane = l->oldest; lane; lane = next) {
		next = lane->newer;
		drop_tail(l, lane);
		if (lane->busy)
			lane->abandoned = true;
		else
			lane_pop(l, lane);
	}
}

static bool is_unused(const struct lane *lane, double now)
{
	return rate_is_full(&lane->rate, now) && rate_is_full(&lane->group_rate, now) && rate_is_full(&lane->edit_rate, now) &&
	    rate_is_full(&lane->edit_group_rate, now);
}

void lanes_sweep(struct lanes *l, double now)
{
	for (int i = 0; i < BUCKETS; i++) {
		struct lane **at = &l->buckets[i];

		while (*at) {
			struct lane *lane = *at;

			if (lane->first || lane->busy || lane->not_before > now || !is_unused(lane, now)) {
				at = &lane->next;
				continue;
			}
			*at = lane->next;
			free(lane);
		}
	}
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	for (int i = 0; i < BUCKETS; i++) {
		while (l->buckets[i]) {
			struct lane *lane = l->buckets[i];

			l->buckets[i] = lane->next;
			while (lane->first) {
				struct tele_outbox_row *row = lane->first;

				lane->first = row->next;
				tele_outbox_row_free(row);
			}
			free(lane);
		}
	}
	free(l);
}
