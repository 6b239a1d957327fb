"""What comes in at the webhook: only Telegram, only updates, and nothing that hurts."""
import json
import socket
import threading
import time

import psycopg2
import pytest
from stack import SECRET


def admitted(stack, number):
    return stack.count("update_seen", "update_id = %s", (number,)) == 1


def test_who_does_not_know_the_secret_is_turned_away(stack):
    number = stack.number()
    for wrong in (None, "", "x", SECRET[:-1], SECRET + "x", SECRET.upper()):
        status, _, text = stack.post({"update_id": number, "message": stack.message(4001, "/mark forged")},
                                     {"X-Telegram-Bot-Api-Secret-Token": wrong})
        assert status == 403 and SECRET not in text
    assert not admitted(stack, number) and stack.count("update_rejected", "update_id = %s", (number,)) == 0
    assert SECRET not in stack.logged("telebot")


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b"[{\"update_id\": 1}]", b"null", b"7", b"\"text\"", b"{}", b"{\"message\": {}}",
                                  b"{\"update_id\": \"7\"}", b"{\"update_id\": 1.5}", b"{\"update_id\": null}", b"{\"update_id\": true}",
                                  b"{\"update_id\": 99999999999999999999999}", b"{\"update_id\": 5} trailing", b"\xff\xfe{\"update_id\": 5}",
                                  b"{\"update_id\": 5, \"x\": \"\xff\"}", b"\x00"], ids=repr)
def test_what_is_no_update_gets_400(stack, body):
    before = stack.count("update_seen")
    assert stack.post(body)[0] == 400
    assert stack.count("update_seen") == before


def test_methods_types_and_sizes(stack):
    update = {"update_id": stack.number()}
    assert stack.post(None or b"", method="GET")[0] == 405
    assert stack.post(update, method="PUT")[0] == 405
    assert stack.post(update, {"Content-Type": "text/plain"})[0] == 415
    assert stack.post(update, path="/other")[0] == 404
    assert not admitted(stack, update["update_id"])
    assert stack.post(update, {"Content-Type": "application/json; charset=utf-8"})[0] == 200
    number = stack.number()
    head = json.dumps({"update_id": number, "future": ""})[:-2]
    most = head + "x" * (1024 * 1024 - len(head) - 2) + '"}'
    assert len(most) == 1024 * 1024 and stack.post(most)[0] == 200 and admitted(stack, number)
    assert stack.post(most + " ")[0] == 413


@pytest.mark.parametrize("text", ["nul \u0000 in it", "/echo nul \u0000 in it", "/echo \ud83d half a pair", "/echo \udc00", "/echo \ufffe\uffff", "/" * 4096,
                                  "/echo " + "\\" * 2000, "/echo '", "/\u0000", "/@", "/@teleops_bot", "/echo@", "/é", "/echo\u00a0x", " /echo x", "/"],
                         ids=ascii)
def test_strange_texts_are_answered_200_and_harm_nothing(stack, text):
    number = stack.number()
    assert stack.post(json.dumps({"update_id": number, "message": stack.message(4001, text) if text.split() else {}}))[0] == 200
    assert admitted(stack, number) or stack.count("update_rejected", "update_id = %s", (number,)) == 1
    assert stack.settled()


def test_shapes_that_telegram_never_sends(stack):
    message = stack.message(4001, "/echo x")
    shapes = [{}, {"message": None}, {"message": 7}, {"message": []}, {"message": {}}, {"message": {"chat": {}}},
              {"message": {**message, "chat": {"id": "4001"}}}, {"message": {**message, "from": None}}, {"message": {**message, "text": 5}},
              {"message": {**message, "text": None}}, {"message": {**message, "entities": "no"}}, {"message": {**message, "entities": [7, {}, None]}},
              {"message": {**message, "entities": [{"type": "bot_command", "offset": -5, "length": 10 ** 9}]}},
              {"message": {**message, "from": {"id": 2 ** 63}}}, {"message": {**message, "from": {"id": -1}}}, {"message": {**message, "date": "x"}},
              {"message": {**message, "message_thread_id": "x"}}, {"callback_query": {}}, {"callback_query": {"id": 5, "from": {"id": 4001}}},
              {"callback_query": {"id": "5", "from": {"id": 4001}, "data": "x" * 100000}}, {"poll": {"id": "1"}}, {"kind_of_2031": {"a": 1}},
              {"message": message, "edited_message": message}, {"my_chat_member": {}}, {"inline_query": {"id": "1", "from": {"id": 4001}, "query": "x"}}]
    for shape in shapes:
        number = stack.number()
        assert stack.post({"update_id": number, **shape})[0] == 200, shape
        assert admitted(stack, number) or stack.count("update_rejected", "update_id = %s", (number,)) == 1, shape
    assert stack.settled()


