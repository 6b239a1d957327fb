#include "cgi/manager/qr.h"

#include "cgi/manager/page.h"

#include <qrencode.h>

enum { QUIET = 4, DARK = 1 }; /* an empty rim of four squares belongs to the code */

static void add_row(struct tele_buf *path, const QRcode *code, int y)
{
	for (int x = 0, n; x < code->width; x += n) {
		for (n = 1; x + n < code->width && (code->data[y * code->width + x + n] & DARK) == (code->data[y * code->width + x] & DARK); n++)
			;
		if (code->data[y * code->width + x] & DARK)
			tele_buf_printf(path, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, n, n);
	}
}

enum tele_err qr_set(struct json_object *o, const char *text)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	struct tele_buf path = {0};

	if (!code)
		return TELE_NOMEM;
	for (int y = 0; y < code->width; y++)
		add_row(&path, code, y);
	page_set_text(o, "path", tele_buf_text(&path));
	page_set(o, "size", json_object_new_int(code->width + 2 * QUIET));
	QRcode_free(code);
	tele_buf_release(&path);
	return TELE_OK;
}
