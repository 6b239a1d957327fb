#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>

struct json_object;

/* How the tool prints what it found out; on standard output. */

/* As JSON for machines, else show_plain; what every verb with --json ends in. */
void show(struct json_object *o, bool as_json);
void show_json(struct json_object *o);
/* An object: a line a member, and a table for each that is a list of objects, whose keys are the headings. */
void show_plain(struct json_object *o);

#endif
