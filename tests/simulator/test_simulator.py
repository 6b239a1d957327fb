"""The simulator refuses what a real server refuses; else the tests that use it would prove little."""
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.error

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import Process  # noqa: E402


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    p = Process(tmp_path_factory.mktemp("sim"), "1:token")
    yield p
    p.stop()


@pytest.fixture
def sim(process):
    process.call("/sim/reset", {})
    process.bot("deleteWebhook")
    return process


def description(answer):
    return (answer["error_code"], answer["description"])


def test_wrong_token_and_method(sim):
    assert sim.call("/bot2:other/getMe", {})["error_code"] == 401
    assert sim.bot("getNothing")["error_code"] == 404
    assert sim.bot("GETME")["result"]["username"] == "teleops_bot"


def test_who_can_be_written_to(sim):
    assert description(sim.bot("sendMessage", {"chat_id": 99999, "text": "x"})) == (400, "Bad Request: chat not found")
    assert sim.bot("sendMessage", {"chat_id": 1001, "text": "x"})["error_code"] == 403
    sim.say(1001, "hello")
    assert sim.bot("sendMessage", {"chat_id": 1001, "text": "x"})["ok"]
    sim.call("/sim/block", {"chat": 1001})
    assert description(sim.bot("sendMessage", {"chat_id": 1001, "text": "x"})) == (403, "Forbidden: bot was blocked by the user")


@pytest.mark.parametrize("text, good", [("", False), (" \n", False), ("a" * 4096, True), ("a" * 4097, False), ("\U0001f600" * 2048, True),
                                        ("\U0001f600" * 2049, False)], ids=lambda v: str(len(v)) if isinstance(v, str) else str(v))
def test_text_length_in_utf16_units(sim, text, good):
    assert sim.bot("sendMessage", {"chat_id": -2001, "text": text})["ok"] is good


@pytest.mark.parametrize("offset, length, good", [(0, 2, True), (0, 4, True), (0, 5, False), (-1, 1, False), (1, 1, False), (0, 3, True), (2, 0, False)])
def test_entities_in_range_and_whole(sim, offset, length, good):
    answer = sim.bot("sendMessage", {"chat_id": -2001, "text": "\U0001f600ab", "entities": [{"type": "bold", "offset": offset, "length": length}]})
    assert answer["ok"] is good
    assert good or "can't parse entities" in answer["description"]


def test_buttons(sim):
    def send(button):
        return sim.bot("sendMessage", {"chat_id": -2001, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}})
    assert send({"text": "ok", "callback_data": "d" * 64})["ok"]
    assert send({"text": "ok", "callback_data": "d" * 65})["description"] == "Bad Request: BUTTON_DATA_INVALID"
    assert send({"text": "ok", "callback_data": "é" * 33})["description"] == "Bad Request: BUTTON_DATA_INVALID"
    assert not send({"text": "ok"})["ok"]


def test_topics(sim):
    forum = -1000000002002
    assert sim.bot("sendMessage", {"chat_id": forum, "text": "x", "message_thread_id": 5})["result"]["message_thread_id"] == 5
    for gone in (1, 77):
        assert description(sim.bot("sendMessage", {"chat_id": forum, "text": "x", "message_thread_id": gone})) == (400, "Bad Request: message thread not found")


def test_edit(sim):
    sent = sim.bot("sendMessage", {"chat_id": -2001, "text": "one"})["result"]["message_id"]
    edit = {"chat_id": -2001, "message_id": sent, "text": "two"}
    assert sim.bot("editMessageText", edit)["result"]["text"] == "two"
    assert "message is not modified" in sim.bot("editMessageText", edit)["description"]
    assert "message to edit not found" in sim.bot("editMessageText", {**edit, "message_id": 999})["description"]


def test_callbacks(sim):
    sim.say(1001, "x")
    sent = sim.bot("sendMessage", {"chat_id": 1001, "text": "sure?", "reply_markup": {"inline_keyboard": [[{"text": "yes", "callback_data": "y"}]]}})
    pressed = sim.press(1001, sent["result"]["message_id"], "y")
    query = [u for u in sim.bot("getUpdates")["result"] if "callback_query" in u][0]["callback_query"]
    assert query["data"] == "y" and query["id"] == pressed["callback_query_id"]
    assert not sim.bot("answerCallbackQuery", {"callback_query_id": query["id"], "text": "z" * 201})["ok"]
    assert sim.bot("answerCallbackQuery", {"callback_query_id": query["id"], "text": "fine"})["ok"]
    assert sim.call(f"/sim/callback/{query['id']}")["answer"]["text"] == "fine"
    assert "query is too old" in sim.bot("answerCallbackQuery", {"callback_query_id": "1"})["description"]


