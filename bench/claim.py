"""An engine's claims: how long one takes when the queue's table is almost empty, when it holds 100,000 tasks of 500 queues, and while
another session keeps an old snapshot, so that nothing that is finished can be vacuumed away."""
import collections
import re
import statistics
import time

import psycopg2

import machine
from bed import FIRST_ID, PEOPLE
from figures import Bar, Section, number, percentile, spread, table

QUEUES = [f"q{n:03}" for n in range(1, 501)]
LONE = "q000"  # a queue that is empty while the others are full, and the one that much passes through
EACH = 200     # tasks in each of the others
BATCH = 50
NOTICEABLE = 1.25  # what counts as slower: the noise of this measure is about a tenth
# The arguments by name and type, so that a parameter more does not break the measure: what is not given is empty.
PARAMETERS_SQL = """
SELECT a.name, format_type(a.type, NULL) FROM pg_proc p, unnest(p.proargnames, p.proargmodes, p.proallargtypes) AS a(name, mode, type)
WHERE p.proname = %(name)s AND coalesce(a.mode, 'i') = 'i'"""
FEED_SQL = """
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id, update_id, args, line, turn_at)
SELECT q, c.id, a.user_id, a.telegram_id, a.telegram_id, n, '{"text": "x"}', '/note x', now() + n * interval '1 ms'
FROM unnest(%(queues)s::text[]) q CROSS JOIN generate_series(1, %(each)s) n
JOIN command c ON c.name = 'note'
JOIN telegram_account a ON a.telegram_id = %(first)s + (hashtext(q) %% 5000 + 5000 + n * 7) %% %(people)s"""
RESULT = {"state": "done", "exit": 0, "signal": -1, "reason": "", "text": "", "entities": "", "document": "", "output": "", "output_bytes": 0, "output_cut": False}


class Function:
    """A database function, prepared once and called by its parameters' names."""

    def __init__(self, cur, name, result="*"):
        cur.execute(PARAMETERS_SQL, {"name": name})
        self.parameters = cur.fetchall()
        types = ", ".join(t for _, t in self.parameters)
        named = ", ".join(f"{p} => ${i + 1}" for i, (p, _) in enumerate(self.parameters))
        cur.execute(f"PREPARE bench_{name} ({types}) AS SELECT {result} FROM {name}({named})")
        self.text = f"EXECUTE bench_{name} (" + ", ".join(f"%({p})s::{t}" for p, t in self.parameters) + ")"

    def call(self, cur, **given):
        values = {p: given.get(p, [] if t.endswith("[]") else 0) for p, t in self.parameters}
        cur.execute(self.text, {p: bool(v) if t == "boolean" else v for (p, t), v in zip(self.parameters, values.values())})
        return cur.fetchall()


