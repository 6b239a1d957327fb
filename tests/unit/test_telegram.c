#include "lib/buf.h"
#include "lib/telegram.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>

static enum tele_verdict judge(long http, const char *body, struct tele_answer *a)
{
	static struct json_object *kept;

	json_object_put(kept);
	kept = body ? json_tokener_parse(body) : NULL;
	*a = (struct tele_answer){0};
	return tele_telegram_judge(http, kept, a);
}

static void reads_what_an_answer_means(void **state)
{
	static const struct {
		long http;
		const char *body;
		enum tele_verdict verdict;
	} cases[] = {
	    {200, "{\"ok\":true,\"result\":{\"message_id\":7}}", TELE_TG_OK},
	    {200, "{\"ok\":true,\"result\":true}", TELE_TG_OK},
	    {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: message is not modified: x\"}", TELE_TG_NOT_MODIFIED},
	    {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: query is too old and response timeout expired\"}", TELE_TG_TOO_OLD},
	    {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: can't parse entities: x\"}", TELE_TG_BAD_ENTITIES},
	    {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: message thread not found\"}", TELE_TG_NO_THREAD},
	    {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: chat not found\"}", TELE_TG_REFUSED},
	    {404, "{\"ok\":false,\"error_code\":404,\"description\":\"Not Found\"}", TELE_TG_REFUSED},
	    {403, "{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: bot was blocked by the user\"}", TELE_TG_BLOCKED},
	    {401, "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}", TELE_TG_TOKEN},
	    {500, "{\"ok\":false,\"error_code\":500,\"description\":\"Internal Server Error\"}", TELE_TG_AWAY},
	    {502, NULL, TELE_TG_AWAY},
	    {0, NULL, TELE_TG_AWAY},
	    {200, "[]", TELE_TG_AWAY}, /* a proxy's page is no answer of Telegram's */
	};
	struct tele_answer a;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(judge(cases[i].http, cases[i].body, &a), cases[i].verdict);
}

static void takes_numbers_along(void **state)
{
	struct tele_answer a;

	assert_int_equal(judge(200, "{\"ok\":true,\"result\":{\"message_id\":7}}", &a), TELE_TG_OK);
	assert_int_equal(a.message_id, 7);
	assert_int_equal(judge(429, "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests\",\"parameters\":{\"retry_after\":35}}", &a), TELE_TG_WAIT);
	assert_int_equal(a.retry_after, 35);
	assert_int_equal(a.code, 429);
	assert_int_equal(judge(400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded to a supergroup chat\","
	                            "\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}", &a), TELE_TG_MIGRATED);
	assert_true(a.migrate_to == -1001234567890);
	judge(0, NULL, &a);
}

/* A server that answers each request of one connection with what it was told, and keeps what it got; "" is: no answer. */
struct server {
	int listening;
	pthread_t thread;
	const char *const *answers;
	struct tele_buf got;
};

/* Bytes of the request in b, 0 while it is not complete. */
static size_t complete(const struct tele_buf *b)
{
	const char *head = strstr(tele_buf_text(b), "\r\n\r\n");
	const char *length = strcasestr(tele_buf_text(b), "content-length:");
	size_t whole = head ? (size_t)(head + 4 - b->data) + (length ? (size_t)atol(length + 15) : 0) : 0;

	return head && b->len >= whole ? whole : 0;
}

static bool read_request(int fd, struct tele_buf *request)
{
	char chunk[4096];
	ssize_t n = 0;

	while (!complete(request) && (n = read(fd, chunk, sizeof chunk)) > 0)
		tele_buf_add(request, chunk, (size_t)n);
	return n > 0;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listening, NULL, NULL);
	char head[128];

	for (const char *const *body = s->answers; fd >= 0 && *body; body++) {
		struct tele_buf request = {0};
		bool good = read_request(fd, &request);

		tele_buf_add(&s->got, request.data, request.len);
		tele_buf_release(&request);
		if (!good)
			break;
		snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(*body));
		if (**body)
			good = write(fd, head, strlen(head)) > 0 && write(fd, *body, strlen(*body)) > 0;
		else
			good = read(fd, head, 1) > 0; /* until the other side gives up */
	}
	close(fd);
	return NULL;
}

