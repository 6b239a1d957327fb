"""The pages of tasks: the list with its filters, one task, cancelling, running again, files."""
import csv
import io
import json
import re

import pytest
from browser import Browser

PASSWORD = "correct horse battery"
OLD = "INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at, claimed_at, started_at, finished_at) "


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace; DELETE FROM task_history; DELETE FROM pending")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM task_history; DELETE FROM pending; DELETE FROM app_user WHERE login = 't-looker'")


def say(stack, text, who=4001):
    stack.post({"update_id": stack.number(), "message": stack.message(who, text)})


def ran(stack, text, who=4001):
    """Runs a command to its end; its number."""
    say(stack, text, who)
    assert stack.wait(lambda: stack.count("task_history", "line = %s", (text,)))
    assert stack.settled()
    return stack.sql("SELECT max(id) FROM task_history WHERE line = %s", (text,))[0][0]


def waiting(stack, text, who=4001):
    say(stack, text, who)
    assert stack.wait(lambda: stack.count("task", "line = %s", (text,)))
    return stack.sql("SELECT max(id) FROM task WHERE line = %s", (text,))[0][0]


def listed(page):
    return [int(x) for x in re.findall(r'<td class="number"><a href="/tasks/(\d+)">', page.text)]


def test_one_task_from_its_beginning_to_its_answer(stack, admin):
    number = ran(stack, "/echo hello")
    page = admin.get(f"/tasks/{number}")
    assert page.status == 200 and "hello" in page.main and "done" in page.main and "exit status 0" in page.main
    for step in ("Queued 2", "Claimed by an engine 2", "Started 2", "Finished 2", "Answer sent 2"):
        assert step in page.main, page.main
    assert "Ada" in page.main and "admitted" in page.main and re.search(r'<pre class="output"[^>]*>\s*hello', page.text)
    assert admin.get("/tasks/999999999").status == 404 and admin.get("/tasks/x").status == 404


def test_what_a_long_command_shows_is_seen_while_it_runs(stack, admin):
    number = waiting(stack, "/progress 200 100")
    assert stack.wait(lambda: "line 1" in admin.get(f"/tasks/{number}/live").text or 'class="output"' in admin.get(f"/tasks/{number}/live").text)
    page = admin.get(f"/tasks/{number}")
    assert "data-running" in page.text and "Look again" in page.main, "it can be looked at again without script"
    live = admin.get(f"/tasks/{number}/live")
    assert "<html" not in live.text and "data-running" in live.text and live.headers["cache-control"] == "no-store"
    page = admin.send(page.form(f"/tasks/{number}/cancel"))
    assert page.path == f"/tasks/{number}" and "1 cancelled" in page.flash
    assert stack.wait(lambda: stack.count("task_history", "id = %s AND state = 'cancelled'", (number,)), 30)
    page = admin.get(f"/tasks/{number}")
    assert "cancelled" in page.main and "data-running" not in page.text and f"/tasks/{number}/cancel" not in page.text
    assert stack.sql("SELECT actor, host(address) FROM audit_event WHERE object = %s AND actor = 'manager'", (f"task {number}",)) == [("manager", "127.0.0.1")]


def test_what_waits_is_cancelled_at_once(stack, admin):
    first, second = waiting(stack, "/far one"), waiting(stack, "/far two", 4011)
    page = admin.get(f"/tasks/{first}")
    assert "no engine serves the queue far" in page.main
    page = admin.send(admin.get("/tasks").form("list"), action="cancel", id=[str(first), str(second), "77"])
    assert "Cancel these?" in page.main and "/far two" in page.main and stack.count("task", "NOT internal") == 2, "nothing happens before it is confirmed"
    page = admin.send(page.form())
    assert "2 cancelled" in page.flash and stack.count("task", "NOT internal") == 0
    assert stack.wait(lambda: any(f"Task {first} was cancelled by" in m.get("text", "") for m in stack.sim.messages(4001)))
    assert "had ended before" in admin.send(admin.send(admin.get("/tasks").form("list"), action="cancel", id=[str(first)]).form()).flash


