"""Speaking to the database as the programs do: a session each, with the calls of TeleBot, engine and sender."""


class Session:
    """One connection; in a transaction of its own where asked for."""
    def __init__(self, db, role="teleops_owner", transaction=False):
        self.conn = db.connect(role)
        self.conn.autocommit = not transaction

    def __call__(self, text, values=None):
        with self.conn.cursor() as cur:
            cur.execute(text, values)
            return cur.fetchall() if cur.description else []

    def one(self, text, values=None):
        return self(text, values)[0][0]


def engine(db, name, queues=("default",)):
    """A session that holds an engine's name: .id, .epoch."""
    s = Session(db, "teleops_engine")
    s.id, s.epoch, _ = s("SELECT * FROM engine_start(p_name => %s, p_boot => 'boot-1', p_pid => 1, p_queues => %s, p_slots => 8, p_programs => '{}')",
                         (name, list(queues)))[0]
    return s


def step(e, want=0, tasks=(), text="done", attempts=None):
    """Finishes tasks and claims as many as wanted: [(what, task)]. A task's attempt is its first, unless attempts says so by task."""
    n = len(tasks)
    return e("SELECT what, task_id FROM engine_step(p_engine => %s, p_epoch => %s, p_extend => true, p_want => %s, p_started => '{}', p_live => '{}', "
             "p_live_text => '{}', p_live_entities => '{}', p_task => %s::bigint[], "
             "p_attempt => %s::integer[], p_state => %s::text[], p_exit => %s::integer[], p_signal => %s::integer[], p_reason => %s::text[], "
             "p_started_at => %s::timestamptz[], p_finished_at => %s::timestamptz[], p_text => %s::text[], p_entities => %s::text[], p_document => %s::text[], "
             "p_output => %s::text[], p_output_bytes => %s::bigint[], p_output_cut => %s::boolean[])",
             (e.id, e.epoch, want, list(tasks), [(attempts or {}).get(t, 1) for t in tasks], ["done"] * n, [0] * n, [-1] * n, [""] * n, ["now"] * n, ["now"] * n, [text] * n, [""] * n, [""] * n,
              [""] * n, [0] * n, [False] * n))


def admit(bot, updates, action="text", command=0):
    """updates: (update_id, person). Outcomes by update."""
    n = len(updates)
    ids, people = [u for u, _ in updates], [p for _, p in updates]
    blank, zero = [""] * n, [0] * n
    version = bot.one("SELECT version FROM catalogue_head()")
    return dict(bot("SELECT update_id, outcome FROM admit(p_version => %s, p_single => false, p_rate => 0, p_update_id => %s::bigint[], p_from_id => %s::bigint[], "
                    "p_username => %s, p_first_name => %s, p_last_name => %s, p_language => %s, p_chat_id => %s::bigint[], p_chat_type => %s, p_chat_title => %s, "
                    "p_thread_id => %s::bigint[], p_message_id => %s::bigint[], p_action => %s, p_command_id => %s::bigint[], p_args => %s, p_line => %s, "
                    "p_reply => %s, p_extra => %s)",
                    (version, ids, people, blank, blank, blank, blank, people, ["private"] * n, blank, zero, zero, [action] * n, [command] * n, blank,
                     blank, blank, blank)))


def take(sender, epoch, limit=100):
    """Operations for the active sender, [(id, chat_id, text)] in the order given."""
    return sender("SELECT id, chat_id, text FROM outbox_take(p_epoch => %s, p_busy => '{}', p_limit => %s)", (epoch, limit))
