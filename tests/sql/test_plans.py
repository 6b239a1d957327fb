"""What every update and every task goes through finds its rows by an index, whatever the statistics said when its plans were made."""
import os
import sys
from types import SimpleNamespace

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import bed  # noqa: E402
import claim  # noqa: E402


@pytest.fixture
def session(cluster):
    """One session whose plans are made while the tables are empty."""
    cluster.sql("INSERT INTO role (name) VALUES ('bench') ON CONFLICT DO NOTHING")
    cluster.sql(bed.PEOPLE_SQL, {"many": 100, "first": bed.FIRST_ID})
    cluster.sql("INSERT INTO command (name, kind, template) VALUES ('note', 'text', 'noted')")
    cluster.sql("INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 'bench' AND c.name = 'note'")
    cluster.sql(bed.ENGINES_SQL, {"queues": ["default"]})
    cluster.sql("VACUUM ANALYZE")
    conn = cluster.connect()
    yield SimpleNamespace(connection=conn, cur=conn.cursor(), engine=cluster.sql("SELECT id FROM engine WHERE name = 'default'")[0][0])
    conn.close()
    cluster.sql("TRUNCATE task, outbox, update_seen, task_history, task_output, pending CASCADE")
    cluster.sql("DELETE FROM command WHERE name = 'note'; DELETE FROM app_user WHERE login ~ '^p[0-9]+$'; DELETE FROM role WHERE name = 'bench'")
    cluster.sql("DELETE FROM engine WHERE name = 'default'")


def scans(session):
    """How often each hot table was read from end to end."""
    session.cur.execute("SELECT pg_stat_force_next_flush()")
    session.cur.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('task', 'outbox', 'update_seen')")
    return dict(session.cur.fetchall())


def test_a_backlog_is_never_read_from_end_to_end(cluster, session):
    admit = claim.Admission(session, 8)
    step, take, settle = (claim.Function(session.cur, name) for name in ("engine_step", "outbox_take", "outbox_settle"))
    session.cur.execute("SELECT sender_epoch FROM bot_status")
    epoch = session.cur.fetchone()[0]

    def one_of_each():
        admit()
        step.call(session.cur, p_engine=session.engine, p_epoch=1, p_want=4)
        take.call(session.cur, p_epoch=epoch, p_limit=4)
        settle.call(session.cur, p_epoch=epoch)
    for _ in range(8):
        one_of_each()
    before = scans(session)
    cluster.sql("""INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id) SELECT 'default', t.command_id, t.user_id, t.telegram_id, t.chat_id
        FROM (SELECT * FROM task LIMIT 1) t, generate_series(1, 20000)""")
    cluster.sql("INSERT INTO outbox (op, chat_id, seq, text) SELECT 'send', t.chat_id, n, 'x' FROM (SELECT * FROM task LIMIT 1) t, generate_series(1, 20000) n")
    for _ in range(4):
        one_of_each()
    assert scans(session) == {name: n + {"task": 2, "outbox": 0, "update_seen": 0}[name] for name, n in before.items()}, \
        "but for the two of this test itself"
