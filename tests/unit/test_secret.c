#include "lib/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

static void only_the_same_fits(void **state)
{
	assert_true(tele_secret_fits("s3cret", "s3cret"));
	assert_false(tele_secret_fits("s3cret", "s3cre"));
	assert_false(tele_secret_fits("s3cret", "s3crett"));
	assert_false(tele_secret_fits("s3cret", "S3cret"));
	assert_false(tele_secret_fits("s3cret", ""));
	assert_false(tele_secret_fits("", "s3cret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_same_fits)};

	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
