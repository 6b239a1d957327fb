"""Many at once, and plugs pulled."""
import collections
import random

from stack import CROWD


def test_2000_updates_of_50_people_a_third_of_them_twice(stack):
    tasks_before = stack.count("task_history")
    first = stack.next_update + 1
    updates = []
    for i in range(2000):
        who = CROWD[i % len(CROWD)]
        number = stack.number()
        line = f"/echo {number}" if i % 2 else f"/mark {number}"
        updates.append({"update_id": number, "message": stack.message(who, line)})
    bodies = updates + random.Random(7).sample(updates, 667)
    # Twice, but not far apart, as Telegram would after a lost answer.
    bodies.sort(key=lambda u: (u["update_id"] + random.Random(u["update_id"]).randint(0, 20)))
    assert set(stack.post_all(bodies)) == {200}
    assert stack.settled(120)
    assert stack.count("task_history") - tasks_before == 2000
    assert stack.sql("SELECT state, count(*) FROM task_history WHERE update_id >= %s GROUP BY 1", (first,)) == [("done", 2000)]
    marked = collections.Counter(stack.marked())
    assert len(marked) == 1000 and set(marked.values()) == {1}
    answered = 0
    for who in CROWD:
        answers = stack.sim.answers(who)
        answered += len(answers)
        assert len(set(answers)) == len(answers) == 40
        admitted = [row[0] for row in stack.sql("""SELECT h.update_id FROM task_history h JOIN command c ON c.id = h.command_id
            WHERE c.name = 'echo' AND h.chat_id = %s AND h.update_id >= %s ORDER BY h.id""", (who, first))]
        echoed = [int(a) for a in answers if int(a) in set(admitted)]
        assert echoed == admitted, "an ordered command answers in order of admission"
    assert answered == 2000


def outcomes(stack, words):
    """For each word: how its task ended; None where there is none."""
    rows = stack.sql("SELECT args ->> 'word', state FROM task_history WHERE args ->> 'word' = ANY (%s)", (list(words),))
    found = dict(rows)
    assert len(found) == len(rows), "one update, one task"
    return found


def test_each_part_killed_while_400_tasks_are_under_way(stack):
    words = {f"w{i:03}": CROWD[i % len(CROWD)] for i in range(400)}
    for word, who in words.items():
        stack.sim.say(who, f"/mark {word} 300")
    for part in ("telebot", "teleengine", "telesender", "nginx", "postgres"):
        before = stack.count("task_history")
        # Something must be under way, else the test shows nothing.
        assert stack.count("task", "NOT internal") + stack.sim.health()["pending"] > 8
        stack.kill(part)
        assert stack.wait(lambda seen=before: safely(lambda: stack.count("task_history") > seen + 8), 40), f"no progress after {part} was killed"
    assert stack.wait(lambda: safely(lambda: stack.settled(1)), 120)
    found = outcomes(stack, words)
    assert set(found) == set(words), "every acknowledged update has its task"
    assert set(found.values()) <= {"done", "lost"}
    marked = collections.Counter(stack.marked())
    assert set(marked.values()) == {1}, "never twice"
    assert all(word in marked for word, state in found.items() if state == "done")
    lost = [w for w, state in found.items() if state == "lost"]
    assert len(lost) <= 32, "no more than what ran when engine, runner or database went"
    for word, who in words.items():
        answers = stack.sim.answers(who)
        if found[word] == "done":
            assert word in answers, f"{word} was done and nobody was told"
        else:
            assert any(f"/mark {word} 300" in a and "may or may not" in a for a in answers), f"{word} is lost and nobody was told"


def safely(what):
    """The database may be away just now."""
    try:
        return what()
    except Exception:  # pylint: disable=broad-except
        return None


def test_idempotent_commands_run_again_after_the_engine_died(stack):
    words = [f"i{i}" for i in range(8)]
    for word in words:
        stack.sim.say(4001, f"/again {word} 1500")
    assert stack.wait(lambda: len(stack.marked()) == 8, 10)
    stack.kill("teleengine")
    assert stack.settled(60)
    assert set(outcomes(stack, words).values()) == {"done"}
    assert collections.Counter(stack.marked()) == {w: 2 for w in words}
    assert sorted(stack.sim.answers(4001)) == sorted(words)


def test_a_clean_stop_waits_for_what_runs(stack):
    import signal  # pylint: disable=import-outside-toplevel
    stack.sim.say(4001, "/mark patient 2000")
    assert stack.wait(lambda: "patient" in stack.marked(), 10)
    stack.kill("teleengine", signal.SIGTERM)
    assert stack.settled(30)
    assert stack.sim.answers(4001) == ["patient"] and stack.marked() == ["patient"]


def test_telebot_stops_cleanly_under_load(stack):
    import signal  # pylint: disable=import-outside-toplevel
    words = [f"t{i}" for i in range(200)]
    for i, word in enumerate(words):
        stack.sim.say(CROWD[i % 50], f"/echo {word}")
        if i == 100:
            stack.kill("telebot", signal.SIGTERM)
    assert stack.settled(60)
    assert sorted(a for who in CROWD for a in stack.sim.answers(who)) == sorted(words)


def test_the_database_away_means_503_and_later_everything(stack):
    import os  # pylint: disable=import-outside-toplevel
    import signal  # pylint: disable=import-outside-toplevel
    supervisor, postgres = stack.pid("supervisor"), stack.pid("postgres")
    number = stack.number()

    def ask():
        status, headers, _ = stack.post({"update_id": number, "message": stack.message(5001, "/echo after all")})
        assert status == 200 or (status == 503 and headers.get("Retry-After") == "1")
        return status

    # Nobody starts it again until a 503 was seen.
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(postgres, signal.SIGQUIT)
        assert stack.wait(lambda: ask() == 503, 30, 0.02)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert stack.wait(lambda: ask() == 200, 60, 0.1)
    assert stack.wait(lambda: safely(lambda: stack.settled(1)), 60)
    # Before it, that no engine serves its queue, if the engine was the last to find the database again.
    assert stack.sim.answers(5001)[-1] == "after all" and stack.sim.answers(5001).count("after all") == 1
