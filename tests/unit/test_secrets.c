#include "engine/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/test_secrets.XXXXXX";
static struct tele_seal_key key;
static struct tele_seal_ring *ring;

static int set_up(void **state)
{
	char secret[TELE_SEAL_TEXT], public[TELE_SEAL_TEXT];
	struct tele_buf why = {0};
	int fd = mkstemp(path);

	if (fd < 0 || tele_seal_keygen(secret, public) != TELE_OK || write(fd, secret, strlen(secret)) < 0)
		return -1;
	close(fd);
	return tele_seal_key_read(public, &key) != TELE_OK || tele_seal_ring_load(path, &ring, &why) != TELE_OK;
}

static int tear_down(void **state)
{
	tele_seal_ring_free(ring);
	return unlink(path);
}

static void add(struct tele_task *t, const char *name, const char *value)
{
	struct tele_buf sealed = {0};

	assert_int_equal(tele_seal(&key, t->command, name, value, &sealed), TELE_OK);
	json_object_object_add(t->sealed, name, json_object_new_string(tele_buf_text(&sealed)));
	tele_buf_release(&sealed);
}

static void a_task_without_any_needs_no_keys(void **state)
{
	struct tele_task t = {.sealed = json_object_new_object()};
	struct tele_buf why = {0};
	struct secrets s;

	assert_int_equal(secrets_open(NULL, &t, &s, &why), TELE_OK);
	assert_int_equal(s.n, 0);
	assert_null(secrets_value(&s, "x"));
	secrets_wipe(&s);
	json_object_put(t.sealed);
}

static void values_are_found_by_name(void **state)
{
	char name[] = "setpw";
	struct tele_task t = {.command = name, .sealed = json_object_new_object()};
	struct tele_buf why = {0};
	struct secrets s;

	add(&t, "password", "hunter2");
	add(&t, "pin", "1234");
	assert_int_equal(secrets_open(ring, &t, &s, &why), TELE_OK);
	assert_string_equal(secrets_value(&s, "password"), "hunter2");
	assert_string_equal(secrets_value(&s, "pin"), "1234");
	assert_null(secrets_value(&s, "login"));
	secrets_wipe(&s);
	assert_null(secrets_value(&s, "pin"));
	json_object_put(t.sealed);
}

static void without_the_key_it_says_so(void **state)
{
	char name[] = "setpw", other[] = "other";
	struct tele_task t = {.command = name, .sealed = json_object_new_object()};
	struct tele_buf why = {0};
	struct secrets s;

	add(&t, "password", "hunter2");
	assert_int_equal(secrets_open(NULL, &t, &s, &why), TELE_NOTFOUND);
	assert_string_equal(tele_buf_text(&why), "this engine has no key that opens password");
	tele_buf_reset(&why);
	t.command = other;
	assert_int_equal(secrets_open(ring, &t, &s, &why), TELE_INVALID);
	assert_non_null(strstr(tele_buf_text(&why), "was not sealed for it"));
	assert_null(strstr(tele_buf_text(&why), "hunter2"));
	tele_buf_release(&why);
	json_object_put(t.sealed);
}

static void the_file_is_json_and_can_only_be_read(void **state)
{
	static const char odd[] = "quote \" back \\ line\ntab\t bell\a é 😀";
	char name[] = "setpw", text[1000], link[64];
	struct tele_task t = {.command = name, .sealed = json_object_new_object()};
	struct tele_buf why = {0};
	struct json_object *o, *v = NULL;
	struct secrets s;
	ssize_t n;
	int fd, again;

	add(&t, "password", odd);
	add(&t, "empty", "");
	assert_int_equal(secrets_open(ring, &t, &s, &why), TELE_OK);
	assert_int_equal(secrets_file(&s, &fd), TELE_OK);
	secrets_wipe(&s);
	n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(text[n - 1], '\n');
	o = json_tokener_parse(text);
	assert_true(json_object_object_get_ex(o, "password", &v));
	assert_string_equal(json_object_get_string(v), odd);
	assert_true(json_object_object_get_ex(o, "empty", &v));
	assert_string_equal(json_object_get_string(v), "");
	json_object_put(o);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EBADF);
	/* Opened anew it may be, but still not written to. */
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	again = open(link, O_RDWR | O_CLOEXEC);
	assert_true(again < 0 || write(again, "x", 1) < 0);
	assert_true(again < 0 || ftruncate(again, 0) < 0);
	close(again);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	json_object_put(t.sealed);
}

static struct json_object *read_object(int fd)
{
	char text[1000];
	ssize_t n = read(fd, text, sizeof text - 1);

	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	return json_tokener_parse(text);
}

static void one_more_is_added_and_all_stand_beside_what_is_asked(void **state)
{
	char name[] = "setpw";
	struct tele_task t = {.command = name, .sealed = json_object_new_object()};
	struct tele_buf why = {0}, sealed = {0};
	struct json_object *o, *v = NULL;
	struct secrets s;
	int fd;

	assert_int_equal(secrets_open(ring, &t, &s, &why), TELE_OK);
	assert_int_equal(secrets_file_with("{\"a\":1}", &s, &fd), TELE_OK);
	o = read_object(fd);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"secrets\":{},\"a\":1}");
	json_object_put(o);
	assert_int_equal(tele_seal(&key, "@shop", "password", "hunter2", &sealed), TELE_OK);
	assert_int_equal(secrets_add(ring, "@other", "password", tele_buf_text(&sealed), &s, &why), TELE_INVALID);
	assert_int_equal(secrets_add(NULL, "@shop", "password", tele_buf_text(&sealed), &s, &why), TELE_NOTFOUND);
	assert_int_equal(s.n, 0);
	assert_int_equal(secrets_add(ring, "@shop", "password", tele_buf_text(&sealed), &s, &why), TELE_OK);
	assert_string_equal(secrets_value(&s, "password"), "hunter2");
	assert_int_equal(secrets_file_with("{\"a\":{\"b\":2}}", &s, &fd), TELE_OK);
	o = read_object(fd);
	assert_true(json_object_object_get_ex(o, "secrets", &v));
	assert_string_equal(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN), "{\"password\":\"hunter2\"}");
	json_object_put(o);
	secrets_wipe(&s);
	tele_buf_release(&why);
	tele_buf_release(&sealed);
	json_object_put(t.sealed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_task_without_any_needs_no_keys),
	    cmocka_unit_test(values_are_found_by_name),
	    cmocka_unit_test(without_the_key_it_says_so),
	    cmocka_unit_test(the_file_is_json_and_can_only_be_read),
	    cmocka_unit_test(one_more_is_added_and_all_stand_beside_what_is_asked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
