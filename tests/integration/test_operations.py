"""What the outbox can ask of Telegram beside a plain message."""
import json
import ssl
import subprocess

from test_chat import answer
from test_doctor import set_webhook


def put(stack, op, chat=None, text="", lane=True, params=None, key=None, **columns):
    """A row as the functions of the schema write it; its id."""
    seq = stack.sql("UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = %s RETURNING out_seq", (chat,))[0][0] if lane else None
    names = ["op", "chat_id", "seq", "text", "params", "coalesce_key", *columns]
    values = [op, chat, seq, text, json.dumps(params) if params else None, key, *columns.values()]
    row, = stack.sql(f"INSERT INTO outbox ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING id", values)
    stack.sql("SELECT pg_notify('outbox', '')")
    return row[0]


def first_message(stack, who=4001, text="/echo to be edited"):
    answer(stack, who, text)
    return stack.sim.messages(who)[-1]["message_id"]


def test_an_edit_changes_the_message(stack):
    number = first_message(stack)
    put(stack, "edit", 4001, "edited", params={"message_id": number})
    assert stack.settled()
    assert stack.sim.answers(4001) == ["edited"]
    # The same once more is success: Telegram says that nothing was modified.
    put(stack, "edit", 4001, "edited", params={"message_id": number})
    assert stack.settled() and stack.count("outbox_dead") == 0
    put(stack, "edit", 4001, "x", params={"message_id": 999999})
    put(stack, "edit", 4001, "x")
    assert stack.settled()
    reasons = [r for r, in stack.sql("SELECT reason FROM outbox_dead ORDER BY id")]
    assert "message to edit not found" in reasons[0] and "lacks" in reasons[1]
    assert answer(stack, 4001, "/echo and the chat goes on") == "and the chat goes on"


def test_only_the_newest_of_edits_that_wait_goes_out(stack):
    number = first_message(stack)
    stack.sim.fault("slow", method="editMessageText", count=1, seconds=1.5)
    row = put(stack, "edit", 4001, "one", params={"message_id": number}, key="live 1")
    assert stack.wait(lambda: stack.sql("SELECT taken_by IS NOT NULL FROM outbox WHERE id = %s", (row,)) == [(True,)])
    for text in ("two", "three", "four"):
        stack.sql("UPDATE outbox SET text = %s, wanted_version = wanted_version + 1 WHERE id = %s", (text, row))
    assert stack.settled()
    edits = [c["params"]["text"] for c in stack.sim.calls("editMessageText")]
    assert edits == ["one", "four"] and stack.sim.answers(4001) == ["four"]


def test_typing_is_shown_while_a_command_runs_and_not_for_a_short_one(stack):
    assert answer(stack, 4001, "/echo short") == "short"
    assert stack.sim.calls("sendChatAction") == []
    stack.sim.say(4001, "/mark longer 3000", chat=-1000000002002, topic=9)
    assert stack.settled()
    call, = stack.sim.calls("sendChatAction")
    assert call["params"] == {"chat_id": -1000000002002, "message_thread_id": 9, "action": "typing"} and call["status"] == 200


def test_a_refused_action_is_left_and_harms_nothing(stack):
    stack.sim.fault("400", method="sendChatAction", count=10)
    assert answer(stack, 4001, "/mark refused 2500") == "refused"
    assert stack.settled() and stack.count("outbox_dead") == 0


def test_what_comes_too_late_is_dropped(stack):
    stack.sim.fault("502", method="sendChatAction", count=1000)
    put(stack, "chat_action", 4001, lane=False, params={"action": "typing"}, expires_at="now")
    row = put(stack, "chat_action", 4001, lane=False, params={"action": "typing"})
    stack.sql("UPDATE outbox SET expires_at = clock_timestamp() + interval '2 seconds' WHERE id = %s AND taken_by IS NULL", (row,))
    stack.sql("DELETE FROM outbox WHERE id = %s AND expires_at IS NULL", (row,))
    assert stack.settled(15) and stack.count("outbox_dead") == 0


def menu(stack, who):
    """Names in a person's menu; None where none was set."""
    found = stack.sim.call("/sim/world")["menus"].get(json.dumps({"chat_id": who, "type": "chat"}, sort_keys=True))
    return None if found is None else [c["command"] for c in found]


