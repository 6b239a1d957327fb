"""The pages of schedules: made, changed, cloned, refused, left to rest, removed."""
import json
import re

import pytest
from browser import Browser


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM schedule WHERE name LIKE 't-%'")


NIGHTLY = {"name": "t-nightly", "line": "/echo good night", "cron": "30 23 * * *", "timezone": "Europe/Berlin", "user": "ada", "chat_id": "4001"}


def make(admin, **values):
    page = admin.send(admin.get("/commands/schedules/new").form(), **{**NIGHTLY, **values})
    assert page.status == 200, (page.errors(), page.problem)
    return page


def exported(stack, name):
    return next((s for s in json.loads(stack.teleops("export").stdout)["schedules"] if s["name"] == name), None)


def test_schedule_is_made_changed_and_removed(stack, admin):
    page = make(admin)
    assert "t-nightly was created" in page.flash and re.search(r"\(\w+ \d{4}-\d\d-\d\d 23:30 in its zone\)", page.main) and "does not run as it is" not in page.main
    assert exported(stack, "t-nightly") == {"name": "t-nightly", "line": "/echo good night", "cron": "30 23 * * *", "timezone": "Europe/Berlin", "user": "ada", "chat_id": 4001}
    # Its line was read with it: no engine has to.
    assert stack.sql("SELECT s.args, s.command_version = c.version FROM schedule s JOIN command c ON c.id = s.command_id WHERE s.name = 't-nightly'") == [({"text": "good night"}, True)]
    page = admin.send(page.form(), cron="@hourly", missed="once", name="t-hourly")
    assert "cron : 30 23 * * * → @hourly" in page.flash and exported(stack, "t-hourly")["missed"] == "once" and exported(stack, "t-nightly") is None
    assert "nothing changed" in admin.send(page.form()).flash
    clone = admin.get(page.path + "/clone")
    assert dict(clone.form().fields)["line"] == "/echo good night" and dict(clone.form().fields)["name"] == ""
    assert "was created" in admin.send(clone.form(), name="t-copy").flash
    listed = admin.get("/commands/schedules?search=t-&user=ada&command=echo").main
    assert "t-hourly" in listed and "t-copy" in listed and "t-hourly" not in admin.get("/commands/schedules?user=bob").main
    assert "t-copy" in admin.get("/commands/schedules?sort=-next").main
    assert "cron : 30 23 * * * → @hourly" in admin.get(page.path + "/history").main
    gone = admin.send(admin.get(page.path + "/delete").form(page.path + "/delete"))
    assert "t-hourly was removed" in gone.flash and exported(stack, "t-hourly") is None


@pytest.mark.parametrize("typed, field, said", [
    ({"cron": "61 * * * *"}, "cron", "from 0 to 59"),
    ({"cron": "0 0 30 2 *"}, "cron", "no such day"),
    ({"timezone": "Mars/Olympus"}, "timezone", "no time zone database"),
    ({"line": "echo x"}, "line", "must be a command line"),
    ({"line": "/nosuch x"}, "line", "no command"),
    ({"line": "/typed many"}, "line", "whole number"),
    ({"line": "/echo"}, "line", "Usage: /echo <text>"),
    ({"line": "/guide prod"}, "line", "nobody is there to be asked"),
    ({"line": "/setpw hunter2-hunter2"}, "line", "is secret"),
    ({"user": "nobody-here"}, "user", "no user"),
    ({"chat_id": "0"}, "chat_id", "must not be 0"),
    ({"chat_id": "here"}, "chat_id", "whole number"),
    ({"missed": "always"}, "missed", "skip, once or all"),
    ({"name": ""}, "name", "is needed"),
    ({"name": "x" * 65}, "name", "At most 64"),
])
def test_form_refuses_beside_the_field(stack, admin, typed, field, said):
    page = admin.send(admin.get("/commands/schedules/new").form(), **{**NIGHTLY, "name": "t-bad", **typed})
    assert page.status == 422 and stack.count("schedule", "name = 't-bad'") == 0
    assert said in page.errors().get(field, ""), (page.errors(), page.problem)


def test_rests_and_runs_again(stack, admin):
    page = make(admin)
    key = page.path.split("/")[-1]
    asked = admin.send(admin.get("/commands/schedules").form("list"), action="pause", id=[key])
    assert "/echo good night" in asked.main
    assert "Resting now: 1" in admin.send(asked.form()).flash
    assert "it rests" in admin.get(page.path).main and stack.sql("SELECT next_at FROM schedule WHERE id = %s", (key,)) == [(None,)]
    # A resting one may stay with a line that cannot run; it is told when it is to run.
    late = admin.get(page.path)
    assert late.status == 200 and "was saved" in admin.send(late.form(), line="/typed many").flash
    page = admin.send(admin.get(page.path).form(), enabled="1")
    assert page.status == 422 and "whole number" in page.errors()["line"]


def test_second_of_two_editors_and_taken_name(stack, admin):
    page = make(admin)
    other = Browser(stack)
    other.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"])
    mine, theirs = admin.get(page.path), other.get(page.path)
    assert "was saved" in other.send(theirs.form(), line="/echo theirs").flash
    page = admin.send(mine.form(), line="/echo mine")
    assert page.status == 409 and "Saved meanwhile: /echo theirs" in page.main and exported(stack, "t-nightly")["line"] == "/echo theirs"
    page = admin.send(admin.get("/commands/schedules/new").form(), **NIGHTLY)
    assert page.status == 422 and "another one of this name" in page.errors()["name"]


def test_trouble_is_told(stack, admin):
    page = make(admin, user="bob")
    assert "does not run as it is" in page.main and "trouble" in admin.get("/commands/schedules").main
