"""Alerts that monitoring posts: one message each, which offers commands, changes with each report, and is closed."""
import base64
import concurrent.futures
import hashlib
import json
import os

import pytest
from test_pending import keys, press

GROUP, TOPICS = -2001, -1000000002002


class Hook:
    """A hook of the tests' own, and what is posted to it."""

    def __init__(self, stack, name, chat, **more):
        self.stack, self.name, self.chat = stack, name, chat
        self.token = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        stack.sql("INSERT INTO hook (name, chat_id, token_hash) VALUES (%s, %s, %s)", (name, chat, hashlib.sha256(self.token.encode()).digest()))
        for column, value in more.items():
            stack.sql(f"UPDATE hook SET {column} = %s WHERE name = %s", (value, name))

    def offer(self, command, args=None, labels=None, label=""):
        self.stack.sql("""INSERT INTO hook_button (hook_id, position, command_id, label, args, labels)
            SELECT h.id, (SELECT count(*) FROM hook_button), c.id, %s, %s, %s FROM hook h, command c WHERE h.name = %s AND c.name = %s""",
                       (label, json.dumps(args or {}), json.dumps(labels or {}), self.name, command))

    def post(self, body, query="", token=None, **headers):
        kind = {"Content-Type": "text/plain"} if isinstance(body, (str, bytes)) else {}
        return self.stack.post(body, {"X-Telegram-Bot-Api-Secret-Token": None, **kind, **headers}, path=f"/hooks/{token or self.token}{query}")

    def told(self, body, **more):
        status, _, text = self.post(body, **more)
        assert status == 200, text
        assert self.stack.settled()
        return self.messages()[-1]

    def messages(self, chat=None):
        return [m for m in self.stack.sim.messages(chat or self.chat) if m["from"]["is_bot"]]


@pytest.fixture
def hook(stack):
    yield Hook(stack, "prometheus", GROUP)
    stack.sql("DELETE FROM hook; DELETE FROM pending; DELETE FROM person_pace")
    assert stack.settled()


def disk(status="firing", *mounts, key="{}:{alertname=\"DiskFull\"}", **more):
    """As Alertmanager sends it (prometheus.io/docs/alerting/latest/configuration, webhook_config)."""
    alerts = [{"status": status, "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "web1", "mountpoint": m},
               "annotations": {"summary": f"web1: {m} is 97 % full"}, "startsAt": "2026-11-28T12:00:00Z", "generatorURL": "http://prometheus/graph"}
              for m in mounts or ("/var",)]
    return {"version": "4", "groupKey": key, "truncatedAlerts": 0, "status": status, "receiver": "telegram", "groupLabels": {"alertname": "DiskFull"},
            "commonLabels": {"alertname": "DiskFull", "severity": "critical"}, "commonAnnotations": {}, "externalURL": "http://alertmanager",
            "alerts": alerts, **more}


# -- one message an alert

def test_an_alert_is_told_repeated_in_place_and_closed(stack, hook):
    first = hook.told(disk())
    assert first["text"] == "🔥 DiskFull\n• web1: /var is 97 % full\nhttp://prometheus/graph" and not keys(first)
    assert first["entities"] == [{"type": "bold", "offset": 0, "length": 11}]
    again = hook.told(disk("firing", "/var", "/srv"))
    assert again["message_id"] == first["message_id"] and len(hook.messages()) == 1, "a repeat changes the message"
    assert again["text"].startswith("🔥 DiskFull\n• web1: /var is 97 % full\n• web1: /srv is 97 % full\nReported 2 times, since ")
    last = hook.told(disk("resolved", "/var", "/srv"))
    assert last["message_id"] == first["message_id"] and len(hook.messages()) == 1
    assert last["text"].startswith("✅ DiskFull\n✓ web1: /var is 97 % full\n") and "\nResolved 20" in last["text"]
    assert stack.sql("SELECT state, reports, body FROM alert") == [("resolved", 3, {})]
    assert hook.post(disk("resolved"))[0] == 200 and stack.settled() and len(hook.messages()) == 1, "what is not open has no end to be told of"
    assert hook.told(disk())["message_id"] != first["message_id"], "it is another one when it comes back"
    assert {r[0] for r in stack.sql("SELECT action FROM audit_event WHERE detail ->> 'hook' = 'prometheus'")} == {"alert opened", "alert closed"}


