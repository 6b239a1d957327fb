"""teleops task show: one task from the update to the answer's message."""
import json


def last(stack):
    return stack.sql("SELECT max(id) FROM (SELECT id FROM task WHERE NOT internal UNION ALL SELECT id FROM task_history) t")[0][0]


def shown(stack, number):
    done = stack.teleops("task", "show", str(number), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_task_from_update_to_answer(stack):
    update = stack.sim.say(4001, "/echo good day")["update_id"]
    assert stack.sim.wait_answers(4001, 1) == ["good day"] and stack.settled()
    told = shown(stack, last(stack))
    assert [e["event"] for e in told["timeline"]] == ["admitted", "claimed", "started", "done", "answer sent"]
    assert sorted(e["at"] for e in told["timeline"]) == [e["at"] for e in told["timeline"]]
    assert told["timeline"][0]["more"] == f"update {update}" and told["timeline"][1]["more"] == "by demo, attempt 1"
    assert told["line"] == "/echo good day" and told["command"] == "/echo" and told["arguments"] == {"text": "good day"}
    assert told["person"] == "Ada (ada)" and told["telegram id"] == 4001 and told["chat"].startswith("4001")
    assert told["exit status"] == 0 and told["output"] == "good day\n" and told["output bytes"] == 9 and told["messages"] == []
    assert [(r["actor"], r["action"]) for r in told["record"]] == [("bot", "admitted"), ("engine", "done")]
    plain = stack.teleops("task", "show", str(last(stack))).stdout
    assert "admitted" in plain and "answer sent" in plain and plain.endswith("\noutput, the end of it\ngood day\n")


def test_one_that_failed(stack):
    stack.sim.say(4001, "/broken 7")
    assert stack.sim.wait_answers(4001, 1) and stack.settled()
    told = shown(stack, last(stack))
    assert told["state"] == "failed" and told["exit status"] == 7 and told["timeline"][3]["more"] == "exit status 7"
    stack.sim.say(4001, "/killed")
    assert stack.sim.wait_answers(4001, 2) and stack.settled()
    assert shown(stack, last(stack))["signal"] == 9


def test_one_that_runs_and_one_that_waits(stack):
    stack.sim.say(4001, "/mark now 5000")
    assert stack.wait(lambda: stack.marked() == ["now"] and stack.count("task", "state = 'running'"))
    told = shown(stack, last(stack))
    assert told["state"] == "running" and [e["event"] for e in told["timeline"]] == ["admitted", "claimed", "started"] and told["output"] is None
    assert stack.settled()
    stack.sim.say(4001, "/far away")
    assert stack.wait(lambda: stack.count("task", "queue = 'far'"))
    told = shown(stack, last(stack))
    assert told["state"] == "queued" and told["engine"] is None and [e["event"] for e in told["timeline"]] == ["admitted"]
    stack.sim.say(4001, f"/cancel {told['task']}")
    assert stack.settled()
    assert shown(stack, told["task"])["state"] == "cancelled"


def test_a_message_that_was_given_up(stack):
    stack.sim.fault("400", method="sendMessage", chat_id=4001, description="Bad Request: refused on demand")
    stack.sim.say(4001, "/echo unheard")
    assert stack.wait(lambda: stack.count("outbox_dead"))
    message, = shown(stack, last(stack))["messages"]
    assert message["state"] == "given up" and message["error"] == "Bad Request: refused on demand" and message["operation"] == "send"


def test_nothing_that_a_terminal_would_act_on_goes_through(stack):
    evil = "\x1b]0;title\x07\u009b31m"
    stack.sim.say(4001, f"/echo {evil}")
    assert stack.sim.wait_answers(4001, 1) and stack.settled()
    plain = stack.teleops("task", "show", str(last(stack))).stdout
    assert "?]0;title" in plain and not any(c in plain for c in "\x1b\x07\u009b")


def test_long_output_is_shown_from_its_end(stack):
    stack.sim.say(4001, "/flood 20000")
    assert stack.settled()
    told = shown(stack, last(stack))
    assert told["output bytes"] == 20032 and len(told["output"]) == 4000


def test_no_such_task(stack):
    done = stack.teleops("task", "show", "999999999")
    assert done.returncode == 1 and "there is no task 999999999" in done.stderr
    for wrong in ("x", "-1", "1x", "99999999999999999999"):
        done = stack.teleops("task", "show", wrong)
        assert done.returncode == 2 and "is no task number" in done.stderr
    assert stack.teleops("task", "show").returncode == 2
