"""What goes out, when Telegram is slow, angry, broken or gone."""
import collections
import os
import subprocess
import time

from stack import CROWD


def echo_all(stack, people, each, prefix=""):
    for n in range(each):
        for who in people:
            stack.sim.say(who, f"/echo {prefix}{who}-{n}")


def expected(people, each, prefix=""):
    return {who: [f"{prefix}{who}-{n}" for n in range(each)] for who in people}


def told(stack, people):
    return {who: stack.sim.answers(who) for who in people}


def test_429_holds_up_one_chat_and_no_other(stack):
    stack.sim.fault("429", method="sendMessage", chat_id=5001, retry_after=6)
    people = [5001, 5002, 5003]
    began = time.monotonic()
    echo_all(stack, people, 4)
    assert stack.wait(lambda: told(stack, [5002, 5003]) == expected([5002, 5003], 4), 5), "other chats go on"
    assert stack.sim.answers(5001) == []
    assert stack.settled()
    assert time.monotonic() - began >= 5.9, "retry_after is honoured"
    assert told(stack, people) == expected(people, 4), "and order is kept"


def test_5xx_resets_and_hangs_lose_nothing_and_keep_order(stack):
    people = list(CROWD)[:10]
    for kind in ("500", "502", "reset", "500", "reset", "429"):
        stack.sim.fault(kind, method="sendMessage", count=3)
    echo_all(stack, people, 5)
    assert stack.settled(90)
    assert told(stack, people) == expected(people, 5)


def test_an_answer_lost_on_its_way_may_double_a_message_never_lose_one(stack):
    stack.sim.fault("reset", method="sendMessage", chat_id=5001, after=True)
    echo_all(stack, [5001], 3)
    assert stack.settled()
    answers = stack.sim.answers(5001)
    assert list(dict.fromkeys(answers)) == expected([5001], 3)[5001] and len(answers) <= 4


def test_telegram_gone_for_a_while(stack):
    stack.sim.fault("502", method="sendMessage", count=1000)
    echo_all(stack, [5001, 5002], 3)
    time.sleep(3)
    assert stack.count("outbox") == 6
    stack.sim.call("/sim/faults", method="DELETE")
    assert stack.settled(90)
    assert told(stack, [5001, 5002]) == expected([5001, 5002], 3) and stack.count("outbox_dead") == 0


def test_a_blocked_chat_is_marked_and_its_messages_kept_as_dead(stack):
    stack.sim.say(5001, "/echo welcome")
    assert stack.sim.wait_answers(5001, 1) == ["welcome"]
    stack.sim.call("/sim/block", {"chat": 5001})
    # An update of a person who blocked the bot cannot come; one that was under way can.
    stack.post({"update_id": stack.number(), "message": stack.message(5001, "/echo too late")})
    echo_all(stack, [5002], 2)
    assert stack.settled()
    assert told(stack, [5002]) == expected([5002], 2)
    assert stack.sql("SELECT text, reason LIKE '%%blocked%%' FROM outbox_dead") == [("too late", True)]
    assert stack.sql("SELECT blocked_at IS NOT NULL FROM chat WHERE chat_id = 5001") == [(True,)]
    # Who writes again is there again.
    stack.sim.say(5001, "/echo here again")
    assert stack.settled() and stack.sim.answers(5001)[-1] == "here again"


def test_a_message_that_is_refused_does_not_hold_up_its_chat(stack):
    stack.sim.fault("400", method="sendMessage", chat_id=5001, description="Bad Request: something else")
    echo_all(stack, [5001], 3)
    assert stack.settled()
    assert stack.sim.answers(5001) == expected([5001], 3)[5001][1:]
    assert stack.sql("SELECT reason FROM outbox_dead") == [("Bad Request: something else",)]


def test_a_standby_takes_over(stack):
    user = {**{k: v for k, v in stack.env.items() if k.startswith("TELEOPS_SEND") or k in ("TELEOPS_CONFIG", "TELEOPS_API_BASE")},
            "TELEOPS_DATABASE": stack.env["TELEOPS_DATABASE"].replace("teleops_owner", "teleops_sender"),
            "TELEOPS_BOT_TOKEN_FILE": os.path.join(stack.dir, "secret/bot_token")}
    standby = subprocess.Popen([os.path.join(stack.dir, "app/usr/sbin/telesender")], env=user, user="teleops-sender", group="teleops-sender",
                               extra_groups=[], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        time.sleep(1)
        before, = stack.sql("SELECT sender_epoch FROM bot_status")[0]
        echo_all(stack, [5001], 1, "a")
        assert stack.settled()
        assert stack.sql("SELECT sender_epoch FROM bot_status")[0][0] == before, "it stands by"
        stack.kill("telesender")
        echo_all(stack, [5001], 3, "b")
        assert stack.settled()
        assert stack.sql("SELECT sender_epoch FROM bot_status")[0][0] > before
        assert stack.sim.answers(5001) == expected([5001], 1, "a")[5001] + expected([5001], 3, "b")[5001]
    finally:
        standby.terminate()
        log = standby.communicate(timeout=40)[1].decode()
    assert standby.returncode == 0 and "event=standing_by" in log


def test_entities_arrive_in_range(stack):
    """A failing command's tail is set in fixed width, also after characters of two units."""
    stack.apply({"commands": [{"name": "smile", "description": "\U0001f600", "kind": "exec", "program": "act", "args": ["exit", "2"]}],
                 "grants": [{"role": "crew", "command": "smile"}]})
    stack.sim.say(5001, "/smile")
    assert stack.settled()
    message = [m for m in stack.sim.messages(5001) if m["from"]["is_bot"]][-1]
    entity, = message["entities"]
    units = message["text"].encode("utf-16-le")
    assert entity["type"] == "pre" and units[entity["offset"] * 2:(entity["offset"] + entity["length"]) * 2].decode("utf-16-le") == "it broke"
    assert collections.Counter(c["status"] for c in stack.sim.calls("sendMessage")) == {200: 1}
