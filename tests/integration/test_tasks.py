"""/tasks, /status, /output, /cancel: a person's own tasks, and other people's by right."""
import re
import time

from test_chat import answer
from test_engine import left


def running(stack, who, line, word):
    """Starts a command and waits until it runs; its task's number."""
    stack.sim.say(who, line)
    assert stack.wait(lambda: word in stack.marked() or left(word), 10), line
    return stack.sql("SELECT max(id) FROM task WHERE telegram_id = %s", (who,))[0][0]


def test_tasks_lists_ones_own(stack):
    assert "Nothing of yours" in answer(stack, 4004, "/tasks")
    number = running(stack, 4001, "/mark slow 3000", "slow")
    said = answer(stack, 4001, "/tasks")
    assert f"{number}  /mark slow 3000  (" in said
    assert "/mark" not in answer(stack, 4002, "/tasks"), "somebody else's are not shown"
    assert "/mark" not in answer(stack, 4002, "/tasks all"), "not even to who asks for all of them"
    assert f"{number}  /mark slow 3000  (Ada, " in answer(stack, 4004, "/tasks all")
    assert stack.settled()
    assert f"{number}  /mark slow 3000  (done, " in answer(stack, 4001, "/tasks")


def test_status_tells_of_one(stack):
    number = running(stack, 4001, "/mark slowly 2500", "slowly")
    assert stack.wait(lambda: stack.sql("SELECT state FROM task WHERE id = %s", (number,)) == [("running",)])
    said = answer(stack, 4001, f"/status {number}")
    assert f"Task {number}: runs for" in said and "/mark slowly 2500" in said and "by Ada" in said
    assert "no task" in answer(stack, 4002, f"/status {number}")
    assert f"Task {number}: runs" in answer(stack, 4004, f"/status {number}")
    assert stack.settled()
    said = answer(stack, 4001, f"/status {number}")
    assert f"Task {number}: done, exit status 0" in said and "7 bytes" in said
    for wrong in ("/status", "/status x", "/status 99999999999999999999"):
        assert "Which task" in answer(stack, 4001, wrong)
    assert "no task 999999999 of yours" in answer(stack, 4001, "/status 999999999")
    assert stack.sql("SELECT count(*) FROM outbox_dead") == [(0,)]


def test_output_gives_all_that_is_kept(stack):
    answer(stack, 4001, "/broken 4")
    number = stack.sql("SELECT max(id) FROM task_history")[0][0]
    said = answer(stack, 4001, f"/output {number}")
    assert said == f"Output of task {number} (failed), /broken 4\nit broke"
    entity, = stack.sim.messages(4001)[-1]["entities"]
    assert entity["type"] == "pre" and entity["length"] == 8
    assert "no task" in answer(stack, 4002, f"/output {number}")
    assert "it broke" in answer(stack, 4004, f"/output {number}")
    stack.sim.say(4001, "/flood 100000")
    assert stack.settled()
    number = stack.sql("SELECT max(id) FROM task_history")[0][0]
    said = answer(stack, 4001, f"/output {number}")
    assert said == f"Output of task {number} (done), /flood 100000"
    message = stack.sim.messages(4001)[-1]
    assert stack.sim.file(message["document"]["file_id"]).count(b"abc") == 1563
    answer(stack, 4001, "/typed 3")
    assert "left no output" in answer(stack, 4001, "/output %s" % stack.sql("SELECT max(id) FROM task_history")[0][0])


def test_a_running_command_is_cancelled_with_all_its_descendants(stack):
    number = running(stack, 4001, "/tree ash", "ash")
    assert stack.wait(lambda: len(left("ash")) >= 4, 10)
    assert f"Task {number} is being ended" in answer(stack, 4001, f"/cancel {number}")
    wanted = (f"task {number}", "cancelled by Ada; nothing of it is left", "ash is here")
    assert stack.wait(lambda: any(all(w in said for w in wanted) for said in stack.sim.answers(4001)))
    assert left("ash") == []
    assert stack.sql("SELECT state FROM task_history WHERE id = %s", (number,)) == [("cancelled",)]
    assert "over already (cancelled)" in answer(stack, 4001, f"/cancel {number}")


def test_cancel_is_heard_though_every_slot_is_taken(stack):
    for i in range(8):
        stack.sim.say(5001 + i, f"/mark full{i} 20000")
    assert stack.wait(lambda: len(stack.marked()) == 8, 10)
    began = time.monotonic()
    for i in range(8):
        number, = stack.sql("SELECT id FROM task WHERE telegram_id = %s", (5001 + i,))[0]
        stack.sim.say(5001 + i, f"/cancel {number}")
    assert stack.settled(15)
    assert time.monotonic() - began < 15, "before they are done by themselves"
    assert all("cancelled by" in stack.sim.answers(5001 + i)[-1] for i in range(8))


def test_a_waiting_task_is_cancelled_at_once(stack):
    stack.sim.say(4001, "/far never")
    assert stack.sim.wait_answers(4001, 1)
    number, = stack.sql("SELECT id FROM task WHERE NOT internal")[0]
    assert answer(stack, 4001, f"/cancel {number}") == f"Task {number} was cancelled by Ada before it ran:\n/far never"
    assert stack.count("task", "NOT internal") == 0
    assert stack.sql("SELECT state, reason FROM task_history WHERE id = %s", (number,)) == [("cancelled", "by Ada")]
    stack.settled()
    assert len(stack.sim.answers(4001)) == 2, "told once"


def test_others_tasks_are_cancelled_by_right_only(stack):
    number = running(stack, 4001, "/mark mine 20000", "mine")
    assert "no task" in answer(stack, 4002, f"/cancel {number}")
    assert stack.sql("SELECT state <> 'cancelling' FROM task WHERE id = %s", (number,)) == [(True,)]
    assert "is being ended" in answer(stack, 4004, f"/cancel {number}")
    assert "cancelled by Eve Boss" in stack.sim.wait_answers(4001, 1)[0], "its own chat hears of it"
    assert stack.sql("""SELECT e.action, u.login FROM audit_event e JOIN app_user u ON u.id = e.user_id WHERE e.object = %s ORDER BY e.id""",
                     (f"task {number}",)) == [("admitted", "ada"), ("cancel asked", "bob"), ("cancel asked", "eve"), ("cancelled", "ada")]


def test_cancelled_while_its_engine_is_away(stack):
    """An ordered chain: the next of it runs once the first is cancelled."""
    stack.sim.say(4001, "/echo first")
    assert stack.sim.wait_answers(4001, 1) == ["first"]
    numbers = [running(stack, 4001, f"/mark w{i} 15000", f"w{i}") for i in range(2)]
    stack.kill("teleengine")
    stack.sim.say(4001, f"/cancel {numbers[0]}")
    assert stack.settled(40)
    states = dict(stack.sql("SELECT id, state FROM task_history WHERE id = ANY (%s)", (numbers,)))
    assert states[numbers[1]] == "lost" and states[numbers[0]] in ("lost", "cancelled")


def test_help_names_them(stack):
    assert re.search("/tasks.*/status.*/output.*/cancel", answer(stack, 4001, "/help"))
    assert "/tasks" in answer(stack, 4001, "/taks")
