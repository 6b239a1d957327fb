"""What an operator can see: /metrics counts what was done, and one id leads through all logs."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from support import fastcgi
from support.exposition import Scrape

TOKEN = "a token for the tests of metrics"


def scrape(stack):
    connection = stack.connection("TELEOPS_ADMIN_PORT")
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"), text
    return Scrape(text)


def restart(stack, *names):
    """What stops in good order tells before what it has counted; so nothing has to be waited for."""
    for name in names:
        stack.kill(name, signal.SIGTERM)


def lines(stack, name, event, **fields):
    """The logfmt lines of an event that carry these fields."""
    wanted = [f" {key}={value}" for key, value in fields.items()]
    return [line for line in stack.logged(name).splitlines() if f" event={event} " in line and all(re.search(re.escape(w) + r"( |$)", line) for w in wanted)]


class Counted:
    """The difference between two looks."""
    def __init__(self, before, after):
        self.before, self.after = before, after

    def __call__(self, name, **labels):
        return self.after.count(name, **labels) - self.before.count(name, **labels)

    def all(self, name):
        """{label values: how much more}, of those that rose."""
        keys = [labels for full, labels in self.after.samples if full == name]
        more = {tuple(v for _, v in labels): self(name, **dict(labels)) for labels in keys}
        return {values: n for values, n in more.items() if n}


@pytest.fixture
def nothing_by_itself(stack):
    """Lists of choices are made by tasks as well, which would be counted among the test's."""
    stack.sql("UPDATE command_parameter SET every_s = 86400 WHERE choices_from IS NOT NULL")
    yield
    stack.sql("UPDATE command_parameter SET every_s = 5 WHERE choices_from IS NOT NULL")


def test_counters_grow_by_exactly_what_was_done(stack, nothing_by_itself):
    assert stack.settled()
    restart(stack, "telebot", "teleengine", "telesender")
    before = scrape(stack)
    calls = len(stack.sim.calls("sendMessage"))
    stack.sim.fault("429", method="sendMessage", chat_id=5002, retry_after=1)
    stack.sim.fault("500", method="sendMessage", chat_id=5003)
    stack.sim.fault("400", method="sendMessage", chat_id=5004, description="Bad Request: no")
    for who in (5001, 5002, 5003, 5004):
        for n in range(3):
            stack.sim.say(who, f"/echo {n}")
    stack.sim.say(4001, "/broken 3")
    stack.sim.say(4001, "/typed 4")
    stack.sim.say(4001, "/help")
    stack.sim.say(4002, "/echo not for bob")
    stack.sim.say(4003, "/echo switched off")
    same = {"update_id": stack.number(), "message": stack.message(4001, "/whoami")}
    assert [stack.post(same)[0] for _ in range(3)] == [200] * 3
    assert stack.post({"update_id": stack.number()}, {"X-Telegram-Bot-Api-Secret-Token": "wrong"})[0] == 403
    assert [stack.post(b"{")[0] for _ in range(2)] == [400] * 2
    assert stack.post(b"", method="GET")[0] == 405
    assert stack.settled()
    restart(stack, "telebot", "teleengine", "telesender")
    more = Counted(before, scrape(stack))

    # 12 echoes, 5 other messages of the simulator, one update posted three times.
    assert more("teleops_updates_received_total") == 20
    assert more.all("teleops_updates_admitted_total") == {("task",): 14, ("reply",): 2, ("refused",): 1, ("disabled",): 1, ("duplicate",): 2}
    assert more("teleops_updates_rejected_total") == 0
    assert more.all("teleops_updates_refused_total") == {("403",): 1, ("400",): 2, ("405",): 1}
    assert more("teleops_admission_seconds_count") == 20
    assert more("teleops_admission_batch_size_sum") == 20 and 1 <= more("teleops_admission_batch_size_count") <= 20

    assert more("teleops_claim_seconds_count") == 14
    assert more.all("teleops_tasks_finished_total") == {("echo", "done"): 12, ("broken", "failed"): 1, ("typed", "done"): 1}
    assert [more("teleops_run_seconds_count", command=c) for c in ("echo", "broken", "typed")] == [12, 1, 1]
    assert more("teleops_tasks_given_back_total") == 0

    # One answer to each, and one echo of 5004 refused for good; what the simulator refused was asked again, or not.
    assert more("teleops_sent_total", op="send") == 18 - 1
    # Menus may be sent besides, to whoever writes for the first time.
    assert 17 <= more("teleops_send_seconds_count") <= sum(more.all("teleops_sent_total").values())
    assert more.all("teleops_not_sent_total") == {("dead",): 1}
    assert more.all("teleops_telegram_errors_total") == {("429",): 1, ("500",): 1, ("400",): 1}
    assert more.all("teleops_telegram_waits_total") == {("chat",): 1} and more("teleops_telegram_wait_seconds_total") == 1
    assert len(stack.sim.calls("sendMessage")) - calls == 17 + 3


