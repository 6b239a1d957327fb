"""What metric_add() stores and metrics() tells; that a look at them stays cheap; and that code, schema and manual name the same."""
import os
import re
import threading
import time

import pytest
from support.cluster import SOURCE
from support.exposition import parse

EMPTY = "{}"


def add(cluster, *series, node="h1", user="teleops_engine"):
    """Each series: name, labels, kind, value and, of a histogram, bounds and counts."""
    rows = [(*s, EMPTY, EMPTY)[:6] for s in series]
    return cluster.sql("SELECT metric_add(%s, %s::text[], %s::text[], %s::text[], %s::double precision[], %s::text[], %s::text[])",
                       (node, *([r[i] for r in rows] for i in range(6))), user=user)[0][0]


def told(cluster, name=None):
    """What metrics() says, as {(name, labels): value}."""
    rows = cluster.sql("SELECT name, name || suffix, labels, value FROM metrics() WHERE value IS NOT NULL", user="teleops_manager")
    return {(full, labels): value for family, full, labels, value in rows if name in (None, family)}


@pytest.fixture
def clean(cluster):
    cluster.sql("DELETE FROM metric")
    yield cluster
    cluster.sql("DELETE FROM metric")


def test_counters_of_all_programs_add_up(clean):
    assert add(clean, ("teleops_sent_total", 'op="send"', "counter", 3), ("teleops_sent_total", 'op="edit"', "counter", 1))
    assert add(clean, ("teleops_sent_total", 'op="send"', "counter", 2), node="h2", user="teleops_sender")
    assert told(clean, "teleops_sent_total") == {("teleops_sent_total", 'op="edit"'): 1, ("teleops_sent_total", 'op="send"'): 5}


def test_histograms_add_up_bucket_by_bucket(clean):
    for _ in range(2):
        add(clean, ("teleops_run_seconds", 'command="say"', "histogram", 1.5, "{0.1,1}", "{1,0,2}"))
    labels = 'command="say"'
    assert told(clean, "teleops_run_seconds") == {
        ("teleops_run_seconds_bucket", labels + ',le="0.1"'): 2, ("teleops_run_seconds_bucket", labels + ',le="1"'): 2,
        ("teleops_run_seconds_bucket", labels + ',le="+Inf"'): 6, ("teleops_run_seconds_sum", labels): 3, ("teleops_run_seconds_count", labels): 6}
    add(clean, ("teleops_run_seconds", labels, "histogram", 9, "{5,10}", "{0,1,0}"))
    assert told(clean, "teleops_run_seconds")[("teleops_run_seconds_count", labels)] == 1, "other buckets: it begins anew"


def test_gauges_are_each_node_s_own_and_go_when_nobody_tells_them(clean):
    def row(value):
        return ("teleops_memory_resident_bytes", 'program="teleengine"', "gauge", value)
    add(clean, row(100))
    add(clean, row(300), node="h2")
    add(clean, row(200))
    name, labels = "teleops_memory_resident_bytes", 'program="teleengine",node="{}"'
    assert told(clean, name) == {(name, labels.format("h1")): 200, (name, labels.format("h2")): 300}
    clean.sql("UPDATE metric SET updated_at = now() - interval '61 seconds' WHERE node = 'h2'")
    assert told(clean, name) == {(name, labels.format("h1")): 200}


def test_what_was_never_counted_is_zero_only_where_it_has_no_labels(clean):
    zero = told(clean)
    assert zero[("teleops_updates_received_total", "")] == 0 and zero[("teleops_runner_busy_total", "")] == 0
    for name in ("teleops_updates_admitted_total", "teleops_sent_total", "teleops_claim_seconds", "teleops_memory_resident_bytes"):
        assert not [key for key in zero if key[0].startswith(name)], name


def test_a_name_that_the_schema_does_not_know_is_left_out(clean):
    assert add(clean, ("teleops_of_the_next_version_total", "", "counter", 1), ("teleops_runner_busy_total", "", "counter", 1))
    assert clean.sql("SELECT name FROM metric") == [("teleops_runner_busy_total",)]


@pytest.mark.parametrize("labels", ['op="a" b', 'op=a', 'op="a\nb"', 'op="a"b"', 'op="a",', ',op="a"', 'op="a"}', 'OP="a"', 'op="\\x"'])
def test_labels_that_would_break_the_answer_are_refused(clean, labels):
    with pytest.raises(Exception, match="metric_labels_check"):
        add(clean, ("teleops_sent_total", labels, "counter", 1))


