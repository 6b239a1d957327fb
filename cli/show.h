#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>

struct call;
struct json_object;

/*
 * How the tool prints what it found out; on standard output. Much of it was written by people in chats or printed by commands, so
 * nothing that a terminal would act on goes through.
 */

/* As JSON for machines, else show_plain; what every verb with --json ends in. */
void show(struct json_object *o, bool as_json);
void show_json(struct json_object *o);
/* What a query that gives one JSON document finds; the whole of a verb that lists. about: for the message when it fails. An exit status. */
int show_what_is(const struct call *c, const char *about, const char *sql);
/* An object: a line a member, and a table for each that is a list of objects, whose keys are the headings. */
void show_plain(struct json_object *o);
/* A text of several lines below a title. */
void show_text(const char *title, const char *text);

#endif