static struct tele_telegram *begin(struct server *s, const char *const *answers, long timeout_s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	char base[64];

	*s = (struct server){.listening = socket(AF_INET, SOCK_STREAM, 0), .answers = answers};
	assert_int_equal(bind(s->listening, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s->listening, 5), 0);
	assert_int_equal(getsockname(s->listening, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	snprintf(base, sizeof base, "http://127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
	return tele_telegram_new(base, "1:x", timeout_s);
}

static void end(struct server *s, struct tele_telegram *t)
{
	tele_telegram_free(t);
	pthread_join(s->thread, NULL);
	close(s->listening);
	tele_buf_release(&s->got);
}

static enum tele_verdict wait_answer(struct tele_telegram *t, struct tele_answer *a)
{
	while (tele_telegram_next(t, a) == TELE_EMPTY)
		tele_telegram_wait(t, NULL, 0, 1000);
	return a->verdict;
}

static bool got(const struct server *s, const char *text)
{
	return memmem(tele_buf_text(&s->got), s->got.len, text, strlen(text)) != NULL;
}

static void uploads_a_file_as_a_form(void **state)
{
	static const char *const answers[] = {"{\"ok\":true,\"result\":{\"message_id\":7}}", "{\"ok\":true,\"result\":true}",
	    "{\"ok\":true,\"result\":true}", NULL};
	const struct tele_telegram_file file = {
	    .field = "document", .name = "out 1.txt", .type = "text/plain; charset=utf-8", .bytes = "a\0b\r\n--c", .size = 8};
	struct json_object *params = json_tokener_parse("{\"chat_id\":-2001,\"caption\":\"see\",\"reply_parameters\":{\"message_id\":3}}");
	struct tele_answer a;
	struct server s;
	struct tele_telegram *t = begin(&s, answers, 10);
	int tag;

	assert_int_equal(tele_telegram_upload(t, "sendDocument", params, &file, &tag), TELE_OK);
	json_object_put(params);
	assert_int_equal(wait_answer(t, &a), TELE_TG_OK);
	assert_ptr_equal(a.tag, &tag);
	assert_int_equal(a.message_id, 7);
	/* The handle is used again, first without a form and then with one. */
	assert_int_equal(tele_telegram_call(t, "getMe", "{\"k\":1}", NULL), TELE_OK);
	assert_int_equal(wait_answer(t, &a), TELE_TG_OK);
	assert_int_equal(tele_telegram_upload(t, "setWebhook", NULL, &file, NULL), TELE_OK);
	assert_int_equal(wait_answer(t, &a), TELE_TG_OK);
	assert_true(got(&s, "POST /bot1:x/sendDocument "));
	assert_true(got(&s, "Content-Type: multipart/form-data; boundary="));
	assert_true(got(&s, "name=\"chat_id\"\r\n\r\n-2001\r\n"));
	assert_true(got(&s, "name=\"caption\"\r\n\r\nsee\r\n"));
	assert_true(got(&s, "name=\"reply_parameters\"\r\n\r\n{\"message_id\":3}\r\n"));
	assert_true(got(&s, "name=\"document\"; filename=\"out 1.txt\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"));
	assert_non_null(memmem(s.got.data, s.got.len, "\r\n\r\na\0b\r\n--c\r\n", 14));
	assert_true(got(&s, "POST /bot1:x/getMe "));
	assert_true(got(&s, "Content-Type: application/json\r\n"));
	assert_true(got(&s, "\r\n\r\n{\"k\":1}POST /bot1:x/setWebhook "));
	end(&s, t);
}

static void a_call_may_have_a_time_limit_of_its_own(void **state)
{
	static const char *const answers[] = {"", NULL};
	time_t began = time(NULL);
	struct tele_answer a;
	struct server s;
	struct tele_telegram *t = begin(&s, answers, 60);

	assert_int_equal(tele_telegram_call_within(t, "getUpdates", "{}", 1, NULL), TELE_OK);
	assert_int_equal(wait_answer(t, &a), TELE_TG_AWAY);
	assert_int_equal(a.code, 0);
	assert_true(time(NULL) - began < 20);
	end(&s, t);
}

/* Takes and gives a few bytes at a time, with a pause before each. */
struct stream {
	struct tele_buf bytes;
	size_t at, most;
	int pauses;
	bool paused;
};

static enum tele_err take(const char *bytes, size_t n, void *arg)
{
	struct stream *s = arg;

	if (!s->paused) {
		s->paused = true;
		return TELE_RETRY;
	}
	if (s->bytes.len + n > s->most)
		return TELE_INVALID;
	s->paused = false;
	tele_buf_add(&s->bytes, bytes, n);
	return TELE_OK;
}

static enum tele_err give(char *to, size_t room, size_t *n, void *arg)
{
	struct stream *s = arg;

	if (!s->paused && s->at < s->bytes.len) {
		s->paused = true;
		return TELE_RETRY;
	}
	s->paused = false;
	*n = s->bytes.len - s->at < 1000 ? s->bytes.len - s->at : 1000;
	*n = *n < room ? *n : room;
	memcpy(to, s->bytes.data + s->at, *n);
	s->at += *n;
	return TELE_OK;
}

static void from_start(void *arg)
{
	((struct stream *)arg)->at = 0;
}

static enum tele_verdict wait_stream(struct tele_telegram *t, struct stream *s, struct tele_answer *a)
{
	for (int i = 0; i < 3000; i++) {
		tele_telegram_wait(t, NULL, 0, 10);
		if (tele_telegram_next(t, a) == TELE_OK)
			return a->verdict;
		if (s->paused) {
			s->pauses++;
			tele_telegram_resume(t, s);
		}
	}
	return TELE_TG_AWAY;
}

static void downloads_at_the_pace_of_who_takes(void **state)
{
	static char big[100001];
	static const char *const answers[] = {big, big, "{\"ok\":true,\"result\":true}", NULL};
	struct stream in = {.most = sizeof big}, less = {.most = 500};
	struct tele_answer a;
	struct server s;
	struct tele_telegram *t;

	memset(big, 'x', sizeof big - 1);
	t = begin(&s, answers, 20);
	assert_int_equal(tele_telegram_download(t, "documents/../a b.csv", sizeof big, take, &in, &in), TELE_OK);
	assert_int_equal(wait_stream(t, &in, &a), TELE_TG_OK);
	assert_ptr_equal(a.tag, &in);
	assert_int_equal(in.bytes.len, sizeof big - 1);
	assert_true(in.pauses > 0);
	assert_true(got(&s, "GET /file/bot1:x/documents/../a%20b.csv "));
	/* Who takes has enough: the address, which holds the token, is in no words. */
	assert_int_equal(tele_telegram_download(t, "b", sizeof big, take, &less, &less), TELE_OK);
	assert_int_equal(wait_stream(t, &less, &a), TELE_TG_REFUSED);
	assert_null(strstr(a.words, "1:x"));
	tele_buf_release(&in.bytes);
	tele_buf_release(&less.bytes);
	end(&s, t);
}

static void uploads_what_comes_bit_by_bit(void **state)
{
	static const char *const answers[] = {"{\"ok\":true,\"result\":{\"message_id\":8}}", NULL};
	struct stream out = {.most = 0};
	struct tele_telegram_file file = {.field = "document", .name = "a.bin", .type = "application/octet-stream", .size = 30000, .give = give,
	    .from_start = from_start, .arg = &out};
	struct tele_answer a;
	struct server s;
	struct tele_telegram *t = begin(&s, answers, 20);

	for (int i = 0; i < 30000; i++)
		tele_buf_char(&out.bytes, (char)('a' + i % 23));
	assert_int_equal(tele_telegram_upload(t, "sendDocument", NULL, &file, &out), TELE_OK);
	assert_int_equal(wait_stream(t, &out, &a), TELE_TG_OK);
	assert_int_equal(a.message_id, 8);
	assert_true(out.pauses >= 30);
	assert_non_null(memmem(s.got.data, s.got.len, out.bytes.data, out.bytes.len));
	/* One that waits for more can be ended. */
	out.at = 0;
	assert_int_equal(tele_telegram_upload(t, "sendDocument", NULL, &file, &out), TELE_OK);
	tele_telegram_cancel(t, &out);
	assert_int_equal(tele_telegram_active(t), 0);
	tele_buf_release(&out.bytes);
	end(&s, t);
}

static void ends_what_is_under_way(void **state)
{
	static const char *const answers[] = {"", NULL};
	struct tele_answer a;
	struct server s;
	struct tele_telegram *t = begin(&s, answers, 60);

	assert_int_equal(tele_telegram_call(t, "getUpdates", "{}", NULL), TELE_OK);
	tele_telegram_wait(t, NULL, 0, 100);
	assert_int_equal(tele_telegram_active(t), 1);
	tele_telegram_abort(t);
	assert_int_equal(tele_telegram_active(t), 0);
	assert_int_equal(tele_telegram_next(t, &a), TELE_EMPTY);
	end(&s, t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads_what_an_answer_means), cmocka_unit_test(takes_numbers_along),
	    cmocka_unit_test(uploads_a_file_as_a_form), cmocka_unit_test(a_call_may_have_a_time_limit_of_its_own),
	    cmocka_unit_test(ends_what_is_under_way), cmocka_unit_test(downloads_at_the_pace_of_who_takes),
	    cmocka_unit_test(uploads_what_comes_bit_by_bit)};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