def test_a_menu_follows_what_its_person_may_run(stack):
    for who in (4001, 4002):
        answer(stack, who, "/id")
    stack.sql("DELETE FROM menu; UPDATE chore SET done_at = '-infinity'")
    assert stack.wait(lambda: menu(stack, 4001) and menu(stack, 4002), 15)
    assert "echo" in menu(stack, 4001) and menu(stack, 4002) == ["deploy", "help", "tasks"]
    stack.sql("INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 'few' AND c.name = 'echo'")
    try:
        assert stack.wait(lambda: menu(stack, 4002) == ["deploy", "echo", "help", "tasks"], 15)
    finally:
        stack.sql("DELETE FROM role_command x USING role r, command c WHERE r.id = x.role_id AND c.id = x.command_id AND r.name = 'few' AND c.name = 'echo'")
    stack.sql("UPDATE app_user SET enabled = false WHERE login = 'bob'; UPDATE command SET descriptions = '{\"de\": \"Ausrollen\"}' WHERE name = 'deploy'")
    try:
        assert stack.wait(lambda: menu(stack, 4002) == [], 15), "nobody's menu is empty"
    finally:
        stack.sql("UPDATE app_user SET enabled = true WHERE login = 'bob'; UPDATE telegram_account SET language = 'de-AT' WHERE telegram_id = 4002")
    key = json.dumps({"chat_id": 4002, "type": "chat"}, sort_keys=True)
    assert stack.wait(lambda: (stack.sim.call("/sim/world")["menus"].get(key) or [{}])[0] == {"command": "deploy", "description": "Ausrollen"}, 15)
    calls = len(stack.sim.calls("setMyCommands"))
    stack.sql("UPDATE rights_version SET version = version + 1")
    assert stack.wait(lambda: stack.sql("SELECT menus = version FROM rights_version") == [(True,)], 15)
    assert len(stack.sim.calls("setMyCommands")) == calls, "what is shown already is not sent again"


def test_menus_are_set(stack):
    commands = [{"command": "echo", "description": "say it"}]
    scope = {"type": "chat", "chat_id": 4001}
    put(stack, "set_commands", lane=False, params={"commands": commands, "scope": scope, "language_code": "de"}, key="menu 4001 de")
    assert stack.settled()
    assert stack.sim.call("/sim/world")["menus"] == {json.dumps(scope, sort_keys=True) + "de": commands}


def test_the_webhooks_health_is_noted_and_renewed_when_asked(stack):
    assert stack.wait(lambda: stack.sql("SELECT webhook_at IS NOT NULL FROM bot_status") == [(True,)], 10), "by itself, at the start"
    before = stack.sql("SELECT webhook_at FROM bot_status")
    put(stack, "webhook_info", lane=False, key="webhook_info")
    assert stack.settled() and stack.wait(lambda: stack.sql("SELECT webhook_at FROM bot_status") > before)
    assert stack.sql("SELECT webhook ->> 'url' LIKE '%%/webhook' FROM bot_status") == [(True,)]


def test_the_certificate_of_the_webhooks_address_is_looked_at(stack):
    seen = "SELECT certificate ->> 'url' = webhook ->> 'url', (certificate ->> 'expires')::bigint FROM bot_status WHERE certificate ? 'expires'"
    assert stack.wait(lambda: stack.sql(seen), 30)
    end = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", stack.env["DEMO_CERT"]], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert stack.sql(seen) == [(True, int(ssl.cert_time_to_seconds(end.split("=")[1].strip())))]


def test_an_address_that_serves_no_certificate_says_why(stack):
    seen = "SELECT certificate ->> 'url', certificate ? 'error' FROM bot_status"
    nowhere = "https://127.0.0.1:1/webhook"
    try:
        set_webhook(stack, nowhere)
        put(stack, "webhook_info", lane=False, key="webhook_info")
        assert stack.wait(lambda: stack.sql(seen) == [(nowhere, True)], 60), stack.sql(seen)
        assert stack.settled()
    finally:
        assert stack.teleops("webhook", "set", "--certificate", stack.env["DEMO_CERT"]).returncode == 0
        put(stack, "webhook_info", lane=False, key="webhook_info")
        assert stack.wait(lambda: not stack.sql(seen)[0][1], 60), stack.sql(seen)


