"""Schedules in the database: what is due becomes a task, once; what was missed; what may not run."""
import threading

import psycopg2
import psycopg2.errors
import pytest

CHAT = 7101
EMPTY = """DELETE FROM schedule; DELETE FROM task; DELETE FROM outbox; DELETE FROM pending; DELETE FROM role_command; DELETE FROM command;
    DELETE FROM app_user; DELETE FROM role; DELETE FROM chat; DELETE FROM engine"""


@pytest.fixture
def clock(cluster):
    """A person, two commands, a served queue; no schedules but the test's own."""
    cluster.sql(EMPTY)
    cluster.sql("""INSERT INTO role (name) VALUES ('crew'), ('judge');
        INSERT INTO app_user (login, first_name) VALUES ('ada', 'Ada'), ('jo', 'Jo');
        INSERT INTO telegram_account (telegram_id, user_id) SELECT 7100 + row_number() OVER (ORDER BY login), id FROM app_user;
        INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'ada' AND r.name = 'crew' OR u.login = 'jo' AND r.name = 'judge';
        INSERT INTO command (name, kind, program) VALUES ('tidy', 'exec', 'true');
        INSERT INTO command (name, kind, program, approvals, approver_role_id) SELECT 'judged', 'exec', 'true', 1, id FROM role WHERE name = 'judge';
        INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 'crew';
        INSERT INTO engine (name, queues, lease_until) VALUES ('here', '{default}', 'infinity')""")
    yield Clock(cluster)
    cluster.sql(EMPTY)


class Clock:
    def __init__(self, cluster):
        self.cluster, self.sql = cluster, cluster.sql

    def add(self, name="s", cron="* * * * *", late="0 seconds", read=True, command="tidy", **columns):
        """A schedule that has been due for so long, its line read."""
        self.sql("""INSERT INTO schedule (name, command_id, user_id, chat_id, line, cron) SELECT %s, c.id, u.id, %s, '/' || c.name, %s FROM command c, app_user u
            WHERE c.name = %s AND u.login = 'ada'""", (name, CHAT, cron, command))
        for column, value in columns.items():
            self.sql(f"UPDATE schedule SET {column} = %s WHERE name = %s", (value, name))
        if read:
            self.read()
        self.due(name, late)

    def read(self, args="{}", complaint=""):
        self.sql("SELECT schedule_checked(array_agg(schedule_id), array_agg(version), array_agg(%s::text), array_agg(%s::text)) FROM schedule_unchecked(1000)", (args, complaint),
                 user="teleops_owner")

    def due(self, name="s", late="0 seconds"):
        self.sql("UPDATE schedule SET next_at = clock_timestamp() - %s::interval WHERE name = %s", (late, name))

    def run(self, most=100):
        """(runs, lines to be read, milliseconds) as an engine hears it."""
        return self.sql("SELECT fired, unchecked, wait_ms FROM schedules_run(%s)", (most,), user="teleops_engine")[0]

    def tasks(self):
        return self.sql("SELECT count(*) FROM task")[0][0]

    def said(self):
        return [text for text, in self.sql("SELECT text FROM outbox ORDER BY id")]

    def get(self, column, name="s"):
        return self.sql(f"SELECT {column} FROM schedule WHERE name = %s", (name,))[0][0]


def test_what_is_due_becomes_a_task_once(clock):
    clock.add(thread_id=9)
    fired, unread, wait = clock.run()
    assert (fired, unread) == (1, False) and 0 < wait <= 5000
    assert clock.sql("""SELECT c.name, u.login, t.telegram_id, t.chat_id, t.thread_id, t.message_id, t.update_id, t.line, t.args, t.queue, t.state
        FROM task t JOIN command c ON c.id = t.command_id JOIN app_user u ON u.id = t.user_id""") == \
        [("tidy", "ada", 7101, CHAT, 9, None, None, "/tidy", {}, "default", "queued")]
    assert clock.run()[0] == 0 and clock.tasks() == 1 and clock.said() == []
    assert clock.get("next_at > now() AND next_at <= now() + interval '1 minute' AND last_at < now()")
    task, = clock.sql("SELECT id FROM task")[0]
    assert clock.get("last_task_id") == task
    assert clock.sql("SELECT actor, action, detail ->> 'schedule' FROM audit_event WHERE object = %s", (f"task {task}",)) == [("engine", "admitted", "s")]


def test_its_chat_is_known_from_the_beginning(clock):
    clock.add("private")
    for name, chat in (("group", -77), ("super", -1000000000077)):
        clock.add(name, chat_id=chat)
    assert clock.sql("SELECT chat_id, type FROM chat ORDER BY chat_id") == [(-1000000000077, "supergroup"), (-77, "group"), (CHAT, "private")]


