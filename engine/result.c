#include "engine/result.h"

#include "lib/text.h"

#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHORT_UNITS = 4096,  /* fits in one message */
	LONG_UNITS = 12000,  /* what a chat is shown as text, three messages; what is longer is a document */
	ONE_UNITS = 3800,    /* the same where it must be one, with its head: the message that was shown while it ran */
	TAIL_UNITS = 3000,   /* of what a failing command printed last */
	LIVE_TAIL_UNITS = 1500, /* of a running one's output */
	CAPTION_TAIL_UNITS = 700, /* beside a document, whose caption has 1024 (core.telegram.org/bots/api#senddocument) */
	DOCUMENT_MOST = 45 * 1024 * 1024, /* bytes; the Bot API takes 50 MB */
	QUICK_S = 10,
	SHOWN_S = 1,
};

/* What a person reads, by how it ended; the words of one place. */
static const char *const words[] = {
    "/%s: done, no output",       /* NO_OUTPUT */
    "/%s · task %lld · %s",       /* HEAD */
    "/%s · task %lld failed: %s", /* FAILED */
    "exit status %d",             /* EXIT */
    "signal %d (%s)",             /* SIGNAL */
    "timed out after %d s",       /* TIMEOUT */
    "ended early, because the engine stopped", /* CANCELLED */
    "cancelled by %s",            /* CANCELLED_BY */
    "; nothing of it is left",    /* LEFT */
    "; it may have been done all the same, look before you send it again", /* MAYBE */
    "could not start: %s",        /* NOT_STARTED */
    "nobody saw how it ended; it may or may not have done its work. Check before you send it again:\n%s", /* VANISHED */
    "(output cut: the first %zu of %lld bytes were kept)", /* CUT */
    "…",                          /* MORE */
    "\nAll of it: /output %lld", /* ALL */
    "runs for %s",                /* RUNS */
    "\n%zu characters, in the file; they end with:\n", /* IN_FILE */
    "/%s: done", /* DONE */
    "(%zu of its files not sent: not empty, no links, %ld at most, each of %ld MB at most)", /* LEFT_OUT */
};
enum word { NO_OUTPUT, HEAD, FAILED, EXIT, SIGNAL, TIMEOUT, CANCELLED, CANCELLED_BY, LEFT, MAYBE, NOT_STARTED, VANISHED, CUT, MORE, ALL, RUNS, IN_FILE, DONE, LEFT_OUT };

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats come from the table above */

static const char *state_of(const struct ending *e)
{
	if (e->vanished)
		return "lost";
	if (e->timed_out)
		return "timeout";
	if (e->cancelled)
		return "cancelled";
	return e->started && e->exit_status == 0 ? "done" : "failed";
}

static const char *call_text(const struct tele_task *t, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(t->call, key, &v) ? json_object_get_string(v) : "";
}

/*
 * A process that is gone has left nothing, what it asked another program for may be done there all the same. A statement is undone unless
 * its COMMIT was under way, and then only KILL ends who waits for it; a request that only reads changes nothing.
 */
static bool may_be_done(const struct tele_task *t, const struct ending *e)
{
	if (!t->call || e->signal < 0)
		return false;
	if (!strcmp(t->kind, "sql"))
		return e->signal == SIGKILL && !strcmp(call_text(t, "writes"), "true");
	return strcmp(call_text(t, "method"), "GET") && strcmp(call_text(t, "method"), "HEAD");
}

static void say_how(struct tele_buf *b, const struct tele_task *t, const struct ending *e)
{
	if (e->vanished)
		tele_buf_printf(b, words[VANISHED], t->line);
	else if (!e->started)
		tele_buf_printf(b, words[NOT_STARTED], e->why);
	else if (e->timed_out)
		tele_buf_printf(b, words[TIMEOUT], t->timeout_s);
	else if (e->cancelled && e->cancelled_by)
		tele_buf_printf(b, words[CANCELLED_BY], e->cancelled_by);
	else if (e->cancelled)
		tele_buf_str(b, words[CANCELLED]);
	else if (e->signal >= 0)
		tele_buf_printf(b, words[SIGNAL], e->signal, strsignal(e->signal));
	else
		tele_buf_printf(b, words[EXIT], e->exit_status);
	if (may_be_done(t, e))
		tele_buf_str(b, words[MAYBE]);
	else if (e->cancelled && e->cancelled_by && !e->timed_out && !e->vanished && !t->call)
		tele_buf_str(b, words[LEFT]);
}

static void say_duration(struct tele_buf *b, double seconds)
{
	long s = (long)(seconds + 0.5);

	if (seconds < 10)
		tele_buf_printf(b, "%.1f s", seconds < 0 ? 0 : seconds);
	else if (s < 60)
		tele_buf_printf(b, "%ld s", s);
	else
		tele_buf_printf(b, "%ld min %ld s", s / 60, s % 60);
}

static size_t without_trailing_space(const char *text, size_t n)
{
	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	return n;
}

