#!/usr/bin/python3
"""The part of ./demo that needs root. Settings (TELEOPS_*) come on standard input, ended by NUL each."""
import argparse
import fcntl
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import parts  # noqa: E402
import prepare  # noqa: E402
from layout import Layout, Trouble  # noqa: E402
from supervisor import Supervisor, kill, processes, stat_of  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
START_S, STOP_S = 60, 120


# -- who runs

def lock(at):
    """The supervisor's lock; None while another holds it."""
    os.makedirs(at.run, exist_ok=True)
    f = open(os.path.join(at.run, "lock"), "a", encoding="utf-8")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        f.close()
        return None
    return f


def pids(at):
    for name in sorted(os.listdir(at.run)) if os.path.isdir(at.run) else []:
        if name.endswith(".pid"):
            with open(os.path.join(at.run, name), encoding="utf-8") as f:
                yield from ((name[:-4], int(line)) for line in f.read().split() if line.isdigit())


def belongs(at, pid):
    """Whether a process of that number is one of this demo's; numbers are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return at.dir.encode() in f.read() or at.dir in os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False


def end_forsaken(at):
    """A supervisor that was killed leaves its programs: ends them, by the numbers it noted."""
    heads = [pid for name, pid in pids(at) if belongs(at, pid) and name != "supervisor"]
    for pid in heads:
        kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while any(stat_of(p) for p in heads) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in heads:
        for other in processes():
            stat = stat_of(other)
            if stat and (other == pid or stat[1] == pid):
                kill(other)


def stop(at):
    """True when something ran."""
    held = lock(at)
    if held:
        end_forsaken(at)
        held.close()
        return False
    pid = dict(pids(at)).get("supervisor")
    if pid:
        kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while time.monotonic() < until:
        held = lock(at)
        if held:
            held.close()
            return True
        time.sleep(0.1)
    raise Trouble(f"the supervisor (pid {pid}) did not stop within {STOP_S} s; see {at.log}/supervisor.log")


def remove(at):
    for path in (at.dir, at.sockets, os.path.dirname(at.exec_dir)):
        if os.path.basename(path) != "demo" or path == at.dir:
            shutil.rmtree(path, ignore_errors=True)


def install(at):
    """Puts the built programs where service users can reach them: the clone may be closed to them."""
    stage = os.path.dirname(HERE)
    prepare.directory(at.dir, 0o755)
    new = at.app + ".new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(stage, new, symlinks=True)
    subprocess.run(["chown", "-R", "0:0", new], check=True)
    subprocess.run(["chmod", "-R", "u+rwX,go+rX,go-w", new], check=True)
    stop(at)
    shutil.rmtree(at.app, ignore_errors=True)
    os.rename(new, at.app)


# -- starting

def last_lines(at, name):
    with open(os.path.join(at.log, f"{name}.log"), encoding="utf-8", errors="replace") as f:
        return "".join(f.readlines()[-3:]).rstrip()


def ready(at, s, what, check):
    until = time.monotonic() + START_S
    while time.monotonic() < until and not s.stopping:
        if check():
            return
        s.wait(0.05)
        s.revive()
        for name, times in s.ended.items():
            if times >= 3:
                raise Trouble(f"{name} ends as soon as it starts:\n{last_lines(at, name)}")
    raise Trouble(f"{what} did not answer within {START_S} s; the logs are in {at.log}")


def teleops(at, *argv, **env):
    return prepare.run(os.path.join(at.app, "usr/bin/teleops"), *argv, env={"PATH": "/usr/bin:/bin", **at.operator(), **env})


def psql(at, *argv):
    return prepare.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", at.pg_socket, "-U", "postgres", "-d", "postgres", *argv)


ORDERS = """INSERT INTO customer_order (customer, item, quantity, state)
VALUES ('Ink & Paper', 'toner', 4, 'sent'), ('Corner Cafe', 'beans, 1 kg', 12, 'open'), ('Corner Cafe', 'filters', 3, 'cancelled'), ('Bike Shop', 'inner tubes', 40, 'open')"""


def seed(at):
    """Roles, databases, schema; the example and the administrator on the first start."""
    psql(at, "-f", os.path.join(at.app, "usr/share/teleops/schema/roles.sql"))
    for name in ("telemanager", "teleapp"):
        if not psql(at, "-c", f"SELECT 1 FROM pg_database WHERE datname = '{name}'").strip():
            psql(at, "-c", f"CREATE DATABASE {name} OWNER teleops_owner")
    try:
        teleops(at, "migrate")
    except Trouble as e:
        raise Trouble(f"{e}\nThe databases of a former start stay until ./demo --reset") from None
    password, hook = at.kept.get("DEMO_ADMIN_PASSWORD"), at.kept.get("DEMO_HOOK_URL", "")
    if not password:
        password = at.value("TELEOPS_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
        teleops(at, "apply", os.path.join(at.app, "demo/example.json"))
        psql(at, "-d", "teleapp", "-c", ORDERS)
        if at.simulated:
            # It speaks into chats that only the simulator has.
            teleops(at, "apply", os.path.join(at.app, "demo/chats.json"))
            path = json.loads(teleops(at, "hook", "renew", "monitoring", "--json"))["url"].partition("/hooks/")[2]
            hook = f"https://127.0.0.1:{at.webhook_port}/hooks/{path}"
            at.first_alert = True
        elif not at.real:
            # Nobody knows what groups another simulator has.
            teleops(at, "chat", "allow", "new")
        teleops(at, "admin", "create", "admin", TELEOPS_ADMIN_PASSWORD=password)
    at.write_env(DEMO_ADMIN_LOGIN="admin", DEMO_ADMIN_PASSWORD=password, DEMO_HOOK_URL=hook)


def show_alert(at):
    """What Alertmanager would send of a disk that fills (prometheus.io/docs/alerting/latest/configuration, webhook_config)."""
    labels = {"alertname": "DiskFull", "severity": "critical", "instance": "web1", "mountpoint": "/var/log"}
    report = {"version": "4", "groupKey": "demo", "status": "firing", "receiver": "teleops", "groupLabels": {"alertname": "DiskFull"}, "commonLabels": labels,
              "alerts": [{"status": "firing", "labels": labels, "annotations": {"summary": "web1: /var/log is 97 % full"}}]}
    request = urllib.request.Request(at.kept["DEMO_HOOK_URL"], data=json.dumps(report).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=at.cert)):
        pass


def healthy(at):
    context = ssl.create_default_context(cafile=at.cert)
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{at.admin_port}/healthz", timeout=3, context=context) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=3):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def set_webhook(at):
    teleops(at, "webhook", "set", "--certificate", at.cert, "--max-connections", "40", **at.bot())


def start_all(at, s, webhook):
    s.start(parts.postgres(at))
    ready(at, s, "PostgreSQL", lambda: subprocess.run(["pg_isready", "-q", "-h", at.pg_socket, "-U", "postgres", "-d", "postgres"], check=False).returncode == 0)
    seed(at)
    if at.simulated:
        s.start(parts.simulator(at))
    for part in parts.programs(at):
        s.start(part)
    if at.simulated:
        ready(at, s, "the simulator", lambda: answers(at.api_base + "/sim/health"))
    ready(at, s, "TeleManager", lambda: healthy(at))
    if at.polling:
        s.start(parts.poller(at))
    elif at.simulated or webhook:
        set_webhook(at)
    if at.first_alert:
        show_alert(at)


def summary(at):
    chat = at.api_base + "/" if at.simulated else "your bot, in Telegram" if at.real else f"(TELEOPS_API_BASE is {at.api_base})"
    lines = [("chat", chat), ("pages", f"https://127.0.0.1:{at.admin_port}/"),
             ("login", f"admin, password {at.kept['DEMO_ADMIN_PASSWORD']}"), ("all else", at.env_file), ("logs", at.log)]
    if at.kept.get("DEMO_HOOK_URL"):
        lines.append(("alerts", f". {at.env_file}; curl --cacert $DEMO_CERT -d 'the fridge is warm' $DEMO_HOOK_URL"))
    if at.real:
        lines.append(("next", "write to the bot; it answers with your numeric id; put that into a file for teleops apply (docs/apply.md)"))
    return "TeleOps runs.\n" + "".join(f"  {name:9} {value}\n" for name, value in lines)


def supervise(at, webhook, tell):
    """Runs until told to stop. tell(good, text) is called once, when it runs or cannot."""
    held = lock(at)
    if not held:
        tell(False, "another start of this demo is under way")
        return 1
    s = Supervisor(at)
    s.write_pid("supervisor", os.getpid())
    status = 0
    try:
        start_all(at, s, webhook)
        if not s.stopping:
            tell(True, summary(at))
        s.keep()
    except (Trouble, OSError, subprocess.SubprocessError) as e:
        tell(False, str(e))
        status = 1
    finally:
        s.stop_all()
        os.unlink(os.path.join(at.run, "supervisor.pid"))
        held.close()
    return status


def foreground(at, webhook):
    def tell(good, text):
        print(text + ("Ctrl-C stops it." if good else ""), file=sys.stdout if good else sys.stderr, flush=True)
    return supervise(at, webhook, tell)


def detached(at, webhook):
    """In a process of its own that holds nothing of the caller's; returns what it reports."""
    heard, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(heard)
        with open(os.devnull, "r+b") as null, open(os.path.join(at.log, "supervisor.log"), "ab") as log:
            os.dup2(null.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)

        def tell(good, text):
            os.write(told, (("+" if good else "-") + text).encode())
            os.close(told)
        os._exit(supervise(at, webhook, tell))
    os.close(told)
    with os.fdopen(heard, "rb") as f:
        text = f.read().decode()
    if text.startswith("+"):
        print(text[1:] + "./demo --stop stops it.")
        return 0
    raise Trouble(text[1:] or f"the supervisor died; see {at.log}/supervisor.log")


def start(at, args):
    stop(at)
    if at.polling and args.set_webhook:
        raise Trouble("--set-webhook and polling exclude each other: a bot has a webhook or is polled")
    if at.value("TELEOPS_API_BASE") and not at.value("TELEOPS_BOT_TOKEN"):
        print("demo: TELEOPS_API_BASE without TELEOPS_BOT_TOKEN: a token is made up", file=sys.stderr)
    prepare.prepare(at)
    return detached(at, args.set_webhook) if args.detach else foreground(at, args.set_webhook)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("action", choices=("install", "start", "stop", "reset"))
    p.add_argument("--detach", action="store_true")
    p.add_argument("--set-webhook", action="store_true")
    p.add_argument("--owner", default="0:0")
    p.add_argument("--source", default="")
    args = p.parse_args()
    given = dict(w.split("=", 1) for w in sys.stdin.read().split("\0") if "=" in w)
    os.umask(0o022)
    try:
        at = Layout(given, tuple(int(n) for n in args.owner.split(":")))
        if args.action == "install":
            install(at)
        elif args.action == "start":
            return start(at, args)
        else:
            print("demo: stopped" if stop(at) else "demo: it was not running")
            if args.action == "reset":
                remove(at)
    except Trouble as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