def test_how_long_to_wait(clock):
    assert clock.run() == (0, False, 5000)
    clock.add(late="-2 seconds")
    fired, _, wait = clock.run()
    assert fired == 0 and 1000 < wait <= 2000
    clock.add("other", late="-1 hour")
    assert clock.run()[2] <= 2000
    clock.sql("UPDATE schedule SET enabled = false WHERE name = 's'")
    assert clock.run()[2] == 5000
    for i in range(3):
        clock.add(f"now{i}")
    assert clock.run(2)[:1] == (2,) and clock.run(2) [:1] == (1,)


@pytest.mark.parametrize("rule, runs", [("skip", 1), ("once", 1), ("all", 10)])
def test_every_minute_missed_for_ten(clock, rule, runs):
    clock.add(missed=rule)
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp()) - interval '9 minutes'")
    assert clock.run()[0] == runs, "the last of them is not late"
    assert clock.tasks() == runs and clock.get("next_at > now()") and clock.run()[0] == 0
    assert clock.sql("SELECT detail ->> 'rule', (detail ->> 'runs')::integer FROM audit_event WHERE action = 'missed' ORDER BY id DESC LIMIT 1") == [(rule, runs)]


@pytest.mark.parametrize("rule, runs", [("skip", 0), ("once", 1), ("all", 3)])
def test_nothing_is_due_just_now(clock, rule, runs):
    """Three hours of an hourly one, none of them within the last minute."""
    minute, = clock.sql("SELECT extract(minute FROM clock_timestamp() - interval '20 minutes')::integer")[0]
    clock.add(cron=f"{minute} * * * *", missed=rule)
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp()) - interval '140 minutes'")
    assert clock.run()[0] == runs and clock.get("next_at > now()")
    assert clock.get("last_at IS NULL") == (runs == 0)


@pytest.mark.parametrize("late, runs", [("0 seconds", 1), ("50 seconds", 1), ("62 seconds", 0)])
def test_a_minute_late_is_not_missed(clock, late, runs):
    clock.add(cron="0 0 1 1 *", late=late)
    assert clock.run()[0] == runs


def test_all_that_was_missed_is_a_hundred_at_most(clock):
    clock.add(missed="all")
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp()) - interval '3 days'")
    assert clock.run()[0] == 100 and clock.tasks() == 100
    assert clock.get("next_at > now()") and clock.run()[0] == 0
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp()) - interval '20 years', missed = 'skip'")
    assert clock.run()[0] <= 1 and clock.get("next_at > now()"), "in no time"


def withdraw(clock):
    clock.sql("DELETE FROM user_role")


def test_a_withdrawn_right_is_told_once(clock):
    clock.add("w")
    withdraw(clock)
    for _ in range(3):
        assert clock.run()[0] == 0
        clock.due("w")
    text, = clock.said()
    assert text.startswith("Schedule w did not run:\n/tidy\nAda may not run /tidy")
    assert clock.get("error", "w") == "Ada may not run /tidy here with these arguments, or not any more." and clock.tasks() == 0
    assert clock.sql("SELECT count(*) FROM audit_event WHERE action = 'refused' AND object = 'schedule w'") == [(1,)]
    clock.sql("INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'ada' AND r.name = 'crew'")
    assert clock.run()[0] == 1 and clock.get("error", "w") == ""
    withdraw(clock)
    clock.sql("DELETE FROM task")
    clock.due("w")
    assert clock.run()[0] == 0 and len(clock.said()) == 2, "and again when it happens anew"


@pytest.mark.parametrize("what, why", [
    ("UPDATE command SET enabled = false WHERE name = 'tidy'", "/tidy is switched off."), ("UPDATE app_user SET enabled = false", "Ada may not run /tidy"),
    ("UPDATE role_command SET constraints = '{\"x\": [\"y\"]}'", "Ada may not run /tidy"), ("UPDATE role_command SET chat_id = 1", "Ada may not run /tidy"),
    ("UPDATE chat SET allowed = false", "")])
def test_whatever_stands_in_the_way_at_that_time(clock, what, why):
    clock.add()
    clock.sql(what)
    clock.read()
    assert clock.run()[0] == 0 and clock.tasks() == 0 and clock.get("error") != ""
    assert (why in clock.said()[0]) if why else clock.said() == [], "a chat that is not allowed hears nothing"


def test_a_changed_command_waits_until_the_line_is_read_again(clock):
    clock.add(read=False)
    assert clock.run() == (0, True, 5000), "no reason to hurry"
    assert clock.sql("SELECT line, version FROM schedule_unchecked(10)", user="teleops_engine") == [("/tidy", 1)]
    clock.read()
    assert clock.run()[:2] == (1, False)
    clock.sql("DELETE FROM task; UPDATE command SET version = version + 1 WHERE name = 'tidy'")
    clock.due()
    assert clock.run()[:2] == (0, True)
    clock.sql("SELECT schedule_checked(array_agg(schedule_id), array_agg(version), '{\"\"}', '{too few}') FROM schedule_unchecked(1)")
    assert clock.run()[:2] == (0, False) and clock.said() == ["Schedule s did not run:\n/tidy\ntoo few\nThis is said once, until it is something else."]


