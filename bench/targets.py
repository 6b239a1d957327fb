"""One command on many engines: what the parts of a task cost the database, from the first claim to the gathered answer, for few and for many.
All is done by the engines' own functions; what the sender asks for an edit is asked as often as its limits let it."""
import statistics
import time

from bed import FIRST_ID
from claim import Engines
from figures import Bar, Section, number, table

FEW, MANY = 50, 500
PRINTED = 20_000   # characters that each part prints; every tenth prints the same as another
EDIT_EVERY = 25    # ended parts between two edits of the message: more than half of a chat's budget ever gives
COMMAND = {"commands": [{"name": "spread", "kind": "text", "template": "{on}", "at_once": 1000, "parameters": [{"name": "on", "type": "target", "required": True}]}],
           "grants": [{"role": "bench", "command": "spread"}]}
ASK_SQL = """
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id, update_id, args, line)
SELECT 'held', c.id, a.user_id, a.telegram_id, a.telegram_id, 1, jsonb_build_object('on', to_jsonb(%(hosts)s::text[])), '/spread h*'
FROM command c, (SELECT * FROM telegram_account WHERE telegram_id = %(first)s) a WHERE c.name = 'spread' RETURNING id"""
EDIT_SQL = """
UPDATE outbox SET taken_by = 7 WHERE coalesce_key = 'live ' || %(parent)s;
SELECT length(t.text) FROM outbox o, outbox_text(7, o.id) t WHERE o.coalesce_key = 'live ' || %(parent)s"""


def printed(host, n):
    return f"{host if n % 10 else 'alike'}\n" + "uptime 12:00:00 up 10 days, load average: 0.00\n" * (PRINTED // 47)


def one_task(engines, hosts):
    """(milliseconds of all ends, of the last ten but the very last, of the last, of each edit)."""
    engines.cur.execute(ASK_SQL, {"hosts": hosts, "first": FIRST_ID})
    parent = engines.cur.fetchone()[0]
    claims = {}
    for host in hosts:
        got = engines.claim(host, 1)
        claims[host] = got
        engines.step.call(engines.cur, p_engine=engines.ids[host], p_epoch=1, p_started=[got[0][1]])
    ends, edits = [], []
    for n, host in enumerate(hosts):
        began = time.perf_counter_ns()
        engines.finish(host, claims[host], output=printed(host, n))
        ends.append((time.perf_counter_ns() - began) / 1e6)
        if n % EDIT_EVERY == EDIT_EVERY - 1 and n + 1 < len(hosts):
            began = time.perf_counter_ns()
            engines.cur.execute(EDIT_SQL, {"parent": parent})
            edits.append((time.perf_counter_ns() - began) / 1e6)
    engines.cur.execute("SELECT state FROM task_history WHERE id = %s", (parent,))
    if engines.cur.fetchall() != [("done",)]:
        raise RuntimeError("the task did not end")
    return sum(ends), statistics.median(ends[-11:-1]), ends[-1], statistics.median(edits)


def measure(bed):
    stack = bed.stack()
    stack.apply(COMMAND)
    hosts = [f"h{n:03}" for n in range(MANY)]
    stack.simulate_engines(hosts)
    engines = Engines(stack, hosts)
    rounds = 1 if bed.quick else 5
    found = {many: [one_task(engines, hosts[:many]) for _ in range(rounds)] for many in (FEW, MANY)}
    median = {many: [statistics.median(r[i] for r in found[many]) for i in range(4)] for many in found}
    rows = [[f"{many} engines", *(number(v, d) for v, d in zip((median[many][0], median[many][0] / many, *median[many][1:]), (0, 2, 2, 1, 1)))] for many in found]
    ratio = (median[MANY][0] / MANY) / (median[FEW][0] / FEW)
    stack.sql("DELETE FROM engine WHERE name LIKE 'h%'")
    bed.drop(stack)
    return Section(f"Each part prints {PRINTED:,} characters; median of {rounds} tasks.", [
        table(["a task on", "all ends, ms", "ms a part", "one of the last ends, ms", "the very last, ms", "one edit, ms"], rows)],
        [Bar(f"the end of a part, {MANY} engines to {FEW}", ratio, "times as long", most=2)])