def test_running_again_goes_the_way_of_the_chat(stack, admin):
    number = ran(stack, "/echo twice")
    page = admin.send(admin.get(f"/tasks/{number}").form(f"/tasks/{number}/again"))
    made = int(page.path.split("/")[-1])
    assert made > number and "1 run again" in page.flash
    assert stack.wait(lambda: stack.count("task_history", "id = %s AND state = 'done' AND user_id = (SELECT id FROM app_user WHERE login = 'ada')", (made,)))
    said = [m.get("text", "") for m in stack.sim.messages(4001)]
    assert stack.wait(lambda: any("runs this again from the pages" in m.get("text", "") for m in stack.sim.messages(4001))), said
    assert stack.sql("SELECT count(*) FROM audit_event WHERE action = 'run again' AND object = %s AND actor = 'manager'", (f"task {number}",)) == [(1,)]
    # A dangerous one is confirmed by its person as before.
    stack.sql(OLD + "SELECT 900001, 'done', 1, c.queue, c.id, c.name, u.id, 4001, 4001, '{\"word\": \"w\"}', '/risky w', now(), now(), now(), now() FROM command c, app_user u "
              "WHERE c.name = 'risky' AND u.login = 'ada'")
    page = admin.send(admin.get("/tasks/900001").form("/tasks/900001/again"))
    assert "1 wait for somebody in the chat" in page.flash and page.path == "/tasks/900001"
    assert stack.sql("SELECT state FROM pending WHERE line = '/risky w'") == [("confirming",)] and stack.marked() == []


@pytest.mark.parametrize("change, back, said", [
    ("DELETE FROM role_command x USING command c WHERE c.id = x.command_id AND c.name = 'mark'", None, "may not run this"),
    ("UPDATE command SET enabled = false WHERE name = 'mark'", "UPDATE command SET enabled = true WHERE name = 'mark'", "may not run this"),
    ("UPDATE command SET updated_at = now() WHERE name = 'mark'", None, "was changed since"),
    ("UPDATE chat SET allowed = false WHERE chat_id = 4001", "UPDATE chat SET allowed = true WHERE chat_id = 4001", "is not allowed"),
    ("UPDATE task_history SET command_id = 999999", None, "not there any more"),
    ("UPDATE task_history SET telegram_id = 4002", None, "no access any more"),
])
def test_running_again_is_refused(stack, admin, change, back, said):
    number = ran(stack, "/mark once")
    try:
        stack.sql(change)
        page = admin.send(admin.get(f"/tasks/{number}").form(f"/tasks/{number}/again"))
        assert said in page.flash, page.flash
        assert stack.count("task", "NOT internal") == 0 and stack.count("pending") == 0 and stack.marked() == ["once"]
    finally:
        if back:
            stack.sql(back)
        stack.sql("INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 'crew' AND c.name = 'mark' ON CONFLICT DO NOTHING")


def test_secrets_are_not_run_again_and_not_shown(stack, admin):
    say(stack, "/setpw verysecret1")
    assert stack.wait(lambda: stack.count("task_history", "command_name = 'setpw'")) and stack.settled()
    number = stack.sql("SELECT id FROM task_history WHERE command_name = 'setpw'")[0][0]
    page = admin.get(f"/tasks/{number}")
    assert "verysecret1" not in page.text and "•••" in page.main
    assert "secrets are not kept" in admin.send(page.form(f"/tasks/{number}/again")).flash


def history(stack, count):
    stack.sql(OLD + "SELECT 1000000 + n, CASE n %% 5 WHEN 0 THEN 'failed' WHEN 1 THEN 'lost' ELSE 'done' END, 1, 'default', c.id, c.name, u.id, 4001, CASE n %% 2 WHEN 0 THEN 4001 ELSE -1009 END, "
              "'{}', '=cmd ' || n, now(), now(), now(), now() - n * interval '1 minute' FROM generate_series(1, %s) n, command c, app_user u WHERE c.name = 'echo' AND u.login = 'ada'", (count,))


