#include "lib/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct tele_parameter text = {.name = "text", .type = "text", .required = true};
static struct tele_parameter setpw_parameters[] = {{.name = "login", .type = "text", .required = true}, {.name = "password", .type = "text", .required = true, .secret = true}};
static struct tele_parameter pin_parameters[] = {{.name = "pin", .type = "text", .required = true, .secret = true}, {.name = "count", .type = "integer"}};
static struct tele_seal_key key;
static struct tele_command commands[] = {
    {.id = 3, .name = "off", .usage = "/off", .enabled = false},
    {.id = 6, .name = "pin", .usage = "/pin <pin> [count]", .enabled = true, .parameters = pin_parameters, .nparameters = 2, .seal = &key},
    {.id = 4, .name = "say", .usage = "/say <text>", .enabled = true, .parameters = &text, .nparameters = 1},
    {.id = 5, .name = "setpw", .usage = "/setpw <login> <password>", .enabled = true, .parameters = setpw_parameters, .nparameters = 2, .seal = &key},
};
static const struct tele_catalogue catalogue = {.version = 7, .bot_username = "ops_bot", .commands = commands, .ncommands = 4};

static struct tele_decision d;

static void decide(const char *chat_type, const char *words)
{
	struct tele_update u = {.kind = TELE_UPDATE_MESSAGE, .document = {.file_id = "", .name = ""}, .chat_type = chat_type, .text = words};

	assert_int_equal(tele_admit_decide(&catalogue, &u, &d), TELE_OK);
	assert_int_equal(d.version, 7);
}

static int release(void **state)
{
	tele_decision_release(&d);
	return 0;
}

static void a_command_runs(void **state)
{
	decide("private", "/say hi there");
	assert_string_equal(d.action, "run");
	assert_int_equal(d.command_id, 4);
	assert_string_equal(d.args, "{\"text\":\"hi there\"}");
	assert_string_equal(d.line, "/say hi there");
	decide("supergroup", "/say@OPS_bot hi");
	assert_string_equal(d.action, "run");
}

static void what_is_missing_is_asked_for(void **state)
{
	static struct tele_parameter two[] = {{.name = "n", .type = "integer", .required = true}, {.name = "text", .type = "text", .required = true}};
	static struct tele_command ask = {.id = 9, .name = "ask", .usage = "/ask <n> <text>", .enabled = true, .interactive = true, .parameters = two, .nparameters = 2};
	const struct tele_catalogue own = {.version = 7, .bot_username = "ops_bot", .commands = &ask, .ncommands = 1};
	struct tele_update u = {.kind = TELE_UPDATE_MESSAGE, .document = {.file_id = "", .name = ""}, .chat_type = "private", .text = "/ask text=hi"};

	assert_int_equal(tele_admit_decide(&own, &u, &d), TELE_OK);
	assert_string_equal(d.action, "ask");
	assert_string_equal(d.args, "{\"text\":\"hi\"}");
	u.text = "/ask none";
	assert_int_equal(tele_admit_decide(&own, &u, &d), TELE_OK);
	assert_string_equal(d.action, "invalid");
	u.text = "/ask 1 hi";
	assert_int_equal(tele_admit_decide(&own, &u, &d), TELE_OK);
	assert_string_equal(d.action, "run");
}

static void wrong_arguments_get_a_complaint(void **state)
{
	decide("private", "/say");
	assert_string_equal(d.action, "invalid");
	assert_int_equal(d.command_id, 4);
	assert_string_equal(d.reply, "text is missing.\nUsage: /say <text>");
}

static void expect_no_secret(void)
{
	const char *all[] = {d.args, d.line, d.reply, d.extra};

	for (int i = 0; i < 4; i++)
		assert_null(strstr(all[i], "hunter2"));
}

