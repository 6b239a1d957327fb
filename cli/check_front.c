/* What stands between Telegram, browsers and the programs: sockets, ports, the certificate. */
#include "cli/check.h"

#include "lib/certificate.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PORT_S = 5, CERTIFICATE_DAYS = 14 };

static void check_socket(struct finding *f, const char *path, const char *todo)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= sizeof a.sun_path)
		check_fail(f, "name a shorter one", "%s is too long for a socket", path);
	else if (!connect(fd, (struct sockaddr *)&a, sizeof a))
		check_ok(f, "%s accepts", path);
	else if (errno == EACCES)
		check_warn(f, "run teleops doctor as root", "%s may not be tried by this user", path);
	else if (errno == EAGAIN)
		check_fail(f, "it hangs, or more connect than its setting acceptors allows; see its log",
		    "%s: all its places are taken", path);
	else
		check_fail(f, todo, "%s: %s", path, errno == ECONNREFUSED ? "nobody listens" : strerror(errno));
	if (fd >= 0)
		close(fd);
}

void check_telebot(struct doctor *d, struct finding *f)
{
	if (d->polling)
		check_ok(f, "not needed, updates come to teleops poll");
	else
		check_socket(f, d->conf->bot_socket, "start telebot.fcgi with spawn-fcgi -s, or correct bot_socket");
}

void check_telemanager(struct doctor *d, struct finding *f)
{
	check_socket(f, d->conf->manager_socket, "start telemanager.fcgi with spawn-fcgi -s, or correct manager_socket");
}

static size_t discard(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

/* After a renewal nginx serves the former one until it is told. */
static void compare_certificate(struct doctor *d, struct finding *f, CURL *easy)
{
	struct tele_buf why = {0};
	X509 *ours = d->conf->certificate ? tele_certificate_read(d->conf->certificate, &why) : NULL;
	X509 *served = ours ? tele_certificate_served(easy) : NULL;

	if (ours && served && X509_cmp(ours, served))
		check_warn(f, "reload nginx, or correct the setting", "nginx serves another certificate than %s", d->conf->certificate);
	X509_free(ours);
	X509_free(served);
	tele_buf_release(&why);
}

/* Whether it speaks TLS here; whose certificate it has is looked at elsewhere. */
static void check_port(struct doctor *d, struct finding *f, long port, const char *path, const char *todo)
{
	char url[80];
	CURL *easy = port ? curl_easy_init() : NULL;
	CURLcode code;

	if (!easy)
		return;
	snprintf(url, sizeof url, "https://127.0.0.1:%ld%s", port, path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)PORT_S);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	code = curl_easy_perform(easy);
	if (code == CURLE_OK) {
		compare_certificate(d, f, easy);
		check_ok(f, "%ld answers with TLS", port);
	} else {
		check_fail(f, todo, "127.0.0.1:%ld: %s", port, curl_easy_strerror(code));
	}
	curl_easy_cleanup(easy);
}

void check_webhook_port(struct doctor *d, struct finding *f)
{
	/* Not /webhook: TeleBot would note a refused call. */
	check_port(d, f, d->conf->webhook_port, "/", "see nginx: nginx -t, and listen in its site file");
}

void check_admin_port(struct doctor *d, struct finding *f)
{
	check_port(d, f, d->conf->admin_port, "/healthz", "see nginx: nginx -t, and listen in its site file");
}

static const char renew[] = "renew it, reload nginx; a self-signed one goes to Telegram again with teleops webhook set --certificate";

static void judge_dates(struct finding *f, const char *path, const X509 *x)
{
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		check_fail(f, "wait, or set this host's clock", "%s is not valid yet", path);
	else if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)))
		check_fail(f, "make another", "%s has no end that can be read", path);
	else if (days < 0 || seconds < 0)
		check_fail(f, renew, "%s expired %d days ago", path, -days);
	else if (days < CERTIFICATE_DAYS)
		check_warn(f, renew, "%s expires in %d days", path, days);
	else
		check_ok(f, "%s is good for %d days", path, days);
}

void check_certificate(struct doctor *d, struct finding *f)
{
	const char *path = d->conf->certificate;
	struct tele_buf why = {0};
	X509 *x = path ? tele_certificate_read(path, &why) : NULL;

	if (x)
		judge_dates(f, path, x);
	else if (path)
		check_fail(f, "correct setting certificate, or make the file readable", "%s", tele_buf_text(&why));
	X509_free(x);
	tele_buf_release(&why);
}
