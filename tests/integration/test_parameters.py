"""Parameters on the whole stack: every type with its refusals, choices that a command gives, secrets that are nowhere."""
import datetime
import glob
import json
import os
import subprocess
import threading
import time

import pytest
from test_chat import answer
from test_pending import asked, keys, last, press

GROUP, FORUM = -2001, -1000000002002
# Words that stand nowhere else; each test has its own.
SECRET = "Xq7-unspeakable-"


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=offset)).isoformat()


@pytest.fixture(autouse=True)
def nothing_waits(stack):
    stack.sql("DELETE FROM pending; DELETE FROM person_pace")


# -- types

@pytest.mark.parametrize("line, said", [
    ("v1", "v1 ada today 1800"), ("v1.20.3 bob", "v1.20.3 bob today 1800"), ("v2 who=BOB on=tomorrow for=1h30m", "v2 bob tomorrow 5400"),
    ("v2 4002 +2w 60", "v2 bob +14 60"), ("for=2h tag=v3 on=+0d", "v3 ada today 7200"), ("v1 on=mon", "v1 ada monday 1800"),
])
def test_every_type_as_it_should_be(stack, line, said):
    words = {"today": day(0), "tomorrow": day(1), "+14": day(14), "monday": day(-datetime.datetime.now(datetime.timezone.utc).weekday() % 7)}
    assert answer(stack, 4001, "/every " + line) == " ".join(words.get(w, w) for w in said.split())


@pytest.mark.parametrize("line, words", [
    ("1.0", 'tag must be a text that fits the pattern v\\d+(\\.\\d+)*, not "1.0".'), ("'v1 '", 'tag must be a text'),
    ("v1 nobody", 'who must be a person known here: login, @name or Telegram id, not "nobody".'), ("v1 @nobody", "who must be a person"),
    ("v1 4003", "who must be a person"), ("v1 gone", "who must be a person"), ("v1 a/b", 'who must be a person: login, @name or Telegram id, not "a/b".'),
    ("v1 on=2026-02-30", 'on must be a date from today to +2w, as 2026-11-25, today, tomorrow, +3d or monday, not "2026-02-30".'),
    ("v1 on=yesterday", 'on must be a date from today to +2w, not "yesterday".'), ("v1 on=+15d", "on must be a date from today to +2w"),
    ("v1 on=1999-12-31", "on must be a date"), ("v1 for=59s", 'for must be a duration from 1m to 2h, as 90s, 5m, 1h30m or 2d, not "59s".'),
    ("v1 for=7201", "for must be a duration"), ("v1 for=soon", "for must be a duration"),
])
def test_every_type_says_what_is_wrong_with_the_usage(stack, line, words):
    said = answer(stack, 4001, "/every " + line)
    assert words in said and said.endswith("\nUsage: /every <tag> [who] [on] [for]")
    assert stack.count("task", "NOT internal") == 0


def test_a_name_is_who_wrote_with_it_last(stack):
    stack.sql("UPDATE telegram_account SET username = 'Bobby' WHERE telegram_id = 4002")
    assert answer(stack, 4001, "/every v1 @bobby") == f"v1 bob {day(0)} 1800"
    # Two have had it: it is nobody's.
    stack.sql("UPDATE telegram_account SET username = 'bobby' WHERE telegram_id = 4004")
    assert "who must be a person" in answer(stack, 4001, "/every v1 @bobby")
    stack.sql("UPDATE telegram_account SET username = '' WHERE telegram_id IN (4002, 4004)")


def test_today_is_the_persons_own(stack):
    # It is always another day in one of these two than in the other.
    zones = {4001: "Pacific/Kiritimati", 4011: "Pacific/Midway"}
    for who, zone in zones.items():
        stack.sql("UPDATE app_user SET timezone = %s WHERE id = (SELECT user_id FROM telegram_account WHERE telegram_id = %s)", (zone, who))
    expected = {who: str(stack.sql("SELECT (now() AT TIME ZONE %s)::date", (zone,))[0][0]) for who, zone in zones.items()}
    assert expected[4001] != expected[4011]
    for who, today in expected.items():
        assert answer(stack, who, "/every v1").split()[2] == today
    stack.sql("UPDATE app_user SET timezone = 'No/Such' WHERE login = 'ada'")
    assert answer(stack, 4001, "/every v1").split()[2] == day(0)
    stack.sql("UPDATE app_user SET timezone = 'UTC'")


