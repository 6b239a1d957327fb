"""The pages of engines, queues, chats, outbox, requests that wait, record, settings."""
import csv
import io
import json
import re

import pytest
from browser import Browser


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace; DELETE FROM pending; DELETE FROM setting")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("UPDATE engine SET paused_at = NULL; UPDATE queue SET paused_at = NULL; DELETE FROM pending; DELETE FROM setting; DELETE FROM queue WHERE name LIKE 't-%'; "
              "DELETE FROM engine WHERE name LIKE 't-%'; UPDATE chat SET allowed = true, blocked_at = NULL; DELETE FROM outbox_dead; DELETE FROM outbox_document; NOTIFY task")


def say(stack, text, who=4001):
    stack.post({"update_id": stack.number(), "message": stack.message(who, text)})


def events(stack, obj):
    return [r[0] for r in stack.sql("SELECT action FROM audit_event WHERE object = %s AND actor = 'manager' AND address = '127.0.0.1' ORDER BY id", (obj,))]


# -- engines and queues

def test_paused_engine_claims_nothing(stack, admin):
    key = stack.sql("SELECT id FROM engine WHERE lease_until > now()")[0][0]
    page = admin.get("/engines")
    assert "demo" in page.main and "alive" in page.main
    page = admin.send(page.form("list"), one=f"pause:{key}")
    assert "Paused: demo" in page.flash and "paused" in admin.get("/engines?state=paused").main and events(stack, "engine demo")[-1] == "paused"
    say(stack, "/mark paused")
    assert stack.wait(lambda: stack.count("task", "line = '/mark paused'"))
    number = stack.sql("SELECT id FROM task WHERE line = '/mark paused'")[0][0]
    assert not stack.wait(lambda: stack.count("task", "engine_id IS NOT NULL AND NOT internal"), 3) and stack.marked() == []
    assert "no engine serves the queue default" in admin.get(f"/tasks/{number}").main
    page = admin.get(f"/engines/{key}")
    assert "drained" in page.main and "echo" in page.main and "/hosts" in page.main
    page = admin.send(page.form(), one=f"resume:{key}")
    assert "may work again" in page.flash
    assert stack.wait(lambda: stack.marked() == ["paused"]) and stack.settled()
    page = admin.get(f"/engines/{key}/history")
    assert "resumed by" in page.main and "paused : false → true" in page.main and f"/engines/{key}/history" in admin.get(f"/engines/{key}").links(), page.main
    assert "were not paused" in admin.send(admin.send(admin.get("/engines").form("list"), action="resume", id=[str(key)]).form()).flash


def test_engines_that_are_gone_are_forgotten(stack, admin):
    alive = stack.sql("SELECT id FROM engine WHERE lease_until > now()")[0][0]
    gone = stack.sql("INSERT INTO engine (name, queues, slots) VALUES ('t-old', '{default}', 3) RETURNING id")[0][0]
    assert "t-old" in admin.get("/engines?state=gone").main and "demo" not in admin.get("/engines?state=gone").main.split("Ended")[-1]
    page = admin.send(admin.get("/engines").form("list"), action="forget", id=[str(alive), str(gone)])
    assert "Forget these?" in page.main and stack.count("engine", "name = 't-old'") == 1
    assert "Forgotten: t-old" in admin.send(page.form()).flash
    assert stack.count("engine", "id = %s", (alive,)) == 1 and admin.get(f"/engines/{gone}").status == 404


def test_queue_is_made_limited_paused_and_removed(stack, admin):
    page = admin.send(admin.get("/queues/new").form(), name="t-heavy", concurrency="2")
    assert page.path == "/queues/t-heavy" and "t-heavy was created" in page.flash
    page = admin.send(page.form(), concurrency="")
    assert "concurrency : 2 → empty" in page.flash and stack.sql("SELECT concurrency FROM queue WHERE name = 't-heavy'") == [(None,)]
    assert "concurrency : 2 → empty" in admin.get("/queues/t-heavy/history").main
    page = admin.send(admin.get("/queues").form("list"), one="pause:t-heavy")
    assert "Paused: t-heavy" in page.flash and "Paused since" in admin.get("/queues/t-heavy").main
    page = admin.get("/queues/t-heavy/delete")
    assert "t-heavy was removed" in admin.send(page.form("/queues/t-heavy/delete")).flash
    assert events(stack, "queue t-heavy") == ["created", "changed", "paused", "removed"]
    assert admin.get("/queues/t-heavy").status == 404


@pytest.mark.parametrize("values, field", [({"name": "No Blanks"}, "name"), ({"name": "new"}, "name"), ({"name": "default"}, "name"), ({"name": ""}, "name"),
                                           ({"concurrency": "0"}, "concurrency"), ({"concurrency": "many"}, "concurrency"), ({"concurrency": "9999999999"}, "concurrency")])
