"""Requests whose time is over, where several are at it. What they say is tested in tests/pgtap/pending.sql."""
import threading
import time

import pytest

MAKE = """
INSERT INTO pending (state, user_id, telegram_id, chat_id, command_id, args, line, expires_at)
SELECT 'approving', u.id, 4401, %(chat)s, c.id, '{}', '/wait ' || n, now() - interval '1 minute' FROM app_user u, command c, generate_series(1, %(many)s) n
WHERE u.login = 'pat' AND c.name = 'wait_for_it'"""


@pytest.fixture
def asked(cluster):
    cluster.sql("INSERT INTO app_user (login) VALUES ('pat'); INSERT INTO command (name, kind, template) VALUES ('wait_for_it', 'text', 'x'); "
                "INSERT INTO chat (chat_id, type) VALUES (4401, 'private'), (4402, 'private')")

    def make(chat, many=1):
        cluster.sql(MAKE, {"chat": chat, "many": many})
    yield make
    cluster.sql("DELETE FROM pending; DELETE FROM outbox; DELETE FROM command WHERE name = 'wait_for_it'; DELETE FROM chat WHERE chat_id IN (4401, 4402); "
                "DELETE FROM app_user WHERE login = 'pat'")


def told(cluster):
    return cluster.sql("SELECT chat_id, count(*), count(DISTINCT seq), count(DISTINCT text) FROM outbox GROUP BY 1 ORDER BY 1")


def test_many_of_a_chat_end_at_once_each_with_its_words(cluster, asked):
    asked(4401, 120)
    asked(4402, 3)
    cluster.sql("SELECT pending_expire()")
    assert cluster.sql("SELECT count(*) FROM pending") == [(0,)]
    assert told(cluster) == [(4401, 120, 120, 120), (4402, 3, 3, 3)]


def test_no_more_than_a_portion_at_once(cluster, asked):
    asked(4401, 620)
    cluster.sql("SELECT pending_expire()")
    assert cluster.sql("SELECT count(*) FROM pending") == [(120,)]
    cluster.sql("SELECT pending_expire()")
    assert told(cluster) == [(4401, 620, 620, 620)]


@pytest.mark.parametrize("decided", ["DELETE FROM pending", "UPDATE pending SET expires_at = now() + interval '1 hour'"])
def test_who_answers_in_the_last_moment_is_not_told_that_it_is_over(cluster, asked, decided):
    asked(4401)
    held = cluster.connect()
    held.autocommit = False
    cur = held.cursor()
    cur.execute("SELECT FROM chat WHERE chat_id = 4401 FOR UPDATE")
    other = threading.Thread(target=cluster.sql, args=("SELECT pending_expire()",))
    other.start()
    until = time.monotonic() + 30
    while not cluster.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%pending_expire%'") and time.monotonic() < until:
        time.sleep(0.05)
    cur.execute(decided)
    held.commit()
    other.join(30)
    assert not other.is_alive() and told(cluster) == []
    held.close()
