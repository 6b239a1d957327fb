#include "engine/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static enum tele_err explain(enum tele_err rc, const char *name, struct tele_buf *why)
{
	if (rc == TELE_NOTFOUND)
		tele_buf_printf(why, "this engine has no key that opens %s", name);
	else if (rc == TELE_INVALID)
		tele_buf_printf(why, "what was sealed for %s is damaged, or was not sealed for it", name);
	else
		tele_buf_printf(why, "%s cannot be opened: no memory", name);
	return rc;
}

enum tele_err secrets_open(const struct tele_seal_ring *ring, const struct tele_task *t, struct secrets *s, struct tele_buf *why)
{
	size_t count = t->sealed ? (size_t)json_object_object_length(t->sealed) : 0;
	enum tele_err rc = TELE_OK;

	memset(s, 0, sizeof *s);
	if (!count)
		return TELE_OK;
	s->list = calloc(count, sizeof *s->list);
	if (!s->list)
		return explain(TELE_NOMEM, "a secret", why);
	json_object_object_foreach(t->sealed, name, sealed)
	{
		struct secret *one = &s->list[s->n];

		one->name = name;
		rc = ring ? tele_seal_open(ring, t->command, name, json_object_get_string(sealed), &one->value) : TELE_NOTFOUND;
		if (rc != TELE_OK)
			break;
		s->n++;
	}
	if (rc != TELE_OK) {
		explain(rc, s->list[s->n].name, why);
		secrets_wipe(s);
	}
	return rc;
}

enum tele_err secrets_add(const struct tele_seal_ring *ring, const char *owner, const char *name, const char *sealed, struct secrets *s,
    struct tele_buf *why)
{
	struct secret *more = realloc(s->list, (s->n + 1) * sizeof *more);
	enum tele_err rc;

	if (!more)
		return explain(TELE_NOMEM, name, why);
	s->list = more;
	more[s->n] = (struct secret){.name = name};
	rc = ring ? tele_seal_open(ring, owner, name, sealed, &more[s->n].value) : TELE_NOTFOUND;
	if (rc != TELE_OK)
		return explain(rc, owner, why);
	s->n++;
	return TELE_OK;
}

const char *secrets_value(const struct secrets *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->list[i].name, name))
			return s->list[i].value;
	return NULL;
}

void secrets_wipe(struct secrets *s)
{
	for (size_t i = 0; i < s->n; i++)
		sodium_free(s->list[i].value);
	free(s->list);
	memset(s, 0, sizeof *s);
}

/* A text as JSON writes it (RFC 8259); at most six bytes for one. */
static char *write_text(char *at, const char *text)
{
	*at++ = '"';
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			*at++ = '\\';
		if (c < 0x20)
			at += snprintf(at, 7, "\\u%04x", c);
		else
			*at++ = (char)c;
	}
	*at++ = '"';
	return at;
}

static char *write_all(const struct secrets *s, char *at)
{
	for (size_t i = 0; i < s->n; i++) {
		*at++ = i ? ',' : '{';
		at = write_text(at, s->list[i].name);
		*at++ = ':';
		at = write_text(at, s->list[i].value);
	}
	if (!s->n)
		*at++ = '{';
	*at++ = '}';
	return at;
}

static size_t room(const struct secrets *s)
{
	size_t n = 8;

	for (size_t i = 0; i < s->n; i++)
		n += 6 * (strlen(s->list[i].name) + strlen(s->list[i].value)) + 8;
	return n;
}

/* Reading from the beginning, and nothing but reading: the descriptor that wrote is gone, and the file is sealed. */
static enum tele_err make_file(const char *text, size_t n, int *fd)
{
	static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int file = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved;
	char path[64];

	if (file < 0)
		return TELE_SYSTEM;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	*fd = -1;
	if (write(file, text, n) == (ssize_t)n && !fcntl(file, F_ADD_SEALS, seals))
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	saved = errno;
	close(file);
	errno = saved;
	return *fd < 0 ? TELE_SYSTEM : TELE_OK;
}

enum tele_err secrets_file(const struct secrets *s, int *fd)
{
	char *text = sodium_malloc(room(s)), *end;
	enum tele_err rc;

	if (!text)
		return TELE_NOMEM;
	end = write_all(s, text);
	*end++ = '\n';
	rc = make_file(text, (size_t)(end - text), fd);
	sodium_free(text);
	return rc;
}

enum tele_err secrets_file_with(const char *head, const struct secrets *s, int *fd)
{
	static const char member[] = "{\"secrets\":";
	size_t n = strlen(head);
	char *text = sodium_malloc(room(s) + sizeof member + n), *end;
	enum tele_err rc;

	if (!text)
		return TELE_NOMEM;
	memcpy(text, member, sizeof member - 1);
	end = write_all(s, text + sizeof member - 1);
	*end++ = ',';
	memcpy(end, head + 1, n - 1);
	rc = make_file(text, (size_t)(end - text) + n - 1, fd);
	sodium_free(text);
	return rc;
}
