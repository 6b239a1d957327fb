"""teleops chat list, allow, forbid; chats and hours in the file for apply."""
import json

import pytest

from test_cli import EXAMPLE

GROUP = -1001234567890


def current(teleops):
    return {c["chat"]: c["allowed"] for c in json.loads(teleops("chat", "list", "--json").stdout)["chats"]}


def test_allowed_and_forbidden(teleops):
    assert teleops("chat", "list").stdout == "new chats            not allowed\n\nchats: none\n"
    assert teleops("chat", "allow", str(GROUP)).returncode == 0 and current(teleops) == {GROUP: True}
    assert teleops("chat", "forbid", str(GROUP)).returncode == 0 and current(teleops) == {GROUP: False}
    assert teleops("chat", "allow", "new").returncode == 0
    assert teleops("chat", "list").stdout.startswith("new chats            allowed\n")
    assert teleops("chat", "forbid", "new").returncode == 0
    assert teleops.cluster.sql("SELECT action, object FROM audit_event ORDER BY id") == [
        ("allowed", f"chat {GROUP}"), ("forbidden", f"chat {GROUP}"), ("allowed", "chat new"), ("forbidden", "chat new")]


@pytest.mark.parametrize("chat, why", [("1001", "is a private chat"), ("Ops", "is not a chat's number"), ("0", "is not a chat's number"), ("", "is not a chat's number")])
def test_what_is_no_group(teleops, chat, why):
    done = teleops("chat", "allow", chat)
    assert done.returncode == 2 and why in done.stderr and current(teleops) == {}


def test_declared_and_exported_again(teleops):
    chats = [{"chat_id": GROUP}, {"chat_id": -2001, "allowed": False}]
    grant = {"role": "operator", "command": "say", "hours": "mon-fri 08:00-18:00", "timezone": "Europe/Berlin"}
    wanted = {**EXAMPLE, "chats": chats, "grants": [*EXAMPLE["grants"], grant]}
    done = teleops.apply(wanted)
    assert done.returncode == 0 and f"created  chat          {GROUP}" in done.stdout, done.stderr
    assert current(teleops) == {GROUP: True, -2001: False}
    assert teleops.apply(wanted).stdout == "nothing to change\n"
    exported = json.loads(teleops("export").stdout)
    assert sorted(exported["chats"], key=lambda c: c["chat_id"]) == chats and grant in exported["grants"]
    assert teleops.apply(exported, "--prune").stdout == "nothing to change\n"
    assert "allowed: false -> true" in teleops.apply({"chats": [{"chat_id": -2001}]}).stdout
    done = teleops.apply({"chats": [{"chat_id": -2001}], "grants": EXAMPLE["grants"]}, "--prune")
    assert f"removed  chat          {GROUP}" in done.stdout and "at mon-fri 08:00-18:00 Europe/Berlin" in done.stdout
    assert current(teleops) == {GROUP: False, -2001: True}, "nobody's decision any more"
    assert teleops.cluster.sql("SELECT count(*) FROM role_command WHERE hours <> ''") == [(0,)]


@pytest.mark.parametrize("document, error", [
    ({"chats": [{"chat_id": 1001}]}, "chats[0].chat_id: must be from"), ({"chats": [{}]}, "chats[0].chat_id: is missing"),
    ({"chats": [{"chat_id": -5}, {"chat_id": -5, "allowed": False}]}, "chats[1]: -5 stands here twice"),
    *(({"grants": [{"role": "operator", "command": "say", "hours": h}]}, f"grants[0].hours: \"{h}\" is not understood")
      for h in ("8-18", "mon-fri 8:00-18:00", "monday", "mon fri", "08:00-24:30", "mon-", ",mon", "mon-fri  08:00-18:00", " ")),
    ({"grants": [{"role": "operator", "command": "say", "hours": "mon", "timezone": "Mars/Olympus"}]}, "grants[0].timezone: \"Mars/Olympus\" is in no time zone database"),
    ({"commands": [{**EXAMPLE["commands"][0], "answer": "nowhere"}]}, "commands[0].answer: must be chat or private")])
def test_what_is_wrong_is_refused(teleops, document, error):
    assert teleops.apply(EXAMPLE).returncode == 0
    done = teleops.apply(document)
    assert done.returncode == 1 and error in done.stderr and "nothing was changed" in done.stderr


def test_where_answers_go_is_declared(teleops):
    say = {**EXAMPLE["commands"][0], "answer": "private"}
    assert "answer: \"chat\" -> \"private\"" in (teleops.apply(EXAMPLE), teleops.apply({"commands": [say]}))[1].stdout
    assert next(c for c in json.loads(teleops("export").stdout)["commands"] if c["name"] == say["name"])["answer"] == "private"