@pytest.mark.parametrize("labels", ["", 'op="a"', 'command="a b}",state="\\"\\\\\\n"', 'op=""'])
def test_labels_as_programs_write_them_are_taken(clean, labels):
    assert add(clean, ("teleops_sent_total", labels, "counter", 1))


def test_who_cannot_store_at_once_is_told_so(clean):
    add(clean, ("teleops_sent_total", 'op="send"', "counter", 1))
    other = clean.connect()
    other.autocommit = False
    with other.cursor() as cur:
        cur.execute("UPDATE metric SET value = value")
        began = time.monotonic()
        assert add(clean, ("teleops_runner_busy_total", "", "counter", 1), ("teleops_sent_total", 'op="send"', "counter", 1)) is False
        assert time.monotonic() - began < 10
    other.rollback()
    other.close()
    assert clean.sql("SELECT name, value FROM metric") == [("teleops_sent_total", 1)], "all or nothing"


def test_programs_that_store_at_once_do_not_meet_in_a_circle(clean):
    series = [("teleops_sent_total", f'op="o{i}"', "counter", 1) for i in range(40)]
    stored = []

    def store(order):
        for _ in range(20):
            stored.append(add(clean, *order))
    threads = [threading.Thread(target=store, args=(order,)) for order in (series, series[::-1], series[20:] + series[:20])]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert stored == [True] * 60
    assert clean.sql("SELECT DISTINCT value FROM metric") == [(60,)]


def test_old_rows_go_with_retention(clean):
    add(clean, ("teleops_sent_total", 'op="send"', "counter", 1), ("teleops_sent_total", 'op="gone"', "counter", 1),
        ("teleops_memory_resident_bytes", 'program="x"', "gauge", 1))
    clean.sql("UPDATE metric SET updated_at = now() - interval '89 days' WHERE labels = 'op=\"send\"'")
    clean.sql("UPDATE metric SET updated_at = now() - interval '91 days' WHERE labels = 'op=\"gone\"'")
    clean.sql("UPDATE metric SET updated_at = now() - interval '2 days' WHERE kind = 'gauge'")
    clean.sql("SELECT retention(0, 0)")
    assert clean.sql("SELECT labels FROM metric") == [('op="send"',)]


# -- what tables tell

SCENE = """
INSERT INTO queue (name) VALUES ('web'), ('idle');
INSERT INTO engine (name, queues, slots, lease_until, started_at, stopped_at) VALUES
	('e1', '{web,default}', 8, now() + interval '9 s', now(), NULL), ('e2', '{web}', 4, now() + interval '9 s', now(), NULL),
	('e3', '{idle}', 4, now() - interval '9 s', now(), NULL), ('e4', '{idle}', 4, now() - interval '9 s', now(), now());
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id, state, parked, engine_id, epoch, admitted_at)
SELECT s.queue, 1, 1, 1, 1, s.state, s.parked, CASE WHEN s.state <> 'queued' THEN (SELECT id FROM engine WHERE name = 'e1') END,
	CASE WHEN s.state <> 'queued' THEN 1 END, now() - interval '1 s' * s.age
FROM (VALUES ('web', 'queued', '', 10), ('web', 'queued', '', 300), ('web', 'queued', 'limit', 20), ('web', 'queued', 'turn', 5),
	('web', 'running', '', 7), ('default', 'claimed', '', 1), ('default', 'cancelling', '', 2)) AS s(queue, state, parked, age);
INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at, finished_at) VALUES
	(1, 'lost', 1, 'web', 1, 'say', 1, 1, 1, '{}', '/say', now(), now() - interval '59 min'),
	(2, 'lost', 1, 'web', 1, 'say', 1, 1, 1, '{}', '/say', now(), now() - interval '61 min'),
	(3, 'done', 1, 'web', 1, 'say', 1, 1, 1, '{}', '/say', now(), now()),
	(4, 'done', 1, 'web', 1, 'say', 1, 1, 1, '{}', '/say', now(), '2001-01-01');
INSERT INTO outbox (op, chat_id, seq, created_at, wanted_version, sent_version) VALUES ('send', 1, 1, now() - interval '50 s', 1, 0),
	('send', 1, 2, now(), 1, 0), ('edit', 1, 3, now(), 1, 0), ('live', 1, 4, now() - interval '1 h', 7, 7), ('live', 1, 5, now() - interval '1 h', 8, 7);
INSERT INTO outbox_dead (id, op, reason, created_at) VALUES (900001, 'send', 'no', now());
INSERT INTO update_rejected (update_id, reason) VALUES (1, 'x'), (2, 'x');
INSERT INTO join_request (telegram_id, name, chat_id) VALUES (1, 'x', 1);
INSERT INTO app_user (login) VALUES ('metric');
INSERT INTO command (name, kind) VALUES ('metric', 'text');
INSERT INTO pending (state, user_id, telegram_id, chat_id, command_id, expires_at) SELECT 'confirming', u.id, 1, 1, c.id, now() + interval '1 h'
	FROM app_user u, command c WHERE u.login = 'metric' AND c.name = 'metric';
UPDATE bot_status SET webhook = '{"url": "https://x", "pending_update_count": 17, "last_error_date": 1700000000}', webhook_at = to_timestamp(1700000100),
	certificate = '{"url": "https://x", "expires": 1800000000}';
INSERT INTO audit_event (actor, action, at) VALUES ('engine', 'x', now() - interval '70 s');
"""