def test_the_answer_holds_what_is_true_now(stack):
    assert stack.settled()
    assert stack.wait(lambda: len({labels for name, labels in scrape(stack).samples if name == "teleops_memory_resident_bytes"}) == 4, 60, 0.5)
    now = scrape(stack)
    schema, catalogue = stack.sql("SELECT (SELECT max(version) FROM schema_version), (SELECT version FROM catalogue_version)")[0]
    assert now.value("teleops_schema_version") == schema and now.value("teleops_catalogue_version") == catalogue
    assert now.value("teleops_engines", state="alive") == 1 and now.value("teleops_engine_slots", engine="demo") == 8
    assert now.value("teleops_queue_engines", queue="default") == 1 and now.value("teleops_tasks", queue="default", state="queued") == 0
    assert now.value("teleops_outbox", op="send") == 0 and now.value("teleops_transaction_oldest_seconds") < 60
    host = socket.gethostname()
    for program, node in (("telebot", host), ("telemanager", host), ("telesender", host), ("teleengine", "demo")):
        with open(f"/proc/{stack.pid(program)}/statm", encoding="utf-8") as f:
            resident = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        assert resident / 2 < now.value("teleops_memory_resident_bytes", program=program, node=node) < resident * 2
    stack.sim.say(4001, "/stubborn birch")
    assert stack.wait(lambda: scrape(stack).value("teleops_engine_slots_used", engine="demo") == 1)
    assert stack.settled()


def test_running_programs_tell_every_ten_seconds(stack):
    """Without a stop, and after the database was away: what was counted meanwhile is kept."""
    assert stack.settled()
    restart(stack, "telebot", "teleengine", "telesender")
    before = scrape(stack)
    stack.sim.say(5001, "/echo one")
    assert stack.settled()
    stack.kill("postgres", signal.SIGINT)
    stack.sim.say(5001, "/echo two")
    assert stack.settled()
    names = (("teleops_updates_admitted_total", {"outcome": "task"}), ("teleops_tasks_finished_total", {"command": "echo", "state": "done"}),
             ("teleops_sent_total", {"op": "send"}))
    programs = ("telebot", "teleengine", "telesender")

    def missing():
        more = Counted(before, scrape(stack))
        return [(name, more(name, **labels)) for name, labels in names if more(name, **labels) != 2] + [
            program for program in programs if not more("teleops_database_reconnects_total", program=program)]
    assert stack.wait(lambda: not missing(), 30, 0.5), missing()


# -- who may look

