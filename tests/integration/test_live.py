"""Output shown while a command runs: one message, edited; then its end."""
import time

import pytest
from stack import CROWD, Stack
from test_engine import left
from test_pending import keys, press


def bots(stack, chat):
    return [m for m in stack.sim.messages(chat) if m.get("from", {}).get("is_bot")]


def test_one_message_changes_as_output_comes_and_ends_with_how_it_went(stack):
    stack.sim.say(4001, "/progress 20 200")
    assert stack.wait(lambda: bots(stack, 4001), 10)
    message = bots(stack, 4001)[0]
    assert "· runs for" in message["text"] and "Cancel" in keys(message)
    assert stack.wait(lambda: "line 9" in bots(stack, 4001)[0]["text"], 10), "it changes while it runs"
    running = bots(stack, 4001)[0]["text"]
    assert "\033" not in running and running.splitlines()[-1].endswith("%"), "colours are gone, progress is shown as it stands"
    assert stack.settled()
    messages = bots(stack, 4001)
    assert len(messages) == 1, "one message, from beginning to end"
    text = messages[0]["text"]
    assert "runs for" not in text and text.startswith("/progress · task ") and text.splitlines()[-2:] == ["line 20", "100%"] and "line 1\n" in text
    assert not keys(messages[0]) and stack.count("button") == 0
    assert stack.sim.calls("editMessageText") and {c["status"] for c in stack.sim.calls("editMessageText")} == {200}


def test_a_quick_one_and_a_failing_one(stack):
    stack.sim.say(4001, "/progress 2 10")
    assert stack.settled()
    assert stack.sim.answers(4001) == ["line 1\nline 2\n100%"] and stack.sim.calls("editMessageText") == []
    stack.sim.say(4001, "/progress 15 200 7")
    assert stack.settled()
    text = stack.sim.answers(4001)[-1]
    assert len(bots(stack, 4001)) == 2 and "failed: exit status 7" in text and text.splitlines()[-1] == "100%"


def test_its_cancel_button_ends_all_of_it(stack):
    stack.apply({"commands": [{"name": "tree", "kind": "exec", "program": "act", "args": ["stubborn", "{name}"], "long_running": True, "timeout_s": 300, "grace_s": 1,
                               "parameters": [{"name": "name", "type": "text", "required": True}]}]})
    stack.sim.say(4001, "/tree yew")
    assert stack.wait(lambda: bots(stack, 4001) and "yew is here" in bots(stack, 4001)[0]["text"], 10)
    assert "no task" in press(stack, 4002, "Cancel", chat=4001, settle=False)
    message = bots(stack, 4001)[0]
    query = stack.sim.press(4001, message["message_id"], keys(message)["Cancel"])["callback_query_id"]
    assert stack.wait(lambda: stack.sim.call(f"/sim/callback/{query}").get("answer"))
    assert "is being ended" in stack.sim.call(f"/sim/callback/{query}")["answer"]["text"]
    assert stack.settled()
    assert "cancelled by Ada; nothing of it is left" in bots(stack, 4001)[0]["text"] and left("yew") == []


def test_a_long_log_is_a_document_and_the_message_has_its_end(stack):
    stack.sim.say(4001, "/progress 1500 2")
    assert stack.settled()
    first, second = bots(stack, 4001)
    assert "characters, in the file; they end with:" in first["text"] and first["text"].endswith("line 1500\n100%")
    body = stack.sim.file(second["document"]["file_id"]).decode()
    assert body.startswith("line 1\n") and "line 1500\n100%" in body and "caption" not in second


def test_the_end_is_shown_also_beyond_what_is_kept(stack):
    stack.apply({"commands": [{"name": "spill", "kind": "exec", "program": "act", "args": ["lines", "4000", "0", "3"], "output_limit": 2000}],
                 "grants": [{"role": "crew", "command": "spill"}]})
    stack.sim.say(4001, "/spill")
    assert stack.settled()
    text = stack.sim.answers(4001)[-1]
    assert "exit status 3" in text and "line 4000\n100%" in text and "the first 2000 of" in text


def test_a_message_that_somebody_deleted_comes_anew_when_it_is_over(stack):
    stack.sim.say(4001, "/progress 25 200")
    assert stack.wait(lambda: bots(stack, 4001), 10)
    stack.sim.fault("400", method="editMessageText", count=1000, description="Bad Request: message to edit not found")
    assert stack.settled()
    messages = bots(stack, 4001)
    assert len(messages) == 2 and messages[-1]["text"].endswith("line 25\n100%") and stack.count("outbox_dead") == 0


def test_engine_and_sender_die_meanwhile(stack):
    stack.sim.say(4001, "/progress 40 200")
    assert stack.wait(lambda: bots(stack, 4001), 10)
    stack.kill("telesender")
    assert stack.wait(lambda: "line 20" in bots(stack, 4001)[0]["text"], 20)
    stack.kill("teleengine")
    assert stack.settled(60)
    assert "may or may not" in stack.sim.answers(4001)[-1] and not keys(bots(stack, 4001)[0]) and stack.count("outbox") == 0


@pytest.fixture
def limited(stage):
    """Telegram's limits switched on, on both sides."""
    s = Stack(stage, TELEOPS_SLOTS=120, TELEOPS_PERSON_RATE=0)
    s.sim.call("/sim/limits", {"on": True})
    yield s
    s.stop()


@pytest.mark.timing
def test_a_hundred_at_once_with_telegrams_limits(limited):
    """100 tasks that print 50 lines a second each: no 429, every end arrives, and another chat is answered at once."""
    stack = limited
    people = list(CROWD) + list(range(6001, 6051))
    stack.sim.call("/sim/start", {"people": people})
    stack.apply({"users": [{"login": f"d{n}", "telegram_ids": [n], "roles": ["crew"]} for n in range(6001, 6051)]})
    for who in people:
        stack.post({"update_id": stack.number(), "message": stack.message(who, "/progress 500 20")})
    stack.sim.call("/sim/start", {"people": [4001]})
    assert stack.wait(lambda: stack.count("task", "state = 'running'") >= 95, 20)
    waits = []
    for i in range(5):
        began, before = time.monotonic(), len(stack.sim.answers(4001))
        stack.post({"update_id": stack.number(), "message": stack.message(4001, f"/echo meanwhile {i}")})
        assert stack.wait(lambda n=before: len(stack.sim.answers(4001)) > n, 10)
        waits.append(time.monotonic() - began)
        time.sleep(0.7)
    assert sorted(waits)[2] < 1, waits
    assert stack.settled(120)
    for who in people:
        message, document = bots(stack, who)
        assert message["text"].endswith("line 500\n100%") and "runs for" not in message["text"] and "document" in document
    assert stack.sim.health()["held"] == 0, "not one 429"
    assert len([c for c in stack.sim.calls("editMessageText")]) > 100, "and yet it was shown as it came"