def test_filters_and_pages(stack, admin):
    history(stack, 130)
    stack.sql("INSERT INTO chat (chat_id, type, title) VALUES (-1009, 'supergroup', 'Ops Room') ON CONFLICT DO NOTHING")
    queued = waiting(stack, "/far filter", 4011)
    page = admin.get("/tasks")
    assert listed(page)[0] == queued and listed(page)[1:3] == [1000001, 1000002], "what is not finished comes first"
    seen = []
    for _ in range(5):
        seen += listed(page)
        following = re.findall(r'href="([^"]+)" rel="next"', page.text)
        if not following:
            break
        page = admin.get(following[0].replace("&amp;", "&"))
    assert seen == [queued, *range(1000001, 1000131)]
    assert listed(admin.get("/tasks?sort=finished"))[0] == 1000130

    def found(query):
        return listed(admin.get("/tasks?" + query))

    assert found("state=open") == [queued] == found("state=queued") and found("state=running") == []
    assert found("state=failed")[:2] == [1000005, 1000010] and found("state=bad")[:2] == [1000001, 1000005] and found("state=nonsense") == []
    assert queued not in found("state=done") and len(found("state=done")) == 50
    assert found("number=1000007") == [1000007] == found("number=%231000007") and found("number=x") == []
    ada = found("person=ada&state=lost")
    assert ada[:2] == [1000001, 1000006] and found("person=4001&state=lost") == ada and found("person=nobody-of-this-name") == []
    assert found("person=judge1") == [queued]
    assert found("chat=ops+room&state=bad")[:2] == [1000001, 1000005] and found("chat=-1009")[0] == 1000001 and found("chat=none") == []
    echo = stack.sql("SELECT id FROM command WHERE name = 'echo'")[0][0]
    assert found(f"command={echo}&state=open") == [] and found(f"command={echo}")[0] == 1000001
    assert len(found("since=hour")) == 50 and 1000059 not in found("since=hour&state=lost&sort=finished")[:0] and found("since=hour&sort=finished")[0] in (1000059, 1000060)
    day = stack.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")[0][0]
    assert found(f"date={day[:4]}") and found("date=1999") == [] and queued not in found(f"date={day}")
    assert found("engine=999") == []
    stack.sql("DELETE FROM task; DELETE FROM chat WHERE chat_id = -1009")


def test_files(stack, admin):
    history(stack, 2500)
    page = admin.get("/tasks/export?format=csv&state=bad")
    assert page.headers["content-type"].startswith("text/csv") and 'filename="tasks.csv"' in page.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(page.text)))
    assert len(rows) == 1000 and rows[0]["task"] == "1000001" and rows[0]["login"] == "ada" and rows[-1]["task"] == "1002500"
    assert rows[0]["line"] == "'=cmd 1", "no spreadsheet takes it for a formula"
    page = admin.get("/tasks/export?format=json")
    rows = json.loads(page.text)
    assert [r["task"] for r in rows] == list(range(1000001, 1002501)) and rows[0]["line"] == "=cmd 1" and rows[0]["exit_status"] is None
    assert json.loads(admin.get("/tasks/export?format=json&number=1").text) == []
    assert admin.get("/tasks/export?format=exe").status == 400 and admin.get("/tasks/export").headers["content-type"].startswith("text/csv")
    assert stack.count("audit_event", "action = 'exported' AND object = 'tasks' AND actor = 'manager'") >= 3
    assert "/tasks/export?format=csv&state=bad" in admin.get("/tasks?state=bad").links()


def test_the_whole_output_as_a_file(stack, admin):
    number = ran(stack, "/echo hello")
    page = admin.get(f"/tasks/{number}")
    assert f"/tasks/{number}/output" in page.links()
    page = admin.get(f"/tasks/{number}/output")
    assert page.status == 200 and page.text.strip() == "hello" and page.headers["content-type"] == "text/plain; charset=utf-8"
    assert page.headers["content-disposition"] == f'attachment; filename="task-{number}.txt"' and page.headers["x-content-type-options"] == "nosniff"
    assert stack.count("audit_event", "action = 'exported' AND object = %s AND actor = 'manager'", (f"task {number}",)) == 1
    # Many parts, cut between characters, whatever they are.
    text = "".join(f"{n} ☂ grün <b>\n" for n in range(60000)) + "\U0001f600" * 200000
    stack.sql("UPDATE task_output SET body = %s WHERE task_id = %s", (text, number))
    assert admin.get(f"/tasks/{number}/output").text == text
    for size in (262143, 262144, 262145, 524288):
        stack.sql("UPDATE task_output SET body = repeat('ü', %s) WHERE task_id = %s", (size, number))
        assert len(admin.get(f"/tasks/{number}/output").text) == size
    stack.sql("INSERT INTO task_output (task_id, part, body) VALUES (%s, 3, 'the end')", (number,))
    assert admin.get(f"/tasks/{number}/output").text == "ü" * 524288 + "the end"
    stack.sql("DELETE FROM task_output WHERE task_id = %s", (number,))
    page = admin.get(f"/tasks/{number}")
    assert f"/tasks/{number}/output" not in page.links() and admin.get(f"/tasks/{number}/output").status == 404
    assert admin.get("/tasks/x/output").status == 404 and admin.get("/tasks/999999999999/output").status == 404


