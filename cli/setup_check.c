/* Whether an answer can be used: what is wrong with it, and what to do. */
#include "cli/bot.h"
#include "cli/pg.h"
#include "cli/setup.h"
#include "lib/password.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SERVER_LEAST = 150000, LOGIN_MOST = 64 };

static const char *const telegram_ports[] = {"443", "80", "88", "8443"};

/* The settings as they will be, for who speaks to Telegram. Its strings stay setup's. */
static struct tele_conf bot_conf(struct setup *s)
{
	struct tele_conf conf = *s->call->conf;

	conf.api_base = s->answer[ANSWER_API];
	conf.bot_token = s->token;
	return conf;
}

static bool is_telegram(struct setup *s)
{
	struct tele_conf conf = bot_conf(s);

	return bot_is_telegram(&conf);
}

bool setup_check_api(struct setup *s, const char *value, struct tele_buf *why)
{
	(void)s;
	if ((!strncmp(value, "https://", 8) && value[8]) || (!strncmp(value, "http://", 7) && value[7]))
		return true;
	tele_buf_printf(why, "%s is no address; leave it out for Telegram's own, or give https://HOST of a Bot API server", value);
	return false;
}

/* Asks Telegram who the token's bot is. */
static bool ask_name(struct setup *s, struct tele_buf *why)
{
	struct tele_conf conf = bot_conf(s);
	struct tele_telegram *t = bot_check_token(&conf, why) == TELE_OK ? bot_open(&conf) : NULL;
	struct json_object *name = NULL;
	struct tele_answer a;
	bool good = false;

	if (t && !(good = bot_ask(t, "getMe", NULL, &a)))
		bot_explain(&conf, &a, why);
	if (good && json_object_object_get_ex(a.result, "username", &name))
		snprintf(s->bot, sizeof s->bot, "%s", json_object_get_string(name));
	if (t)
		tele_telegram_free(t);
	return good;
}

static bool read_token(struct setup *s, const char *path, struct tele_buf *why)
{
	char *text = setup_read(path);

	if (!text) {
		tele_buf_printf(why, "%s: %s; give a file that holds BotFather's token and nothing else", path, strerror(errno));
		return false;
	}
	snprintf(s->token, sizeof s->token, "%.*s", (int)strcspn(text, " \t\r\n"), text);
	explicit_bzero(text, strlen(text));
	free(text);
	return true;
}

/* A person types it; a file of answers, which others may read, only names its file. */
bool setup_check_token(struct setup *s, const char *value, struct tele_buf *why)
{
	if (*value == '/') {
		if (!read_token(s, value, why))
			return false;
	} else if (s->asking) {
		snprintf(s->token, sizeof s->token, "%s", value);
	} else {
		tele_buf_str(why, "write the token into a file that only root can read, and give that file's whole path here");
		return false;
	}
	return s->good[ANSWER_API] && ask_name(s, why);
}

static bool is_name(const char *host)
{
	size_t label = 0;

	if (!*host || strlen(host) > SETUP_HOST_MOST)
		return false;
	for (const char *p = host; *p; p++) {
		if (*p == '.' ? !label || p[-1] == '-' : !isalnum((unsigned char)*p) && (*p != '-' || !label))
			return false;
		label = *p == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label > 0;
}

static struct addrinfo *resolve(const char *host)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	return getaddrinfo(host, NULL, &hints, &list) ? NULL : list;
}

bool setup_check_host(struct setup *s, const char *value, struct tele_buf *why)
{
	(void)s;
	if (is_name(value))
		return true;
	tele_buf_printf(why, "%s is no host's name; give the bare name or IPv4 address by which browsers and Telegram reach this host, as ops.example.org",
	    *value ? value : "nothing");
	return false;
}

/* RFC 6890: what is not reached from elsewhere. Telegram comes by IPv4 alone (core.telegram.org/bots/webhooks). */
static bool is_public_address(const struct sockaddr *a)
{
	static const struct {
		in_addr_t net, mask;
	} private[] = {
	    {0x00000000, 0xff000000}, {0x0a000000, 0xff000000}, {0x64400000, 0xffc00000}, {0x7f000000, 0xff000000},
	    {0xa9fe0000, 0xffff0000}, {0xac100000, 0xfff00000}, {0xc0000200, 0xffffff00}, {0xc0a80000, 0xffff0000},
	    {0xc6336400, 0xffffff00}, {0xcb007100, 0xffffff00}, {0xe0000000, 0xe0000000},
	};
	in_addr_t at;

	if (a->sa_family != AF_INET)
		return false;
	at = ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr);
	for (size_t i = 0; i < sizeof private / sizeof *private; i++)
		if ((at & private[i].mask) == private[i].net)
			return false;
	return true;
}

bool setup_is_public(const char *host)
{
	struct addrinfo *list = resolve(host);
	bool public = false;

	for (struct addrinfo *a = list; a; a = a->ai_next)
		public = public || is_public_address(a->ai_addr);
	if (list)
		freeaddrinfo(list);
	return public;
}

static bool is_known(const char *host)
{
	struct addrinfo *list = resolve(host);

	if (list)
		freeaddrinfo(list);
	return list != NULL;
}

bool setup_check_updates(struct setup *s, const char *value, struct tele_buf *why)
{
	const char *host = s->answer[ANSWER_HOST];

	if (!strcmp(value, SETUP_POLLING))
		return true;
	if (strcmp(value, SETUP_WEBHOOK)) {
		tele_buf_printf(why, "%s is neither webhook nor polling; webhook: Telegram comes to this host; polling: this host asks Telegram", value);
		return false;
	}
	if (!s->good[ANSWER_HOST])
		return true;
	if (!is_known(host))
		tele_buf_printf(why, "the name service does not know %s; correct host, enter the name there first, or choose polling", host);
	else if (is_telegram(s) && !setup_is_public(host))
		tele_buf_printf(why, "%s has no public IPv4 address, so Telegram cannot come to it; choose polling", host);
	else
		return true;
	return false;
}

