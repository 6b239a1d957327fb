"""What takes more than one session: seals of the record, claims side by side, order in a chat under load, limits that others hold."""
import os
import sys
import threading

import psycopg2.errors
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.cluster import Cluster  # noqa: E402
from support.session import Session, admit, engine, step, take  # noqa: E402

PEOPLE = range(4001, 4021)
TASK = "INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id, args, line) SELECT 'default', c.id, u.id, %s, %s, '{}', '/run' " \
       "FROM command c, app_user u WHERE c.name = %s AND u.login = 'p' || %s"


@pytest.fixture(scope="module")
def db():
    """A cluster of its own: these commit."""
    c = Cluster()
    try:
        c.make_databases()
        c.migrate()
        c.sql("INSERT INTO role (name) VALUES ('crew'); INSERT INTO command (name, kind) VALUES ('run', 'text'), ('held', 'text');"
              "INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c")
        for n in PEOPLE:
            c.sql("WITH u AS (INSERT INTO app_user (login) VALUES ('p' || %(n)s) RETURNING id), a AS (INSERT INTO telegram_account (telegram_id, user_id) "
                  "SELECT %(n)s, id FROM u) INSERT INTO user_role SELECT u.id, r.id FROM u, role r; INSERT INTO chat (chat_id, type) VALUES (%(n)s, 'private')", {"n": n})
        yield c
    finally:
        c.stop()


@pytest.fixture(autouse=True)
def empty(db):
    db.sql("DELETE FROM task; DELETE FROM outbox; DELETE FROM audit_event; DELETE FROM audit_seal; UPDATE chat SET out_seq = 0; DELETE FROM engine")


