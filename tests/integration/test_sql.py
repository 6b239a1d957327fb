"""Commands of kind sql on the whole stack: what they answer, and everything that they refuse."""
import glob
import os
import threading
import time

import psycopg2
import pytest
from test_chat import answer
from test_pending import asked, press

SECRET = "Zk9-bound-and-hidden-"


# A cell that CSV quotes.
WORDS = '"' + "word " * 10 + 'x, y"'


def text(name, **more):
    return {"name": name, "type": "text", **more}


def number(name, **more):
    return {"name": name, "type": "integer", **more}


SQL = {"kind": "sql", "connection": "teleapp", "timeout_s": 60}
COMMANDS = [
    {"name": "sqlsay", "statement": "SELECT {what}::text", "parameters": [text("what", required=True)], **SQL},
    {"name": "sqllist", "statement": "SELECT id, customer, quantity, state FROM customer_order WHERE customer = {customer} ORDER BY id",
     "parameters": [text("customer", required=True)], **SQL},
    {"name": "sqladd", "statement": "INSERT INTO customer_order (customer, item, quantity) VALUES ({customer}, {item}, {quantity})", "writes": True,
     "parameters": [text("customer", required=True), number("quantity", required=True), text("item", default="thing")], **SQL},
    {"name": "sqlsneak", "statement": "INSERT INTO customer_order (customer, item, quantity) VALUES ({customer}, 'x', 1)",
     "parameters": [text("customer", required=True)], **SQL},
    {"name": "sqlfirst", "statement": "SELECT {a}::integer AS a, {b}::text AS b, {a}::integer + 1 AS again",
     "parameters": [number("a", required=True), text("b")], **SQL},
    {"name": "sqlcount", "statement": "SELECT generate_series(1, {n}::integer) AS number, repeat('word ', 10) || 'x, y' AS words", "parameters": [number("n", required=True)],
     **SQL, "row_limit": 500},
    {"name": "sqlwide", "statement": "SELECT repeat('x', 100000) FROM generate_series(1, 1000000)", **SQL, "output_limit": 1000000},
    {"name": "sqlsleep", "statement": "SELECT pg_sleep({s}), {tag}::text", "parameters": [number("s", required=True), text("tag", required=True)], **SQL},
    {"name": "sqlslow", "statement": "SELECT pg_sleep(100), {tag}::text", "parameters": [text("tag", required=True)], **SQL, "timeout_s": 1, "grace_s": 2},
    {"name": "sqlcast", "statement": "SELECT {what}::integer", "parameters": [text("what", required=True)], **SQL},
    {"name": "sqlpw", "statement": "SELECT length({password}), pg_sleep({s})", "parameters": [
        text("password", secret=True, required=True), number("s", default=0)], **SQL},
    {"name": "sqlpwcast", "statement": "SELECT {password}::integer", "parameters": [text("password", secret=True, required=True)], **SQL},
    {"name": "sqlaway", "statement": "SELECT 1", "kind": "sql", "connection": "away"},
    {"name": "sqlnone", "statement": "SELECT 1", "kind": "sql", "connection": "none"},
    {"name": "sqlopen", "statement": "SELECT 1", "kind": "sql", "connection": "open"},
    {"name": "sqlweb", "statement": "SELECT 1", "kind": "sql", "connection": "web"},
    {"name": "sqlmute", "statement": "UPDATE customer_order SET quantity = 1 WHERE false", "kind": "sql", "connection": "mute", "writes": True},
    {"name": "sqlset", "statement": "SET TRANSACTION READ WRITE", **SQL},
    {"name": "sqlend", "statement": "COMMIT", **SQL},
    {"name": "sqlcopy", "statement": "COPY customer_order TO STDOUT", **SQL},
    {"name": "sqlrisk", "statement": "UPDATE customer_order SET quantity = {quantity} WHERE customer = {customer}", "writes": True, "dangerous": True,
     "parameters": [text("customer", required=True), number("quantity", required=True)], **SQL},
    {"name": "sqlmixed", "statement": "SELECT quantity, CASE quantity WHEN 450 THEN repeat('y', 100000) ELSE item END AS item FROM customer_order ORDER BY 1", **SQL},
    {"name": "sqlnames", "statement": "SELECT customer, id FROM customer_order ORDER BY id", **SQL},
    {"name": "sqlof", "statement": "SELECT {customer}::text", "parameters": [{"name": "customer", "type": "choice", "choices_from": "sqlnames", "every_s": 5, "required": True}],
     **SQL},
    {"name": "sqlheld", "statement": "INSERT INTO held (tag) VALUES ({tag})", "writes": True, "parameters": [text("tag", required=True)], **SQL, "grace_s": 30},
    {"name": "sqlforced", "statement": "INSERT INTO held (tag) VALUES ({tag})", "writes": True, "parameters": [text("tag", required=True)], **SQL, "grace_s": 1},
    {"name": "sqlone", "statement": "SELECT pg_sleep(0.3)::text || {tag}", "parameters": [text("tag", required=True)], **SQL, "concurrency": 1},
]
CONNECTIONS = {"away": "conninfo = host=/nonexistent dbname=teleapp\n", "open": "conninfo = dbname=teleapp\n", "web": "url = http://127.0.0.1:9\n",
               "mute": "conninfo = host={socket} dbname=teleapp user=teleapp_reader\n"}


