"""Files: a document as an argument, and what a command leaves in its results directory."""
import hashlib
import json
import os
import signal
import time

import pytest
from browser import Browser
from stack import PARTS
from test_chat import answer
from test_pending import GROUP, asked, keys, last, press
from test_targets import fleet

FORUM, TOPIC = -1000000002002, 9
MIB = 1024 * 1024
HANDLE = """#!/bin/sh
verb=$1
shift
case $verb in
show)
	for f; do
		[ -n "$f" ] && echo "$(basename "$f") $(stat -c '%s %a' "$f") $(sha256sum < "$f" | cut -c1-16)"
	done
	for f; do [ "$(stat -c %U "$f")" = "$(id -un)" ] || echo "of somebody else"; done
	[ "$(pwd)" = "$HOME" ] && [ -w "$TELEOPS_RESULTS" ] && echo "in $(echo "$1" | sed "s#$HOME/##")" ;;
back) cp "$1" "$TELEOPS_RESULTS/back-$(basename "$1")"; cat "$1" > "$TELEOPS_RESULTS/second.bin"; echo "from $TELEOPS_TASK_ID" ;;
quiet) echo content > "$TELEOPS_RESULTS/only.txt" ;;
fails) echo half > "$TELEOPS_RESULTS/half.txt"; echo "no luck"; exit 3 ;;
odd)
	cd "$TELEOPS_RESULTS"
	ln -s /etc/passwd link.txt; ln /etc/hostname hard.txt 2>/dev/null; mkfifo pipe; mkdir dir; : > empty; echo x > .hidden
	head -c 2000000 /dev/zero > large.bin
	for i in 1 2 3 4 5; do echo "$i" > "good $i.txt"; done
	echo odd ;;
wait) echo "$(sha256sum < "$1" | cut -c1-16)" >> "$2"; sleep "$3"; echo over ;;
esac
"""


def file(name="doc", **more):
    return {"name": name, "type": "file", "required": True, **more}


def digest(body):
    return hashlib.sha256(body).hexdigest()[:16]


@pytest.fixture(name="files")
def files_fixture(stack):
    stack.sql("DELETE FROM pending; DELETE FROM person_pace; DELETE FROM setting")
    path = os.path.join(stack.env["TELEOPS_EXEC_DIR"], "handle")
    with open(path, "w", encoding="utf-8") as f:
        f.write(HANDLE)
    os.chmod(path, 0o755)
    exec_ = {"kind": "exec", "program": "handle", "timeout_s": 120}
    commands = [
        {"name": "show", "args": ["show", "{doc}"], "parameters": [file()], **exec_},
        {"name": "small", "args": ["show", "{doc}"], "parameters": [file(maximum=1000)], **exec_},
        {"name": "noted", "args": ["show", "{doc}"], "parameters": [file(), {"name": "note", "type": "text"}], **exec_},
        {"name": "pair2", "args": ["show", "{doc}", "{other}"], "interactive": True, "parameters": [
            file(), {"name": "env", "type": "choice", "choices": ["prod", "staging"], "required": True}, file("other")], **exec_},
        {"name": "maybe", "args": ["quiet"], "parameters": [file(required=False)], **exec_},
        {"name": "careful", "args": ["show", "{doc}"], "parameters": [file()], "dangerous": True, **exec_},
        {"name": "agreed", "args": ["show", "{doc}"], "parameters": [file()], "approvals": 1, "approvers": "judge", **exec_},
        {"name": "back", "args": ["back", "{doc}"], "parameters": [file()], **exec_},
        {"name": "quiet", "args": ["quiet"], **exec_},
        {"name": "secretly", "args": ["quiet"], "answer": "private", **exec_},
        {"name": "halfway", "args": ["fails"], **exec_},
        {"name": "odd", "args": ["odd"], **exec_},
        {"name": "waits", "args": ["wait", "{doc}", stack.marks, "{s}"], "idempotent": True, "parameters": [file(), {"name": "s", "type": "integer", "default": 0}], **exec_},
        {"name": "once", "args": ["wait", "{doc}", stack.marks, "{s}"], "parameters": [file(), {"name": "s", "type": "integer", "default": 0}], **exec_},
        {"name": "each", "args": ["back", "{doc}"], "parameters": [{"name": "on", "type": "target", "required": True}, file()], **exec_},
    ]
    stack.apply({"commands": commands, "chats": [{"chat_id": GROUP}, {"chat_id": FORUM}], "grants": [{"role": "crew", "command": c["name"]} for c in commands]})
    return stack


