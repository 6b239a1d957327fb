#include "lib/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum {
	PATTERN_MOST = 1000,   /* bytes */
	NEST_MOST = 50,        /* brackets within brackets */
	STEPS_MOST = 200000,   /* of backtracking: some milliseconds */
	HEAP_KIB_MOST = 1024,
};

struct tele_pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
};

static size_t characters(const char *text, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

static enum tele_err refuse(const char *text, int error, size_t at, struct tele_buf *why)
{
	PCRE2_UCHAR words[200] = "";

	pcre2_get_error_message(error, words, sizeof words);
	tele_buf_printf(why, "at character %zu: %s", characters(text, at) + 1, (const char *)words);
	return TELE_INVALID;
}

static pcre2_code *compile(const char *text, int *error, size_t *at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;

	*error = PCRE2_ERROR_NOMEMORY;
	if (!context)
		return NULL;
	pcre2_set_max_pattern_length(context, PATTERN_MOST);
	pcre2_set_parens_nest_limit(context, NEST_MOST);
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, error, at, context);
	pcre2_compile_context_free(context);
	return code;
}

enum tele_err tele_pattern_compile(const char *text, struct tele_pattern **out, struct tele_buf *why)
{
	struct tele_pattern *p = calloc(1, sizeof *p);
	size_t at = 0;
	int error;

	if (!p)
		return TELE_NOMEM;
	p->code = compile(text, &error, &at);
	p->limits = p->code ? pcre2_match_context_create(NULL) : NULL;
	if (!p->limits) {
		bool bad = !p->code && error != PCRE2_ERROR_NOMEMORY;

		tele_pattern_free(p);
		return bad ? refuse(text, error, at, why) : TELE_NOMEM;
	}
	pcre2_set_match_limit(p->limits, STEPS_MOST);
	pcre2_set_heap_limit(p->limits, HEAP_KIB_MOST);
	/* Where it cannot be (a hardened kernel, another machine), the interpreter does the same. */
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	*out = p;
	return TELE_OK;
}

enum tele_err tele_pattern_match(const struct tele_pattern *p, const char *value)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc;

	if (!data)
		return TELE_SYSTEM;
	rc = pcre2_match(p->code, (PCRE2_SPTR)value, PCRE2_ZERO_TERMINATED, 0, 0, data, p->limits);
	pcre2_match_data_free(data);
	if (rc >= 0)
		return TELE_OK;
	return rc == PCRE2_ERROR_NOMATCH ? TELE_INVALID : TELE_SYSTEM;
}

void tele_pattern_free(struct tele_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	pcre2_match_context_free(p->limits);
	free(p);
}