static bool is_blank(const char *text, size_t n)
{
	return without_trailing_space(text, n) == 0;
}

static void note_cut(struct tele_buf *text, const struct ending *e)
{
	if (e->left_out) {
		tele_buf_str(text, text->len ? "\n" : "");
		tele_buf_printf(text, words[LEFT_OUT], e->left_out, e->files_most, e->megabytes_most);
	}
	if (e->total <= (long long)e->size)
		return;
	tele_buf_str(text, text->len ? "\n" : "");
	tele_buf_printf(text, words[CUT], e->size, e->total);
}

/* Lines with gaps or tabs in them are columns, which only a fixed width keeps in place. */
static bool is_table(const char *output, size_t n)
{
	return memchr(output, '\n', n) && (memmem(output, n, "  ", 2) || memchr(output, '\t', n));
}

/* From the text's byte `from` to its end. */
static void set_fixed_width(struct tele_buf *entities, const struct tele_buf *text, size_t from)
{
	size_t offset = tele_text_units(text->data, from);

	tele_buf_printf(entities, "[{\"type\":\"pre\",\"offset\":%zu,\"length\":%zu}]", offset, tele_text_units(text->data, text->len) - offset);
}

/* The last units of an output, with a mark where something came before. */
static void add_tail(struct tele_buf *text, const char *output, size_t n, size_t units, bool more)
{
	size_t at = tele_text_tail(output, n, units);

	if (at || more)
		tele_buf_str(text, words[MORE]);
	tele_buf_add(text, output + at, n - at);
}

/* The end of what it printed, which may lie beyond what was kept. */
static void add_end(struct tele_buf *text, const struct ending *e, const char *output, size_t n, size_t units)
{
	struct tele_buf clean = {0}, shown = {0};

	if (!e->tail) {
		add_tail(text, output, without_trailing_space(output, n), units, false);
		return;
	}
	tele_text_clean(&clean, e->tail, e->tail_size);
	tele_text_terminal(&shown, tele_buf_text(&clean), clean.len);
	add_tail(text, tele_buf_text(&shown), without_trailing_space(tele_buf_text(&shown), shown.len), units, true);
	tele_buf_release(&clean);
	tele_buf_release(&shown);
}

static void say_head(struct tele_buf *text, const struct tele_task *t, const struct ending *e)
{
	struct tele_buf how = {0};
	bool failed = strcmp(state_of(e), "done") && !e->cancelled;

	if (!strcmp(state_of(e), "done"))
		say_duration(&how, e->finished_at - e->started_at);
	else
		say_how(&how, t, e);
	tele_buf_printf(text, words[failed ? FAILED : HEAD], t->command, t->id, tele_buf_text(&how));
	tele_buf_release(&how);
}

static void say_success(struct tele_buf *text, struct tele_buf *entities, const struct tele_task *t, const struct ending *e, const char *output,
    size_t n)
{
	double took = e->finished_at - e->started_at;
	/* What was shown while it ran has had a head, and keeps it; what nobody asked for by a message needs one. */
	bool is_short = t->message_id && took < (t->long_running ? SHOWN_S : QUICK_S) && tele_text_units(output, n) <= SHORT_UNITS &&
	    e->total <= (long long)e->size;
	size_t from;

	n = without_trailing_space(output, n);
	if (!n) {
		tele_buf_printf(text, words[e->files ? DONE : NO_OUTPUT], t->command);
		note_cut(text, e);
		return;
	}
	if (!is_short) {
		say_head(text, t, e);
		tele_buf_char(text, '\n');
	}
	from = text->len;
	tele_buf_add(text, output, n);
	if (is_table(output, n))
		set_fixed_width(entities, text, from);
	note_cut(text, e);
}

/* The head says how it ended, the tail of the output why; set in fixed width. */
static void say_failure(struct tele_buf *text, struct tele_buf *entities, const struct tele_task *t, const struct ending *e,
    const char *output, size_t n)
{
	size_t from;

	say_head(text, t, e);
	n = without_trailing_space(output, n);
	if (is_blank(output, n)) {
		note_cut(text, e);
		return;
	}
	tele_buf_char(text, '\n');
	from = text->len;
	add_end(text, e, output, n, TAIL_UNITS);
	set_fixed_width(entities, text, from);
	if (t->logged && tele_text_units(output, n) > TAIL_UNITS)
		tele_buf_printf(text, words[ALL], t->id);
	note_cut(text, e);
}

/* A long output goes as a file, with how it went and its end beside it. */
static void say_document(struct tele_buf *text, struct tele_buf *entities, const struct tele_task *t, const struct ending *e, const char *output,
    size_t n)
{
	size_t from;

	say_head(text, t, e);
	tele_buf_printf(text, words[IN_FILE], tele_text_units(output, n));
	from = text->len;
	add_end(text, e, output, n, CAPTION_TAIL_UNITS);
	set_fixed_width(entities, text, from);
	note_cut(text, e);
}

