"""teleops doctor on set-ups that are broken on purpose: it names the fault, and finds no other."""
import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg2
import pytest

from stack import SOURCE, Stack

DATABASE = {"schema", "grants", "durability", "replication", "transactions", "history", "updates", "database clock", "engines", "queues", "programs", "hooks", "sender"}


@pytest.fixture(scope="module")
def stack(stage):
    s = Stack(stage, TELEOPS_QUEUES="default,narrow,far")
    s.apply({"commands": [{"name": "absent", "kind": "exec", "program": "no-such-program", "enabled": False}]})
    # What the engine offers it tells when it starts and on HUP; the tests' own program came later.
    os.kill(s.pid("teleengine"), signal.SIGHUP)
    assert s.wait(lambda: s.sql("SELECT 'act' = ANY (programs) FROM engine") == [(True,)])
    assert s.wait(lambda: s.sql("SELECT seen_at IS NOT NULL FROM bot_status") == [(True,)])
    yield s
    s.stop()


class Findings(dict):
    """Of one run, by check: (level, finding, what to do)."""

    def __init__(self, stack, **env):
        program = os.path.join(stack.env["DEMO_BIN"], "teleops")
        merged = {k: v for k, v in {**stack.env, **env}.items() if v is not None}
        done = subprocess.run([program, "doctor", "--json"], env=merged, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        told = json.loads(done.stdout)
        super().__init__({c["check"]: (c["level"], c["finding"], c["todo"]) for c in told["checks"]})
        plain = subprocess.run([program, "doctor"], env=merged, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        self.lines = plain.stdout.decode().splitlines()
        assert b"Sanitizer" not in done.stderr + plain.stderr and b"runtime error" not in done.stderr + plain.stderr
        assert plain.returncode == done.returncode == (1 if told["failed"] else 0)
        for secret in ("TELEOPS_BOT_TOKEN", "TELEOPS_WEBHOOK_SECRET"):
            text = (done.stdout + done.stderr + plain.stdout + plain.stderr).decode()
            assert not merged.get(secret) or merged[secret] not in text

    def line(self, name):
        found = [line for line in self.lines if line[6:].startswith(name + ":")]
        return found[0] if found else ""


def broken(stack, name, level, words, todo, unseen=(), **env):
    """The check finds it, in one line; all others are fine, but for those that cannot be looked at."""
    found = Findings(stack, **env)
    assert found[name][0] == level, found[name]
    assert words in found[name][1] and todo in found[name][1] + found[name][2], found[name]
    assert found.line(name).startswith(f"{level:4}  {name}: ") and words in found.line(name)
    others = {n: f for n, f in found.items() if n != name and f[0] != "ok"}
    assert {n for n, f in others.items() if f[0] == "unknown"} == set(unseen), others
    assert {n: f for n, f in others.items() if f[0] != "unknown"} == {}


@contextlib.contextmanager
def undone(stack, statement, undo):
    stack.sql(statement)
    try:
        yield
    finally:
        stack.sql(undo)


@contextlib.contextmanager
def superuser(stack):
    conn = psycopg2.connect(host=stack.env["DEMO_SOCKET_DIR"] + "/postgres", user="postgres", dbname="telemanager")
    conn.autocommit = True
    try:
        yield conn.cursor()
    finally:
        conn.close()


def test_a_sound_one_is_found_sound(stack):
    found = Findings(stack)
    assert {n: f for n, f in found.items() if f[0] != "ok"} == {}
    assert len(found) >= 30 and found.lines[-1].endswith("0 warn, 0 failed, 0 not looked at")


def test_nothing_set_at_all(stack):
    """It never stops at the first."""
    nothing = {k: None for k in stack.env if k.startswith("TELEOPS_")}
    found = Findings(stack, **{**nothing, "TELEOPS_CONFIG": "/dev/null"})
    failed = {n for n, f in found.items() if f[0] == "FAIL"}
    assert {"database", "token", "secret", "telebot", "telemanager"} <= failed
    assert all(f[2] for n, f in found.items() if f[0] in ("warn", "FAIL")), "each says what to do"


# -- settings and this host

def test_settings_that_cannot_be_read(stack, tmp_path):
    conf = tmp_path / "teleops.conf"
    conf.write_text("queues = default\nslotz = 5\n")
    broken(stack, "settings", "FAIL", f'{conf}:2: unknown setting "slotz"; TELEOPS_SLOTS: slots must be a whole number', "correct", TELEOPS_CONFIG=str(conf),
           TELEOPS_SLOTS="many")
    broken(stack, "settings", "warn", 'log_level "loud" is none', "use error, warn", TELEOPS_LOG_LEVEL="loud")


def test_users(stack):
    broken(stack, "users", "FAIL", "command_user: there is no user nobody-here", "useradd", TELEOPS_COMMAND_USER="nobody-here")
    broken(stack, "users", "FAIL", "command_user: root is root", "of its own", TELEOPS_COMMAND_USER="root")
    broken(stack, "users", "warn", "insecure_same_user=yes", "as root", TELEOPS_INSECURE_SAME_USER="yes")


def test_directories(stack):
    base = os.path.join(stack.dir, "doctor")
    os.makedirs(base + "/open")
    os.chmod(base + "/open", 0o777)
    broken(stack, "exec_dir", "FAIL", f"{base}/open can be written by others than root", "writable by nobody else", TELEOPS_EXEC_DIR=base + "/open")
    broken(stack, "exec_dir", "FAIL", "No such file", "", TELEOPS_EXEC_DIR=base + "/none")
    broken(stack, "run_dir", "FAIL", f"{base}/none: No such file", "make it", TELEOPS_RUN_DIR=base + "/none")
    broken(stack, "work_dir", "FAIL", f"{base}/open can be written by others", "chmod go-w", TELEOPS_WORK_DIR=base + "/open")
    shutil.rmtree(base)


def test_secret_keys(stack, tmp_path):
    path, other = tmp_path / "keys", tmp_path / "other"
    public = stack.teleops("secret", "keygen", str(path)).stdout.split(" = ")[1].strip()
    stack.teleops("secret", "keygen", str(other))
    found = Findings(stack, TELEOPS_SECRET_PUBLIC_KEY=public, TELEOPS_SECRET_KEY_FILE=str(path))
    assert found["secret keys"][:2] == ("ok", "what TeleBot seals can be opened")
    assert Findings(stack, TELEOPS_SECRET_PUBLIC_KEY=public, TELEOPS_SECRET_KEY_FILE=None)["secret keys"][0] == "ok"
    broken(stack, "secret keys", "FAIL", "no key in secret_key_file opens", "give TeleBot the key", TELEOPS_SECRET_PUBLIC_KEY=public, TELEOPS_SECRET_KEY_FILE=str(other))
    broken(stack, "secret keys", "FAIL", "secret_public_key is no key", "keygen printed", TELEOPS_SECRET_PUBLIC_KEY="nonsense")
    broken(stack, "secret keys", "FAIL", "/askpw /gravepw /setpw /strength take secrets", "make keys", TELEOPS_SECRET_PUBLIC_KEY=None, TELEOPS_SECRET_KEY_FILE=None)
    path.chmod(0o640)
    broken(stack, "secret keys", "FAIL", "can be opened by others than its owner", "engines take no other", TELEOPS_SECRET_PUBLIC_KEY=public,
           TELEOPS_SECRET_KEY_FILE=str(path))


def test_connections(stack):
    found = Findings(stack)
    assert found["connections"] == ("ok", "teleapp answers; teleops answers", "")
    directory = stack.env["TELEOPS_CONNECTION_DIR"]
    path = os.path.join(directory, "shop")
    try:
        for words, mode, said, todo in (("url = http://127.0.0.1:1", 0o644, "connection shop: the request failed", "correct the file"),
                                        ("conninfo = host=/nonexistent dbname=x", 0o644, "connection shop: cannot connect", "correct the file"),
                                        ("conninfo = dbname=x\nurl = http://x", 0o644, "shop:2: unknown key, or one that the other keys", "correct the file"),
                                        ("nonsense = 1", 0o644, "shop:1: unknown key", "correct the file"), ("", 0o644, "names neither conninfo nor url", ""),
                                        ("url = http://127.0.0.1:1", 0o666, "can be written by others than root", ""),
                                        ("url = http://127.0.0.1:1", 0o600, "teleops-engine cannot read it", "chgrp"),
                                        ("url = http://127.0.0.1:1\npassword = AAAA", 0o644, "what was sealed for @shop is damaged", "")):
            with open(path, "w", encoding="utf-8") as f:
                f.write(words + "\n")
            os.chmod(path, mode)
            broken(stack, "connections", "FAIL", said, todo)
    finally:
        os.remove(path)
    stack.apply({"commands": [{"name": "lost", "kind": "sql", "connection": "shop", "statement": "SELECT 1"}]})
    try:
        broken(stack, "connections", "warn", "connection shop is not on this host (/lost)", "hosts of the engines")
    finally:
        stack.sql("DELETE FROM command WHERE name = 'lost'")
    broken(stack, "connections", "FAIL", "sql and http commands cannot run", "install it", TELEOPS_CALL_PROGRAM="/nonexistent/telecall")
    broken(stack, "connections", "FAIL", "there is no system user nobody-here", "useradd", TELEOPS_HTTP_USER="nobody-here")


# -- the database

def test_the_database_is_away(stack):
    broken(stack, "database", "FAIL", "cannot connect", "check setting database", DATABASE, TELEOPS_DATABASE="host=/nonexistent dbname=telemanager user=teleops_owner")
    broken(stack, "app database", "FAIL", "cannot connect", "app_database", TELEOPS_APP_DATABASE="host=/nonexistent dbname=teleapp")


def test_another_role_than_the_owner(stack):
    found = Findings(stack, TELEOPS_DATABASE=stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "postgres").replace("telemanager", "postgres"))
    assert found["schema"][0] == "FAIL" and "does not exist" in found["schema"][1] and "migrate" in found["schema"][2]


def test_the_schema_of_another_version(stack, tmp_path):
    copy = tmp_path / "schema"
    shutil.copytree(os.path.join(SOURCE, "schema"), copy)
    last = sorted((copy / "telemanager").glob("0*.sql"))[-1]
    (copy / "telemanager" / f"{int(last.name[:4]) + 1:04d}-next.sql").write_text("SELECT 1;")
    with open(copy / "telemanager/functions/text.sql", "a", encoding="utf-8") as f:
        f.write("-- another\n")
    broken(stack, "schema", "FAIL", f"it lacks {int(last.name[:4]) + 1:04d}-next.sql, it has another functions/text.sql", "teleops migrate", TELEOPS_SCHEMA_DIR=str(copy))
    (copy / "telemanager" / f"{int(last.name[:4]) + 1:04d}-next.sql").unlink()
    last.unlink()
    broken(stack, "schema", "FAIL", f"it is newer by {last.name}", "teleops migrate", TELEOPS_SCHEMA_DIR=str(copy))


def test_grants(stack):
    with undone(stack, "REVOKE EXECUTE ON FUNCTION admit FROM teleops_bot", "GRANT EXECUTE ON FUNCTION admit TO teleops_bot"):
        broken(stack, "grants", "FAIL", "teleops_bot lacks EXECUTE on admit", "grants.sql")
    with superuser(stack) as cursor:
        cursor.execute("ALTER ROLE teleops_sender NOLOGIN")
        try:
            broken(stack, "grants", "FAIL", "teleops_sender lacks LOGIN", "roles.sql")
        finally:
            cursor.execute("ALTER ROLE teleops_sender LOGIN")


def test_durability(stack):
    with undone(stack, "ALTER DATABASE telemanager SET synchronous_commit = off", "ALTER DATABASE telemanager RESET synchronous_commit"):
        broken(stack, "durability", "FAIL", "synchronous_commit is off", "set it to on")


@pytest.fixture
def standby(stack, tmp_path):
    """Something that streams as a standby does."""
    data, sockets = os.path.join(stack.dir, "postgres"), stack.env["DEMO_SOCKET_DIR"] + "/postgres"
    hba = os.path.join(data, "pg_hba.conf")
    with open(hba, encoding="utf-8") as f:
        before = f.read()
    target = os.path.join(stack.dir, "standby")
    os.makedirs(target)
    shutil.chown(target, "postgres")
    with open(hba, "a", encoding="utf-8") as f:
        f.write("local replication postgres peer map=demo\n")
    with superuser(stack) as cursor:
        cursor.execute("SELECT pg_reload_conf()")
    program = os.path.join(os.path.dirname(os.readlink(f"/proc/{stack.pid('postgres')}/exe")), "pg_receivewal")
    process = subprocess.Popen([program, "-D", target, "-h", sockets, "-U", "postgres"], user="postgres", group="postgres", extra_groups=[], cwd="/",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert stack.wait(lambda: stack.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [(1,)])
        yield
    finally:
        process.terminate()
        process.wait()
        with open(hba, "w", encoding="utf-8") as f:
            f.write(before)
        with superuser(stack) as cursor:
            cursor.execute("SELECT pg_reload_conf()")
        shutil.rmtree(target)
        assert stack.wait(lambda: stack.sql("SELECT count(*) FROM pg_stat_replication") == [(0,)])


def test_a_standby_that_is_not_synchronous(stack, standby):  # pylint: disable=unused-argument
    broken(stack, "replication", "warn", "1 standby, none of them synchronous", "synchronous_standby_names")


def test_a_forgotten_transaction(stack):
    forgotten = psycopg2.connect(stack.env["TELEOPS_DATABASE"])
    forgotten.set_session(isolation_level="REPEATABLE READ")
    try:
        forgotten.cursor().execute("SELECT 1")
        # A hundred thousand transactions, each of which writes something.
        stack.sql("""DO $$ BEGIN CREATE TEMPORARY TABLE t (a integer) ON COMMIT DROP;
            FOR i IN 1 .. 100100 LOOP BEGIN INSERT INTO t VALUES (i); EXCEPTION WHEN OTHERS THEN RAISE; END; END LOOP; END $$""")
        broken(stack, "transactions", "warn", f"pid {forgotten.get_backend_pid()} (teleops_owner", "pg_terminate_backend")
    finally:
        forgotten.close()


def test_history_without_a_partition(stack):
    insert = """INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at, finished_at)
        VALUES (0, 'done', 1, 'default', 1, 'x', 1, 1, 1, '{}', '', '1999-01-01', '1999-01-01')"""
    with undone(stack, insert, "DELETE FROM task_history_default"):
        broken(stack, "history", "FAIL", "task_history_default is not empty", "move its rows")


def test_rejected_updates(stack):
    with undone(stack, "INSERT INTO update_rejected (update_id, reason) VALUES (1, 'test')", "DELETE FROM update_rejected"):
        broken(stack, "updates", "warn", "1 of the last day could not be stored", "update_rejected")


# -- engines and the sender

def test_no_engine_alive(stack):
    os.kill(stack.pid("teleengine"), signal.SIGSTOP)
    try:
        assert stack.wait(lambda: stack.sql("SELECT lease_until < now() FROM engine") == [(True,)], 25)
        broken(stack, "engines", "FAIL", "none is alive", "start teleengine", {"queues", "programs"})
    finally:
        os.kill(stack.pid("teleengine"), signal.SIGCONT)
    assert stack.wait(lambda: stack.sql("SELECT lease_until > now() FROM engine") == [(True,)], 25)


def test_an_engine_that_went_away(stack):
    with undone(stack, "INSERT INTO engine (name, lease_until) VALUES ('old', now() - interval '1 hour')", "DELETE FROM engine WHERE name = 'old'"):
        broken(stack, "engines", "warn", "old went away 36", "start it again")


def test_queues(stack):
    command = {"name": "stranded", "kind": "text", "template": "x", "queue": "nowhere"}
    stack.apply({"commands": [command]})
    broken(stack, "queues", "FAIL", "no engine serves queue nowhere (/stranded)", "setting queues")
    stack.apply({"commands": [{**command, "enabled": False}]})
    with undone(stack, "UPDATE engine SET queues = queues || 'defualt'::text", "UPDATE engine SET queues = array_remove(queues, 'defualt')"):
        broken(stack, "queues", "warn", "serves queue defualt, which does not exist", "typing mistake")


def test_programs(stack):
    command = {"name": "lacking", "kind": "exec", "program": "not-installed"}
    stack.apply({"commands": [command]})
    broken(stack, "programs", "warn", "no engine of its queue has not-installed (/lacking)", "exec_dir")
    stack.apply({"commands": [{**command, "enabled": False}]})


def test_hooks(stack):
    assert Findings(stack)["hooks"][1] == "none"
    stack.sql("INSERT INTO chat (chat_id, type, title) VALUES (-4711, 'group', 'Alerts') ON CONFLICT DO NOTHING")
    stack.apply({"hooks": [{"name": "disks", "chat_id": -4711}]})
    chat = "UPDATE chat SET allowed = true, blocked_at = NULL, title = 'Alerts' WHERE chat_id = -4711"
    hook = "UPDATE hook SET token_hash = sha256('t'), token_at = now(); DELETE FROM hook_pace"
    try:
        broken(stack, "hooks", "warn", "disks (chat -4711): it has no address yet", "teleops hook renew")
        stack.sql(hook)
        assert Findings(stack)["hooks"] == ("ok", "1, each with an address and a chat that takes its alerts", "")
        with undone(stack, "UPDATE chat SET allowed = false WHERE chat_id = -4711", chat):
            broken(stack, "hooks", "FAIL", "disks (chat -4711): not allowed", "teleops chat allow")
        with undone(stack, "UPDATE chat SET blocked_at = now() WHERE chat_id = -4711", chat):
            broken(stack, "hooks", "FAIL", "closed to the bot", "let it in again")
        with undone(stack, "UPDATE chat SET title = '' WHERE chat_id = -4711", chat):
            broken(stack, "hooks", "warn", "heard nothing from there", "correct chat_id")
        with undone(stack, "INSERT INTO outbox_dead (id, op, chat_id, text, reason, created_at) VALUES (99000001, 'live', -4711, 'x', 'Bad Request: chat not found', now())",
                    "DELETE FROM outbox_dead"):
            broken(stack, "hooks", "FAIL", "Telegram knows no such chat", "/id in the chat")
        with undone(stack, "UPDATE hook SET token_at = now() - interval '8 days'", hook):
            broken(stack, "hooks", "warn", "nothing has come", "see whether its sender has the address")
            stack.sql("INSERT INTO hook_pace (hook_id) SELECT id FROM hook")
            assert Findings(stack)["hooks"][0] == "ok"
        with undone(stack, "UPDATE hook SET enabled = false, token_hash = NULL", "UPDATE hook SET enabled = true; " + hook):
            assert Findings(stack)["hooks"][1] == "none", "who is off is not asked after"
    finally:
        stack.sql("DELETE FROM hook; DELETE FROM chat WHERE chat_id = -4711")


def test_no_sender_active(stack):
    supervisor, sender = stack.pid("supervisor"), stack.pid("telesender")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(sender, signal.SIGKILL)
        assert stack.wait(lambda: stack.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telesender'") == [(0,)])
        broken(stack, "sender", "FAIL", "none is active", "start telesender")
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert stack.wait(lambda: stack.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0] > 0 and stack.pid("telesender") != sender)


def test_messages_that_wait(stack):
    """A row that another sender's epoch holds: nobody sends it."""
    with undone(stack, "INSERT INTO outbox (op, taken_by, last_error, created_at) VALUES ('set_commands', -1, 'Bad Gateway', now() - interval '10 minutes')",
                "DELETE FROM outbox"):
        broken(stack, "sender", "warn", "1 messages wait, one for 60", "see its log")


# -- Telegram

@contextlib.contextmanager
def telegram(stack, change):
    """The simulator's answers, changed on their way: change(method, answer) gives headers."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # pylint: disable=invalid-name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = stack.sim.call(self.path, json.loads(body))
            headers = change(self.path.rsplit("/", 1)[1], answer) or {}
            text = json.dumps(answer).encode()
            self.send_response_only(200)
            for key, value in {"Date": self.date_time_string(), "Content-Length": str(len(text)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args):  # pylint: disable=arguments-differ
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_token(stack):
    unseen = {"bot", "webhook", "Telegram's clock"}
    broken(stack, "token", "FAIL", "setting bot_token is missing", "bot_token_file", unseen, TELEOPS_BOT_TOKEN="")
    broken(stack, "token", "FAIL", "bot_token is no token", "BotFather", unseen, TELEOPS_BOT_TOKEN="abc def")
    broken(stack, "bot", "FAIL", "Telegram does not know this bot", "check bot_token", {"webhook", "Telegram's clock"}, TELEOPS_BOT_TOKEN="7000000009:unknown")
    broken(stack, "bot", "FAIL", "cannot be reached", "check api_base", {"webhook", "Telegram's clock"}, TELEOPS_API_BASE="http://127.0.0.1:1")


def test_secret_files_that_everybody_can_read(stack, tmp_path):
    for name, key, text in (("token", "BOT_TOKEN", stack.env["TELEOPS_BOT_TOKEN"]), ("secret", "WEBHOOK_SECRET", stack.env["TELEOPS_WEBHOOK_SECRET"])):
        path = tmp_path / name
        path.write_text(text + "\n")
        path.chmod(0o644)
        broken(stack, name, "warn", f"{path} can be read or written by everybody", "chmod", **{f"TELEOPS_{key}": "", f"TELEOPS_{key}_FILE": str(path)})
    broken(stack, "secret", "FAIL", "webhook_secret may hold", "openssl rand", TELEOPS_WEBHOOK_SECRET="not allowed!")
    broken(stack, "secret", "FAIL", "setting webhook_secret is missing", "webhook_secret_file", TELEOPS_WEBHOOK_SECRET="")


@pytest.fixture
def restored(stack):
    yield
    stack.sim.call("/sim/reset", {})
    done = stack.teleops("webhook", "set", "--certificate", stack.env["DEMO_CERT"])
    assert done.returncode == 0, done.stderr


def set_webhook(stack, url, **more):
    assert stack.sim.call(f"/bot{stack.env['TELEOPS_BOT_TOKEN']}/setWebhook", {"url": url, **more})["ok"]


def test_a_webhook_somewhere_else(stack, restored):  # pylint: disable=unused-argument
    set_webhook(stack, "https://elsewhere.example/webhook")
    broken(stack, "webhook", "FAIL", "Telegram delivers to https://elsewhere.example/webhook", "teleops webhook set")


def test_a_webhook_that_fails(stack, restored):  # pylint: disable=unused-argument
    url = "https://127.0.0.1:1/webhook"
    set_webhook(stack, url)
    stack.sim.say(4001, "/help")
    assert stack.wait(lambda: stack.sim.health()["last_error"])
    broken(stack, "webhook", "FAIL", "1 updates wait, and", "nothing listens there", TELEOPS_WEBHOOK_URL=url)


def test_updates_that_are_not_delivered(stack, restored):  # pylint: disable=unused-argument
    set_webhook(stack, stack.env["TELEOPS_WEBHOOK_URL"], allowed_updates=["message"])
    broken(stack, "webhook", "FAIL", "updates of kind callback_query are not delivered", "again")


def test_neither_webhook_nor_poller(stack, restored):  # pylint: disable=unused-argument
    assert stack.teleops("webhook", "delete").returncode == 0
    broken(stack, "webhook", "FAIL", "nobody takes updates", "start teleops poll")
    with psycopg2.connect(stack.env["TELEOPS_DATABASE"] + " application_name=telepoll"):
        found = Findings(stack, TELEOPS_BOT_SOCKET="/nonexistent", TELEOPS_WEBHOOK_SECRET="")
        assert {n: f for n, f in found.items() if f[0] != "ok"} == {}, "a poller needs neither TeleBot nor a secret"


def test_clocks_that_differ(stack):
    def late(_method, _answer):
        return {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))}
    with telegram(stack, late) as address:
        broken(stack, "Telegram's clock", "warn", "s before this host's", "NTP", TELEOPS_API_BASE=address)


def test_a_sender_with_another_bot(stack):
    def other(method, answer):
        if method == "getMe":
            answer["result"]["username"] = "other_bot"
    with telegram(stack, other) as address:
        broken(stack, "sender", "FAIL", "it speaks as @teleops_bot, this token is @other_bot's", "same bot_token", TELEOPS_API_BASE=address)


# -- what stands in front

def test_sockets(stack, tmp_path):
    stale = str(tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    broken(stack, "telebot", "FAIL", f"{stale}: nobody listens", "start telebot.fcgi", TELEOPS_BOT_SOCKET=stale)
    broken(stack, "telemanager", "FAIL", "/nonexistent: No such file", "start telemanager.fcgi", TELEOPS_MANAGER_SOCKET="/nonexistent")


def test_ports(stack):
    broken(stack, "webhook port", "FAIL", "127.0.0.1:1: ", "nginx -t", TELEOPS_WEBHOOK_PORT="1")
    with telegram(stack, lambda method, answer: None) as address:
        port = address.rsplit(":", 1)[1]
        broken(stack, "admin port", "FAIL", f"127.0.0.1:{port}: ", "nginx -t", TELEOPS_ADMIN_PORT=port)


def certificate(directory, days):
    """One that ends so many days from now, which may be before now."""
    path = directory / f"cert{days}.pem"
    (directory / "index").write_text("")
    (directory / "ca.conf").write_text(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {directory}/index\nnew_certs_dir = {directory}\nrand_serial = yes\n"
                                       "default_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n")
    start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + at * 86400)) for at in (days - 30, days))
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout",
                    str(directory / "key"), "-out", str(directory / "request")], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", str(directory / "ca.conf"), "-keyfile", str(directory / "key"), "-in",
                    str(directory / "request"), "-startdate", start, "-enddate", end, "-out", str(path)], check=True, stderr=subprocess.DEVNULL)
    return str(path)


def test_certificates(stack, tmp_path):
    ports = {"unseen": {"webhook port", "admin port"}, "TELEOPS_WEBHOOK_PORT": "0", "TELEOPS_ADMIN_PORT": "0"}
    broken(stack, "certificate", "FAIL", "expired 3 days ago", "renew it", TELEOPS_CERTIFICATE=certificate(tmp_path, -3), **ports)
    broken(stack, "certificate", "warn", "expires in 10 days", "renew it", TELEOPS_CERTIFICATE=certificate(tmp_path, 10.5), **ports)
    broken(stack, "certificate", "FAIL", "is not valid yet", "clock", TELEOPS_CERTIFICATE=certificate(tmp_path, 40), **ports)
    broken(stack, "certificate", "FAIL", "No such file", "correct setting certificate", TELEOPS_CERTIFICATE="/nonexistent")
    broken(stack, "certificate", "FAIL", "holds no certificate", "correct setting certificate", TELEOPS_CERTIFICATE="/etc/hostname")
    broken(stack, "webhook port", "warn", "nginx serves another certificate", "reload nginx", {"admin port"}, TELEOPS_CERTIFICATE=certificate(tmp_path, 20),
           TELEOPS_ADMIN_PORT="0")
