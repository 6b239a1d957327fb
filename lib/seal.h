#ifndef TELE_SEAL_H
#define TELE_SEAL_H

#include "lib/buf.h"

/*
 * Secret arguments, sealed with libsodium's sealed boxes (crypto_box_seal): TeleBot has the public key and can only seal, engines
 * have the secret keys. What is sealed for one parameter of one command opens for no other, and its length shows in steps of 64
 * bytes. Keys and sealed values are base64 (RFC 4648, padded) where they are text.
 */
enum { TELE_SEAL_BYTES = 32 };

struct tele_seal_key {
	unsigned char bytes[TELE_SEAL_BYTES];
};

/* A public key as text. TELE_INVALID: it is none. TELE_SYSTEM: libsodium does not start. */
enum tele_err tele_seal_key_read(const char *text, struct tele_seal_key *key) TELE_MUST;
/* Adds the sealed value to out. TELE_NOMEM. */
enum tele_err tele_seal(const struct tele_seal_key *key, const char *command, const char *parameter, const char *value,
    struct tele_buf *out) TELE_MUST;

/*
 * The secret keys of an engine, newest first, in memory that is neither swapped nor dumped. Their file: a key a line, as
 * tele_seal_keygen makes them; empty lines and those that begin with # are left out.
 */
struct tele_seal_ring;

/* TELE_INVALID, TELE_DENIED (others than its owner may open the file), TELE_SYSTEM: why says what and where. TELE_NOMEM. */
enum tele_err tele_seal_ring_load(const char *path, struct tele_seal_ring **out, struct tele_buf *why) TELE_MUST;
void tele_seal_ring_free(struct tele_seal_ring *ring);
/*
 * Opens a value. *value: for sodium_free, which wipes it. TELE_NOTFOUND: no key of the ring fits. TELE_INVALID: it is damaged, or
 * was sealed for another command or parameter. TELE_NOMEM.
 */
enum tele_err tele_seal_open(const struct tele_seal_ring *ring, const char *command, const char *parameter, const char *sealed,
    char **value) TELE_MUST;

/* A new pair: line for the file of secret keys, without line end (the caller wipes it), and the public key. TELE_SYSTEM. */
enum { TELE_SEAL_TEXT = 45 }; /* base64 of a key, and NUL */
enum tele_err tele_seal_keygen(char secret[TELE_SEAL_TEXT], char public[TELE_SEAL_TEXT]) TELE_MUST;

#endif
