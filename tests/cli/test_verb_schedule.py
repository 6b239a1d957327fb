"""Schedules in the file for apply, and teleops schedule list."""
import datetime
import json
import zoneinfo

import pytest

from test_cli import EXAMPLE

NIGHTLY = {"name": "nightly", "line": "/say good night", "cron": "30 2 * * mon-fri", "timezone": "Europe/Berlin", "user": "oncall", "chat_id": -1000000000001,
           "thread_id": 5, "missed": "once"}
PLAIN = {"name": "plain", "line": "/say hello", "cron": "@daily", "user": "oncall", "chat_id": 1001}


def declared(*schedules, **more):
    return {**EXAMPLE, **more, "schedules": list(schedules)}


def test_declared_and_exported_again(teleops):
    done = teleops.apply(declared(NIGHTLY, PLAIN))
    assert done.returncode == 0 and "created  schedule      nightly" in done.stdout, done.stderr
    assert teleops.apply(declared(NIGHTLY, PLAIN)).stdout == "nothing to change\n"
    exported = json.loads(teleops("export").stdout)
    assert exported["schedules"] == [NIGHTLY, PLAIN]
    assert teleops.apply(exported).stdout == "nothing to change\n"
    assert teleops.cluster.sql("SELECT args, complaint, missed, next_at > now() FROM schedule ORDER BY name") == \
        [({"text": "good night"}, "", "once", True), ({"text": "hello"}, "", "skip", True)]
    done = teleops.apply(declared({**NIGHTLY, "line": "/say good morning", "cron": "0 7 * * *"}, PLAIN))
    assert "cron: \"30 2 * * mon-fri\" -> \"0 7 * * *\"" in done.stdout and done.stdout.count("\n") == 1
    assert teleops.cluster.sql("SELECT args FROM schedule WHERE name = 'nightly'") == [({"text": "good morning"},)]
    assert teleops.apply({"schedules": [PLAIN]}).stdout == "nothing to change\n", "others stay"
    assert "removed  schedule      nightly" in teleops.apply({"schedules": [PLAIN]}, "--prune").stdout
    assert teleops.cluster.sql("SELECT name FROM schedule") == [("plain",)]


@pytest.mark.parametrize("more, error", [
    ({"cron": "61 * * * *"}, "schedules[0].cron: minute: \"61\" is not a number from 0 to 59"), ({"cron": "0 0 31 2 *"}, "schedules[0].cron: there is no such day"),
    ({"timezone": "Mars/Olympus"}, "schedules[0].timezone: \"Mars/Olympus\" is in no time zone database"),
    ({"timezone": "CET-1CEST"}, "schedules[0].timezone: "), ({"user": "nobody"}, "schedules[0].user: there is no user \"nobody\""),
    ({"line": "/shout hello"}, "schedules[0].line: there is no command \"shout\""), ({"line": "say hello"}, "schedules[0].line: must be a command line"),
    ({"line": "/say@other_bot hello"}, "schedules[0].line: must be a command line"), ({"line": "/say"}, "schedules[0].line: text is missing. Usage: /say <text>"),
    ({"missed": "never"}, "schedules[0].missed: must be skip, once or all"), ({"chat_id": 0}, "schedules[0].chat_id: must not be 0"),
    ({"thread_id": 0}, "schedules[0].thread_id: must be from 1"), ({"colour": "red"}, "schedules[0].colour: unknown key"), ({"chat_id": "x"}, "schedules[0].chat_id: must be")])
def test_what_is_wrong_is_refused_whole(teleops, more, error):
    done = teleops.apply(declared({**PLAIN, **more}))
    assert done.returncode == 1 and error in done.stderr and "nothing was changed" in done.stderr and done.stdout == ""
    assert teleops.cluster.sql("SELECT count(*) FROM app_user") == [(0,)]


