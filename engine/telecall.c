#include "engine/call.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ASK = 3, ASK_MOST = 16 * 1024 * 1024 };

static const struct {
	const char *kind;
	call_function *call;
} kinds[] = {{"sql", call_sql}, {"http", call_http}};

enum { KINDS = sizeof kinds / sizeof *kinds };

struct json_object *call_member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

const char *call_text(struct json_object *o, const char *key)
{
	struct json_object *v = call_member(o, key);

	return v ? json_object_get_string(v) : "";
}

long long call_number(struct json_object *o, const char *key)
{
	return json_object_get_int64(call_member(o, key));
}

const char *call_value(const struct call *c, const char *name)
{
	struct json_object *v = call_member(c->secrets, name);

	if (!v)
		v = call_member(c->args, name);
	return v ? json_object_get_string(v) : NULL;
}

int call_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return EXIT_FAILURE;
}

static struct json_object *read_ask(void)
{
	struct tele_buf text = {0};
	struct json_object *all;
	char part[4096];
	ssize_t n;

	while (text.len < ASK_MOST && (n = read(ASK, part, sizeof part)) > 0)
		tele_buf_add(&text, part, (size_t)n);
	close(ASK);
	all = json_tokener_parse(tele_buf_text(&text));
	tele_buf_wipe(&text);
	tele_buf_release(&text);
	explicit_bzero(part, sizeof part);
	return all;
}

static int carry_out(struct call *c, call_function *function)
{
	c->password = call_member(c->secrets, "@") ? call_text(c->secrets, "@") : NULL;
	c->is_secret = json_object_object_length(c->secrets) > (c->password ? 1 : 0);
	c->is_list = json_object_get_boolean(call_member(c->all, "list"));
	c->task = call_number(c->all, "task");
	c->timeout_s = call_number(c->all, "timeout_s");
	c->limit = (size_t)call_number(c->all, "limit");
	c->units = (size_t)call_number(c->all, "units");
	return function(c);
}

static int run(call_function *function)
{
	struct call c = {.all = read_ask()};
	int status;

	c.what = call_member(c.all, "call");
	c.args = call_member(c.all, "args");
	c.secrets = call_member(c.all, "secrets");
	c.connection = call_member(c.all, "connection");
	if (c.what && c.args && c.secrets && c.connection)
		status = carry_out(&c, function);
	else
		status = call_fail("there is nothing to ask on descriptor %d", ASK);
	json_object_put(c.all);
	return fflush(stdout) ? EXIT_FAILURE : status;
}

int main(int argc, char **argv)
{
	/* Before it holds anything: other processes of its user cannot look into it from now on. */
	prctl(PR_SET_DUMPABLE, 0);
	for (int i = 0; argc == 2 && i < KINDS; i++)
		if (!strcmp(argv[1], kinds[i].kind))
			return run(kinds[i].call);
	printf("telecall sql|http\n\ncarries out one command for teleengine, which says what on descriptor 3.\n");
	return argc == 2 && !strcmp(argv[1], "--help") ? EXIT_SUCCESS : 2;
}
