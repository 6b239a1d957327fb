"""What commands do to the machine, and what they cannot do."""
import subprocess


def left(name):
    """Processes that carry this name in their arguments."""
    found = subprocess.run(["pgrep", "-f", f"act stubborn {name}"], stdout=subprocess.PIPE, check=False).stdout.decode().split()
    return found


def ask(stack, line, who=4001, timeout=30):
    before = len(stack.sim.answers(who))
    stack.sim.say(who, line)
    assert stack.wait(lambda: len(stack.sim.answers(who)) > before, timeout), line
    return stack.sim.answers(who)[-1]


def test_a_command_that_forks_away_and_ignores_term_ends_whole(stack):
    said = ask(stack, "/stubborn oak")
    assert "timed out after 1 s" in said and "oak is here" in said
    assert left("oak") == []


def test_the_engine_killed_ends_its_commands(stack):
    stack.sim.say(4001, "/stubborn elm")
    assert stack.wait(lambda: len(left("elm")) >= 4, 10)
    stack.kill("teleengine")
    assert stack.wait(lambda: not left("elm"), 20)
    assert stack.settled(60)
    assert "may or may not" in stack.sim.answers(4001)[-1]


def test_the_runner_killed_ends_its_commands(stack):
    stack.sim.say(4001, "/stubborn fir")
    assert stack.wait(lambda: len(left("fir")) >= 4, 10)
    engine = stack.pid("teleengine")
    runner = subprocess.run(["pgrep", "-P", str(engine)], stdout=subprocess.PIPE, check=True).stdout.decode().split()[0]
    subprocess.run(["kill", "-9", runner], check=True)
    assert stack.wait(lambda: not left("fir"), 20)
    assert stack.wait(lambda: stack.pid("teleengine") != engine, 20)
    assert stack.settled(60)
    assert ask(stack, "/echo back again") == "back again"


def test_10_mb_of_output_is_capped_and_said_so(stack):
    said = ask(stack, "/flood 10000000", timeout=60)
    assert "/flood" in "".join(stack.sim.answers(4001)) and "of 10000000" in said.replace(",", "")
    assert stack.settled()
    size, = stack.sql("SELECT octet_length(o.body) FROM task_output o ORDER BY task_id DESC LIMIT 1")[0]
    assert size <= 262144


def test_invalid_utf8_and_nul_in_output(stack):
    said = ask(stack, "/nonsense")
    assert said.startswith("café") and said.endswith("\U0001f600 end") and "\x00" not in said


def test_commands_run_as_their_own_user_with_a_clean_environment(stack):
    """/proc/self/status and environ, seen by cat."""
    def show(name, path):
        return {"name": name, "kind": "exec", "program": "cat", "args": [path], "timeout_s": 10}
    names = {"me": "/proc/self/status", "env": "/proc/self/environ", "fds": "/proc/self/limits", "stolen": stack.env["TELEOPS_DEMO_DIR"] + "/secret/bot_token"}
    stack.apply({"commands": [show(n, p) for n, p in names.items()], "grants": [{"role": "crew", "command": n} for n in names]})
    try:
        status = ask(stack, "/me")
        uid = subprocess.run(["id", "-u", "teleops-cmd"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status and "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status
        environment = ask(stack, "/env")
        assert "TELEOPS_TASK_ID=" in environment and "TELEOPS_CHAT_ID=4001" in environment and "TELEOPS_USER=ada" in environment
        assert "DATABASE" not in environment and "TOKEN" not in environment
        assert "Permission denied" in ask(stack, "/stolen")
    finally:
        stack.apply({"commands": [{**show(n, p), "enabled": False} for n, p in names.items()]})


def test_a_program_others_can_write_is_refused(stack):
    import os  # pylint: disable=import-outside-toplevel
    path = os.path.join(stack.env["TELEOPS_EXEC_DIR"], "loose")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/cat\n")
    os.chmod(path, 0o777)
    stack.apply({"commands": [{"name": "loose", "kind": "exec", "program": "loose", "timeout_s": 5}], "grants": [{"role": "crew", "command": "loose"}]})
    try:
        assert "loose" in ask(stack, "/loose") and "writ" in stack.sim.answers(4001)[-1]
    finally:
        os.unlink(path)


def test_an_engine_rung_in_vain_still_hears_of_its_own_tasks(stack):
    for _ in range(40):
        stack.sql("NOTIFY task")
    assert ask(stack, "/mark rung") == "rung"
    for _ in range(3):
        stack.sql("NOTIFY task")
        assert ask(stack, "/mark again") == "again"
