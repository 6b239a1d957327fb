#include "cgi/manager/metrics.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/secret.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum column { NAME, SUFFIX, HELP, TYPE, LABELS, VALUE };

static bool is_loopback(const char *address)
{
	struct in_addr four;
	struct in6_addr six;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, address, &six) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

/* With a proxy on this machine before nginx all the world would come from loopback; such a one says that it is there. */
static bool came_through_proxy(FCGX_Request *r)
{
	return *serve_param(r, "HTTP_X_FORWARDED_FOR") || *serve_param(r, "HTTP_FORWARDED");
}

bool metrics_allowed(const struct tele_conf *conf, FCGX_Request *r)
{
	static const char scheme[] = "Bearer ";
	const char *given = serve_param(r, "HTTP_AUTHORIZATION");

	if (conf->metrics_token && !strncasecmp(given, scheme, sizeof scheme - 1) && tele_secret_fits(conf->metrics_token, given + sizeof scheme - 1))
		return true;
	return is_loopback(serve_param(r, "REMOTE_ADDR")) && !came_through_proxy(r);
}

static void write_help(struct tele_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '\n')
			tele_buf_str(out, *text == '\n' ? "\\n" : "\\\\");
		else
			tele_buf_char(out, *text);
	}
}

static void write_head(struct tele_buf *out, const PGresult *res, int row)
{
	const char *name = PQgetvalue(res, row, NAME);

	tele_buf_printf(out, "# HELP %s ", name);
	write_help(out, PQgetvalue(res, row, HELP));
	tele_buf_printf(out, "\n# TYPE %s %s\n", name, PQgetvalue(res, row, TYPE));
}

static void write_sample(struct tele_buf *out, const PGresult *res, int row)
{
	const char *labels = PQgetvalue(res, row, LABELS);

	tele_buf_printf(out, "%s%s", PQgetvalue(res, row, NAME), PQgetvalue(res, row, SUFFIX));
	if (*labels)
		tele_buf_printf(out, "{%s}", labels);
	tele_buf_printf(out, " %s\n", PQgetvalue(res, row, VALUE));
}

static void say(struct visit *v, const char *status, const char *text)
{
	v->status = status;
	tele_buf_reset(&v->body);
	tele_buf_str(&v->body, text);
}

void metrics_answer(struct visit *v, const PGresult *res)
{
	const char *last = "";

	v->type = "text/plain; version=0.0.4; charset=utf-8";
	v->status = "200 OK";
	page_header(v, "Cache-Control: no-store");
	for (int i = 0; res && i < PQntuples(res); i++) {
		const char *name = PQgetvalue(res, i, NAME);

		if (strcmp(name, last))
			write_head(&v->body, res, i);
		last = name;
		/* One that has no sample yet is only explained. */
		if (!PQgetisnull(res, i, VALUE))
			write_sample(&v->body, res, i);
	}
	if (!res || v->body.failed)
		say(v, "503 Service Unavailable", "the database is away\n");
}

void metrics_refuse(struct visit *v)
{
	tele_log(TELE_WARN, "refused", tele_str("path", "/metrics"), tele_str("from", v->in.address),
	    tele_str("todo", "ask from loopback, or with the token of setting metrics_token"));
	v->type = "text/plain";
	page_header(v, "Cache-Control: no-store");
	say(v, "403 Forbidden", "only from loopback, or with a bearer token\n");
}
