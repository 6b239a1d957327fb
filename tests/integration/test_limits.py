"""Limits, fairness, priorities, queues nobody serves, floods."""
import os
import subprocess
import time

from test_chat import answer


def most_at_once(stack, name, seconds):
    """How many tasks of a command were claimed at the same time, at most, while they run."""
    most, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, stack.count("task t JOIN command c ON c.id = t.command_id", "c.name = %s AND t.state <> 'queued'", (name,)))
        if not stack.count("task", "NOT internal"):
            break
    return most


def counters(stack):
    return stack.sql("SELECT (SELECT running FROM command WHERE name = 'pair'), (SELECT running FROM queue WHERE name = 'narrow')")[0]


def test_a_command_runs_as_often_as_it_may_and_no_other_waits_for_it(stack):
    for i in range(12):
        stack.sim.say(5001 + i, f"/pair p{i} 400")
    assert stack.wait(lambda: stack.count("task", "parked = 'limit'") > 0, 10)
    assert answer(stack, 4001, "/echo meanwhile") == "meanwhile"
    assert stack.count("task", "parked = 'limit'") > 0
    waits = stack.sql("SELECT id, telegram_id FROM task WHERE parked = 'limit' ORDER BY id DESC LIMIT 1")
    if waits:
        number, who = waits[0]
        assert "runs as often as it may" in answer(stack, who, f"/status {number}")
    assert most_at_once(stack, "pair", 20) == 2
    assert stack.settled()
    assert len(stack.marked()) == 12 and counters(stack) == (0, 0)


def test_a_queue_has_its_limit_too(stack):
    for i in range(5):
        stack.sim.say(5001 + i, f"/narrow n{i} 200")
    assert most_at_once(stack, "narrow", 20) == 1
    assert stack.settled()
    assert len(stack.marked()) == 5 and counters(stack) == (0, 0)


def test_a_limit_survives_the_engines_death_and_its_own_change(stack):
    for i in range(6):
        stack.sim.say(5001 + i, f"/pair d{i} 1500")
    assert stack.wait(lambda: len(stack.marked()) == 2, 10)
    stack.kill("teleengine")
    assert stack.wait(lambda: len(stack.marked()) >= 3, 40)
    assert most_at_once(stack, "pair", 1) <= 2
    stack.sql("UPDATE command SET concurrency = 5 WHERE name = 'pair'")
    assert stack.settled(60)
    assert counters(stack) == (0, 0)
    stack.sql("UPDATE command SET concurrency = 2 WHERE name = 'pair'")


def test_cancelling_makes_room(stack):
    for i in range(3):
        stack.sim.say(5001 + i, f"/pair c{i} 20000")
    assert stack.wait(lambda: len(stack.marked()) == 2, 10)
    for number, who in stack.sql("SELECT id, telegram_id FROM task WHERE state <> 'queued' AND NOT internal"):
        stack.sim.say(who, f"/cancel {number}")
    assert stack.wait(lambda: len(stack.marked()) == 3, 10)
    number, who = stack.sql("SELECT id, telegram_id FROM task WHERE NOT internal")[0]
    stack.sim.say(who, f"/cancel {number}")
    assert stack.settled() and counters(stack) == (0, 0)


def test_priority_goes_first_and_a_hundred_of_one_do_not_hold_up_another(stack):
    for i in range(60):
        stack.post({"update_id": stack.number(), "message": stack.message(5001, f"/mark bulk{i} 600")})
    stack.post({"update_id": stack.number(), "message": stack.message(5002, "/mark other 0")})
    stack.post({"update_id": stack.number(), "message": stack.message(5001, "/urgent now")})
    assert stack.wait(lambda: "other" in stack.marked() and "now" in stack.marked())
    order = stack.marked()
    assert max(order.index("other"), order.index("now")) < 50, "both overtook the sixty"
    assert stack.settled()


def test_a_queue_that_no_engine_serves_is_said_at_once_and_runs_when_one_does(stack):
    said = answer(stack, 4001, "/far away")
    number, = stack.sql("SELECT id FROM task WHERE NOT internal")[0]
    assert said.startswith(f"Task {number} waits: no engine serves the queue far just now")
    assert "no engine serves the queue far" in answer(stack, 4001, f"/status {number}")
    env = {"TELEOPS_DATABASE": stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_engine"), "TELEOPS_ENGINE_NAME": "second",
           "TELEOPS_QUEUES": "far", "TELEOPS_EXEC_DIR": stack.env["TELEOPS_EXEC_DIR"], "TELEOPS_RUN_DIR": os.path.join(stack.dir, "run"),
           "TELEOPS_WORK_DIR": os.path.join(stack.dir, "work2"), "TELEOPS_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"}
    second = subprocess.Popen([os.path.join(stack.dir, "app/usr/sbin/teleengine")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert stack.wait(lambda: stack.sim.answers(4001)[-1] == "away", 10)
        assert answer(stack, 4001, "/far again") == "again", "nothing is said while one serves it"
        assert answer(stack, 4001, "/echo near") == "near"
    finally:
        second.terminate()
        assert second.wait(20) == 0
    assert "no engine serves" in answer(stack, 4001, "/far gone")
    number, = stack.sql("SELECT id FROM task WHERE NOT internal")[0]
    answer(stack, 4001, f"/cancel {number}")


def test_a_flood_of_one_person_is_left_out_after_one_warning(stack):
    stack.sql("DELETE FROM person_pace")
    who, other = 5001, 5002
    connection = stack.connection()
    for i in range(130):
        status, _, _ = stack.post({"update_id": stack.number(), "message": stack.message(who, f"/mark f{i}")}, connection=connection)
        assert status == 200, "the webhook itself is never limited"
    stack.post({"update_id": stack.number(), "message": stack.message(other, "/mark calm")})
    assert stack.settled()
    warnings = [a for a in stack.sim.answers(who) if "more than 100 messages" in a]
    assert len(warnings) == 1
    assert len([w for w in stack.marked() if w.startswith("f")]) == 100 and "calm" in stack.marked()
    assert stack.count("audit_event", "action = 'flood' AND telegram_id = %s", (who,)) >= 1
    # Ten seconds later it is over.
    stack.sql("UPDATE person_pace SET since = since - interval '30 seconds'")
    assert answer(stack, who, "/echo calm again") == "calm again"