def test_nesting_bombs_and_duplicate_keys(stack):
    deep = '{"update_id": %d, "a": %s1%s}' % (stack.number(), "[" * 200000, "]" * 200000)
    assert stack.post(deep)[0] == 400
    number = stack.number()
    twice = '{"update_id": 1, "update_id": %d, "message": {"text": "/echo a", "text": "/mark twice"}}' % number
    assert stack.post(twice)[0] in (200, 400)
    many = json.dumps({"update_id": stack.number(), **{f"k{i}": i for i in range(50000)}})
    assert stack.post(many)[0] == 200
    assert stack.settled() and "twice" not in stack.marked()


def test_ids_of_52_bits(stack):
    big = 2 ** 52 - 1
    number = stack.number()
    assert stack.post({"update_id": number, "message": stack.message(big, "/id")})[0] == 200
    assert stack.settled()
    assert stack.count("join_request", "telegram_id = %s", (big,)) == 1


def test_the_same_update_counts_once_whatever_its_order(stack):
    high, low = stack.number() + 5000, stack.number()
    for number in (high, low, high, low, low):
        assert stack.post({"update_id": number, "message": stack.message(5001, f"/echo n{number}")})[0] == 200
    assert stack.settled()
    assert sorted(stack.sim.answers(5001)) == sorted([f"n{high}", f"n{low}"])


def test_kept_alive_connections_are_served(stack):
    connection = stack.connection()
    for _ in range(50):
        assert stack.post({"update_id": stack.number()}, connection=connection)[0] == 200
    connection.close()


def test_more_slow_connections_than_acceptors_do_not_starve_others(stack):
    """Clients that never send their body hold nginx, not TeleBot."""
    idle = []
    for _ in range(200):
        s = stack.context.wrap_socket(socket.create_connection(("127.0.0.1", int(stack.env["TELEOPS_WEBHOOK_PORT"]))), server_hostname="127.0.0.1")
        s.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        idle.append(s)
    began = time.monotonic()
    assert stack.post({"update_id": stack.number()})[0] == 200
    assert time.monotonic() - began < 10, "nginx gives those up after longer"
    for s in idle:
        s.close()


def test_connections_that_ended_while_idle_cost_no_update(stack):
    for _ in range(4):
        assert stack.post({"update_id": stack.number()})[0] == 200
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teleops_bot'", user="postgres")
    time.sleep(0.2)
    assert [stack.post({"update_id": stack.number()})[0] for _ in range(8)] == [200] * 8


def test_a_batch_that_is_held_up_holds_up_nobody_else(stack):
    """Updates are gathered while a batch is under way, but not for long."""
    held, other = stack.number(), stack.number()
    body = {"update_id": held, "message": stack.message(4001, "/whoami")}
    lock = psycopg2.connect(stack.env["TELEOPS_DATABASE"])
    sender = threading.Thread(target=stack.post, args=(body,))
    try:
        with lock.cursor() as cur:
            cur.execute("SELECT FROM chat WHERE chat_id = 4001 FOR UPDATE")
            assert cur.rowcount == 1
        sender.start()
        assert stack.wait(lambda: stack.count("pg_stat_activity", "usename = 'teleops_bot' AND wait_event_type = 'Lock'"), 10)
        assert stack.post({"update_id": other, "message": stack.message(5001, "/mark beside")})[0] == 200
        assert admitted(stack, other) and not admitted(stack, held)
    finally:
        lock.close()
        sender.join()
    # Had it been held up for too long, it would have been answered 503 and would come again.
    assert stack.wait(lambda: stack.post(body)[0] == 200, 30)
    assert admitted(stack, held) and stack.settled()


def test_logs_hold_no_secret(stack):
    for name in ("telebot", "telesender", "teleengine", "telemanager", "nginx", "supervisor"):
        text = stack.logged(name)
        assert SECRET not in text and stack.env["TELEOPS_BOT_TOKEN"] not in text, name
    for pid in [stack.pid(n) for n in ("telebot", "telesender", "teleengine", "telemanager")]:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            assert "integration" not in f.read()


def test_tls_1_1_is_refused_and_headers_tell_little(stack):
    _, headers, _ = stack.post({"update_id": stack.number()})
    assert headers.get("Server", "nginx") == "nginx"
    connection = stack.connection("TELEOPS_ADMIN_PORT")
    connection.request("GET", "/signin")
    answer = connection.getresponse()
    assert answer.status == 200 and "TeleOps" in answer.read().decode()
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Strict-Transport-Security", "Referrer-Policy"):
        assert answer.getheader(name), name
    connection.request("GET", "/static/teleops.css")
    answer = connection.getresponse()
    assert answer.status == 200 and "css" in answer.getheader("Content-Type") and answer.read()
    connection.request("GET", "/static/../../demo.env")
    answer = connection.getresponse()
    assert answer.status in (400, 404) and "DEMO_" not in answer.read().decode()
    connection.close()
