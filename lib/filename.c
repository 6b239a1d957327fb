#include "lib/filename.h"

#include "lib/text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { ENDING_MOST = 16 };

/* Letters of any language; of others those that no program takes for anything else. */
static bool is_plain(uint32_t c)
{
	/* Marks that turn the direction of writing, or cannot be seen: an ending may hide behind them. */
	bool unseen = (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;

	return c < 0x80 ? isalnum((int)c) || strchr("._-+@", (int)c) : c >= 0xa0 && !unseen;
}

static const char *base_of(const char *name)
{
	const char *base = name;

	for (; *name; name++)
		if (*name == '/' || *name == '\\')
			base = name + 1;
	while (*base == '.' || *base == '-' || *base == ' ')
		base++;
	return base;
}

static size_t whole_characters(const char *text, size_t n)
{
	while (n && (text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void tele_filename_clean(struct tele_buf *out, const char *name)
{
	const char *base = base_of(name), *ending;
	size_t n = strlen(base), kept;
	struct tele_buf plain = {0};

	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c = 0;

		len = tele_text_decode(base + i, n - i, &c);
		if (len && c && is_plain(c))
			tele_buf_add(&plain, base + i, len);
		else
			tele_buf_char(&plain, '_');
		len = len ? len : 1;
	}
	base = tele_buf_text(&plain);
	ending = strrchr(base, '.');
	if (!ending || strlen(ending) > ENDING_MOST)
		ending = "";
	kept = strlen(base) - strlen(ending);
	if (kept + strlen(ending) > TELE_FILENAME_MOST)
		kept = whole_characters(base, TELE_FILENAME_MOST - strlen(ending));
	tele_buf_add(out, base, kept);
	tele_buf_str(out, *base ? ending : "file");
	tele_buf_release(&plain);
}

bool tele_filename_is(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 2 * TELE_FILENAME_MOST || *name == '.' || *name == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return false;
	return true;
}
