#include "engine/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static const struct tele_conf conf = {.send_rate_chat = 1, .send_burst_chat = 2, .send_rate_group = 60};

static struct tele_outbox_row *row(long long id, long long chat_id)
{
	struct tele_outbox_row *r = calloc(1, sizeof *r);

	r->id = id;
	r->chat_id = chat_id;
	r->in_lane = true;
	r->op = strdup("send");
	r->text = strdup("x");
	return r;
}

static void keeps_the_order_of_each_chat(void **state)
{
	struct lanes *l = lanes_new(&conf);
	struct lane *lane;

	for (int i = 0; i < 6; i++)
		assert_int_equal(lanes_add(l, row(i, i % 2 ? 7 : 8), 0), TELE_OK);
	assert_int_equal(lanes_rows(l), 6);
	lane = lanes_first(l);
	assert_int_equal(lane->chat_id, 8);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(lane->first->id, 2 * i);
		lane_pop(l, lane);
	}
	assert_int_equal(lanes_first(l)->chat_id, 7);
	assert_int_equal(lanes_rows(l), 3);
	lanes_free(l);
}

static void abandons_all_but_what_is_under_way(void **state)
{
	struct lanes *l = lanes_new(&conf);

	assert_int_equal(lanes_add(l, row(1, 7), 0), TELE_OK);
	assert_int_equal(lanes_add(l, row(2, 8), 0), TELE_OK);
	lanes_first(l)->busy = true;
	lanes_abandon(l);
	assert_true(lanes_rows(l) <= 1);
	assert_true(lanes_first(l)->abandoned);
	lanes_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_the_order_of_each_chat), cmocka_unit_test(abandons_all_but_what_is_under_way)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
