"""The programs themselves: settings, signals, policies, another Bot API."""
import os
import signal
import subprocess
import sys

import pytest
from stack import BUILD, TOKEN, Stack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../simulator"))
from client import Process  # noqa: E402

FILES = ("telebot.fcgi", "telemanager.fcgi", "teleengine", "telesender")


@pytest.mark.parametrize("name", FILES)
def test_help_and_wrong_usage(name):
    path = os.path.join(BUILD, name)
    helped = subprocess.run([path, "--help"], stdout=subprocess.PIPE, check=True, env={}).stdout.decode()
    assert name in helped and "HUP" in helped and "  database " in helped
    wrong = subprocess.run([path, "--frob"], stderr=subprocess.PIPE, check=False, env={})
    assert wrong.returncode == 2 and b"--frob" in wrong.stderr


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_or_wrong_is_named(name, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("\n\nslots = many\ncolour = red\n")
    env = {"TELEOPS_CONFIG": str(conf)}
    done = subprocess.run([os.path.join(BUILD, name)], stderr=subprocess.PIPE, check=False, env=env, timeout=10)
    assert done.returncode == 1 and f"{conf}:3".encode() in done.stderr and f"{conf}:4".encode() in done.stderr
    conf.write_text("")
    done = subprocess.run([os.path.join(BUILD, name)], stderr=subprocess.PIPE, check=False, env=env, timeout=10)
    assert done.returncode == 1 and b"database is missing" in done.stderr


@pytest.mark.parametrize("name", ["telebot", "telemanager", "teleengine", "telesender"])
def test_hup_reloads_and_nobody_is_disturbed(stack, name):
    pid, before = stack.pid(name), stack.logged(name).count("event=reloaded")
    os.kill(pid, signal.SIGHUP)
    assert stack.wait(lambda: stack.logged(name).count("event=reloaded") == before + 1)
    stack.sim.say(4001, "/echo still here")
    assert stack.sim.wait_answers(4001, 1) == ["still here"] and stack.pid(name) == pid


def policy(stack, program, text, mode=0o644):
    path = os.path.join(stack.env["TELEOPS_EXEC_DIR"], program + ".policy")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def ask(stack, line):
    before = len(stack.sim.answers(4001))
    stack.sim.say(4001, line)
    return stack.sim.wait_answers(4001, before + 1)[-1]


def test_policies(stack):
    show = {"name": "limits", "kind": "exec", "program": "cat", "args": ["/proc/self/status", "/proc/self/limits"], "timeout_s": 5}
    stack.apply({"commands": [show], "grants": [{"role": "crew", "command": "limits"}]})
    path = policy(stack, "cat", "# as nobody, with few files\nuser = nobody\nmax_open_files = 17\nmax_memory = 512\n")
    try:
        said = ask(stack, "/limits")
        nobody = subprocess.run(["id", "-u", "nobody"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        assert f"Uid:\t{nobody}\t" in said and "Max open files            17" in said and "536870912" in said
        # The command's limits are its own: who it becomes was looked up before they held.
        policy(stack, "cat", "user = postgres\nmax_open_files = 4\nmax_memory = 16\n")
        said = ask(stack, "/limits")
        groups = subprocess.run(["id", "-G", "postgres"], stdout=subprocess.PIPE, check=True).stdout.split()
        listed = next(line for line in said.splitlines() if line.startswith("Groups:")).encode().split()[1:]
        assert sorted(listed) == sorted(groups) and "Max open files            4 " in said, said
        for text, why in (("user = nobody-of-that-name\n", "nobody-of-that-name"), ("colour = red\n", "unknown key"), ("user\n", "key = value")):
            policy(stack, "cat", text)
            assert why in ask(stack, "/limits"), text
        policy(stack, "cat", "user = nobody\n", 0o666)
        assert "writ" in ask(stack, "/limits")
    finally:
        os.unlink(path)
        stack.apply({"commands": [{**show, "enabled": False}]})


def test_characters_may_come_as_they_are(stack):
    """Telegram escapes what is not ASCII; nothing says that it must."""
    body = '{"update_id": %d, "message": {"message_id": 1, "date": 1, "chat": {"id": 5001, "type": "private"}, "from": {"id": 5001, "is_bot": false, ' \
           '"first_name": "Zoë"}, "text": "/echo schön \u05e9\u05dc\u05d5\u05dd \U0001f680"}}' % stack.number()
    assert stack.post(body.encode())[0] == 200
    assert stack.sim.wait_answers(5001, 1) == ["schön \u05e9\u05dc\u05d5\u05dd \U0001f680"]


def test_another_bot_api_is_used_as_it_is(stage, tmp_path):
    """With TELEOPS_API_BASE the demo starts no simulator, and tells that Bot API of its webhook only when asked to."""
    other = Process(tmp_path, TOKEN)
    try:
        stack = Stack(stage, flags=("--set-webhook",), sim=other, TELEOPS_API_BASE=other.address, TELEOPS_BOT_TOKEN=TOKEN,
                      TELEOPS_SEND_RATE="0")
        try:
            assert not os.path.exists(os.path.join(stack.dir, "run/simulator.pid")) and stack.env["TELEOPS_SEND_RATE"] == "0"
            other.say(5001, "/echo over there")
            assert other.wait_answers(5001, 1) == ["over there"]
        finally:
            stack.stop()
    finally:
        other.stop()
