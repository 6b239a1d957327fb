"""One command on many engines: who is meant, the answer that is gathered, what fails, what is refused."""
import contextlib
import json
import os
import re
import signal
import subprocess

import psycopg2
import pytest
from browser import Browser
from stack import Stack
from test_engine import ask
from test_live import bots
from test_pending import GROUP, asked, keys, press

EXEC = {"kind": "exec", "program": "act", "timeout_s": 120, "grace_s": 1}
TARGET = {"name": "on", "type": "target", "required": True}


def spawn(stack, name, labels):
    env = {"TELEOPS_DATABASE": stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_engine"), "TELEOPS_ENGINE_NAME": name, "TELEOPS_QUEUES": "aside",
           "TELEOPS_ENGINE_LABELS": labels, "TELEOPS_EXEC_DIR": stack.env["TELEOPS_EXEC_DIR"], "TELEOPS_RUN_DIR": os.path.join(stack.dir, "run"),
           "TELEOPS_WORK_DIR": os.path.join(stack.dir, f"work-{name}"), "TELEOPS_SECRET_KEY_FILE": stack.env["TELEOPS_SECRET_KEY_FILE"], "TELEOPS_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"}
    return subprocess.Popen([os.path.join(stack.dir, "app/usr/sbin/teleengine")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def fleet(stack, hosts):
    """Engines of their own beside the stack's; hosts: labels by name."""
    engines = {}
    try:
        for name, labels in hosts.items():
            engines[name] = spawn(stack, name, labels)
        assert stack.wait(lambda: stack.count("engine", "name = ANY (%s) AND lease_until > now()", (list(hosts),)) == len(hosts), 120)
        yield engines
    finally:
        for e in engines.values():
            if e.poll() is None:
                e.terminate()
        for e in engines.values():
            e.wait(60)
        stack.sql("DELETE FROM engine WHERE name = ANY (%s)", (list(hosts),))


@pytest.fixture
def fleet4(stack):
    stack.apply({"commands": [
        {"name": "where", "kind": "text", "template": "on {on}", "parameters": [TARGET]},
        {"name": "same", "args": ["lines", "{count}", "{ms}", "0"], "parameters": [TARGET, {"name": "count", "type": "integer", "default": 1},
                                                                                      {"name": "ms", "type": "integer", "default": 0}], **EXEC},
        {"name": "fails", "args": ["exit", "3"], "parameters": [TARGET], "at_once": 1, "stop_after": 1, **EXEC},
        {"name": "slowly", "args": ["lines", "40", "100", "0"], "parameters": [TARGET], "at_once": 1, **EXEC},
        {"name": "setall", "args": ["hex", "0"], "parameters": [TARGET, {"name": "password", "type": "text", "secret": True, "required": True}], **EXEC},
        {"name": "careful", "kind": "text", "template": "on {on}", "dangerous": True, "parameters": [TARGET]},
        {"name": "approved", "kind": "text", "template": "on {on}", "approvals": 1, "approvers": "judge", "parameters": [TARGET]},
        {"name": "alone", "kind": "text", "template": "on {on}", "answer": "private", "parameters": [TARGET]}],
        "chats": [{"chat_id": GROUP}],
        "grants": [*({"role": "crew", "command": c} for c in ("where", "same", "fails", "slowly", "setall", "careful", "approved", "alone")),
                   {"role": "few", "command": "where", "constraints": {"on": ["env=staging"]}}]})
    with fleet(stack, {"web1": "env=staging,role=web", "web2": "env=staging,role=web", "web3": "env=prod,role=web", "db1": "env=prod"}) as engines:
        yield engines
    # Other tests know the menus of theirs.
    stack.calm()
    stack.sql("DELETE FROM command WHERE name = ANY (%s)", (["where", "same", "fails", "slowly", "setall", "careful", "approved", "alone"],))


def gathered(stack, who=4001, timeout=60):
    assert stack.settled(timeout)
    return [a for a in stack.sim.answers(who) if a][-1]


def test_what_is_applied_is_exported(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    done = stack.teleops("export")
    fails = {c["name"]: c for c in json.loads(done.stdout)["commands"]}["fails"]
    assert (fails["at_once"], fails["stop_after"], fails["parameters"][0]["type"]) == (1, 1, "target")
    again = stack.teleops("apply", "-", "--dry-run", stdin=done.stdout)
    assert again.returncode == 0 and "fails" not in again.stdout
    for wrong, more in (("cannot be ordered", {"ordered": True}), ("at_once", {"at_once": 0})):
        done = stack.teleops("apply", "-", stdin=json.dumps({"commands": [{"name": "wrong", "kind": "text", "template": "x", "parameters": [TARGET], **more}]}))
        assert done.returncode != 0 and wrong in done.stderr


def test_names_patterns_and_labels_and_one_message(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    for target, hosts in (("web1", "web1"), ("web*", "web1 web2 web3"), ("env=prod", "db1 web3"), ("role=web,env=staging", "web1 web2"), ("db?,web3", "db1 web3")):
        stack.sim.say(4001, f"/where {target}")
        text = gathered(stack)
        hosts = hosts.split()
        assert f"{len(hosts)} done, 0 not, 0 running, 0 waiting, of {len(hosts)}" in text
        assert [line.split(":")[0] for line in text.splitlines() if ": done" in line] == hosts
        assert all(f"{h}:\non {h}" in text for h in hosts)
    assert len(bots(stack, 4001)) == 5, "one message each"


def test_equal_outputs_are_shown_once_and_kept_whole(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/same web* 200")
    text = gathered(stack)
    assert "3 done" in text and text.count("web1, web2, web3:\nline 1\n") <= 1
    parent, = stack.sql("SELECT max(id) FROM task_history WHERE parent_id IS NULL")[0]
    assert any(m.get("document") for m in bots(stack, 4001)), "the whole logs follow"
    admin = Browser(stack)
    assert admin.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    page = admin.get(f"/tasks/{parent}").main
    assert all(f"{host} done" in page for host in ("web1", "web2", "web3"))
    part, engine = stack.sql("SELECT max(h.id), max(h.engine_id) FROM task_history h WHERE host = 'web2'")[0]
    assert f"Part of Task {parent} , for the engine web2" in admin.get(f"/tasks/{part}").main and "env=staging, role=web" in admin.get(f"/engines/{engine}").main
    stack.sim.say(4001, f"/status {parent}")
    assert "web2: done" in gathered(stack)
    stack.sim.say(4001, f"/output {parent}")
    assert "web1, web2, web3:" in gathered(stack) and "line 200" in gathered(stack)


def test_refusals(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    assert "an engine that is alive" in ask(stack, "/where mail*")
    assert "an engine: its name" in ask(stack, "/where 'a b'")
    assert "with these arguments" in ask(stack, "/where web*", 4002), "web3 is not granted"
    stack.sim.say(4002, "/where env=staging")
    assert "2 done" in gathered(stack, 4002)
    assert stack.count("task_history", "host = 'web3' AND user_id = (SELECT id FROM app_user WHERE login = 'bob')") == 0


def test_it_stops_after_so_many_failures(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/fails *b?")
    text = gathered(stack)
    assert "db1: failed, exit status 3" in text
    stack.sim.say(4001, "/fails web*")
    text = gathered(stack)
    assert text.count("exit status 3") == 1 and text.count("stopped after failures") == 2 and "0 done, 3 not" in text


def test_confirmation_binds_the_hosts_that_it_shows(stack, fleet4):  # pylint: disable=redefined-outer-name
    assert "on 2: web1, web2" in ask(stack, "/careful env=staging")
    late = spawn(stack, "web9", "env=staging")
    try:
        assert stack.wait(lambda: stack.count("engine", "name = 'web9' AND lease_until > now()") == 1, 30)
        press(stack, 4001, "Run", message=bots(stack, 4001)[-1])
        text = gathered(stack)
        assert "of 2" in text and "web9" not in text
    finally:
        late.terminate()
        late.wait(30)
        stack.sql("DELETE FROM engine WHERE name = 'web9'")
    assert fleet4["web1"].poll() is None


def test_approval_is_of_the_hosts_that_were_meant(stack, fleet4):  # pylint: disable=redefined-outer-name
    message = asked(stack, 4001, "/approved env=staging", chat=GROUP)
    assert "on 2: web1, web2" in message["text"]
    fleet4["web2"].terminate()
    fleet4["web2"].wait(30)
    press(stack, 4011, "Approve", chat=GROUP, message=message)
    text = gathered(stack, GROUP)
    assert "1 done, 1 not" in text and "web1:\non web1" in text and "its engine has gone" in text


def test_a_schedule_means_who_is_there_when_it_is_due(stack, fleet4):  # pylint: disable=redefined-outer-name
    stack.apply({"schedules": [{"name": "rounds", "line": "/where env=staging", "cron": "@daily", "user": "ada", "chat_id": 4001}]})
    fleet4["web2"].terminate()
    fleet4["web2"].wait(30)
    try:
        stack.sql("UPDATE schedule SET next_at = now() - interval '1 second'")
        assert stack.wait(lambda: any("of 1" in a for a in stack.sim.answers(4001)), 60) and stack.settled()
        assert "web1: done" in gathered(stack)
    finally:
        stack.sql("DELETE FROM schedule")


def test_what_is_for_one_person_alone_is_gathered_there(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/alone web*", chat=GROUP)
    assert "3 done" in gathered(stack)
    assert ["private chat" in a for a in stack.sim.answers(GROUP)] == [True]


def test_one_after_the_other_and_a_right_withdrawn_in_between(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/slowly web*")
    assert stack.wait(lambda: stack.count("task", "state = 'running' AND NOT internal") == 1, 30)
    assert stack.count("task", "parked = 'wave'") == 2
    stack.sql("DELETE FROM role_command WHERE command_id = (SELECT id FROM command WHERE name = 'slowly')")
    text = gathered(stack)
    assert "1 done, 2 not" in text and text.count("refused, right withdrawn") == 2


def test_cancel_ends_all(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/same web* 600 100")
    assert stack.wait(lambda: stack.count("task", "state = 'running' AND NOT internal") == 3, 30)
    assert stack.wait(lambda: bots(stack, 4001) and "Cancel" in keys(bots(stack, 4001)[0]), 30)
    press(stack, 4001, "Cancel", message=bots(stack, 4001)[0])
    text = gathered(stack)
    assert "0 done, 3 not, 0 running" in text and text.count(": cancelled") == 3
    assert stack.sql("SELECT state FROM task_history WHERE parent_id IS NULL ORDER BY id DESC LIMIT 1") == [("cancelled",)]


def test_a_secret_reaches_each_host_and_nothing_else(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/setall web* correct-horse-9")
    text = gathered(stack)
    told = json.dumps({"password": "correct-horse-9"}, separators=(",", ":")).encode().hex()
    assert "3 done" in text and told in text and "correct-horse" not in text
    assert "•••" in text.splitlines()[0] and not any("correct-horse" in m.get("text", "") for m in stack.sim.messages(4001))
    for table, column in (("task_history", "args::text || line"), ("audit_event", "detail::text"), ("outbox", "text")):
        assert stack.count(table, f"{column} LIKE '%%correct-horse%%'") == 0, table


def test_task_show_tells_of_the_task_and_of_its_parts(stack, fleet4):  # pylint: disable=redefined-outer-name,unused-argument
    stack.sim.say(4001, "/fails env=staging")
    gathered(stack)
    parent, = stack.sql("SELECT max(id) FROM task_history WHERE parent_id IS NULL")[0]
    told = json.loads(stack.teleops("task", "show", str(parent), "--json").stdout)
    assert [(p["engine"], p["state"], p["how"]) for p in told["parts"]] == [("web1", "failed", "exit status 3"), ("web2", "cancelled", "stopped after failures")]
    assert told["part of task"] is None and told["output"].startswith("web1:\n")
    plain = stack.teleops("task", "show", str(parent)).stdout
    assert "parts" in plain and "stopped after failures" in plain
    part = json.loads(stack.teleops("task", "show", str(told["parts"][0]["task"]), "--json").stdout)
    assert (part["part of task"], part["for engine"], part["exit status"], part["parts"]) == (parent, "web1", 3, None)
    plain = stack.teleops("task", "show", str(part["task"])).stdout
    assert re.search(rf"part of task\W+{parent}\n", plain) and re.search(r"for engine\W+web1\n", plain)


def test_an_engine_that_dies_shows_as_such(stack, fleet4):  # pylint: disable=redefined-outer-name
    stack.sim.say(4001, "/same web* 100 100")
    assert stack.wait(lambda: stack.count("task", "state = 'running' AND NOT internal") == 3, 30)
    fleet4["web2"].kill()
    text = gathered(stack, timeout=90)
    assert "2 done, 1 not" in text and "web2: lost, engine went away" in text
    stack.sim.say(4001, "/where web*")
    assert "of 2" in gathered(stack), "who is not alive is not meant"


@pytest.fixture
def wide(stage):
    """A stack whose database has room for fifty engines more, all of them on this machine."""
    s = Stack(stage, TELEOPS_SEND_RATE_CHAT=0)
    try:
        s.sql("ALTER SYSTEM SET max_connections = 250", user="postgres")
        s.kill("postgres", signal.SIGINT)

        def ready():
            with contextlib.suppress(psycopg2.OperationalError):
                return s.count("engine", "lease_until > now()") == 1
        assert s.wait(ready, 60)
        yield s
    finally:
        s.stop()


@pytest.mark.full
def test_fifty_engines_one_killed_in_the_middle(wide):  # pylint: disable=redefined-outer-name
    wide.apply({"commands": [{"name": "same", "at_once": 50, "args": ["lines", "{count}", "{ms}", "0"], "parameters": [
        TARGET, {"name": "count", "type": "integer", "default": 1}, {"name": "ms", "type": "integer", "default": 0}], **EXEC}],
        "grants": [{"role": "crew", "command": "same"}]})
    wide.sim.call("/sim/start", {"people": [4001]})
    with fleet(wide, {f"many{n}": "" for n in range(50)}) as engines:
        wide.sim.say(4001, "/same many* 100 300")
        assert wide.wait(lambda: wide.count("task", "state = 'running' AND NOT internal") == 50, 120)
        engines["many7"].kill()
        text = gathered(wide, timeout=240)
        assert "49 done, 1 not, 0 running, 0 waiting, of 50" in text and "many7: lost" in text