def together(*jobs):
    """Runs jobs side by side; the first error of any is this test's."""
    errors = []

    def run(job):
        try:
            job()
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)
    threads = [threading.Thread(target=run, args=(j,)) for j in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not errors, errors


def test_seals_cover_every_event_once_and_wait_for_what_may_yet_come_between(db):
    quick, sealer, slow = Session(db), Session(db), Session(db, transaction=True)
    event = "INSERT INTO audit_event (actor, action) VALUES ('bot', %s) RETURNING id"
    assert sealer.one("SELECT audit_seal_next()") is None
    first = [quick.one(event, ("a",)), quick.one(event, ("b",))]
    assert sealer.one("SELECT audit_seal_next()") == 1 and sealer.one("SELECT audit_seal_next()") is None
    early = slow.one(event, ("slow",))
    late = quick.one(event, ("quick",))
    assert sealer.one("SELECT audit_seal_next()") is None, "a smaller id may still be committed"
    slow.conn.commit()
    assert sealer.one("SELECT audit_seal_next()") == 2
    assert sealer("SELECT seq, ids FROM audit_seal ORDER BY 1") == [(1, first), (2, [early, late])]
    assert sealer.one("SELECT bool_and(l.previous = f.sha256 AND l.from_xid = f.to_xid) FROM audit_seal l JOIN audit_seal f ON f.seq = l.seq - 1")
    assert sealer.one("SELECT bool_and(s.sha256 = sha256(s.previous || convert_to((SELECT string_agg(audit_line(e), E'\\n' ORDER BY e.id) FROM audit_event e "
                      "WHERE e.id = ANY (s.ids)), 'UTF8'))) FROM audit_seal s")


def test_two_sealers_do_not_wait_for_each_other(db):
    one, other = Session(db, transaction=True), Session(db)
    other("INSERT INTO audit_event (actor, action) VALUES ('bot', 'a')")
    assert one.one("SELECT audit_seal_next()") == 1
    other("SET statement_timeout = '5s'")
    assert other.one("SELECT audit_seal_next()") is None
    one.conn.commit()
    assert other("SELECT seq FROM audit_seal") == [(1,)]


def test_an_event_is_hashed_whole(db):
    s = Session(db)
    s("INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail, address) VALUES ('bot', 1, 2, 3, 'a', 'o', '{\"k\": 1}', '::1')")
    columns = [c for (c,) in s("SELECT attname FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0 AND NOT attisdropped")]
    line = s.one("SELECT audit_line(e) FROM audit_event e")
    for column in columns:
        # The same event with that column empty hashes to something else.
        assert s.one(f"SELECT audit_line(jsonb_populate_record(e, '{{\"{column}\": null}}')) FROM audit_event e") != line, column


def test_engines_side_by_side_claim_each_task_once(db):
    s = Session(db)
    for n in PEOPLE:
        for _ in range(10):
            s(TASK, (n, n, "run", n))
    engines = [engine(db, f"e{i}") for i in range(4)]
    got = [[] for _ in engines]

    def claim(e, mine):
        while True:
            found = [t for what, t in step(e, 7) if what == "claim"]
            if not found:
                return
            mine.extend(found)
            step(e, 0, found)
    together(*(lambda e=e, mine=mine: claim(e, mine) for e, mine in zip(engines, got)))
    every = [t for mine in got for t in mine]
    assert len(every) == len(set(every)) == 200 and s.one("SELECT count(*) FROM task") == 0
    assert s("SELECT chat_id, array_agg(seq ORDER BY seq) = ARRAY(SELECT generate_series(1, count(o.id))), max(seq) = max(out_seq) FROM outbox o JOIN chat USING (chat_id) "
             "GROUP BY 1 ORDER BY 1") == [(n, True, True) for n in PEOPLE]


def test_replies_and_results_keep_one_order_in_a_chat_without_deadlock(db):
    """TeleBots in batches over all chats, engines finishing over all chats: places without gap, each update once."""
    s = Session(db)
    command = s.one("SELECT id FROM command WHERE name = 'run'")
    engines = [engine(db, f"e{i}") for i in range(2)]
    done = threading.Event()

    def chat(first):
        bot = Session(db, "teleops_bot")
        for turn in range(25):
            base = first + turn * 100
            assert set(admit(bot, [(base + i, n) for i, n in enumerate(PEOPLE)]).values()) == {"reply"}
            assert set(admit(bot, [(base + 50 + i, n) for i, n in enumerate(reversed(PEOPLE))], "run", command).values()) == {"task"}

    def work(e):
        while not (done.is_set() and s2.one("SELECT count(*) FROM task") == 0):
            found = [t for what, t in step(e, 8) if what == "claim"]
            step(e, 0, found[::-1])
    s2 = Session(db)
    workers = [threading.Thread(target=work, args=(e,), daemon=True) for e in engines]
    for w in workers:
        w.start()
    try:
        together(lambda: chat(100000), lambda: chat(200000), lambda: chat(300000))
    finally:
        done.set()
    for w in workers:
        w.join(60)
        assert not w.is_alive()
    assert s("SELECT chat_id, count(*), array_agg(seq ORDER BY seq) = ARRAY(SELECT generate_series(1, count(o.id))), max(seq) = max(out_seq) FROM outbox o "
             "JOIN chat USING (chat_id) GROUP BY 1 ORDER BY 1") == [(n, 150, True, True) for n in PEOPLE]
    assert s.one("SELECT count(*) FROM task_history") - s.one("SELECT count(DISTINCT id) FROM task_history") == 0


def test_the_same_batch_from_two_bots_counts_once(db):
    bots = [Session(db, "teleops_bot") for _ in range(4)]
    outcomes = []
    together(*(lambda b=b: outcomes.append(admit(b, [(900000 + i, n) for i, n in enumerate(PEOPLE)])) for b in bots))
    for i in range(len(PEOPLE)):
        assert sorted(o[900000 + i] for o in outcomes) == ["duplicate"] * 3 + ["reply"]
    assert Session(db).one("SELECT count(*) FROM outbox") == len(PEOPLE)


def test_a_counter_that_another_session_holds_is_passed_over(db):
    s, other = Session(db), Session(db, transaction=True)
    s("UPDATE command SET concurrency = 5 WHERE name = 'held'")
    s(TASK, (4001, 4001, "held", 4001))
    s(TASK, (4002, 4002, "run", 4002))
    held, free = [t for (t,) in s("SELECT id FROM task ORDER BY id")]
    other("UPDATE command SET running = running WHERE name = 'held'")
    e = engine(db, "e")
    e("SET statement_timeout = '5s'")
    assert step(e, 8) == [("claim", free), ("again", None)]
    assert s("SELECT state, parked FROM task WHERE id = %s", (held,)) == [("queued", "")]
    other.conn.rollback()
    assert step(e, 8) == [("claim", held)] and s.one("SELECT running FROM command WHERE name = 'held'") == 1


def test_a_standby_sender_leads_when_the_leader_s_session_ends(db):
    one, other = Session(db, "teleops_sender"), Session(db, "teleops_sender")
    first = one.one("SELECT sender_lead()")
    assert first and other.one("SELECT sender_lead()") is None
    Session(db)("INSERT INTO outbox (op, chat_id, seq, text) VALUES ('send', 4001, 1, 'hi')")
    assert len(take(one, first)) == 1
    one.conn.close()
    second = None
    for _ in range(100):
        second = other.one("SELECT sender_lead()")
        if second:
            break
        other("SELECT pg_sleep(0.05)")
    assert second > first and len(take(other, second)) == 1
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
        take(other, first)
