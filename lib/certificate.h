#ifndef TELE_CERTIFICATE_H
#define TELE_CERTIFICATE_H

#include "lib/buf.h"

#include <curl/curl.h>
#include <openssl/x509.h>

/* The certificate that was served to a handle with CURLOPT_CERTINFO, the caller's to free; NULL: this libcurl does not tell. */
X509 *tele_certificate_served(CURL *easy);
/* The first certificate of a file, the caller's to free; NULL: why says why not. */
X509 *tele_certificate_read(const char *path, struct tele_buf *why);
/* When it expires, seconds since 1970; 0: that cannot be read. */
long long tele_certificate_end(const X509 *x);

#endif
