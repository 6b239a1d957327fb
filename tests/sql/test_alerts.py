"""Alerts where several are at it: reports, the sender, the janitor. What they say is tested in tests/integration/test_alerts.py."""
import hashlib
import json
import threading
import time

import pytest

HASH = hashlib.sha256(b"token").hexdigest()
TAKE = "SELECT outcome FROM hook_take(%s, %s)"
SETTLE = "SELECT again FROM outbox_settle(%s, %s, %s, %s, %s, %s, %s)"


def report(status="firing", key="k", **more):
    return json.dumps({"key": key, "status": status, "title": "Disk", "text": "", "url": "", "more": 0,
                       "alerts": [{"status": status, "text": "full", "labels": {"host": "web1"}}], **more})


@pytest.fixture
def hook(cluster):
    cluster.sql("INSERT INTO hook (name, chat_id, token_hash, rate) VALUES ('h', -77, sha256('token'), 6000)")
    yield cluster
    cluster.sql("DELETE FROM hook; DELETE FROM outbox; DELETE FROM chat WHERE chat_id IN (-77, -1000000000077)")


def take(cluster, *args, **more):
    return cluster.sql(TAKE, (HASH, report(*args, **more)), user="teleops_bot")[0][0]


def settle(cluster, epoch, row, version, message):
    return cluster.sql(SETTLE, (epoch, [row], ["sent"], [version], [0], [message], [""]), user="teleops_sender")[0][0]


def send(cluster):
    """What a sender takes: (epoch, row, version, message it edits)."""
    epoch = cluster.sql("UPDATE bot_status SET sender_epoch = sender_epoch + 1 RETURNING sender_epoch")[0][0]
    row, = cluster.sql("SELECT id, version, message_id FROM outbox_take(%s, '{}', 10) WHERE op = 'live'", (epoch,), user="teleops_sender")
    return (epoch, *row)


def test_what_was_sent_is_changed_from_then_on(hook):
    assert take(hook) == "opened"
    epoch, row, version, message = send(hook)
    assert (version, message) == (1, None)
    assert take(hook) == "updated", "while it is being sent"
    assert settle(hook, epoch, row, version, 501) is True, "it goes out again"
    epoch, row, version, message = send(hook)
    assert (version, message) == (2, 501)
    assert settle(hook, epoch, row, version, 0) is False and hook.sql("SELECT message_id, outbox_id FROM alert") == [(501, None)]
    assert take(hook, "resolved") == "closed"
    assert send(hook)[3] == 501
    assert take(hook) == "opened" and hook.sql("SELECT message_id FROM alert WHERE closed_at IS NULL") == [(None,)]


def test_a_report_that_comes_while_the_sender_settles(hook):
    """Whichever is first, nothing stays behind: neither an old text nor a row that nobody holds."""
    take(hook)
    for turn in range(30):
        epoch, row, version, _ = send(hook)
        other = threading.Thread(target=take, args=(hook,))
        other.start()
        settle(hook, epoch, row, version, 501)
        other.join()
        assert hook.sql("SELECT count(*) FROM outbox WHERE taken_by IS NOT NULL") == [(0,)], turn
        assert hook.sql("SELECT count(*) FROM outbox WHERE op = 'live' AND wanted_version > sent_version AND message_ids = '{501}'") == [(1,)], turn
    assert hook.sql("SELECT reports FROM alert") == [(31,)]


def test_a_row_that_is_overwritten_while_it_is_settled_goes_out_again(hook):
    """Of all operations with a coalesce key: the sender says sent, and meanwhile there is something newer."""
    take(hook)
    epoch, row, version, _ = send(hook)
    conn = hook.connect("teleops_owner")
    said = []
    try:
        conn.autocommit = False
        with conn.cursor() as cur:
            cur.execute("UPDATE outbox SET wanted_version = wanted_version + 1 WHERE id = %s", (row,))
            other = threading.Thread(target=lambda: said.append(settle(hook, epoch, row, version, 501)))
            other.start()
            until = time.monotonic() + 20
            while not hook.sql("SELECT 1 FROM pg_locks WHERE NOT granted") and time.monotonic() < until:
                time.sleep(0.02)
            conn.commit()
        other.join()
    finally:
        conn.close()
    assert said == [True] and hook.sql("SELECT taken_by, sent_version, message_ids FROM outbox WHERE id = %s", (row,)) == [(None, version, [501])]


