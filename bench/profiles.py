"""Where an update's work goes: in telebot.fcgi by instructions (callgrind), in PostgreSQL by samples of its processes (perf)."""
import os
import re
import shutil
import subprocess

import drain
import ingest
import instructions
import machine
from figures import Section, number, table

LINE = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(?:(?P<file>[^:\s]+):)?(?P<function>\S+)(?: \[(?P<object>[^\]]*)\])?$", re.M)
SAMPLE = re.compile(r"^\s*([\d.]+)%\s+(\S+)\s+\[.\]\s+(\S+)", re.M)
SHOWN = 20
SOURCES = ("cgi/", "lib/")


def by_function(profile, inclusive):
    """{(file, function, object): instructions}"""
    done = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=100", f"--inclusive={'yes' if inclusive else 'no'}", profile],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=120)
    found = {}
    for line in LINE.finditer(done.stdout.decode(errors="replace")):
        # Recursion and clones of a function are one.
        key = (line["file"] or "", re.sub(r"'\d+$|\.(?:part|constprop|isra)\.\d+$", "", line["function"]), os.path.basename(line["object"] or ""))
        found[key] = (max if inclusive else sum)((found.get(key, 0), int(line[1].replace(",", ""))))
    return found


def an_update(few, many, inclusive):
    """The same of one update: what the longer run has more."""
    short, long = (by_function(p, inclusive) for p in (few, many))
    updates = instructions.MANY - instructions.FEW
    return {key: (n - short.get(key, 0)) / updates for key, n in long.items() if n > short.get(key, 0)}


def object_name(name):
    return re.sub(r"\.so[.\d]*$", "", name) or "elsewhere"


def ours(file):
    """The path of one of our own sources; None: it is another's."""
    found = re.search(rf"(?:^|/)((?:{'|'.join(SOURCES)})[a-z_]+\.c)$", file)
    return found[1] if found else None


def tables(few, many):
    own, whole = an_update(few, many, False), an_update(few, many, True)
    total = sum(own.values())

    def row(name, n):
        return [name, number(n, 0), number(100 * n / total, 1)]
    objects = {}
    for (_, _, where), n in own.items():
        objects[object_name(where)] = objects.get(object_name(where), 0) + n
    largest = sorted(own.items(), key=lambda item: -item[1])[:SHOWN]
    # callgrind tells one function by several paths of its file.
    named = {}
    for (file, function, _), n in whole.items():
        if ours(file):
            name = f"`{function}` ({ours(file)})"
            named[name] = max(n, named.get(name, 0))
    inclusive = sorted(named.items(), key=lambda item: -item[1])[:SHOWN]
    head = ("instructions an update", "share, %")
    return [
        table(("telebot.fcgi and its libraries", *head), [row(name, n) for name, n in sorted(objects.items(), key=lambda item: -item[1]) if n >= 100]),
        "Our own functions, with all that they call:",
        table(("function", *head), [row(name, n) for name, n in inclusive]),
        "The largest by themselves:",
        table(("function", *head), [row(f"`{function}` ({object_name(where)})", n) for (_, function, where), n in largest]),
    ]


def sampled(stack, role, work):
    """[(share of the samples in %, where, symbol)] of a role's sessions in PostgreSQL while it works; empty: perf is not there, or may not."""
    data = os.path.join(stack.dir, "perf.data")
    if not shutil.which("perf"):
        return []
    sessions = [str(pid) for pid, in stack.sql("SELECT pid FROM pg_stat_activity WHERE usename = %(role)s", {"role": role}, "postgres")]
    # By a clock, since machines in a machine often have no counters.
    recording = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "-o", data, "-p", ",".join(sessions)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    work()
    recording.terminate()
    recording.wait(30)
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--sort", "dso,symbol"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=120)
    return [(float(share), where, symbol) for share, where, symbol in SAMPLE.findall(done.stdout.decode(errors="replace"))]


def sample_tables(title, samples):
    if not samples:
        return []
    shares = {}
    for share, where, _ in samples:
        shares[where] = shares.get(where, 0) + share
    return [title, table(("where", "share, %"), [(where, number(share, 1)) for where, share in sorted(shares.items(), key=lambda item: -item[1])]),
            table(("symbol", "share, %"), [(f"`{symbol}` ({where})", number(share, 1)) for share, where, symbol in samples if not symbol.startswith("0x")][:SHOWN])]


def measure(bed):
    seconds, many = (3, 5000) if bed.quick else (10, 50_000)
    blocks = instructions.profiles(tables)
    stack = bed.stack(TELEOPS_QUEUES=f"default,{drain.QUEUE}", TELEOPS_SLOTS=drain.SLOTS)
    stack.apply(drain.COMMANDS)
    ingest.admitted(stack, 2)
    blocks += sample_tables("TeleBot's sessions in PostgreSQL while 32 connections post updates, by samples:",
                            sampled(stack, "teleops_bot", lambda: ingest.admitted(stack, seconds)))
    queue = drain.Queue(stack)
    queue.clear()
    queue.feed(many)
    queue.settle()
    blocks += sample_tables(f"The engine's session while it does {many:,} tasks of kind text:", sampled(stack, "teleops_engine", lambda: queue.drain(many)))
    settings = f"The difference of {instructions.MANY} and {instructions.FEW} updates under callgrind, one after the other; {instructions.built_with()}. " \
               f"{machine.versions(stack)}."
    return Section(settings, blocks)