def test_a_grant_counts_for_who_is_meant(stack):
    assert answer(stack, 4020, "/every v1 4020") == f"v1 sue {day(0)} 1800"
    assert "may not run /every with these arguments" in answer(stack, 4020, "/every v1 ada")
    # Who may not run a command learns nothing of who is known.
    assert "may not run /lend" in answer(stack, 4020, "/lend what=x who=nobody until=today")


def test_help_shows_them_readably(stack):
    told = answer(stack, 4001, "/help every").splitlines()
    assert told[0] == "/every <tag> [who] [on] [for]"
    assert told[1:] == ["tag: pattern v\\d+(\\.\\d+)*", "who: user (login, @name or Telegram id), default ada",
                        "on: date from today to +2w (2026-11-25, today, tomorrow, +3d, monday), default today",
                        "for: duration from 1m to 2h (90s, 5m, 1h30m, 2d), default 30m"]
    assert "password: text from 8, secret: kept from everybody" in answer(stack, 4001, "/help setpw")


def test_asked_one_after_the_other(stack):
    assert "who: user" in answer(stack, 4001, "/lend what='the keys'")
    assert answer(stack, 4001, "nobody at all").startswith("who must be a person: login")
    assert answer(stack, 4001, "nobody").startswith('who must be a person known here: login, @name or Telegram id, not "nobody".\n/lend needs')
    assert "until: date, not before today" in answer(stack, 4001, "4002")
    assert answer(stack, 4001, "-1d").startswith('until must be a date, not before today, not "-1d".')
    assert answer(stack, 4001, "Tomorrow") == f"the keys for bob until {day(1)}"
    line, args = stack.sql("SELECT line, args FROM task_history ORDER BY id DESC LIMIT 1")[0]
    assert line == f"/lend what='the keys' who=bob until={day(1)}" and args == {"what": "the keys", "who": "bob", "until": day(1)}
    assert answer(stack, 4001, line) == f"the keys for bob until {day(1)}", "the line that is kept can be typed"


def test_a_schedule_means_the_day_on_which_it_runs(stack):
    try:
        stack.apply({"schedules": [{"name": "daily", "line": "/every v1 who=bob", "cron": "0 0 1 1 *", "user": "ada", "chat_id": 4001}]})
        assert stack.sql("SELECT args -> 'on', args -> 'who' FROM schedule") == [({"date": "today"}, {"user": "bob"})]
        stack.sql("UPDATE app_user SET timezone = 'Pacific/Kiritimati' WHERE login = 'ada'")
        stack.sql("UPDATE schedule SET next_at = clock_timestamp()")
        today = str(stack.sql("SELECT (now() AT TIME ZONE 'Pacific/Kiritimati')::date")[0][0])
        assert stack.sim.wait_answers(4001, 1, 15)[0].endswith(f"v1 bob {today} 1800")
        stack.sql("UPDATE app_user SET enabled = false WHERE login = 'bob'")
        stack.sql("UPDATE schedule SET next_at = clock_timestamp()")
        said = stack.sim.wait_answers(4001, 2, 15)[1]
        assert 'Schedule daily did not run:\n/every v1 who=bob\nwho must be a person known here: login, @name or Telegram id, not "bob".' in said
    finally:
        stack.sql("UPDATE app_user SET timezone = 'UTC'; UPDATE app_user SET enabled = true WHERE login = 'bob'; DELETE FROM schedule")


# -- choices that a command gives

def choices(stack):
    return stack.sql("SELECT l.items, l.error FROM choice_list l JOIN command c ON c.id = l.command_id WHERE c.name = 'hosts'")


def hosts_are(stack, text, items, error=""):
    with open(stack.hosts, "w", encoding="utf-8") as f:
        f.write(text)
    assert stack.wait(lambda: (lambda found: found and found[0][0] == items and error in found[0][1])(choices(stack)), 40), choices(stack)


