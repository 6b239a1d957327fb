"""The pages of hooks: made, given an address that is shown once, changed, refused, removed."""
import hashlib
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
    stack.sql("DELETE FROM hook WHERE name LIKE 't-%'")
    assert stack.settled()


DISK = {"name": "t-disk", "chat_id": "4001", "buttons-0-command": "mark", "buttons-0-args": "word={mountpoint}\nms=0", "buttons-0-when": "alertname=Disk*",
        "buttons-0-text": "Mark it"}


def make(admin, **values):
    page = admin.send(admin.get("/alert-hooks/new").form(), **{**DISK, **values})
    assert page.status == 200, (page.errors(), page.problem)
    return page


def exported(stack, name):
    return next((h for h in json.loads(stack.teleops("export").stdout)["hooks"] if h["name"] == name), None)


def test_hook_is_made_changed_and_removed(stack, admin):
    page = make(admin)
    assert "t-disk was created" in page.flash and "none yet" in page.main
    assert exported(stack, "t-disk") == {"name": "t-disk", "chat_id": 4001, "buttons": [
        {"command": "mark", "args": {"word": "{mountpoint}", "ms": "0"}, "when": {"alertname": "Disk*"}, "text": "Mark it"}]}
    assert "no address yet" in admin.get("/alert-hooks?search=t-").main
    page = admin.send(page.form(), name="t-disks", rate="7", thread_id="9")
    assert "rate : 60 → 7" in page.flash and exported(stack, "t-disk") is None and exported(stack, "t-disks")["thread_id"] == 9
    assert "nothing changed" in admin.send(page.form()).flash
    clone = admin.get(page.path + "/clone")
    assert dict(clone.form().fields)["buttons-0-args"].split() == ["ms=0", "word={mountpoint}"] and dict(clone.form().fields)["name"] == ""
    assert "was created" in admin.send(clone.form(), name="t-copy").flash
    listed = admin.get("/alert-hooks?search=t-&enabled=true").main
    assert "t-disks" in listed and "t-copy" in listed and "/mark" in listed and "t-disks" not in admin.get("/alert-hooks?enabled=false").main
    page = admin.send(admin.get(page.path).form(), **{"buttons-0-remove": "1"})
    assert "buttons" not in exported(stack, "t-disks")
    assert "rate : 60 → 7" in admin.get(page.path + "/history").main
    gone = admin.send(admin.get(page.path + "/delete").form(page.path + "/delete"))
    assert "t-disks was removed" in gone.flash and exported(stack, "t-disks") is None


def test_address_is_shown_once_and_another_ends_it(stack, admin):
    page = make(admin)
    key = page.path.split("/")[-1]

    def renew():
        made = admin.send(admin.get(page.path).form(page.path + "/renew"))
        return made, re.search(r"/hooks/([\w-]{43})\b", made.text).group(1)

    made, first = renew()
    assert "The former one" not in made.main and made.headers["cache-control"] == "no-store"
    assert stack.sql("SELECT encode(token_hash, 'hex') FROM hook WHERE id = %s", (key,)) == [(hashlib.sha256(first.encode()).hexdigest(),)]
    assert first not in admin.get(page.path).text
    plain = {"Content-Type": "text/plain", "X-Telegram-Bot-Api-Secret-Token": None}
    assert stack.post("<script>alert(1)</script>", plain, path=f"/hooks/{first}")[0] == 200
    shown = admin.get(page.path)
    assert "&lt;script&gt;alert(1)" in shown.text and "<script>alert(1)" not in shown.text and "1 times" in shown.main
    made, second = renew()
    assert "The former one takes nothing any more" in made.main and second != first
    assert stack.post("x", plain, path=f"/hooks/{first}")[0] == 403 and stack.post("x", plain, path=f"/hooks/{second}")[0] == 200
    history = admin.get(page.path + "/history")
    assert "token made" in history.main and "token renewed" in history.main and second not in history.text
    asked = admin.get(page.path + "/delete")
    assert "Its address takes nothing any more" in asked.main and "2 alerts that are open" in asked.main
    for name in ("telemanager", "postgres", "nginx"):
        assert first not in stack.logged(name) and second not in stack.logged(name), name
    assert admin.request("POST", "/alert-hooks/999999999/renew", [("csrf", dict(admin.get(page.path).form(page.path + "/renew").fields)["csrf"])]).status == 404


def test_who_may_only_look_makes_no_address(stack, admin):
    page = make(admin)
    stack.sql("INSERT INTO admin_permission (user_id, area) SELECT id, 'commands' FROM app_user WHERE login = 'eve'; "
              "UPDATE app_user SET password_hash = (SELECT password_hash FROM app_user WHERE login = 'admin') WHERE login = 'eve'")
    try:
        b = Browser(stack)
        assert b.sign_in("eve", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
        seen = b.get(page.path)
        assert seen.status == 200 and "/renew" not in seen.text and "may look at this" in seen.main
        csrf = dict(b.get("/account").form().fields)["csrf"]
        assert b.request("POST", page.path + "/renew", [("csrf", csrf)]).status == 403
        assert stack.sql("SELECT token_hash IS NULL FROM hook WHERE name = 't-disk'") == [(True,)]
    finally:
        stack.sql("DELETE FROM admin_permission WHERE user_id = (SELECT id FROM app_user WHERE login = 'eve'); UPDATE app_user SET password_hash = NULL WHERE login = 'eve'")


@pytest.mark.parametrize("typed, field, said", [
    ({"name": ""}, "name", "is needed"),
    ({"name": "x" * 65}, "name", "At most 64"),
    ({"chat_id": "0"}, "chat_id", "must not be 0"),
    ({"chat_id": "here"}, "chat_id", "whole number"),
    ({"rate": "0"}, "rate", "from 1 to 6000"),
    ({"forget_h": "99999"}, "forget_h", "from 1 to 2160"),
    ({"buttons-0-args": "word"}, "buttons-0-args", "Line 1 must be name=value"),
    ({"buttons-0-args": "nosuch=x"}, "buttons-0-args", "no parameter"),
    ({"buttons-0-command": "setpw", "buttons-0-args": "password=x"}, "buttons-0-args", "is a secret"),
    ({"buttons-0-when": "=x"}, "buttons-0-when", "Line 1 must be name=value"),
    ({"buttons-0-command": "nosuch"}, "buttons-0-command", ""),
])
def test_form_refuses_beside_the_field(stack, admin, typed, field, said):
    page = admin.send(admin.get("/alert-hooks/new").form(), **{**DISK, "name": "t-bad", **typed})
    assert page.status == 422 and stack.count("hook", "name = 't-bad'") == 0
    assert field in page.errors() and said in page.errors()[field], (page.errors(), page.problem)


def test_second_of_two_editors_and_taken_name(stack, admin):
    page = make(admin)
    other = Browser(stack)
    other.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"])
    mine, theirs = admin.get(page.path), other.get(page.path)
    assert "was saved" in other.send(theirs.form(), rate="5").flash
    page = admin.send(mine.form(), rate="6")
    assert page.status == 409 and "Saved meanwhile: 5" in page.main and exported(stack, "t-disk")["rate"] == 5
    page = admin.send(admin.get("/alert-hooks/new").form(), **DISK)
    assert page.status == 422 and "another one of this name" in page.errors()["name"]