def test_who_may_only_look(stack, admin):
    number = ran(stack, "/echo looked at")
    stack.teleops("admin", "create", "t-looker", stdin=PASSWORD + "\n")
    stack.sql("UPDATE admin_permission a SET area = 'tasks', can_change = false FROM app_user u WHERE u.id = a.user_id AND u.login = 't-looker'; DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("t-looker", PASSWORD).status == 303
    page = b.get(f"/tasks/{number}")
    assert page.status == 200 and "looked at" in page.main and "/again" not in page.text and "/people/users" not in page.text
    assert 'name="id"' not in b.get("/tasks").text and b.get("/tasks/export?format=csv").status == 200
    assert b.get(f"/tasks/{number}/output").text.strip() == "looked at"


# -- the first page

def test_first_page_shows_what_happens(stack, admin):
    history(stack, 130)
    number = waiting(stack, "/far start", 4011)
    stack.sql("DELETE FROM task_slot; UPDATE chore SET done_at = '-infinity' WHERE name = 'slots'")
    assert stack.wait(lambda: stack.count("task_slot", "what = 'command' AND key = 'echo'"), 40)
    page = admin.get("/")
    assert page.status == 200 and "1 waiting" in page.main and "@" in page.main and "alive demo" in page.main
    assert "far 1 0" in page.main and "no engine" in page.main
    assert page.text.count('role="img"') == 2 and "<rect class=\"failed\"" in page.text and "<style" not in page.text and "style=" not in page.text
    assert re.search(r"/echo.*?130|/echo 1[23]\d", page.main), page.main
    # Each task is counted once, in what is stored or in what is younger.
    assert sum(int(x) for x in re.search(r"done (\d+) cancelled, refused (\d+) failed, timed out, lost (\d+)", page.main).groups()) >= 130
    assert sum(r[0] for r in stack.sql("SELECT tasks FROM task_slot WHERE what = 'state'")) <= 130
    stack.sql("DELETE FROM task WHERE id = %s", (number,))


def test_first_page_shows_only_what_one_may_see(stack, admin):
    stack.teleops("admin", "create", "t-looker", stdin=PASSWORD + "\n")
    stack.sql("UPDATE admin_permission a SET area = 'backup', can_change = false FROM app_user u WHERE u.id = a.user_id AND u.login = 't-looker'; DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("t-looker", PASSWORD).status == 303
    page = b.get("/")
    assert page.status == 200 and not any(word in page.main for word in ("running", "Queues", "Engines", "strangers", "messages to send", "hour"))
    assert "Telegram" in page.main


def test_first_page_tells_of_the_webhooks_certificate(stack, admin):
    assert stack.wait(lambda: stack.sql("SELECT certificate ? 'expires' FROM bot_status") == [(True,)], 30)
    assert re.search(r"certificate of this address is good for \d+ days, until 2", admin.get("/").main)
    kept = stack.sql("SELECT certificate::text, webhook::text FROM bot_status")[0]
    said = {"extract(epoch FROM now() + interval '5.5 days')::bigint": ("expires in 5 days", True), "extract(epoch FROM now())::bigint - 10": ("expired 2", True)}
    try:
        for end, (text, bad) in said.items():
            stack.sql(f"UPDATE bot_status SET certificate = certificate || jsonb_build_object('expires', {end})")
            page = admin.get("/")
            assert text in page.main and ('<span class="state bad">exp' in page.text) == bad
        stack.sql("UPDATE bot_status SET certificate = jsonb_build_object('url', webhook ->> 'url', 'error', 'Timeout was <reached>')")
        assert "could not be looked at from where telesender runs: Timeout was <reached>" in admin.get("/").main
        stack.sql("UPDATE bot_status SET certificate = certificate || '{\"url\": \"https://else.example.org/webhook\"}'")
        assert "certificate" not in admin.get("/").main, "what was seen elsewhere says nothing of this one"

        def told():
            # The sender may ask Telegram at this very moment, and write what is true.
            stack.sql("UPDATE bot_status SET webhook = webhook || jsonb_build_object('last_error_date', extract(epoch FROM now())::bigint - 60, "
                      "'last_error_message', 'Connection refused', 'pending_update_count', 101)")
            page = admin.get("/")
            return "Connection refused" in page.main and '<span class="state bad">101 updates wait' in page.text

        assert stack.wait(told)
    finally:
        stack.sql("UPDATE bot_status SET certificate = %s, webhook = %s", kept)


def test_first_page_with_nothing(stack, admin):
    stack.sql("DELETE FROM task_slot")
    page = admin.get("/")
    assert page.main.count("Nothing finished in this time") == 2 and "Nothing runs." in page.main and "the oldest" not in page.main
