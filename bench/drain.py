"""How fast tasks that wait are done: an engine's whole work for commands of kind text, answers in the outbox included, beside what a claim of
fifty costs PostgreSQL itself and beside graphile-worker, which answers nobody."""
import os
import re
import subprocess
import time

import beside
import machine
from bed import FIRST_ID, PEOPLE
from claim import OldSnapshot
from figures import Section, each, median_bar, number, spread, table
from support.cluster import pg_bin

QUEUE = "drain"
SLOTS, BATCH, CLIENTS = 64, 50, 2
COMMANDS = {
    "queues": [{"name": QUEUE}],
    "commands": [{"name": "tell", "kind": "text", "template": "noted: {text}", "queue": QUEUE, "parameters": [{"name": "text", "type": "text", "required": True}]}],
    "grants": [{"role": "bench", "command": "tell"}],
}
FEED_SQL = """
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id, update_id, args, line, turn_at)
SELECT c.queue, c.id, a.user_id, a.telegram_id, a.telegram_id, n, %(args)s, '/' || c.name || ' x', now() + n * interval '1 ms'
FROM generate_series(1, %(many)s) n JOIN command c ON c.name = %(command)s JOIN telegram_account a ON a.telegram_id = %(first)s + n %% %(people)s"""
# Tasks a second between the first that finished and the last of so many.
RATE_SQL = """
SELECT count(*) FILTER (WHERE at > first) / extract(epoch FROM max(at) - min(first))::float8
FROM (SELECT finished_at AS at, min(finished_at) OVER () AS first FROM task_history WHERE queue = %(queue)s AND finished_at >= %(since)s
    ORDER BY finished_at LIMIT %(many)s) done"""
ENDED_SQL = """
SELECT count(*) FILTER (WHERE state = 'done'), (SELECT count(*) FROM outbox) + count(sent_at) FROM task_history WHERE queue = %(queue)s AND finished_at >= %(since)s"""
CLAIM_TABLE = """
DROP TABLE IF EXISTS bench_task;
CREATE TABLE bench_task (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL DEFAULT 0, result text, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bench_task (id) WHERE state = 0;
INSERT INTO bench_task (state) SELECT 0 FROM generate_series(1, {many});
ANALYZE bench_task;
CHECKPOINT"""
# Claims, then notes the result: two transactions, as work lies between.
CLAIM = f"""WITH next AS (SELECT id FROM bench_task WHERE state = 0 ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED), \
claimed AS (UPDATE bench_task t SET state = 1 FROM next WHERE t.id = next.id RETURNING t.id) SELECT coalesce(array_agg(id), '{{}}')::text AS ids FROM claimed \\gset
UPDATE bench_task SET state = 2, result = 'ok' WHERE id = ANY (:ids::bigint[]);
"""


class Queue:
    """A queue of a stack whose own engine serves it, with so many tasks in it."""

    def __init__(self, stack, name=QUEUE, command="tell", people=PEOPLE):
        self.stack, self.name, self.command, self.people = stack, name, command, people
        self.args = '{"text": "x"}' if command == "tell" else "{}"

    def pause(self, paused):
        self.stack.sql("UPDATE queue SET paused_at = CASE WHEN %(paused)s THEN now() END WHERE name = %(name)s; NOTIFY task",
                       {"paused": paused, "name": self.name})

    def feed(self, many):
        self.stack.sql(FEED_SQL, {"many": many, "command": self.command, "args": self.args, "first": FIRST_ID, "people": self.people})

    def clear(self):
        """Nothing waits."""
        self.pause(True)
        if not self.stack.wait(lambda: not self.stack.count("task", "state <> 'queued'"), 60):
            raise RuntimeError(f"claimed tasks do not end; see {self.stack.dir}/log/teleengine.log")
        self.stack.sql("TRUNCATE task, outbox")

    def settle(self):
        """As after autovacuum."""
        self.stack.sql("VACUUM ANALYZE task", user="postgres")
        self.stack.sql("CHECKPOINT", user="postgres")

    def drain(self, many, timeout=120):
        """Tasks a second for the next so many of what waits."""
        self.stack.sql("TRUNCATE outbox")
        said = {"queue": self.name, "many": many, "since": self.stack.sql("SELECT clock_timestamp()")[0][0]}
        self.pause(False)
        finished = self.stack.wait(lambda: self.stack.sql(ENDED_SQL, said)[0][0] >= many, timeout, 0.1)
        self.pause(True)
        well, answers = self.stack.sql(ENDED_SQL, said)[0]
        if not finished or answers < well:
            raise RuntimeError(f"{many} tasks were to be done, {well} were within {timeout} s, with {answers} answers; see {self.stack.dir}/log/teleengine.log")
        return self.stack.sql(RATE_SQL, said)[0][0]