def install(stack, name, words, mode=0o644):
    path = os.path.join(stack.env["TELEOPS_CONNECTION_DIR"], name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(words)
    os.chmod(path, mode)
    return path


@pytest.fixture(scope="module", autouse=True)
def kinds(shared):
    made = [install(shared, name, words.format(socket=shared.env["DEMO_SOCKET_DIR"] + "/postgres"), 0o666 if name == "open" else 0o644)
            for name, words in CONNECTIONS.items()]
    shared.apply({"commands": COMMANDS, "grants": [{"role": "crew", "command": c["name"]} for c in COMMANDS]})
    yield
    shared.calm()
    shared.sql("DELETE FROM command WHERE name = ANY (%s)", ([c["name"] for c in COMMANDS],))
    for path in made:
        os.remove(path)


@pytest.fixture(autouse=True)
def empty(stack):
    orders(stack, "TRUNCATE customer_order RESTART IDENTITY")


def orders(stack, statement, values=None):
    conn = psycopg2.connect(stack.env["TELEOPS_APP_DATABASE"])
    try:
        conn.autocommit = True
        with conn.cursor() as cur:
            cur.execute(statement, values)
            return cur.fetchall() if cur.description else []
    finally:
        conn.close()


def in_database(stack, tag):
    """Statements of tasks that the server works at, with tag in what they were given or asked."""
    return [q for q, in stack.sql("SELECT query FROM pg_stat_activity WHERE state = 'active' AND application_name LIKE 'teleops task%%' AND query LIKE %s",
                                  (f"%{tag}%",))]


# -- answers

def test_one_value_is_shown_alone(stack):
    assert answer(stack, 4001, "/sqlsay hello world") == "hello world"
    assert answer(stack, 4001, "/sqlcast 42") == "42"


def test_rows_are_an_aligned_table(stack):
    for n, words in ((3, "a b"), (40, "c")):
        assert answer(stack, 4001, f"/sqladd 'ada s' {n} {words}") == "INSERT: 1 row"
    assert answer(stack, 4001, "/sqllist ada s") == ("id  customer  quantity  state\n--  --------  --------  -----\n"
                                                    " 1  ada s            3  open\n 2  ada s           40  open\n(2 rows)")
    sent = [c for c in stack.sim.calls("sendMessage") if "(2 rows)" in c["params"]["text"]][-1]
    assert "pre" in str(sent["params"]["entities"]), "a table has a fixed width"
    assert answer(stack, 4001, "/sqllist nobody") == "no rows"


def test_what_is_left_out_is_null_and_a_name_can_come_twice(stack):
    assert answer(stack, 4001, "/sqlfirst 1").splitlines()[2].split() == ["1", "2"]
    assert answer(stack, 4001, "/sqlfirst 1 two").splitlines()[2].split() == ["1", "two", "2"]


def test_what_is_long_comes_as_csv(stack):
    stack.sim.say(4001, "/sqlcount 500")
    assert stack.wait(lambda: stack.sim.calls("sendDocument"), 30)
    sent = stack.sim.calls("sendDocument")[-1]
    body = stack.sql("SELECT body FROM task_output ORDER BY task_id DESC LIMIT 1")[0][0]
    assert ".csv" in str(sent) and body.splitlines()[:3] == ["number,words", f"1,{WORDS}", f"2,{WORDS}"] and body.splitlines()[-1] == f"500,{WORDS}"


def test_more_rows_than_wanted_are_not_read(stack):
    stack.sim.say(4001, "/sqlcount 900000000")
    assert stack.wait(lambda: stack.sim.calls("sendDocument"), 30)
    body = stack.sql("SELECT body FROM task_output ORDER BY task_id DESC LIMIT 1")[0][0]
    assert len(body.splitlines()) == 502 and body.splitlines()[-1] == "(the first 500 rows; there are more)"
    assert stack.wait(lambda: not in_database(stack, "generate_series"), 20), "the server goes on"
    stack.sim.say(4001, "/sqlwide")
    assert stack.wait(lambda: len(stack.sim.calls("sendDocument")) > 1, 30)
    assert "there are more" in str(stack.sim.calls("sendDocument")[-1])


def test_a_query_gives_the_choices_of_another(stack):
    orders(stack, "INSERT INTO customer_order (customer, item, quantity) VALUES ('Ada & Co', 'x', 1), ('b', 'x', 1)")
    assert stack.wait(lambda: stack.sql("SELECT items FROM choice_list l JOIN command c ON c.id = l.command_id WHERE c.name = 'sqlnames'") == [(["Ada & Co", "b"],)], 60)
    assert stack.wait(lambda: answer(stack, 4001, "/sqlof 'Ada & Co'") == "Ada & Co", 20)
    assert "customer must be one of" in answer(stack, 4001, "/sqlof id")


# -- nothing a person types becomes a part of the statement

@pytest.mark.parametrize("evil", ["'; DROP TABLE customer_order; --", "' OR '1'='1", "\\'; SELECT 1; --", "x'); DELETE FROM customer_order; --",
                                  "{customer}", "$1", "$$; DROP TABLE customer_order; $$", "%s", "\u2019 OR 1=1"])
def test_values_stay_values(stack, evil):
    orders(stack, "INSERT INTO customer_order (customer, item, quantity) VALUES ('ada', 'kept', 1)")
    assert answer(stack, 4001, "/sqlsay " + evil) == evil
    assert answer(stack, 4001, "/sqllist " + evil) == "no rows"
    quoted = "'" + evil.replace("'", "'\\''") + "'"
    assert answer(stack, 4001, f"/sqladd {quoted} 1 x") == "INSERT: 1 row"
    assert orders(stack, "SELECT customer FROM customer_order ORDER BY id") == [("ada",), (evil,)]


def test_what_only_reads_cannot_write(stack):
    said = answer(stack, 4001, "/sqlsneak ada")
    assert "failed: exit status 1" in said and ("read-only" in said or "permission denied" in said)
    assert orders(stack, "SELECT count(*) FROM customer_order") == [(0,)]
    # Whoever is allowed more than reading is held back by the transaction.
    orders(stack, "GRANT INSERT ON customer_order TO teleapp_reader")
    try:
        assert "read-only transaction" in answer(stack, 4001, "/sqlsneak ada")
    finally:
        orders(stack, "REVOKE INSERT ON customer_order FROM teleapp_reader")
    answer(stack, 4001, "/sqlset")
    answer(stack, 4001, "/sqlend")
    assert orders(stack, "SELECT count(*) FROM customer_order") == [(0,)]
    assert "COPY is not possible" in answer(stack, 4001, "/sqlcopy")


def test_a_wrong_value_says_so_and_changes_nothing(stack):
    said = answer(stack, 4001, "/sqlcast x")
    assert "failed: exit status 1" in said and 'invalid input syntax for type integer: "x"' in said
    assert "violates check constraint" in answer(stack, 4001, "/sqladd ada 0")
    assert orders(stack, "SELECT count(*) FROM customer_order") == [(0,)]


def test_a_dangerous_one_is_shown_with_its_statement(stack):
    orders(stack, "INSERT INTO customer_order (customer, item, quantity) VALUES ('ada', 'x', 1)")
    message = asked(stack, 4001, "/sqlrisk ada 7")
    assert "sql teleapp (may change data)" in message["text"] and "quantity = 7" in message["text"] and "customer = ada" in message["text"]
    press(stack, 4001, "Run")
    assert stack.wait(lambda: orders(stack, "SELECT quantity FROM customer_order") == [(7,)], 20)


def test_the_demos_own_orders(stack):
    stack.sim.call("/sim/start", {"people": [1001, 1004]})
    orders(stack, "INSERT INTO customer_order (customer, item, quantity, state) VALUES ('Cafe', 'beans', 2, 'open'), ('Shop', 'ink', 1, 'sent')")
    shown = answer(stack, 1001, "/orders").splitlines()
    assert shown[0].split() == ["id", "customer", "item", "quantity", "state", "day"] and shown[2].split()[:5] == ["1", "Cafe", "beans", "2", "open"] and shown[-1] == "(1 row)"
    assert "(2 rows)" in answer(stack, 1004, "/orders all")
    assert "/ship" not in answer(stack, 1004, "/help"), "who may look may not change"
    assert "UPDATE customer_order" in asked(stack, 1001, "/ship 1")["text"]
    press(stack, 1001, "Run")
    assert stack.wait(lambda: stack.sim.answers(1001)[-1].endswith("(1 row)"), 20) and "sent" in stack.sim.answers(1001)[-1]
    assert answer(stack, 1001, "/orders") == "no rows"
    assert "engines" in answer(stack, 1001, "/health")


def test_one_wide_cell_makes_no_wide_file(stack):
    orders(stack, "INSERT INTO customer_order (customer, item, quantity) SELECT 'w', 'x', n FROM generate_series(1, 900) n")
    stack.sim.say(4001, "/sqlmixed")
    assert stack.wait(lambda: stack.sim.calls("sendDocument"), 60)
    body = stack.sql("SELECT body FROM task_output ORDER BY task_id DESC LIMIT 1")[0][0]
    assert len(body) < 130000 and body.splitlines()[0] == "quantity,item" and len(body.splitlines()) == 901


# -- connections

def test_connections_that_cannot_be_used(stack):
    assert "cannot connect" in answer(stack, 4001, "/sqlaway")
    assert "could not start: there is no connection none here" in answer(stack, 4001, "/sqlnone")
    assert "can be written by others than root" in answer(stack, 4001, "/sqlopen")
    assert "connection web is none for commands of kind sql" in answer(stack, 4001, "/sqlweb")
    assert "the connection has no writer" in answer(stack, 4001, "/sqlmute")


# -- time

def test_what_takes_too_long_is_ended_on_both_sides(stack):
    said = answer(stack, 4001, "/sqlslow quick")
    assert "timed out after 1 s" in said
    assert stack.wait(lambda: not in_database(stack, "pg_sleep(100)"), 20)
    assert stack.sql("SELECT state FROM task_history ORDER BY id DESC LIMIT 1") == [("timeout",)]


def test_cancel_ends_it_on_both_sides(stack):
    stack.sim.say(4001, "/sqlsleep 100 now")
    assert stack.wait(lambda: in_database(stack, "pg_sleep($1)"), 20)
    number = stack.sql("SELECT id FROM task WHERE NOT internal")[0][0]
    stack.sim.say(4001, f"/cancel {number}")
    assert stack.wait(lambda: any("cancelled by Ada\nended before it was done; nothing was changed" in a for a in stack.sim.answers(4001)), 20)
    assert stack.wait(lambda: not in_database(stack, "pg_sleep($1)"), 20)


@pytest.fixture
def slow_commit(stack):
    """A table whose COMMIT waits as long as somebody holds the lock."""
    orders(stack, "CREATE TABLE held (tag text); GRANT INSERT ON held TO teleapp_writer; "
                  "CREATE FUNCTION held_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$; "
                  "CREATE CONSTRAINT TRIGGER held_up AFTER INSERT ON held DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION held_up()")
    holder = psycopg2.connect(stack.env["TELEOPS_APP_DATABASE"])
    holder.cursor().execute("SELECT pg_advisory_xact_lock(4711)")
    yield holder
    holder.close()
    stack.calm()
    orders(stack, "DROP TABLE held; DROP FUNCTION held_up()")


def cancel_in_commit(stack, command):
    """Its number, and it is told to end while it waits in COMMIT."""
    stack.sim.say(4001, f"/{command} kept")
    assert stack.wait(lambda: in_database(stack, "COMMIT"), 30)
    number = stack.sql("SELECT id FROM task WHERE NOT internal")[0][0]
    stack.sim.say(4001, f"/cancel {number}")
    assert stack.wait(lambda: stack.count("task", "id = %s AND state = 'cancelling'", (number,)), 30)
    return number


def test_cancel_during_commit_that_comes_too_late(stack, slow_commit):
    number = cancel_in_commit(stack, "sqlheld")
    slow_commit.rollback()
    assert stack.settled(60)
    assert stack.sql("SELECT state FROM task_history WHERE id = %s", (number,)) == [("done",)] and orders(stack, "SELECT tag FROM held") == [("kept",)]
    assert "INSERT: 1 row" in stack.sim.answers(4001)[-1] and not any("nothing" in a for a in stack.sim.answers(4001)[1:])


def test_cancel_during_commit_by_force_does_not_say_that_nothing_is_left(stack, slow_commit):
    number = cancel_in_commit(stack, "sqlforced")
    assert stack.wait(lambda: stack.count("task_history", "id = %s AND state = 'cancelled'", (number,)), 60) and stack.settled(60)
    said = stack.sim.answers(4001)[-1]
    assert "cancelled by Ada; it may have been done all the same" in said and "nothing" not in said
    slow_commit.rollback()
    assert stack.wait(lambda: orders(stack, "SELECT tag FROM held") == [("kept",)], 30), "as the server did"


def test_a_connection_that_breaks_during_commit(stack, slow_commit):  # pylint: disable=unused-argument
    stack.sim.say(4001, "/sqlheld broken")
    assert stack.wait(lambda: in_database(stack, "COMMIT"), 30)
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'teleops task%%' AND query = 'COMMIT'", user="postgres")
    assert stack.settled(60)
    assert "it may have been committed" in stack.sim.answers(4001)[-1]


def test_when_the_process_is_killed_the_server_stops_by_itself(stack):
    stack.sim.say(4001, "/sqlslow killed")
    assert stack.wait(lambda: in_database(stack, "pg_sleep(100)"), 20)
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read()
            if words == b"telecall\0sql\0" and stack.dir.encode() in os.readlink(path.replace("cmdline", "exe")).encode():
                os.kill(int(path.split("/")[2]), 9)
        except OSError:
            continue
    assert stack.wait(lambda: not in_database(stack, "pg_sleep(100)"), 20), "statement_timeout"


def test_slow_ones_hold_up_nobody(stack):
    for n in range(4):
        stack.sim.say(4001, f"/sqlsleep 100 s{n}")
    assert stack.wait(lambda: len(in_database(stack, "pg_sleep($1)")) == 4, 30), "they run beside each other"
    assert answer(stack, 4002, "/deploy staging") == "deployed to staging"
    assert answer(stack, 5001, "/sqlsay meanwhile") == "meanwhile"
    assert len(in_database(stack, "pg_sleep($1)")) == 4
    stack.sql("UPDATE task SET state = 'cancelling' WHERE state <> 'queued'; NOTIFY cancel")
    assert stack.settled(30)


def test_limits_and_metrics_count_it(stack):
    most, over = [0], threading.Event()

    def look():
        while not over.is_set():
            most[0] = max(most[0], stack.sql("SELECT count(*) FROM task t JOIN command c ON c.id = t.command_id WHERE c.name = 'sqlone' AND t.engine_id IS NOT NULL")[0][0])
            time.sleep(0.02)
    thread = threading.Thread(target=look)
    thread.start()
    for n in range(5):
        stack.sim.say(5001 + n, f"/sqlone x{n}")
    assert stack.wait(lambda: stack.count("task_history", "command_name = 'sqlone' AND state = 'done'") == 5, 60)
    over.set()
    thread.join()
    assert most[0] == 1
    assert stack.wait(lambda: stack.count("metric", "labels::text LIKE '%sqlone%'"), 30)


# -- secrets

def test_a_secret_value_is_bound_and_seen_nowhere(stack):
    secret = SECRET + "1"
    stack.sim.say(4001, f"/sqlpw {secret} 3")
    assert stack.wait(lambda: in_database(stack, "pg_sleep($2)"), 20)
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                assert secret.encode() not in f.read(), path
        except OSError:
            continue
    assert not in_database(stack, secret)
    assert stack.wait(lambda: any(a.splitlines()[-2:-1] and a.splitlines()[-2].split()[0] == str(len(secret)) for a in stack.sim.answers(4001)), 30)
    said = answer(stack, 4001, f"/sqlpwcast {secret}")
    assert "SQLSTATE 22P02" in said and secret not in said, "the server's words would tell it"
    assert stack.settled()
    for path in glob.glob(os.path.join(stack.dir, "log", "*.log")):
        if not path.endswith(("simulator.log", "postgres.log")):
            with open(path, encoding="utf-8", errors="replace") as f:
                assert secret not in f.read(), path
    for table in ("task_history", "task_output", "audit_event", "outbox"):
        assert stack.count(table, f"{table}::text LIKE %s", (f"%{secret}%",)) == 0
