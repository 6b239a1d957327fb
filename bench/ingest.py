"""Updates a second through nginx with TLS and kept connections: the whole of TeleBot's work, beside nginx and libfcgi that only answer, and
beside what others build webhooks with."""
import contextlib
import os
import re
import resource
import signal
import statistics
import subprocess
import time

import beside
import machine
from bed import FIRST_ID, HERE, PEOPLE
from figures import Section, each, median_bar, number, spread, table
from stack import SECRET

CONNECTIONS, MANY = 32, 100
WARM_S = 3
PROGRAMS = ("telebot", "telemanager", "teleengine", "telesender")
SAID = re.compile(r"^wrk: (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+) (\d+)$", re.M)
RATE, P50, P99 = range(3)
BARE, TELEBOT, ALONE = "nginx + libfcgi, no database", "TeleBot", "TeleBot, no engine there"


def load(stack, port, seconds, path="/webhook", connections=CONNECTIONS, people=PEOPLE):
    """(answers a second, p50 ms, p99 ms, answers)"""
    first = stack.next_update + 1
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", os.path.join(HERE, "post.lua"),
                           f"https://127.0.0.1:{port}{path}", "--", str(first), str(FIRST_ID), str(people), SECRET],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=seconds + 60)
    found = SAID.search(done.stdout.decode(errors="replace"))
    if not found:
        raise RuntimeError(f"wrk: {done.stdout.decode(errors='replace').strip()[-500:]}")
    answers, elapsed, p50, p99, refused, broken = (float(n) for n in found.groups())
    if refused or broken or not answers:
        raise RuntimeError(f"of {answers:.0f} answers {refused:.0f} were not 200, and {broken:.0f} connections broke; see {stack.dir}/log")
    stack.next_update += int(answers) + 10 * connections  # wrk asks for some more than it counts
    return answers / elapsed, p50, p99, int(answers)


def counted(found, there, connections):
    """What was under way when wrk stopped was admitted, and not counted by it."""
    if not found[3] <= there <= found[3] + connections:
        raise RuntimeError(f"{found[3]} answers, but {there} updates are there")
    return found


def admitted(stack, seconds, connections=CONNECTIONS, people=PEOPLE):
    """Through TeleBot; what was answered must be there, each as one update seen and one task."""
    stack.sql("TRUNCATE task, update_seen")
    stack.sql("CHECKPOINT", user="postgres")
    found = load(stack, stack.env["TELEOPS_WEBHOOK_PORT"], seconds, connections=connections, people=people)
    time.sleep(0.2)
    seen, tasks = stack.count("update_seen"), stack.count("task")
    if seen != tasks:
        raise RuntimeError(f"{seen} updates, but {tasks} tasks are there")
    return counted(found, tasks, connections)


def taken(stack, others, peer, seconds):
    """Through a peer; the same is asked of it."""
    others.clear(peer)
    stack.sql("CHECKPOINT", user="postgres")
    found = load(stack, others.port, seconds, f"/{peer.key}")
    time.sleep(0.2)
    return counted(found, others.took(peer), CONNECTIONS)


