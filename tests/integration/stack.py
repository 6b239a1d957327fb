"""The whole stack, for tests: the demo's own supervisor with a directory and ports of its own."""
import collections
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(HERE, "../simulator"))
from client import Client  # noqa: E402
from support.cluster import BUILD, SOURCE  # noqa: E402

SECRET = "integration-test-secret"
TOKEN = "7000000001:integration_token"
PARTS = ("telebot", "telemanager", "teleengine", "telesender", "nginx", "postgres")
CROWD = range(5001, 5051)


def free_ports(count):
    """Below those that the kernel gives to connections, so that none of these takes one before it is listened on."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            if port not in ports and not s.connect_ex(("127.0.0.1", port)) == 0:
                ports.append(port)
    return ports


def example(marks, hosts):
    """People and commands of the tests. marks: the file in which each run of /mark leaves a line; hosts: what /hosts shows."""
    def text(name, **more):
        return {"name": name, "type": "text", "required": True, **more}
    exec_ = {"kind": "exec", "timeout_s": 60}
    return {
        "roles": [{"name": "crew"}, {"name": "few"}, {"name": "own"}, {"name": "boss", "manages_tasks": True}, {"name": "judge"}],
        "queues": [{"name": "narrow", "concurrency": 1}],
        "chats": [{"chat_id": -2001}, {"chat_id": -1000000002002}],
        "users": [{"login": "ada", "first_name": "Ada", "telegram_ids": [4001], "roles": ["crew"]},
                  {"login": "bob", "first_name": "Bob", "telegram_ids": [4002], "roles": ["few"]},
                  {"login": "eve", "first_name": "Eve", "last_name": "Boss", "telegram_ids": [4004], "roles": ["boss"]},
                  *({"login": f"judge{n}", "first_name": f"Judge{n}", "telegram_ids": [4010 + n], "roles": ["judge", "crew"]} for n in (1, 2, 3)),
                  {"login": "sue", "first_name": "Sue", "telegram_ids": [4020], "roles": ["own"]},
                  {"login": "gone", "telegram_ids": [4003], "roles": ["crew"], "enabled": False},
                  *({"login": f"c{n}", "telegram_ids": [n], "roles": ["crew"]} for n in CROWD)],
        "commands": [
            {"name": "echo", "program": "echo", "args": ["{text}"], "parameters": [text("text")], "ordered": True, **exec_},
            {"name": "mark", "program": "act", "args": ["mark", marks, "{word}", "{ms}"],
             "parameters": [text("word"), {"name": "ms", "type": "integer", "default": 0}], **exec_},
            {"name": "again", "program": "act", "args": ["mark", marks, "{word}", "{ms}"], "idempotent": True,
             "parameters": [text("word"), {"name": "ms", "type": "integer", "default": 0}], **exec_},
            {"name": "flood", "program": "act", "args": ["flood", "{bytes}"], "parameters": [{"name": "bytes", "type": "integer", "required": True}], **exec_},
            {"name": "nonsense", "program": "act", "args": ["bytes"], **exec_},
            {"name": "stubborn", "program": "act", "args": ["stubborn", "{name}"], "parameters": [text("name")], **exec_, "timeout_s": 1, "grace_s": 1},
            {"name": "tree", "program": "act", "args": ["stubborn", "{name}"], "parameters": [text("name")], **exec_, "timeout_s": 300, "grace_s": 1},
            {"name": "pair", "program": "act", "args": ["mark", marks, "{word}", "{ms}"], "concurrency": 2,
             "parameters": [text("word"), {"name": "ms", "type": "integer", "default": 0}], **exec_},
            {"name": "narrow", "program": "act", "args": ["mark", marks, "{word}", "{ms}"], "queue": "narrow",
             "parameters": [text("word"), {"name": "ms", "type": "integer", "default": 0}], **exec_},
            {"name": "far", "program": "echo", "args": ["{text}"], "queue": "far", "parameters": [text("text")], **exec_},
            {"name": "urgent", "program": "act", "args": ["mark", marks, "{word}", "0"], "priority": -10, "parameters": [text("word")], **exec_},
            {"name": "risky", "program": "act", "args": ["mark", marks, "{word}", "0"], "dangerous": True, "parameters": [text("word")], **exec_},
            {"name": "grave", "program": "act", "args": ["mark", marks, "{word}", "0"], "dangerous": True, "approvals": 2, "approvers": "judge",
             "parameters": [text("word")], **exec_},
            {"name": "judged", "program": "act", "args": ["mark", marks, "{word}", "0"], "approvals": 1, "approvers": "judge",
             "parameters": [text("word")], **exec_},
            {"name": "guide", "kind": "text", "template": "{env} {count} {flag} {note}", "interactive": True, "parameters": [
                {"name": "env", "type": "choice", "choices": ["prod", "staging", "test"], "required": True},
                {"name": "count", "type": "integer", "required": True, "minimum": 1, "maximum": 9},
                {"name": "flag", "type": "boolean", "required": True}, text("note")]},
            {"name": "progress", "program": "act", "args": ["lines", "{count}", "{ms}", "{status}"], "long_running": True, **exec_, "parameters": [
                {"name": "count", "type": "integer", "required": True}, {"name": "ms", "type": "integer", "required": True},
                {"name": "status", "type": "integer", "default": 0}], "timeout_s": 120},
            {"name": "broken", "program": "act", "args": ["exit", "{status}"], "parameters": [{"name": "status", "type": "integer", "required": True}], **exec_},
            {"name": "killed", "program": "act", "args": ["abort"], **exec_},
            {"name": "absent", "program": "no-such-program", **exec_},
            {"name": "typed", "kind": "text", "template": "{count} {ratio} {flag} {env}", "parameters": [
                {"name": "count", "type": "integer", "required": True, "minimum": 1, "maximum": 9}, {"name": "ratio", "type": "number", "default": 0.5},
                {"name": "flag", "type": "boolean", "default": False}, {"name": "env", "type": "choice", "choices": ["prod", "staging"], "default": "staging"}]},
            {"name": "every", "kind": "text", "template": "{tag} {who} {on} {for}", "parameters": [
                {"name": "tag", "type": "pattern", "pattern": "v\\d+(\\.\\d+)*", "required": True}, {"name": "who", "type": "user", "default": "ada"},
                {"name": "on", "type": "date", "minimum": "today", "maximum": "+2w", "default": "today"},
                {"name": "for", "type": "duration", "minimum": "1m", "maximum": "2h", "default": "30m"}]},
            {"name": "lend", "kind": "text", "template": "{what} for {who} until {until}", "interactive": True, "parameters": [
                text("what"), {"name": "who", "type": "user", "required": True}, {"name": "until", "type": "date", "minimum": "today", "required": True}]},
            {"name": "hosts", "program": "cat", "args": [hosts], **exec_},
            {"name": "login", "kind": "text", "template": "on {host}", "parameters": [
                {"name": "host", "type": "choice", "choices_from": "hosts", "every_s": 5, "required": True}]},
            {"name": "setpw", "program": "act", "args": ["hex", "{ms}"], "parameters": [
                {"name": "password", "type": "text", "secret": True, "minimum": 8, "required": True}, {"name": "ms", "type": "integer", "default": 0}], **exec_},
            {"name": "askpw", "program": "act", "args": ["hex", "0"], "interactive": True, "parameters": [
                {"name": "pin", "type": "integer", "secret": True, "required": True}, {"name": "password", "type": "text", "secret": True, "required": True}], **exec_},
            {"name": "gravepw", "program": "act", "args": ["hex", "0"], "dangerous": True, "approvals": 1, "approvers": "judge", "parameters": [
                {"name": "password", "type": "text", "secret": True, "required": True}], **exec_},
            {"name": "payslip", "program": "act", "args": ["lines", "{count}", "0", "0"], "answer": "private", **exec_,
             "parameters": [{"name": "count", "type": "integer", "default": 2}]},
            {"name": "secretive", "program": "act", "args": ["lines", "{count}", "{ms}", "0"], "answer": "private", "long_running": True, **exec_, "parameters": [
                {"name": "count", "type": "integer", "required": True}, {"name": "ms", "type": "integer", "required": True}]},
            {"name": "deploy", "kind": "text", "template": "deployed to {env}", "parameters": [
                {"name": "env", "type": "choice", "choices": ["prod", "staging"], "required": True}]},
        ],
        "grants": [*({"role": "crew", "command": c} for c in ("echo", "mark", "again", "flood", "nonsense", "stubborn", "tree", "pair", "narrow", "far", "urgent", "risky", "grave", "judged", "guide", "progress", "broken", "killed", "absent", "typed",
                                                              "deploy", "every", "lend", "hosts", "login", "setpw", "askpw", "gravepw", "payslip", "secretive")),
                   {"role": "few", "command": "deploy", "constraints": {"env": ["staging"]}},
                   {"role": "own", "command": "every", "constraints": {"who": ["sue"]}}],
    }


def complaints(log):
    """What a sanitizer or Python said in a log, each with the lines that tell where."""
    lines = log.splitlines()
    return ["\n".join(lines[i:i + 12]) for i, line in enumerate(lines)
            if ("Sanitizer" in line and not line.startswith("SUMMARY")) or "runtime error:" in line or line.startswith("Traceback")]


def stage_programs():
    """make install into a directory, with what the demo adds; once for all stacks of a run."""
    stage = tempfile.mkdtemp(prefix="tele-stage.", dir="/var/tmp")
    subprocess.run(["make", "-s", "-C", BUILD, "install", "prefix=/usr", "sysconfdir=/etc", f"DESTDIR={stage}"], check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(os.path.join(SOURCE, "deploy/demo"), os.path.join(stage, "demo"))
    shutil.copytree(os.path.join(SOURCE, "tests/simulator"), os.path.join(stage, "simulator"))
    shutil.copy(os.path.join(SOURCE, "nginx/teleops.conf.in"), os.path.join(stage, "demo"))
    return stage


class Stack:
    def __init__(self, stage, flags=(), sim=None, **settings):
        self.stage = stage
        webhook, admin, chat = free_ports(3)
        self.dir = settings.get("TELEOPS_DEMO_DIR", f"/var/lib/teleops-demo/test-{os.getpid()}-{webhook}")
        self.settings = {"TELEOPS_DEMO_DIR": self.dir, "TELEOPS_WEBHOOK_PORT": webhook, "TELEOPS_ADMIN_PORT": admin, "TELEOPS_CHAT_PORT": chat,
                         "TELEOPS_WEBHOOK_SECRET": SECRET, **settings}
        self.control(os.path.join(stage, "demo"), "install")
        try:
            self.control(os.path.join(self.dir, "app/demo"), "start", "--detach", *flags)
        except RuntimeError:
            self.control(os.path.join(self.dir, "app/demo"), "reset")
            raise
        self.env = self.read_env()
        self.sim = sim or Client(self.env["DEMO_CHAT_URL"].rstrip("/"))
        self.context = ssl.create_default_context(cafile=self.env["DEMO_CERT"])
        self.next_update = 10 ** 12
        self.furnish()

    def furnish(self):
        """People, commands and programs; who needs others overrides it."""
        self.marks = os.path.join(self.dir, "marks")
        with open(self.marks, "w", encoding="utf-8"):
            os.chmod(self.marks, 0o666)
        self.hosts = os.path.join(self.dir, "hosts")
        with open(self.hosts, "w", encoding="utf-8") as f:
            f.write("alpha\nbeta\n")
        act = os.path.join(self.env["TELEOPS_EXEC_DIR"], "act")
        subprocess.run(["cc", "-O1", "-o", act, os.path.join(HERE, "act.c")], check=True)
        os.chmod(act, 0o755)
        # What the demo says by itself, at once and later, would be in the tests' way.
        self.sql("DELETE FROM schedule; DELETE FROM hook")
        assert self.settled()
        if self.env["DEMO_CHAT_URL"]:
            self.sim.call("/sim/reset", {})
        self.apply(example(self.marks, self.hosts))
        self.sim.call("/sim/start", {"people": list(CROWD)})

    def control(self, where, *argv):
        told = "".join(f"{k}={v}\0" for k, v in self.settings.items())
        done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(where, "demo.py"), *argv], input=told.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=150, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout.decode())

    def read_env(self):
        text = subprocess.run(["bash", "-c", f". {self.dir}/demo.env; env -0"], stdout=subprocess.PIPE, check=True, env={}).stdout.decode()
        return dict(w.split("=", 1) for w in text.split("\0") if "=" in w)

    def stop(self):
        """Stops it; what a sanitizer had to say, if it was built with one, fails the test."""
        self.control(os.path.join(self.dir, "app/demo"), "stop")
        said = [f"{name}:\n{report}" for name in (*PARTS, "telepoll", "simulator") if os.path.exists(os.path.join(self.dir, "log", f"{name}.log"))
                for report in complaints(self.logged(name))]
        self.control(os.path.join(self.dir, "app/demo"), "reset")
        assert not said, "\n".join(said)

    # -- looking and touching

    def teleops(self, *argv, stdin=""):
        return subprocess.run([os.path.join(self.env["DEMO_BIN"], "teleops"), *argv], input=stdin, env=self.env, universal_newlines=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)

    def apply(self, document):
        done = self.teleops("apply", "-", stdin=json.dumps(document))
        assert done.returncode == 0, done.stderr

    def sql(self, text, values=None, user="teleops_owner"):
        conn = psycopg2.connect(self.env["TELEOPS_DATABASE"].replace("teleops_owner", user))
        try:
            conn.autocommit = True
            with conn.cursor() as cur:
                cur.execute(text, values)
                return cur.fetchall() if cur.description else []
        finally:
            conn.close()

    def count(self, table, where="true", values=None):
        return self.sql(f"SELECT count(*) FROM {table} WHERE {where}", values)[0][0]

    def pid(self, name):
        with open(os.path.join(self.dir, "run", f"{name}.pid"), encoding="utf-8") as f:
            return int(f.read().split()[0])

    def kill(self, name, what=signal.SIGKILL):
        """Kills one part and waits until another has its place."""
        old = self.pid(name)
        os.kill(old, what)
        assert self.wait(lambda: self.pid(name) != old, 60), f"{name} did not come back"

    @staticmethod
    def wait(what, timeout=20.0, pause=0.05):
        until = time.monotonic() + timeout
        while True:
            found = what()
            if found or time.monotonic() > until:
                return found
            time.sleep(pause)

    def settled(self, timeout=60.0):
        """Nothing left to deliver, to do, or to send."""
        return self.wait(lambda: self.sim.health()["pending"] == 0 and self.sql("SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM outbox)")[0][0] == 0,
                         timeout, 0.1)

    def calm(self):
        """What a failed test left behind is not to fail those after it."""
        if self.count("task") + self.count("outbox"):
            self.sql("DELETE FROM task WHERE state = 'queued'; UPDATE task SET state = 'cancelling' WHERE state <> 'cancelling'; NOTIFY cancel")
            if not self.settled(20):
                self.sql("DELETE FROM outbox")

    def logged(self, name):
        with open(os.path.join(self.dir, "log", f"{name}.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def marked(self):
        with open(self.marks, encoding="utf-8") as f:
            return f.read().split()

    # -- the webhook, without Telegram between

    def connection(self, port="TELEOPS_WEBHOOK_PORT"):
        return http.client.HTTPSConnection("127.0.0.1", int(self.env[port]), timeout=60, context=self.context)

    def post(self, body, headers=None, connection=None, method="POST", path="/webhook"):
        """(status, headers, text)."""
        own = connection or self.connection()
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        base = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": SECRET}
        merged = {k: v for k, v in {**base, **(headers or {})}.items() if v is not None}
        own.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=merged)
        answer = own.getresponse()
        text = answer.read().decode(errors="replace")
        if not connection:
            own.close()
        return answer.status, dict(answer.getheaders()), text

    def post_all(self, bodies, at_once=32):
        """Sends all bodies, so many at a time, on connections that are kept; the statuses."""
        statuses, todo, lock = [], collections.deque(bodies), threading.Lock()

        def work():
            connection = self.connection()
            while True:
                with lock:
                    if not todo:
                        break
                    body = todo.popleft()
                status = self.post(body, connection=connection)[0]
                with lock:
                    statuses.append(status)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return statuses

    def number(self):
        self.next_update += 1
        return self.next_update

    def message(self, who, text, **more):
        """A message as Telegram tells it."""
        chat = {"id": who, "type": "private", "first_name": "X"}
        entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text.startswith("/") else []
        return {"message_id": 1, "date": int(time.time()), "chat": chat, "from": {"id": who, "is_bot": False, "first_name": "X"}, "text": text,
                "entities": entities, **more}
