import json
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../integration"), os.path.join(HERE, "..")]
from browser import Browser  # noqa: E402
from chrome import Chrome  # noqa: E402
from judge import Judge  # noqa: E402
from places import Places  # noqa: E402
from stack import Stack, stage_programs  # noqa: E402
from support.cluster import BUILD  # noqa: E402


@pytest.fixture(scope="session")
def stage():
    directory = stage_programs()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(stage):
    """One stack for all, with something to see on every page."""
    s = Stack(stage, TELEOPS_SEND_RATE=0, TELEOPS_SEND_RATE_CHAT=0, TELEOPS_SEND_RATE_GROUP=0, TELEOPS_QUEUES="default,narrow")
    try:
        people_and_tasks(s)
        yield s
    finally:
        s.calm()
        s.stop()


def people_and_tasks(s):
    """A stranger who asks, an invitation, tasks that ended well and badly, one that waits, a message that could not be sent; a schedule, a
    hook with an alert."""
    stranger = s.message(777001, "hello")
    stranger["from"].update(first_name="Sam", last_name="Stranger", username="sam")
    lines = [(4001, "/echo hello"), (4001, "/broken 3"), (4001, "/killed"), (4001, "/setpw correct-horse"), (4002, "/deploy prod"), (4002, "/deploy staging"),
             (4001, "/risky once"), (4001, "/judged once"), (4001, "/far away")]
    for m in (stranger, *(s.message(who, line) for who, line in lines)):
        assert s.post({"update_id": s.number(), "message": m})[0] == 200
    assert s.wait(lambda: s.count("task_history") >= 4, 60)
    s.sql("INSERT INTO outbox_dead (id, op, chat_id, text, reason, created_at) VALUES (10 ^ 12, 'send', 4003, 'hello', 'Bad Request: chat not found', now())")
    s.apply({"hooks": [{"name": "monitoring", "chat_id": 4001, "buttons": [{"command": "mark", "args": {"word": "{host}"}, "when": {"host": "web*"}}]}]})
    token = json.loads(s.teleops("hook", "renew", "monitoring", "--json").stdout)["url"].rpartition("/")[2]
    assert s.post({"title": "Load", "status": "firing", "labels": {"host": "web1"}}, path=f"/hooks/{token}")[0] == 200
    admin = Browser(s)
    assert admin.sign_in("admin", s.env["DEMO_ADMIN_PASSWORD"]).status == 303
    assert admin.send(admin.get("/people/invites/new").form(), login="ada", note="her new telephone").status == 200
    assert admin.send(admin.get("/commands/schedules/new").form(), name="nightly", line="/echo good night", cron="@daily", user="ada", chat_id="4001").status == 200


@pytest.fixture(scope="session")
def judge():
    j = Judge(os.path.join(BUILD, "browser-tests"))
    yield j
    j.close()


@pytest.fixture(scope="session")
def places(stack):
    admin = Browser(stack)
    assert admin.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    return Places(admin)


@pytest.fixture(scope="session")
def windows(stack):
    """Browsers by whether pages may run scripts, each begun when it is first needed."""
    begun = {}

    def window(script):
        if script not in begun:
            begun[script] = Chrome(stack, script)
        return begun[script]

    yield window
    for chrome in begun.values():
        chrome.quit()


@pytest.fixture
def admin(stack, windows):
    """The administrator, signed in, with scripts."""
    return signed_in(stack, windows(True))


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def anyhow(stack, windows, request):
    """The same, once with scripts and once without."""
    return signed_in(stack, windows(request.param))


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def stranger(stack, windows, request):
    """Somebody who has never been here, once with scripts and once without."""
    chrome = windows(request.param).go("/signin")
    chrome.driver.delete_all_cookies()
    chrome.complaints()
    stack.sql("DELETE FROM signin_pace")
    return chrome.go("/signin")


@pytest.fixture
def running(stack):
    """The number of a task that runs, and prints a line each second."""
    mine = "command_id = (SELECT id FROM command WHERE name = 'progress')"
    assert stack.post({"update_id": stack.number(), "message": stack.message(4001, "/progress 100 1000")})[0] == 200
    assert stack.wait(lambda: stack.count("task", f"{mine} AND state = 'running'"), 60)
    yield stack.sql(f"SELECT id FROM task WHERE {mine}")[0][0]
    stack.sql(f"UPDATE task SET state = 'cancelling' WHERE {mine} AND state = 'running'; NOTIFY cancel")
    assert stack.wait(lambda: not stack.count("task", mine), 60)


def signed_in(stack, chrome):
    chrome.go("/account")
    if not chrome.has("#account-link") or chrome.find("#account-link").text != "admin":
        chrome.driver.delete_all_cookies()
        stack.sql("DELETE FROM signin_pace")
        chrome.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"])
        assert chrome.path == "/"
    chrome.complaints()
    return chrome
