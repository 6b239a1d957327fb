/* The certificate that nginx serves: one that is there, whose key and name must fit, or one made here. */
#include "cli/setup.h"
#include "cli/spawn.h"

#include "lib/certificate.h"

#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATE SETUP_ETC "/cert.pem"
#define KEY SETUP_ETC "/key.pem"

/* A subject's name has no more (RFC 5280, ub-common-name). */
enum { NAME_MOST = 64 };

/* nginx could not ask for it either. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *read_key(const char *path, struct tele_buf *why)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, no_passphrase, NULL) : NULL;

	if (!f)
		tele_buf_printf(why, "%s: %s; give the file of the certificate's private key", path, strerror(errno));
	else if (!key)
		tele_buf_printf(why, "%s holds no private key in PEM without a passphrase; give the one of the certificate", path);
	if (f)
		fclose(f);
	return key;
}

static bool names(X509 *x, const char *host)
{
	return X509_check_host(x, host, 0, 0, NULL) == 1 || X509_check_ip_asc(x, host, 0) == 1;
}

static bool judge_certificate(X509 *x, const char *path, const char *host, struct tele_buf *why)
{
	int days = 0, seconds = 0;

	if (!names(x, host))
		tele_buf_printf(why, "%s is not for %s; get one with that name, or correct host", path, host);
	else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		tele_buf_printf(why, "%s is not valid yet; look at this host's clock", path);
	else if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) || days < 0 || seconds < 0)
		tele_buf_printf(why, "%s has expired; renew it first", path);
	else
		return true;
	return false;
}

/* One that signed itself: Telegram believes it only when it is given it. */
static bool judge_pair(struct setup *s, const char *certificate, const char *key_path, struct tele_buf *why)
{
	X509 *x = tele_certificate_read(certificate, why);
	EVP_PKEY *key = x ? read_key(key_path, why) : NULL;
	bool good = key && X509_check_private_key(x, key) == 1;

	if (key && !good)
		tele_buf_printf(why, "%s is not the key of %s; give the two that were made together", key_path, certificate);
	good = good && judge_certificate(x, certificate, s->answer[ANSWER_HOST], why);
	if (good)
		s->tell_certificate = X509_check_issued(x, x) == X509_V_OK;
	EVP_PKEY_free(key);
	X509_free(x);
	return good;
}

static void take(struct setup *s, const char *certificate, const char *key)
{
	free(s->certificate);
	free(s->key);
	s->certificate = strdup(certificate);
	s->key = strdup(key);
}

static bool check_certbot(struct setup *s, struct tele_buf *why)
{
	char certificate[PATH_MAX], key[PATH_MAX];

	snprintf(certificate, sizeof certificate, "/etc/letsencrypt/live/%s/fullchain.pem", s->answer[ANSWER_HOST]);
	snprintf(key, sizeof key, "/etc/letsencrypt/live/%s/privkey.pem", s->answer[ANSWER_HOST]);
	if (access(certificate, R_OK)) {
		tele_buf_printf(why, "%s: %s; run certbot certonly -d %s first, or choose self-signed", certificate, strerror(errno), s->answer[ANSWER_HOST]);
		return false;
	}
	take(s, certificate, key);
	return judge_pair(s, certificate, key, why);
}

bool setup_check_certificate(struct setup *s, const char *value, struct tele_buf *why)
{
	if (!s->good[ANSWER_HOST])
		return true;
	if (!strcmp(value, SETUP_SELF_SIGNED)) {
		s->tell_certificate = true;
		if (strlen(s->answer[ANSWER_HOST]) > NAME_MOST)
			tele_buf_printf(why, "%s is too long for one made here; get one of an authority", s->answer[ANSWER_HOST]);
		else if (!spawn_find("openssl"))
			tele_buf_str(why, "there is no openssl to make it with; apt-get install openssl");
		return !why->len;
	}
	if (!strcmp(value, SETUP_CERTBOT))
		return check_certbot(s, why);
	if (*value == '/')
		return true; /* together with its key */
	tele_buf_printf(why, "%s is neither self-signed, certbot nor a whole path; give one of these", *value ? value : "nothing");
	return false;
}

bool setup_check_key(struct setup *s, const char *value, struct tele_buf *why)
{
	if (*s->answer[ANSWER_CERTIFICATE] != '/' || !s->good[ANSWER_HOST])
		return true;
	if (*value != '/') {
		tele_buf_printf(why, "%s is no whole path; give the file of the certificate's private key", *value ? value : "nothing");
		return false;
	}
	take(s, s->answer[ANSWER_CERTIFICATE], value);
	return judge_pair(s, s->certificate, s->key, why);
}

/* Whether the one that is here already still does: a link is to another's. */
static bool still_good(struct setup *s, const char *certificate, const char *key_path)
{
	struct tele_buf ignored = {0};
	char target[2];
	int days = 0, seconds = 0;
	X509 *x = NULL;
	bool good = readlink(certificate, target, sizeof target) < 0 && judge_pair(s, certificate, key_path, &ignored);

	if (!good)
		s->tell_certificate = true;
	x = good ? tele_certificate_read(certificate, &ignored) : NULL;
	good = x && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) && days >= SETUP_SOON_DAYS;
	X509_free(x);
	tele_buf_release(&ignored);
	return good;
}

/* What was there may be somebody's only copy. */
static void put_aside(const char *path)
{
	char former[PATH_MAX + 8];

	snprintf(former, sizeof former, "%s.former", path);
	rename(path, former);
}

static enum outcome make(struct setup *s, const char *certificate, const char *key, struct tele_buf *said)
{
	char subject[SETUP_HOST_MOST + 8], names[SETUP_HOST_MOST + 32];
	const char *host = s->answer[ANSWER_HOST];
	bool address = !host[strspn(host, "0123456789.")];
	const char *const argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "800", "-subj", subject,
	    "-addext", names, "-keyout", key, "-out", certificate, NULL};
	struct tele_buf out = {0};
	bool good;

	snprintf(subject, sizeof subject, "/CN=%s", host);
	snprintf(names, sizeof names, "subjectAltName=%s:%s", address ? "IP" : "DNS", host);
	put_aside(certificate);
	put_aside(key);
	s->tell_certificate = true;
	good = spawn_run(argv, NULL, &out);
	if (good)
		tele_buf_printf(said, "made %s for %s, good for 800 days", certificate, host);
	else
		tele_buf_printf(said, "openssl: %s", tele_buf_text(&out));
	tele_buf_release(&out);
	return good ? SETUP_DONE : SETUP_FAILED;
}

enum outcome setup_certificate(struct setup *s, struct tele_buf *said)
{
	char certificate[PATH_MAX], key[PATH_MAX];
	enum outcome all;

	setup_path(s, CERTIFICATE, certificate, sizeof certificate);
	setup_path(s, KEY, key, sizeof key);
	if (s->certificate)
		all = setup_worst(setup_link(s, CERTIFICATE, s->certificate, said), setup_link(s, KEY, s->key, said));
	else
		all = still_good(s, certificate, key) ? SETUP_SAME : make(s, certificate, key, said);
	if (all == SETUP_DONE) {
		s->reload_nginx = true;
		s->new_secret = true;
	}
	return all;
}