class Scene:
    """A transaction that is never committed, so that other tests find the database as it was."""
    def __init__(self, cluster):
        self.conn = cluster.connect()
        self.conn.autocommit = False
        self.cur = self.conn.cursor()

    def sql(self, text, values=None):
        self.cur.execute(text, values)
        return self.cur.fetchall() if self.cur.description else []

    def told(self):
        return {(n, labels): v for n, labels, v in self.sql("SELECT name || suffix, labels, value FROM metrics() WHERE value IS NOT NULL")}

    def close(self):
        self.conn.rollback()
        self.conn.close()


@pytest.fixture
def scene(cluster):
    s = Scene(cluster)
    yield s
    s.close()


def test_what_tables_tell(scene):
    scene.sql(SCENE)
    found = scene.told()

    def near(name, labels, value):
        assert abs(found[(name, labels)] - value) < 2, (name, labels)
    tasks = {labels: v for (name, labels), v in found.items() if name == "teleops_tasks"}
    assert tasks == {'queue="web",state="queued"': 2, 'queue="web",state="parked"': 2, 'queue="web",state="running"': 1,
                     'queue="default",state="queued"': 0, 'queue="default",state="claimed"': 1, 'queue="default",state="cancelling"': 1,
                     'queue="idle",state="queued"': 0}
    near("teleops_tasks_oldest_seconds", 'queue="web",state="queued"', 300)
    near("teleops_tasks_oldest_seconds", 'queue="web",state="parked"', 20)
    near("teleops_tasks_oldest_seconds", 'queue="idle",state="queued"', 0)
    assert {labels: v for (name, labels), v in found.items() if name == "teleops_queue_engines"} == {
        'queue="default"': 1, 'queue="idle"': 0, 'queue="web"': 2}
    assert [found[("teleops_engines", f'state="{s}"')] for s in ("alive", "dead", "stopped")] == [2, 1, 1]
    assert {labels: v for (name, labels), v in found.items() if name == "teleops_engine_slots"} == {'engine="e1"': 8, 'engine="e2"': 4}
    assert {labels: v for (name, labels), v in found.items() if name == "teleops_engine_slots_used"} == {'engine="e1"': 3, 'engine="e2"': 0}
    assert found[("teleops_tasks_lost", "")] == 1 and found[("teleops_history_default_rows", "")] == 1
    assert found[("teleops_outbox", 'op="send"')] == 2 and found[("teleops_outbox", 'op="edit"')] == 1
    near("teleops_outbox_oldest_seconds", 'op="send"', 50)
    assert found[("teleops_outbox", 'op="live"')] == 1 and found[("teleops_outbox_oldest_seconds", 'op="live"')] == 0
    assert found[("teleops_outbox_dead", "")] == 1 and found[("teleops_updates_rejected_kept", "")] == 2
    assert found[("teleops_join_requests", "")] == 1 and found[("teleops_pending", 'state="confirming"')] == 1
    assert found[("teleops_pending", 'state="asking"')] == 0
    assert found[("teleops_webhook_pending_updates", "")] == 17
    assert found[("teleops_webhook_last_error_timestamp_seconds", "")] == 1700000000
    assert found[("teleops_webhook_checked_timestamp_seconds", "")] == 1700000100
    assert found[("teleops_webhook_certificate_end_timestamp_seconds", "")] == 1800000000
    assert found[("teleops_schema_version", "")] == scene.sql("SELECT max(version) FROM schema_version")[0][0]
    assert found[("teleops_catalogue_version", "")] == scene.sql("SELECT version FROM catalogue_version")[0][0]


