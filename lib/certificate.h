#ifndef TELE_CERTIFICATE_H
#define TELE_CERTIFICATE_H

#include <curl/curl.h>
#include <openssl/x509.h>

/* The certificate that was served to a handle with CURLOPT_CERTINFO, the caller's to free; NULL: this libcurl does not tell. */
X509 *tele_certificate_served(CURL *easy);
/* When it expires, seconds since 1970; 0: that cannot be read. */
long long tele_certificate_end(const X509 *x);

#endif