@pytest.fixture
def manager(stack, tmp_path):
    """A TeleManager of the test's own, to be spoken to as nginx would; ask(database) starts one."""
    held = []

    def start(**env):
        path = os.path.join(stack.env["DEMO_SOCKET_DIR"], f"test-{len(held)}.sock")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(16)
        common = {k: stack.env[k] for k in ("TELEOPS_CONFIG", "TELEOPS_TEMPLATE_DIR")}
        process = subprocess.Popen([os.path.join(stack.dir, "app/usr/libexec/teleops/telemanager.fcgi")], stdin=listening, stderr=subprocess.PIPE,
                                   user="teleops-manager", group="teleops-manager", extra_groups=[],
                                   env={**common, "TELEOPS_DATABASE": stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_manager"), **env})
        listening.close()
        held.append((process, path))
        return path, process
    yield start
    for process, path in held:
        process.terminate()
        log = process.communicate(timeout=20)[1].decode()
        os.unlink(path)
        assert process.returncode == 0 and TOKEN not in log and "Sanitizer" not in log and "runtime error" not in log, log


LOOPBACK = ["127.0.0.1", "127.255.3.4", "::1", "::ffff:127.0.0.1"]
ELSEWHERE = ["192.0.2.1", "126.255.255.255", "128.0.0.1", "::2", "::ffff:192.0.2.1", "2001:db8::1", "unix:", "", "127.0.0.1.example", "localhost"]


def test_without_a_token_only_loopback_may_look(manager):
    path, process = manager()
    for remote in LOOPBACK:
        status, headers, text = fastcgi.get(path, "/metrics", remote)
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" and Scrape(text).samples, remote
    for remote in ELSEWHERE:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {TOKEN}"}):
            status, _, text = fastcgi.get(path, "/metrics", remote, headers)
            assert status == 403 and "teleops_" not in text, (remote, headers)
    for header in ("X-Forwarded-For", "Forwarded"):
        assert fastcgi.get(path, "/metrics", "127.0.0.1", {header: "for=203.0.113.9"})[0] == 403
    assert fastcgi.get(path, "/metrics", "127.0.0.1", method="POST")[0] == 405
    assert fastcgi.get(path, "/metrics", "192.0.2.1", method="HEAD")[0] == 403
    process.terminate()
    assert " event=refused path=/metrics from=192.0.2.1 " in process.stderr.read().decode()


def test_with_the_token_anybody_may_look(manager, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    os.chmod(tmp_path, 0o755)
    os.chmod(tmp_path / "token", 0o644)
    given, _ = manager(TELEOPS_METRICS_TOKEN=TOKEN)
    for word in ("Bearer", "bearer", "BEARER"):
        status, _, text = fastcgi.get(given, "/metrics", "192.0.2.1", {"Authorization": f"{word} {TOKEN}"})
        assert status == 200 and Scrape(text).samples
    for wrong in (TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer  {TOKEN}", f"Bearer {TOKEN.upper()}", "Bearer", "Bearer "):
        assert fastcgi.get(given, "/metrics", "192.0.2.1", {"Authorization": wrong})[0] == 403, wrong
    assert fastcgi.get(given, "/metrics", "127.0.0.1")[0] == 200


def test_the_token_may_stand_in_a_file_and_comes_through_nginx(stack):
    """What says that it came through a proxy is not from loopback, so that only the token can open here."""
    def ask(**headers):
        connection = stack.connection("TELEOPS_ADMIN_PORT")
        connection.request("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.9", **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status
    assert ask() == 403 and ask(Authorization="Bearer x") == 403
    assert ask(Authorization="Bearer " + stack.env["TELEOPS_METRICS_TOKEN"]) == 200
    assert stack.env["TELEOPS_METRICS_TOKEN"] not in stack.logged("telemanager") + stack.logged("nginx")


def test_without_the_database_there_are_no_metrics(manager):
    path, _ = manager(TELEOPS_DATABASE="host=/nonexistent user=teleops_manager dbname=telemanager")
    began = time.monotonic()
    status, _, text = fastcgi.get(path, "/metrics")
    assert status == 503 and "teleops_" not in text and time.monotonic() - began < 6
    assert fastcgi.get(path, "/metrics", "192.0.2.1")[0] == 403, "who may not look learns nothing of it"


# -- one id through all logs

def test_one_id_leads_from_the_update_to_the_sent_message(stack):
    for who, text, state in ((5001, "/echo traced", "done"), (5002, "/broken 7", "failed"), (5003, "/typed 5", "done")):
        number = stack.number()
        assert stack.post({"update_id": number, "message": stack.message(who, text)})[0] == 200
        assert stack.settled()
        admitted, = lines(stack, "telebot", "admitted", update=number)
        assert f" chat={who} outcome=task " in admitted
        steps = [lines(stack, "teleengine", event, update=number) for event in ("claimed", "started", "finished")]
        assert [len(found) for found in steps] == [1, 1, 1], text
        task, = {re.search(r" task=(\d+) ", line).group(1) for found in steps for line in found}
        assert f" state={state} " in steps[2][0]
        sent, = lines(stack, "telesender", "sent", update=number)
        assert f" chat={who} " in sent and f" task={task} " in sent
        times = [line.split()[0] for line in (admitted, *(found[0] for found in steps), sent)]
        assert times[1:] == sorted(times[1:])


def test_what_was_not_done_carries_its_id_too(stack):
    def post(who, text):
        number = stack.number()
        assert stack.post({"update_id": number, "message": stack.message(who, text)})[0] == 200
        assert stack.settled()
        return number
    refused = post(4002, "/echo not for bob")
    assert " outcome=refused " in lines(stack, "telebot", "admitted", update=refused)[0]
    assert len(lines(stack, "telesender", "sent", update=refused)) == 1
    stack.sim.fault("400", method="sendMessage", chat_id=5001, description="Bad Request: no")
    dead = post(5001, "/echo unwanted")
    assert " outcome=dead " in lines(stack, "telesender", "not_sent", update=dead)[0]
    stack.sim.fault("429", method="sendMessage", chat_id=5001, retry_after=1)
    waited = post(5001, "/echo patient")
    assert len(lines(stack, "telesender", "limited", update=waited)) == 1 and len(lines(stack, "telesender", "sent", update=waited)) == 1
    stack.sim.fault("502", method="sendMessage", chat_id=5001)
    away = post(5001, "/echo steadfast")
    assert len(lines(stack, "telesender", "telegram_away", update=away)) == 1


def test_an_update_that_the_database_refuses_is_named(stack):
    """A limit of the database that nothing before it knows: made for the test, and taken away again."""
    before = scrape(stack).count("teleops_updates_rejected_total")
    stack.sql("ALTER TABLE task ADD CONSTRAINT of_the_test CHECK (line NOT LIKE '%%poison%%') NOT VALID")
    number = stack.number()
    try:
        assert stack.post({"update_id": number, "message": stack.message(5001, "/echo poison")})[0] == 200
    finally:
        stack.sql("ALTER TABLE task DROP CONSTRAINT of_the_test")
    assert "of_the_test" in lines(stack, "telebot", "rejected", update=number)[0]
    restart(stack, "telebot")
    now = scrape(stack)
    assert now.count("teleops_updates_rejected_total") == before + 1 and now.value("teleops_updates_rejected_kept") >= 1
    stack.sql("DELETE FROM update_rejected WHERE update_id = %s", (number,))
