"""Groups, topics, channels: where something is answered, and who gets to see it."""
import pytest
from test_chat import answer
from test_pending import asked, keys, last, press

GROUP, FORUM, CHANNEL = -2001, -1000000002002, -1000000002003


@pytest.fixture(autouse=True)
def as_before(stack):
    stack.sql("DELETE FROM pending; DELETE FROM person_pace")
    yield
    stack.settled()
    stack.sql("UPDATE chat_policy SET allow_new = false; UPDATE chat SET allowed = true, decided_at = now() WHERE chat_id IN (%s, %s)", (GROUP, FORUM))


def posted(stack, who, text, chat, kind="message", **more):
    """As Telegram tells of a message in a chat that the simulator does not have."""
    body = stack.message(who, text, chat={"id": chat, "type": "supergroup" if kind == "message" else "channel", "title": "New"}, **more)
    if kind != "message":
        body = {**{k: v for k, v in body.items() if k != "from"}, "sender_chat": body["chat"]}
    assert stack.post({"update_id": stack.number(), kind: body})[0] == 200


def sent(stack, chat):
    return [c["params"]["text"] for c in stack.sim.calls("sendMessage") if str(c["params"].get("chat_id")) == str(chat)]


# -- allowed

def test_a_new_group_gets_nothing_but_its_number(stack):
    assert stack.wait(lambda: stack.count("bot_status", "username <> ''")), "until then no /name@bot is known to be for it"
    new = GROUP
    stack.sql("DELETE FROM chat WHERE chat_id = %s", (new,))
    before = stack.count("task_history")
    for line in ("/echo@teleops_bot in here", "/help@teleops_bot", "/start", "/tasks", "hello"):
        posted(stack, 4001, line, new)
    posted(stack, 9001, "/echo let me in", new)
    assert stack.settled() and sent(stack, new) == [] and stack.count("task_history") == before
    posted(stack, 4001, "/id@teleops_bot", new)
    assert stack.wait(lambda: len(sent(stack, new)) == 1)
    assert f"This chat: {new}" in sent(stack, new)[0] and "not allowed yet" in sent(stack, new)[0]
    assert answer(stack, 4001, "/echo private chats need nobody's leave") == "private chats need nobody's leave"


def test_an_administrator_allows_it_and_forbids_it_again(stack):
    assert stack.teleops("chat", "forbid", str(GROUP)).returncode == 0
    stack.sim.say(4001, "/mark no", chat=GROUP)
    assert stack.settled() and stack.sim.answers(GROUP) == [] and stack.marked() == []
    assert stack.teleops("chat", "allow", str(GROUP)).returncode == 0
    stack.sim.say(4001, "/mark yes", chat=GROUP)
    assert stack.settled() and stack.marked() == ["yes"]
    assert stack.sql("SELECT action FROM audit_event WHERE object = %s ORDER BY id DESC LIMIT 2", (f"chat {GROUP}",)) == [("allowed",), ("forbidden",)]


def test_what_waits_when_a_group_is_forbidden_is_not_run(stack):
    stack.sim.say(4001, "/narrow first 1500", chat=GROUP)
    assert stack.wait(lambda: stack.marked() == ["first"])
    stack.sim.say(4001, "/narrow second 0", chat=GROUP)
    assert stack.wait(lambda: stack.count("task", "state = 'queued' AND NOT internal") == 1)
    assert stack.teleops("chat", "forbid", str(GROUP)).returncode == 0
    assert stack.settled() and stack.marked() == ["first"]
    assert stack.sql("SELECT state, reason FROM task_history WHERE line LIKE '/narrow second%' ORDER BY id DESC LIMIT 1") == [("refused", "right withdrawn")]


def test_a_button_in_a_group_that_was_forbidden(stack):
    message = asked(stack, 4001, "/risky group", chat=GROUP)
    assert stack.teleops("chat", "forbid", str(GROUP)).returncode == 0
    stack.sim.press(4001, message["message_id"], keys(message)["Run"], chat=GROUP)
    assert stack.settled() and stack.marked() == []


def test_a_grant_for_one_chat(stack):
    """Rights are ANDed: the right command in the wrong chat is refused."""
    stack.sql("UPDATE role_command SET chat_id = %s WHERE command_id = (SELECT id FROM command WHERE name = 'mark')", (GROUP,))
    try:
        assert "may not run /mark" in answer(stack, 4001, "/mark private")
        stack.sim.say(4001, "/mark forum", chat=FORUM)
        stack.sim.say(4001, "/mark group", chat=GROUP)
        assert stack.settled() and stack.marked() == ["group"]
    finally:
        stack.sql("UPDATE role_command SET chat_id = NULL WHERE command_id = (SELECT id FROM command WHERE name = 'mark')")