def test_audit_events_count_until_they_are_sealed(scene):
    scene.sql("DELETE FROM audit_seal")
    scene.sql("INSERT INTO audit_event (actor, action, at) VALUES ('engine', 'x', now() - interval '1000 days'), ('engine', 'x', now())")
    before = scene.told()
    assert before[("teleops_audit_unsealed", "")] >= 2 and before[("teleops_audit_unsealed_oldest_seconds", "")] > 999 * 86400
    scene.sql("""INSERT INTO audit_seal (seq, first_id, last_id, ids, sha256, previous, from_xid, to_xid)
        VALUES (1, 1, 1, '{1}', '', '', '0', (pg_current_xact_id()::text::numeric + 1)::text::xid8)""")
    after = scene.told()
    assert after[("teleops_audit_unsealed", "")] == 0 and after[("teleops_audit_unsealed_oldest_seconds", "")] == 0


def test_a_transaction_that_somebody_left_open_shows(cluster):
    name = ("teleops_transaction_oldest_seconds", "")
    assert told(cluster)[name] < 0.9
    other = cluster.connect(user="teleops_sender")
    other.autocommit = False
    with other.cursor() as cur:
        cur.execute("SELECT 1")
        time.sleep(1)
        assert told(cluster)[name] >= 1
    other.close()
    cluster.sql("REVOKE pg_read_all_stats FROM teleops_owner", user="postgres")
    try:
        assert name not in told(cluster), "who may not see all of them does not say that there is none"
    finally:
        cluster.sql("GRANT pg_read_all_stats TO teleops_owner", user="postgres")


MUCH = """
INSERT INTO queue (name) SELECT 'q' || g FROM generate_series(1, 500) g;
INSERT INTO engine (name, queues, slots, lease_until) SELECT 'e' || g, ARRAY['q' || g], 8, now() + interval '1 h' FROM generate_series(1, 500) g;
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id) SELECT 'q' || 1 + g % 500, 1, 1, 1, g FROM generate_series(1, 120000) g;
INSERT INTO outbox (op, chat_id, seq) SELECT 'send', g, 1 FROM generate_series(1, 30000) g;
INSERT INTO outbox_dead (id, op, reason, created_at) SELECT -g, 'send', '', now() FROM generate_series(1, 15000) g;
INSERT INTO update_rejected (update_id, reason) SELECT -g, '' FROM generate_series(1, 15000) g;
INSERT INTO join_request (telegram_id, name, chat_id) SELECT -g, '', 1 FROM generate_series(1, 15000) g;
INSERT INTO audit_event (actor, action) SELECT 'engine', 'x' FROM generate_series(1, 20000) g;
INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at, finished_at)
SELECT -g, CASE g % 500 WHEN 0 THEN 'lost' ELSE 'done' END, 1, 'web', 1, 'say', 1, 1, 1, '{}', '', now(),
	date_trunc('month', now()) + interval '1 s' * g FROM generate_series(1, 60000) g;
"""
# At most so many rows of each are read in one look; what is not named has a few.
BOUNDS = {"task": 100000, "outbox": 20000, "outbox_dead": 10000, "update_rejected": 10000, "join_request": 10000, "audit_event": 10000, "task_history": 200,
          "engine": 2000, "queue": 2000}


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_a_look_reads_no_more_than_its_bounds(scene, analyzed):
    """Rows, not time: with 120,000 tasks and whatever else piled up, and whether the planner knows it yet or not."""
    scene.sql("DELETE FROM audit_seal")
    scene.sql(MUCH)
    if analyzed:
        scene.sql("ANALYZE task, outbox, outbox_dead, update_rejected, join_request, audit_event, task_history, engine, queue")
    count = """SELECT regexp_replace(relname, '_[0-9]{4}_[0-9]{2}$|_default$', ''), sum(seq_tup_read + coalesce(idx_tup_fetch, 0))
        FROM pg_stat_xact_user_tables GROUP BY 1"""
    before = dict(scene.sql(count))
    found = scene.told()
    after = dict(scene.sql(count))
    read = {name: int(n - before[name]) for name, n in after.items()}
    assert sum(v for (name, _), v in found.items() if name == "teleops_tasks") == 100000
    assert found[("teleops_outbox", 'op="send"')] == 20000 and found[("teleops_join_requests", "")] == 10000
    over = {name: n for name, n in read.items() if n > BOUNDS.get(name, 100)}
    assert over == {}
    assert read["task"] == 100000, "what is counted is what was read"


