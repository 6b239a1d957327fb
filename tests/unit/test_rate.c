#include "engine/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_burst_then_the_rate(void **state)
{
	struct rate r;
	double now = 100;

	rate_init(&r, 2, 3, now);
	for (int i = 0; i < 3; i++) {
		assert_true(rate_when(&r, now) <= now);
		rate_take(&r, now);
	}
	assert_true(rate_when(&r, now) > now + 0.49 && rate_when(&r, now) < now + 0.51);
	assert_false(rate_is_full(&r, now));
	now += 0.5;
	assert_true(rate_when(&r, now) <= now);
	rate_take(&r, now);
	assert_true(rate_when(&r, now) > now);
	assert_true(rate_is_full(&r, now + 1.5 + 0.01));
	now += 1000; /* what is saved up is never more than the burst */
	for (int i = 0; i < 3; i++)
		rate_take(&r, now);
	assert_true(rate_when(&r, now) > now);
}

static void zero_is_no_limit(void **state)
{
	struct rate r;

	rate_init(&r, 0, 1, 5);
	for (int i = 0; i < 100; i++) {
		assert_true(rate_when(&r, 5) <= 5);
		rate_take(&r, 5);
	}
	assert_true(rate_is_full(&r, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_burst_then_the_rate), cmocka_unit_test(zero_is_no_limit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
