#include "lib/log.h"

#include "lib/buf.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *program = "teleops";
static enum tele_level threshold = TELE_INFO;
static bool as_json;
static _Thread_local struct tele_buf held; /* whole lines */
static _Thread_local bool holding;

struct tele_field tele_str(const char *key, const char *value)
{
	return (struct tele_field){.key = key, .str = value ? value : ""};
}

struct tele_field tele_int(const char *key, long long value)
{
	return (struct tele_field){.key = key, .num = value};
}

struct tele_field tele_end(void)
{
	return (struct tele_field){0};
}

void tele_log_init(const char *prog, const char *level, const char *format)
{
	program = prog;
	as_json = format && !strcasecmp(format, "json");
	for (int i = TELE_ERROR; level && i <= TELE_DEBUG; i++)
		if (!strcasecmp(level, level_names[i]))
			threshold = (enum tele_level)i;
}

/* Quoted with JSON's escapes, which logfmt readers understand too: a value can never end its line. */
static void add_quoted(struct tele_buf *b, const char *s)
{
	tele_buf_char(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			tele_buf_printf(b, "\\%c", c);
		else if (c == '\n')
			tele_buf_str(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			tele_buf_printf(b, "\\u%04x", c);
		else
			tele_buf_char(b, (char)c);
	}
	tele_buf_char(b, '"');
}

static bool has_control(const char *s)
{
	while (*s && (unsigned char)*s >= 0x20 && *s != 0x7f)
		s++;
	return *s;
}

static void add_field(struct tele_buf *b, struct tele_field f)
{
	if (b->len > as_json)
		tele_buf_char(b, as_json ? ',' : ' ');
	tele_buf_str(b, as_json ? "\"" : "");
	tele_buf_str(b, f.key);
	tele_buf_str(b, as_json ? "\":" : "=");
	if (!f.str)
		tele_buf_int(b, f.num);
	else if (as_json || !*f.str || strpbrk(f.str, " \"=\\") || has_control(f.str))
		add_quoted(b, f.str);
	else
		tele_buf_str(b, f.str);
}

static void add_time(struct tele_buf *b)
{
	struct timespec now;
	struct tm tm;
	char text[64];
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
	add_field(b, tele_str("ts", text));
}

/* One write for whole lines, so that lines of threads do not mix; there is nowhere to tell that it failed. */
static void write_out(const struct tele_buf *b)
{
	ssize_t ignored = b->failed || !b->len ? 0 : write(STDERR_FILENO, b->data, b->len);

	(void)ignored;
}

void tele_log_hold(void)
{
	holding = true;
}

void tele_log_let_go(void)
{
	write_out(&held);
	tele_buf_release(&held);
	holding = false;
}

static void put(const struct tele_buf *line)
{
	if (!holding || line->failed) {
		write_out(line);
		return;
	}
	/* What is longer a pipe takes in parts. */
	if (held.len + line->len > PIPE_BUF) {
		write_out(&held);
		tele_buf_reset(&held);
	}
	tele_buf_add(&held, line->data, line->len);
}

void tele_log_write(enum tele_level level, const char *event, ...)
{
	struct tele_buf b = {0};
	struct tele_field f;
	va_list ap;

	if (level > threshold)
		return;
	if (as_json)
		tele_buf_char(&b, '{');
	add_time(&b);
	add_field(&b, tele_str("level", level_names[level]));
	add_field(&b, tele_str("prog", program));
	add_field(&b, tele_str("event", event));
	va_start(ap, event);
	for (f = va_arg(ap, struct tele_field); f.key; f = va_arg(ap, struct tele_field))
		add_field(&b, f);
	va_end(ap);
	tele_buf_str(&b, as_json ? "}\n" : "\n");
	put(&b);
	tele_buf_release(&b);
}
