/*
 * teleops audit verify: follows the chain of seals over the record. Each seal covers the events of a range of transactions and hashes
 * them together with the seal before, so a change, a removal, or an addition shows in the seal, and a seal exchanged in the next one.
 * Who may rewrite the whole database may rewrite the whole chain: note the head somewhere else, and give it with --head.
 */
#include "cli/pg.h"
#include "cli/verb.h"

#include "lib/array.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEX = crypto_hash_sha256_BYTES * 2 + 1 };

enum column { SEQ, IDS, SHA256, PREVIOUS, FROM_XID, TO_XID };

struct verification {
	PGconn *conn;
	struct json_object *faults;
	long long events, seals, unsealed;
	char head[HEX];
	char to_xid[32];
	bool head_met;
};

static void fault(struct verification *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct verification *v, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_object_array_add(v->faults, json_object_new_string(text));
}

/* Both lists are in order: what is in one only was removed, or added. True when they are the same. */
static bool compare_ids(struct verification *v, const char *seq, char **sealed, size_t n, const PGresult *events)
{
	size_t i = 0;
	int j = 0;
	bool same = true;

	while (i < n || j < PQntuples(events)) {
		long long a = i < n ? atoll(sealed[i]) : 0, b = j < PQntuples(events) ? atoll(PQgetvalue(events, j, 0)) : 0;

		if (a == b) {
			i++;
			j++;
			continue;
		}
		same = false;
		if (j == PQntuples(events) || (i < n && a < b)) {
			fault(v, "seal %s: event %lld is missing", seq, a);
			i++;
		} else {
			fault(v, "seal %s: event %lld was added later", seq, b);
			j++;
		}
	}
	return same;
}

static void hash_events(const PGresult *events, const unsigned char *previous, size_t size, char *hex)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, previous, size);
	for (int i = 0; i < PQntuples(events); i++) {
		if (i)
			crypto_hash_sha256_update(&state, (const unsigned char *)"\n", 1);
		crypto_hash_sha256_update(&state, (const unsigned char *)PQgetvalue(events, i, 1), (unsigned long long)PQgetlength(events, i, 1));
	}
	crypto_hash_sha256_final(&state, hash);
	sodium_bin2hex(hex, HEX, hash, sizeof hash);
}

static void check_link(struct verification *v, const PGresult *seals, int i)
{
	const char *seq = PQgetvalue(seals, i, SEQ);

	if (atoll(seq) != i + 1)
		fault(v, "seal %d is missing", i + 1);
	if (strcmp(PQgetvalue(seals, i, PREVIOUS), v->head))
		fault(v, "seal %s does not follow the one before it", seq);
	if (i && strcmp(PQgetvalue(seals, i, FROM_XID), v->to_xid))
		fault(v, "seal %s leaves out transactions after the one before it", seq);
}

static bool check_seal(struct verification *v, const PGresult *seals, int i)
{
	const char *range[] = {PQgetvalue(seals, i, FROM_XID), PQgetvalue(seals, i, TO_XID)};
	PGresult *events = pg_run(v->conn, "audit_event",
	    "SELECT e.id, audit_line(e) FROM audit_event e WHERE e.xid >= $1::xid8 AND e.xid < $2::xid8 ORDER BY e.id", 2, range);
	unsigned char previous[crypto_hash_sha256_BYTES];
	char **ids = NULL, hex[HEX];
	size_t n = 0, size = 0;

	if (!events || tele_array_parse(PQgetvalue(seals, i, IDS), &ids, &n) != TELE_OK) {
		PQclear(events);
		return false;
	}
	check_link(v, seals, i);
	sodium_hex2bin(previous, sizeof previous, PQgetvalue(seals, i, PREVIOUS), strlen(PQgetvalue(seals, i, PREVIOUS)), NULL, &size, NULL);
	hash_events(events, previous, size, hex);
	if (compare_ids(v, PQgetvalue(seals, i, SEQ), ids, n, events) && strcmp(hex, PQgetvalue(seals, i, SHA256)))
		fault(v, "seal %s: an event between %s and %s was changed, or the seal was", PQgetvalue(seals, i, SEQ), n ? ids[0] : "-", n ? ids[n - 1] : "-");
	v->events += PQntuples(events);
	tele_array_free(ids, n);
	PQclear(events);
	return true;
}

static bool check_chain(struct verification *v, const char *head)
{
	PGresult *seals = pg_run(v->conn, "audit_seal",
	    "SELECT seq, ids, encode(sha256, 'hex'), encode(previous, 'hex'), from_xid, to_xid FROM audit_seal ORDER BY seq", 0, NULL);
	bool good = seals != NULL;

	snprintf(v->to_xid, sizeof v->to_xid, "0");
	for (int i = 0; good && i < PQntuples(seals); i++) {
		good = check_seal(v, seals, i);
		snprintf(v->head, sizeof v->head, "%s", PQgetvalue(seals, i, SHA256));
		snprintf(v->to_xid, sizeof v->to_xid, "%s", PQgetvalue(seals, i, TO_XID));
		v->seals++;
		v->head_met |= head && !strcmp(head, v->head);
	}
	PQclear(seals);
	return good;
}

static bool count_unsealed(struct verification *v)
{
	PGresult *res = pg_run(v->conn, "audit_event", "SELECT count(*) FROM audit_event WHERE xid >= $1::xid8", 1, (const char *[]){v->to_xid});

	if (res)
		v->unsealed = atoll(PQgetvalue(res, 0, 0));
	PQclear(res);
	return res != NULL;
}

static void print_plain(const struct verification *v)
{
	size_t n = json_object_array_length(v->faults);

	for (size_t i = 0; i < n; i++)
		printf("%s\n", json_object_get_string(json_object_array_get_idx(v->faults, i)));
	printf("%lld events in %lld seals, %s; %lld not sealed yet\n", v->events, v->seals, n ? "BROKEN" : "unbroken", v->unsealed);
	if (v->seals)
		printf("head %s\n", v->head);
}

static void print_json(const struct verification *v)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "events", json_object_new_int64(v->events));
	json_object_object_add(o, "seals", json_object_new_int64(v->seals));
	json_object_object_add(o, "unsealed", json_object_new_int64(v->unsealed));
	json_object_object_add(o, "head", json_object_new_string(v->head));
	json_object_object_add(o, "faults", json_object_get(v->faults));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
	json_object_put(o);
}

static int verify(const struct call *c, PGconn *conn)
{
	struct verification v = {.conn = conn, .faults = json_object_new_array()};
	int status = EXIT_FAILED;

	/* One snapshot for all, in which nothing is added meanwhile. */
	if (pg_do(conn, "audit", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") && check_chain(&v, c->head) && count_unsealed(&v)) {
		if (c->head && !v.head_met)
			fault(&v, "the head %.64s is not in the chain", c->head);
		(c->json ? print_json : print_plain)(&v);
		status = json_object_array_length(v.faults) ? EXIT_FAILED : EXIT_DONE;
	}
	json_object_put(v.faults);
	return status;
}

int verb_audit_verify(const struct call *c)
{
	PGconn *conn = sodium_init() < 0 ? NULL : pg_open(c->conf->database, "database");
	int status = conn ? verify(c, conn) : EXIT_FAILED;

	PQfinish(conn);
	return status;
}
