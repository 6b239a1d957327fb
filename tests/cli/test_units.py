"""The units for systemd: systemd itself finds nothing wrong with them, and they fit what the programs and the database expect."""
import configparser
import glob
import os
import re
import shutil
import subprocess
import sys

import pytest

from support.cluster import BUILD, SOURCE

sys.path.insert(0, os.path.join(SOURCE, "deploy/demo"))
from layout import ROLES, SERVICE_USERS  # noqa: E402

UNITS = os.path.join(SOURCE, "deploy/systemd")
# What systemd-analyze security gives at most, of 10: the engine starts as root, for its runner.
EXPOSURE = {"telebot": 1.5, "telemanager": 1.5, "telesender": 1.5, "telepoll": 1.5, "teleengine": 3.2}
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: install systemd")


def unit(path):
    parsed = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parsed.optionxform = str
    with open(path, encoding="utf-8") as f:
        # A key may come twice; the test looks at the last but for what it finds in the text.
        parsed.read_file(f)
    return parsed


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """As they are installed, but with the programs where they were built."""
    directory = tmp_path_factory.mktemp("units")
    for path in glob.glob(os.path.join(BUILD, "deploy/systemd/*.service")) + glob.glob(os.path.join(UNITS, "*.socket")) + glob.glob(os.path.join(UNITS, "*.target")):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^ExecStart=.*/([a-z.]+)", rf"ExecStart={BUILD}/\1", f.read(), flags=re.M)
        (directory / os.path.basename(path)).write_text(text, encoding="utf-8")
    return directory


def test_all_are_there(units):
    assert sorted(os.listdir(units)) == sorted([f"{n}.service" for n in EXPOSURE] + ["telebot.socket", "telemanager.socket", "teleops.target"])
    for path in units.iterdir():
        assert not re.search(r"@[a-z]+@", path.read_text(encoding="utf-8")), path


@needs_systemd
def test_systemd_finds_nothing_wrong(units):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, units.iterdir())], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", EXPOSURE)
def test_exposure_is_small(units, name):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={int(EXPOSURE[name] * 10)}", str(units / f"{name}.service")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", EXPOSURE)
def test_service_is_what_its_program_expects(units, name):
    service = unit(units / f"{name}.service")["Service"]
    assert service["Type"] == "notify" and service["Restart"] == "always" and service["NoNewPrivileges"] == "yes"
    assert "WatchdogSec" in service or name not in ("teleengine", "telesender")
    argv = service["ExecStart"].split()
    assert os.access(argv[0], os.X_OK)
    user = service.get("User", "root")
    assert user == {"telepoll": SERVICE_USERS["telebot"], "teleengine": "root"}.get(name, SERVICE_USERS.get(name))
    role = re.search(r"user=(\w+)", (units / f"{name}.service").read_text(encoding="utf-8")).group(1)
    assert role == ROLES[SERVICE_USERS["teleengine"] if user == "root" else user][0]


@pytest.mark.parametrize("name", ["telebot", "telemanager"])
def test_socket_is_where_nginx_looks(units, name):
    path = unit(units / f"{name}.socket")["Socket"]["ListenStream"]
    with open(os.path.join(BUILD, "nginx/teleops.conf"), encoding="utf-8") as f:
        assert f"unix:{path} " in f.read()
    assert unit(units / f"{name}.service")["Service"]["StandardInput"] == "socket"


def test_users_are_those_of_the_programs():
    with open(os.path.join(UNITS, "sysusers.conf"), encoding="utf-8") as f:
        assert sorted(re.findall(r"^u (\S+)", f.read(), re.M)) == sorted(SERVICE_USERS.values())


@pytest.mark.skipif(not shutil.which("systemd-sysusers") or not shutil.which("systemd-tmpfiles"), reason="systemd is missing")
def test_users_and_directories_can_be_made(tmp_path):
    os.makedirs(tmp_path / "etc")
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", os.path.join(UNITS, "sysusers.conf")], check=True, timeout=60)
    made = (tmp_path / "etc/passwd").read_text(encoding="utf-8")
    for user in SERVICE_USERS.values():
        assert re.search(rf"^{user}:.*:/usr/sbin/nologin$", made, re.M)
    subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create", os.path.join(BUILD, "deploy/systemd/tmpfiles.conf")], check=True, timeout=60)
    assert len(list(tmp_path.rglob("exec"))) == 1 and os.stat(next(iter(tmp_path.rglob("lib/teleops/work")))).st_mode & 0o777 == 0o711
