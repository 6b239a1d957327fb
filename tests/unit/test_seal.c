#include "lib/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/test_seal.XXXXXX";
static char secrets[2][TELE_SEAL_TEXT], publics[2][TELE_SEAL_TEXT];

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static struct tele_seal_ring *load(const char *text)
{
	struct tele_buf why = {0};
	struct tele_seal_ring *ring = NULL;

	write_file(text, 0600);
	assert_int_equal(tele_seal_ring_load(path, &ring, &why), TELE_OK);
	tele_buf_release(&why);
	return ring;
}

static void seal(int with, const char *value, struct tele_buf *out)
{
	struct tele_seal_key key;

	assert_int_equal(tele_seal_key_read(publics[with], &key), TELE_OK);
	assert_int_equal(tele_seal(&key, "setpw", "password", value, out), TELE_OK);
}

static void expect_opened(const struct tele_seal_ring *ring, const char *sealed, const char *value)
{
	char *opened = NULL;

	assert_int_equal(tele_seal_open(ring, "setpw", "password", sealed, &opened), TELE_OK);
	assert_string_equal(opened, value);
	sodium_free(opened);
}

static int set_up(void **state)
{
	int fd = mkstemp(path);

	close(fd);
	for (int i = 0; i < 2; i++)
		if (tele_seal_keygen(secrets[i], publics[i]) != TELE_OK)
			return -1;
	return fd < 0;
}

static int tear_down(void **state)
{
	return unlink(path);
}

static void what_is_sealed_opens(void **state)
{
	struct tele_seal_ring *ring = load(secrets[0]);
	struct tele_buf value = {0};

	for (size_t n = 0; n < 300; n++) {
		struct tele_buf sealed = {0};

		seal(0, tele_buf_text(&value), &sealed);
		assert_null(strstr(tele_buf_text(&sealed), "xxxx"));
		expect_opened(ring, tele_buf_text(&sealed), tele_buf_text(&value));
		tele_buf_release(&sealed);
		tele_buf_str(&value, n % 7 ? "x" : "ü😀\n");
	}
	tele_buf_release(&value);
	tele_seal_ring_free(ring);
}

static void the_same_value_is_never_the_same_twice_and_shows_no_length(void **state)
{
	struct tele_buf a = {0}, b = {0}, c = {0};

	seal(0, "hunter2", &a);
	seal(0, "hunter2", &b);
	seal(0, "a much longer secret, really", &c);
	assert_string_not_equal(tele_buf_text(&a), tele_buf_text(&b));
	assert_int_equal(a.len, c.len);
	tele_buf_release(&a);
	tele_buf_release(&b);
	tele_buf_release(&c);
}

static void it_opens_for_its_own_parameter_alone(void **state)
{
	struct tele_seal_ring *ring = load(secrets[0]);
	struct tele_buf sealed = {0};
	char *opened = NULL;

	seal(0, "hunter2", &sealed);
	assert_int_equal(tele_seal_open(ring, "show", "password", tele_buf_text(&sealed), &opened), TELE_INVALID);
	assert_int_equal(tele_seal_open(ring, "setpw", "passwor", tele_buf_text(&sealed), &opened), TELE_INVALID);
	assert_int_equal(tele_seal_open(ring, "setp", "wpassword", tele_buf_text(&sealed), &opened), TELE_INVALID);
	assert_null(opened);
	tele_buf_release(&sealed);
	tele_seal_ring_free(ring);
}

static void damaged_ones_do_not_open(void **state)
{
	static const char *const bad[] = {"", "AAAA", "no base64!", "•••"};
	struct tele_seal_ring *ring = load(secrets[0]);
	struct tele_buf sealed = {0};
	char *opened = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(tele_seal_open(ring, "setpw", "password", bad[i], &opened), TELE_INVALID);
	seal(0, "hunter2", &sealed);
	for (size_t i = 0; i < sealed.len - 4; i++) {
		char was = sealed.data[i];

		sealed.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(tele_seal_open(ring, "setpw", "password", tele_buf_text(&sealed), &opened), TELE_OK);
		sealed.data[i] = was;
	}
	expect_opened(ring, tele_buf_text(&sealed), "hunter2");
	tele_buf_release(&sealed);
	tele_seal_ring_free(ring);
}

static void keys_are_exchanged_one_after_the_other(void **state)
{
	struct tele_buf old = {0}, new = {0}, file = {0};
	struct tele_seal_ring *both, *second;
	char *opened = NULL;

	seal(0, "before", &old);
	seal(1, "after", &new);
	tele_buf_printf(&file, "# the newer one\n%s\n\n%s\r\n", secrets[1], secrets[0]);
	both = load(tele_buf_text(&file));
	expect_opened(both, tele_buf_text(&old), "before");
	expect_opened(both, tele_buf_text(&new), "after");
	second = load(secrets[1]);
	expect_opened(second, tele_buf_text(&new), "after");
	assert_int_equal(tele_seal_open(second, "setpw", "password", tele_buf_text(&old), &opened), TELE_NOTFOUND);
	tele_seal_ring_free(both);
	tele_seal_ring_free(second);
	tele_buf_release(&old);
	tele_buf_release(&new);
	tele_buf_release(&file);
}

static void expect_refused(const char *text, mode_t mode, enum tele_err rc, const char *words)
{
	struct tele_buf why = {0};
	struct tele_seal_ring *ring = NULL;

	write_file(text, mode);
	assert_int_equal(tele_seal_ring_load(path, &ring, &why), rc);
	assert_non_null(strstr(tele_buf_text(&why), words));
	assert_null(ring);
	tele_buf_release(&why);
}

static void a_bad_file_is_refused(void **state)
{
	struct tele_buf many = {0}, why = {0};
	struct tele_seal_ring *ring = NULL;

	expect_refused("", 0600, TELE_INVALID, "holds no key");
	expect_refused("# nothing\n", 0600, TELE_INVALID, "holds no key");
	expect_refused("# one\nnonsense\n", 0600, TELE_INVALID, ":2: is no secret key");
	expect_refused(secrets[0], 0640, TELE_DENIED, "others than its owner");
	expect_refused(secrets[0], 0604, TELE_DENIED, "others than its owner");
	for (int i = 0; i < 33; i++)
		tele_buf_printf(&many, "%s\n", secrets[0]);
	expect_refused(tele_buf_text(&many), 0600, TELE_INVALID, "too many keys");
	for (int i = 0; i < 200; i++)
		tele_buf_printf(&many, "%s\n", secrets[0]);
	expect_refused(tele_buf_text(&many), 0600, TELE_INVALID, "too large");
	assert_int_equal(tele_seal_ring_load("/nonexistent/key", &ring, &why), TELE_SYSTEM);
	assert_int_equal(tele_seal_ring_load("/dev/null", &ring, &why), TELE_INVALID);
	tele_buf_release(&many);
	tele_buf_release(&why);
}

static void a_bad_public_key_is_refused(void **state)
{
	static const char *const bad[] = {"", "abc", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "};
	struct tele_seal_key key;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(tele_seal_key_read(bad[i], &key), TELE_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_sealed_opens),
	    cmocka_unit_test(the_same_value_is_never_the_same_twice_and_shows_no_length),
	    cmocka_unit_test(it_opens_for_its_own_parameter_alone),
	    cmocka_unit_test(damaged_ones_do_not_open),
	    cmocka_unit_test(keys_are_exchanged_one_after_the_other),
	    cmocka_unit_test(a_bad_file_is_refused),
	    cmocka_unit_test(a_bad_public_key_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
