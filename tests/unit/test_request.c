#include "cgi/manager/request.h"

#include "cgi/manager/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum tele_err parse(struct request_pairs *p, const char *text)
{
	return request_pairs_parse(p, text, strlen(text));
}

static void pairs_are_decoded(void **state)
{
	struct request_pairs p;
	size_t at = 0;

	assert_int_equal(parse(&p, "a=1&b=x+y%26z%3D&c=&d&a=%C3%A9&&=odd"), TELE_OK);
	assert_string_equal(request_get(&p, "a"), "1");
	assert_string_equal(request_get(&p, "b"), "x y&z=");
	assert_true(request_has(&p, "c") && request_has(&p, "d") && !request_has(&p, "e"));
	assert_string_equal(request_get(&p, "d"), "");
	assert_string_equal(request_get(&p, ""), "odd");
	assert_string_equal(request_next(&p, "a", &at), "1");
	assert_string_equal(request_next(&p, "a", &at), "\xc3\xa9");
	assert_null(request_next(&p, "a", &at));
	request_pairs_release(&p);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {"a=%", "a=%4", "a=%zz", "%=1", "a=%00", "a=%ff", "a=%C3", "a=%ED%A0%80", "a=1&b=%0"};
	struct request_pairs p;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse(&p, bad[i]), TELE_INVALID);
		request_pairs_release(&p);
	}
}

static void pairs_are_bounded(void **state)
{
	char text[3 * REQUEST_PAIRS + 8];
	struct request_pairs p;

	for (int i = 0; i <= REQUEST_PAIRS; i++)
		memcpy(text + 3 * i, "a=&", 3);
	assert_int_equal(request_pairs_parse(&p, text, 3 * REQUEST_PAIRS), TELE_OK);
	assert_int_equal(p.n, REQUEST_PAIRS);
	request_pairs_release(&p);
	assert_int_equal(request_pairs_parse(&p, text, 3 * REQUEST_PAIRS + 3), TELE_INVALID);
	request_pairs_release(&p);
}

/* Whatever bytes come, parsing ends, and what it took is valid. */
static void any_bytes_are_survived(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		static const char some[] = "ab=&&%%20c3aFf+\xc3\xa9\0;";
		char text[24];
		struct request_pairs p;
		size_t n = (size_t)(rand_r(&seed) % 24);

		for (size_t i = 0; i < n; i++)
			text[i] = some[(size_t)rand_r(&seed) % (sizeof some - 1)];
		if (request_pairs_parse(&p, text, n) == TELE_OK)
			for (size_t i = 0; i < p.n; i++)
				assert_true(strlen(p.list[i].name) + strlen(p.list[i].value) <= n);
		request_pairs_release(&p);
	}
}

static void cookies_are_found(void **state)
{
	static const char header[] = "other=1; __Host-teleops-form=abc;  __Host-teleops=xyz; last=";
	char value[8];

	assert_true(request_cookie(header, "__Host-teleops", value, sizeof value));
	assert_string_equal(value, "xyz");
	assert_true(request_cookie(header, "__Host-teleops-form", value, sizeof value));
	assert_string_equal(value, "abc");
	assert_false(request_cookie(header, "__Host", value, sizeof value));
	assert_false(request_cookie(header, "ther", value, sizeof value));
	assert_true(request_cookie(header, "last", value, sizeof value));
	assert_string_equal(value, "");
	assert_false(request_cookie("a=12345678", "a", value, sizeof value));
	assert_false(request_cookie("", "a", value, sizeof value));
}

/* A request from memory: parameters as name, value, ..., and a body. */
struct made {
	const char *const *params;
	const char *body;
};

static const char *param(void *context, const char *name)
{
	const struct made *m = context;

	for (const char *const *p = m->params; *p; p += 2)
		if (!strcmp(*p, name))
			return p[1];
	return "";
}

static size_t read_body(void *context, char *out, size_t n)
{
	const struct made *m = context;
	size_t have = strlen(m->body);

	n = n < have ? n : have;
	memcpy(out, m->body, n);
	return n;
}

static enum tele_err take(struct request *r, const char *method, const char *type, const char *length, const char *body)
{
	const char *const params[] = {"REQUEST_METHOD", method, "SCRIPT_NAME", "/x", "QUERY_STRING", "q=1", "CONTENT_TYPE", type,
	    "CONTENT_LENGTH", length, NULL};
	struct made m = {params, body};
	struct request_source s = {param, read_body, &m};

