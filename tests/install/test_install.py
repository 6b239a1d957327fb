"""docs/install.md, as it stands: every command, in its order, in a fresh Debian with its own systemd, up to a conversation; then behind NAT, then an upgrade."""
import pytest
from commands import blocks, shell_mark
from house import TOKEN, missing

pytestmark = [pytest.mark.full, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

VALUES = [f"HOST=ops.example.org\nLOGIN=admin\nTOKEN={TOKEN}\n", "MY_ID=1001\n"]


@pytest.fixture(scope="module", autouse=True)
def their_telegram(house):
    """By hand the reader's is the real one, and nothing is said of it."""
    house.do("mkdir -p /etc/teleops\nfor p in telesender telepoll; do echo TELEOPS_API_BASE=$TELEOPS_API_BASE > /etc/teleops/$p.env; done\n")


def test_by_hand(house, talk):
    values = list(VALUES)
    for block in blocks()["Packages and programs"] + blocks()["By hand"]:
        to_fill_in = shell_mark(block) == "values"
        if to_fill_in and len(values) == 1:
            talk("/start", "1001")
        house.do(values.pop(0) if to_fill_in else block.text)
    assert not values
    talk("/uptime", "load average")
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


def test_one_that_is_killed_or_hangs_is_started_again(house, talk):
    before = main_pid(house, "teleengine")
    house.run(f"kill -KILL {before}")
    wait_for_another(house, "teleengine", before)
    talk("/uptime", "load average")
    house.do("mkdir -p /run/systemd/system/teleengine.service.d\nprintf '[Service]\\nWatchdogSec=5\\n' > /run/systemd/system/teleengine.service.d/test.conf\n"
             "systemctl daemon-reload\nsystemctl restart teleengine\n")
    before = main_pid(house, "teleengine")
    house.run(f"kill -STOP {before}")
    wait_for_another(house, "teleengine", before)
    talk("/uptime", "load average")
    house.do("rm -r /run/systemd/system/teleengine.service.d\nsystemctl daemon-reload\n")


def test_all_stop_and_start_together(house, talk):
    house.do("systemctl restart telebot telemanager telesender teleengine\n")
    talk("/uptime", "load average")
    house.do("systemctl stop teleops.target\n")
    names = "telebot.socket telemanager.socket telebot telemanager teleengine telesender"
    house.wait(lambda: set(house.run(f"systemctl is-active {names}").stdout.split()) == {"inactive"}, "everything has stopped")
    house.do("systemctl start teleops.target\n")
    talk("/uptime", "load average")


def test_upgrade(house, talk):
    for block in blocks()["Upgrade"]:
        house.do(block.text)
    talk("/uptime", "load average")


def test_behind_nat(house, talk):
    for block in blocks()["Behind NAT"]:
        house.do(block.text)
    talk("/uptime", "load average")
    assert house.run("systemctl is-active telebot.socket telepoll").stdout.split() == ["inactive", "active"]


def test_nothing_secret_was_said(house):
    assert TOKEN not in house.said and TOKEN not in house.run("journalctl --no-pager -o cat").stdout