def sent(stack, who, name, body, caption="", chat=None, timeout=60, **more):
    """Sends a document; the bot's last answer once all has settled."""
    stack.sim.send(who, name, body, caption, chat=chat, **more)
    assert stack.settled(timeout)
    assert stack.wait(lambda: stack.count("pending", "state = 'fetching'") == 0 and stack.settled(timeout), timeout)
    return last(stack, chat or who).get("text", "")


def documents(stack, chat):
    """(name, contents, message) of what the bot has sent."""
    return [(m["document"]["file_name"], stack.sim.file(m["document"]["file_id"]), m) for m in stack.sim.messages(chat)
            if m.get("from", {}).get("is_bot") and "document" in m]


# -- in

def test_a_document_with_the_command_as_its_caption(files):
    body = bytes(range(256)) * 40
    said = sent(files, 4001, "report 1.csv", body, "/show").splitlines()
    assert said == [f"report_1.csv {len(body)} 600 {digest(body)}", "in files/doc/report_1.csv"]
    assert files.sql("SELECT args FROM task_history WHERE command_name = 'show' ORDER BY finished_at DESC LIMIT 1")[0][0] == {"doc": "report_1.csv"}
    work = files.env["TELEOPS_WORK_DIR"]
    assert files.count("pending") == 0 and files.wait(lambda: os.listdir(work) == ["spool"] and not os.listdir(work + "/spool"), 30), "nothing of it is left"


def test_a_command_as_a_reply_to_a_document(files):
    body = b"a,b\n1,2\n"
    files.sim.send(4001, "t.csv", body)
    document = files.sim.messages(4001)[-1]["message_id"]
    assert "as a reply to it" in files.sim.wait_answers(4001, 1)[-1], "and who sends one alone is told how"
    files.sim.say(4001, "/show", reply_to=document)
    assert files.wait(lambda: files.sim.answers(4001)[-1].startswith(f"t.csv 8 600 {digest(body)}"), 30)
    assert answer(files, 4001, "/quiet").startswith("/quiet: done"), "a reply's document need not be meant"


def test_words_beside_a_file(files):
    assert sent(files, 4001, "t.csv", b"1", "/noted all of the rest, as it stands").startswith("t.csv 1 600")
    assert sent(files, 4001, "t.csv", b"1", "/pair2 staging").startswith("/pair2 needs\nother: file of at most 20 MB")
    assert sent(files, 4001, "u.csv", b"22").splitlines()[:2] == [f"t.csv 1 600 {digest(b'1')}", f"u.csv 2 600 {digest(b'22')}"]
    assert answer(files, 4001, "/maybe").startswith("/maybe: done"), "one that may be left out"


@pytest.mark.parametrize("name, there", [("../../etc/passwd", "passwd"), ("..", "file"), ("/x\\y/-rf", "rf"), (".bashrc", "bashrc"), ("a b;$(id)'\"\n.txt", "a_b___id____.txt"),
                                         ("x" * 300 + ".tar", "x" * 96 + ".tar"), ("доклад.csv", "доклад.csv"), ("gpj\u202e.exe", "gpj_.exe"), ("", "file")])
def test_names_are_hostile(files, name, there):
    assert sent(files, 4001, name, b"x", "/show").splitlines() == [f"{there} 1 600 {digest(b'x')}", f"in files/doc/{there}"]


