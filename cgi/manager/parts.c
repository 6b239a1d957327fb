#include "cgi/manager/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY = 70 }; /* RFC 2046, 5.1.1 */

/* "--" and the boundary, which stands between parts. */
static bool find_delimiter(const char *type, char *out, size_t size)
{
	static const char form[] = "multipart/form-data";
	const char *at = strncasecmp(type, form, sizeof form - 1) ? NULL : strcasestr(type, "boundary=");
	size_t n;

	if (!at)
		return false;
	at += strlen("boundary=");
	at += *at == '"';
	n = strcspn(at, "\"; ");
	if (!n || n > BOUNDARY)
		return false;
	snprintf(out, size, "--%.*s", (int)n, at);
	return true;
}

/* The name within the head of a part, closed with NUL there. NULL: it has none. */
static char *find_name(char *head)
{
	char *line = strcasestr(head, "content-disposition: form-data"), *name, *end;

	if (!line)
		return NULL;
	line[strcspn(line, "\r")] = '\0';
	/* Not that of filename= */
	name = strstr(line, "; name=\"");
	if (!name)
		return NULL;
	name += strlen("; name=\"");
	end = strchr(name, '"');
	if (!end)
		return NULL;
	*end = '\0';
	return name;
}

/* The part that begins at *at, behind its delimiter; afterwards at is behind the next one. */
static enum tele_err take_part(struct request_pairs *p, char **at, char *end, const char *delimiter)
{
	char between[BOUNDARY + 8], *body, *stop, *name;

	if (strncmp(*at, "\r\n", 2))
		return TELE_INVALID;
	snprintf(between, sizeof between, "\r\n%s", delimiter);
	body = memmem(*at, (size_t)(end - *at), "\r\n\r\n", 4);
	stop = body ? memmem(body + 2, (size_t)(end - body - 2), between, strlen(between)) : NULL;
	if (!stop)
		return TELE_INVALID;
	*body = '\0';
	name = find_name(*at);
	/* An empty one's end is that of its head. */
	body = stop < body + 4 ? stop : body + 4;
	*stop = '\0';
	if (!name || !request_is_text(name, strlen(name)) || !request_is_text(body, (size_t)(stop - body)))
		return TELE_INVALID;
	*at = stop + strlen(between);
	return request_add(p, name, body);
}

enum tele_err parts_parse(struct request_pairs *p, const char *type, const char *body, size_t n)
{
	char delimiter[BOUNDARY + 4], *at, *end;
	enum tele_err rc = TELE_OK;

	memset(p, 0, sizeof *p);
	if (!find_delimiter(type, delimiter, sizeof delimiter))
		return TELE_DENIED;
	p->text = malloc(n + 1);
	if (!p->text)
		return TELE_NOMEM;
	memcpy(p->text, body, n);
	p->text[n] = '\0';
	at = p->text;
	end = at + n;
	if (strncmp(at, delimiter, strlen(delimiter)))
		return TELE_INVALID;
	at += strlen(delimiter);
	while (rc == TELE_OK && strncmp(at, "--", 2))
		rc = take_part(p, &at, end, delimiter);
	return rc;
}
