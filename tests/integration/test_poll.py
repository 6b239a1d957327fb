"""teleops poll: updates that come by long polling, on the whole stack."""
import collections
import os
import signal
import subprocess
import time

import pytest

from stack import CROWD, Stack
from test_load import safely


@pytest.fixture(scope="module")
def polled(stage):
    s = Stack(stage, TELEOPS_DEMO_POLL="yes", TELEOPS_SEND_RATE=0, TELEOPS_SEND_RATE_CHAT=0, TELEOPS_SEND_RATE_GROUP=0)
    yield s
    s.stop()


@pytest.fixture
def stack(polled):
    polled.sim.call("/sim/faults", method="DELETE")
    polled.sim.call("/sim/reset", {})
    polled.sim.call("/sim/start", {"people": [4001, 4002, *CROWD]})
    with open(polled.marks, "w", encoding="utf-8"):
        pass
    polled.log_at = len(polled.logged("telepoll"))
    return polled


def logged(stack):
    """What telepoll has said in this test."""
    return stack.logged("telepoll")[stack.log_at:]


class Poller:
    """teleops poll started by hand, as TeleBot's user."""

    def __init__(self, stack, **env):
        self.program = os.path.join(stack.env["DEMO_BIN"], "teleops")
        base = {k: stack.env[k] for k in ("TELEOPS_CONFIG", "TELEOPS_API_BASE", "TELEOPS_BOT_TOKEN")}
        base["TELEOPS_DATABASE"] = stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_bot")
        self.env = {**base, **env}

    def __enter__(self):
        self.process = subprocess.Popen([self.program, "poll"], env=self.env, user="teleops-bot", group="teleops-bot", extra_groups=[],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said = ""
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()

    def says(self, word, timeout=20):
        def look():
            self.said += (self.process.stderr.read() or b"").decode()
            return word in self.said
        assert Stack.wait(look, timeout), f"not said: {word}\n{self.said}"

    def end(self, what=signal.SIGTERM):
        """Seconds it took."""
        began = time.monotonic()
        self.process.send_signal(what)
        self.process.wait(30)
        took = time.monotonic() - began
        self.said += (self.process.stderr.read() or b"").decode()
        return took


def test_messages_come_and_answers_go(stack):
    assert stack.sim.health()["webhook"] == "" and "event=webhook_deleted" in stack.logged("telepoll")
    stack.sim.say(4001, "/echo by hand")
    assert stack.sim.wait_answers(4001, 1) == ["by hand"]
    asked = stack.sim.calls("getUpdates")[-1]["params"]
    assert asked["timeout"] == 50 and asked["allowed_updates"] == ["message", "callback_query", "my_chat_member"]
    assert "event=admitted" in logged(stack) and stack.env["TELEOPS_BOT_TOKEN"] not in stack.logged("telepoll")
    with open(f"/proc/{stack.pid('telepoll')}/cmdline", "rb") as f:
        assert f.read().endswith(b"teleops\0poll\0")
    assert os.stat(f"/proc/{stack.pid('telepoll')}").st_uid != 0


def test_the_doctor_knows_polling(stack):
    lines = stack.teleops("doctor").stdout.splitlines()
    assert "ok    webhook: none is set, teleops poll takes the updates" in lines
    assert "ok    telebot: not needed, updates come to teleops poll" in lines


def test_order_within_a_chat_is_kept(stack):
    """More than one answer holds at once, of several chats; in one of them two people speak, each of whom speaks elsewhere too."""
    group, two = -2001, (4001, CROWD[0])
    stack.sim.fault("500", method="getUpdates", count=2)
    for i in range(60):
        for who in (*two, CROWD[1]):
            stack.sim.say(who, f"/echo {i}")
        stack.sim.say(two[i % 2], f"/echo {i}", chat=group)
    assert stack.settled(60)
    for chat in (*two, CROWD[1], group):
        assert stack.sim.answers(chat) == [str(i) for i in range(60)], chat
    assert stack.count("update_rejected") == 0


def test_the_poller_killed_loses_nothing_and_doubles_nothing(stack):
    words = {f"k{i:03}": CROWD[i % len(CROWD)] for i in range(300)}
    for i, (word, who) in enumerate(words.items()):
        stack.sim.say(who, f"/mark {word}")
        if i % 100 == 50:
            stack.kill("telepoll")
    assert stack.settled(60)
    assert collections.Counter(stack.marked()) == {word: 1 for word in words}
    assert sorted(a for who in CROWD for a in stack.sim.answers(who)) == sorted(words)


def test_what_was_committed_but_not_confirmed_counts_once(stack):
    """The answer to the call that would confirm is lost: Telegram gives the same again."""
    first = stack.sim.say(4001, "/mark once")["update_id"]
    assert stack.wait(lambda: "once" in stack.marked())
    assert stack.settled()
    again = {"update_id": first, "message": stack.message(4001, "/mark once")}
    stack.sim.update(**again)
    stack.sim.say(4001, "/echo after")
    assert stack.wait(lambda: "after" in stack.sim.answers(4001))
    assert stack.settled() and stack.marked() == ["once"]


def test_the_database_away_loses_nothing(stack):
    stack.sim.say(4001, "/echo before")
    assert stack.sim.wait_answers(4001, 1) == ["before"]
    os.kill(stack.pid("postgres"), signal.SIGQUIT)
    for i in range(20):
        stack.sim.say(CROWD[i], f"/mark d{i}")
    assert stack.wait(lambda: safely(lambda: len(stack.marked()) == 20 and stack.settled(1)), 60)
    assert collections.Counter(stack.marked()) == {f"d{i}": 1 for i in range(20)}
    assert "event=database_away" in logged(stack) or "event=not_admitted" in logged(stack)


def test_a_webhook_set_meanwhile_is_left_alone_and_told(stack):
    stack.sim.call(f"/bot{stack.env['TELEOPS_BOT_TOKEN']}/setWebhook", {"url": "https://127.0.0.1:1/webhook"})
    # The long poll under way does not end by that in the simulator; a message ends it.
    stack.sim.say(4001, "/echo meanwhile")
    assert stack.wait(lambda: "event=conflict" in logged(stack), 60)
    assert "teleops webhook delete" in logged(stack)
    assert stack.sim.health()["webhook"], "somebody meant it"
    # A poller that starts takes it away.
    stack.kill("telepoll")
    assert stack.wait(lambda: stack.sim.health()["webhook"] == "")
    assert stack.wait(lambda: "meanwhile" in stack.sim.answers(4001))
    assert stack.settled() and stack.sim.answers(4001) == ["meanwhile"]


@pytest.mark.parametrize("kind, event", [("500", "telegram_away"), ("502", "telegram_away"), ("reset", "telegram_away"), ("409", "conflict"),
                                         ("429", "limited"), ("400", "telegram_away")])
def test_troubles_are_told_and_survived(stack, kind, event):
    stack.sim.fault(kind, method="getUpdates", count=2, retry_after=2)
    began = time.monotonic()
    # One to end the long poll that is under way, one that meets the trouble.
    for word in ("one", "two", "three"):
        stack.sim.say(4001, f"/echo {word}")
        time.sleep(0.2)
    assert stack.sim.wait_answers(4001, 3, 30) == ["one", "two", "three"]
    assert stack.wait(lambda: "event=telegram_back" in logged(stack))
    assert f"event={event}" in logged(stack)
    if kind == "429":
        assert time.monotonic() - began > 3.5, "retry_after is honoured, each time"


def test_hup_reads_the_log_settings(stack):
    os.kill(stack.pid("telepoll"), signal.SIGHUP)
    assert stack.wait(lambda: "event=reloaded" in logged(stack))
    stack.sim.say(4001, "/echo still here")
    assert stack.sim.wait_answers(4001, 1) == ["still here"]


@pytest.mark.parametrize("what", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_in_the_middle_of_a_long_poll(stack, what):
    with Poller(stack) as p:
        p.says("event=webhook_deleted")
        time.sleep(0.5)
        assert p.end(what) < 1 and p.process.returncode == 0
    assert "event=stopped" in p.said


def test_it_stops_at_once_while_the_database_is_away(stack):
    os.kill(stack.pid("telepoll"), signal.SIGSTOP)
    try:
        with Poller(stack, TELEOPS_DATABASE="host=/nonexistent user=teleops_bot dbname=telemanager") as p:
            p.says("event=webhook_deleted")
            stack.sim.say(4001, "/echo later")
            p.says("event=database_away")
            time.sleep(0.5)
            assert p.end() < 2 and p.process.returncode == 0, p.said
        assert stack.sim.health()["pending"] == 1, "not confirmed"
    finally:
        os.kill(stack.pid("telepoll"), signal.SIGCONT)
    assert stack.sim.wait_answers(4001, 1) == ["later"]


def test_a_wrong_token_is_told_and_ends_at_once(stack):
    with Poller(stack, TELEOPS_BOT_TOKEN="7000000009:another_token") as p:
        p.says("event=token_refused")
        assert "check bot_token" in p.said and "another_token" not in p.said
        assert p.end() < 1 and p.process.returncode == 0


@pytest.mark.parametrize("env, complaint", [({"TELEOPS_BOT_TOKEN": ""}, "setting bot_token is missing"), ({"TELEOPS_DATABASE": ""}, "setting database is missing")])
def test_settings_it_needs(stack, env, complaint):
    with Poller(stack, **env) as p:
        assert p.process.wait(10) == 1
        p.says(complaint)


def test_polling_and_set_webhook_exclude_each_other(stage):
    with pytest.raises(RuntimeError, match="exclude each other"):
        Stack(stage, flags=("--set-webhook",), TELEOPS_DEMO_POLL="yes")