def test_a_document_goes_without_entities_when_they_are_refused(stack):
    stack.sim.fault("400", method="sendDocument", count=1, description="Bad Request: can't parse entities: whatever")
    stack.sim.say(4001, "/flood 20000")
    assert stack.settled()
    message = stack.sim.messages(4001)[-1]
    assert message["document"]["file_size"] == 20032 and "in the file" in message["caption"]
    assert [c["status"] for c in stack.sim.calls("sendDocument")] == [400, 200]


def test_a_document_survives_the_senders_death_and_telegrams_anger(stack):
    for kind in ("500", "reset", "429"):
        stack.sim.fault(kind, method="sendDocument", count=1)
    stack.sim.say(4001, "/flood 30000")
    assert stack.wait(lambda: stack.sim.calls("sendDocument"), 10)
    stack.sim.say(4001, "/echo behind it")
    stack.kill("telesender")
    assert stack.settled(60)
    documents = [m for m in stack.sim.messages(4001) if "document" in m]
    assert len(documents) in (1, 2) and stack.sim.answers(4001)[-1] == "behind it" and stack.count("outbox_document") == 0


def test_a_topic_that_is_gone_is_left_out(stack):
    stack.sim.say(4001, "/echo anyway", chat=-1000000002002, topic=77)
    assert stack.sim.wait_answers(-1000000002002, 1) == ["anyway"]
    message = [m for m in stack.sim.messages(-1000000002002) if m.get("from", {}).get("is_bot")][-1]
    assert "message_thread_id" not in message
    assert [c["status"] for c in stack.sim.calls("sendMessage")] == [400, 200]


def test_a_group_that_became_a_supergroup_is_followed(stack):
    new = -1000000007001
    stack.sql("INSERT INTO role_command (role_id, command_id, chat_id) SELECT r.id, c.id, -2001 FROM role r, command c WHERE r.name = 'few' AND c.name = 'echo'")
    try:
        stack.sim.say(4001, "/echo before", chat=-2001)
        assert stack.sim.wait_answers(-2001, 1) == ["before"]
        for i in range(3):
            stack.sim.say(4001, f"/mark m{i} 1500", chat=-2001)
        assert stack.wait(lambda: len(stack.marked()) == 3, 10)
        stack.sim.call("/sim/migrate", {"chat": -2001, "to": new})
        assert sorted(stack.sim.wait_answers(new, 3)) == ["m0", "m1", "m2"]
        assert stack.settled() and stack.count("outbox_dead") == 0
        assert stack.sql("SELECT migrated_to FROM chat WHERE chat_id = -2001") == [(new,)]
        stack.sim.say(4002, "/echo by right", chat=new)
        assert stack.sim.wait_answers(new, 4)[-1] == "by right"
    finally:
        stack.sql("DELETE FROM role_command WHERE chat_id IS NOT NULL")
        stack.sql("UPDATE chat SET migrated_to = NULL WHERE chat_id = -2001")


def test_telegram_telling_of_the_migration_is_enough(stack):
    old, new = -2001, -1000000007002
    stack.sim.call("/sim/migrate", {"chat": old, "to": new})
    stack.sql("INSERT INTO chat (chat_id, type, title, allowed) VALUES (%s, 'group', 'Ops', true) ON CONFLICT DO NOTHING", (old,))
    message = stack.message(4001, "")
    message.pop("text")
    message.pop("entities")
    message.update(chat={"id": old, "type": "group", "title": "Ops"}, migrate_to_chat_id=new)
    assert stack.post({"update_id": stack.number(), "message": message})[0] == 200
    assert stack.sql("SELECT migrated_to FROM chat WHERE chat_id = %s", (old,)) == [(new,)]
    assert stack.sql("SELECT type FROM chat WHERE chat_id = %s", (new,)) == [("supergroup",)]
    assert stack.count("audit_event", "action = 'migrated' AND object = %s", (f"chat {old}",)) >= 1
    stack.sql("UPDATE chat SET migrated_to = NULL WHERE chat_id = %s", (old,))