class Engines:
    """Speaks as the simulated engines, each with the queue of its name. As the superuser, for CHECKPOINT and auto_explain."""

    def __init__(self, stack, names=(LONE, *QUEUES)):
        self.stack = stack
        self.connection = psycopg2.connect(stack.env["TELEOPS_DATABASE"].replace("user=teleops_owner", "user=postgres"))
        self.connection.autocommit = True
        self.cur = self.connection.cursor()
        self.ids = dict(stack.sql("SELECT name, id FROM engine WHERE name = ANY (%(queues)s)", {"queues": list(names)}))
        self.step = Function(self.cur, "engine_step", "what, task_id, attempt")

    def feed(self, queues, each):
        self.cur.execute(FEED_SQL, {"queues": queues, "each": each, "first": FIRST_ID, "people": PEOPLE})

    def claim(self, queue, want):
        return self.step.call(self.cur, p_engine=self.ids[queue], p_epoch=1, p_want=want)

    def finish(self, queue, claims, **more):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = {f"p_{key}": [value] * len(claims) for key, value in {**RESULT, **more}.items()}
        self.step.call(self.cur, p_engine=self.ids[queue], p_epoch=1, p_task=[c[1] for c in claims], p_attempt=[c[2] for c in claims],
                       p_started_at=[moment] * len(claims), p_finished_at=[moment] * len(claims), **told)

    def timed(self, queue, want):
        """Milliseconds of one claim. What it takes is put in before and finished after it, so that the table keeps its size."""
        if want:
            self.feed([queue], want)
        began = time.perf_counter_ns()
        # Who finds nothing asks all the same.
        claims = self.claim(queue, want or 1)
        spent = (time.perf_counter_ns() - began) / 1e6
        if len(claims) != want:
            raise RuntimeError(f"{len(claims)} claims instead of {want}")
        if claims:
            self.finish(queue, claims)
        return spent

    def churn(self, queue, tasks):
        """So many tasks pass through one queue."""
        for _ in range(tasks // BATCH):
            self.feed([queue], BATCH)
            self.finish(queue, self.claim(queue, BATCH))

    def clear(self, full):
        """An almost empty table, or 100,000 tasks in it; as after autovacuum."""
        self.cur.execute("TRUNCATE task")
        if full:
            self.feed(QUEUES, EACH)
        self.cur.execute("VACUUM ANALYZE task")
        self.cur.execute("CHECKPOINT")


class OldSnapshot:
    """Another session that looked at the table once and forgot to end its transaction."""

    def __init__(self, stack, held):
        self.connection = psycopg2.connect(stack.env["TELEOPS_DATABASE"]) if held else None

    def __enter__(self):
        if self.connection:
            self.connection.set_session(isolation_level="REPEATABLE READ")
            self.connection.cursor().execute("SELECT count(*) FROM task")

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()


KINDS = (("claim of 1", 1), (f"claim of {BATCH}", BATCH), ("a look that finds nothing", 0))
EMPTY, FULL = "almost empty", "100,000 tasks"


def one_round(tables, old, times, passed):
    """{kind: {table: milliseconds of each claim}}; the tables take turns, claim by claim, so that both meet the same machine."""
    for name, engines in tables.items():
        engines.clear(name == FULL)
    with OldSnapshot(tables[EMPTY].stack, old), OldSnapshot(tables[FULL].stack, old):
        if old:
            for engines in tables.values():
                engines.churn(LONE, passed)
        found = {kind: {name: [] for name in tables} for kind, _ in KINDS}
        for kind, want in KINDS:
            for n in range(times // 4 if want == BATCH else times):
                queue = LONE if old or not want else QUEUES[n * 37 % len(QUEUES)]
                for name, engines in tables.items():
                    found[kind][name].append(engines.timed(queue, want))
    return found


def rows_of(rounds):
    """rounds: {old: [what one_round gave]}. Milliseconds, and how many times the almost empty table's without an old snapshot."""
    rows, slower = [], {}
    for kind, _ in KINDS:
        for old, found in rounds.items():
            for name in (EMPTY, FULL):
                every = [ms for one in found for ms in one[kind][name]]
                ratios = [statistics.median(one[kind][name]) / statistics.median(base[kind][EMPTY]) for one, base in zip(found, rounds[False])]
                slower[kind, name, old] = statistics.median(ratios)
                rows.append([f"{kind}, {name}{', old snapshot' if old else ''}", number(statistics.median(every), 2), number(min(every), 2),
                             number(percentile(every, 99), 2), *(spread(ratios) if old or name == FULL else [""] * 3)])
    return rows, slower


# -- what PostgreSQL does for it

def explained(engines, call):
    """What auto_explain tells of the statements inside the functions that call() uses."""
    for _ in range(7):  # until PL/pgSQL has made up its mind about generic plans
        call()
    engines.cur.execute("LOAD 'auto_explain'")
    for name, value in (("log_level", "notice"), ("log_analyze", "on"), ("log_buffers", "on"), ("log_nested_statements", "on"), ("log_min_duration", "0")):
        engines.cur.execute(f"SET auto_explain.{name} = {value}")
    engines.connection.notices = collections.deque()  # of a list it would keep the last fifty
    call()
    told = engines.connection.notices
    engines.cur.execute("SET auto_explain.log_min_duration = -1")
    return told


TOLD = re.compile(r"duration: (?P<ms>[\d.]+) ms  plan:\nQuery Text:(?P<text>.*?)\n(?P<plan>[^\n]*\(cost=.*)", re.S)
NODE = re.compile(r"^\s*(?:->\s+)?(?P<what>\S.*?)\s+\(cost=\S+ rows=\d+ width=\d+\) "
                  r"\((?:actual time=\S+?\.\.(?P<ms>[\d.]+) rows=(?P<rows>\d+) loops=(?P<loops>\d+)|never executed)\)")
DETAIL = re.compile(r"^\s*(?:Index Cond|Filter|Rows Removed by Filter|Heap Fetches|Buffers): ")


def nodes(plan):
    """The lines of a plan that touch the table task."""
    ours = False
    for line in plan.split("\n"):
        node = NODE.match(line)
        if node:
            ours = re.search(r"\bon task\b", node["what"])
            if ours:
                yield f"  {node['what']}: " + (f"{node['rows']} rows, {node['loops']} times, {node['ms']} ms" if node["ms"] else "never executed")
        elif ours and DETAIL.match(line):
            yield "    " + re.sub(r"'\{[^']{30,}\}'", "'{...}'", line.strip())


def readable(told):
    """Each statement's beginning and time, and what it does with the table task."""
    found = {}
    for notice in told:
        m = TOLD.search(notice)
        lines = list(nodes(m["plan"])) if m else []
        if lines:
            text = re.sub(r"\s+", " ", m["text"]).strip()
            found[text] = f"{text[:140]}{' ...' if len(text) > 140 else ''}  ({m['ms']} ms)\n" + "\n".join(lines)
    return "\n".join(found.values())


class Admission:
    """A batch as TeleBot would admit it; other people and update ids each time."""

    def __init__(self, engines, updates):
        self.cur, self.updates, self.next = engines.cur, updates, 10 ** 12
        self.admit = Function(self.cur, "admit", "outcome")
        self.cur.execute("SELECT id FROM command WHERE name = 'note'")
        self.command = self.cur.fetchone()[0]

    def __call__(self):
        ids = range(self.next, self.next + self.updates)
        self.next += self.updates
        people = [FIRST_ID + n % PEOPLE for n in ids]
        same = {"first_name": "Jonathan", "last_name": "Testerson", "language": "en", "chat_type": "private", "chat_title": "Jonathan", "thread_id": 0,
                "message_id": 1, "action": "run", "command_id": self.command, "args": '{"text": "x"}', "line": "/note x", "reply": "", "extra": ""}
        told = {f"p_{key}": [value] * self.updates for key, value in same.items()}
        self.cur.execute("SELECT version FROM catalogue_version")
        version = self.cur.fetchone()[0]
        outcomes = self.admit.call(self.cur, p_version=version, p_update_id=list(ids), p_from_id=people, p_chat_id=people,
                                   p_username=[f"jtesterson{p}" for p in people], **told)
        if set(outcomes) != {("task",)}:
            raise RuntimeError(f"admission made {set(outcomes)} of commands")


def plans(engines):
    """[(what, its plans)] for a full table."""
    engines.clear(True)

    def claim_and_finish(want):
        queue = QUEUES[want]
        engines.finish(queue, engines.claim(queue, want))
    found = [(f"engine_step: claims {want}, then finishes it", readable(explained(engines, lambda n=want: claim_and_finish(n)))) for want in (1, 20)]
    return found + [("admit: a batch of 32", readable(explained(engines, Admission(engines, 32))))]


def measure(bed):
    rounds, times, passed = (1, 60, 3000) if bed.quick else (3, 400, 20000)
    others = bed.others()
    tables = {}
    for name in (EMPTY, FULL):
        stack = bed.stack()
        stack.simulate_engines([LONE, *QUEUES])
        tables[name] = Engines(stack)
    one_round(tables, False, 20, 0)
    measured = {False: [], True: []}
    for _ in range(rounds):
        for old, found in measured.items():
            found.append(one_round(tables, old, times, passed))
    rows, slower = rows_of(measured)
    cores = others.cores()
    settings = f"{rounds} rounds with {times} claims of 1, {times // 4} of {BATCH} and {times} looks each, on two databases in turn; 500 simulated engines and " \
               f"queues, {PEOPLE:,} people; the time is a client's, with the commit. {machine.versions(tables[FULL].stack)}."
    blocks = [
        table(["", "median, ms", "min", "p99", "÷ almost empty", "min", "max"], rows),
        f"With an old snapshot: {passed:,} tasks passed through the very queue that is asked, since another session began a transaction that it does not end. "
        f"Other programs used {cores:.2f} cores meanwhile.",
        "What the statements inside the functions do with the table `task` when it holds 100,000 (auto_explain, with what measuring itself costs):",
    ]
    blocks += [f"{what}\n\n```\n{text}\n```" for what, text in plans(tables[FULL])]
    return Section(settings, blocks, [Bar(f"{kind}, {FULL} ÷ {EMPTY}", slower[kind, FULL, False], most=NOTICEABLE) for kind, _ in KINDS])