def test_queue_form_refuses(stack, admin, values, field):
    page = admin.send(admin.get("/queues/new").form(), **{"name": "t-bad", **values})
    assert page.status == 422 and field in page.errors() and stack.count("queue", "name = 't-bad'") == 0


def test_queue_in_use_stays(stack, admin):
    assert "These commands wait in it: /far" in admin.get("/queues/far/delete").main
    assert "stays: commands wait in it" in admin.get("/queues/default/delete").main
    page = admin.get("/queues/narrow")
    second = admin.get("/queues/narrow")
    assert "Running at most" in page.text
    admin.send(page.form(), concurrency="3")
    page = admin.send(second.form(), concurrency="4")
    assert page.status == 409 and "saved a change" in page.problem and stack.sql("SELECT concurrency FROM queue WHERE name = 'narrow'") == [(3,)]
    stack.sql("UPDATE queue SET concurrency = 1 WHERE name = 'narrow'")


def test_nothing_of_a_paused_queue_is_claimed(stack, admin):
    admin.send(admin.get("/queues").form("list"), one="pause:narrow")
    say(stack, "/narrow waits")
    say(stack, "/mark other")
    assert stack.wait(lambda: stack.marked() == ["other"])
    number = stack.sql("SELECT id FROM task WHERE line = '/narrow waits'")[0][0]
    assert "the queue narrow is paused" in admin.get(f"/tasks/{number}").main and "paused" in admin.get("/").main
    admin.send(admin.get("/queues").form("list"), one="resume:narrow")
    assert stack.wait(lambda: "waits" in stack.marked()) and stack.settled()


# -- chats

def test_chat_is_not_allowed_and_allowed_again(stack, admin):
    say(stack, "/echo hello")
    assert stack.settled()
    assert "private 4001 allowed" in admin.get("/chats?search=4001").main and admin.get("/chats/12345").status == 404
    page = admin.get("/chats/4001")
    assert "private" in page.main and "Ada" in page.main and "0 tasks" in page.main
    page = admin.send(page.form(), one="disallow:4001")
    assert "Not allowed any more" in page.flash and "not allowed" in admin.get("/chats?state=disallowed").main
    say(stack, "/mark no")
    assert stack.settled() and stack.marked() == [] and stack.count("task_history", "line = '/mark no'") == 0
    page = admin.send(admin.send(admin.get("/chats").form("list"), action="allow", id=["4001"]).form())
    assert "Allowed:" in page.flash
    say(stack, "/mark yes")
    assert stack.wait(lambda: stack.marked() == ["yes"]) and stack.settled()
    assert events(stack, "chat 4001")[-2:] == ["changed", "changed"]
    page = admin.get("/chats/4001/history")
    assert "allowed : false → true" in page.main and "allowed : true → false" in page.main and "/chats/4001/history" in admin.get("/chats/4001").links(), page.main
    assert admin.get("/chats/12345/history").status == 404


def test_new_groups_wait_until_somebody_decides(stack, admin):
    stack.sql("INSERT INTO chat (chat_id, type, title, allowed) VALUES (-1077, 'supergroup', 'Fresh', false)")
    try:
        assert "Fresh" in admin.get("/chats?state=undecided").main and "nobody has decided yet" in admin.get("/chats/-1077").main
        assert "Allowed: Fresh" in admin.send(admin.get("/chats/-1077").form(), one="allow:-1077").flash
        assert stack.count("chat", "chat_id = -1077 AND allowed AND decided_at IS NOT NULL") == 1 and "Fresh" not in admin.get("/chats?state=undecided").main
        page = admin.get("/chats")
        assert "not allowed at first" in page.main
        assert "allowed at first from now on" in admin.send(page.form("policy"), one="allow:new").flash and stack.count("chat_policy", "allow_new") == 1
        admin.send(admin.get("/chats").form("policy"), one="disallow:new")
        assert stack.count("chat_policy", "allow_new") == 0 and events(stack, "chat new") == ["changed", "changed"]
    finally:
        stack.sql("UPDATE chat_policy SET allow_new = false; DELETE FROM chat WHERE chat_id = -1077")


def test_new_group_waits_until_somebody_allows_it(stack, admin):
    group = {"id": -3001, "type": "group", "title": "Newcomers"}
    stack.post({"update_id": stack.number(), "message": {**stack.message(4001, "/mark early"), "chat": group}})
    assert stack.wait(lambda: stack.count("chat", "chat_id = -3001") == 1)
    assert "Newcomers group -3001 not allowed not decided yet" in admin.get("/chats?state=disallowed").main
    page = admin.send(admin.get("/chats/-3001").form(), one="allow:-3001")
    assert "nobody has decided yet" not in page.main
    stack.post({"update_id": stack.number(), "message": {**stack.message(4001, "/mark late"), "chat": group}})
    assert stack.wait(lambda: stack.marked() == ["late"]) and stack.settled()
    stack.sql("DELETE FROM chat WHERE chat_id = -3001")