@pytest.mark.parametrize("key", ["name", "line", "cron", "user", "chat_id"])
def test_what_is_missing_is_named(teleops, key):
    done = teleops.apply(declared({k: v for k, v in PLAIN.items() if k != key}))
    assert done.returncode == 1 and f"schedules[0].{key}: is missing" in done.stderr


def test_a_command_cannot_be_changed_so_that_a_schedule_fails(teleops):
    assert teleops.apply(declared(PLAIN)).returncode == 0
    say = {**EXAMPLE["commands"][0], "parameters": [{"name": "text", "type": "integer", "required": True}]}
    done = teleops.apply({"commands": [say]})
    assert done.returncode == 1 and "schedule plain, which this file does not change: text must be a whole number, not \"hello\"." in done.stderr
    assert teleops.cluster.sql("SELECT type FROM command_parameter") == [("text",)]
    assert teleops.apply({"commands": [say], "schedules": [{**PLAIN, "line": "/say 7"}]}).returncode == 0
    assert teleops.cluster.sql("SELECT args FROM schedule") == [({"text": "7"},)]
    # What a change leaves valid is read anew by itself.
    named = {**say, "parameters": [{"name": "text", "type": "integer", "required": True}, {"name": "loud", "type": "boolean", "default": True}]}
    assert teleops.apply({"commands": [named]}).returncode == 0
    assert teleops.cluster.sql("SELECT s.args, s.command_version = c.version FROM schedule s JOIN command c ON c.id = s.command_id") == [({"text": "7", "loud": "true"}, True)]


def test_one_that_rests_is_read_when_it_is_switched_on(teleops):
    assert teleops.apply(declared({**PLAIN, "line": "/say", "enabled": False})).returncode == 0
    assert teleops.cluster.sql("SELECT next_at FROM schedule") == [(None,)]
    assert "text is missing" in teleops.apply({"schedules": [{**PLAIN, "line": "/say"}]}).stderr


def test_a_dry_run_checks_and_changes_nothing(teleops):
    done = teleops.apply(declared(NIGHTLY), "--dry-run")
    assert done.returncode == 0 and "would be created  schedule      nightly" in done.stdout
    assert teleops.apply(declared({**NIGHTLY, "line": "/say"}), "--dry-run").returncode == 1
    assert teleops.cluster.sql("SELECT count(*) FROM schedule") == [(0,)]


def test_the_next_five_times_in_the_zone_of_each(teleops):
    teleops.apply(declared(NIGHTLY, {**PLAIN, "enabled": False}))
    found = json.loads(teleops("schedule", "list", "--json").stdout)["schedules"]
    nightly, plain = found
    assert (nightly["schedule"], nightly["line"], nightly["user"], nightly["chat"], nightly["topic"], nightly["cron"], nightly["zone"], nightly["missed"]) == \
        ("nightly", "/say good night", "oncall", -1000000000001, 5, "30 2 * * mon-fri", "Europe/Berlin", "once")
    assert nightly["state"] == "ok" and plain["state"] == "off" and plain["next"] == [] and len(nightly["next"]) == 5
    for time in nightly["next"]:
        at = datetime.datetime.strptime(time["at"], "%Y-%m-%dT%H:%M:%S%z")
        local = at.astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
        assert local.strftime("%a %Y-%m-%d %H:%M") == time["local"] and local.isoweekday() <= 5 and at > datetime.datetime.now(datetime.timezone.utc)
    plain_text = teleops("schedule", "list").stdout
    assert "nightly" in plain_text and nightly["next"][4]["local"] in plain_text and "\nnext\n" in plain_text
    teleops.apply({**EXAMPLE, "grants": []}, "--prune")
    assert "On Call may not run /say here" in json.loads(teleops("schedule", "list", "--json").stdout)["schedules"][0]["state"]
    assert teleops("schedule").returncode == 2 and teleops("schedule", "list", "x").returncode == 2


def test_no_schedules(teleops):
    assert teleops("schedule", "list").stdout.startswith("\nschedules: none")
