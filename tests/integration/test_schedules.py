"""Commands that run by the clock, on the whole stack. What cron expressions mean is tested in tests/sql/test_cron.py."""
import datetime
import os
import re
import subprocess
import time

import pytest

GROUP = -2001


@pytest.fixture
def clock(stack):
    """Schedules of the test alone. /tick is for those that are many."""
    stack.apply({"commands": [{"name": "tick", "kind": "text", "template": "tick {n}", "parameters": [{"name": "n", "type": "integer", "required": True}]}],
                 "grants": [{"role": "crew", "command": "tick"}]})
    yield stack
    stack.sql("DELETE FROM schedule")
    assert stack.settled()


def schedule(name, line, **more):
    return {"name": name, "line": line, "cron": "0 0 1 1 *", "user": "ada", "chat_id": 4001, **more}


def declare(stack, *schedules):
    stack.apply({"schedules": list(schedules)})


def due_in(stack, seconds, name=None):
    """Makes schedules due then; when that is."""
    return stack.sql("UPDATE schedule SET next_at = clock_timestamp() + %s * interval '1 second' WHERE coalesce(name = %s, true) RETURNING next_at", (seconds, name))[0][0]


def test_it_runs_in_time_and_says_what_it_is(clock):
    declare(clock, schedule("greet", "/echo good morning", chat_id=-1000000002002, thread_id=9))
    due = due_in(clock, 7)
    assert clock.sim.wait_answers(-1000000002002, 1, 15), "an engine finds it within five seconds, and waits for its time"
    task, text = clock.sql("SELECT id FROM task_history ORDER BY id DESC LIMIT 1")[0][0], clock.sim.answers(-1000000002002)[0]
    assert re.fullmatch(rf"/echo · task {task} · [0-9.]+ s\ngood morning", text)
    assert clock.sim.messages(-1000000002002)[-1]["message_thread_id"] == 9
    late, = clock.sql("SELECT admitted_at - %s FROM task_history WHERE id = %s", (due, task))[0]
    assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=1)
    assert clock.sql("SELECT u.login, h.state, h.line FROM task_history h JOIN app_user u ON u.id = h.user_id WHERE h.id = %s", (task,)) == \
        [("ada", "done", "/echo good morning")]


def test_a_command_that_changes_is_read_again_by_an_engine(clock):
    declare(clock, schedule("tick", "/tick 7"))
    # Not by teleops apply, which would have read the line itself.
    clock.sql("UPDATE command_parameter SET minimum = 8 WHERE name = 'n'; UPDATE command SET version = version + 1 WHERE name = 'tick'")
    due_in(clock, 0)
    said = clock.sim.wait_answers(4001, 1, 15)
    assert said == ["Schedule tick did not run:\n/tick 7\nn must be a whole number, at least 8, not \"7\".\nUsage: /tick <n>\n"
                    "This is said once, until it is something else."]
    clock.sql("UPDATE command_parameter SET minimum = 5 WHERE name = 'n'; UPDATE command SET version = version + 1 WHERE name = 'tick'")
    due_in(clock, 0)
    assert clock.sim.wait_answers(4001, 2, 15)[1] == "tick 7"


def test_rights_are_those_of_the_moment(clock):
    declare(clock, schedule("tick", "/tick 1"))
    clock.sql("DELETE FROM user_role WHERE user_id = (SELECT id FROM app_user WHERE login = 'ada')")
    try:
        for _ in range(2):
            due_in(clock, 0)
            assert clock.wait(lambda: clock.sql("SELECT next_at > clock_timestamp() FROM schedule") == [(True,)], 10)
        assert clock.settled()
        said, = clock.sim.answers(4001)
        assert "Ada may not run /tick here" in said and "said once" in said
        listed = clock.teleops("schedule", "list").stdout
        assert "Ada may not run /tick here" in listed
    finally:
        clock.sql("INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'ada' AND r.name = 'crew'")
    due_in(clock, 0)
    assert clock.sim.wait_answers(4001, 2, 15)[1] == "tick 1"


def engine(stack, name, queues="default"):
    env = {"TELEOPS_DATABASE": stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_engine"), "TELEOPS_ENGINE_NAME": name,
           "TELEOPS_QUEUES": queues, "TELEOPS_EXEC_DIR": stack.env["TELEOPS_EXEC_DIR"], "TELEOPS_RUN_DIR": os.path.join(stack.dir, "run"),
           "TELEOPS_WORK_DIR": os.path.join(stack.dir, "work-" + name), "TELEOPS_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"}
    # its log goes to a file: a pipe nobody empties would stop it after 64 KiB
    with open(log_of(stack, name), "wb") as log:
        return subprocess.Popen([os.path.join(stack.dir, "app/usr/sbin/teleengine")], env=env, stdout=subprocess.DEVNULL, stderr=log)


def log_of(stack, name):
    return os.path.join(stack.dir, "log-" + name)


