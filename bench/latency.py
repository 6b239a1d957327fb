"""From a person's message to the answer's arrival, on a stack that has nothing else to do."""
import http.client
import json
import random
import statistics
import time

import beside
import floor
import machine
from bed import FIRST_ID, NO_RATES, message
from figures import Bar, Section, each, median_bar, number, percentile, spread, table

LIMIT_MS = 15
CHUNKS = 5  # between them the floor is measured
PAUSE_S, PAUSE_MORE_S = 0.08, 0.06  # longer than an answer takes: one is under way at a time
TIMES_SQL = """
SELECT update_id, extract(epoch FROM admitted_at)::float8, extract(epoch FROM claimed_at)::float8, extract(epoch FROM started_at)::float8,
    extract(epoch FROM finished_at)::float8, extract(epoch FROM sent_at)::float8
FROM task_history WHERE update_id = ANY (%(ids)s) AND state = 'done'"""
# Each part of the way, by the moments it lies between.
PARTS = (
    ("POST sent to its transaction begun (nginx, FastCGI, parsing)", "posted", "admitted"),
    ("to the claim begun (admission, commit, the engine's bell)", "admitted", "claimed"),
    ("to the command's start (claim, commit, the runner asked)", "claimed", "started"),
    ("to its end seen (supervisor, fork, exec, the command)", "started", "finished"),
    ("to sendMessage's arrival (result, commit, the sender's bell, HTTP)", "finished", "arrived"),
)
WHOLE = ("POST sent to sendMessage's arrival", "posted", "arrived")
BESIDE = (
    ("POST sent to its 200", "posted", "answered"),
    ("sendMessage's arrival to noted as sent", "arrived", "noted"),
)


class Line:
    """One stack with a kept webhook connection, and what was said through it."""

    def __init__(self, stack):
        self.stack = stack
        self.connection = stack.connection()
        self.moments = {}
        self.since = stack.sim.health()["calls"]

    def say(self, n):
        """Another person each time, so that no chat's own limit is met."""
        update = {"update_id": self.stack.number(), "message": message(self.stack, n, f"/say hi {n}")}
        body = json.dumps(update).encode()
        posted = time.time()
        status, _, _ = self.stack.post(body, connection=self.connection)
        answered = time.time()
        if status != 200:
            raise RuntimeError(f"the webhook answered {status}")
        self.moments[update["update_id"]] = {"n": n, "posted": posted, "answered": answered}

    def complete(self):
        """Adds what the simulator and the database noted; all moments of each update."""
        if not self.stack.settled(30):
            raise RuntimeError("not everything was answered")
        arrived = {c["params"]["text"]: c["t"] for c in self.stack.sim.calls("sendMessage", self.since)}
        for update_id, *times in self.stack.sql(TIMES_SQL, {"ids": list(self.moments)}):
            self.moments[update_id].update(zip(("admitted", "claimed", "started", "finished", "noted"), times))
        for moment in self.moments.values():
            moment["arrived"] = arrived[f"hi {moment['n']}"]
        return list(self.moments.values())


def milliseconds(moments, begin, end):
    return [1000 * (m[end] - m[begin]) for m in moments]


def simulator_share(stack, count):
    """What of that the simulator itself takes: from a request's sending to its noting, and to the answer."""
    address = stack.env["DEMO_CHAT_URL"].split("//")[1].rstrip("/")
    connection = http.client.HTTPConnection(address, timeout=20)
    since, sent, whole = stack.sim.health()["calls"], [], []
    for n in range(count):
        body = json.dumps({"chat_id": FIRST_ID + n, "text": "bare"})
        sent.append(time.time())
        connection.request("POST", f"/bot{stack.env['TELEOPS_BOT_TOKEN']}/sendMessage", body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        if not json.loads(answer)["ok"]:
            raise RuntimeError(f"the simulator refused: {answer.decode()}")
        whole.append(1000 * (time.time() - sent[-1]))
        time.sleep(0.02)
    connection.close()
    return [1000 * (c["t"] - t) for c, t in zip(stack.sim.calls("sendMessage", since), sent)], whole


def floor_of(conninfo, count):
    """Milliseconds: (the command started and ended, an INSERT committed)."""
    return floor.ask("spawn", count, 1, "/bin/echo", "hi")[1], floor.ask("commits", count, conninfo)[0]


def row(name, values):
    return [name, *spread(values), number(percentile(values, 90), 2), number(percentile(values, 99), 2)]


def measure(bed):
    count = 20 if bed.quick else 500
    lines = {"rates off": Line(bed.stack(**NO_RATES)), "rates on": Line(bed.stack())}
    for n in range(20):
        for line in lines.values():
            line.say(9000 + n)
            time.sleep(PAUSE_S)
    for line in lines.values():
        line.complete()
        line.moments.clear()
    floor.build()
    database = beside.Database(lines["rates off"].stack)
    floors = []
    others = bed.others()
    for n in range(count):
        if n % (count // CHUNKS) == 0:
            floors.append(floor_of(database.conninfo, count // CHUNKS))
        for line in lines.values():
            line.say(n)
            time.sleep(PAUSE_S + random.random() * PAUSE_MORE_S)
    found = {name: line.complete() for name, line in lines.items()}
    cores = others.cores()
    noting, whole = simulator_share(lines["rates off"].stack, 200)
    rows = [row(f"{WHOLE[0]}, {name}", milliseconds(found[name], *WHOLE[1:])) for name in lines]
    rows += [row(what, milliseconds(found["rates off"], begin, end)) for what, begin, end in PARTS]
    rows += [row(f"(beside it) {what}", milliseconds(found["rates off"], begin, end)) for what, begin, end in BESIDE]
    rows += [row("(of it) the simulator: request sent to noted", noting), row("(beside it) the simulator: request to its answer", whole)]
    rows += [row("(beside it) posix_spawn of echo until its end", [s for s, _ in floors]), row("(beside it) an INSERT and its commit", [c for _, c in floors])]
    whole_of = sorted(found["rates off"], key=lambda m: m["n"])
    chunks = [statistics.median(milliseconds(whole_of[i:i + count // CHUNKS], *WHOLE[1:])) for i in range(0, count, count // CHUNKS)]
    settings = f"{count} times `/say hi` a stack, two stacks in turn, each time another person, pauses of {PAUSE_S * 1000:.0f} to " \
               f"{(PAUSE_S + PAUSE_MORE_S) * 1000:.0f} ms, one kept TLS connection. {machine.versions(lines['rates off'].stack)}."
    return Section(settings, [
        table(["milliseconds", "median", "min", "max", "p90", "p99"], rows),
        "The parts are of the stack with rates off; together they are the whole. Moments are the database's (transaction begun), the engine's and the "
        f"simulator's own, all of one clock. Other programs used {cores:.2f} cores meanwhile.",
    ], [median_bar("webhook in to sendMessage out for /say ÷ (spawn of the command + 2 commits)", each(chunks, [s + 2 * c for s, c in floors]), most=2, moonshot=1.3),
        *(Bar(f"from a message to its answer, median, {name}", statistics.median(milliseconds(found[name], *WHOLE[1:])), "ms", most=LIMIT_MS) for name in lines)])