def test_what_is_wrong_is_told_with_the_usage(files):
    said = answer(files, 4001, "/show")
    assert said == "doc is missing: send the command as the caption of a document, or as a reply to one.\nUsage: /show <doc: file>"
    assert answer(files, 4001, "/show doc=/etc/passwd").startswith('doc must be a file: send the command as the caption of a document, or as a reply to one, not "/etc/passwd".')
    assert answer(files, 4001, "/show /etc/passwd").startswith('Too many arguments at "/etc/passwd".')
    assert sent(files, 4001, "t.csv", b"1", "/quiet") == "It takes no file, but one came.\nUsage: /quiet"
    assert sent(files, 4001, "t.csv", bytes(1001), "/small") == "doc must be a file of at most 1000 bytes; t.csv has 1001 bytes.\nUsage: /small <doc: file>"
    files.sql("INSERT INTO setting (name, value) VALUES ('file_megabytes', 1)")
    assert sent(files, 4001, "t.csv", MIB + 1, "/show").startswith("doc must be a file of at most 1024 kB; t.csv has 1024 kB.")
    assert files.count("outbox_dead") == 0 and "file of at most 1000 bytes" in answer(files, 4001, "/help small")


def test_who_may_not_run_it_has_nothing_fetched(files):
    before = files.count("file")
    assert sent(files, 4002, "t.csv", b"1", "/show").startswith("You may not run /show.")
    assert not files.sim.calls("getFile") and files.count("file") == before


def test_asked_for_and_answered_with_a_document(files):
    files.sim.say(4001, "/pair2")
    assert files.wait(lambda: "needs\ndoc: file" in (files.sim.answers(4001) or [""])[-1], 20) and "Send it as a document." in files.sim.answers(4001)[-1]
    assert answer(files, 4001, "/etc").startswith("I do not know"), "a command line is no answer"
    assert "doc must be a file" in answer(files, 4001, "some words")
    assert "needs\nenv" in sent(files, 4001, "one.txt", b"one")
    assert sent(files, 4001, "two.txt", b"two").startswith("env is no file: send its value as a text.")
    press(files, 4001, "staging")
    said = sent(files, 4001, "three.txt", b"three").splitlines()
    assert said[:2] == [f"one.txt 3 600 {digest(b'one')}", f"three.txt 5 600 {digest(b'three')}"]
    assert files.sql("SELECT line FROM task_history WHERE command_name = 'pair2' ORDER BY finished_at DESC LIMIT 1")[0][0] == \
        "/pair2 doc=one.txt env=staging other=three.txt"


# -- what Telegram does not give

def test_larger_than_it_claimed(files):
    said = sent(files, 4001, "t.csv", 5000, "/small", document={"claims": 10})
    assert said == "doc: t.csv has more than the 1000 bytes that it may have.\nNothing was run:\n/small"
    said = sent(files, 4001, "huge.bin", 21 * MIB, "/show", document={"claims": 0})
    assert said == "doc: huge.bin has more than the 20 MB that it may have.\nNothing was run:\n/show"
    assert files.count("pending") == 0 and files.count("outbox") == 0 and files.count("outbox_dead") == 0


def test_gone_or_refused(files):
    token = files.env["TELEOPS_BOT_TOKEN"]
    files.sim.fault("400", method="getFile", description="Bad Request: wrong file_id or the file is temporarily unavailable")
    assert sent(files, 4001, "t.csv", b"1", "/show").startswith("doc: Telegram does not have t.csv any more, or not at the moment.")
    files.sim.fault("400", method="getFile", description="Bad Request: not today")
    assert sent(files, 4001, "t.csv", b"1", "/show").startswith("doc: Telegram would not give me t.csv: Bad Request: not today\n")
    files.sim.fault("400", method="file")
    assert sent(files, 4001, "t.csv", b"1", "/show").startswith("doc: Telegram does not have t.csv any more")
    for part in PARTS:
        assert token not in files.logged(part), "the address of a file holds the token"
    assert files.sql("SELECT count(*) FROM audit_event WHERE action = 'file not fetched'")[0][0] >= 3


