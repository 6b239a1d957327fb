#include "lib/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS_MOST = 32, FILE_MOST = 8192, STEP = 64, VARIANT = sodium_base64_VARIANT_ORIGINAL };

struct pair {
	unsigned char public[crypto_box_PUBLICKEYBYTES], secret[crypto_box_SECRETKEYBYTES];
};

struct tele_seal_ring {
	size_t n;
	struct pair pairs[KEYS_MOST];
};

_Static_assert(TELE_SEAL_BYTES == crypto_box_PUBLICKEYBYTES && TELE_SEAL_BYTES == crypto_box_SECRETKEYBYTES, "keys have 32 bytes");
_Static_assert(TELE_SEAL_TEXT == sodium_base64_ENCODED_LEN(TELE_SEAL_BYTES, VARIANT), "base64 of a key");

static bool read_key(const char *text, size_t n, unsigned char *key)
{
	const char *end = NULL;
	size_t size = 0;

	return !sodium_base642bin(key, TELE_SEAL_BYTES, text, n, NULL, &size, &end, VARIANT) && size == TELE_SEAL_BYTES && end == text + n;
}

enum tele_err tele_seal_key_read(const char *text, struct tele_seal_key *key)
{
	if (sodium_init() < 0)
		return TELE_SYSTEM;
	return read_key(text, strlen(text), key->bytes) ? TELE_OK : TELE_INVALID;
}

static void add_base64(struct tele_buf *out, const unsigned char *bytes, size_t n)
{
	size_t size = sodium_base64_ENCODED_LEN(n, VARIANT);
	char *text = malloc(size);

	if (text)
		tele_buf_str(out, sodium_bin2base64(text, size, bytes, n, VARIANT));
	else
		out->failed = true;
	free(text);
}

/* What goes into the box: command, parameter and value, a NUL after each, padded. */
static unsigned char *pack(const char *command, const char *parameter, const char *value, size_t *size)
{
	size_t c = strlen(command) + 1, p = strlen(parameter) + 1, v = strlen(value) + 1;
	unsigned char *plain = sodium_malloc(c + p + v + STEP);

	if (!plain)
		return NULL;
	memcpy(plain, command, c);
	memcpy(plain + c, parameter, p);
	memcpy(plain + c + p, value, v);
	if (!sodium_pad(size, plain, c + p + v, STEP, c + p + v + STEP))
		return plain;
	sodium_free(plain);
	return NULL;
}

enum tele_err tele_seal(const struct tele_seal_key *key, const char *command, const char *parameter, const char *value, struct tele_buf *out)
{
	size_t size = 0;
	unsigned char *plain = pack(command, parameter, value, &size);
	unsigned char *box = plain ? malloc(size + crypto_box_SEALBYTES) : NULL;

	if (box && !crypto_box_seal(box, plain, size, key->bytes))
		add_base64(out, box, size + crypto_box_SEALBYTES);
	else
		out->failed = true;
	free(box);
	sodium_free(plain);
	return out->failed ? TELE_NOMEM : TELE_OK;
}

static enum tele_err refuse(struct tele_buf *why, enum tele_err rc, const char *path, const char *what)
{
	tele_buf_printf(why, "%s: %s", path, what);
	return rc;
}

