"""With Telegram's real limits in force, nothing is ever refused for them, and nobody waits longer than they must."""
import time

import pytest
from stack import CROWD, Stack

pytestmark = pytest.mark.timing


@pytest.fixture(scope="module")
def paced(stage):
    s = Stack(stage)
    s.sim.call("/sim/limits", {"on": True})
    yield s
    s.stop()


def sent(stack, chat=None):
    return [c for c in stack.sim.calls("sendMessage") if c["status"] == 200 and (chat is None or str(c["params"]["chat_id"]) == str(chat))]


def test_limits_are_kept_before_they_are_hit(paced):
    busy, group = CROWD[0], -2001
    for n in range(24):
        paced.sim.say(busy, f"/echo {n}")
    for n in range(21):
        paced.sim.say(4001, f"/echo {n}", chat=group)
    for n in range(2):
        for who in list(CROWD)[1:41]:
            paced.sim.say(who, f"/echo {who} {n}")
    assert paced.settled(60)
    assert paced.sim.health()["held"] == 0, "no request was refused with 429"
    assert paced.sim.answers(busy) == [str(n) for n in range(24)] and paced.sim.answers(group) == [str(n) for n in range(21)]
    for who in list(CROWD)[1:41]:
        assert paced.sim.answers(who) == [f"{who} 0", f"{who} 1"]
    times = sorted(c["done"] for c in sent(paced))
    for at in range(len(times) - 61):
        assert times[at + 61] - times[at] > 0.9, "30 a second, with a burst of 30"
    one = sorted(c["done"] for c in sent(paced, busy))
    assert one[-1] - one[0] < 12, "a burst of 20, then one a second"
    others = max(c["done"] for who in list(CROWD)[1:41] for c in sent(paced, who))
    assert others - times[0] < 8, "a busy chat holds up no other"


def test_when_it_is_quiet_an_answer_is_immediate(paced):
    time.sleep(1)
    began = time.monotonic()
    paced.sim.say(CROWD[45], "/echo quick")
    assert paced.sim.wait_answers(CROWD[45], 1) == ["quick"]
    assert time.monotonic() - began < 1
