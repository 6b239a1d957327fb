"""Where measures are made: stacks like those of the integration tests, with ten thousand people."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))
from stack import Stack, stage_programs  # noqa: E402
from support.cluster import BUILD  # noqa: E402, F401

import machine  # noqa: E402

PEOPLE = 10000
FIRST_ID = 10_000_001  # Telegram id of the first of them
NO_RATES = {"TELEOPS_SEND_RATE": 0, "TELEOPS_SEND_RATE_CHAT": 0, "TELEOPS_SEND_RATE_GROUP": 0}
# /say is the demo's own: it runs echo. /note answers from its template, and waits in a queue that only a simulated engine serves.
COMMANDS = {
    "roles": [{"name": "bench"}],
    "commands": [{"name": "note", "kind": "text", "template": "noted: {text}", "queue": "held",
                  "parameters": [{"name": "text", "type": "text", "required": True}]}],
    "grants": [{"role": "bench", "command": "note"}, {"role": "bench", "command": "say"}],
}
# Who has written before: with them nothing new is learnt, and no menu waits to be sent.
PEOPLE_SQL = """
WITH person AS (
    INSERT INTO app_user (login, first_name) SELECT 'p' || n, 'Person ' || n FROM generate_series(0, %(many)s - 1) n RETURNING id, login
), account AS (
    INSERT INTO telegram_account (telegram_id, user_id, username, name, language)
    SELECT n.id, p.id, 'jtesterson' || n.id, 'Jonathan Testerson', 'en' FROM person p, LATERAL (SELECT %(first)s + substr(p.login, 2)::bigint AS id) n
    RETURNING telegram_id
), home AS (
    INSERT INTO chat (chat_id, type, title) SELECT telegram_id, 'private', 'Jonathan' FROM account
)
INSERT INTO user_role (user_id, role_id) SELECT p.id, r.id FROM person p, role r WHERE r.name = 'bench'"""
MENUS_SQL = """
INSERT INTO menu (telegram_id, version, commands)
SELECT a.telegram_id, v.version, menu_commands(a.user_id, a.telegram_id, a.language) FROM telegram_account a, rights_version v
ON CONFLICT (telegram_id) DO UPDATE SET version = excluded.version, commands = excluded.commands;
UPDATE rights_version SET menus = version"""
# An engine that is alive as far as the database can tell, and never asks for anything.
ENGINES_SQL = """
INSERT INTO engine (name, epoch, queues, slots, started_at, lease_until)
SELECT q, 1, ARRAY[q], 50, now(), now() + interval '1 day' FROM unnest(%(queues)s::text[]) q"""


def message(stack, n, text):
    """A message of the nth of them, as Telegram tells it."""
    name = {"id": FIRST_ID + n, "first_name": "Jonathan", "last_name": "Testerson", "username": f"jtesterson{FIRST_ID + n}"}
    return stack.message(FIRST_ID + n, text, **{"from": {**name, "is_bot": False, "language_code": "en"}, "chat": {**name, "type": "private"}})


class BenchStack(Stack):
    def __init__(self, stage, people=PEOPLE, **settings):
        self.people = people
        super().__init__(stage, **settings)

    def furnish(self):
        try:
            self.apply(COMMANDS)
            self.sql(PEOPLE_SQL, {"many": self.people, "first": FIRST_ID})
            self.sql(MENUS_SQL)
            self.simulate_engines(["held"])
            self.sql("ANALYZE")
            if self.env["DEMO_CHAT_URL"]:
                self.sim.call("/sim/start", {"people": list(range(FIRST_ID, FIRST_ID + self.people))})
                # The bot's name makes a new version of the catalogue: let that be over.
                self.wait(lambda: self.sql("SELECT username <> '' FROM bot_status")[0][0])
        except BaseException:
            self.stop()
            raise

    def simulate_engines(self, queues):
        self.sql("INSERT INTO queue (name) SELECT unnest(%(queues)s::text[]) ON CONFLICT DO NOTHING", {"queues": queues})
        self.sql(ENGINES_SQL, {"queues": queues})


class Bed:
    """Stacks for a run of bench/run; leaving it stops and removes what is left of them."""

    def __init__(self, quick, stage):
        self.quick = quick
        self.stage = stage
        self.stacks = []

    def stack(self, people=PEOPLE, **settings):
        made = BenchStack(self.stage, people, **settings)
        self.stacks.append(made)
        return made

    def drop(self, stack):
        self.stacks.remove(stack)
        stack.stop()

    def others(self):
        """Starts to count what else the machine does; see machine.Others."""
        return machine.Others(lambda: [s.pid("supervisor") for s in self.stacks])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stack in list(self.stacks):
            self.drop(stack)