static void a_secret_is_sealed_and_masked(void **state)
{
	static const struct {
		const char *words, *action, *line;
	} cases[] = {
	    {"/setpw ada hunter2", "run", "/setpw ada •••"},
	    {"/setpw@ops_bot  ada  hunter2 hunter2", "run", "/setpw@ops_bot  ada  •••"},
	    {"/SETPW login=ada password=\"hunter2\"", "run", "/SETPW login=ada password=•••"},
	    {"/setpw ada", "invalid", "/setpw •••"},
	    {"/setpw ", "invalid", "/setpw "},
	    {"/setpw password=hunter2 ada", "invalid", "/setpw •••"},
	    {"/setpw pasword=hunter2 ada", "invalid", "/setpw •••"},
	    {"/setpw 'ada hunter2", "invalid", "/setpw •••"},
	    {"/pin 'hunter2 x' 5", "run", "/pin ••• 5"},
	    {"/pin 5=5", "run", "/pin •••"},
	    {"/pin count=5 pin='hunter2 '", "run", "/pin count=5 pin=•••"},
	    {"/pin hunter2 hunter2", "invalid", "/pin •••"},
	    {"/pin x 5 hunter2", "invalid", "/pin •••"},
	    {"/pin pin=x pin=hunter2", "invalid", "/pin •••"},
	    {"/setpwd ada hunter2", "unknown", "/setpwd •••"},
	    {"/off hunter2", "unknown", "/off •••"},
	    {"/off", "unknown", "/off"},
	};
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT];

	assert_int_equal(tele_seal_keygen(secret, public), TELE_OK);
	assert_int_equal(tele_seal_key_read(public, &key), TELE_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		decide("private", cases[i].words);
		assert_string_equal(d.action, cases[i].action);
		assert_string_equal(d.line, cases[i].line);
		expect_no_secret();
	}
}

static void other_bots_commands_are_theirs(void **state)
{
	decide("group", "/say@another_bot hi");
	assert_string_equal(d.action, "ignore");
	decide("private", "/say@another_bot hi");
	assert_string_equal(d.action, "ignore");
}

static void unknown_commands_are_told_where_they_are_surely_ours(void **state)
{
	decide("private", "/sya hi");
	assert_string_equal(d.action, "unknown");
	assert_string_equal(d.reply, "sya");
	assert_string_equal(d.extra, "say");
	decide("group", "/sya hi");
	assert_string_equal(d.action, "ignore");
	decide("group", "/sya@ops_bot hi");
	assert_string_equal(d.action, "unknown");
	decide("private", "/off");
	assert_string_equal(d.action, "unknown");
}

static void builtins_and_plain_text(void **state)
{
	decide("private", "/help /say");
	assert_string_equal(d.action, "help");
	assert_string_equal(d.extra, "say");
	decide("private", "/start abc-DEF_1");
	assert_string_equal(d.action, "start");
	assert_string_equal(d.extra, "abc-DEF_1");
	decide("private", "good morning");
	assert_string_equal(d.action, "text");
	/* It may answer a question; the database knows. */
	decide("group", "good morning");
	assert_string_equal(d.action, "chatter");
}

static void a_forwarded_order_is_nobodys(void **state)
{
	struct tele_update u = {.kind = TELE_UPDATE_MESSAGE, .document = {.file_id = "", .name = ""}, .chat_type = "private", .text = "/say hi", .forwarded = true};

	assert_int_equal(tele_admit_decide(&catalogue, &u, &d), TELE_OK);
	assert_string_equal(d.action, "ignore");
}

static void presses_membership_and_the_rest(void **state)
{
	struct tele_update press = {.kind = TELE_UPDATE_CALLBACK, .chat_type = "private", .callback_id = "77", .callback_data = "token"};
	struct tele_update left = {.kind = TELE_UPDATE_MEMBER, .chat_type = "group", .member_status = "kicked"};
	struct tele_update other = {.kind = TELE_UPDATE_OTHER};

	assert_int_equal(tele_admit_decide(&catalogue, &press, &d), TELE_OK);
	assert_string_equal(d.action, "callback");
	assert_string_equal(d.extra, "77");
	assert_string_equal(d.reply, "token");
	assert_int_equal(tele_admit_decide(&catalogue, &left, &d), TELE_OK);
	assert_string_equal(d.action, "mychat");
	assert_string_equal(d.extra, "kicked");
	assert_int_equal(tele_admit_decide(&catalogue, &other, &d), TELE_OK);
	assert_string_equal(d.action, "ignore");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_command_runs),
	    cmocka_unit_test(what_is_missing_is_asked_for),
	    cmocka_unit_test(wrong_arguments_get_a_complaint),
	    cmocka_unit_test(a_secret_is_sealed_and_masked),
	    cmocka_unit_test(other_bots_commands_are_theirs),
	    cmocka_unit_test(unknown_commands_are_told_where_they_are_surely_ours),
	    cmocka_unit_test(builtins_and_plain_text),
	    cmocka_unit_test(a_forwarded_order_is_nobodys),
	    cmocka_unit_test(presses_membership_and_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
