"""A fresh Debian in a directory, with its own systemd in namespaces of its own, and a root's shell in it. Nothing of it is left afterwards."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TOKEN = "7000000001:install_test_token"
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
# What the tests need besides what the documentation says; the network is cut off inside, so all of it is there from the start.
BESIDES = ["systemd", "systemd-sysv", "dbus", "iproute2", "spawn-fcgi", "python3", "python3-aiohttp", "curl", "procps"]
SAY = """import json, sys
sys.path.insert(0, "/root/teleops/tests/simulator")
from client import Client
print(json.dumps(getattr(Client("http://127.0.0.1:8081"), sys.argv[1])(*json.loads(sys.argv[2]))))
"""


def missing():
    """Why no house can be built here; None: one can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("mmdebstrap", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"{program} is missing"
    return None


def codename():
    with open("/etc/os-release", encoding="utf-8") as f:
        return re.search(r"^VERSION_CODENAME=(\w+)", f.read(), re.M).group(1)


def build_tree(directory, packages):
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=" + ",".join(sorted({*packages, *BESIDES})), codename(), directory],
                   check=True, timeout=1800)


def furnish(tree, directory):
    """A copy of the Debian, with the sources in it."""
    subprocess.run(["cp", "-a", "--reflink=auto", tree, directory], check=True, timeout=600)
    os.makedirs(os.path.join(directory, "root/teleops"), exist_ok=True)
    subprocess.run(["bash", "-c", '. "$1/deploy/packages.sh" && copy_tree "$1" "$2"', "copy", SOURCE, os.path.join(directory, "root/teleops")], check=True, timeout=300)


class Cgroups:
    """A group of its own in every hierarchy, below the one we are in: the root of what the house sees, so that it makes none beside it."""

    def __init__(self):
        self.paths = [os.path.join(at, f"teleops-install-{os.getpid()}") for at in self.own()]
        for path in self.paths:
            os.makedirs(path, exist_ok=True)
            # In this hierarchy a new group has nothing to run on until it is said.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if os.path.exists(os.path.join(path, name)) and not os.path.exists(os.path.join(path, "cgroup.subtree_control")):
                    with open(os.path.join(os.path.dirname(path), name), encoding="ascii") as above, open(os.path.join(path, name), "w", encoding="ascii") as f:
                        f.write(above.read().strip())

    @staticmethod
    def own():
        """Where we are, in each hierarchy that is mounted."""
        mounted = {}
        with open("/proc/self/mounts", encoding="utf-8") as f:
            for words in map(str.split, f):
                if words[2] in ("cgroup", "cgroup2"):
                    for option in words[3].split(",") if words[2] == "cgroup" else [""]:
                        mounted[option] = words[1]
        with open("/proc/self/cgroup", encoding="utf-8") as f:
            for line in f:
                _, names, path = line.strip().split(":", 2)
                at = mounted.get(names.split(",")[0])
                if at:
                    yield at + path.rstrip("/")

    def enter(self):
        for path in self.paths:
            with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write(str(os.getpid()))

    def remove(self):
        for path in self.paths:
            for inside, _, _ in os.walk(path, topdown=False):
                for _ in range(100):
                    try:
                        os.rmdir(inside)
                        break
                    except OSError:
                        time.sleep(0.1)


class House:
    def __init__(self, debian):
        self.dir = tempfile.mkdtemp(prefix="tele-house.", dir="/var/tmp")
        self.tree = os.path.join(self.dir, "tree")
        self.outer = self.shell = self.simulator = None
        self.said = ""
        furnish(debian, self.tree)
        self.cgroups = Cgroups()
        self.log = open(os.path.join(self.dir, "log"), "wb")

    def start(self):
        self.outer = subprocess.Popen(["unshare", "-m", "-p", "-n", "-i", "-u", "-C", "-f", "--kill-child", os.path.join(HERE, "boot"), self.tree], stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log, env={**CLEAN, "HOUSE_NAME": "ops"}, preexec_fn=self.cgroups.enter)
        self.wait(lambda: self.init() and self.run("systemctl is-system-running || true").stdout.strip() in ("running", "degraded"), "systemd has started")
        self.shell = subprocess.Popen(self.inside("bash", "--noprofile", "--norc"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=CLEAN, cwd="/",
                                      universal_newlines=True)

    def init(self):
        """The house's first process, as it is numbered outside; None while it is not systemd yet."""
        try:
            with open(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children", encoding="ascii") as f:
                child = int(f.read().split()[0])
            with open(f"/proc/{child}/comm", encoding="ascii") as f:
                return child if f.read().strip() == "systemd" else None
        except (OSError, IndexError):
            return None

    def inside(self, *argv):
        return ["nsenter", "-t", str(self.init()), "-m", "-p", "-n", "-i", "-u", "-C", "-r", "--wdns=/root/teleops", "--", *argv]

    def run(self, command, timeout=120):
        return subprocess.run(self.inside("bash", "-c", command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, env=CLEAN,
                              timeout=timeout, check=False)

    def do(self, block, typed="", timeout=1800):
        """A block of commands in the one shell, whose variables stay; the first that fails ends it, and the test. typed: what they read."""
        with open(os.path.join(self.tree, "root/typed"), "w", encoding="utf-8") as f:
            f.write(typed)
        with open(os.path.join(self.tree, "root/block"), "w", encoding="utf-8") as f:
            f.write("set -e\n" + block)
        timer = threading.Timer(timeout, self.shell.kill)
        timer.start()
        self.shell.stdin.write(". /root/block </root/typed; echo; echo @done@\n")
        self.shell.stdin.flush()
        out = ""
        for line in self.shell.stdout:
            if line == "@done@\n":
                timer.cancel()
                self.said += out
                return out
            out += line
        timer.cancel()
        raise AssertionError(f"this failed:\n{block}\nafter it said:\n{out[-6000:]}\n{self.journal()}")

    def journal(self):
        return self.run("journalctl --no-pager -n 60 -o cat; systemctl --no-pager --failed").stdout

    def start_simulator(self, token):
        self.simulator = subprocess.Popen(self.inside("python3", "-B", "tests/simulator/simulator.py", "--listen", "127.0.0.1:8081"), stdin=subprocess.DEVNULL, stdout=self.log,
                                          stderr=self.log, env={**CLEAN, "TELEOPS_BOT_TOKEN": token})
        self.wait(lambda: self.run("curl -sf http://127.0.0.1:8081/sim/health").returncode == 0, "the simulator answers")

    def sim(self, what, *args):
        done = subprocess.run(self.inside("python3", "-B", "-c", SAY, what, json.dumps(args)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True,
                              env=CLEAN, timeout=120, check=True)
        return json.loads(done.stdout)

    def wait(self, what, why, timeout=120):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = what()
            if found:
                return found
            if self.outer.poll() is not None:
                break
            time.sleep(0.5)
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            raise AssertionError(f"not so: {why}\n{f.read()[-4000:]}\n{self.journal() if self.init() else ''}")

    def stop(self):
        for process in (self.simulator, self.shell):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if self.outer and self.outer.poll() is None:
            init = self.init()
            if init:
                os.kill(init, signal.SIGKILL)
            self.outer.kill()
            self.outer.wait()
        self.log.close()
        self.cgroups.remove()
        shutil.rmtree(self.dir, ignore_errors=True)
