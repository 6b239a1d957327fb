#include "lib/password.h"
#include "lib/session.h"
#include "lib/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

static void tokens_are_random_and_known_by_sight(void **state)
{
	char a[TELE_SESSION_TOKEN + 1], b[TELE_SESSION_TOKEN + 1];

	tele_session_token(a);
	tele_session_token(b);
	assert_string_not_equal(a, b);
	assert_true(tele_session_is_token(a));
	assert_false(tele_session_is_token(""));
	assert_false(tele_session_is_token("short"));
	a[5] = ';';
	assert_false(tele_session_is_token(a));
}

static void hash_is_sha_256(void **state)
{
	char hash[TELE_SESSION_HASH + 1];

	/* FIPS 180-2, appendix B.1 */
	tele_session_hash("abc", hash);
	assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void form_token_belongs_to_its_session(void **state)
{
	char a[TELE_SESSION_TOKEN + 1], b[TELE_SESSION_TOKEN + 1], form[TELE_SESSION_TOKEN + 1];

	tele_session_token(a);
	tele_session_token(b);
	tele_session_form_token(a, form);
	assert_string_not_equal(form, a);
	assert_true(tele_session_is_token(form));
	assert_true(tele_session_form_fits(a, form));
	assert_false(tele_session_form_fits(b, form));
	assert_false(tele_session_form_fits(a, ""));
	assert_false(tele_session_form_fits(a, a));
}

static void only_our_own_paths_are_gone_to(void **state)
{
	static const char *const good[] = {"/", "/people/users?search=%C3%A9&sort=-login", "/a//b"};
	static const char *const bad[] = {"", "x", "//evil.example", "/\\evil.example", "\\/evil.example", "https://evil.example/", "/\t/evil.example",
	    " /", "/a b", "/\n", "/a\r\nSet-Cookie: x", "javascript:alert(1)", "/\xc3\xa9"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(tele_session_is_local(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(tele_session_is_local(bad[i]));
}

static void passwords_are_compared(void **state)
{
	char hash[TELE_PASSWORD_HASH], other[TELE_PASSWORD_HASH], made[TELE_PASSWORD_GENERATED + 1];

	tele_password_generate(made);
	assert_int_equal(strlen(made), TELE_PASSWORD_GENERATED);
	assert_int_equal(tele_password_hash(made, hash), TELE_OK);
	assert_int_equal(tele_password_hash(made, other), TELE_OK);
	assert_memory_equal(hash, "$y$", 3);
	assert_string_not_equal(hash, other);
	assert_int_equal(tele_password_check(made, hash), TELE_OK);
	assert_int_equal(tele_password_check(made, other), TELE_OK);
	assert_int_equal(tele_password_check("something else", hash), TELE_DENIED);
	assert_int_equal(tele_password_check("", hash), TELE_DENIED);
	assert_int_equal(tele_password_check(made, NULL), TELE_DENIED);
	assert_int_equal(tele_password_check(made, ""), TELE_DENIED);
	assert_int_equal(tele_password_check(made, "not a hash"), TELE_DENIED);
}

static enum tele_err code(const char *typed, time_t now, uint64_t *step)
{
	/* RFC 6238, appendix B: the secret of its test vectors. */
	return tele_totp_check((const unsigned char *)"12345678901234567890", 20, typed, now, step);
}

static void codes_are_of_their_time(void **state)
{
	uint64_t step = 0;

	/* The last six digits of 94287082, T = 1; 07081804, T = 0x23523EC. */
	assert_int_equal(code("287082", 59, &step), TELE_OK);
	assert_int_equal(step, 1);
	assert_int_equal(code("081 804", 1111111109, &step), TELE_OK);
	assert_int_equal(step, 0x23523EC);
	assert_int_equal(code("287082", 59 + 30, &step), TELE_OK);
	assert_int_equal(step, 1);
	assert_int_equal(code("287082", 59 + 60, &step), TELE_DENIED);
	assert_int_equal(code("287083", 59, &step), TELE_DENIED);
	assert_int_equal(code("28708", 59, &step), TELE_DENIED);
	assert_int_equal(code("2870822", 59, &step), TELE_DENIED);
	assert_int_equal(code("28708a", 59, &step), TELE_DENIED);
	assert_int_equal(code("", 59, &step), TELE_DENIED);
}

static void address_is_what_apps_read(void **state)
{
	struct tele_buf address = {0}, typed = {0};

	assert_int_equal(tele_totp_address((const unsigned char *)"12345678901234567890", "ada@example", &address, &typed), TELE_OK);
	assert_string_equal(tele_buf_text(&address), "otpauth://totp/TeleOps:ada%40example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=TeleOps");
	assert_string_equal(tele_buf_text(&typed), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
	tele_buf_release(&address);
	tele_buf_release(&typed);
}

static void recovery_codes_are_read_as_people_type_them(void **state)
{
	char made[TELE_TOTP_CODE + 4], typed[TELE_TOTP_CODE + 4];

	tele_totp_recovery(made);
	assert_int_equal(strlen(made), TELE_TOTP_CODE + 3);
	assert_true(tele_totp_recovery_typed(made, typed));
	assert_string_equal(typed, made);
	assert_true(tele_totp_recovery_typed("ABCD efgh-jkmn2345", typed));
	assert_string_equal(typed, "abcd-efgh-jkmn-2345");
	assert_false(tele_totp_recovery_typed("abcd-efgh-jkmn-234", typed));
	assert_false(tele_totp_recovery_typed("abcd-efgh-jkmn-23456", typed));
	assert_false(tele_totp_recovery_typed("abcd-efgh-jkmn-234o", typed));
	assert_false(tele_totp_recovery_typed("", typed));
}

static int begin(void **state)
{
	return sodium_init() < 0 || tele_totp_init() != TELE_OK;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens_are_random_and_known_by_sight),
	    cmocka_unit_test(hash_is_sha_256),
	    cmocka_unit_test(form_token_belongs_to_its_session),
	    cmocka_unit_test(only_our_own_paths_are_gone_to),
	    cmocka_unit_test(passwords_are_compared),
	    cmocka_unit_test(codes_are_of_their_time),
	    cmocka_unit_test(address_is_what_apps_read),
	    cmocka_unit_test(recovery_codes_are_read_as_people_type_them),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
