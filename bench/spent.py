"""Where telemanager.fcgi's own time goes while it makes a page of fifty rows, by function, with perf."""
import os
import re
import shutil
import subprocess

import machine
from figures import Bar, Section, number, table
from pages import CPU_MS, Reader

PAGE, SHOWN = "/people/users", 24


def record(pid, seconds):
    """Begins to note where pid is; (the file of that, the process that does it)."""
    data = f"/var/tmp/tele-perf.{os.getpid()}"
    recording = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock:u", "-F", "4000", "-p", str(pid), "-o", data, "sleep", str(seconds)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return data, recording


def profile(data):
    """[(share in per cent, dso, symbol)], the largest first."""
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "--sort", "dso,symbol", "-q", "-t", "|"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True)
    os.unlink(data)
    rows = []
    for line in done.stdout.decode().splitlines():
        found = re.match(r"\s*([\d.]+)%\s*\|\s*([^|]+?)\s*\|\s*\[.\]\s*([^|\s]+)", line)
        if found:
            rows.append((float(found[1]), found[2], found[3]))
    return sorted(rows, reverse=True)


def measure(bed):
    if not shutil.which("perf"):
        raise RuntimeError("perf is missing: apt-get install linux-perf")
    seconds = 5 if bed.quick else 20
    stack = bed.stack()
    reader = Reader(stack)
    cost = reader.cost(PAGE, 200)
    data, recording = record(reader.pid, seconds)
    read = 0
    while recording.poll() is None:
        reader.read(PAGE)
        read += 1
    if recording.returncode:
        raise RuntimeError(recording.stderr.read().decode())
    rows = profile(data)
    own = sum(share for share, _, _ in rows)
    shown = [[f"`{symbol}`", dso, number(share, 1)] for share, dso, symbol in rows[:SHOWN]]
    by_file = {}
    for share, dso, _ in rows:
        by_file[dso] = by_file.get(dso, 0) + share
    files = [[name, number(share, 1)] for name, share in sorted(by_file.items(), key=lambda x: -x[1]) if share >= 0.5]
    settings = f"`{PAGE}`, fifty rows of {stack.count('app_user'):,}, {read:,} times in {seconds} s on one connection, as an administrator sees it; the time in the program " \
               f"itself (cpu-clock:u, 4,000 samples a second: `perf record -e cpu-clock:u -F 4000 -p PID`, `perf report --no-children --sort dso,symbol`). {machine.versions(stack)}."
    return Section(settings, [
        f"A page takes {number(cost[2], 2)} ms of telemanager.fcgi's processor time, the kernel's part (reading and writing sockets) with it. By library:",
        table(["where", "%"], files), "By function:", table(["function", "in", "%"], shown),
        f"What is not shown is {number(own - sum(r[0] for r in rows[:SHOWN]), 1)} % in {len(rows) - SHOWN} functions."],
        [Bar("a page of fifty rows", cost[2], "ms of processor time", most=CPU_MS)])