def test_a_changed_line_is_read_again(clock):
    clock.add()
    clock.sql("UPDATE schedule SET line = '/tidy now'")
    assert clock.run()[1] and clock.tasks() == 0


def test_runs_of_a_queue_that_nobody_serves_do_not_pile_up(clock):
    clock.sql("DELETE FROM engine")
    clock.add()
    clock.add("every", missed="all")
    for _ in range(3):
        clock.run()
        clock.due()
        clock.due("every")
    assert clock.sql("SELECT count(*) FROM task t JOIN schedule s ON s.last_task_id = t.id WHERE s.name = 's'") == [(1,)]
    assert clock.tasks() == 4, "but all of one that wants all"
    assert "still waits in the queue default" in clock.get("error")


def test_what_needs_approval_asks_for_it(clock):
    clock.sql("INSERT INTO chat (chat_id, type) VALUES (7102, 'private')")
    clock.add(command="judged")
    assert clock.run()[0] == 1 and clock.tasks() == 0
    assert clock.sql("SELECT state, line, confirmed FROM pending") == [("approving", "/judged", True)]
    assert clock.sql("SELECT DISTINCT chat_id FROM outbox ORDER BY 1") == [(CHAT,), (7102,)], "the requester's chat and the approver's"
    clock.due()
    assert clock.run()[0] == 0 and clock.get("error") == "Its last run still waits for approval."


def test_one_that_cannot_be_computed_stops_no_other(clock):
    clock.add("bad")
    clock.add("good")
    clock.sql("ALTER TABLE schedule DISABLE TRIGGER schedule_changed; UPDATE schedule SET timezone = 'Europe/Atlantis' WHERE name = 'bad';"
              "ALTER TABLE schedule ENABLE TRIGGER schedule_changed")
    assert clock.run()[0] == 1
    assert clock.get("error", "bad") == 'time zone "Europe/Atlantis" not recognized' and clock.get("next_at IS NULL", "bad")
    assert clock.get("next_at > now()", "good") and clock.run()[0] == 0


def test_the_next_time_follows_every_change(clock):
    clock.add(cron="0 0 1 1 *", timezone="Europe/Berlin")
    clock.sql("UPDATE schedule SET timezone = 'UTC'")
    assert clock.get("to_char(next_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI')") == "01-01 00:00"
    clock.sql("UPDATE schedule SET enabled = false")
    assert clock.get("next_at") is None
    clock.sql("UPDATE schedule SET enabled = true, cron = '30 12 * * *'")
    assert clock.get("to_char(next_at AT TIME ZONE 'UTC', 'HH24:MI')") == "12:30"
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        clock.sql("UPDATE schedule SET cron = '99 * * * *'")


def test_a_group_that_moved_takes_its_schedules_along(clock):
    clock.add(chat_id=-88)
    clock.sql("SELECT chat_migrate(-88, -1000000000088)")
    clock.due()
    assert clock.run()[0] == 1 and clock.sql("SELECT chat_id FROM task") == [(-1000000000088,)]


def test_several_engines_each_gets_its_own(clock):
    clock.sql("""INSERT INTO schedule (name, command_id, user_id, chat_id, line, cron) SELECT 's' || i, c.id, u.id, 8000 + i %% 7, '/tidy', '* * * * *'
        FROM generate_series(1, 300) i, command c, app_user u WHERE c.name = 'tidy' AND u.login = 'ada'""", ())
    clock.read()
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp())")
    counts, failures = [], []

    def engine():
        conn = clock.cluster.connect("teleops_engine")
        try:
            with conn.cursor() as cur:
                idle = 0
                while idle < 5:
                    cur.execute("SELECT fired FROM schedules_run(20)")
                    fired, = cur.fetchone()
                    idle = idle + 1 if fired == 0 else 0
                    counts.append(fired)
        except psycopg2.Error as e:
            failures.append(e)
        finally:
            conn.close()

    threads = [threading.Thread(target=engine) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert sum(counts) >= 300 and clock.sql("SELECT count(DISTINCT s.id) FROM schedule s JOIN task t ON t.id = s.last_task_id")[0][0] == 300
    # More than one each only if the test itself ran over a minute's end.
    assert clock.sql("""SELECT count(*) FROM audit_event WHERE action = 'admitted' AND detail ->> 'schedule' ~ '^s[0-9]+$'
        GROUP BY detail ->> 'schedule', detail ->> 'due' HAVING count(*) > 1""") == []