def test_a_grant_at_certain_hours(stack):
    now, = stack.sql("SELECT extract(hour FROM now() AT TIME ZONE 'Asia/Tokyo')::integer")[0]
    then, soon = f"{(now + 3) % 24:02}:00-{(now + 4) % 24:02}:00", f"{(now - 1) % 24:02}:00-{(now + 3) % 24:02}:00"
    hours = "UPDATE role_command SET hours = %s, timezone = 'Asia/Tokyo' WHERE command_id = (SELECT id FROM command WHERE name = 'narrow')"
    try:
        stack.sql(hours, (then,))
        assert answer(stack, 4001, "/narrow early 0") == f"You may not run /narrow at this time; you may: {then} Asia/Tokyo."
        stack.sql(hours, (soon,))
        stack.sim.say(4001, "/narrow first 1500")
        assert stack.wait(lambda: stack.marked() == ["first"])
        stack.sim.say(4001, "/narrow second 0")
        assert stack.wait(lambda: stack.count("task", "state = 'queued' AND NOT internal") == 1)
        stack.sql(hours, (then,))
        assert stack.settled() and stack.marked() == ["first"], "the hours were over when it was its turn"
    finally:
        stack.sql("UPDATE role_command SET hours = '', timezone = 'UTC'")


# -- topics

def test_everything_of_a_topic_stays_in_it(stack):
    """Confirmation, approval, live output, errors: not only plain answers."""
    for line in ("/echo plain", "/broken 3", "/guide prod", "/risky in a topic", "/judged in a topic", "/progress 2 0", "/nosuch@teleops_bot", "/typed 77"):
        stack.sim.say(4001, line, chat=FORUM, topic=9)
    assert stack.settled()
    press(stack, 4012, "Approve", chat=FORUM, message=next(m for m in stack.sim.messages(FORUM) if "Approve" in keys(m)))
    press(stack, 4001, "Run", chat=FORUM, message=next(m for m in stack.sim.messages(FORUM) if "Run" in keys(m)))
    bot = [m for m in stack.sim.messages(FORUM) if m.get("from", {}).get("is_bot")]
    assert len(bot) >= 10 and {m.get("message_thread_id") for m in bot} == {9}
    assert sorted(stack.marked()) == ["a", "a", "in", "in", "topic", "topic"]


def test_a_reply_in_the_wrong_topic(stack):
    """Neither words nor a press that come from elsewhere are taken for what was asked for in a topic."""
    stack.sim.say(4001, "/guide prod", chat=FORUM, topic=5)
    assert stack.wait(lambda: stack.count("pending", "state = 'asking'") == 1)
    for topic in (9, None):
        stack.sim.say(4001, "7", chat=FORUM, topic=topic)
    stack.sim.say(4001, "7", chat=GROUP)
    assert answer(stack, 4001, "7") == "I act on commands. Send /help to see which."
    assert stack.settled() and stack.sql("SELECT args FROM pending") == [({"env": "prod"},)]
    stack.sim.say(4001, "/cancel", chat=FORUM, topic=9)
    assert stack.settled() and stack.count("pending") == 1, "/cancel elsewhere means nothing here"
    stack.sim.say(4001, "/cancel", chat=FORUM, topic=5)
    assert stack.settled() and stack.count("pending") == 0


# -- for one person alone

def test_an_answer_for_one_person_alone(stack):
    stack.sim.say(4001, "/payslip", chat=FORUM, topic=9)
    assert stack.settled()
    task, = stack.sql("SELECT max(id) FROM task_history")[0]
    assert stack.sim.answers(FORUM) == [f"Ada, the answer of task {task} is in our private chat."]
    assert last(stack, FORUM)["message_thread_id"] == 9
    assert len(stack.sim.answers(4001)) == 1 and "line 2" in stack.sim.answers(4001)[0]
    assert "message_thread_id" not in last(stack, 4001)
    stack.sim.say(4001, f"/output {task}", chat=FORUM, topic=9)
    assert stack.settled() and "for one person alone" in stack.sim.answers(FORUM)[-1], "asking again shows it to nobody else either"
    assert "line 2" in answer(stack, 4001, f"/output {task}")
    assert "line 2" in answer(stack, 4001, "/payslip"), "in the private chat it is an answer like any other"


def test_a_long_one_is_a_document_for_one_person_alone(stack):
    stack.sim.say(4001, "/payslip 3000", chat=GROUP)
    assert stack.settled()
    assert "document" in last(stack, 4001) and "document" not in last(stack, GROUP) and "private chat" in stack.sim.answers(GROUP)[-1]
    assert stack.count("outbox_document") == 0