def fresh(queue, many, old=False):
    """All of so many; with old: while another session keeps a snapshot from before."""
    queue.clear()
    with OldSnapshot(queue.stack, old):
        queue.feed(many)
        if not old:
            queue.settle()
        return queue.drain(many)


def claims(side, many):
    """What pgbench makes of a claim of fifty."""
    for statement in CLAIM_TABLE.format(many=many).split(";"):
        side.database.sql(statement)
    script = os.path.join(side.dir, "claim.sql")
    with open(script, "w", encoding="utf-8") as f:
        f.write(CLAIM)
    done = subprocess.run([os.path.join(pg_bin(), "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(CLIENTS), "-t", str(many // BATCH // CLIENTS - 1),
                           "-f", script], env=side.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=120)
    found = re.search(rb"^tps = ([\d.]+)", done.stdout, re.M)
    if not found:
        raise RuntimeError(f"pgbench: {done.stdout.decode(errors='replace')[-500:]}")
    return float(found[1]) * BATCH


def graphile(side, many):
    done = subprocess.run(["node", os.path.join(beside.INSTALLED, "drain.js"), str(many)], env=side.env(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, timeout=120)
    try:
        return float(done.stdout)
    except ValueError:
        raise RuntimeError(f"graphile-worker: {done.stderr.decode(errors='replace')[-500:]}") from None


class Parts:
    """Processor time of each part for a task."""

    def __init__(self, stack):
        self.stack = stack
        self.then = self.now()

    def now(self):
        return {name: sum(machine.run_ns(machine.tree(self.stack.pid(name))).values()) for name in ("teleengine", "telesender", "postgres")}

    def rows(self, tasks):
        return [[name, number((ns - self.then[name]) / 1000 / tasks, 1)] for name, ns in self.now().items()]


CLAIMS, GRAPHILE, OURS, MANY, OLD = ("pgbench, claims of 50", "graphile-worker, tuned, no answers", "teleengine, answers included", "teleengine, many waiting",
                                     "teleengine, old snapshot held")


def measure(bed):
    rounds, few, many, passed = (1, 5000, 50_000, 10_000) if bed.quick else (5, 10_000, 1_000_000, 20_000)
    others = bed.others()
    queues = {}
    for name in (OURS, MANY):
        stack = bed.stack(TELEOPS_QUEUES=f"default,{QUEUE}", TELEOPS_SLOTS=SLOTS)
        stack.apply(COMMANDS)
        queues[name] = Queue(stack)
    ours, full = queues[OURS], queues[MANY]
    full.clear()
    full.feed(many + (rounds + 1) * few // 2)
    full.settle()
    with beside.Beside(ours.stack, database=True) as side:
        contenders = {CLAIMS: lambda: claims(side, 2 * few), GRAPHILE: lambda: graphile(side, 2 * few), OURS: lambda: fresh(ours, few),
                      MANY: lambda: full.drain(few // 2), OLD: lambda: fresh(ours, passed, True)}
        for name in (GRAPHILE, OURS, MANY):
            contenders[name]()
        found = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, run in contenders.items():
                found[name].append(run())
        ours.clear()
        ours.feed(few)
        ours.settle()
        parts = Parts(ours.stack)
        ours.drain(few)
        time.sleep(0.2)
        where = parts.rows(few)
    cores = others.cores()
    settings = f"{rounds} rounds in turn; {few:,} tasks of {PEOPLE:,} people, many: {many:,}, old snapshot: {passed:,} that pass since it was taken; one engine with " \
               f"{SLOTS} slots, its sender at Telegram's rates; pgbench with {CLIENTS} clients, graphile-worker {beside.version('graphile-worker')} in one " \
               f"process, local queue 500, batched completions. {machine.versions(ours.stack)}."
    return Section(settings, [
        table(["tasks a second", "median", "min", "max"], [[name, *spread(values, 0)] for name, values in found.items()]),
        f"A task counts as done when its result is in the history and its answer in the outbox, one transaction. Other programs used {cores:.2f} cores meanwhile.",
        "Where a task's processor time goes:",
        table(["", "µs a task"], where),
    ], [median_bar("drain of text commands ÷ pgbench's claims of 50", each(found[OURS], found[CLAIMS]), least=0.5, moonshot=0.8),
        median_bar("drain ÷ graphile-worker, tuned", each(found[OURS], found[GRAPHILE]), least=1, moonshot=1.5),
        median_bar(f"drain with {many:,} waiting ÷ with {few:,}", each(found[MANY], found[OURS]), least=0.9, moonshot=1),
        median_bar("drain while another session holds a snapshot from before ÷ without", each(found[OLD], found[OURS]), least=0.5, moonshot=0.9)],
        {"tasks drained a second": {name: (sorted(v)[len(v) // 2], min(v), max(v)) for name, v in found.items()}})