def test_menu(sim):
    assert sim.bot("setMyCommands", {"commands": [{"command": "say", "description": "Say"}]})["ok"]
    assert sim.bot("getMyCommands")["result"][0]["command"] == "say"
    assert sim.bot("setMyCommands", {"commands": [{"command": "Say", "description": "Say"}]})["description"] == "Bad Request: BOT_COMMAND_INVALID"
    assert not sim.bot("setMyCommands", {"commands": [{"command": f"c{i}", "description": "x"} for i in range(101)]})["ok"]


def test_long_polling_waits_and_confirms(sim):
    started = time.monotonic()
    assert sim.bot("getUpdates", {"timeout": 1})["result"] == [] and time.monotonic() - started >= 0.9
    threading.Timer(0.3, lambda: sim.say(1001, "/id")).start()
    update, = sim.bot("getUpdates", {"timeout": 10})["result"]
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 3}]
    assert sim.bot("getUpdates", {"offset": update["update_id"] + 1})["result"] == []


def test_faults(sim):
    target = {"chat_id": -2001, "text": "x"}
    sim.fault("429", method="sendMessage", retry_after=7)
    assert sim.bot("sendMessage", target)["parameters"] == {"retry_after": 7}
    sim.fault("500", method="sendMessage", chat_id=-2001)
    assert sim.bot("sendMessage", {"chat_id": -1000000002003, "text": "x"})["ok"]
    assert sim.bot("sendMessage", target)["error_code"] == 500
    before = len(sim.messages(-2001))
    sim.fault("reset", after=True)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        sim.bot("sendMessage", target)
    assert len(sim.messages(-2001)) == before + 1, "it was sent, only nobody was told"
    assert "error" in sim.fault("earthquake")


def test_limits(sim):
    sim.call("/sim/limits", {"on": True})
    answers = [sim.bot("sendMessage", {"chat_id": -2001, "text": "x"}) for _ in range(25)]
    assert sum(a["ok"] for a in answers) == 20 and answers[-1]["parameters"]["retry_after"] >= 1


def test_group_that_became_a_supergroup(sim):
    sim.call("/sim/migrate", {"chat": -2001, "to": -1000000009001})
    assert sim.bot("sendMessage", {"chat_id": -2001, "text": "x"})["parameters"] == {"migrate_to_chat_id": -1000000009001}
    assert sim.bot("sendMessage", {"chat_id": -1000000009001, "text": "x"})["ok"]


class Hook:
    """A webhook of our own, with TLS."""

    def __init__(self, directory):
        self.got, self.answers = [], []
        cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append((time.monotonic(), self.headers.get("X-Telegram-Bot-Api-Secret-Token"), body))
                status, headers, text = hook.answers.pop(0) if hook.answers else (200, {}, "")
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.cert = cert
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/webhook"


@pytest.fixture
def hook(tmp_path, sim):
    h = Hook(tmp_path)
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-F", f"url={h.url}", "-F", f"certificate=@{h.cert}", "-F", "secret_token=s3cret",
                    f"{sim.address}/bot{sim.token}/setWebhook"], check=True)
    yield h
    sim.bot("deleteWebhook")
    h.server.shutdown()


def test_webhook_delivers_with_secret_in_sequence_and_again(sim, hook):
    hook.answers = [(503, {"Retry-After": "1"}, ""), (500, {}, "")]
    for i in range(3):
        sim.say(1001, f"m{i}")
    assert sim.wait(lambda: len(hook.got) >= 5, 10)
    assert [g[2]["message"]["text"] for g in hook.got] == ["m0", "m0", "m0", "m1", "m2"]
    assert {g[1] for g in hook.got} == {"s3cret"}
    assert hook.got[1][0] - hook.got[0][0] >= 0.9, "Retry-After is honoured"
    assert sim.wait(lambda: sim.health()["pending"] == 0)
    assert "500" in sim.bot("getWebhookInfo")["result"]["last_error_message"]
    assert sim.bot("getUpdates")["error_code"] == 409


def test_one_chat_does_not_hold_up_another(sim, hook):
    hook.answers = [(503, {"Retry-After": "3"}, "")]
    sim.say(1001, "stuck")
    assert sim.wait(lambda: hook.got)
    sim.say(1002, "free")
    assert sim.wait(lambda: len(hook.got) == 2, 2)


def test_the_answer_may_carry_a_call(sim, hook):
    hook.answers = [(200, {}, json.dumps({"method": "sendMessage", "chat_id": 1001, "text": "inline"}))]
    sim.say(1001, "x")
    assert sim.wait_answers(1001, 1) == ["inline"]


def test_set_webhook_refuses(sim):
    assert not sim.bot("setWebhook", {"url": "http://127.0.0.1/x"})["ok"]
    assert not sim.bot("setWebhook", {"url": "https://127.0.0.1/x", "secret_token": "no spaces"})["ok"]
    assert not sim.bot("setWebhook", {"url": "https://127.0.0.1/x", "certificate": "-----BEGIN"})["ok"]
    assert not sim.bot("setWebhook", {"url": "https://127.0.0.1/x", "max_connections": 101})["ok"]
