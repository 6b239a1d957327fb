#!/usr/bin/python3 -B
"""How many instructions telebot.fcgi needs for an update, counted by callgrind: the same on a busy machine as on an idle one.

  bench/instructions.py            counts, and says what was recorded
  bench/instructions.py --record   writes what it counted to bench/instructions.txt, which tests/bench holds the program to

Counts belong to a compiler and its flags, and to the libraries of a system: all of them are recorded, too.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../tests")]
import machine  # noqa: E402
from support.cluster import BUILD, Cluster  # noqa: E402
from support.fastcgi import Connection  # noqa: E402

RECORD = os.path.join(HERE, "instructions.txt")
PEOPLE, FIRST_ID = 100, 10_000_001
FEW, MANY = 100, 500
PAUSE_S = 0.004  # each is rung for by itself: rings that come while one is under way would become one, and the count less
TOLERANCE = 1.03
SECRET = "instructions"
# As bench/post.lua has it.
SHAPE = {"message_id": 1365, "date": 1441645532, "text": "/note web-frontend-3 shows errors again since the last deployment, please look at the load average of each host",
         "entities": [{"offset": 0, "length": 5, "type": "bot_command"}]}
COMMANDS = {
    "queues": [{"name": "held"}],
    "roles": [{"name": "bench"}],
    "commands": [{"name": "note", "kind": "text", "template": "noted: {text}", "queue": "held", "parameters": [{"name": "text", "type": "text", "required": True}]}],
    "grants": [{"role": "bench", "command": "note"}],
    "users": [{"login": f"p{n}", "first_name": f"Person {n}", "roles": ["bench"], "telegram_ids": [FIRST_ID + n]} for n in range(PEOPLE)],
}
ENGINE_SQL = "INSERT INTO engine (name, epoch, queues, slots, started_at, lease_until) VALUES ('held', 1, '{held}', 50, now(), now() + interval '1 day')"


def body(n):
    who = FIRST_ID + n % PEOPLE
    name = {"id": who, "first_name": "Jonathan", "last_name": "Testerson", "username": f"jtesterson{who}"}
    return json.dumps({"update_id": 10 ** 12 + n, "message": {**SHAPE, "from": {**name, "is_bot": False, "language_code": "en"},
                                                              "chat": {**name, "type": "private"}}}, separators=(",", ":")).encode()


def built_with():
    """What else the count depends on."""
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as f:
        flags = re.search(r"^CFLAGS = (.*)$", f.read(), re.M)[1]
    libraries = ", ".join(f"{name} {machine.version(name)}" for name in ("libc6", "libpq5", "libjson-c5", "libfcgi0ldbl"))
    return f"{machine.said('cc', '--version').splitlines()[0]} {flags}; {libraries}; {machine.said('uname', '-m')}"


def serve(cluster, directory, name):
    """telebot.fcgi under callgrind: (process, its socket, where its profile goes)."""
    path, profile = (os.path.join(directory, f"{name}.{what}") for what in ("sock", "profile"))
    env = {"TELEOPS_CONFIG": "/dev/null", "TELEOPS_DATABASE": cluster.conninfo("teleops_bot"), "TELEOPS_WEBHOOK_SECRET": SECRET, "TELEOPS_ACCEPTORS": "1",
           "TELEOPS_WRITERS": "1", "TELEOPS_PERSON_RATE": "0", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    with socket.socket(socket.AF_UNIX) as listening, open(os.path.join(directory, f"{name}.log"), "wb") as log:
        listening.bind(path)
        listening.listen(16)
        process = subprocess.Popen(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", os.path.join(BUILD, "telebot.fcgi")],
                                   env=env, stdin=listening, stdout=log, stderr=log, cwd="/")
    return process, path, profile


def one_run(cluster, directory, name, first, updates):
    """The profile of a program that admitted so many updates, one after the other."""
    process, path, profile = serve(cluster, directory, name)
    try:
        connection = Connection(path)
        for n in range(first, first + updates):
            time.sleep(PAUSE_S)
            status = connection.post("/webhook", body(n), {"X-Telegram-Bot-Api-Secret-Token": SECRET})
            if status != 200:
                with open(os.path.join(directory, f"{name}.log"), encoding="utf-8", errors="replace") as f:
                    raise RuntimeError(f"telebot.fcgi answered {status}: {f.read()[-2000:]}")
        connection.close()
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    return profile


def total(profile):
    with open(profile, encoding="utf-8", errors="replace") as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M)[1])


def prepare(cluster):
    cluster.make_databases()
    cluster.migrate()
    path = os.path.join(cluster.dir, "commands.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(COMMANDS, f)
    done = cluster.teleops("apply", path)
    if done.returncode:
        raise RuntimeError(f"teleops apply: {done.stderr}")
    cluster.sql(ENGINE_SQL)


def profiles(use):
    """What use makes of the profiles of a short and a long run; their difference is the updates' alone, without start and end."""
    cluster = Cluster()
    with tempfile.TemporaryDirectory(prefix="tele-count.", dir="/var/tmp") as directory:
        try:
            prepare(cluster)
            one_run(cluster, directory, "first", 0, PEOPLE)  # everybody has written before
            return use(one_run(cluster, directory, "few", 1000, FEW), one_run(cluster, directory, "many", 2000, MANY))
        finally:
            cluster.stop()


def count():
    return profiles(lambda few, many: (total(many) - total(few)) // (MANY - FEW))


def recorded():
    """(instructions, built with)"""
    with open(RECORD, encoding="utf-8") as f:
        number, built = f.read().splitlines()
    return int(number), built


def main():
    began = time.monotonic()
    found = count()
    number, built = recorded() if os.path.exists(RECORD) else (0, "nothing")
    print(f"telebot.fcgi, instructions an update: {found:,}; recorded: {number:,}, {built}; {time.monotonic() - began:.0f} s")
    if sys.argv[1:] == ["--record"]:
        with open(RECORD, "w", encoding="utf-8") as f:
            f.write(f"{found}\n{built_with()}\n")


if __name__ == "__main__":
    main()
