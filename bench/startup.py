"""How long each program takes from exec until it says that it is ready (sd_notify's READY=1), with the settings of a stack's own; teleops until its end."""
import os
import socket
import subprocess
import time

import machine
from figures import Section, median_bar, spread, table

PROGRAMS = ("telebot", "telemanager", "teleengine", "telesender")
LIMIT_MS, PATIENCE_S = 50, 30


class Another:
    """One more of a program that runs in the stack."""

    def __init__(self, stack, name):
        pid = stack.pid(name)
        self.stack, self.name = stack, name
        self.path = os.readlink(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/environ", encoding="utf-8") as f:
            self.env = dict(word.split("=", 1) for word in f.read().split("\0") if word)
        self.env["TELEOPS_ENGINE_NAME"] = "bench-start"
        # The engine takes another user itself.
        self.user = 0 if name == "teleengine" else os.stat(f"/proc/{pid}").st_uid

    def started(self):
        """Milliseconds."""
        told = os.path.join(self.stack.env["DEMO_SOCKET_DIR"], "bench-ready.sock")
        path = os.path.join(self.stack.env["DEMO_SOCKET_DIR"], "bench-start.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, socket.socket(socket.AF_UNIX) as listening, open(os.devnull, "wb") as null:
            ready.bind(told)
            os.chmod(told, 0o666)
            ready.settimeout(PATIENCE_S)
            listening.bind(path)
            listening.listen(8)
            try:
                return self.timed(ready, listening, null)
            finally:
                os.unlink(told)
                os.unlink(path)

    def timed(self, ready, listening, null):
        began = time.perf_counter()
        process = subprocess.Popen([self.path], env={**self.env, "NOTIFY_SOCKET": ready.getsockname()}, stdin=listening, stdout=null, stderr=null, cwd="/", user=self.user)
        try:
            while b"READY=1" not in ready.recv(4096):
                pass
            return (time.perf_counter() - began) * 1000
        except TimeoutError:
            raise RuntimeError(f"{self.name} was not ready within {PATIENCE_S} s") from None
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def told(stack, *argv):
    """Milliseconds until teleops has said it."""
    began = time.perf_counter()
    done = stack.teleops(*argv)
    if done.returncode:
        raise RuntimeError(f"teleops {argv[0]}: {done.stderr}")
    return (time.perf_counter() - began) * 1000


def measure(bed):
    times = 5 if bed.quick else 30
    others = bed.others()
    stack = bed.stack()
    starts = {**{name: Another(stack, name).started for name in PROGRAMS}, "teleops --help": lambda: told(stack, "--help"),
              "teleops status": lambda: told(stack, "status")}
    found = {name: [] for name in starts}
    for _ in range(times):
        for name, start in starts.items():
            found[name].append(start())
    cores = others.cores()
    settings = f"{times} times each, in turn; another one beside the stack's own. {machine.versions(stack)}."
    return Section(settings, [
        table(["from exec to ready, ms", "median", "min", "max"], [[name, *spread(ms, 1)] for name, ms in found.items()]),
        f"Ready is who takes requests, or has registered with the database; of teleops the whole run counts. Other programs used {cores:.2f} cores meanwhile.",
    ], [median_bar(f"start of {name}", ms, unit="ms", most=LIMIT_MS, digits=1) for name, ms in found.items()])