def test_closed_chat_is_tried_again(stack, admin):
    say(stack, "/echo known")
    assert stack.settled()
    stack.sql("UPDATE chat SET blocked_at = now() WHERE chat_id = 4001")
    assert "closed to the bot" in admin.get("/chats?state=blocked").main
    assert "sends to" in admin.send(admin.get("/chats/4001").form(), one="reopen:4001").flash
    assert stack.count("chat", "chat_id = 4001 AND blocked_at IS NULL") == 1


# -- messages

def dead(stack, text, op="send", chat=4001):
    return stack.sql("INSERT INTO outbox_dead (id, op, chat_id, text, reason, created_at) VALUES ((SELECT coalesce(max(id), 0) + 900000 FROM outbox_dead), %s, %s, %s, 'Bad Request', now()) "
                     "RETURNING id", (op, chat, text))[0][0]


def test_what_was_not_sent_is_sent_again_or_discarded(stack, admin):
    say(stack, "/echo known")
    assert stack.settled()
    first, second, third = dead(stack, "a letter"), dead(stack, "another letter"), dead(stack, "pressed", "answer_callback")
    page = admin.get("/dead-letters")
    assert "a letter" in page.main and "Bad Request" in page.main and "another letter" not in admin.get("/dead-letters?op=edit").main
    page = admin.send(page.form("list"), action="again", id=[str(first), str(third)])
    assert "Send these again?" in page.main and not stack.count("outbox", "text = 'a letter'")
    page = admin.send(page.form())
    assert "1 are sent again" in page.flash and "1 stay" in page.flash
    assert stack.wait(lambda: any(m.get("text") == "a letter" for m in stack.sim.messages(4001)))
    page = admin.send(admin.send(admin.get("/dead-letters").form("list"), action="discard", id=[str(second), str(third)]).form())
    assert "2 discarded" in page.flash and stack.count("outbox_dead") == 0
    assert events(stack, f"message {first}") == ["sent again"] and events(stack, f"message {second}") == ["discarded"]


def test_documents_are_sent_again_whole(stack, admin):
    say(stack, "/echo known")
    assert stack.settled()
    number = dead(stack, "with a file", "document")
    stack.sql("INSERT INTO outbox_document (outbox_id, name, body) VALUES (%s, 'x.txt', 'body')", (number,))
    admin.send(admin.send(admin.get("/dead-letters").form("list"), action="again", id=[str(number)]).form())
    assert stack.settled() and stack.count("outbox_dead") == 0 and stack.count("outbox_document") == 0


def test_closed_chats_keep_their_letters(stack, admin):
    say(stack, "/echo known")
    assert stack.settled()
    number = dead(stack, "for later")
    stack.sql("UPDATE chat SET blocked_at = now() WHERE chat_id = 4001")
    assert "None is sent again" in admin.send(admin.send(admin.get("/dead-letters").form("list"), action="again", id=[str(number)]).form()).flash
    assert stack.count("outbox_dead") == 1


def test_what_waits_is_held_back(stack, admin):
    say(stack, "/echo known")
    assert stack.settled()
    # One that a sender has in its hands, and one that no sender looks at.
    taken, free = (stack.sql("INSERT INTO outbox (op, chat_id, seq, text, taken_by, wanted_version, sent_version) VALUES ('send', 4001, 900 + %s, %s, %s, 1, %s) RETURNING id",
                             (n, text, epoch, sent))[0][0] for n, text, epoch, sent in ((1, "in hand", 10 ** 9, 0), (2, "may be held", None, 1)))
    page = admin.get("/outbox")
    assert "in hand" in page.main and "being sent" in page.main
    page = admin.send(page.form("list"), action="hold", id=[str(taken)])
    page = admin.send(page.form())
    assert "Nothing was held back" in page.flash
    page = admin.send(admin.send(admin.get("/outbox").form("list"), action="hold", id=[str(taken), str(free)]).form())
    assert "1 held back" in page.flash and stack.sql("SELECT id, reason FROM outbox_dead") == [(free, "held back by admin")]
    assert events(stack, f"message {free}") == ["held back"]
    stack.sql("DELETE FROM outbox WHERE id IN (%s, %s)", (taken, free))
    stack.sql("UPDATE chat SET out_seq = 1000 WHERE chat_id = 4001 AND out_seq < 1000")


# -- what waits for somebody

