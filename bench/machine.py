"""What the measures ran on, and what else ran meanwhile."""
import json
import os
import platform
import subprocess
import time

HZ = os.sysconf("SC_CLK_TCK")


def said(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=20)
    return done.stdout.decode(errors="replace").strip()


def first(path, key):
    """The value behind key in a file of "key: value" or "key=value" lines."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith(key):
                return line[len(key):].strip(" \t\n:=\"")
    return "unknown"


def machine():
    memory = int(first("/proc/meminfo", "MemTotal").split()[0]) / 1024 ** 2
    return f"{first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {memory:.0f} GiB; {first('/etc/os-release', 'PRETTY_NAME')}, " \
           f"Linux {platform.release().split('-')[0]}"


def json_of(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def version(package):
    return said("dpkg-query", "-W", "-f", "${Version}", package).split("+")[0]


def versions(stack):
    asked = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    pg = dict(zip(asked, stack.sql("SELECT " + ", ".join(f"current_setting('{name}')" for name in asked))[0]))
    return f"PostgreSQL {pg['server_version'].split()[0]} (fsync {pg['fsync']}, synchronous_commit {pg['synchronous_commit']}, shared_buffers " \
           f"{pg['shared_buffers']}), {said('nginx', '-v').split(': ')[-1]}, libfcgi {version('libfcgi0ldbl')}, {said('cc', '--version').splitlines()[0]}"


# -- processes

def tree(*pids):
    """The processes and all below them, as they are now."""
    found = []
    for pid in pids:
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as f:
                    found += tree(*(int(child) for child in f.read().split()))
        except OSError:
            continue
    return found


def pss(pids):
    """Proportional set size in KiB: shared pages are divided among those who share them."""
    return sum(int(first(f"/proc/{pid}/smaps_rollup", "Pss:").split()[0]) for pid in pids if os.path.exists(f"/proc/{pid}"))


def rss(pid):
    return int(first(f"/proc/{pid}/smaps_rollup", "Rss:").split()[0])


def run_ns(pids):
    """{pid: nanoseconds that its threads have run}, without those that are gone."""
    found = {}
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                    found[pid] = found.get(pid, 0) + int(f.read().split()[0])
        except OSError:
            found.pop(pid, None)
    return found


def ticks(pids):
    """Processor time of these and of their children that ended, in clock ticks."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                total += sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            continue
    return total


class Others:
    """How many cores were busy with what is not ours. ours: pids whose trees, with this process's, belong to the measure."""

    def __init__(self, ours):
        self.ours = ours
        self.began, self.busy, self.own = self.now()

    def now(self):
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, _, _, irq, softirq, steal = (int(n) for n in f.readline().split()[1:9])
        return time.monotonic(), user + nice + system + irq + softirq + steal, ticks(tree(os.getpid(), *self.ours()))

    def cores(self):
        then, busy, own = self.now()
        return max(0.0, (busy - self.busy - (own - self.own)) / HZ / (then - self.began))