# -- code, schema and manual

def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
        return f.read()


def test_programs_count_what_the_schema_knows(cluster):
    """The table in lib/metric.c, against metric_about()."""
    table = re.findall(r'\{"(teleops_\w+)", (COUNTER|GAUGE|HISTOGRAM), \{(.*?)\},', read("lib", "metric.c"))
    counted = {name: (kind.lower(), [w for w in re.findall(r'"(\w+)"', labels)]) for name, kind, labels in table}
    assert len(counted) >= 20
    known = {name: (kind, labels) for name, kind, labels in cluster.sql("SELECT name, type, labels FROM metric_about()")}
    for name, (kind, labels) in counted.items():
        # A gauge has its node besides.
        assert known[name] == (kind, labels + ["node"] * (kind == "gauge")), name


def test_the_manual_names_every_metric_with_its_labels(cluster):
    rows = re.findall(r"^\| `(teleops_\w+)(?:\{([\w,]+)\})?` \|", read("docs", "operation.md"), re.M)
    manual = {name: [w for w in labels.split(",") if w] for name, labels in rows}
    assert len(manual) == len(rows)
    assert manual == dict(cluster.sql("SELECT name, labels FROM metric_about()"))


def test_samples_have_the_labels_they_are_said_to_have(scene):
    scene.sql(SCENE)
    said = dict(scene.sql("SELECT name, labels FROM metric_about()"))
    rows = scene.sql("SELECT name, labels FROM metrics() WHERE type <> 'histogram' AND value IS NOT NULL")
    assert {name: sorted(re.findall(r'(\w+)="', labels)) for name, labels in rows} == {name: sorted(said[name]) for name, _ in rows}


# -- the reader of answers that other tests rely on

HEAD = "# HELP a_total x\n# TYPE a_total counter\n"
HISTOGRAM = "# HELP h x\n# TYPE h histogram\n"


@pytest.mark.parametrize("text", [
    "", "a_total 1\n", HEAD, HEAD + "a_total 1\n", HEAD + 'a_total{x="1",y="\\"\\\\\\n,}"} 1e+06\n', HEAD + 'a_total{x="1"} 1\na_total{x="2"} +Inf\n',
    HISTOGRAM + 'h_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'], ids=ascii)
def test_the_strict_reader_takes_what_is_right(text):
    if "#" in text:
        parse(text)
    else:
        with pytest.raises(ValueError):
            parse(text)


@pytest.mark.parametrize("text", [
    HEAD + "a_total 1", HEAD + "a_total  1\n", HEAD + "a_total 1 \n", HEAD + "a_total one\n", HEAD + "a_total nan\n", HEAD + "a_total -1\n",
    HEAD + "a_total 1\na_total 2\n", HEAD + "b_total 1\n", HEAD + "a_total{} 1\n\n", HEAD + 'a_total{x=1} 1\n', HEAD + 'a_total{x="1" y="2"} 1\n',
    HEAD + 'a_total{x="1",x="2"} 1\n', HEAD + 'a_total{x="\\t"} 1\n', HEAD + 'a_total{x="1} 1\n', HEAD + HEAD, "# TYPE a_total counter\na_total 1\n",
    "# HELP a_total x\na_total 1\n", HEAD.replace("counter", "summary"), HEAD.replace("a_total", "a") + "a 1\n", HEAD + "# a remark\n",
    HEAD + "a_total 1\n" + HEAD.replace("a_", "b_") + "b_total 1\na_total 2\n", HISTOGRAM + 'h_bucket{le="0.5"} 1\nh_sum 3\nh_count 1\n',
    HISTOGRAM + 'h_bucket{le="0.5"} 3\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n', HISTOGRAM + 'h_bucket{le="+Inf"} 2\nh_sum 3\nh_count 3\n',
    HISTOGRAM + 'h_bucket{le="1"} 1\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'], ids=ascii)
def test_the_strict_reader_refuses_what_is_wrong(text):
    with pytest.raises(ValueError):
        parse(text)