	return request_take(r, &s);
}

static void requests_are_taken_whole(void **state)
{
	static const char form[] = "application/x-www-form-urlencoded";
	struct request r;

	assert_int_equal(take(&r, "POST", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "3", "a=1"), TELE_OK);
	assert_true(r.post);
	assert_string_equal(request_get(&r.form, "a"), "1");
	assert_string_equal(request_get(&r.query, "q"), "1");
	request_release(&r);
	assert_int_equal(take(&r, "HEAD", "", "", ""), TELE_OK);
	assert_string_equal(r.method, "GET");
	request_release(&r);
	assert_int_equal(take(&r, "POST", form, "0", ""), TELE_OK);
	request_release(&r);
	assert_int_equal(take(&r, "POST", form, "1048577", ""), TELE_CONFLICT);
	request_release(&r);
	assert_int_equal(take(&r, "POST", "multipart/form-data", "3", "a=1"), TELE_DENIED);
	request_release(&r);
	assert_int_equal(take(&r, "POST", "application/x-www-form-urlencodedx", "3", "a=1"), TELE_DENIED);
	request_release(&r);
	assert_int_equal(take(&r, "POST", form, "", "a=1"), TELE_INVALID);
	request_release(&r);
	assert_int_equal(take(&r, "POST", form, "-1", "a=1"), TELE_INVALID);
	request_release(&r);
	/* The connection broke. */
	assert_int_equal(take(&r, "POST", form, "10", "a=1"), TELE_INVALID);
	request_release(&r);
}

/* As Chromium and Firefox send them. */
static void forms_with_files_are_read(void **state)
{
	static const char type[] = "multipart/form-data; boundary=----W1";
	static const char good[] = "------W1\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n"
				   "------W1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a; name=\"\r\nContent-Type: application/json\r\n\r\n"
				   "{\r\n  \"a\": 1}\r\n\r\n------W1\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n------W1--\r\n";
	static const char *const bad[] = {"", "------W2--\r\n", "------W1", "------W1\r\n", "------W1\r\n\r\n\r\n------W1--",
	    "------W1\r\nContent-Disposition: form-data\r\n\r\nx\r\n------W1--", "------W1\r\nContent-Disposition: form-data; name=\"x\r\n\r\nx\r\n------W1--",
	    "------W1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nx", "------W1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nx\r\n------W1",
	    "------W1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\xff\r\n------W1--"};
	static const char nul[] = "------W1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\na\0b\r\n------W1--";
	struct request_pairs p;

	(void)state;
	assert_int_equal(parts_parse(&p, type, good, sizeof good - 1), TELE_OK);
	assert_int_equal(p.n, 3);
	assert_string_equal(request_get(&p, "csrf"), "abc");
	assert_string_equal(request_get(&p, "file"), "{\r\n  \"a\": 1}\r\n");
	assert_true(request_has(&p, "empty"));
	assert_string_equal(request_get(&p, "empty"), "");
	request_pairs_release(&p);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parts_parse(&p, type, bad[i], strlen(bad[i])), TELE_INVALID);
		request_pairs_release(&p);
	}
	assert_int_equal(parts_parse(&p, type, nul, sizeof nul - 1), TELE_INVALID);
	request_pairs_release(&p);
	assert_int_equal(parts_parse(&p, "multipart/mixed; boundary=x", good, sizeof good - 1), TELE_DENIED);
	assert_int_equal(parts_parse(&p, "multipart/form-data; boundary=\"\"", good, sizeof good - 1), TELE_DENIED);
	/* Cut anywhere it is refused, and nothing is read beyond its end. */
	for (size_t n = 0; n < sizeof good - 5; n++) {
		char *cut = memcpy(malloc(n + 1), good, n);

		assert_int_equal(parts_parse(&p, type, cut, n), TELE_INVALID);
		request_pairs_release(&p);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pairs_are_decoded),
	    cmocka_unit_test(what_makes_no_sense_is_refused),
	    cmocka_unit_test(pairs_are_bounded),
	    cmocka_unit_test(any_bytes_are_survived),
	    cmocka_unit_test(cookies_are_found),
	    cmocka_unit_test(requests_are_taken_whole),
	    cmocka_unit_test(forms_with_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
