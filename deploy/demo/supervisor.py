"""Starts the programs, starts again what dies, stops all in order."""
import collections
import ctypes
import errno
import os
import select
import signal
import socket
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
AGAIN_S = 0.3  # a program that died is back within two seconds


def stat_of(pid):
    """(parent, session) of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[1]), int(fields[3])) if fields[0] != "Z" else None
    except OSError:
        return None


def exe_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def kill(pid, what=signal.SIGKILL):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


class Supervisor:
    def __init__(self, at):
        self.at = at
        self.running, self.parts, self.due = {}, {}, {}  # by pid; by name; when to start again
        self.ended = collections.Counter()
        self.stopping = False
        # Orphans of a dead program come to us, where they can be told by their parent.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.heard, told = socket.socketpair()
        self.heard.setblocking(False)
        told.setblocking(False)
        self.told = told
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, self.asked_to_stop)

    def asked_to_stop(self, *_):
        self.stopping = True

    def log(self, text):
        with open(os.path.join(self.at.log, "supervisor.log"), "a", encoding="utf-8") as f:
            f.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")

    # -- one program

    def start(self, part):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **part.env}
        who = {} if part.user == "root" else {"user": part.user, "group": -1, "extra_groups": []}
        if who:
            import pwd  # pylint: disable=import-outside-toplevel
            who["group"] = pwd.getpwnam(part.user).pw_gid
        with open(os.path.join(self.at.log, f"{part.name}.log"), "ab") as log:
            process = subprocess.Popen(part.argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, **who)
        self.parts[part.name] = part
        self.running[process.pid] = (part, process)
        self.due.pop(part.name, None)
        self.write_pid(part.name, process.pid)
        self.log(f"{part.name} started, pid {process.pid}")

    def write_pid(self, name, pid):
        path = os.path.join(self.at.run, f"{name}.pid")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(f"{pid}\n")
        os.replace(path + ".new", path)

    def end_orphans(self, part, pid, exe):
        """Ends what a dead program left behind, so that the next finds socket, port and shared memory free."""
        if part.orphans == "none":
            return
        me, bound = os.getpid(), time.monotonic() + 5
        while time.monotonic() < bound:
            left = []
            for other in processes():
                stat = stat_of(other)
                if not stat or other in self.running:
                    continue
                if stat[1] == pid or (part.orphans == "program" and stat[0] == me and exe and exe_of(other) == exe):
                    left.append(other)
            if not left:
                return
            for other in left:
                kill(other)
            time.sleep(0.01)
            self.reap()

    def reap(self):
        """Notes who died; (part, pid) of our programs among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            part, process = self.running.pop(pid, (None, None))
            if part:
                process.returncode = os.waitstatus_to_exitcode(status)
                self.log(f"{part.name} ended, pid {pid}, {'signal' if process.returncode < 0 else 'status'} {abs(process.returncode)}")
                self.ended[part.name] += 1
                self.due[part.name] = (time.monotonic() + AGAIN_S, pid)

    def revive(self):
        for name, (when, pid) in list(self.due.items()):
            if time.monotonic() >= when:
                part = self.parts[name]
                self.end_orphans(part, pid, os.path.realpath(part.argv[0]))
                self.start(part)

    # -- all of them

    def wait(self, seconds):
        if select.select([self.heard], [], [], seconds)[0]:
            try:
                self.heard.recv(4096)
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
        self.reap()

    def keep(self):
        """Until told to stop."""
        while not self.stopping:
            soonest = min((when for when, _ in self.due.values()), default=None)
            self.wait(5 if soonest is None else max(0.01, soonest - time.monotonic()))
            if not self.stopping:
                self.revive()

    def dead(self):
        return sorted(self.due)

    def stop_one(self, name):
        found = [(pid, part) for pid, (part, _) in self.running.items() if part.name == name]
        for pid, part in found:
            kill(pid, getattr(signal, part.stop))
            until = time.monotonic() + part.grace
            while pid in self.running and time.monotonic() < until:
                self.wait(0.1)
            if pid in self.running:
                self.log(f"{name} did not stop in {part.grace:.0f} s")
                kill(pid)
                while pid in self.running:
                    self.wait(0.1)
            self.end_orphans(part, pid, os.path.realpath(part.argv[0]))

    def stop_all(self):
        for name in ("nginx", "telepoll", *self.at.telebots, "teleengine", "telesender", "telemanager", "simulator", "postgres"):
            self.stop_one(name)
            try:
                os.unlink(os.path.join(self.at.run, f"{name}.pid"))
            except FileNotFoundError:
                pass
        self.log("stopped")
