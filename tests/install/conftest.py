import os
import shlex
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../docs"))
from commands import blocks  # noqa: E402
from house import TOKEN, House, build_tree, missing  # noqa: E402


def packages():
    """What the documentation has its reader install; the network is cut off inside, so it is there from the start."""
    words = shlex.split(blocks()["Packages and programs"][0].text)
    return [w for w in words[words.index("install") + 1:] if not w.startswith("-")]


@pytest.fixture(scope="session")
def debian():
    """A Debian with nothing of TeleOps; TELEOPS_INSTALL_TREE names one that is there already, which saves half a minute."""
    if missing():
        pytest.skip(missing())
    ready = os.environ.get("TELEOPS_INSTALL_TREE")
    if ready:
        yield ready
        return
    directory = tempfile.mkdtemp(prefix="tele-debian.", dir="/var/tmp")
    try:
        build_tree(os.path.join(directory, "tree"), packages())
        yield os.path.join(directory, "tree")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def house(debian):
    """The reader's host has a name, and their Telegram is a simulator."""
    h = House(debian)
    try:
        h.start()
        h.do("echo '127.0.0.1 ops.example.org' >> /etc/hosts\nexport TELEOPS_API_BASE=http://127.0.0.1:8081\n")
        h.start_simulator(TOKEN)
        yield h
    finally:
        h.stop()


@pytest.fixture(scope="module")
def talk(house):
    def say(text, expected):
        before = len(house.sim("answers", 1001))
        house.sim("say", 1001, text)
        return house.wait(lambda: [a for a in house.sim("answers", 1001)[before:] if expected in a], f"{text} is answered with {expected}")
    return say