def test_request_is_withdrawn(stack, admin):
    say(stack, "/judged w")
    say(stack, "/risky r", 4011)
    assert stack.wait(lambda: stack.count("pending") == 2)
    page = admin.get("/pending")
    assert "approval" in page.main and "0 of 1" in page.main and "/risky r" in page.main
    assert "/risky r" not in admin.get("/pending?state=approving").main and "/judged w" not in admin.get("/pending?state=others").main
    assert "/judged w" in admin.get("/pending?person=ada").main and "/risky r" not in admin.get("/pending?person=ada").main
    assert "1 approvals waiting" in admin.get("/").main
    key = stack.sql("SELECT id FROM pending WHERE line = '/judged w'")[0][0]
    page = admin.send(page.form("list"), action="withdraw", id=[str(key)])
    assert "Withdraw these?" in page.main and stack.count("pending") == 2
    assert "1 withdrawn" in admin.send(page.form()).flash and stack.count("pending") == 1
    assert stack.wait(lambda: any("was withdrawn by" in m.get("text", "") for m in stack.sim.messages(4001)))
    assert events(stack, f"request {key}") == ["withdrawn"] and stack.marked() == []


# -- the record

def test_record_is_listed_filtered_and_exported(stack, admin):
    admin.send(admin.get("/queues/new").form(), name="t-record", concurrency="5")
    page = admin.get("/audit?object=queue+t-record")
    assert "created" in page.main and '"concurrency": 5' in page.main and "127.0.0.1" in page.main and "manager" in page.main

    def found(query):
        return len(re.findall(r'<td class="time">', admin.get("/audit?" + query).text))

    assert found("object=queue+t-record") == 1 == found("object=queue+t-record&actor=manager&action=created&person=admin")
    assert found("object=queue+t-record&actor=bot") == 0 and found("actor=operator") > 0 and found("action=admitted&actor=manager") == 0
    day = stack.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")[0][0]
    assert found(f"object=queue+t-record&date={day}") == 1 and found("date=1999") == 0
    rows = list(csv.DictReader(io.StringIO(admin.get("/audit/export?format=csv&object=queue+t-record").text)))
    assert [(r["action"], r["login"], r["address"]) for r in rows] == [("created", "admin", "127.0.0.1")] and json.loads(rows[0]["detail"])["after"]["concurrency"] == 5
    rows = json.loads(admin.get("/audit/export?format=json").text)
    assert rows[0]["object"] in ("record", "queue t-record") and rows[-1]["event"] == stack.sql("SELECT min(id) FROM audit_event")[0][0]
    stack.sql("DELETE FROM queue WHERE name = 't-record'")


def test_seals_are_verified(stack, admin):
    assert stack.wait(lambda: stack.count("audit_seal"), 30)
    page = admin.get("/audit/verify")
    assert "hold" in page.main and "problem" not in page.text.split("<main")[1]
    last = stack.sql("SELECT id, action FROM audit_event WHERE id = (SELECT last_id FROM audit_seal ORDER BY seq DESC LIMIT 1)")[0]
    stack.sql("UPDATE audit_event SET action = 'forged' WHERE id = %s", (last[0],))
    page = admin.get("/audit/verify")
    assert "what it covers is not what it was" in page.main and "hold:" not in page.main
    stack.sql("UPDATE audit_event SET action = %s WHERE id = %s", (last[1], last[0]))
    seal = stack.sql("SELECT seq, sha256 FROM audit_seal ORDER BY seq LIMIT 1")[0]
    stack.sql("UPDATE audit_seal SET sha256 = '\\x00' WHERE seq = %s", (seal[0],))
    try:
        page = admin.get("/audit/verify?before=3")
        assert "Seal 1 " in page.main and "does not fit the one that follows" in page.main
    finally:
        stack.sql("UPDATE audit_seal SET sha256 = %s WHERE seq = %s", (bytes(seal[1]), seal[0]))
    assert "hold" in admin.get("/audit/verify").main


# -- settings

def test_setting_is_changed_and_counts(stack, admin):
    assert "Wait for approval" in admin.get("/settings").main
    page = admin.get("/settings/approving_hours")
    second = admin.get("/settings/approving_hours")
    page = admin.send(page.form(), value="2")
    assert "value : 24 → 2" in page.flash and "value : 24 → 2" in admin.get("/settings/approving_hours/history").main
    assert admin.send(second.form(), value="3").status == 409
    say(stack, "/judged soon")
    assert stack.wait(lambda: stack.count("pending", "expires_at BETWEEN now() + interval '1 hour' AND now() + interval '2 hours'") == 1)
    for typed in ("0", "721", "", "x", "99999999999"):
        page = admin.send(admin.get("/settings/approving_hours").form(), value=typed)
        assert page.status == 422 and "value" in page.errors(), typed
    assert admin.get("/settings/none").status == 404 and stack.sql("SELECT value FROM setting") == [(2,)]