def test_choices_come_from_a_command(stack):
    hosts_are(stack, "alpha\nbeta\n", ["alpha", "beta"])
    assert answer(stack, 4001, "/login beta") == "on beta"
    said = answer(stack, 4001, "/login gamma")
    assert said == 'host must be one of alpha, beta, not "gamma".\nUsage: /login <host>'
    told = answer(stack, 4001, "/help login")
    assert "host: choice (alpha, beta; as /hosts gave them " in told and told.endswith(" s ago)")
    # Each once, without what is around them, empty and endless ones left out.
    hosts_are(stack, "  gamma \r\n\nalpha\ngamma\n" + 201 * "x" + "\nüber äll\n", ["gamma", "alpha", "über äll"])
    assert answer(stack, 4001, "/login über\\ äll") == "on über äll"
    assert "one of gamma, alpha" in answer(stack, 4001, "/login beta")


def test_only_other_values_make_another_catalogue(stack):
    hosts_are(stack, "one\ntwo\n", ["one", "two"])
    version = stack.sql("SELECT version FROM catalogue_version")
    made = stack.sql("SELECT max(made_at) FROM choice_list")
    assert stack.wait(lambda: stack.sql("SELECT max(made_at) FROM choice_list") > made, 30), "it is made again"
    time.sleep(6)
    assert stack.sql("SELECT version FROM catalogue_version") == version


def test_old_values_are_used_when_there_are_no_new_ones(stack):
    hosts_are(stack, "old\n", ["old"])
    os.unlink(stack.hosts)
    assert stack.wait(lambda: "exit status 1" in choices(stack)[0][1], 40)
    assert answer(stack, 4001, "/login old") == "on old"
    assert "newer ones could not be had" in answer(stack, 4001, "/help login")
    assert [r["error"] for r in json.loads(stack.teleops("status", "--json").stdout)["choices"]][0].startswith("/hosts")
    hosts_are(stack, "new\n", ["new"])


def test_nobody_hears_of_it_and_no_history_keeps_it(stack):
    made = stack.sql("SELECT max(made_at) FROM choice_list")
    assert stack.wait(lambda: stack.sql("SELECT max(made_at) FROM choice_list") > made, 30)
    assert stack.count("task_history", "user_id = 0") == 0 and stack.count("audit_event", "chat_id = 0") == 0
    assert stack.count("outbox", "chat_id = 0") == 0 and stack.count("outbox_dead", "chat_id = 0") == 0
    assert [c for c in stack.sim.calls() if str(c["params"].get("chat_id")) == "0"] == []


def test_a_source_that_is_switched_off_does_not_run(stack):
    hosts_are(stack, "kept\n", ["kept"])
    stack.sql("UPDATE command SET enabled = false WHERE name = 'hosts'")
    try:
        hosts_are(stack, "later\n", ["kept"], "switched off")
        assert answer(stack, 4001, "/login kept") == "on kept"
    finally:
        stack.sql("UPDATE command SET enabled = true WHERE name = 'hosts'")
    hosts_are(stack, "later\n", ["later"])


# -- secrets

def dump(stack):
    socket = stack.env["TELEOPS_DATABASE"].split("host=")[1].split()[0]
    return "".join(subprocess.run(["pg_dump", "-h", socket, "-U", "postgres", name], stdout=subprocess.PIPE, check=True, cwd="/").stdout.decode()
                   for name in ("telemanager", "teleapp"))


def files_with(directory, words):
    """Below a directory, in whatever file: the database's own, its log and write-ahead log too."""
    found = subprocess.run(["grep", "-rlaF", "--devices=skip", words, directory], stdout=subprocess.PIPE, check=False).stdout.decode().split()
    return [f for f in found if os.path.exists(f)]


class Watch(threading.Thread):
    """Looks through the command line and environment of every process, again and again; control is what it must have seen too."""

    def __init__(self, words, control):
        super().__init__()
        self.words, self.control, self.found, self.controls, self.over = words.encode(), control.encode(), [], 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
                try:
                    with open(path, "rb") as f:
                        told = f.read()
                except OSError:
                    continue
                self.controls += self.control in told
                if self.words in told:
                    self.found.append(path)


