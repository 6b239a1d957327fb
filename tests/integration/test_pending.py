"""Asked, confirmed, approved: what stands between a command line and its run."""
import os
import signal

import pytest
from test_chat import answer

GROUP = -2001


def last(stack, chat, bot=True):
    return [m for m in stack.sim.messages(chat) if m.get("from", {}).get("is_bot") == bot][-1]


def keys(message):
    """Buttons of a message: text -> data."""
    rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
    return {b["text"]: b["callback_data"] for row in rows for b in row}


def press(stack, who, button, chat=None, message=None, settle=True):
    """Presses a button of the bot's last message (or of one given); what Telegram shows to who pressed. settle: nothing else runs."""
    message = message or last(stack, chat or who)
    data = keys(message).get(button, button)
    query = stack.sim.press(who, message["message_id"], data, chat=chat)["callback_query_id"]
    assert stack.wait(lambda: stack.sim.call(f"/sim/callback/{query}").get("answer"), 10), "the press was not answered"
    if settle:
        stack.settled()
    return stack.sim.call(f"/sim/callback/{query}")["answer"]["text"]


def asked(stack, who, line, chat=None):
    stack.sim.say(who, line, chat=chat)
    stack.settled()
    return last(stack, chat or who)


@pytest.fixture(autouse=True)
def nothing_waits(stack):
    stack.sql("DELETE FROM pending; DELETE FROM person_pace")
    yield
    stack.sql("UPDATE command SET enabled = true, args[4] = '0' WHERE name IN ('risky', 'grave', 'judged')")


# -- confirmed

def test_a_dangerous_command_is_shown_in_full_and_runs_when_confirmed(stack):
    message = asked(stack, 4001, "/risky two words")
    assert message["text"].startswith("/risky two words\n\nact mark ") and "'two words' 0\n" in message["text"] and message["text"].endswith("Run it?")
    assert set(keys(message)) == {"Run", "Cancel"} and stack.marked() == []
    assert all(len(data) <= 64 and "risky" not in data for data in keys(message).values()), "a button carries nothing but a token"
    assert press(stack, 4001, "Run") == ""
    assert stack.sim.answers(4001)[-1] == "two words"
    assert "Confirmed." in stack.sim.answers(4001)[-2] and not keys(stack.sim.messages(4001)[-2])
    assert stack.marked() == ["two words"] or stack.marked() == ["two", "words"]
    assert press(stack, 4001, keys(message)["Run"], message=message) == "This button no longer does anything.", "twice is once"
    assert stack.count("task_history", "args ->> 'word' = 'two words' AND finished_at > now() - interval '1 minute'") == 1


def test_cancel_runs_nothing(stack):
    asked(stack, 4001, "/risky no")
    press(stack, 4001, "Cancel")
    assert stack.sim.answers(4001)[-1] == "/risky no\n\nNot run." and stack.marked() == [] and stack.count("pending") == 0
    asked(stack, 4001, "/risky no")
    assert answer(stack, 4001, "/cancel") == "Not run."
    assert stack.count("pending") == 0


def test_somebody_elses_button(stack):
    message = asked(stack, 4001, "/risky mine", chat=GROUP)
    assert "somebody else" in press(stack, 4011, "Run", chat=GROUP)
    assert stack.marked() == []
    assert press(stack, 4001, "Run", chat=GROUP) == ""
    assert stack.marked() == ["mine"]


def test_a_forged_button(stack):
    asked(stack, 4001, "/risky forged")
    for data in ("x", "run", "1", "0" * 32, "' OR true --"):
        assert press(stack, 4001, data) == "This button no longer does anything."
    assert stack.marked() == []


def test_expired(stack):
    message = asked(stack, 4001, "/risky late")
    stack.sql("UPDATE pending SET expires_at = now() - interval '1 second'")
    assert "no longer" in press(stack, 4001, "Run", message=message)
    assert stack.wait(lambda: stack.count("pending") == 0, 12), "the janitor takes it away"
    assert stack.marked() == [] and stack.count("audit_event", "action = 'expired'") >= 1


def test_a_right_withdrawn_in_between(stack):
    asked(stack, 4001, "/risky withdrawn")
    grant = stack.sql("DELETE FROM role_command WHERE command_id = (SELECT id FROM command WHERE name = 'risky') RETURNING role_id, command_id")
    try:
        press(stack, 4001, "Run")
        assert "You may not run /risky" in stack.sim.answers(4001)[-1] and stack.marked() == []
    finally:
        stack.sql("INSERT INTO role_command (role_id, command_id) VALUES (%s, %s)", grant[0])


