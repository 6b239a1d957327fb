"""Memory and processor time of a stack that has nothing to do."""
import os
import time

import machine
from bed import NO_RATES, message
from figures import Bar, Section, number, table
from stack import free_ports

PROGRAMS = ("telebot", "telemanager", "teleengine", "telesender")
BESIDE = ("nginx", "postgres")
MEMORY_MIB, CORE_PERCENT = 40, 1
HTTPS = "api_base with https"


def look(stack, seconds):
    """{part: (processes, MiB, per cent of a core)} over so many seconds."""
    before = {name: machine.run_ns(machine.tree(stack.pid(name))) for name in PROGRAMS + BESIDE}
    began = time.monotonic_ns()
    time.sleep(seconds)
    after = {name: machine.run_ns(machine.tree(stack.pid(name))) for name in before}
    elapsed = time.monotonic_ns() - began
    found = {}
    for name, then in before.items():
        share = 100 * sum(after[name][pid] - then[pid] for pid in then if pid in after[name]) / elapsed
        found[name] = (len(after[name]), machine.pss(after[name]) / 1024, share)
    found["the four together"] = tuple(sum(found[name][i] for name in PROGRAMS) for i in range(3))
    return found


def busy(stack, updates):
    """Some work, so that what stays allocated after it shows."""
    stack.post_all({"update_id": stack.number(), "message": message(stack, n, f"/say {n}")} for n in range(updates))
    if not stack.settled(120):
        raise RuntimeError(f"{updates} updates were not done within two minutes; see the logs in {stack.dir}/log")
    time.sleep(2)


def towards_https(bed, seconds):
    """A sender that speaks TLS holds the system's trust store. Here it meets a certificate it does not trust, so only the memory counts:
    it goes on asking, which is not idleness."""
    admin = free_ports(1)[0]
    stack = bed.stack(TELEOPS_ADMIN_PORT=admin, TELEOPS_API_BASE=f"https://127.0.0.1:{admin}")
    if not stack.wait(lambda: "getme_failed" in stack.logged("telesender"), 20):
        raise RuntimeError(f"telesender did not try; see {stack.dir}/log/telesender.log")
    found = look(stack, seconds)
    bed.drop(stack)
    return found


def measure(bed):
    seconds, updates = (1, 100) if bed.quick else (30, 5000)
    others = bed.others()
    stack = bed.stack(**NO_RATES)
    time.sleep(3)
    looks = {"just started": look(stack, seconds)}
    busy(stack, updates)
    looks[f"after {updates} updates"] = look(stack, seconds)
    cores = others.cores()
    settings = f"Default settings, without send rates; {seconds} s each. {machine.versions(stack)}."
    bed.drop(stack)
    looks[HTTPS] = towards_https(bed, min(15, seconds))
    rows = [[name if n == 0 else "", state, looks[state][name][0], number(looks[state][name][1], 1), "" if state == HTTPS else number(looks[state][name][2], 3)]
            for name in (*PROGRAMS, "the four together", *BESIDE) for n, state in enumerate(looks)]
    four = {state: found["the four together"] for state, found in looks.items()}
    return Section(settings, [
        table(["", "when", "processes", "PSS, MiB", "% of a core"], rows),
        f"Processor time is the kernel's count per thread (schedstat), so that it shows well below a clock tick. Other programs used {cores:.2f} cores meanwhile.",
    ], [Bar("memory of the four, the largest", max(mib for _, mib, _ in four.values()), "MiB PSS", most=MEMORY_MIB, digits=1),
        Bar("processor time of the four, the largest", max(share for state, (_, _, share) in four.items() if state != HTTPS), "% of a core",
            most=CORE_PERCENT, digits=3)])