def test_a_right_taken_away_before_it_is_claimed_counts_too(clock):
    declare(clock, schedule("far", "/far away"))
    due_in(clock, 0)
    assert "no engine serves the queue far" in clock.sim.wait_answers(4001, 1, 15)[0]
    clock.sql("DELETE FROM role_command WHERE command_id = (SELECT id FROM command WHERE name = 'far')")
    second = engine(clock, "far-off", "far")
    try:
        assert "may not run /far" in clock.sim.wait_answers(4001, 2, 15)[1]
        assert clock.sql("SELECT state FROM task_history ORDER BY id DESC LIMIT 1") == [("refused",)]
    finally:
        second.terminate()
        second.wait(timeout=20)
        clock.apply({"grants": [{"role": "crew", "command": "far"}]})


@pytest.mark.parametrize("rule, runs", [("skip", 0), ("once", 1), ("all", 4)])
def test_runs_that_were_missed(clock, rule, runs):
    """An engine that was away for more than three hours."""
    minute = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)).minute
    declare(clock, schedule("hourly", "/tick 3", cron=f"{minute} * * * *", missed=rule))
    clock.sql("UPDATE schedule SET next_at = date_trunc('minute', clock_timestamp()) - interval '200 minutes'")
    assert clock.wait(lambda: clock.sql("SELECT next_at > clock_timestamp() FROM schedule") == [(True,)], 10)
    assert clock.settled() and clock.sim.answers(4001) == ["tick 3"] * runs


def test_an_approval_is_asked_for_and_given(clock):
    declare(clock, schedule("weekly", "/judged verdict", chat_id=GROUP))
    due_in(clock, 0)
    assert "/judged verdict" in clock.sim.wait_answers(GROUP, 1, 15)[0]
    message = [m for m in clock.sim.messages(GROUP) if m["from"]["is_bot"]][0]
    button = message["reply_markup"]["inline_keyboard"][0][0]
    clock.sim.press(4011, message["message_id"], button["callback_data"], GROUP)
    assert clock.wait(lambda: "verdict" in clock.marked(), 15)
    assert clock.settled()


def test_the_engine_killed_at_the_minute_loses_and_doubles_nothing(clock):
    declare(clock, *(schedule(f"t{i}", f"/tick {i}", chat_id=5001 + i % 50) for i in range(200)))
    due_in(clock, 6)
    time.sleep(5.9)
    clock.kill("teleengine")
    assert clock.wait(lambda: clock.sql("SELECT count(*) FROM schedule WHERE next_at < clock_timestamp()") == [(0,)], 30)
    assert clock.settled(60)
    made = clock.sql("SELECT detail ->> 'schedule', count(*) FROM audit_event WHERE action = 'admitted' AND detail ->> 'schedule' ~ '^t[0-9]+$' GROUP BY 1")
    assert len(made) == 200 and {n for _, n in made} == {1}
    said = [text for who in range(5001, 5051) for text in clock.sim.answers(who)]
    # One that was being carried out just then is told to be lost.
    assert len(said) == 200 and len({text for text in said if text.startswith("tick ")}) >= 190


@pytest.mark.timing
def test_a_thousand_in_the_same_minute_by_three_engines(clock):
    others = [engine(clock, f"more-{n}") for n in (1, 2)]
    try:
        now = datetime.datetime.now(datetime.timezone.utc)
        minute = (now + datetime.timedelta(seconds=75 if now.second > 40 else 60)).replace(second=0, microsecond=0)
        declare(clock, *(schedule(f"m{i}", f"/tick {i}", cron=f"{minute.minute} {minute.hour} * * *", chat_id=5001 + i % 50) for i in range(1000)))
        assert clock.sql("SELECT count(*) FROM schedule WHERE next_at = %s", (minute,)) == [(1000,)]
        time.sleep(max(0, (minute - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
        assert clock.wait(lambda: clock.sql("SELECT count(*) FROM schedule WHERE last_at = %s", (minute,)) == [(1000,)], 30)
        took = datetime.datetime.now(datetime.timezone.utc) - minute
        assert clock.settled(90)
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.wait(timeout=30)
    logs = [open(log_of(clock, f"more-{n}"), encoding="utf-8").read() for n in (1, 2)]
    made = clock.sql("SELECT detail ->> 'schedule', count(*) FROM audit_event WHERE action = 'admitted' AND detail ->> 'schedule' ~ '^m[0-9]+$' GROUP BY 1")
    assert len(made) == 1000 and {n for _, n in made} == {1}, "each once"
    said = [text for who in range(5001, 5051) for text in clock.sim.answers(who)]
    assert sorted(said) == sorted(f"tick {i}" for i in range(1000))
    first, = clock.sql("SELECT min(at) FROM audit_event WHERE action = 'admitted' AND detail ->> 'schedule' ~ '^m[0-9]+$'")[0]
    assert first - minute < datetime.timedelta(seconds=1)
    assert took < datetime.timedelta(seconds=20), took
    assert all("event=schedules" in log for log in logs), "all had their part in it"
