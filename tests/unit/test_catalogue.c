#include "lib/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct tele_command commands[] = {
    {.id = 1, .name = "disk", .enabled = true}, {.id = 2, .name = "restart", .enabled = true}, {.id = 3, .name = "restore", .enabled = false},
    {.id = 4, .name = "say", .enabled = true},  {.id = 5, .name = "start_web", .enabled = true},
};
static const struct tele_catalogue catalogue = {.commands = commands, .ncommands = 5};
static const char *const builtins[] = {"help", "start", NULL};

static void expect_near(const char *name, const char *names)
{
	struct tele_buf out = {0};

	tele_catalogue_near(&catalogue, name, builtins, &out);
	assert_string_equal(tele_buf_text(&out), names);
	tele_buf_release(&out);
}

static void finds_by_name(void **state)
{
	assert_int_equal(tele_catalogue_find(&catalogue, "say")->id, 4);
	assert_null(tele_catalogue_find(&catalogue, "sa"));
	assert_null(tele_catalogue_find(&catalogue, "zzz"));
}

static void names_what_was_meant(void **state)
{
	expect_near("sya", "say");
	expect_near("dsik", "disk");
	expect_near("restrat", "restart start");
	expect_near("hlep", "help");
	expect_near("frobnicate", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_by_name),
	    cmocka_unit_test(names_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
