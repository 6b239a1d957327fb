"""docs/install.md, as it stands: every command, in its order, in a fresh Debian with its own systemd, up to a conversation; then behind NAT, then an upgrade."""
import os
import re
import shlex

import pytest
from house import SOURCE, House, missing

pytestmark = [pytest.mark.full, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

TOKEN = "7000000001:install_test_token"
VALUES = [f"HOST=ops.example.org\nLOGIN=admin\nTOKEN={TOKEN}\n", "MY_ID=1001\n"]


def blocks():
    """{heading: [(is to be filled in by the reader, text)]}, in their order."""
    found, heading = {}, ""
    with open(os.path.join(SOURCE, "docs/install.md"), encoding="utf-8") as f:
        for title, values, text in re.findall(r"^## ([^\n]*)$|^```sh( values)?\n(.*?)^```$", f.read(), re.M | re.S):
            heading = title or heading
            if text:
                found.setdefault(heading, []).append((bool(values), text))
    return found


def packages():
    words = shlex.split(next(t for _, t in blocks()["By hand"] if t.startswith("apt-get")))
    return [w for w in words[words.index("install") + 1:] if not w.startswith("-")]


@pytest.fixture(scope="module")
def house():
    h = House(packages())
    try:
        h.start()
        # The reader's host has a name, and their Telegram is the real one.
        h.do("echo '127.0.0.1 ops.example.org' >> /etc/hosts\nmkdir -p /etc/teleops\nexport TELEOPS_API_BASE=http://127.0.0.1:8081\n"
             "for p in telesender telepoll; do echo TELEOPS_API_BASE=$TELEOPS_API_BASE > /etc/teleops/$p.env; done\n")
        h.start_simulator(TOKEN)
        yield h
    finally:
        h.stop()


def talk(house, text, expected):
    before = len(house.sim("answers", 1001))
    house.sim("say", 1001, text)
    return house.wait(lambda: [a for a in house.sim("answers", 1001)[before:] if expected in a], f"{text} is answered with {expected}")


def test_by_hand(house):
    values = list(VALUES)
    for to_fill_in, text in blocks()["By hand"]:
        if to_fill_in and len(values) == 1:
            talk(house, "/start", "1001")
        house.do(values.pop(0) if to_fill_in else text)
    assert not values
    talk(house, "/uptime", "load average")
    assert house.run("curl -skf https://ops.example.org/healthz").returncode == 0, house.journal()
    assert "Sign in" in house.run("curl -skL https://ops.example.org/").stdout


SERVICES = {"telebot": "teleops-bot", "telemanager": "teleops-manager", "teleengine": "teleops-engine", "telesender": "teleops-sender"}


def main_pid(house, name):
    return house.run(f"systemctl show -p MainPID --value {name}").stdout.strip()


def wait_for_another(house, name, before):
    house.wait(lambda: house.run(f"systemctl is-active {name}").stdout.strip() == "active" and main_pid(house, name) not in ("0", before), f"{name} is started again", 180)


def test_each_program_is_its_own_user(house):
    for name, user in SERVICES.items():
        assert house.run(f"ps -o user:20= -p {main_pid(house, name)}").stdout.strip() == user, house.journal()


def test_one_that_is_killed_or_hangs_is_started_again(house):
    before = main_pid(house, "teleengine")
    house.run(f"kill -KILL {before}")
    wait_for_another(house, "teleengine", before)
    talk(house, "/uptime", "load average")
    house.do("mkdir -p /run/systemd/system/teleengine.service.d\nprintf '[Service]\\nWatchdogSec=5\\n' > /run/systemd/system/teleengine.service.d/test.conf\n"
             "systemctl daemon-reload\nsystemctl restart teleengine\n")
    before = main_pid(house, "teleengine")
    house.run(f"kill -STOP {before}")
    wait_for_another(house, "teleengine", before)
    talk(house, "/uptime", "load average")
    house.do("rm -r /run/systemd/system/teleengine.service.d\nsystemctl daemon-reload\n")


def test_all_stop_and_start_together(house):
    house.do("systemctl restart telebot telemanager telesender teleengine\n")
    talk(house, "/uptime", "load average")
    house.do("systemctl stop teleops.target\n")
    names = "telebot.socket telemanager.socket telebot telemanager teleengine telesender"
    house.wait(lambda: set(house.run(f"systemctl is-active {names}").stdout.split()) == {"inactive"}, "everything has stopped")
    house.do("systemctl start teleops.target\n")
    talk(house, "/uptime", "load average")


def test_upgrade(house):
    for _, text in blocks()["Upgrade"]:
        house.do(text)
    talk(house, "/uptime", "load average")


def test_behind_nat(house):
    for _, text in blocks()["Behind NAT"]:
        house.do(text)
    talk(house, "/uptime", "load average")
    assert house.run("systemctl is-active telebot.socket telepoll").stdout.split() == ["inactive", "active"]


def test_nothing_secret_was_said(house):
    assert TOKEN not in house.said and TOKEN not in house.run("journalctl --no-pager -o cat").stdout


def test_readme(house):
    """Its short way is the long one's commands."""
    with open(os.path.join(SOURCE, "README"), encoding="utf-8") as f:
        readme = f.read()
    written = " ".join(text for way in blocks().values() for _, text in way)
    short = re.search(r"^Install$.*?((?:^    [^\n]*\n)+)", readme, re.M | re.S).group(1)
    for command in re.split(r" && |\n", short):
        if command.strip() and not command.strip().startswith("#"):
            for word in command.replace("people.json", "/etc/teleops/people.json").replace("LOGIN", '"$LOGIN"').split():
                assert word in written, command
    assert house.run("./demo --help").returncode == 0