static size_t document_size(const char *text, size_t n)
{
	if (n <= DOCUMENT_MOST)
		return n;
	for (n = DOCUMENT_MOST; n && (text[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

static enum tele_err complete(struct tele_result *r, struct tele_buf *text, struct tele_buf *entities, struct tele_buf *output,
    bool with_document, const char *reason)
{
	size_t size = with_document ? document_size(tele_buf_text(output), output->len) : 0;

	r->text = tele_buf_detach(text);
	r->entities = tele_buf_detach(entities);
	r->document = strndup(tele_buf_text(output), size);
	r->output = tele_buf_detach(output);
	r->reason = strdup(reason);
	if (r->text && r->entities && r->document && r->output && r->reason)
		return TELE_OK;
	tele_result_release(r);
	return TELE_NOMEM;
}

size_t result_text_units(const struct tele_task *task)
{
	return task->long_running ? ONE_UNITS : LONG_UNITS;
}

enum tele_err result_make(const struct tele_task *task, const struct ending *end, struct tele_result *r)
{
	struct ending ending = *end;
	const struct ending *e = &ending;
	struct tele_buf text = {0}, entities = {0}, output = {0}, raw = {0};
	size_t whole = e->size;
	bool with_document;

	/* What another program was asked for was done before the word to end came: it is as if it had not come. */
	if (task->call && e->started && e->exit_status == 0)
		ending.cancelled = ending.timed_out = false;
	memset(r, 0, sizeof *r);
	r->task_id = task->id;
	r->attempt = task->attempt;
	r->state = state_of(e);
	r->exit_status = e->exit_status;
	r->signal = e->signal;
	r->started_at = e->started_at;
	r->finished_at = e->finished_at;
	r->output_bytes = e->total;
	r->output_cut = e->total > (long long)e->size;
	/* What was cut may end within a character: the bytes of an incomplete one are left out. */
	for (size_t back = 1; r->output_cut && back <= 3 && back <= e->size; back++) {
		unsigned char c = (unsigned char)e->output[e->size - back];

		if ((c & 0xc0) == 0x80)
			continue;
		if (c >= 0xc0 && back < (c >= 0xf0 ? 4U : c >= 0xe0 ? 3U : 2U))
			whole = e->size - back;
		break;
	}
	tele_text_clean(&raw, e->output, whole);
	tele_text_terminal(&output, tele_buf_text(&raw), raw.len);
	tele_buf_release(&raw);
	with_document = !e->vanished && tele_text_units(tele_buf_text(&output), output.len) > result_text_units(task);
	if (with_document)
		say_document(&text, &entities, task, e, tele_buf_text(&output), output.len);
	else if (!strcmp(r->state, "done"))
		say_success(&text, &entities, task, e, tele_buf_text(&output), output.len);
	else
		say_failure(&text, &entities, task, e, tele_buf_text(&output), output.len);
	return complete(r, &text, &entities, &output, with_document, e->why);
}

enum tele_err result_of_text(const struct tele_task *task, const char *words_of_template, double now, struct tele_result *r)
{
	struct tele_buf text = {0}, entities = {0}, output = {0};

	memset(r, 0, sizeof *r);
	r->task_id = task->id;
	r->attempt = task->attempt;
	r->state = "done";
	r->exit_status = 0;
	r->signal = -1;
	r->started_at = r->finished_at = now;
	tele_text_clean(&text, words_of_template, strlen(words_of_template));
	if (is_blank(tele_buf_text(&text), text.len))
		tele_buf_printf(&text, words[NO_OUTPUT], task->command);
	return complete(r, &text, &entities, &output, false, "");
}

enum tele_err result_live(const struct tele_task *task, double seconds, const char *output, size_t n, struct tele_live *live)
{
	struct tele_buf text = {0}, entities = {0}, raw = {0}, shown = {0}, duration = {0}, how = {0};
	size_t from;

	say_duration(&duration, seconds);
	tele_buf_printf(&how, words[RUNS], tele_buf_text(&duration));
	tele_buf_printf(&text, words[HEAD], task->command, task->id, tele_buf_text(&how));
	tele_text_clean(&raw, output, n);
	tele_text_terminal(&shown, tele_buf_text(&raw), raw.len);
	if (!is_blank(tele_buf_text(&shown), shown.len)) {
		tele_buf_char(&text, '\n');
		from = text.len;
		add_tail(&text, tele_buf_text(&shown), without_trailing_space(tele_buf_text(&shown), shown.len), LIVE_TAIL_UNITS, false);
		set_fixed_width(&entities, &text, from);
	}
	tele_buf_release(&duration);
	tele_buf_release(&how);
	tele_buf_release(&raw);
	tele_buf_release(&shown);
	live->task_id = task->id;
	live->text = tele_buf_detach(&text);
	live->entities = tele_buf_detach(&entities);
	if (live->text && live->entities)
		return TELE_OK;
	tele_live_release(live);
	return TELE_NOMEM;
}