/* The whole file into text, which has room for size bytes. */
static enum tele_err slurp(const char *path, char *text, size_t size, struct tele_buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n = -1;
	enum tele_err rc = TELE_OK;

	if (fd < 0 || fstat(fd, &st))
		rc = refuse(why, TELE_SYSTEM, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = refuse(why, TELE_INVALID, path, "is no file");
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		rc = refuse(why, TELE_DENIED, path, "can be opened by others than its owner; chmod 600 it");
	else if ((n = read(fd, text, size)) < 0)
		rc = refuse(why, TELE_SYSTEM, path, strerror(errno));
	else if ((size_t)n == size)
		rc = refuse(why, TELE_INVALID, path, "is too large for a file of keys");
	else
		text[n] = '\0';
	if (fd >= 0)
		close(fd);
	return rc;
}

static enum tele_err read_ring(struct tele_seal_ring *ring, const char *text, const char *path, struct tele_buf *why)
{
	for (int line = 1; *text; line++, text += *text == '\n') {
		size_t n = strcspn(text, "\r\n");
		struct pair *pair = &ring->pairs[ring->n];

		if (n && *text != '#') {
			if (ring->n == KEYS_MOST)
				return refuse(why, TELE_INVALID, path, "holds too many keys");
			if (!read_key(text, n, pair->secret) || crypto_scalarmult_base(pair->public, pair->secret)) {
				tele_buf_printf(why, "%s:%d: is no secret key of teleops secret keygen", path, line);
				return TELE_INVALID;
			}
			ring->n++;
		}
		text += strcspn(text, "\n");
	}
	return ring->n ? TELE_OK : refuse(why, TELE_INVALID, path, "holds no key; make one with teleops secret keygen");
}

enum tele_err tele_seal_ring_load(const char *path, struct tele_seal_ring **out, struct tele_buf *why)
{
	struct tele_seal_ring *ring = sodium_init() < 0 ? NULL : sodium_malloc(sizeof *ring);
	char *text = ring ? sodium_malloc(FILE_MOST) : NULL;
	enum tele_err rc = TELE_NOMEM;

	if (text) {
		ring->n = 0;
		rc = slurp(path, text, FILE_MOST, why);
		if (rc == TELE_OK)
			rc = read_ring(ring, text, path, why);
	}
	sodium_free(text);
	if (rc == TELE_OK)
		*out = ring;
	else
		sodium_free(ring);
	return rc;
}

void tele_seal_ring_free(struct tele_seal_ring *ring)
{
	sodium_free(ring);
}

/* The value within what was packed for this command and parameter, moved to its front. */
static bool unpack(unsigned char *plain, size_t size, const char *command, const char *parameter)
{
	size_t c = strlen(command) + 1, p = strlen(parameter) + 1;

	if (sodium_unpad(&size, plain, size, STEP) || size <= c + p || plain[size - 1])
		return false;
	if (memcmp(plain, command, c) || memcmp(plain + c, parameter, p))
		return false;
	memmove(plain, plain + c + p, size - c - p);
	return strlen((char *)plain) == size - c - p - 1;
}

static bool open_box(const struct tele_seal_ring *ring, unsigned char *plain, const unsigned char *box, size_t size)
{
	for (size_t i = 0; i < ring->n; i++)
		if (!crypto_box_seal_open(plain, box, size, ring->pairs[i].public, ring->pairs[i].secret))
			return true;
	return false;
}

enum tele_err tele_seal_open(const struct tele_seal_ring *ring, const char *command, const char *parameter, const char *sealed, char **value)
{
	size_t text = strlen(sealed), size = 0;
	unsigned char *box = malloc(text + 1), *plain = NULL;
	enum tele_err rc = TELE_INVALID;

	if (!box)
		return TELE_NOMEM;
	if (!sodium_base642bin(box, text, sealed, text, NULL, &size, NULL, VARIANT) && size > crypto_box_SEALBYTES) {
		plain = sodium_malloc(size);
		rc = plain ? TELE_NOTFOUND : TELE_NOMEM;
	}
	if (plain && open_box(ring, plain, box, size))
		rc = unpack(plain, size - crypto_box_SEALBYTES, command, parameter) ? TELE_OK : TELE_INVALID;
	free(box);
	if (rc == TELE_OK)
		*value = (char *)plain;
	else
		sodium_free(plain);
	return rc;
}

enum tele_err tele_seal_keygen(char secret[TELE_SEAL_TEXT], char public[TELE_SEAL_TEXT])
{
	struct pair pair;

	if (sodium_init() < 0 || crypto_box_keypair(pair.public, pair.secret))
		return TELE_SYSTEM;
	sodium_bin2base64(secret, TELE_SEAL_TEXT, pair.secret, sizeof pair.secret, VARIANT);
	sodium_bin2base64(public, TELE_SEAL_TEXT, pair.public, sizeof pair.public, VARIANT);
	sodium_memzero(&pair, sizeof pair);
	return TELE_OK;
}