def received(said):
    """(descriptors, what stood on the third) from what act hex printed."""
    *open_ones, text = said.split()
    return open_ones, json.loads(bytes.fromhex(text))


def messages_of(stack, chat):
    return [m.get("text", m.get("caption", "")) for m in stack.sim.messages(chat)]


def gone(stack, chat, words):
    return stack.wait(lambda: not any(words in text for text in messages_of(stack, chat)), 10)


def in_memory(pid, words):
    """Whether a process has these words; a sanitizer's shadow, the only thing so large, holds none and would not fit."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            try:
                if end - start > 2 ** 30:
                    continue
                memory.seek(start)
                if words.encode() in memory.read(end - start):
                    return True
            except (OSError, OverflowError, ValueError):
                pass
    return False


def nowhere(stack, words):
    assert stack.settled()
    told = dump(stack)
    assert words not in told and "setpw" in told
    assert files_with(stack.dir, words) == [] and files_with(stack.dir, "setpw")
    assert files_with(stack.env["DEMO_SOCKET_DIR"], words) == []


def test_a_secret_reaches_its_command_and_is_nowhere_else(stack):
    words = SECRET + "once"
    watch = Watch(words, "act\0hex\x001500")
    watch.start()
    before = len(stack.sim.answers(4001))
    stack.sim.say(4001, f"/setpw '{words} é\"' 1500")
    assert stack.wait(lambda: stack.sql("SELECT line, args::text FROM task WHERE state IN ('claimed', 'running') AND NOT internal"), 10)
    line, args = stack.sql("SELECT line, args FROM task WHERE NOT internal")[0]
    assert line == "/setpw ••• 1500" and list(args["password"]) == ["sealed"] and args["ms"] == "1500"
    running = dump(stack)
    said = stack.sim.wait_answers(4001, before + 1)[before]
    watch.over.set()
    watch.join()
    assert received(said) == (["0", "1", "2", "3r"], {"password": words + ' é"'})
    assert words not in running and watch.found == [] and watch.controls > 0
    engine = stack.pid("teleengine")
    with open(f"/proc/{engine}/task/{engine}/children", encoding="utf-8") as f:
        runners = f.read().split()
    assert runners and not any(in_memory(pid, words) for pid in (engine, *runners)), "the engine has wiped it, its runner never had it"
    assert in_memory(engine, "act"), "its memory was looked at"
    assert gone(stack, 4001, words), "the message is deleted"
    nowhere(stack, words)
    line, args = stack.sql("SELECT line, args FROM task_history ORDER BY id DESC LIMIT 1")[0]
    assert line == "/setpw ••• 1500" and args == {"password": "•••", "ms": "1500"}
    assert stack.count("audit_event", "detail ->> 'line' = '/setpw ••• 1500' AND action = 'admitted'") == 1


def test_wrong_lines_keep_no_word(stack):
    words = SECRET + "wrong"
    for line in (f"/setpw {words[:4]}", f"/setpw '{words}", f"/setpw {words} {words}", f"/setpw {words} 5 more", f"/setpw ms=5 pasword={words} x",
                 f"/setpw password={words} password={words}"):
        said = answer(stack, 4001, line)
        assert "Usage: /setpw <password> [ms]" in said and words[:4] not in said, said
        assert gone(stack, 4001, line)
    said = answer(stack, 4001, f"/setpwd {words}")
    assert said == "I do not know /setpwd. Did you mean /setpw?"
    assert stack.settled() and stack.count("task", "NOT internal") == 0
    nowhere(stack, words)


def test_who_may_not_is_refused_and_the_message_goes_all_the_same(stack):
    words = SECRET + "refused"
    assert answer(stack, 4002, f"/setpw {words}").startswith("You may not run /setpw.")
    assert gone(stack, 4002, words)
    assert "switched off" in answer(stack, 4003, f"/setpw {words}")
    assert gone(stack, 4003, words)
    stack.sim.say(9200, f"/setpw {words}")
    assert stack.sim.wait_answers(9200, 1) and gone(stack, 9200, words)
    nowhere(stack, words)
    stack.sql("DELETE FROM join_request WHERE telegram_id = 9200")


def test_in_a_caption(stack):
    words = SECRET + "caption"
    assert received(answer(stack, 4001, f"/setpw {words}", caption=True))[1] == {"password": words}
    assert gone(stack, 4001, words)
    nowhere(stack, words)


def test_in_groups_where_the_bot_may_and_where_not(stack):
    words = SECRET + "group"
    stack.sim.say(4001, f"/setpw {words}", chat=FORUM, topic=5)
    assert gone(stack, FORUM, words)
    stack.sim.say(4001, f"/setpw {words}", chat=GROUP)
    said = stack.wait(lambda: [m for m in stack.sim.messages(GROUP) if "Delete it yourself" in m.get("text", "")], 10)
    assert said and said[0]["reply_to_message"]["message_id"] == next(m["message_id"] for m in stack.sim.messages(GROUP) if words in m.get("text", ""))
    assert stack.settled() and stack.count("outbox_dead") == 0
    nowhere(stack, words)


def test_one_that_is_gone_already_is_as_good_as_deleted(stack):
    words = SECRET + "already"
    stack.sim.fault("400", method="deleteMessage", count=1, description="Bad Request: message to delete not found")
    answer(stack, 4001, f"/setpw {words}")
    assert stack.settled()
    assert not [t for t in stack.sim.answers(4001) if "could not delete" in t] and stack.count("outbox_dead") == 0


def test_asked_for(stack):
    words = SECRET + "asked"
    assert "pin: integer, secret" in answer(stack, 4001, "/askpw")
    assert answer(stack, 4001, words).startswith("pin must be a whole number.\n/askpw needs")
    assert gone(stack, 4001, words)
    assert "password: text, secret" in answer(stack, 4001, "4711")
    assert gone(stack, 4001, "4711")
    assert stack.sql("SELECT line, args -> 'pin' ? 'sealed' FROM pending") == [("/askpw pin=•••", True)]
    said = answer(stack, 4001, words + " two")
    assert received(said)[1] == {"pin": "4711", "password": words + " two"}
    assert gone(stack, 4001, words)
    assert stack.sql("SELECT line, args FROM task_history ORDER BY id DESC LIMIT 1")[0] == (
        "/askpw pin=••• password=•••", {"pin": "•••", "password": "•••"})
    nowhere(stack, words)


def test_confirmed_and_approved_without_being_seen(stack):
    words = SECRET + "grave"
    message = asked(stack, 4001, f"/gravepw {words}")
    assert message["text"].startswith("/gravepw •••\n\nact hex 0\npassword = •••\n") and gone(stack, 4001, words)
    press(stack, 4001, "Run")
    assert "password = •••" in last(stack, 4011)["text"]
    press(stack, 4011, "Approve")
    assert stack.wait(lambda: len([t for t in stack.sim.answers(4001) if t.startswith("0 1 2 3r ")]), 10)
    assert received([t for t in stack.sim.answers(4001) if t.startswith("0 1 2 3r ")][-1])[1] == {"password": words}
    assert stack.count("audit_event", "detail -> 'args' ->> 'password' = '•••'") >= 3
    for chat in (4001, 4011, 4012, 4013):
        assert not [t for t in messages_of(stack, chat) if words in t]
    nowhere(stack, words)


def test_an_update_that_cannot_be_stored_is_kept_without_words(stack):
    words = SECRET + "poison"
    stack.sql("ALTER TABLE task ADD CONSTRAINT poison CHECK (line NOT LIKE '/setpw ••• 66%') NOT VALID")
    try:
        number = stack.number()
        message = stack.message(4001, f"/setpw {words} 66", reply_to_message={"message_id": 9, "text": words})
        assert stack.post({"update_id": number, "message": message})[0] == 200
    finally:
        stack.sql("ALTER TABLE task DROP CONSTRAINT poison")
    body, = stack.sql("SELECT body FROM update_rejected WHERE update_id = %s", (number,))[0]
    assert json.loads(body)["message"]["text"] == "•••" and str(number) in body
    nowhere(stack, words)


def test_an_engine_without_the_key_says_so(stack):
    words = SECRET + "stolen"
    # Sealed for another parameter: it opens for none but its own.
    assert received(answer(stack, 4001, f"/setpw {words}"))[1] == {"password": words}
    stack.sql("ALTER TABLE task DISABLE TRIGGER USER")
    stack.sql("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
              "NEW.args := jsonb_set(NEW.args, '{password,sealed}', to_jsonb('AAAA' || substr(NEW.args -> 'password' ->> 'sealed', 5))); RETURN NEW; END $$")
    stack.sql("CREATE TRIGGER spoil BEFORE INSERT ON task FOR EACH ROW WHEN (NEW.args ? 'password') EXECUTE FUNCTION spoil()")
    try:
        assert "could not start: this engine has no key that opens password" in answer(stack, 4001, f"/setpw {words}")
    finally:
        stack.sql("DROP TRIGGER spoil ON task; DROP FUNCTION spoil(); ALTER TABLE task ENABLE TRIGGER USER")
    nowhere(stack, words)


def test_the_runner_and_other_commands_have_no_keys(stack):
    """Only the engine itself holds the keys: they were read after its runner was forked."""
    with open(os.path.join(stack.dir, "secret", "secret_key"), encoding="utf-8") as f:
        secret = f.read().split("\n")[1]
    assert os.stat(os.path.join(stack.dir, "secret", "secret_key")).st_mode & 0o777 == 0o600
    for name in ("telebot", "telemanager", "telesender", "teleengine"):
        with open(f"/proc/{stack.pid(name)}/environ", "rb") as f:
            assert secret.encode() not in f.read()
    assert secret not in dump(stack)


def test_the_database_refuses_what_would_show_a_secret(stack):
    for statement, words in (
            ("UPDATE command SET args = ARRAY['hex', '{password}'] WHERE name = 'setpw'", "must not stand in args"),
            ("UPDATE command SET kind = 'text', template = 'it is {password}', args = '{}' WHERE name = 'setpw'", "must not stand in the answer"),
            ("UPDATE role_command SET constraints = '{\"password\": [\"x\"]}' WHERE command_id = (SELECT id FROM command WHERE name = 'setpw')", "a grant cannot hold values"),
            ("UPDATE command_parameter SET default_value = 'x' WHERE name = 'password'", "command_parameter_secret"),
            ("UPDATE command SET dangerous = true WHERE name = 'hosts'", "gives the choices of another"),
            ("INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 1, 'x', 'text' FROM command WHERE name = 'hosts'", "gives the choices of another")):
        with pytest.raises(Exception, match=words):
            stack.sql(statement)


# -- keys are exchanged while it runs

def test_keys_are_exchanged_without_losing_a_task(stage):
    from stack import Stack
    own = Stack(stage)
    try:
        words = SECRET + "rotated"
        path = os.path.join(own.dir, "secret", "secret_key")
        with open(path, encoding="utf-8") as f:
            old = f.read()
        made = own.teleops("secret", "keygen", path)
        assert made.returncode == 0 and made.stdout.startswith("secret_public_key = ")
        with open(path, encoding="utf-8") as f:
            assert f.read().endswith(old)
        os.kill(own.pid("teleengine"), 1)
        assert received(answer(own, 4001, f"/setpw {words}"))[1] == {"password": words}, "sealed with the former key"
        own.control(os.path.join(own.dir, "app/demo"), "start", "--detach")
        own.sim.call("/sim/start", {"people": [4001]})
        assert received(answer(own, 4001, f"/setpw {words}2"))[1] == {"password": words + "2"}, "sealed with the new one"
        # The former key alone opens it no more.
        with open(path, "w", encoding="utf-8") as f:
            f.write(old)
        os.kill(own.pid("teleengine"), 1)
        own.wait(lambda: "reloaded" in own.logged("teleengine"))
        assert "this engine has no key that opens password" in answer(own, 4001, f"/setpw {words}3")
        # A file that others can open is not taken; the keys in use stay.
        os.chmod(path, 0o644)
        os.kill(own.pid("teleengine"), 1)
        assert own.wait(lambda: "can be opened by others" in own.logged("teleengine"))
    finally:
        own.stop()
