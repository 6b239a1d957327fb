"""The record: sealed, followed, and every way of tampering named."""
import json

import pytest


def write(cluster, words):
    cluster.sql("INSERT INTO audit_event (actor, action, object, detail) SELECT 'operator', 'tried', w, '{\"a\": 1}' FROM unnest(%s) w", (words,))


@pytest.fixture
def record(teleops):
    """Three seals of three events each."""
    for i in range(3):
        write(teleops.cluster, [f"thing {i} {j}" for j in range(3)])
        assert teleops.cluster.sql("SELECT audit_seal_next()") == [(i + 1,)]
    return teleops


def faults(teleops, *options):
    done = teleops("audit", "verify", "--json", *options)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert bool(told["faults"]) == (done.returncode == 1)
    return told["faults"]


def event(teleops, n):
    return teleops.cluster.sql("SELECT id FROM audit_event WHERE object LIKE 'thing%%' ORDER BY id OFFSET %s LIMIT 1", (n,))[0][0]


def test_an_unbroken_record(record):
    write(record.cluster, ["not sealed yet"])
    done = record("audit", "verify")
    assert done.returncode == 0
    assert "9 events in 3 seals, unbroken; 1 not sealed yet\nhead " in done.stdout
    assert faults(record) == []


def test_nothing_to_verify(teleops):
    assert "0 events in 0 seals, unbroken" in teleops("audit", "verify").stdout


def test_a_changed_event(record):
    record.cluster.sql("UPDATE audit_event SET detail = '{\"a\": 2}' WHERE id = %s", (event(record, 4),))
    found, = faults(record)
    assert found.startswith("seal 2: an event between") and "was changed" in found


def test_a_removed_event(record):
    gone = event(record, 4)
    record.cluster.sql("DELETE FROM audit_event WHERE id = %s", (gone,))
    assert faults(record) == [f"seal 2: event {gone} is missing"]


def test_an_event_added_later(record):
    old = record.cluster.sql("SELECT xid::text FROM audit_event WHERE id = %s", (event(record, 8),))[0][0]
    made, = record.cluster.sql("INSERT INTO audit_event (actor, action, xid) VALUES ('operator', 'never was', %s::xid8) RETURNING id", (old,))[0]
    assert faults(record) == [f"seal 3: event {made} was added later"]


def test_a_removed_seal(record):
    record.cluster.sql("DELETE FROM audit_seal WHERE seq = 2")
    found = faults(record)
    assert "seal 2 is missing" in found and "seal 3 does not follow the one before it" in found


def test_an_exchanged_seal_shows_in_the_next(record):
    record.cluster.sql("UPDATE audit_seal SET sha256 = sha256('') WHERE seq = 1")
    found = faults(record)
    assert any(f.startswith("seal 1: an event between") for f in found) and "seal 2 does not follow the one before it" in found


def test_a_rewritten_chain_has_not_the_head_that_was_noted(record):
    head = json.loads(record("audit", "verify", "--json").stdout)["head"]
    assert faults(record, "--head", head) == []
    record.cluster.sql("DELETE FROM audit_event WHERE id = %s", (event(record, 8),))
    record.cluster.sql("DELETE FROM audit_seal")
    assert record.cluster.sql("SELECT audit_seal_next()") == [(1,)]
    assert faults(record) == []
    assert faults(record, "--head", head) == [f"the head {head} is not in the chain"]


def test_what_is_not_committed_yet_is_not_sealed_nor_lost(teleops):
    """A transaction that takes its number and ids first and commits last."""
    slow = teleops.cluster.connect()
    slow.autocommit = False
    with slow.cursor() as cur:
        cur.execute("INSERT INTO audit_event (actor, action) VALUES ('operator', 'slow')")
        write(teleops.cluster, ["quick"])
        assert teleops.cluster.sql("SELECT audit_seal_next()") == [(None,)], "nothing is sealed past it"
        slow.commit()
    slow.close()
    write(teleops.cluster, ["after"])
    assert teleops.cluster.sql("SELECT audit_seal_next()") == [(1,)]
    assert teleops.cluster.sql("SELECT cardinality(ids) FROM audit_seal") == [(3,)]
    assert faults(teleops) == []


def test_many_events_become_several_seals(teleops):
    for _ in range(3):
        teleops.cluster.sql("INSERT INTO audit_event (actor, action) SELECT 'operator', 'bulk' FROM generate_series(1, 4000)")
    while teleops.cluster.sql("SELECT audit_seal_next() IS NOT NULL")[0][0]:
        pass
    told = json.loads(teleops("audit", "verify", "--json").stdout)
    assert told["events"] == 12000 and told["seals"] == 2 and not told["faults"]