def test_a_command_changed_in_between(stack):
    asked(stack, 4001, "/risky changed")
    stack.sql("UPDATE command SET args[4] = '1' WHERE name = 'risky'")
    press(stack, 4001, "Run")
    assert "was changed since you asked" in stack.sim.answers(4001)[-1] and stack.marked() == []


def test_arguments_changed_in_the_database_are_not_what_was_confirmed(stack):
    asked(stack, 4001, "/risky shown")
    stack.sql("UPDATE pending SET args = '{\"word\": \"forged\"}'")
    press(stack, 4001, "Run")
    assert "was changed since you asked" in stack.sim.answers(4001)[-1] and stack.marked() == [] and stack.count("pending") == 0


@pytest.mark.parametrize("statement, undo", [
    ("UPDATE app_user SET enabled = false WHERE login = 'ada'", "UPDATE app_user SET enabled = true WHERE login = 'ada'"),
    ("UPDATE command SET enabled = false WHERE name = 'risky'", "UPDATE command SET enabled = true WHERE name = 'risky'"),
    ("UPDATE role_command SET constraints = '{\"word\": [\"other\"]}' WHERE command_id = (SELECT id FROM command WHERE name = 'risky')",
     "UPDATE role_command SET constraints = '{}' WHERE command_id = (SELECT id FROM command WHERE name = 'risky')"),
    ("UPDATE role_command SET chat_id = 4002 WHERE command_id = (SELECT id FROM command WHERE name = 'risky')",
     "UPDATE role_command SET chat_id = NULL WHERE command_id = (SELECT id FROM command WHERE name = 'risky')")],
    ids=["person switched off", "command switched off", "other values", "other chat"])
def test_what_else_may_be_taken_away_in_between(stack, statement, undo):
    message = asked(stack, 4001, "/risky withdrawn")
    stack.sql(statement)
    try:
        stack.sim.press(4001, message["message_id"], keys(message)["Run"])
        assert stack.settled() and stack.marked() == []
    finally:
        stack.sql(undo)


def test_the_engine_dies_while_it_is_confirmed(stack):
    """What was confirmed while no engine was there runs once, when there is one again."""
    message = asked(stack, 4001, "/risky orphan")
    os.kill(stack.pid("teleengine"), signal.SIGKILL)
    press(stack, 4001, "Run", message=message, settle=False)
    assert stack.wait(lambda: stack.marked() == ["orphan"], 60)
    assert stack.settled() and stack.marked() == ["orphan"] and stack.sim.answers(4001)[-1].endswith("orphan")


def test_it_survives_every_restart(stack):
    message = asked(stack, 4001, "/risky patient")
    for part in ("telebot", "teleengine", "telesender"):
        stack.kill(part)
    press(stack, 4001, "Run", message=message)
    assert stack.settled() and stack.marked() == ["patient"]


def test_a_long_request_can_be_read_in_full(stack):
    message = asked(stack, 4001, "/risky " + "x" * 3500)
    assert "in the file" in message["caption"] and set(keys(message)) == {"Run", "Cancel"}
    assert b"x" * 3500 in stack.sim.file(message["document"]["file_id"])
    press(stack, 4001, "Cancel")


# -- approved

def test_two_of_a_role_must_agree_and_nobody_for_themselves(stack):
    for judge in (4012, 4013):
        answer(stack, judge, "/id")
    asked(stack, 4011, "/grave deed")
    press(stack, 4011, "Run")
    assert "waits for 2 of judge" in stack.sim.answers(4011)[-1]
    request, = stack.sql("SELECT id FROM pending")[0]
    first, second = last(stack, 4012), last(stack, 4013)
    assert first["text"].startswith("Judge1 asks to run\n/grave deed") and "act mark" in first["text"] and set(keys(first)) == {"Approve", "Reject"}
    assert answer(stack, 4011, f"/approve {request}") == "Somebody else must approve what you ask for."
    assert answer(stack, 4002, f"/approve {request}") == f"There is no request {request} that waits for you."
    assert answer(stack, 4012, "/approve") == "Which request? Send its number with it."
    assert press(stack, 4012, "Approve", message=first) == "Approved by Judge2 (1 of 2)."
    assert stack.marked() == []
    assert answer(stack, 4012, f"/approve {request}") == f"You have approved request {request} already."
    assert answer(stack, 4013, f"/approve {request}") == "Approved by Judge2, Judge3 (2 of 2)."
    assert stack.settled() and stack.marked() == ["deed"]
    assert f"Request {request} was approved by Judge2, Judge3." in "".join(stack.sim.answers(4011)) and stack.sim.answers(4011)[-1] == "deed"
    assert "no longer" in press(stack, 4013, "Approve", message=second)
    actions = [a for a, in stack.sql("SELECT action FROM audit_event WHERE detail ->> 'request' = %s ORDER BY id", (str(request),))]
    assert actions == ["confirmation asked", "confirmed", "approval asked", "approved", "approved", "admitted"]


