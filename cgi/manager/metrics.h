#ifndef CGI_MANAGER_METRICS_H
#define CGI_MANAGER_METRICS_H

#include "cgi/manager/page.h"
#include "cgi/serve.h"

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * GET /metrics: what all programs counted and what the tables tell, in Prometheus' text exposition format, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).
 */

/* Whether who asks may see them: from loopback and not through another proxy, or with the bearer token of setting metrics_token. */
bool metrics_allowed(const struct tele_conf *conf, FCGX_Request *request);

/* Answers with the rows of TELE_STMT_METRICS; res NULL: the database is away, 503. */
void metrics_answer(struct visit *v, const PGresult *res);
/* The answer to those who may not. */
void metrics_refuse(struct visit *v);

#endif
