import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stack import Stack, example, stage_programs  # noqa: E402

kept = []  # the stack that tests share, once there is one


@pytest.fixture(scope="session")
def stage():
    directory = stage_programs()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def shared(stage):
    """One stack for all tests that leave it as they found it; the sender's rates are off."""
    s = Stack(stage, TELEOPS_SEND_RATE=0, TELEOPS_SEND_RATE_CHAT=0, TELEOPS_SEND_RATE_GROUP=0, TELEOPS_QUEUES="default,narrow")
    names = [name for name, in s.sql("SELECT name FROM command")]
    kept.append((s, names))
    yield s
    kept.clear()
    s.stop()


@pytest.fixture(scope="module", autouse=True)
def as_found():
    """What a file of tests declares goes with it: which file comes next is not always the same."""
    yield
    for s, names in kept:
        s.calm()
        s.sql("DELETE FROM command WHERE name <> ALL (%s)", (names,))
        s.apply(example(s.marks, s.hosts))


@pytest.fixture
def stack(shared):
    shared.sim.call("/sim/faults", method="DELETE")
    shared.calm()
    shared.sim.call("/sim/reset", {})
    shared.sim.call("/sim/start", {"people": [4001, 4002, 4003, 4004, 4011, 4012, 4013, *range(5001, 5051)]})
    shared.sql("UPDATE chat SET blocked_at = NULL; DELETE FROM outbox_dead; DELETE FROM join_request")
    with open(shared.marks, "w", encoding="utf-8"):
        pass
    return shared
