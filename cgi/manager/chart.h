#ifndef MANAGER_CHART_H
#define MANAGER_CHART_H

#include "cgi/manager/page.h"

/*
 * Where the parts of a chart go, in units of its viewBox (width, height); the template draws them and says what they mean. Each chart
 * has ticks {"y", "text"} and labels {"x", "text"} (a row's text, every third), and empty when there is nothing to be drawn.
 */

/* Bars, a row each, the values of keys (to a NULL) one on the other: bars [{"x", "y", "width", "height", "is": {key: true}}]. */
struct json_object *chart_bars(struct json_object *rows, const char *const *keys);

/* Lines, a key each, on a logarithmic scale; a row without a value leaves a gap: lines [{"path", "is": {key: true}}]. */
struct json_object *chart_lines(struct json_object *rows, const char *const *keys);

/* Adds to each row share, from 0 to 100 of the greatest of key. */
void chart_shares(struct json_object *rows, const char *key);

#endif