def test_away_for_a_while_nothing_is_lost(files):
    for kind, method in (("502", "getFile"), ("429", "getFile"), ("reset", "file"), ("500", "file")):
        files.sim.fault(kind, method=method)
    assert sent(files, 4001, "t.csv", b"1", "/show", timeout=90).startswith("t.csv 1 600")
    assert files.sim.health()["faults"] == 0


def test_not_in_time(files):
    files.sim.fault("502", method="getFile", count=1000)
    files.sim.send(4001, "t.csv", b"1", "/show")
    assert files.wait(lambda: files.count("pending", "state = 'fetching'") == 1, 20)
    files.sql("UPDATE pending SET expires_at = now() - interval '1 second'")
    assert files.wait(lambda: "did not give me the file in time.\nNothing was run:\n/show" in (files.sim.answers(4001) or [""])[-1], 40)
    files.sim.call("/sim/faults", method="DELETE")
    assert files.wait(lambda: files.count("outbox") == 0, 60)
    assert len(files.sim.answers(4001)) == 1, "what came late is not taken up"


def test_cancelled_while_it_is_fetched(files):
    files.sim.fault("502", method="getFile", count=1000)
    files.sim.send(4001, "t.csv", b"1", "/show")
    assert files.wait(lambda: files.count("pending", "state = 'fetching'") == 1, 20)
    admin = Browser(files)
    assert admin.sign_in("admin", files.env["DEMO_ADMIN_PASSWORD"]).status == 303
    assert "a file" in admin.get("/pending").main
    files.sim.say(4001, "/cancel")
    assert files.wait(lambda: files.sim.answers(4001) == ["Not run."], 20) and files.count("pending") == 0
    files.sim.call("/sim/faults", method="DELETE")
    assert files.settled(60) and files.sim.answers(4001) == ["Not run."]


def test_a_right_withdrawn_while_it_is_fetched(files):
    files.sim.fault("502", method="getFile", count=1000)
    files.sim.send(4001, "t.csv", b"1", "/show")
    assert files.wait(lambda: files.count("pending", "state = 'fetching'") == 1, 20)
    files.sql("DELETE FROM role_command g USING command c WHERE c.id = g.command_id AND c.name = 'show'")
    files.sim.call("/sim/faults", method="DELETE")
    assert files.wait(lambda: (files.sim.answers(4001) or [""])[-1].startswith("You may not run /show."), 60)


# -- confirmed, approved

def test_confirmed_and_approved_with_the_file_fetched_first(files):
    files.sim.send(4001, "plan.txt", b"plan", "/careful")
    assert files.wait(lambda: (files.sim.answers(4001) or [""])[-1].endswith("Run it?"), 30)
    assert "handle show plan.txt" in files.sim.answers(4001)[-1]
    press(files, 4001, "Run")
    assert files.wait(lambda: files.sim.answers(4001)[-1].startswith("plan.txt 4 600"), 30)
    for judge in (4011, 4012, 4013):
        files.sim.say(judge, "/whoami")
    assert files.settled()
    files.sim.send(4001, "plan.txt", b"plan", "/agreed")
    assert files.wait(lambda: keys(last(files, 4011)), 30)
    press(files, 4011, "Approve")
    assert files.wait(lambda: files.sim.answers(4001)[-1].startswith("plan.txt 4 600"), 30)


# -- out

def test_results_come_back_as_documents(files):
    body = bytes(range(256)) * 4000
    sent(files, 4001, "x.bin", body, "/back")
    assert [(n, digest(b)) for n, b, _ in documents(files, 4001)] == [("back-x.bin", digest(body)), ("second.bin", digest(body))]
    text = [a for a in files.sim.answers(4001) if a]
    assert len(text) == 1 and text[0].startswith("from "), "what it printed comes first, and once"
    assert answer(files, 4001, "/quiet") == "/quiet: done"
    assert files.wait(lambda: documents(files, 4001)[-1][:2] == ("only.txt", b"content\n"), 30)
    assert files.settled() and files.count("outbox_document") == 0