def test_in_a_group_the_approvers_read_along(stack):
    asked(stack, 4001, "/judged here", chat=GROUP)
    message = last(stack, GROUP)
    assert "needs 1 of judge" in message["text"]
    assert "no request" in press(stack, 4001 + 1, "Approve", chat=GROUP)
    assert "Somebody else" in press(stack, 4001, "Approve", chat=GROUP)
    assert "Approved by Judge2 (1 of 1)" in press(stack, 4012, "Approve", chat=GROUP)
    assert stack.settled() and stack.marked() == ["here"] and stack.sim.answers(GROUP)[-1] == "here"
    edited = next(m for m in stack.sim.messages(GROUP) if m["message_id"] == message["message_id"])
    assert "Approved by Judge2 (1 of 1)" in edited["text"] and not keys(edited)


def test_rejected(stack):
    asked(stack, 4001, "/judged not this")
    assert "was rejected by Judge1" in press(stack, 4011, "Reject")
    assert "was rejected by Judge1" in stack.sim.answers(4001)[-1] and stack.marked() == [] and stack.count("pending") == 0


def test_the_command_changed_between_request_and_approval(stack):
    asked(stack, 4001, "/judged switched")
    stack.sql("UPDATE command SET args[4] = '1' WHERE name = 'judged'")
    press(stack, 4011, "Approve")
    assert "was changed since you asked" in stack.sim.answers(4001)[-1] and stack.marked() == []


def test_arguments_changed_in_the_database_are_not_what_was_approved(stack):
    asked(stack, 4001, "/judged honest")
    stack.sql("UPDATE pending SET args = '{\"word\": \"forged\"}'")
    press(stack, 4011, "Approve")
    assert "was changed since" in stack.sim.answers(4001)[-1] and stack.marked() == []


def test_a_right_withdrawn_between_request_and_approval(stack):
    asked(stack, 4001, "/judged unfounded")
    grant = stack.sql("DELETE FROM role_command WHERE command_id = (SELECT id FROM command WHERE name = 'judged') RETURNING role_id, command_id")
    try:
        assert "may not run /judged" in press(stack, 4011, "Approve")
        assert "You may not run /judged" in stack.sim.answers(4001)[-1] and stack.marked() == [] and stack.count("pending") == 0
    finally:
        stack.sql("INSERT INTO role_command (role_id, command_id) VALUES (%s, %s)", grant[0])


def test_an_approval_that_comes_too_late(stack):
    asked(stack, 4001, "/judged too late")
    message = last(stack, 4011)
    stack.sql("UPDATE pending SET expires_at = now() - interval '1 second'; UPDATE button SET expires_at = now() - interval '1 second'")
    assert "no longer" in press(stack, 4011, "Approve", message=message)
    assert stack.marked() == []


def test_an_approver_who_lost_the_role(stack):
    asked(stack, 4001, "/judged lost")
    stack.sql("DELETE FROM user_role WHERE user_id = (SELECT id FROM app_user WHERE login = 'judge1') AND role_id = (SELECT id FROM role WHERE name = 'judge')")
    try:
        assert "no request" in press(stack, 4011, "Approve")
    finally:
        stack.sql("INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'judge1' AND r.name = 'judge'")
    assert stack.marked() == []


def test_an_approval_that_nobody_gave(stack):
    asked(stack, 4001, "/judged forgotten")
    stack.sql("UPDATE pending SET expires_at = now() - interval '1 second'")
    assert stack.wait(lambda: "was not approved in time" in stack.sim.answers(4001)[-1], 15)
    assert stack.count("pending") == 0


# -- asked

