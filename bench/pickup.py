"""How soon waiting work is picked up: from an admission's begin to the task's start in an engine, beside two connections in C that do nothing
but insert, ring and claim."""
import json
import statistics
import time

import beside
import drain
import floor
import machine
from bed import NO_RATES, message
from figures import Section, each, median_bar, number, percentile, spread, table

PAUSE_S = 0.02  # longer than an answer takes: one is under way at a time
WAITED_SQL = """
SELECT 1000 * extract(epoch FROM started_at - admitted_at)::float8, 1000 * extract(epoch FROM claimed_at - admitted_at)::float8
FROM task_history WHERE update_id > %(since)s AND queue = %(queue)s"""


def picked_up(stack, connection, count):
    """(ms from admission to start, ms from admission to the claim's begin) of each."""
    since = stack.next_update
    for n in range(count):
        body = json.dumps({"update_id": stack.number(), "message": message(stack, n, f"/tell hi {n}")}).encode()
        if stack.post(body, connection=connection)[0] != 200:
            raise RuntimeError("the webhook did not take an update")
        time.sleep(PAUSE_S)
    if not stack.settled(60):
        raise RuntimeError("not everything was answered")
    found = stack.sql(WAITED_SQL, {"since": since, "queue": drain.QUEUE})
    if len(found) != count:
        raise RuntimeError(f"{len(found)} tasks of {count} are done")
    return found


def measure(bed):
    rounds, count = (2, 100) if bed.quick else (5, 300)
    floor.build()
    others = bed.others()
    stack = bed.stack(TELEOPS_QUEUES=f"default,{drain.QUEUE}", **NO_RATES)
    stack.apply(drain.COMMANDS)
    database = beside.Database(stack)
    connection = stack.connection()
    picked_up(stack, connection, 20)
    floors, ours = [], []
    for _ in range(rounds):
        floors.append(floor.ask("pickup", count, database.conninfo))
        ours.append(picked_up(stack, connection, count))
    cores = others.cores()
    started = [[percentile([ms for ms, _ in one], p) for p in (50, 99)] for one in ours]
    rows = [["floor in C, p50", *spread([f[0] for f in floors])], ["floor in C, p99", *spread([f[1] for f in floors])],
            ["TeleOps, p50", *spread([s[0] for s in started])], ["TeleOps, p99", *spread([s[1] for s in started])],
            ["TeleOps, to the claim's begin, p50", *spread([percentile([ms for _, ms in one], 50) for one in ours])]]
    settings = f"{rounds} rounds of {count} each in turn, one at a time; TeleOps: `/tell`, a text command, through the webhook, from the begin of its admission's " \
               f"transaction to its start in the engine. {machine.versions(stack)}."
    return Section(settings, [
        table(["milliseconds", "median", "min", "max"], rows),
        "The floor writes one small row with NOTIFY and claims it; TeleOps decides rights, writes task and audit, commits, rings from another connection, claims with "
        f"the person's rights looked at again. All of it is committed. Other programs used {cores:.2f} cores meanwhile; the whole of it took "
        f"{number(statistics.median([ms for one in ours for ms, _ in one]), 2)} ms at the median over all rounds.",
    ], [median_bar("pick-up p50 ÷ floor in C", each([s[0] for s in started], [f[0] for f in floors]), most=1.5, moonshot=1.2),
        median_bar("pick-up p99 ÷ floor p99", each([s[1] for s in started], [f[1] for f in floors]), most=2, moonshot=1.2)])
