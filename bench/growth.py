"""What grows with the years must not make anything slower: stacks that differ in one thing from a small one, measured in turn."""
import statistics

import drain
import ingest
import machine
import pages
from bed import MENUS_SQL
from figures import Section, each, median_bar, number, spread, table

PEOPLE = 100  # who write, whoever else is there
SMALL = "small"
FLAT = 0.9
NOISE_MS = 0.3
NO_RATE = {"TELEOPS_PERSON_RATE": 0}


def commands(many):
    """So many commands more, each granted."""
    names = [f"more{n:04}" for n in range(many)]
    return {"commands": [{"name": name, "description": "One of many", "kind": "text", "template": "said"} for name in names],
            "grants": [{"role": "bench", "command": name} for name in names]}


class Grown:
    """A stack with so much in it."""

    def __init__(self, bed, history, people=PEOPLE, more_commands=0):
        self.stack = bed.stack(PEOPLE, TELEOPS_QUEUES=f"default,{drain.QUEUE}", TELEOPS_SLOTS=drain.SLOTS, **NO_RATE)
        self.stack.apply(drain.COMMANDS)
        if more_commands:
            self.stack.apply(commands(more_commands))
        pages.fill(self.stack, people, history)
        self.stack.sql(MENUS_SQL)
        self.queue = drain.Queue(self.stack, people=PEOPLE)
        self.reader = pages.Reader(self.stack)

    def ingest(self, seconds):
        return ingest.admitted(self.stack, seconds, people=PEOPLE)[0]

    def drain(self, many):
        return drain.fresh(self.queue, many)

    def lists(self, times):
        """{list: ms}; searches go by what they search for."""
        self.queue.clear()
        self.reader.browser.connection.close()  # which nginx did long ago; the next request opens it
        found = {}
        for path in pages.lists(self.stack):
            self.reader.read(path)
            found[path] = statistics.median(self.reader.read(path) for _ in range(times))
        return found


def slowed(ms, base):
    """How many times as long; a little is noise."""
    return ms / base if ms - base > NOISE_MS else min(1.0, ms / base)


def variants(quick):
    """{name: what is other than in the small one}; its history is the first."""
    small = {"history": 10_000}
    if quick:
        return {SMALL: small, "100,000 finished tasks": {"history": 100_000}, "10,000 people": {**small, "people": 10_000},
                "300 commands": {**small, "more_commands": 300}}
    return {SMALL: small, "1,000,000 finished tasks": {"history": 1_000_000}, "10,000,000 finished tasks": {"history": 10_000_000},
            "100,000 people": {**small, "people": 100_000}, "1,000 commands": {**small, "more_commands": 990}}


def measure(bed):
    rounds, seconds, many, times = (1, 1, 1000, 3) if bed.quick else (5, 2, 5000, 11)
    others = bed.others()
    grown = {name: Grown(bed, **told) for name, told in variants(bed.quick).items()}
    for one in grown.values():
        one.ingest(1)
        one.drain(many)
    found = {name: {"ingest": [], "drain": [], "lists": []} for name in grown}
    for _ in range(rounds):
        for name, one in grown.items():
            found[name]["ingest"].append(one.ingest(seconds))
            found[name]["drain"].append(one.drain(many))
            found[name]["lists"].append(one.lists(times))
    cores = others.cores()
    rates = [[f"{name}, {what}", *spread(found[name][what], 0)] for what in ("ingest", "drain") for name in grown]
    paths = list(found[SMALL]["lists"][0])
    medians = {name: {path: statistics.median(one[path] for one in found[name]["lists"]) for path in paths} for name in grown}
    bars = []
    for name in grown:
        if name == SMALL:
            continue
        bars += [median_bar(f"{what}, {name} ÷ {SMALL}", each(found[name][what], found[SMALL][what]), least=FLAT) for what in ("ingest", "drain")]
        slowest = max(paths, key=lambda path, of=name: slowed(medians[of][path], medians[SMALL][path]))
        bars.append(median_bar(f"the list that slows down most, {slowest}, {name} ÷ {SMALL}",
                               [slowed(one[slowest], base[slowest]) for one, base in zip(found[name]["lists"], found[SMALL]["lists"])], most=round(2 - FLAT, 1)))
    settings = f"{rounds} rounds in turn: {seconds} s of ingest, {many:,} tasks drained, every list read {times} times; {SMALL}: {PEOPLE} people, 10,000 finished " \
               f"tasks, about 25 commands; the same {PEOPLE} people write everywhere. {machine.versions(grown[SMALL].stack)}."
    return Section(settings, [
        table(["a second", "median", "min", "max"], rates),
        "Lists of the admin pages, milliseconds at a client:",
        table(["list", *grown], [[path, *(number(medians[name][path], 2) for name in grown)] for path in paths]),
        f"A list that has more to show on its first page takes longer for that alone; less than {NOISE_MS} ms of difference is taken for noise. Other "
        f"programs used {cores:.2f} cores meanwhile.",
    ], bars)