def test_what_is_missing_is_asked_for_one_at_a_time(stack):
    message = asked(stack, 4001, "/guide")
    assert message["text"].startswith("/guide needs\nenv: choice") and set(keys(message)) == {"prod", "staging", "test", "Cancel"}
    press(stack, 4001, "staging")
    message = last(stack, 4001)
    assert "count: integer from 1 to 9" in message["text"] and set(keys(message)) == {"Back", "Cancel"}
    assert answer(stack, 4001, "twelve").startswith("count must be a whole number from 1 to 9")
    assert answer(stack, 4001, "3").startswith("/guide needs\nflag")
    press(stack, 4001, "true")
    assert "note" in last(stack, 4001)["text"]
    assert answer(stack, 4001, "the rest, as it stands") == "staging 3 true the rest, as it stands"
    line, args = stack.sql("SELECT line, args FROM task_history ORDER BY id DESC LIMIT 1")[0]
    assert line == "/guide env=staging count=3 flag=true note=the rest, as it stands" and args["count"] == "3"
    assert answer(stack, 4001, line) == "staging 3 true the rest, as it stands", "the line shown is one that can be typed"


def test_what_was_given_is_not_asked_for(stack):
    message = asked(stack, 4001, "/guide count=2 prod")
    assert message["text"].startswith("/guide needs\nflag")
    assert "must be" in answer(stack, 4001, "/guide count=77"), "what is wrong is said at once"


def test_back_and_cancel(stack):
    asked(stack, 4001, "/guide")
    press(stack, 4001, "prod")
    press(stack, 4001, "Back")
    message = last(stack, 4001)
    assert "env: choice" in message["text"] and "Back" not in keys(message)
    press(stack, 4001, "test")
    answer(stack, 4001, "4")
    press(stack, 4001, "Cancel")
    assert "Not run." in stack.sim.answers(4001)[-1] and stack.count("pending") == 0
    assert answer(stack, 4001, "5") == "I act on commands. Send /help to see which."


def test_in_a_group_only_who_asked_is_heard(stack):
    asked(stack, 4001, "/guide env=prod", chat=GROUP)
    message = last(stack, GROUP)
    assert message["reply_markup"] == {"force_reply": True, "selective": True}
    before = len(stack.sim.answers(GROUP))
    stack.sim.say(4011, "5", chat=GROUP)
    stack.sim.say(4001, "/echo in between", chat=GROUP)
    assert stack.sim.wait_answers(GROUP, before + 1)[-1] == "in between", "commands go on"
    stack.sim.say(4001, "6", chat=GROUP)
    assert stack.sim.wait_answers(GROUP, before + 2)[-1].startswith("/guide needs\nflag")
    assert "somebody else" in press(stack, 4011, "true", chat=GROUP)
    press(stack, 4001, "false", chat=GROUP)
    stack.sim.say(4001, "done", chat=GROUP)
    assert stack.sim.wait_answers(GROUP, before + 4)[-1] == "prod 6 false done"


def test_a_conversation_is_one_topics_own(stack):
    forum = -1000000002002
    stack.sim.say(4001, "/guide env=prod", chat=forum, topic=5)
    assert stack.sim.wait_answers(forum, 1)
    stack.sim.say(4001, "7", chat=forum, topic=9)
    stack.sim.say(4001, "/echo other topic", chat=forum, topic=9)
    assert stack.sim.wait_answers(forum, 2)[-1] == "other topic"
    assert stack.sql("SELECT args ? 'count' FROM pending") == [(False,)]
    stack.sim.say(4001, "7", chat=forum, topic=5)
    assert stack.sim.wait_answers(forum, 3)[-1].startswith("/guide needs\nflag")


def test_a_new_one_takes_the_place_of_an_old_one_and_both_expire(stack):
    asked(stack, 4001, "/guide prod")
    asked(stack, 4001, "/guide test")
    assert stack.sql("SELECT args ->> 'env' FROM pending") == [("test",)]
    stack.sql("UPDATE pending SET expires_at = now() - interval '1 second'")
    assert answer(stack, 4001, "3") == "I act on commands. Send /help to see which."
    assert stack.wait(lambda: stack.count("pending") == 0, 12)


def test_a_right_withdrawn_while_it_is_asked_for(stack):
    asked(stack, 4001, "/guide env=prod count=2 flag=true")
    grant = stack.sql("DELETE FROM role_command WHERE command_id = (SELECT id FROM command WHERE name = 'guide') RETURNING role_id, command_id")
    try:
        assert "You may not run /guide" in answer(stack, 4001, "the last answer")
        assert stack.count("pending") == 0 and stack.count("task", "NOT internal") == 0
    finally:
        stack.sql("INSERT INTO role_command (role_id, command_id) VALUES (%s, %s)", grant[0])


def test_who_may_not_is_not_asked(stack):
    assert "may not run /guide" in answer(stack, 4002, "/guide")
    assert stack.count("pending") == 0
