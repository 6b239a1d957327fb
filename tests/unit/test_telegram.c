#include "lib/telegram.h"

#include <setjmp.h>
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
	assert_int_equal(judge(400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded to a supergroup chat\","
	                            "\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}", &a), TELE_TG_MIGRATED);
	assert_true(a.migrate_to == -1001234567890);
	judge(0, NULL, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads_what_an_answer_means), cmocka_unit_test(takes_numbers_along)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
