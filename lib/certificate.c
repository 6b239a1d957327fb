#include "lib/certificate.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static X509 *read_pem(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return x;
}

X509 *tele_certificate_served(CURL *easy)
{
	struct curl_certinfo *chain = NULL;

	/* The server's own comes first in the list. */
	if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) || !chain || chain->num_of_certs < 1)
		return NULL;
	for (struct curl_slist *line = chain->certinfo[0]; line; line = line->next)
		if (!strncmp(line->data, "Cert:", 5))
			return read_pem(line->data + 5);
	return NULL;
}

X509 *tele_certificate_read(const char *path, struct tele_buf *why)
{
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (!f)
		tele_buf_printf(why, "%s: %s; give the file of the certificate with its chain, in PEM", path, strerror(errno));
	else if (!x)
		tele_buf_printf(why, "%s holds no certificate in PEM; give the file with -----BEGIN CERTIFICATE-----", path);
	if (f)
		fclose(f);
	return x;
}

long long tele_certificate_end(const X509 *x)
{
	struct tm t;

	return ASN1_TIME_to_tm(X509_get0_notAfter(x), &t) ? (long long)timegm(&t) : 0;
}
