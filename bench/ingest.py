"""Updates a second through nginx with TLS and kept connections: the whole of TeleBot's work, beside nginx and libfcgi that only answer."""
import os
import re
import shutil
import socket
import statistics
import subprocess
import time

import machine
from bed import BUILD, FIRST_ID, HERE, PEOPLE
from figures import Bar, Section, spread, table
from stack import SECRET, free_ports

CONNECTIONS = 32
BARE_PROCESSES = 64  # as many as nginx may open connections to one of TeleBot's servers
RATIO = 0.5
SAID = re.compile(r"^wrk: (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+) (\d+)$", re.M)


class Bare:
    """The stack's nginx configuration once more, on ports of its own, before bench/bare.fcgi."""

    def __init__(self, stack):
        program = os.path.join(BUILD, "bench/bare.fcgi")
        subprocess.run(["make", "-s", "-C", BUILD, "bench/bare.fcgi"], check=True, stdout=subprocess.DEVNULL)
        self.port, admin = free_ports(2)
        self.dir = os.path.join(stack.dir, "bare")
        path = os.path.join(stack.env["DEMO_SOCKET_DIR"], "bare.sock")
        for name in ("etc", "log", "run", "nginx"):
            os.makedirs(os.path.join(self.dir, name))
        self.configure(stack, {stack.env["TELEOPS_WEBHOOK_PORT"]: self.port, stack.env["TELEOPS_ADMIN_PORT"]: admin}, path)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(1024)
            shutil.chown(path, "www-data")
            self.processes = [subprocess.Popen([program], stdin=listening, stdout=subprocess.DEVNULL) for _ in range(BARE_PROCESSES)]
        with open(os.path.join(self.dir, "log/nginx.log"), "ab") as log:
            self.processes.append(subprocess.Popen(["nginx", "-c", os.path.join(self.dir, "etc/nginx.conf"), "-p", os.path.join(self.dir, "nginx"),
                                                    "-e", "stderr"], stdout=log, stderr=log))
        if not stack.wait(self.listens, 20):
            self.stop()
            raise RuntimeError(f"nginx did not start; see {self.dir}/log/nginx.log")

    def listens(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def configure(self, stack, ports, path):
        for name in ("nginx.conf", "teleops.conf"):
            with open(os.path.join(stack.dir, "etc", name), encoding="utf-8") as f:
                text = f.read()
            for part in ("etc", "log", "run", "nginx"):
                text = text.replace(f"{stack.dir}/{part}/", f"{self.dir}/{part}/")
            for old, new in ports.items():
                text = text.replace(f"127.0.0.1:{old} ", f"127.0.0.1:{new} ")
            text = text.replace(os.path.join(stack.env["DEMO_SOCKET_DIR"], "telebot.sock"), path)
            with open(os.path.join(self.dir, "etc", name), "w", encoding="utf-8") as f:
                f.write(text)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def load(stack, port, seconds):
    """(answers a second, p50 ms, p99 ms, answers)"""
    first = stack.next_update + 1
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", os.path.join(HERE, "post.lua"),
                           f"https://127.0.0.1:{port}/webhook", "--", str(first), str(FIRST_ID), str(PEOPLE), SECRET],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=seconds + 60)
    found = SAID.search(done.stdout.decode(errors="replace"))
    if not found:
        raise RuntimeError(f"wrk: {done.stdout.decode(errors='replace').strip()[-500:]}")
    answers, elapsed, p50, p99, refused, broken = (float(n) for n in found.groups())
    if refused or broken or not answers:
        raise RuntimeError(f"of {answers:.0f} answers {refused:.0f} were not 200, and {broken:.0f} connections broke; see {stack.dir}/log")
    stack.next_update += int(answers) + 10 * CONNECTIONS  # wrk asks for some more than it counts
    return answers / elapsed, p50, p99, int(answers)


def admitted(stack, port, seconds):
    """The same through TeleBot; what was answered must be there."""
    stack.sql("TRUNCATE task, update_seen")
    stack.sql("CHECKPOINT", user="postgres")
    found = load(stack, port, seconds)
    time.sleep(0.5)
    seen, tasks = stack.count("update_seen"), stack.count("task")
    # What was under way when wrk stopped was admitted, and not counted by it.
    if seen != tasks or not found[3] <= tasks <= found[3] + CONNECTIONS:
        raise RuntimeError(f"{found[3]} answers, but {seen} updates and {tasks} tasks are there")
    return found


def measure(bed):
    rounds, seconds = (3, 2) if bed.quick else (7, 5)
    others = bed.others()
    stack = bed.stack()
    bare = Bare(stack)
    try:
        port = int(stack.env["TELEOPS_WEBHOOK_PORT"])
        load(stack, bare.port, 1)
        admitted(stack, port, 3)
        runs = [(load(stack, bare.port, seconds), admitted(stack, port, seconds)) for _ in range(rounds)]
        memory = machine.pss(machine.tree(stack.pid("telebot"))) / 1024
    finally:
        bare.stop()
    cores = others.cores()
    ratios = [whole[0] / limit[0] for limit, whole in runs]
    rows = [[f"{name}, {what}", *spread([run[i][j] for run in runs], digits)]
            for i, name in enumerate(("nginx + libfcgi, no database", "TeleBot"))
            for j, what, digits in ((0, "updates/s", 0), (1, "p50, ms", 2), (2, "p99, ms", 2))]
    rows.append(["TeleBot ÷ nginx + libfcgi, pair by pair", *spread(ratios)])
    settings = f"{rounds} pairs of {seconds} s, {CONNECTIONS} connections with TLS, kept; {PEOPLE:,} people, each update a `/note` of another one, in a queue " \
               f"that no engine asks for; writers 2, batch 64. wrk {machine.version('wrk')} on the same cores. {machine.versions(stack)}."
    return Section(settings, [
        table(["", "median", "min", "max"], rows),
        "Every update goes the whole way: secret, parsing, rights, deduplication, task, audit, commit, bell; answers and rows are counted against each "
        f"other. telebot.fcgi holds {memory:.1f} MiB PSS afterwards. Other programs used {cores:.2f} cores meanwhile.",
    ], [Bar("updates/s ÷ nginx + libfcgi without a database, median of the pairs", statistics.median(ratios), least=RATIO)])
