"""What the programs cost when there is nothing to do, after all that the other tests did to them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import idle  # noqa: E402


def test_idle_programs_need_little_memory_and_no_processor(stack):
    stack.sim.say(4001, "/echo quiet")
    assert stack.sim.wait_answers(4001, 1) == ["quiet"] and stack.settled()
    processes, mib, percent = idle.look(stack, 10)["the four together"]
    assert processes == 5, "telebot, telemanager, telesender, engine and runner"
    assert percent < idle.CORE_PERCENT
    # A sanitizer keeps a shadow of all memory.
    with open(f"/proc/{stack.pid('telesender')}/maps", encoding="utf-8") as f:
        assert mib < idle.MEMORY_MIB or "libasan" in f.read()