def test_results_of_one_that_fails(files):
    files.sim.say(4001, "/halfway")
    assert files.settled()
    assert "failed: exit status 3\nno luck" in files.sim.answers(4001)[0] and documents(files, 4001)[0][:2] == ("half.txt", b"half\n")


def test_only_the_commands_own_files_and_no_more_than_allowed(files):
    files.sim.say(4001, "/odd")
    assert files.settled()
    assert [n for n, _, _ in documents(files, 4001)] == [f"good_{i}.txt" for i in (1, 2, 3, 4, 5)] + ["large.bin"]
    assert "of its files not sent" in files.sim.answers(4001)[0] and not any(b.startswith(b"root:") for _, b, _ in documents(files, 4001))


def test_private_results_and_a_topic(files):
    files.sim.say(4001, "/whoami")
    assert files.settled()
    files.sim.say(4001, "/secretly", chat=GROUP)
    assert files.settled()
    assert not documents(files, GROUP) and documents(files, 4001)[0][0] == "only.txt"
    body = b"in a topic"
    files.sim.send(4001, "t.txt", body, "/back", chat=FORUM, topic=TOPIC)
    assert files.wait(lambda: len(documents(files, FORUM)) == 2, 40)
    assert all(m.get("message_thread_id") == TOPIC and m["reply_to_message"] for _, _, m in documents(files, FORUM))
    question = asked(files, 4001, "/pair2 env=prod", chat=GROUP)
    files.sim.send(4011, "t.txt", b"not asked", chat=GROUP, reply_to=question["message_id"])
    assert files.settled() and files.count("pending", "asked = 'doc'") == 1, "whose question it is answers it"
    assert "needs\nother" in sent(files, 4001, "mine.txt", b"mine", chat=GROUP, reply_to=question["message_id"])


def test_each_host_of_a_target_has_it(files):
    with fleet(files, {"web1": "role=web", "web2": "role=web"}):
        body = b"for both"
        files.sim.send(4001, "t.txt", body, "/each web*")
        assert files.wait(lambda: len(documents(files, 4001)) == 4, 60)
    assert sorted((n, m["caption"]) for n, b, m in documents(files, 4001) if b == body) == \
        sorted((n, f"of {h}") for n in ("back-t.txt", "second.bin") for h in ("web1", "web2"))


# -- engines and senders that go, retention

def test_an_engine_that_dies_and_another_that_has_the_file_again(files):
    body = b"again"
    files.sim.send(4001, "t.txt", body, "/waits 8")
    assert files.wait(lambda: files.marked() == [digest(body)], 30)
    files.kill("teleengine")
    assert files.wait(lambda: files.marked() == [digest(body)] * 2, 60), "the second attempt has it too"
    assert files.wait(lambda: files.sim.answers(4001)[-1:] == ["over"] or "over" in (files.sim.answers(4001) or [""])[-1], 60)
    files.sim.send(4001, "t.txt", body, "/once 8")
    assert files.wait(lambda: files.marked() == [digest(body)] * 3, 30)
    files.kill("teleengine")
    assert files.wait(lambda: "was lost" in files.sim.answers(4001)[-1], 60) and files.marked() == [digest(body)] * 3


def test_a_sender_that_dies_while_it_fetches(files):
    files.sim.fault("slow", method="file", seconds=5)
    files.sim.send(4001, "t.txt", b"still there", "/show")
    assert files.wait(lambda: files.sim.calls("file"), 30)
    files.kill("telesender", signal.SIGKILL)
    assert files.wait(lambda: (files.sim.answers(4001) or [""])[-1].startswith(f"t.txt 11 600 {digest(b'still there')}"), 60)


def cut(stack, *programs):
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY (%s) AND datname = current_database()", (list(programs),), user="postgres")


