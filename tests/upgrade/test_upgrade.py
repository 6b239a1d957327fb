"""From each former version, with data, to this one: every row stays, what waited goes on, nothing is left half done."""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.cluster import SOURCE, Cluster  # noqa: E402
from support.session import Session, admit, engine, step, take  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FORMER = sorted(d for d in os.listdir(HERE) if os.path.isdir(os.path.join(HERE, d)) and d.isdigit())
DATABASES = ("telemanager", "teleapp")
# What migrate itself writes, and what standing files bring up to date as a whole.
NOT_DATA = ("schema_version", "schema_standing", "message_text", "catalogue_version")
# Columns that say the same in other words now: table, column, its value of now from that of then.
REWORDED = {("task", "parked"): lambda was: {False: "", True: "turn"}.get(was, was),
            **{("command_parameter", c): lambda was: None if was is None else str(was) for c in ("minimum", "maximum")}}
SCHEMA_VERSION = "CREATE TABLE schema_version (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"


def run_file(cluster, path, database="telemanager"):
    done = subprocess.run([os.path.join(cluster.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", cluster.dir, "-U", "teleops_owner", "-d", database, "-f", path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


def make_former(cluster, version):
    """The database as that version's own migrate left it."""
    for database in DATABASES:
        cluster.sql(SCHEMA_VERSION, database=database)
    with open(os.path.join(HERE, version, "schema.sha256"), encoding="utf-8") as f:
        for checksum, name in (line.split() for line in f):
            database, name = name.split("/")
            path = os.path.join(SOURCE, "schema", database, name)
            with open(path, "rb") as g:
                assert hashlib.sha256(g.read()).hexdigest() == checksum, f"{name} was released and is not to be changed any more"
            run_file(cluster, path, database)
            cluster.sql("INSERT INTO schema_version (version, name, checksum) VALUES (%s, %s, %s)", (int(name[:4]), name, checksum), database=database)
    for path in (*sorted(glob.glob(os.path.join(HERE, version, "standing/functions/*.sql"))), *(os.path.join(HERE, version, "standing", n) for n in ("texts.sql", "grants.sql"))):
        if os.path.exists(path):
            run_file(cluster, path)
    run_file(cluster, os.path.join(HERE, version, "data.sql"))


def tables(cluster):
    return [t for (t,) in cluster.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1")]


def rows(cluster, table):
    return [r for (r,) in cluster.sql(f'SELECT to_jsonb(t) FROM "{table}" t')]


def key(row, columns):
    return json.dumps({c: row[c] for c in columns}, sort_keys=True)


def dump(cluster, database, *options):
    """What pg_dump says, without what is another each time."""
    done = subprocess.run([os.path.join(cluster.bin, "pg_dump"), "-h", cluster.dir, "-U", "teleops_owner", *options, database], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return re.sub(r"^\\(un)?restrict .*\n", "", done.stdout, flags=re.M)


class Upgraded:
    def __init__(self, cluster, version):
        self.cluster, self.version = cluster, version
        make_former(cluster, version)
        self.before = {t: rows(cluster, t) for t in tables(cluster)}
        self.exported = cluster.sql("SELECT config_export()")[0][0]
        self.told = cluster.teleops("migrate")
        assert self.told.returncode == 0, self.told.stderr


@pytest.fixture(scope="module", params=FORMER)
def upgraded(request):
    c = Cluster()
    try:
        c.make_databases()
        yield Upgraded(c, request.param)
    finally:
        c.stop()


def test_there_is_something_to_lose(upgraded):
    """The data is of use only while it has rows of every kind."""
    empty = {t for t, found in upgraded.before.items() if not found}
    assert empty <= {"audit_seal"}, "data.sql should fill these"
    assert {t["state"] for t in upgraded.before["task"]} == {"queued", "claimed", "running", "cancelling"}
    assert len({h["state"] for h in upgraded.before["task_history"]}) == 7
    assert {o["taken_by"] is None for o in upgraded.before["outbox"]} == {True, False}


def test_migrate_says_what_it_applied(upgraded):
    names = [os.path.basename(p) for p in sorted(glob.glob(os.path.join(SOURCE, "schema/telemanager/0*.sql")))]
    for name in names:
        assert (f"applied {name}" in upgraded.told.stdout) == (int(name[:4]) > int(upgraded.version))


def test_every_row_is_still_there(upgraded):
    for table, before in upgraded.before.items():
        if table in NOT_DATA:
            continue
        columns = before[0].keys() if before else ()
        wanted = sorted(key({c: REWORDED.get((table, c), lambda v: v)(r[c]) for c in columns}, columns) for r in before)
        found = sorted(key(r, columns) for r in rows(upgraded.cluster, table)) if columns else []
        missing = [w for w in wanted if w not in set(found)]
        assert not missing, (table, missing[:3])
        assert len(found) == len(wanted), f"{table} has rows that were not there"
    for text in upgraded.before["message_text"]:
        assert upgraded.cluster.sql("SELECT count(*) FROM message_text WHERE name = %s", (text["name"],)) == [(1,)], text["name"]


def test_export_is_what_it_was_and_still_applies(upgraded):
    now = json.loads(upgraded.cluster.teleops("export").stdout)
    assert {k: now[k] for k in upgraded.exported} == upgraded.exported
    # What can be declared since: by itself as it was.
    assert set(now) - set(upgraded.exported) <= {"queues", "schedules", "hooks", "chats"}
    assert sorted(q["name"] for q in now.get("queues", [])) == sorted(q["name"] for q in upgraded.before["queue"])
    path = os.path.join(upgraded.cluster.dir, "former.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(upgraded.exported, f)
    done = upgraded.cluster.teleops("apply", path, "--dry-run", "--prune", "--json")
    assert done.returncode == 0 and {c["action"] for c in json.loads(done.stdout)["changes"]} <= {"kept"}, done


def test_nothing_is_left_half_done(upgraded):
    for database in DATABASES:
        sql = lambda text, d=database: upgraded.cluster.sql(text, database=d)  # noqa: E731
        assert sql("SELECT conrelid::regclass, conname FROM pg_constraint WHERE NOT convalidated") == []
        assert sql("SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)") == []
        assert sql("SELECT c.relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relowner <> 'teleops_owner'::regrole") == []


def test_a_second_migrate_changes_nothing(upgraded):
    before = [dump(upgraded.cluster, d) for d in DATABASES]
    done = upgraded.cluster.teleops("migrate")
    assert done.returncode == 0 and "appl" not in done.stdout, done.stdout
    assert [dump(upgraded.cluster, d) for d in DATABASES] == before
    done = upgraded.cluster.teleops("migrate", "--dry-run")
    assert done.returncode == 0 and "would" not in done.stdout


def test_the_schema_is_that_of_a_fresh_installation(upgraded):
    """Months of history that only one of them has lived through apart."""
    fresh = Cluster()
    try:
        fresh.make_databases()
        fresh.migrate()
        for database in DATABASES:
            options = ("--schema-only", "--exclude-table", "public.task_history_2*")
            assert dump(upgraded.cluster, database, *options).splitlines() == dump(fresh, database, *options).splitlines()
        # Whole rows of what every installation has: settings of the schema, texts.
        for table in ("schema_version", "task_transition", "message_text", "chore"):
            drop = {"applied_at", "done_at"}
            wanted, found = ([json.dumps({k: v for k, v in r.items() if k not in drop}, sort_keys=True) for r in rows(c, table)] for c in (fresh, upgraded.cluster))
            assert sorted(wanted) == sorted(found), table
    finally:
        fresh.stop()


# From here on it is at work again.

def test_new_ids_are_new(upgraded):
    bot = Session(upgraded.cluster, "teleops_bot")
    assert admit(bot, [(1, 1001), (22, 1999)]) == {1: "duplicate", 22: "duplicate"}, "updates of before the upgrade are known"
    command = upgraded.cluster.sql("SELECT id FROM command WHERE name = 'oncall'")[0][0]
    assert admit(bot, [(9001, 1001)], "run", command) == {9001: "task"}
    ids = [t["id"] for t in upgraded.before["task"]] + [h["id"] for h in upgraded.before["task_history"]]
    assert upgraded.cluster.sql("SELECT id FROM task WHERE update_id = 9001")[0][0] > max(ids)


def test_the_engine_s_own_tasks_are_closed_or_run_again(upgraded):
    held = {t["update_id"]: t["id"] for t in upgraded.before["task"] if t["engine_id"]}
    engine(upgraded.cluster, "one")
    ended = dict(upgraded.cluster.sql("SELECT update_id, state FROM task_history WHERE id = ANY (%s)", (list(held.values()),)))
    assert ended == {2: "lost", 3: "lost", 4: "cancelled"}
    engine(upgraded.cluster, "stopped", ("db",))
    assert upgraded.cluster.sql("SELECT state, attempt FROM task WHERE update_id = 5") == [("queued", 2)], "idempotent, with an attempt left"
    told = upgraded.cluster.sql("SELECT count(*) FROM outbox WHERE task_id = ANY (%s) AND text LIKE %s", (list(held.values()), "%lost%"))
    assert told == [(3,)]


def test_waiting_tasks_run(upgraded):
    waiting = {t["update_id"] for t in upgraded.before["task"] if t["state"] == "queued"} | {5, 9001}
    engines = [engine(upgraded.cluster, "one"), engine(upgraded.cluster, "stopped", ("db",))]
    ran, until = [], time.monotonic() + 20
    while set(ran) != waiting and time.monotonic() < until:
        for e in engines:
            claimed = [t for what, t in step(e, 8) if what == "claim"]
            attempts = dict(upgraded.cluster.sql("SELECT id, attempt FROM task WHERE id = ANY (%s)", (claimed,)))
            ran += [u for (u,) in upgraded.cluster.sql("SELECT update_id FROM task WHERE id = ANY (%s) ORDER BY array_position(%s, id)", (claimed, claimed))]
            step(e, 0, claimed, "it ran", attempts)
        time.sleep(0.1)
    assert set(ran) == waiting and len(ran) == len(waiting)
    assert [u for u in ran if u in (10, 11, 12)] == [10, 11, 12], "of an ordered command one after the other"
    assert upgraded.cluster.sql("SELECT count(*) FROM task") == [(0,)]


def test_waiting_messages_go_out(upgraded):
    sender = Session(upgraded.cluster, "teleops_sender")
    epoch = sender.one("SELECT sender_lead()")
    lanes, partly = {}, [o for o in upgraded.before["outbox"] if o["parts_sent"]]
    assert [(o["parts_sent"], o["message_ids"]) for o in partly] == [(1, [700])]
    taken = set()
    while True:
        found = take(sender, epoch)
        if not found:
            break
        for number, chat, _ in found:
            lanes.setdefault(chat, []).append(number)
        numbers = [n for n, _, _ in found]
        taken |= set(numbers)
        if partly[0]["id"] in numbers:
            assert upgraded.cluster.sql("SELECT parts_sent, message_ids FROM outbox WHERE id = %s", (partly[0]["id"],)) == [(1, [700])], "what was sent stays sent"
        assert sender("SELECT dead FROM outbox_settle(p_epoch => %s, p_id => %s, p_outcome => %s, p_version => %s, p_parts => %s, p_message_id => %s, p_reason => %s)",
                      (epoch, numbers, ["sent"] * len(found), [9] * len(found), [0] * len(found), [0] * len(found), [""] * len(found))) == [(0,)]
    assert taken >= {o["id"] for o in upgraded.before["outbox"]} and upgraded.cluster.sql("SELECT count(*) FROM outbox") == [(0,)]
    for chat in {o["chat_id"] for o in upgraded.before["outbox"] if o["seq"]}:
        order = [o["id"] for o in sorted((o for o in upgraded.before["outbox"] if o["chat_id"] == chat), key=lambda o: o["seq"])]
        assert [n for n in lanes[chat] if n in order] == order, f"chat {chat} keeps its order"


def test_it_is_sealed_and_looked_after(upgraded):
    one = engine(upgraded.cluster, "one")
    one("SELECT janitor(p_engine => %s, p_history_days => 0, p_output_days => 0)", (one.id,))
    events = upgraded.cluster.sql("SELECT count(*) FROM audit_event")[0][0]
    assert upgraded.cluster.sql("SELECT sum(cardinality(ids)) FROM audit_seal")[0][0] == events, "what was recorded before is sealed as well"
    assert upgraded.cluster.sql("SELECT count(*) FROM task_history WHERE id < 0") == [(75,)]
