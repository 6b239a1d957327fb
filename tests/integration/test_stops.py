"""Stops, restarts and shortages: nothing is lost, nothing stays behind."""
import collections
import http.client
import os
import signal
import subprocess
import threading
import time

import pytest
from stack import CROWD, Stack
from test_chat import answer
from test_engine import left
from test_load import outcomes, safely


@pytest.fixture
def own(stage):
    """A stack of one's own, with two TeleBots."""
    s = Stack(stage, TELEOPS_SEND_RATE=0, TELEOPS_SEND_RATE_CHAT=0, TELEOPS_SEND_RATE_GROUP=0, TELEOPS_DEMO_TELEBOTS=2, TELEOPS_PERSON_RATE=0)
    yield s
    s.stop()


class Traffic:
    """Posts updates over kept connections until told to stop; every answer counts."""

    def __init__(self, stack, threads=6):
        self.stack, self.statuses, self.words, self.stopping = stack, collections.Counter(), [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]
        for t in self.threads:
            t.start()

    def run(self, lane):
        connection, n = self.stack.connection(), 0
        while not self.stopping.is_set():
            word, who = f"r{lane}x{n}", CROWD[(lane * 7 + n) % 50]
            with self.lock:
                number = self.stack.number()
            try:
                status = self.stack.post({"update_id": number, "message": self.stack.message(who, f"/mark {word}")}, connection=connection)[0]
            except (OSError, http.client.HTTPException) as e:
                status, connection = type(e).__name__, self.stack.connection()
            with self.lock:
                self.statuses[status] += 1
                self.words += [word] if status == 200 else []
            n += 1
            time.sleep(0.005)
        connection.close()

    def end(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


@pytest.mark.timing
def test_telebots_are_restarted_in_turn_without_one_failed_webhook(own):
    traffic = Traffic(own)
    for _ in range(2):
        for name in ("telebot", "telebot-2"):
            time.sleep(0.5)
            own.kill(name, signal.SIGTERM)
    time.sleep(0.5)
    traffic.end()
    assert set(traffic.statuses) == {200} and traffic.statuses[200] > 200, traffic.statuses
    assert own.settled(120)
    assert collections.Counter(own.marked()) == collections.Counter(traffic.words)


def test_all_stopped_under_load_loses_nothing_and_leaves_nothing_running(own):
    words = {f"s{i:03}": CROWD[i % 50] for i in range(200)}
    for word, who in words.items():
        own.sim.say(who, f"/mark {word} 100")
    assert own.wait(lambda: len(own.marked()) > 20, 20)
    programs = {name: own.pid(name) for name in ("telebot", "telebot-2", "telemanager", "teleengine", "telesender", "nginx")}
    for name in programs:
        own.kill(name, signal.SIGTERM)
    assert own.wait(lambda: safely(lambda: own.settled(1)), 120)
    assert set(outcomes(own, words).values()) == {"done"}, "a clean stop is no reason to lose a task"
    assert collections.Counter(own.marked()) == collections.Counter(list(words))
    log = own.logged("teleengine")
    assert "event=stopped" in log and "runner_gone" not in log
    assert not left("s0")


def test_hup_makes_an_engine_serve_another_queue_and_telebot_take_another_secret(stage):
    path = f"/var/tmp/teleops-hup-{os.getpid()}.conf"
    with open(path, "w", encoding="utf-8") as f:
        f.write("queues = default\nslots = 3\n")
    os.chmod(path, 0o644)
    s = Stack(stage, TELEOPS_SEND_RATE=0)
    try:
        # The demo gives its programs no file; this engine has one, under a name of its own.
        env = {"TELEOPS_DATABASE": s.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_engine"), "TELEOPS_ENGINE_NAME": "filed",
               "TELEOPS_EXEC_DIR": s.env["TELEOPS_EXEC_DIR"], "TELEOPS_RUN_DIR": os.path.join(s.dir, "run"), "TELEOPS_WORK_DIR": os.path.join(s.dir, "work2"),
               "TELEOPS_CONFIG": path, "PATH": "/usr/bin:/bin"}
        engine = subprocess.Popen([os.path.join(s.dir, "app/usr/sbin/teleengine")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert s.wait(lambda: s.sql("SELECT queues, slots FROM engine WHERE name = 'filed'") == [(["default"], 3)], 10)
            assert "no engine serves" in answer(s, 4001, "/far off")
            with open(path, "w", encoding="utf-8") as f:
                f.write("queues = far\nslots = 5\n")
            engine.send_signal(signal.SIGHUP)
            assert s.wait(lambda: s.sql("SELECT queues, slots FROM engine WHERE name = 'filed'") == [(["far"], 5)], 10)
            assert s.wait(lambda: s.sim.answers(4001)[-1] == "off", 10)
            with open(path, "w", encoding="utf-8") as f:
                f.write("qeues = far\n")
            engine.send_signal(signal.SIGHUP)
            assert answer(s, 4001, "/far still") == "still", "a file with a mistake changes nothing"
        finally:
            engine.terminate()
            assert engine.wait(20) == 0
        secret = os.path.join(s.dir, "secret/webhook_secret")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("another-secret\n")
        os.kill(s.pid("telebot"), signal.SIGHUP)
        update = {"update_id": s.number(), "message": s.message(4001, "/echo new secret")}
        assert s.wait(lambda: s.post(update, {"X-Telegram-Bot-Api-Secret-Token": "another-secret"})[0] == 200)
        assert s.post(update)[0] == 403
    finally:
        os.unlink(path)
        s.stop()


@pytest.mark.timing
def test_a_full_disk_is_survived(stage):
    """PostgreSQL's data on a small file system, filled to the last byte while updates come."""
    directory = f"/var/lib/teleops-demo/full-{os.getpid()}"
    os.makedirs(directory)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m,mode=755", "tmpfs", directory], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
    s = None
    try:
        s = Stack(stage, TELEOPS_DEMO_DIR=directory, TELEOPS_SEND_RATE=0, TELEOPS_SEND_RATE_CHAT=0, TELEOPS_PERSON_RATE=0)
        filler = os.path.join(directory, "filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
                    f.flush()
            except OSError:
                f.truncate(f.tell() - 4 * 1024 * 1024)
        acknowledged, refused = [], 0
        for i in range(4000):
            word = f"d{i}"
            try:
                status = s.post({"update_id": s.number(), "message": s.message(CROWD[i % 50], f"/echo {word} {'x' * 3000}")})[0]
            except (OSError, http.client.HTTPException):
                status = 0
            acknowledged += [word] if status == 200 else []
            refused += status == 503
            if refused >= 20:
                break
        assert refused >= 20 and len(acknowledged) > 20, (refused, len(acknowledged))
        os.unlink(filler)
        assert s.wait(lambda: safely(lambda: s.post({"update_id": s.number(), "message": s.message(CROWD[0], "/echo room again")})[0]) == 200, 60, 0.5)
        assert s.wait(lambda: safely(lambda: s.settled(1)), 120)
        told = " ".join(a for who in CROWD for a in s.sim.answers(who))
        assert "room again" in told and all(f"{word} x" in told for word in acknowledged)
    finally:
        if s:
            s.stop()
        subprocess.run(["umount", directory], check=True)
        os.rmdir(directory)


def test_a_refused_connection_and_a_restarted_database(stack):
    """No connection is left for anybody, then the server restarts in good order."""
    stack.sql("ALTER ROLE teleops_engine CONNECTION LIMIT 0", user="postgres")
    try:
        stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teleops_engine'", user="postgres")
        stack.sim.say(4001, "/echo later")
        time.sleep(1.5)
        assert stack.sim.answers(4001) == []
    finally:
        stack.sql("ALTER ROLE teleops_engine CONNECTION LIMIT -1", user="postgres")
    assert stack.sim.wait_answers(4001, 1) == ["later"]
    for i in range(60):
        stack.sim.say(CROWD[i % 50], f"/mark b{i} 300")
    stack.kill("postgres", signal.SIGINT)
    assert stack.wait(lambda: safely(lambda: stack.settled(1)), 90)
    found = outcomes(stack, [f"b{i}" for i in range(60)])
    assert len(found) == 60 and set(collections.Counter(stack.marked()).values()) == {1}