def test_other_senders_have_their_say(stack, hook):
    told = hook.told({"title": "Backup", "text": "3 of 4 done\nweb2 is missing", "labels": {"host": "web2"}})
    assert told["text"] == "🔔 Backup\n3 of 4 done\nweb2 is missing"
    assert hook.told("deployed v3\nby Ada")["text"] == "🔔 deployed v3\nby Ada"
    assert hook.told("deployed v3\nby Bob")["text"].startswith("🔔 deployed v3\nby Bob\nReported 2 times")
    assert hook.told("web3 is down", query="?key=web3&status=down")["text"] == "🔥 web3 is down"
    assert hook.told("web3 is back", query="?key=web3&status=up")["text"].startswith("✅ web3 is back\nResolved ")
    assert len(hook.messages()) == 3
    curl = {"Content-Type": "application/x-www-form-urlencoded"}
    assert hook.told('{"title": "as curl -d sends it"}', **curl)["text"] == "🔔 as curl -d sends it"
    grafana = {"receiver": "r", "status": "firing", "orgId": 1, "title": "[FIRING:1] Load (web1)", "groupKey": "g", "groupLabels": {}, "commonLabels": {},
               "message": "**Firing**", "alerts": [{"status": "firing", "labels": {"host": "web1"}, "annotations": {"description": "load is 9"},
                                                   "panelURL": "https://grafana/d/1?viewPanel=2"}]}
    assert hook.told(grafana)["text"] == "🔥 [FIRING:1] Load (web1)\n• load is 9\nhttps://grafana/d/1?viewPanel=2"


def test_it_goes_to_its_topic_and_stays_one_message_however_much_is_told(stack, hook):
    other = Hook(stack, "topic", TOPICS, thread_id=9)
    many = disk("firing", *(f"/{i}/" + "🔥" * 400 for i in range(60)))
    told = other.told(many)
    assert told["message_thread_id"] == 9 and len(other.messages()) == 1
    assert len(told["text"].encode("utf-16-le")) // 2 <= 4096 and told["text"].startswith("🔥 DiskFull\n• web1: /0/🔥")


def test_reports_that_come_before_the_message_is_sent_become_one(stack, hook):
    stack.sim.fault("500", method="sendMessage", chat_id=GROUP, count=2)
    for i in range(3):
        assert hook.post(disk("firing", f"/{i}"))[0] == 200
    assert hook.post(disk("resolved", "/9"))[0] == 200
    assert stack.settled()
    assert [m["text"].splitlines()[:2] for m in hook.messages()] == [["✅ DiskFull", "✓ web1: /9 is 97 % full"]]


def test_reports_that_come_at_once_are_one_alert(stack, hook):
    def post(_):
        return hook.post(disk())[0]
    with concurrent.futures.ThreadPoolExecutor(8) as many:
        assert set(many.map(post, range(40))) == {200}
    assert stack.settled() and len(hook.messages()) == 1
    assert stack.sql("SELECT reports FROM alert") == [(40,)]


