#include "lib/update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static enum tele_err parse(struct tele_update *u, const char *body)
{
	const char *why;

	return tele_update_parse(u, body, strlen(body), &why);
}

static void reads_a_message(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":9,\"message\":{\"message_id\":5,\"date\":1,\"text\":\"/say 🚀\",\"is_topic_message\":true,"
		"\"message_thread_id\":77,\"from\":{\"id\":4503599627370495,\"is_bot\":false,\"first_name\":\"A\",\"username\":\"a\"},"
		"\"chat\":{\"id\":-1004503599627370495,\"type\":\"supergroup\",\"title\":\"T\"}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_MESSAGE);
	assert_true(u.update_id == 9 && u.from_id == 4503599627370495LL && u.chat_id == -1004503599627370495LL);
	assert_int_equal(u.thread_id, 77);
	assert_string_equal(u.text, "/say 🚀");
	assert_string_equal(u.chat_title, "T");
	assert_string_equal(u.last_name, "");
	tele_update_release(&u);
}

static void caption_counts_as_text(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"caption\":\"/say x\",\"photo\":[]}}"), TELE_OK);
	assert_string_equal(u.text, "/say x");
	tele_update_release(&u);
}

static void a_document_comes_along(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"caption\":\"/in\",\"document\":{\"file_id\":\"F\",\"file_name\":\"a.csv\",\"file_size\":9}}}"), TELE_OK);
	assert_string_equal(u.document.file_id, "F");
	assert_string_equal(u.document.name, "a.csv");
	assert_true(u.document.size == 9 && !u.document.answered);
	tele_update_release(&u);
	/* Its own counts, not that of the message it answers. */
	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":\"/in\",\"reply_to_message\":{\"document\":{\"file_id\":\"G\"}}}}"), TELE_OK);
	assert_string_equal(u.document.file_id, "G");
	assert_string_equal(u.document.name, "");
	assert_true(u.document.answered);
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"document\":{\"file_id\":\"F\"},\"reply_to_message\":{\"document\":{\"file_id\":\"G\"}}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_MESSAGE);
	assert_string_equal(u.document.file_id, "F");
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"photo\":[],\"reply_to_message\":{\"document\":{\"file_id\":\"G\"}}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_OTHER);
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":\"x\",\"document\":7}}"), TELE_OK);
	assert_string_equal(u.document.file_id, "");
	tele_update_release(&u);
}

static void nobody_speaks_for_a_chat_or_a_bot(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":\"/say x\",\"from\":{\"id\":1087968824,\"is_bot\":true},"
		"\"sender_chat\":{\"id\":-5}}}"), TELE_OK);
	assert_int_equal(u.from_id, 0);
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"channel_post\":{\"text\":\"/say x\",\"chat\":{\"id\":-5,\"type\":\"channel\"}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_OTHER);
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"edited_message\":{\"text\":\"/say x\",\"from\":{\"id\":7}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_OTHER);
	tele_update_release(&u);
}

static void nul_is_left_out(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":\"/say a\\u0000b\",\"from\":{\"id\":7,\"first_name\":\"\\u0000\"}}}"), TELE_OK);
	assert_string_equal(u.text, "/say ab");
	assert_string_equal(u.first_name, "");
	tele_update_release(&u);
}

static void wrong_types_are_absent(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":5,\"chat\":[],\"from\":{\"id\":\"7\"}}}"), TELE_OK);
	assert_int_equal(u.kind, TELE_UPDATE_OTHER);
	assert_int_equal(u.from_id, 0);
	tele_update_release(&u);
	assert_int_equal(parse(&u, "{\"update_id\":1,\"message\":{\"text\":\"/x\",\"chat\":{\"id\":5,\"type\":\"planet\"}}}"), TELE_OK);
	assert_int_equal(u.chat_id, 0);
	tele_update_release(&u);
}

static void refuses_what_is_no_update(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "null", "{}", "{\"update_id\":\"5\"}", "{\"update_id\":1.5}", "{\"update_id\":1}x",
	    "{\"update_id\":1,\"message\":{\"text\":\"\xff\xfe\"}}", "{update_id:1}"};
	struct tele_update u;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse(&u, bad[i]), TELE_INVALID);
}

static void survives_a_nesting_bomb(void **state)
{
	enum { N = 100000 };
	char *bomb = malloc(N + 1);
	struct tele_update u;

	memset(bomb, '[', N);
	bomb[N] = '\0';
	assert_int_equal(parse(&u, bomb), TELE_INVALID);
	free(bomb);
}

static void a_second_key_wins(void **state)
{
	struct tele_update u;

	assert_int_equal(parse(&u, "{\"update_id\":1,\"update_id\":2}"), TELE_OK);
	assert_int_equal(u.update_id, 2);
	tele_update_release(&u);
}

static void masked_holds_no_words(void **state)
{
	struct tele_buf out = {0};
	struct tele_update u;

	assert_int_equal(parse(&u,
			     "{\"update_id\":7,\"message\":{\"message_id\":3,\"chat\":{\"id\":5,\"type\":\"private\"},\"text\":\"/setpw hunter2\",\"reply_to_message\":{"
			     "\"caption\":\"hunter2\"},\"entities\":[{\"type\":\"text_link\",\"url\":\"hunter2\"}],\"quote\":{\"text\":\"hunter2\"}}}"),
	    TELE_OK);
	tele_update_masked(&u, &out);
	assert_null(strstr(tele_buf_text(&out), "hunter2"));
	assert_non_null(strstr(tele_buf_text(&out), "{\"update_id\":7,\"message\":{\"message_id\":3,"));
	assert_non_null(strstr(tele_buf_text(&out), "\"text\":\"•••\""));
	/* The update itself is as it was. */
	assert_string_equal(u.text, "/setpw hunter2");
	tele_buf_release(&out);
	tele_update_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_a_message),
	    cmocka_unit_test(a_document_comes_along),
	    cmocka_unit_test(caption_counts_as_text),
	    cmocka_unit_test(nobody_speaks_for_a_chat_or_a_bot),
	    cmocka_unit_test(nul_is_left_out),
	    cmocka_unit_test(wrong_types_are_absent),
	    cmocka_unit_test(refuses_what_is_no_update),
	    cmocka_unit_test(survives_a_nesting_bomb),
	    cmocka_unit_test(a_second_key_wins),
	    cmocka_unit_test(masked_holds_no_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