def test_live_output_for_one_person_alone(stack):
    stack.sim.say(4001, "/secretive 20 150", chat=GROUP)
    assert stack.wait(lambda: any("line" in t for t in stack.sim.answers(4001)))
    assert not any("line" in t for t in stack.sim.answers(GROUP))
    assert stack.settled() and len(stack.sim.answers(4001)) == 1 and "line" in stack.sim.answers(4001)[0]
    assert len(stack.sim.answers(GROUP)) == 1 and "private chat" in stack.sim.answers(GROUP)[0]


def test_who_never_wrote_to_the_bot_is_told_how(stack):
    stack.sql("DELETE FROM chat WHERE chat_id = 4012 AND NOT EXISTS (SELECT FROM outbox WHERE chat_id = 4012)")
    stack.sim.say(4012, "/payslip", chat=GROUP)
    assert stack.settled()
    task, = stack.sql("SELECT max(id) FROM task_history")[0]
    said = stack.sim.answers(GROUP)
    assert len(said) == 1 and said[0].startswith(f"Judge2, task {task} has an answer for you alone") and "line" not in said[0]
    assert "line 2" in answer(stack, 4012, f"/output {task}")


# -- channels

def test_a_channel_is_nobody(stack):
    stack.sql("UPDATE chat_policy SET allow_new = true")
    for kind in ("channel_post", "edited_channel_post"):
        posted(stack, 4001, "/mark channel", CHANNEL, kind)
    stack.sim.say(4001, "/mark post", chat=CHANNEL)
    assert stack.settled() and stack.marked() == [] and sent(stack, CHANNEL) == []


def test_a_channel_can_be_written_to(stack):
    """What runs by the clock, or comes as an alert, may go to a channel; its number is known once the bot is in it."""
    change = {"chat": {"id": CHANNEL, "type": "channel", "title": "Announcements"}, "from": {"id": 4001, "is_bot": False, "first_name": "Ada"}, "date": 1,
              "old_chat_member": {}, "new_chat_member": {"status": "administrator"}}
    assert stack.post({"update_id": stack.number(), "my_chat_member": change})[0] == 200
    assert str(CHANNEL) in stack.teleops("chat", "list").stdout
    stack.sql("INSERT INTO schedule (name, command_id, user_id, chat_id, line, cron) SELECT 'channel', c.id, u.id, %s, '/echo to all', '* * * * *' "
              "FROM command c, app_user u WHERE c.name = 'echo' AND u.login = 'ada'", (CHANNEL,))
    try:
        stack.sql("UPDATE schedule SET next_at = now() WHERE name = 'channel'")
        assert stack.wait(lambda: any("to all" in t for t in sent(stack, CHANNEL)), 30)
    finally:
        stack.sql("DELETE FROM schedule WHERE name = 'channel'")


# -- moved

def test_what_was_asked_goes_on_in_the_supergroup(stack):
    """A conversation, an approval and a grant bound to the chat follow it; buttons too."""
    new = -1000000007003
    stack.sql("UPDATE role_command SET chat_id = %s WHERE command_id = (SELECT id FROM command WHERE name = 'guide')", (GROUP,))
    try:
        stack.sim.say(4001, "/guide prod", chat=GROUP)
        stack.sim.say(4001, "/judged moved", chat=GROUP)
        assert stack.settled() and stack.count("pending") == 2
        stack.sim.call("/sim/migrate", {"chat": GROUP, "to": new})
        message = stack.message(4001, "", chat={"id": GROUP, "type": "group", "title": "Ops"}, migrate_to_chat_id=new)
        message.pop("text")
        message.pop("entities")
        assert stack.post({"update_id": stack.number(), "message": message})[0] == 200
        stack.sim.say(4001, "7", chat=new)
        assert stack.wait(lambda: any(t.startswith("/guide needs\nflag") for t in stack.sim.answers(new)))
        request, = stack.sql("SELECT id FROM pending WHERE state = 'approving'")[0]
        assert "Approved by Judge2" in answer(stack, 4012, f"/approve {request}")
        assert stack.settled() and stack.marked() == ["moved"] and stack.sim.answers(new)[-1].endswith("\nmoved")
        assert stack.sql("SELECT DISTINCT chat_id FROM role_command WHERE chat_id IS NOT NULL") == [(new,)]
    finally:
        stack.sql("UPDATE role_command SET chat_id = NULL; UPDATE chat SET migrated_to = NULL WHERE chat_id = %s; DELETE FROM pending", (GROUP,))