def gone(pid):
    """Also when nobody has taken notice of its end yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@contextlib.contextmanager
def without_engine(stack):
    """The supervisor is stopped meanwhile, else it would start another."""
    engine, supervisor = stack.pid("teleengine"), stack.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(engine, signal.SIGTERM)
        if not stack.wait(lambda: gone(engine), 30):
            raise RuntimeError("the engine did not end")
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
    if not stack.wait(lambda: stack.pid("teleengine") != engine and listening(stack), 60):
        raise RuntimeError("the engine did not come back")


def listening(stack):
    """An engine that hears the bell, and has nothing else under way."""
    return stack.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'teleops_engine' AND state = 'idle'", user="postgres")[0][0] > 0


def alone(stack, seconds):
    with without_engine(stack):
        return admitted(stack, seconds)


class Spent:
    """Processor time of each part while it runs: {part: ns}."""

    def __init__(self, stack):
        self.stack = stack
        self.then = self.now()

    def now(self):
        used = {name: machine.run_ns(machine.tree(self.stack.pid(name))) for name in (*PROGRAMS, "nginx", "postgres")}
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {**used, "wrk": {0: int((children.ru_utime + children.ru_stime) * 1e9)}}

    def since(self):
        """Of a process that has ended meanwhile nobody knows any more."""
        return {name: sum(ns - self.then[name].get(which, 0) for which, ns in used.items()) for name, used in self.now().items()}


def where_time_goes(stack, seconds):
    """Microseconds of processor time an update, by part."""
    spent = Spent(stack)
    answers = admitted(stack, seconds)[3]
    found = {name: ns / 1000 / answers for name, ns in spent.since().items()}
    return found, sum(found.values())


def rounds_of(stack, others, rounds, seconds):
    """{contender: [what load gave in each round]}, {TeleBot or peer: [MiB PSS right after it]}; all take turns, so that each round is one window."""
    contenders = {
        BARE: lambda s=seconds: load(stack, others.port, s),
        TELEBOT: lambda s=seconds: admitted(stack, s),
        ALONE: lambda s=seconds: alone(stack, s),
        1: lambda s=seconds: admitted(stack, s, 1),
        MANY: lambda s=seconds: admitted(stack, s, MANY),
        **{p.key: lambda s=seconds, p=p: taken(stack, others, p, s) for p in beside.PEERS},
    }
    for name, run in contenders.items():
        if name not in (ALONE, 1, MANY):
            run(max(WARM_S, seconds))
    weigh = {TELEBOT: lambda: machine.pss(machine.tree(*(stack.pid(name) for name in PROGRAMS))) / 1024,
             **{p.key: lambda p=p: others.memory(p) for p in beside.PEERS}}
    found, memory = {name: [] for name in contenders}, {name: [] for name in weigh}
    for _ in range(rounds):
        for name, run in contenders.items():
            found[name].append(run())
            if name in weigh:
                memory[name].append(weigh[name]())
    return found, memory


NAMES = {1: "TeleBot, 1 connection", MANY: f"TeleBot, {MANY} connections", **{p.key: p.name for p in beside.PEERS}}


def column(runs, which):
    return [run[which] for run in runs]


def rows_of(found):
    return [[f"{NAMES.get(name, name)}, {what}", *spread(column(runs, which), digits)] for name, runs in found.items()
            for which, what, digits in ((RATE, "updates/s", 0), (P50, "p50, ms", 2), (P99, "p99, ms", 2))]


def bars_of(found, memory):
    rates = {name: column(runs, RATE) for name, runs in found.items()}
    best_queue = [min(values) for values in zip(*(column(found[p.key], P99) for p in beside.PEERS if p.queue))]
    bars = [median_bar("ingest, 32 connections ÷ nginx + libfcgi without a database", each(rates[TELEBOT], rates[BARE]), least=0.5, moonshot=0.7)]
    bars += [median_bar(f"ingest ÷ {p.name}", each(rates[TELEBOT], rates[p.key]), least=p.least, moonshot=p.moonshot, digits=1) for p in beside.PEERS]
    bars.append(median_bar("ingest p99 at 32 connections ÷ the best queue peer's", each(column(found[TELEBOT], P99), best_queue), most=0.2, moonshot=0.1))
    bars += [median_bar(f"ingest, {count} connection{'s' if count > 1 else ''}: p99 ÷ p50", each(column(found[count], P99), column(found[count], P50)), most=4)
             for count in (1, MANY)]
    bars.append(median_bar("ingest with an engine listening ÷ with none", each(rates[TELEBOT], rates[ALONE]), least=0.95, moonshot=1))
    node = [min(mib) for mib in zip(*(values for key, values in memory.items() if key not in (TELEBOT, "django")))]
    bars += [median_bar(f"memory (PSS) of the four programs under that load ÷ {whose}", each(memory[TELEBOT], other), most=most, moonshot=0.04, digits=3)
             for whose, other, most in (("Django's", memory["django"], 0.08), ("one Node's", node, 0.13))]
    return bars


def measure(bed):
    rounds, seconds = (2, 1) if bed.quick else (5, 4)
    others = bed.others()
    stack = bed.stack()
    with beside.Beside(stack, beside.PEERS) as side:
        found, memory = rounds_of(stack, side, rounds, seconds)
        parts, whole = where_time_goes(stack, seconds)
    cores = others.cores()
    settings = f"{rounds} rounds, {seconds} s each and in turn, {CONNECTIONS} connections with TLS, kept; {PEOPLE:,} people, each update a `/note` of another " \
               f"one, in a queue that no engine asks for; writers 2, batch 64. wrk {machine.version('wrk')} on the same cores. {machine.versions(stack)}. " \
               f"{beside.versions()}."
    return Section(settings, [
        table(["", "median", "min", "max"], rows_of(found)),
        "Every update goes the whole way: secret, parsing, rights, deduplication, task, audit, commit, bell. Peers check the secret, parse and commit. Of all "
        f"of them answers and rows are counted against each other. Other programs used {cores:.2f} cores meanwhile.",
        table(["MiB PSS under that load", "median", "min", "max"], [["TeleOps, the four programs", *spread(memory[TELEBOT], 1)],
                                                                    *([p.name, *spread(memory[p.key], 1)] for p in beside.PEERS)]),
        "Where an update's processor time goes, by part of the stack:",
        table(["", "µs an update", "share, %"], [[name, number(us, 1), number(100 * us / whole, 0)] for name, us in parts.items()]),
    ], bars_of(found, memory), {"updates a second": {NAMES.get(name, name): spread_of(runs) for name, runs in found.items() if name not in (ALONE, 1, MANY)},
                                "ingest, p99 in ms": {NAMES.get(name, name): spread_of(runs, P99) for name, runs in found.items() if name not in (ALONE, 1, MANY)}})


def spread_of(runs, which=RATE):
    values = column(runs, which)
    return statistics.median(values), min(values), max(values)
