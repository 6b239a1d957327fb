#ifndef TELE_ALERT_H
#define TELE_ALERT_H

#include "lib/buf.h"

/*
 * What monitoring posts, read into one shape, a JSON object:
 *   key      what makes two reports the same alert; the sender's, or made from the title
 *   status   firing, resolved, or note where it says neither
 *   title    one line
 *   text     more lines, or ""
 *   url      where to read on, or ""
 *   alerts   one or more of {status, text, labels: {name: value}}, those that fire first
 *   more     how many were left out
 * All strings are valid UTF-8 without control characters but line ends in texts, and bounded in length.
 */

/*
 * A JSON object: Alertmanager's (prometheus.io/docs/alerting/latest/configuration, webhook_config), Grafana's, or a plain one with
 * some of title, text, status, key, url, labels. TELE_INVALID: why (static) says what is wrong. TELE_NOMEM.
 */
enum tele_err tele_alert_read(const char *body, size_t n, struct tele_buf *report, const char **why) TELE_MUST;
/* A text, whose first line is the title; key and status come from the query of its address. Errors as above. */
enum tele_err tele_alert_read_text(const char *body, size_t n, const char *query, struct tele_buf *report, const char **why) TELE_MUST;

/* Where alerts are posted to with this token: beside the webhook; the path alone where the webhook's address is not known (NULL). */
void tele_alert_url(const char *webhook_url, const char *token, struct tele_buf *url);

#endif
