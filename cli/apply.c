/*
 * teleops apply FILE: reads what is declared, checks its shape here, hands it to config_apply() in the database, which compares and
 * changes in one transaction.
 */
#include "lib/document.h"
#include "cli/lines.h"
#include "cli/pg.h"
#include "cli/show.h"
#include "cli/verb.h"
#include "lib/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MOST = 16 * 1024 * 1024, DEPTH_MOST = 16 };

static bool slurp(const char *path, struct tele_buf *text)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char chunk[65536];
	size_t n;

	if (!f) {
		fprintf(stderr, "teleops: %s: %s\n", path, strerror(errno));
		return false;
	}
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && text->len <= FILE_MOST)
		tele_buf_add(text, chunk, n);
	if (ferror(f) || text->len > FILE_MOST || text->failed)
		fprintf(stderr, "teleops: %s: %s\n", path, ferror(f) ? "cannot be read" : "is larger than 16 MiB");
	n = ferror(f) || text->len > FILE_MOST || text->failed;
	if (f != stdin)
		fclose(f);
	return n == 0;
}

static struct json_object *read_document(const char *path)
{
	struct tele_buf text = {0}, errors = {0};
	struct json_object *o = NULL;
	const char *why;
	int line;

	if (slurp(path, &text)) {
		o = tele_json_parse(tele_buf_text(&text), text.len, DEPTH_MOST, &why, &line);
		if (!o)
			fprintf(stderr, "teleops: %s:%d: %s\n", path, line, why);
	}
	if (o && tele_document_check(o, &errors) != TELE_OK) {
		fprintf(stderr, "%steleops: %s was refused; nothing was changed\n", tele_buf_text(&errors), path);
		json_object_put(o);
		o = NULL;
	}
	tele_buf_release(&text);
	tele_buf_release(&errors);
	return o;
}

/* "timeout_s: 10 -> 20, enabled: true -> false" from {"timeout_s": [10, 20], ...}. */
static void print_detail(const char *detail)
{
	struct json_object *o = detail ? json_tokener_parse(detail) : NULL;
	const char *sep = "  ";

	if (o) {
		json_object_object_foreach(o, key, pair)
		{
			printf("%s%s: %s ", sep, key, json_object_to_json_string(json_object_array_get_idx(pair, 0)));
			printf("-> %s", json_object_to_json_string(json_object_array_get_idx(pair, 1)));
			sep = ", ";
		}
	}
	json_object_put(o);
}

static void print_changes(const PGresult *res, bool dry_run)
{
	for (int i = 0; i < PQntuples(res); i++) {
		const char *action = PQgetvalue(res, i, 0);

		printf("%s%-7s  %-12s  %s", dry_run ? "would be " : "", action, PQgetvalue(res, i, 1), PQgetvalue(res, i, 2));
		if (!strcmp(action, "kept"))
			printf("  (an administrator is never removed)");
		print_detail(PQgetisnull(res, i, 3) ? NULL : PQgetvalue(res, i, 3));
		putchar('\n');
	}
	if (PQntuples(res) == 0)
		printf("nothing to change\n");
}

static void print_json(const PGresult *res, bool dry_run)
{
	struct json_object *all = json_object_new_object(), *changes = json_object_new_array();

	for (int i = 0; i < PQntuples(res); i++) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "action", json_object_new_string(PQgetvalue(res, i, 0)));
		json_object_object_add(one, "kind", json_object_new_string(PQgetvalue(res, i, 1)));
		json_object_object_add(one, "name", json_object_new_string(PQgetvalue(res, i, 2)));
		if (!PQgetisnull(res, i, 3))
			json_object_object_add(one, "detail", json_tokener_parse(PQgetvalue(res, i, 3)));
		json_object_array_add(changes, one);
	}
	json_object_object_add(all, "dry_run", json_object_new_boolean(dry_run));
	json_object_object_add(all, "changes", changes);
	show_json(all);
	json_object_put(all);
}

/* True when the database found fault with the file; its errors are told like those of the check before. */
static bool refused(const PGresult *res, const char *path)
{
	bool bad = false;

	for (int i = 0; i < PQntuples(res); i++) {
		struct json_object *reason;

		if (strcmp(PQgetvalue(res, i, 0), "error"))
			continue;
		reason = json_tokener_parse(PQgetvalue(res, i, 3));
		fprintf(stderr, "%s: %s\n", PQgetvalue(res, i, 2), json_object_get_string(reason));
		json_object_put(reason);
		bad = true;
	}
	if (bad)
		fprintf(stderr, "teleops: %s was refused; nothing was changed\n", path);
	return bad;
}

/* What the file leaves of lines that are kept for later: false after saying which of them could not be run any more. */
static bool lines_hold(PGconn *conn, const char *path, struct json_object *document)
{
	struct tele_buf errors = {0};
	bool good = lines_read(conn, document, &errors);

	if (good && errors.len) {
		fprintf(stderr, "%steleops: %s was refused; nothing was changed\n", tele_buf_text(&errors), path);
		good = false;
	}
	tele_buf_release(&errors);
	return good;
}

static int apply(PGconn *conn, const struct call *c, const char *path, struct json_object *document)
{
	const char *values[] = {json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN), c->prune ? "t" : "f"};
	PGresult *res = NULL;
	int status = EXIT_FAILED;

	if (pg_do(conn, path, "BEGIN"))
		res = pg_run(conn, path, "SELECT action, kind, name, detail FROM config_apply($1::jsonb, $2::boolean)", 2, values);
	/* Told only once it is so. */
	if (res && !refused(res, path) && lines_hold(conn, path, document) && pg_do(conn, path, c->dry_run ? "ROLLBACK" : "COMMIT")) {
		(c->json ? print_json : print_changes)(res, c->dry_run);
		status = EXIT_DONE;
	}
	PQclear(res);
	return status;
}

int verb_apply(const struct call *c)
{
	struct json_object *document = read_document(c->argv[0]);
	PGconn *conn = document ? pg_open(c->conf->database, "database") : NULL;
	int status = conn ? apply(conn, c, c->argv[0], document) : EXIT_FAILED;

	PQfinish(conn);
	json_object_put(document);
	return status;
}

void apply_describe(void)
{
	struct tele_buf keys = {0};

	tele_document_describe(&keys);
	printf("\nThe file is a JSON object of lists; a list left out is not touched. Their objects' keys:\n%s", tele_buf_text(&keys));
	tele_buf_release(&keys);
}
