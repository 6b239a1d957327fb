"""Parameters in the file that apply reads: what is taken, what is refused with which words, and that export gives it back."""
import json
import os
import stat

import pytest
from test_cli import changed

HOSTS = {"name": "hosts", "kind": "exec", "program": "cat"}


def command(*parameters, **more):
    return {"name": "go", "kind": "exec", "program": "echo", "parameters": list(parameters), **more}


def parameter(kind, **more):
    return {"name": "p", "type": kind, **more}


EVERY = command(
    parameter("text", name="a", minimum=2, maximum=80, required=True), parameter("integer", name="b", minimum=-5, maximum=999999999999999999),
    parameter("number", name="c", minimum=0.1, maximum=1.5, default="0.30"), parameter("boolean", name="d", default=True),
    parameter("choice", name="e", choices=["x y", "z"], default="z"), parameter("choice", name="f", choices_from="hosts", every_s=60, default="web1"),
    parameter("duration", name="g", minimum="90s", maximum="1h30m", default="5m"), parameter("date", name="h", minimum="today", maximum="+30d", default="Monday"),
    parameter("date", name="i", minimum="2026-01-01"), parameter("pattern", name="j", pattern="v\\d+[^\\s\"]*", default="v1"),
    parameter("user", name="k", default="oncall"), parameter("text", name="l", secret=True, help="the password"),
    parameter("pattern", name="m", pattern="[0-9]{4}", secret=True), parameter("file", name="n", maximum=1048576, help="a table"), parameter("file", name="o"))


def test_every_type_goes_in_and_comes_out_again(teleops):
    document = changed(commands=[HOSTS, EVERY], grants=[])
    first = teleops.apply(document)
    assert first.returncode == 0, first.stderr
    assert teleops.apply(document).stdout == "nothing to change\n"
    exported = json.loads(teleops("export").stdout)
    found = next(c for c in exported["commands"] if c["name"] == "go")
    wanted = {p["name"]: {**p, "default": {True: "true"}.get(p["default"], p["default"])} if "default" in p else p for p in EVERY["parameters"]}
    assert {p["name"]: p for p in found["parameters"]} == wanted
    assert teleops.apply(json.dumps(exported)).stdout == "nothing to change\n"
    teleops.cluster.make_databases()
    assert teleops("migrate").returncode == 0
    assert teleops.apply(json.dumps(exported)).returncode == 0
    assert json.loads(teleops("export").stdout) == exported
    # A change of each key is seen and told.
    EVERY["parameters"][5]["every_s"], before = 90, EVERY["parameters"][5]["every_s"]
    try:
        assert "changed" in teleops.apply(document).stdout
    finally:
        EVERY["parameters"][5]["every_s"] = before


@pytest.mark.parametrize("given, complaint", [
    (parameter("moon"), "parameters[0].type: must be one of text, integer, number, boolean, choice, duration, date, pattern, user"),
    (parameter("file", default="x"), "parameters[0].default: a file cannot have one"),
    (parameter("file", minimum=1), "parameters[0].minimum: means nothing for type file"),
    (parameter("file", maximum=30000000), "parameters[0].maximum: must be a number of bytes from 1 to 20971520"),
    (parameter("file", maximum="5M"), "parameters[0].maximum: must be a number of bytes"),
    (parameter("integer", minimum="5"), "minimum: must be a number for type integer"),
    (parameter("integer", minimum=10, maximum=9), "minimum: is above the maximum"),
    (parameter("number", minimum=0.30000000000000004, maximum=0.3), "minimum: is above the maximum"),
    (parameter("number", default="1,5"), "default: must be a number"),
    (parameter("integer", default="1.5"), "default: must be a whole number"),
    (parameter("text", maximum=3, default="abcd"), "default: must be a text of 0 to 3 characters"),
    (parameter("boolean", minimum=1), "minimum: means nothing for type boolean"),
    (parameter("pattern", pattern="x", maximum=1), "maximum: means nothing for type pattern"),
    (parameter("user", minimum="x"), "minimum: means nothing for type user"),
    (parameter("duration", minimum=90), "minimum: must be a text for type duration"),
    (parameter("duration", minimum="soon"), "minimum: must be a duration, as 90s, 5m, 1h30m or 2d"),
    (parameter("duration", minimum="2h", maximum="90m"), "minimum: is above the maximum"),
    (parameter("duration", minimum="1m", default="30s"), "default: must be a duration, at least 1m, as 90s"),
    (parameter("date", minimum="2026-02-30"), "minimum: must be a date, as 2026-11-25, today, +30d or monday"),
    (parameter("date", minimum="2027-01-01", maximum="2026-12-31"), "minimum: is above the maximum"),
    (parameter("date", default="25.11.2026"), "default: must be a date"),
    (parameter("choice"), "choices: is missing: a choice needs some, or choices_from"),
    (parameter("choice", choices=["a"], choices_from="hosts"), "choices_from: and choices exclude each other"),
    (parameter("text", choices=["a"]), "choices: means nothing for type text"),
    (parameter("text", choices_from="hosts"), "choices_from: means nothing for type text"),
    (parameter("choice", choices=["a"], default="b"), "default: must be one of a"),
    (parameter("choice", choices_from="nobody"), 'choices_from: there is no command "nobody"'),
    (parameter("choice", choices_from="go"), "choices_from: /go cannot give choices: it has parameters"),
    (parameter("choice", choices_from="hosts", every_s=1), "every_s: must be from 5 to 86400"),
    (parameter("pattern"), "pattern: is missing: type pattern needs one"),
    (parameter("text", pattern="x"), "pattern: means nothing for type text"),
    (parameter("pattern", pattern="a(b"), "pattern: at character 4: missing closing parenthesis"),
    (parameter("pattern", pattern="é[z-a]"), "pattern: at character 5: range out of order"),
    (parameter("pattern", pattern="x", default="y"), "default: must be a text that fits the pattern x"),
    (parameter("user", default="nobody"), 'default: there is no user "nobody"'),
    (parameter("user", default="a b"), "default: must be a person"),
    (parameter("text", secret=True, default="hunter2"), "default: a secret cannot have one"),
    (parameter("choice", choices=["a"], secret=True), "secret: a secret is of type text, pattern, integer or number"),
    (parameter("boolean", secret=True), "secret: a secret is of type"),
    (parameter("text", secret="yes"), "secret: must be true or false"),
], ids=lambda v: v[:50] if isinstance(v, str) else "")
def test_what_is_wrong_is_refused_with_its_place(teleops, given, complaint):
    done = teleops.apply(changed(commands=[command(given), HOSTS], grants=[]))
    assert done.returncode == 1 and complaint in done.stderr and "commands[0]." in done.stderr, done.stderr
    assert teleops.cluster.sql("SELECT count(*) FROM command") == [(0,)]


