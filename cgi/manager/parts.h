#ifndef MANAGER_PARTS_H
#define MANAGER_PARTS_H

#include "cgi/manager/request.h"

/*
 * Pairs of a form with a file (multipart/form-data, RFC 7578): of a part its name and its content count, a file's own name does not.
 * type: the request's Content-Type. TELE_DENIED: it is no such form. TELE_INVALID: it is broken, or not text. Release in any case.
 */
enum tele_err parts_parse(struct request_pairs *p, const char *type, const char *body, size_t n) TELE_MUST;

#endif
