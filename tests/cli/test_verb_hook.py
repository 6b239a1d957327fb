"""Hooks in the file for apply, and teleops hook."""
import hashlib
import json
import re

import pytest

from test_cli import EXAMPLE

DISK = {"name": "prometheus", "chat_id": -1000000000001, "thread_id": 5, "rate": 10, "forget_h": 24, "buttons": [
    {"command": "say", "args": {"text": "{instance} {mountpoint}"}, "when": {"alertname": "Disk*"}, "text": "Say it"}, {"command": "say"}]}
PLAIN = {"name": "plain", "chat_id": 1001}


def declared(*hooks, **more):
    return {**EXAMPLE, **more, "hooks": list(hooks)}


def token(done):
    """The token that was shown, once, and its hash in the database."""
    assert done.returncode == 0, done.stderr
    made, = re.fullmatch(r"(?:https://\S+)?/hooks/([\w-]{43})\n", done.stdout).groups()
    return made


def holds(teleops, name, made):
    return teleops.cluster.sql("SELECT encode(token_hash, 'hex') FROM hook WHERE name = %s", (name,)) == [(hashlib.sha256(made.encode()).hexdigest(),)]


def test_declared_and_exported_again(teleops):
    done = teleops.apply(declared(DISK, PLAIN))
    assert done.returncode == 0 and "created  hook          prometheus" in done.stdout, done.stderr
    assert teleops.apply(declared(DISK, PLAIN)).stdout == "nothing to change\n"
    exported = json.loads(teleops("export").stdout)
    assert exported["hooks"] == [PLAIN, DISK]
    assert teleops.apply(exported).stdout == "nothing to change\n"
    made = token(teleops("hook", "renew", "plain"))
    assert made not in teleops("export").stdout and hashlib.sha256(made.encode()).hexdigest() not in teleops("export").stdout
    done = teleops.apply(declared({**DISK, "rate": 20}, PLAIN))
    assert "rate: 10 -> 20" in done.stdout and done.stdout.count("\n") == 1
    assert teleops.apply(declared({**DISK, "rate": 20}, {**PLAIN, "enabled": False})).returncode == 0 and holds(teleops, "plain", made), "its token stays"
    assert teleops.apply({"hooks": [PLAIN]}).returncode == 0
    assert "removed  hook          prometheus" in teleops.apply({"hooks": [PLAIN]}, "--prune").stdout
    assert teleops.cluster.sql("SELECT name FROM hook") == [("plain",)]


@pytest.mark.parametrize("more, error", [
    ({"chat_id": 0}, "hooks[0].chat_id: must not be 0"), ({"rate": 0}, "hooks[0].rate: must be from 1 to 6000"), ({"forget_h": 9999}, "hooks[0].forget_h: must be from"),
    ({"token": "x"}, "hooks[0].token: unknown key"), ({"name": ""}, "hooks[0].name: must have 1 to 64"), ({"buttons": "say"}, "hooks[0].buttons: must be a list of objects"),
    ({"buttons": [{"args": {}}]}, "hooks[0].buttons[0].command: is missing"), ({"buttons": [{"command": "shout"}]}, 'hooks[0].buttons[0].command: there is no command "shout"'),
    ({"buttons": [{"command": "say", "args": {"word": "x"}}]}, 'hooks[0].buttons[0].args.word: command "say" has no parameter "word"'),
    ({"buttons": [{"command": "say", "args": {"text": 7}}]}, "hooks[0].buttons[0].args.text: must be a text"),
    ({"buttons": [{"command": "say", "when": {"a": ["x"]}}]}, "hooks[0].buttons[0].when.a: must be a text"),
    ({"buttons": [{"command": "say", "text": "two\nlines"}]}, "hooks[0].buttons[0].text: must not hold control characters")])
def test_what_is_wrong_is_refused_whole(teleops, more, error):
    done = teleops.apply(declared({**PLAIN, **more}))
    assert done.returncode == 1 and error in done.stderr and "nothing was changed" in done.stderr and done.stdout == ""
    assert teleops.cluster.sql("SELECT count(*) FROM app_user") == [(0,)]


def test_a_secret_stands_in_no_button(teleops):
    tell = {"name": "tell", "kind": "exec", "program": "cat", "parameters": [{"name": "word", "type": "text", "secret": True}]}
    button = {"buttons": [{"command": "tell", "args": {"word": "x"}}]}
    done = teleops.apply({"commands": [tell], "hooks": [{**PLAIN, **button}]})
    assert done.returncode == 1 and "hooks[0].buttons[0].args.word: is a secret" in done.stderr
    assert teleops.apply({"commands": [{**tell, "parameters": [{"name": "word", "type": "text"}]}], "hooks": [{**PLAIN, **button}]}).returncode == 0
    done = teleops.apply({"commands": [tell]})
    assert done.returncode == 1 and "a hook's button cannot hold a value of the secret word" in done.stderr


def test_made_renewed_listed_and_taken_away(teleops):
    assert teleops("hook", "list").stdout.startswith("\nhooks: none")
    url = {"TELEOPS_WEBHOOK_URL": "https://bot.example.org:8443/webhook"}
    done = teleops("hook", "create", "prometheus", "--chat", "-1000000000001", "--topic", "5", env=url)
    assert done.stdout.startswith("https://bot.example.org:8443/hooks/") and "shown this once" in done.stderr
    first = token(done)
    assert holds(teleops, "prometheus", first) and first not in done.stderr
    done = teleops("hook", "create", "prometheus", "--chat", "5")
    assert done.returncode == 1 and "there is a hook of that name" in done.stderr and done.stdout == ""
    assert holds(teleops, "prometheus", first)
    second = token(teleops("hook", "renew", "prometheus"))
    assert second != first and holds(teleops, "prometheus", second)
    assert json.loads(teleops("hook", "renew", "prometheus", "--json").stdout).keys() == {"hook", "url"}
    listed, = json.loads(teleops("hook", "list", "--json").stdout)["hooks"]
    assert (listed["hook"], listed["chat"], listed["topic"], listed["state"], listed["open"]) == ("prometheus", -1000000000001, 5, "ok", 0)
    assert second not in teleops("hook", "list").stdout and "prometheus" in teleops("hook", "list").stdout
    assert teleops.apply({"hooks": [PLAIN]}).returncode == 0
    assert [h["state"] for h in json.loads(teleops("hook", "list", "--json").stdout)["hooks"]] == ["no token", "ok"]
    assert teleops("hook", "delete", "prometheus").returncode == 0
    for verb in ("renew", "delete"):
        done = teleops("hook", verb, "prometheus")
        assert done.returncode == 1 and "there is no hook of that name" in done.stderr
    assert [r[0] for r in teleops.cluster.sql("SELECT action FROM audit_event WHERE object = 'hook prometheus' ORDER BY id")] == \
        ["created", "token renewed", "token renewed", "removed"]


def test_wrong_usage(bare):
    for argv in (("create", "x"), ("create",), ("create", "x", "--chat", "all"), ("renew",), ("delete",), ("create", "x", "--chat", "1", "--topic", "0"), ("list", "x")):
        assert bare("hook", *argv).returncode == 2, argv