def test_many_reports_at_once_are_few_alerts(hook):
    failures = []

    def post(n):
        for i in range(20):
            try:
                take(hook, "resolved" if i % 7 == 6 else "firing", key=f"k{(n + i) % 3}")
            except Exception as e:  # pylint: disable=broad-except
                failures.append(e)
    threads = [threading.Thread(target=post, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == [] and hook.sql("SELECT count(*) <= 3 FROM alert WHERE closed_at IS NULL") == [(True,)]
    assert hook.sql("SELECT count(*) FROM outbox o WHERE NOT EXISTS (SELECT FROM alert a WHERE a.outbox_id = o.id)") == [(0,)]


def test_a_group_that_moved_takes_its_hooks_and_alerts_along(hook):
    take(hook)
    settle(hook, *send(hook)[:3], 501)
    hook.sql("SELECT chat_migrate(-77, -1000000000077)")
    assert hook.sql("SELECT chat_id FROM hook") == [(-1000000000077,)] and hook.sql("SELECT chat_id, message_id FROM alert") == [(-1000000000077, None)]
    assert take(hook) == "updated" and send(hook)[3] is None, "a group's message cannot be edited from the supergroup"


def test_what_is_forgotten_is_forgotten_in_portions(hook):
    hook.sql("""INSERT INTO alert (hook_id, key, state, chat_id, last_at) SELECT h.id, i::text, 'firing', -77, now() - interval '4 days' FROM hook h, generate_series(1, 250) i""")
    hook.sql("SELECT alerts_forget()")
    assert hook.sql("SELECT count(*) FROM alert WHERE state = 'silent'") == [(200,)]
    hook.sql("SELECT alerts_forget()")
    assert hook.sql("SELECT count(*) FROM alert WHERE state = 'silent'") == [(250,)] and hook.sql("SELECT count(*) FROM outbox") == [(250,)]


def test_buttons_offer_what_fits(hook):
    hook.sql("INSERT INTO command (name, kind, template) VALUES ('t_go', 'text', 'x')")
    try:
        hook.sql("INSERT INTO command_parameter (command_id, position, name, type) SELECT id, n, 'p' || n, 'text' FROM command, generate_series(1, 2) n WHERE name = 't_go'")
        line = """SELECT alert_line(ROW(h.id, 1, c.id, '', %s::jsonb, '{}')::hook_button, %s::jsonb) FROM hook h, command c WHERE c.name = 't_go'"""
        for args, labels, wanted in [
                ({"p1": "{a} b"}, {"a": "x y"}, "/t_go p1='x y b'"), ({"p1": "{a}"}, {"a": "{b}", "b": "no"}, "/t_go p1={b}"), ({"p1": "{a}"}, {}, None),
                ({"p1": "{A_1}", "p2": "the rest 'as' it {a}"}, {"A_1": "'", "a": "is"}, "/t_go p1=''\\''' p2=the rest 'as' it is"),
                ({"p1": "x" * 600, "p2": "y" * 600}, {}, None), ({"gone": "x"}, {}, "/t_go"), ({"p1": "{not a label}"}, {}, "/t_go p1='{not a label}'")]:
            assert hook.sql(line, (json.dumps(args), json.dumps(labels))) == [(wanted,)], args
    finally:
        hook.sql("DELETE FROM command WHERE name = 't_go'")
    for wanted, labels, fits in [({}, {}, True), ({"a": "x"}, {"a": "x"}, True), ({"a": "x"}, {"a": "xy"}, False), ({"a": "x*"}, {"a": "xy"}, True), ({"a": "*"}, {}, False),
                                 ({"a": "x", "b": "y"}, {"a": "x"}, False), ({"a": "50%_*"}, {"a": "50%_full"}, True), ({"a": "50%"}, {"a": "500"}, False), ({"a": "\\"}, {"a": "\\"}, True)]:
        assert hook.sql("SELECT labels_fit(%s::jsonb, %s::jsonb)", (json.dumps(wanted), json.dumps(labels))) == [(fits,)], (wanted, labels)
