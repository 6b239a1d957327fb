"""What the programs tell a supervisor that speaks sd_notify's protocol: that they are ready, alive, and stopping. The database is away all the time."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from support.cluster import BUILD, SOURCE

PROGRAMS = {"telebot": ["telebot.fcgi"], "telemanager": ["telemanager.fcgi"], "teleengine": ["teleengine"], "telesender": ["telesender"],
            "telepoll": ["teleops", "poll"]}
GUARDED = ("teleengine", "telesender")
LONG_S = 60


class Supervisor:
    def __init__(self, abstract=False):
        self.dir = tempfile.mkdtemp(prefix="tele-notify.", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.dir, "notify")
        self.notices.bind("\0" + path if abstract else path)
        self.address = "@" + path if abstract else path
        if not abstract:
            os.chmod(path, 0o666)
        self.notices.settimeout(LONG_S)
        self.log = os.path.join(self.dir, "log")
        self.program = None

    def start(self, name, **env):
        """As a unit of type notify does, with StandardInput=socket for the two that speak FastCGI."""
        listening = None
        if name in ("telebot", "telemanager"):
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(os.path.join(self.dir, "socket"))
            listening.listen()
        settings = {"CONFIG": "/dev/null", "DATABASE": "host=/nonexistent dbname=telemanager user=nobody", "RUN_DIR": self.dir, "WORK_DIR": os.path.join(self.dir, "work"),
                    "BOT_TOKEN": "7000000001:notify_test", "WEBHOOK_SECRET": "notify-test-secret", "API_BASE": "http://127.0.0.1:9", "ENGINE_USER": "nobody",
                    "INSECURE_SAME_USER": "no" if os.geteuid() == 0 else "yes", "TEMPLATE_DIR": os.path.join(SOURCE, "templates"), "GRACE_S": "5"}
        with open(self.log, "wb") as log:
            self.program = subprocess.Popen([os.path.join(BUILD, PROGRAMS[name][0]), *PROGRAMS[name][1:]], stdin=listening or subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": self.address, **{"TELEOPS_" + k: v for k, v in settings.items()}, **env})
        if listening:
            listening.close()

    def hears(self):
        try:
            return self.notices.recv(4096).decode()
        except socket.timeout:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                pytest.fail("nothing was told within a minute; the log says:\n" + f.read())

    def stop(self):
        if self.program and self.program.poll() is None:
            self.program.kill()
            self.program.wait()
        self.notices.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def supervisor():
    s = Supervisor()
    yield s
    s.stop()


@pytest.fixture
def abstract():
    s = Supervisor(abstract=True)
    yield s
    s.stop()


@pytest.mark.parametrize("name", PROGRAMS)
def test_ready_then_stopping(supervisor, name):
    supervisor.start(name)
    assert supervisor.hears() == "READY=1"
    supervisor.program.send_signal(signal.SIGTERM)
    assert supervisor.hears() == "STOPPING=1"
    assert supervisor.program.wait(LONG_S) == 0


def test_socket_without_a_path(abstract):
    abstract.start("telesender")
    assert abstract.hears() == "READY=1"
    abstract.program.send_signal(signal.SIGTERM)
    assert abstract.hears() == "STOPPING=1"


@pytest.mark.parametrize("name", GUARDED)
def test_alive_again_and_again_until_it_stops(supervisor, name):
    supervisor.start(name, WATCHDOG_USEC="400000")
    # An engine waits some seconds for its database before it says that it is ready, and is alive meanwhile.
    while supervisor.hears() != "READY=1":
        pass
    assert [supervisor.hears() for _ in range(5)] == ["WATCHDOG=1"] * 5
    supervisor.program.send_signal(signal.SIGTERM)
    while supervisor.hears() == "WATCHDOG=1":
        pass
    assert supervisor.program.wait(LONG_S) == 0


@pytest.mark.parametrize("name", GUARDED)
def test_one_that_hangs_is_silent(supervisor, name):
    supervisor.start(name, WATCHDOG_USEC="400000")
    while supervisor.hears() != "WATCHDOG=1":
        pass
    supervisor.program.send_signal(signal.SIGSTOP)
    supervisor.notices.settimeout(2)
    with pytest.raises(socket.timeout):
        while True:
            assert supervisor.notices.recv(4096) in (b"WATCHDOG=1", b"READY=1")
    supervisor.notices.settimeout(LONG_S)
    supervisor.program.send_signal(signal.SIGCONT)
    while supervisor.hears() != "WATCHDOG=1":
        pass


@pytest.mark.parametrize("usec,pid", [("0", ""), ("many", ""), ("400000", "1")])
def test_nobody_waits_for_a_sign_of_life(supervisor, usec, pid):
    supervisor.start("telesender", WATCHDOG_USEC=usec, WATCHDOG_PID=pid)
    assert supervisor.hears() == "READY=1"
    supervisor.notices.settimeout(1)
    with pytest.raises(socket.timeout):
        supervisor.notices.recv(4096)


@pytest.mark.parametrize("address", ["", "relative", "/nonexistent/notify", "/" + "x" * 200])
def test_an_address_that_leads_nowhere_stops_nothing(supervisor, address):
    supervisor.address = address
    supervisor.start("telesender")
    for _ in range(600):
        with open(supervisor.log, encoding="utf-8") as f:
            if "event=started" in f.read():
                break
        time.sleep(0.1)
    assert supervisor.program.poll() is None
    supervisor.program.send_signal(signal.SIGTERM)
    assert supervisor.program.wait(LONG_S) == 0
