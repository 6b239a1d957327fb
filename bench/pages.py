"""The admin pages with much in the database: how long each list and search takes at the server, and what it costs TeleManager itself."""
import json
import os
import statistics
import subprocess
import sys
import time

import machine
from bed import BUILD, FIRST_ID, PEOPLE, PEOPLE_SQL, SOURCE
from figures import Bar, Section, number, table

sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))
from browser import Browser  # noqa: E402

LIST_MS, START_MS, CPU_MS = 50, 100, 0.5
SEARCHES = ("/people/users?search=p777", "/tasks?state=failed", "/tasks?command={command}", "/tasks?person=p777", "/tasks?chat={chat}", "/tasks?state=done&person=p777",
            "/audit?search=task")
FAR = ("/tasks", "/people/users")
# Months that have passed, as they would have come to be, and tasks spread over them and the current one.
MONTHS_SQL = """
DO $$
DECLARE
    m timestamp;
BEGIN
    FOR i IN 1..5 LOOP
        m := date_trunc('month', now() AT TIME ZONE 'UTC') - i * interval '1 month';
        EXECUTE format('CREATE TABLE IF NOT EXISTS %%I PARTITION OF task_history FOR VALUES FROM (%%L) TO (%%L)', 'task_history_' || to_char(m, 'YYYY_MM'),
            m AT TIME ZONE 'UTC', (m + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END $$"""
TASKS_SQL = """
INSERT INTO task_history (id, state, attempt, queue, engine_id, command_id, command_name, user_id, telegram_id, chat_id, message_id, update_id, args, line, admitted_at,
    claimed_at, started_at, finished_at, sent_at, exit_status, output_bytes)
SELECT -n, CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'done' END, 1, 'default', e.id, c.id, c.name, u.id, a.telegram_id, a.telegram_id, n, n, '{"text": "x"}', '/' || c.name || ' x',
    t.at - interval '3 seconds', t.at - interval '2 seconds', t.at - interval '2 seconds', t.at, t.at, CASE WHEN n %% 50 = 0 THEN 1 ELSE 0 END, 10
FROM generate_series(%(first)s, %(last)s) n, LATERAL (SELECT now() - n * (interval '150 days' / %(all)s) AS at) t,
    (SELECT min(id) AS id FROM engine) e, (SELECT id, name FROM command WHERE name = 'note') c,
    LATERAL (SELECT %(someone)s + (n * 7919::bigint) %% %(people)s AS telegram_id) a JOIN telegram_account x ON x.telegram_id = a.telegram_id JOIN app_user u ON u.id = x.user_id"""
AUDIT_SQL = """
INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
SELECT 'bot', NULL, %(someone)s + n %% %(people)s, %(someone)s + n %% %(people)s, 'admitted', 'task ' || n, '{"line": "/note x"}' FROM generate_series(1, %(many)s) n"""


def fill(stack, people, tasks):
    """More people than the bed has, and what they have run."""
    many = PEOPLE_SQL.replace("'p' || n", "'more' || n").replace("substr(p.login, 2)", "substr(p.login, 5)")
    if people > stack.people:
        stack.sql(many, {"many": people - stack.people, "first": FIRST_ID + stack.people})
    stack.sql(MONTHS_SQL.replace("%%", "%"))
    someone = {"someone": FIRST_ID, "people": people}
    for first in range(1, tasks + 1, 500_000):
        stack.sql(TASKS_SQL, {"first": first, "last": min(tasks, first + 499_999), "all": tasks, **someone})
    stack.sql(AUDIT_SQL, {"many": tasks // 10, **someone})
    stack.sql("VACUUM ANALYZE", user="postgres")


def lists(stack):
    """Addresses of all lists, and of searches in them."""
    routes = json.loads(subprocess.run([os.path.join(BUILD, "telemanager.fcgi"), "--routes"], stdout=subprocess.PIPE, check=True, timeout=10).stdout)
    plain = [r["path"] for r in routes if r["method"] == "GET" and r["area"] and "{" not in r["path"] and not r["path"].endswith(("/new", "/export", "/verify"))]
    command = stack.sql("SELECT id FROM command WHERE name = 'note'")[0][0]
    return [*plain, *(s.format(command=command, chat=FIRST_ID + 777) for s in SEARCHES)]


def far(browser, path, pages):
    """The address of a list's page so far on."""
    for _ in range(pages - 1):
        found = browser.get(path).links(r"[?&]after=")
        if not found:
            break
        path = found[-1]
    return path


class Reader:
    """One who is signed in, on one connection."""

    def __init__(self, stack):
        self.browser = Browser(stack)
        if self.browser.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status != 303:
            raise RuntimeError("signing in failed")
        self.pid = stack.pid("telemanager")
        self.headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.browser.cookies.items()), "User-Agent": "bench"}

    def read(self, path):
        """Milliseconds until all of the page is here."""
        began = time.perf_counter()
        self.browser.connection.request("GET", path, headers=self.headers)
        answer = self.browser.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return (time.perf_counter() - began) * 1000

    def cost(self, path, times):
        """(median, largest) in ms, and the processor time that each took of telemanager.fcgi, in ms."""
        self.read(path)
        before = machine.run_ns([self.pid])
        took = [self.read(path) for _ in range(times)]
        spent = machine.run_ns([self.pid])
        return statistics.median(took), max(took), (spent[self.pid] - before[self.pid]) / times / 1e6


def measure(bed):
    people, tasks, pages, times = (PEOPLE, 200_000, 20, 20) if bed.quick else (100_000, 5_000_000, 1000, 50)
    others = bed.others()
    stack = bed.stack()
    fill(stack, people, tasks)
    reader = Reader(stack)
    found = {path: reader.cost(path, times) for path in ("/", *lists(stack))}
    for path in FAR:
        found[f"{path}, page {pages:,}"] = reader.cost(far(reader.browser, path, pages), times)
    row_page = found["/people/users"][2]
    cores = others.cores()
    rows = [[path, *(number(v, 2) for v in values)] for path, values in found.items()]
    slowest = max((v[0], path) for path, v in found.items() if path != "/")
    settings = f"{people:,} people, {tasks:,} finished tasks over five months, {tasks // 10:,} events in the record; {times} times each, one after the other, on one kept TLS " \
               f"connection through nginx. {machine.versions(stack)}."
    return Section(settings, [
        table(["page", "median, ms", "max, ms", "telemanager.fcgi, CPU ms"], rows),
        f"The time is a client's, with TLS and nginx. Other programs used {cores:.2f} cores meanwhile.",
    ], [Bar(f"the slowest list, {slowest[1]}, median", slowest[0], "ms", most=LIST_MS), Bar("the start page, median", found["/"][0], "ms", most=START_MS),
        Bar("telemanager.fcgi for a page of 50 people", row_page, "ms of processor time", most=CPU_MS)])
