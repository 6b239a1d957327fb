"""How many commands a second one engine runs, eight at a time: beside a loop that starts the same through the same runner and supervisor, and
beside the bare start of a process."""
import drain
import floor
import machine
from figures import Section, each, median_bar, spread, table

FLIGHT, PROGRAM = 8, "/bin/true"
COMMANDS = {
    "queues": [{"name": drain.QUEUE}],
    "commands": [{"name": "nothing", "kind": "exec", "program": "true", "queue": drain.QUEUE, "timeout_s": 60}],
    "grants": [{"role": "bench", "command": "nothing"}],
}
BARE, RUNNER, ENGINE = "posix_spawn", "through runner and supervisor", "teleengine, from the queue to the outbox"


def measure(bed):
    rounds, count = (2, 400) if bed.quick else (5, 2000)
    floor.build()
    others = bed.others()
    stack = bed.stack(TELEOPS_QUEUES=f"default,{drain.QUEUE}", TELEOPS_SLOTS=FLIGHT)
    stack.apply(COMMANDS)
    queue = drain.Queue(stack, command="nothing")
    env = floor.engine_env(stack)
    contenders = {BARE: lambda: floor.ask("spawn", count, FLIGHT, PROGRAM)[0], RUNNER: lambda: floor.ask("runner", count, FLIGHT, "true", env=env)[0],
                  ENGINE: lambda: drain.fresh(queue, count)}
    for run in contenders.values():
        run()
    found = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            found[name].append(run())
    cores = others.cores()
    queue.clear()
    queue.feed(count)
    parts = drain.Parts(stack)
    queue.drain(count)
    settings = f"{rounds} rounds in turn, {count:,} times `{PROGRAM}` each, {FLIGHT} in flight; commands run as a user of their own. {machine.versions(stack)}."
    return Section(settings, [
        table(["a second", "median", "min", "max"], [[name, *spread(values, 0)] for name, values in found.items()]),
        f"Other programs used {cores:.2f} cores meanwhile. Where a task's processor time goes, without that of processes that have ended:",
        table(["", "µs a task"], parts.rows(count)),
    ], [median_bar("exec tasks a second ÷ a bare loop through the same runner and supervisor", each(found[ENGINE], found[RUNNER]), least=0.8, moonshot=0.95)],
        {"commands run a second": {name: (sorted(v)[len(v) // 2], min(v), max(v)) for name, v in found.items()}})