/* 0: it is no port. */
static long port_of(const char *value)
{
	char *end;
	long port = strtol(value, &end, 10);

	return *value && !*end && port >= 1 && port <= 65535 ? port : 0;
}

/* A port that nginx has already may be ours from a former run, or shared with its other sites. */
static bool is_free(const char *value, struct tele_buf *why)
{
	long port = port_of(value);
	char name[64] = "";

	if (!port)
		tele_buf_printf(why, "%s is no port; give a number from 1 to 65535", *value ? value : "nothing");
	else if (setup_port_holder(port, name, sizeof name) && strcmp(name, "nginx"))
		tele_buf_printf(why, "port %ld is taken by %s; stop that, or give another port", port, name);
	else
		return true;
	return false;
}

bool setup_check_webhook_port(struct setup *s, const char *value, struct tele_buf *why)
{
	if (!is_free(value, why))
		return false;
	if (setup_polls(s) || !is_telegram(s))
		return true;
	for (size_t i = 0; i < sizeof telegram_ports / sizeof *telegram_ports; i++)
		if (!strcmp(telegram_ports[i], value))
			return true;
	tele_buf_printf(why, "Telegram connects to ports 443, 80, 88 and 8443, not to %s; give one of these", value);
	return false;
}

bool setup_check_admin_port(struct setup *s, const char *value, struct tele_buf *why)
{
	if (!is_free(value, why))
		return false;
	if (port_of(value) != port_of(s->answer[ANSWER_WEBHOOK_PORT]))
		return true;
	tele_buf_printf(why, "%s is the webhook's port already; give another", value);
	return false;
}

bool setup_check_socket(struct setup *s, const char *value, struct tele_buf *why)
{
	(void)s;
	if (*value == '/' && !value[strspn(value, "/._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return true;
	tele_buf_printf(why, "%s is no directory of a socket; give that of PostgreSQL on this host, as /run/postgresql; for one on another host docs/install.md "
			     "says what to do by hand", *value ? value : "nothing");
	return false;
}

static bool is_fit(PGconn *conn, struct tele_buf *why)
{
	int version = PQserverVersion(conn);
	PGresult *res = version < SERVER_LEAST ? NULL :
		pg_query(conn, "SELECT rolsuper, pg_is_in_recovery() FROM pg_roles WHERE rolname = current_user", 0, NULL, why);
	bool good = false;

	if (version < SERVER_LEAST)
		tele_buf_printf(why, "PostgreSQL here is %d; 15 or newer is needed", version / 10000);
	else if (res && *PQgetvalue(res, 0, 0) != 't')
		tele_buf_str(why, "the role postgres is no superuser here, so it cannot make roles; docs/install.md says what to do by hand");
	else if (res && *PQgetvalue(res, 0, 1) == 't')
		tele_buf_str(why, "PostgreSQL here is a replica; run this on the host of the primary, or give its port");
	else
		good = res != NULL;
	PQclear(res);
	return good;
}

bool setup_check_db_port(struct setup *s, const char *value, struct tele_buf *why)
{
	PGconn *conn;
	bool good;

	if (!port_of(value)) {
		tele_buf_printf(why, "%s is no port; PostgreSQL's own is 5432, and pg_lsclusters shows others", *value ? value : "nothing");
		return false;
	}
	if (!s->good[ANSWER_SOCKET])
		return true;
	conn = setup_connect(s, "postgres", "postgres", "postgres", why);
	if (!conn)
		tele_buf_str(why, "; install or start PostgreSQL (apt-get install postgresql, systemctl start postgresql), or correct database_socket and database_port");
	good = conn && is_fit(conn, why);
	PQfinish(conn);
	return good;
}

bool setup_check_login(struct setup *s, const char *value, struct tele_buf *why)
{
	(void)s;
	if (*value && strlen(value) <= LOGIN_MOST && !value[strspn(value, "-._@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return true;
	tele_buf_printf(why, "%s is no login; use letters, digits and . _ - @, %d at most", *value ? value : "nothing", LOGIN_MOST);
	return false;
}

bool setup_check_password(struct setup *s, const char *value, struct tele_buf *why)
{
	char *text;
	size_t n;

	(void)s;
	if (!*value)
		return true;
	text = *value == '/' ? setup_read(value) : NULL;
	n = text ? strcspn(text, "\r\n") : 0;
	if (*value != '/')
		tele_buf_str(why, "write the password into a file that only root can read, and give that file's whole path here, or leave it out");
	else if (!text)
		tele_buf_printf(why, "%s: %s; leave it out, and a password is made", value, strerror(errno));
	else if (n < TELE_PASSWORD_LEAST || n > TELE_PASSWORD_MOST)
		tele_buf_printf(why, "%s: a password has %d to %d characters", value, TELE_PASSWORD_LEAST, TELE_PASSWORD_MOST);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return !why->len;
}

/* Whether the database takes it is seen when it is applied, which is whole or not at all. */
bool setup_check_people(struct setup *s, const char *value, struct tele_buf *why)
{
	struct json_object *o = NULL;

	(void)s;
	if (!*value)
		return true;
	if (*value != '/')
		tele_buf_printf(why, "%s is no whole path; give one that begins with /", value);
	else if (access(value, R_OK))
		tele_buf_printf(why, "%s: %s; leave it out, or give a file for teleops apply", value, strerror(errno));
	else if (!(o = json_object_from_file(value)))
		tele_buf_printf(why, "%s is no JSON; docs/apply.md says what it is to hold", value);
	json_object_put(o);
	return !why->len;
}
