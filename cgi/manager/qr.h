#ifndef MANAGER_QR_H
#define MANAGER_QR_H

#include "lib/err.h"

struct json_object;

/* A text as a QR code for templates/part/qr.html: o.size, and o.path, the dark squares as an SVG path. */
enum tele_err qr_set(struct json_object *o, const char *text) TELE_MUST;

#endif