def test_a_body_in_chunks(stack, hook):
    connection = stack.connection()
    connection.request("POST", f"/hooks/{hook.token}", body=iter([b'{"title": ', b'"in pieces"}']), headers={"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 200 and stack.settled()
    assert hook.messages()[-1]["text"] == "🔔 in pieces"


# -- what it offers to run

def test_a_button_runs_a_command_with_what_the_alert_says(stack, hook):
    hook.offer("mark", {"word": "{mountpoint}", "ms": "0"}, {"alertname": "Disk*", "severity": "critical"})
    hook.offer("mark", {"word": "never"}, {"alertname": "Net*"})
    hook.offer("mark", {"word": "{no_such_label}"})
    told = hook.told(disk("firing", "/var", "/it's; a=b"))
    assert list(keys(told)) == ["▶ /mark word=/var ms=0", "▶ /mark word='/it'\\''s; a=b' ms=0"]
    assert all(len(data) <= 64 and "mark" not in data for data in keys(told).values())
    assert press(stack, 4001, "▶ /mark word='/it'\\''s; a=b' ms=0", chat=GROUP, message=told) == ""
    assert stack.sql("SELECT args, line, chat_id, user_id = (SELECT id FROM app_user WHERE login = 'ada') FROM task_history ORDER BY id DESC LIMIT 1") == \
        [({"word": "/it's; a=b", "ms": "0"}, "/mark word='/it'\\''s; a=b' ms=0", GROUP, True)]
    after = [m for m in hook.messages() if m["message_id"] == told["message_id"]][0]
    assert list(keys(after)) == ["▶ /mark word=/var ms=0"], "what was pressed is not offered twice"
    assert " Ada: /mark word='/it'" in after["text"]
    assert press(stack, 4001, keys(told)["▶ /mark word='/it'\\''s; a=b' ms=0"], chat=GROUP, message=told) == "This button no longer does anything."
    again = hook.post(disk("firing", "/var", "/it's; a=b"))
    assert again[0] == 200 and stack.settled()
    after = [m for m in hook.messages() if m["message_id"] == told["message_id"]][0]
    assert len(keys(after)) == 2, "a report offers it anew"
    hook.post(disk("resolved"))
    assert stack.settled() and not any(keys(m) for m in hook.messages()) and stack.count("button") == 0
    assert press(stack, 4001, keys(told)["▶ /mark word=/var ms=0"], chat=GROUP, message=told) == "This button no longer does anything."
    assert len(stack.marked()) > 0 and stack.count("task_history", "line LIKE '/mark word=%' AND finished_at > now() - interval '1 minute'") == 1


def test_who_may_not_run_it_does_not_by_a_button(stack, hook):
    hook.offer("mark", {"word": "x"}, label="Mark it")
    hook.offer("deploy", {"env": "{env}"})
    told = hook.told({"title": "t", "labels": {"env": "prod"}})
    assert list(keys(told)) == ["▶ Mark it", "▶ /deploy env=prod"]
    assert "You may not run /mark" in press(stack, 4002, "▶ Mark it", chat=GROUP, message=told)
    assert "with these arguments" in press(stack, 4002, "▶ /deploy env=prod", chat=GROUP, message=told), "a grant for staging is none for prod"
    stack.sim.press(9999, told["message_id"], keys(told)["▶ Mark it"], chat=GROUP)
    assert stack.settled() and stack.marked() == [] and stack.count("task", "NOT internal") == 0
    assert stack.count("audit_event", "action = 'refused' AND detail ->> 'line' = '/mark word=x'") == 1
    assert keys(hook.messages()[-1]) == keys(told)
    stack.sql("UPDATE command SET enabled = false WHERE name = 'mark'")
    try:
        assert "You may not run /mark" in press(stack, 4001, "▶ Mark it", chat=GROUP, message=told)
        assert list(keys(hook.told({"title": "t", "labels": {"env": "prod"}}))) == ["▶ /deploy env=prod"]
    finally:
        stack.sql("UPDATE command SET enabled = true WHERE name = 'mark'")
    assert stack.marked() == []


def test_what_is_wrong_with_its_arguments_is_told_to_who_presses(stack, hook):
    hook.offer("deploy", {"env": "{env}"})
    told = hook.told({"title": "t", "labels": {"env": "moon"}})
    said = press(stack, 4001, "▶ /deploy env=moon", chat=GROUP, message=told)
    assert said.startswith('env must be one of prod, staging, not "moon".')
    assert stack.count("task_history", "line = '/deploy env=moon'") == 0


def test_dangerous_and_approved_ones_take_their_way(stack, hook):
    hook.offer("risky", {"word": "{host}"})
    hook.offer("grave", {"word": "{host}"})
    told = hook.told({"title": "t", "labels": {"host": "web1"}})
    assert press(stack, 4001, "▶ /risky word=web1", chat=GROUP, message=told) == ""
    asked = hook.messages()[-1]
    assert asked["text"].endswith("Run it?") and stack.marked() == []
    assert press(stack, 4011, "Run", chat=GROUP, message=asked) == "This button is somebody else's."
    press(stack, 4001, "Run", chat=GROUP, message=asked)
    assert stack.marked() == ["web1"]
    press(stack, 4011, "▶ /grave word=web1", chat=GROUP, message=told)
    press(stack, 4011, "Run", chat=GROUP, message=hook.messages()[-1])
    wants = hook.messages()[-1]
    assert "Judge1 asks to run\n/grave word=web1" in wants["text"]
    assert press(stack, 4011, "Approve", chat=GROUP, message=wants) == "Somebody else must approve what you ask for."
    press(stack, 4012, "Approve", chat=GROUP, message=wants)
    press(stack, 4013, "Approve", chat=GROUP, message=wants)
    assert stack.marked() == ["web1", "web1"]


def test_what_the_alert_does_not_say_is_asked_for(stack, hook):
    hook.offer("lend", {"what": "{title}", "who": "ada"})
    told = hook.told({"title": "t", "labels": {"title": "drill"}})
    assert press(stack, 4001, "▶ /lend what=drill who=ada", chat=GROUP, message=told, settle=False) == ""
    assert stack.wait(lambda: "/lend needs\nuntil" in hook.messages()[-1]["text"], 10)
    stack.sim.say(4001, "tomorrow", chat=GROUP)
    assert stack.wait(lambda: "drill for ada until" in hook.messages()[-1]["text"], 15), hook.messages()[-1]["text"]


# -- who and what is turned away

def test_tokens(stack, hook):
    stray = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    assert hook.post("x", token=stray)[0] == 403
    for wrong in ("x", hook.token[:-1], hook.token + "x", "%2e%2e", hook.token + "/more", "a" * 2000):
        assert hook.post("x", token=wrong)[0] in (403, 404), wrong
    assert stack.post("x", path=f"/hooks/{hook.token}", method="GET")[0] == 405
    assert stack.settled() and stack.count("alert") == 0
    assert hook.post("x")[0] == 200 and stack.post({"update_id": stack.number()})[0] == 200
    # Neither where it was taken nor where it was refused.
    for place in ("telebot", "nginx", "postgres", "teleengine"):
        assert hook.token not in stack.logged(place) and stray not in stack.logged(place), place
    with open(os.path.join(stack.dir, "log", "access.log"), encoding="utf-8") as f:
        access = f.read()
    assert "/hooks/" not in access and "/webhook" in access
    assert hook.token not in json.dumps([[str(v) for v in row] for row in stack.sql("SELECT h.*, a.* FROM hook h JOIN alert a ON a.hook_id = h.id")])
    assert 'hook=prometheus' in stack.logged("telebot")


def test_methods_types_and_sizes(stack, hook):
    assert hook.post({"title": "x"}, **{"Content-Type": "image/png"})[0] == 415
    for body in (b"", b"{", b"[]", b"null", b"{}", b'{"alerts": []}', b'{"alerts": 5}', b"\xff"):
        assert hook.post(body, **{"Content-Type": "application/json"})[0] == 400, body
    assert hook.post(b" \n")[0] == 400
    assert stack.count("alert") == 0
    most = json.dumps({"title": "x", "text": ""})[:-2]
    most += "y" * (1024 * 1024 - len(most) - 2) + '"}'
    assert hook.post(most)[0] == 200 and hook.post(most + " ")[0] == 413
    assert stack.settled() and len(hook.messages()) == 1


@pytest.mark.parametrize("text", ["nul \u0000 in it", "\ud83d half a pair", "\ufffe\uffff", "\u202e turned", "'", "{title}", "\\" * 3000, "<b>&amp;</b>"], ids=ascii)
def test_strange_texts_harm_nothing(stack, hook, text):
    hook.offer("mark", {"word": "{l}"})
    hook.offer("echo", {"text": "{l}"})
    assert hook.post({"title": text, "text": text, "key": text, "labels": {"l": text, text: text}})[0] in (200, 400)
    assert stack.settled() and stack.count("outbox_dead") == 0


def test_a_hook_takes_only_so_much(stack, hook):
    stack.sql("UPDATE hook SET rate = 3")
    said = [hook.post(disk(key=str(i))) for i in range(5)]
    assert [status for status, _, _ in said] == [200, 200, 200, 429, 429]
    assert 1 <= int(said[-1][1]["Retry-After"]) <= 60
    assert stack.settled() and len(hook.messages()) == 3
    stack.sql("UPDATE hook_pace SET since = since - interval '61 seconds'")
    assert hook.post(disk(key="9"))[0] == 200


def test_one_that_is_off_and_a_chat_that_is_not_allowed(stack, hook):
    stack.sql("UPDATE hook SET enabled = false")
    assert hook.post("x")[0] == 403
    stack.sql("UPDATE hook SET enabled = true; UPDATE chat SET allowed = false WHERE chat_id = %s", (GROUP,))
    try:
        assert hook.post("x")[0] == 403
    finally:
        stack.sql("UPDATE chat SET allowed = true WHERE chat_id = %s", (GROUP,))
    assert stack.count("alert") == 0 and hook.post("x")[0] == 200


# -- what lasts

def test_nothing_is_acknowledged_that_is_not_stored(stack, hook):
    """The database is away: its sender is told to try again, and does."""
    url = stack.env["TELEOPS_DATABASE"]
    stack.sql("ALTER ROLE teleops_bot NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teleops_bot'", user="postgres")
    try:
        status, headers, _ = hook.post(disk())
        assert status == 503 and headers["Retry-After"] == "1", url
        assert stack.count("alert") == 0
    finally:
        stack.sql("ALTER ROLE teleops_bot LOGIN", user="postgres")
    assert stack.wait(lambda: hook.post(disk())[0] == 200, 30)
    assert stack.settled() and len(hook.messages()) == 1


def test_what_is_not_repeated_is_closed_and_later_removed(stack, hook):
    hook.offer("mark", {"word": "x"})
    told = hook.told(disk())
    assert keys(told)
    stack.sql("UPDATE alert SET last_at = last_at - interval '73 hours', opened_at = opened_at - interval '80 hours'; UPDATE chore SET done_at = '-infinity' WHERE name = 'alerts'")
    assert stack.wait(lambda: stack.count("alert", "state = 'silent'") == 1, 15) and stack.settled()
    last = hook.messages()[-1]
    assert last["message_id"] == told["message_id"] and last["text"].startswith("💤 DiskFull\n") and "Not reported any more, for 3 d" in last["text"] and not keys(last)
    stack.sql("UPDATE alert SET closed_at = closed_at - interval '31 days'; UPDATE chore SET done_at = '-infinity' WHERE name = 'alerts'")
    assert stack.wait(lambda: stack.count("alert") == 0, 15)


def test_a_group_that_moves_takes_its_hooks_along(stack, hook):
    hook.told(disk())
    stack.sql("SELECT chat_migrate(%s, %s)", (GROUP, TOPICS))
    try:
        assert hook.post(disk())[0] == 200 and stack.settled()
        assert len(hook.messages(TOPICS)) == 1 and len(hook.messages()) == 1
    finally:
        stack.sql("UPDATE chat SET migrated_to = NULL WHERE chat_id = %s", (GROUP,))


def test_it_is_counted(stack, hook):
    hook.told(disk())
    assert stack.sql("SELECT value FROM metric_now() WHERE name = 'teleops_alerts'") == [(1.0,)]
    assert stack.wait(lambda: stack.sql("SELECT sum(value) > 0 FROM metric WHERE name = 'teleops_hook_requests_total' AND labels = 'outcome=\"opened\"'") == [(True,)], 30)


def test_an_operators_hook_from_the_first_line_to_the_last(stack, hook):
    made = stack.teleops("hook", "create", "grafana", "--chat", str(TOPICS), "--topic", "9", "--json")
    first = json.loads(made.stdout)["url"].rpartition("/")[2]
    stack.apply({"hooks": [{"name": "grafana", "chat_id": TOPICS, "thread_id": 9, "buttons": [
        {"command": "mark", "args": {"word": "{host}"}, "when": {"host": "web*"}, "text": "Mark it"}]}]})
    other = Hook.__new__(Hook)
    other.stack, other.name, other.chat, other.token = stack, "grafana", TOPICS, first
    told = other.told({"title": "Load", "status": "alerting", "labels": {"host": "web1"}})
    assert list(keys(told)) == ["▶ Mark it"] and told["message_thread_id"] == 9
    press(stack, 4001, "▶ Mark it", chat=TOPICS, message=told)
    assert stack.marked() == ["web1"]
    second = json.loads(stack.teleops("hook", "renew", "grafana", "--json").stdout)["url"].rpartition("/")[2]
    assert other.post("x")[0] == 403 and other.post("x", token=second)[0] == 200
    listed = {h["hook"]: h for h in json.loads(stack.teleops("hook", "list", "--json").stdout)["hooks"]}
    assert listed["grafana"]["open"] == 2 and listed["grafana"]["last"] and second not in json.dumps(listed)
    assert stack.teleops("hook", "delete", "grafana").returncode == 0 and other.post("x", token=second)[0] == 403
    assert second not in stack.logged("postgres") and second not in stack.logged("telebot")