@pytest.mark.parametrize("commands, grants, complaint", [
    ([command(parameter("text", secret=True), args=["-p", "{p}"])], [], "commands[0].args[1]: {p} is a secret: it must not stand in an argument"),
    ([command(parameter("text", secret=True), args=["x{p}y"])], [], "commands[0].args[0]: {p} is a secret"),
    ([{**command(parameter("text", secret=True)), "kind": "text", "template": "it is {p}"}], [], "commands[0].template: {p} is a secret: it must not stand in an answer"),
    ([command(parameter("text", secret=True))], [{"role": "operator", "command": "go", "constraints": {"p": ["x"]}}],
     "grants[0].constraints.p: is a secret: a grant cannot hold values of it"),
    ([command(parameter("choice", choices_from="hosts")), {**HOSTS, "dangerous": True}], [], "/hosts cannot give choices: it is confirmed or approved first"),
    ([command(parameter("choice", choices_from="hosts")), {**HOSTS, "enabled": False}], [], "/hosts cannot give choices: it is switched off"),
], ids=lambda v: v[-40:] if isinstance(v, str) else "")
def test_what_would_show_a_secret_or_cannot_run_by_itself(teleops, commands, grants, complaint):
    done = teleops.apply(changed(commands=commands, grants=grants))
    assert done.returncode == 1 and complaint in done.stderr, done.stderr


def test_constraints_that_are_there_keep_a_parameter_from_becoming_secret(teleops):
    grant = {"role": "operator", "command": "go", "constraints": {"p": ["x"]}}
    assert teleops.apply(changed(commands=[command(parameter("text"))], grants=[grant])).returncode == 0
    done = teleops.apply({"commands": [command(parameter("text", secret=True))]})
    assert done.returncode == 1 and "command go: a grant cannot hold values of the secret p" in done.stderr
    assert teleops.cluster.sql("SELECT secret FROM command_parameter") == [(False,)]


def test_a_source_goes_with_who_uses_it(teleops):
    assert teleops.apply(changed(commands=[HOSTS, command(parameter("choice", choices_from="hosts"))], grants=[])).returncode == 0
    alone = teleops.apply({"commands": [command(parameter("choice", choices_from="hosts"))]}, "--prune")
    assert alone.returncode == 1 and "choices_from" in alone.stderr
    assert teleops.apply({"commands": []}, "--prune").returncode == 0
    assert teleops.cluster.sql("SELECT (SELECT count(*) FROM command) + (SELECT count(*) FROM choice_list)") == [(0,)]


def test_help_names_every_key(bare):
    helped = bare("apply", "--help").stdout
    for word in ("choices_from", "every_s", "pattern", "secret", "duration", "descriptor 3", "secret_public_key", "secret_key_file"):
        assert word in helped, word


def test_keygen(bare, tmp_path):
    path = tmp_path / "keys"
    first = bare("secret", "keygen", str(path))
    assert first.returncode == 0 and first.stdout.startswith("secret_public_key = ") and first.stderr == ""
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert len(lines) == 2 and lines[0].startswith("# made ") and lines[0].endswith(first.stdout.strip()) and len(lines[1]) == 44
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    second = bare("secret", "keygen", str(path))
    assert second.returncode == 0 and second.stdout != first.stdout and "those before it" in second.stderr
    assert path.read_text().splitlines()[2:] == lines and lines[1] not in second.stdout + second.stderr
    if os.geteuid() == 0:
        assert os.stat(path).st_uid == 12345
    for _ in range(30):
        assert bare("secret", "keygen", str(path)).returncode == 0
    before = path.read_text()
    full = bare("secret", "keygen", str(path))
    assert full.returncode == 1 and "holds too many keys" in full.stderr and path.read_text() == before and sorted(os.listdir(tmp_path)) == ["keys"]
    path.chmod(0o644)
    before = path.read_text()
    refused = bare("secret", "keygen", str(path))
    assert refused.returncode == 1 and "chmod 600" in refused.stderr and path.read_text() == before
    path.write_text("nonsense\n")
    path.chmod(0o600)
    refused = bare("secret", "keygen", str(path))
    assert refused.returncode == 1 and f"{path}:1: is no secret key" in refused.stderr
    assert bare("secret", "keygen", "/nonexistent/keys").returncode == 1
    assert bare("secret", "keygen").returncode == 2
    assert sorted(os.listdir(tmp_path)) == ["keys"]