def test_the_database_goes_while_files_are_on_their_way(files):
    files.sim.fault("slow", method="file", seconds=3)
    files.sim.send(4001, "t.txt", b"still there", "/show")
    assert files.wait(lambda: files.sim.calls("file"), 30)
    cut(files, "telesender")
    assert files.wait(lambda: (files.sim.answers(4001) or [""])[-1].startswith(f"t.txt 11 600 {digest(b'still there')}"), 60)
    body = (bytes(range(256)) * (5 * MIB // 256))
    files.sim.send(4001, "t.bin", 5 * MIB, "/back")
    for _ in range(8):
        time.sleep(0.3)
        cut(files, "telesender", "teleengine")
    assert files.wait(lambda: {n for n, _, _ in documents(files, 4001)} == {"back-t.bin", "second.bin"}, 120) and files.settled()
    assert {digest(b) for _, b, _ in documents(files, 4001)} == {digest(body)}


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1]) // 1024


def sanitized(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return "libasan" in f.read()


def test_a_large_file_both_ways_in_little_memory(files):
    """15 MB to the command and twice back; peak memory, which never shrinks, stays far below one of them."""
    before = {name: memory(files.pid(name)) for name in ("telesender", "teleengine")}
    body = (bytes(range(256)) * (15 * MIB // 256 + 1))[:15 * MIB]
    sent(files, 4001, "large.bin", 15 * MIB, "/back", timeout=180)
    assert files.wait(lambda: len(documents(files, 4001)) == 2, 120)
    assert [digest(b) for _, b, _ in documents(files, 4001)] == [digest(body)] * 2
    for name, least in before.items():
        # A sanitizer keeps what is freed for a while.
        assert memory(files.pid(name)) - least < 8 or sanitized(files.pid(name)), name


def test_files_are_kept_for_hours_and_no_longer(files):
    sent(files, 4001, "t.txt", b"x", "/back")
    assert files.count("file") >= 3
    files.sql("UPDATE file SET created_at = now() - interval '25 hours'; UPDATE chore SET done_at = '-infinity' WHERE name = 'files'")
    assert files.wait(lambda: files.count("file") + files.count("file_chunk") == 0, 30)
    # What is still needed stays.
    files.sim.send(4001, "t.txt", b"x", "/careful")
    assert files.wait(lambda: files.count("pending", "state = 'confirming'") == 1, 30)
    files.sql("UPDATE file SET created_at = now() - interval '25 hours'; UPDATE chore SET done_at = '-infinity' WHERE name = 'files'")
    assert files.wait(lambda: files.sql("SELECT done_at > now() - interval '10 seconds' FROM chore WHERE name = 'files'")[0][0], 30)
    time.sleep(0.5)
    assert files.count("file") == 1


# -- declared

def test_what_is_declared_is_exported_and_what_cannot_be_is_refused(files):
    done = files.teleops("export")
    small = {c["name"]: c for c in json.loads(done.stdout)["commands"]}["small"]
    assert small["parameters"] == [{"name": "doc", "type": "file", "required": True, "maximum": 1000}]
    again = files.teleops("apply", "-", "--dry-run", stdin=done.stdout)
    assert again.returncode == 0 and "small" not in again.stdout
    for more, words in (({"kind": "text", "template": "x"}, "a file can only be given to a command of kind exec, not text"),
                        ({"kind": "sql", "connection": "c", "statement": "SELECT 1"}, "of kind exec, not sql"),
                        ({"kind": "http", "connection": "c", "path": "/"}, "of kind exec, not http"),
                        ({"kind": "exec", "program": "echo", "parameters": [file(f"f{i}") for i in range(9)]}, "8 files at most")):
        done = files.teleops("apply", "-", stdin=json.dumps({"commands": [{"name": "wrong", "parameters": [file()], **more}]}))
        assert done.returncode != 0 and words in done.stderr
    done = files.teleops("apply", "-", stdin=json.dumps({"grants": [{"role": "few", "command": "show", "constraints": {"doc": ["x"]}}]}))
    assert done.returncode != 0 and "is a file: a grant cannot hold values of it" in done.stderr
