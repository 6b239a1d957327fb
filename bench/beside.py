"""What TeleOps stands beside: the stack's own nginx configuration once more, on ports of its own, before a FastCGI program that only answers
and before the peers, whose tables are in the stack's own PostgreSQL."""
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

import machine
from bed import BUILD, HERE
from stack import SECRET, free_ports
from support import npm

BARE_PROCESSES = 64  # twice the connections that it is asked on
WORKERS = 2 * os.cpu_count() + 1  # docs.gunicorn.org, design: how many workers
DATABASE = "bench_peers"
PYTHON = "/usr/bin/python3"  # Debian's own, which finds its packages
SOURCES = os.path.join(HERE, "peers")
INSTALLED = os.path.join(BUILD, "bench-peers")
FRONT = """
upstream bench_{key} {{
	server unix:{socket};
	keepalive 64;
}}
"""
PLACE = """
	location = /{key} {{
		client_max_body_size 1m;
		client_body_buffer_size 1m;
		proxy_pass http://bench_{key}/webhook;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_set_header Host localhost;
	}}
"""


@dataclass
class Peer:
    key: str
    name: str
    argv: callable  # of its socket
    tables: str     # a row of the last for each update that it took
    least: float    # how many times its rate TeleBot is to reach
    moonshot: float
    queue: bool = True  # a queue for jobs, as TeleOps is one

    @property
    def rows(self):
        return self.tables.rpartition(" ")[2]


def gunicorn(path):
    return [PYTHON, "-B", "/usr/bin/gunicorn", "-w", str(WORKERS), "-b", f"unix:{path}", "--umask", "0", "--backlog", "1024", "--chdir", SOURCES, "app:application"]


def node(kind):
    return lambda path: ["node", os.path.join(INSTALLED, "hook.js"), kind, path]


PEERS = (
    Peer("django", "Django + gunicorn, get_or_create", gunicorn, "django_update, django_task", 14, 25, False),
    Peer("graphile", "grammY + graphile-worker", node("graphile"), "graphile_worker._private_jobs", 9, 15),
    Peer("pgboss", "grammY + pg-boss", node("pgboss"), "pgboss.job", 5, 9),
    Peer("insert", "grammY + one INSERT", node("insert"), "updates, task", 2, 3, False),
)


def missing():
    """Packages of the peers that are not there."""
    programs = {"gunicorn": "gunicorn", "node": "nodejs", "npm": "npm"}
    lacking = [package for program, package in programs.items() if not shutil.which(program)]
    return lacking + ([] if machine.version("python3-django")[:1].isdigit() else ["python3-django"])


def install():
    npm.install(SOURCES, INSTALLED)
    for name in ("hook.js", "drain.js"):
        shutil.copy(os.path.join(SOURCES, name), INSTALLED)


def version(name):
    return machine.json_of(os.path.join(INSTALLED, "node_modules", name, "package.json"))["version"]


def versions():
    of = {name: version(name) for name in ("grammy", "graphile-worker", "pg-boss", "pg")}
    return f"Django {machine.version('python3-django')}, gunicorn {machine.version('gunicorn')} with {WORKERS} workers, psycopg2 {machine.version('python3-psycopg2')}; " \
           f"node {machine.said('node', '--version').lstrip('v')}, {', '.join(f'{name} {v}' for name, v in of.items())}"


class Database:
    """A database beside TeleOps' own, of the same server, as its superuser."""

    def __init__(self, stack):
        told = parse_dsn(stack.env["TELEOPS_DATABASE"])
        stack.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", user="postgres")
        stack.sql(f"CREATE DATABASE {DATABASE}", user="postgres")
        self.env = {"PGHOST": told["host"], "PGPORT": told.get("port", "5432"), "PGUSER": "postgres", "PGDATABASE": DATABASE}
        self.conninfo = make_dsn(host=self.env["PGHOST"], port=self.env["PGPORT"], user="postgres", dbname=DATABASE)

    def sql(self, text, values=None):
        connection = psycopg2.connect(self.conninfo)
        try:
            connection.autocommit = True
            with connection.cursor() as cur:
                cur.execute(text, values)
                return cur.fetchall() if cur.description else []
        finally:
            connection.close()


class Beside:
    """With nginx, what only answers, and the peers that are asked for; leaving it stops them."""

    def __init__(self, stack, peers=(), database=False):
        self.stack = stack
        self.processes, self.pids = [], {}
        self.port, self.admin = free_ports(2)
        self.dir = os.path.join(stack.dir, "bare")
        for name in ("etc", "log", "run", "nginx"):
            os.makedirs(os.path.join(self.dir, name))
        try:
            self.bare()
            if peers or database:
                self.database = Database(stack)
                install()
            if peers:
                self.run([PYTHON, "-B", os.path.join(SOURCES, "app.py")])
            for peer in peers:
                self.pids[peer.key] = self.start(peer.key, peer.argv(self.socket(peer.key)))
            self.configure(peers)
            for peer in peers:
                self.until(peer.key, lambda p=peer: self.answers(p))
            self.start("nginx", ["nginx", "-c", os.path.join(self.dir, "etc/nginx.conf"), "-p", os.path.join(self.dir, "nginx"), "-e", "stderr"])
            self.until("nginx", self.listens)
        except BaseException:
            self.stop()
            raise

    def socket(self, key):
        return os.path.join(self.stack.env["DEMO_SOCKET_DIR"], f"bench-{key}.sock")

    def env(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "NODE_ENV": "production", "BENCH_SECRET": SECRET,
                **(self.database.env if hasattr(self, "database") else {})}

    def run(self, argv):
        done = subprocess.run(argv, env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout.decode(errors='replace')[-2000:]}")

    def start(self, name, argv, **more):
        with open(self.log(name), "ab") as log:
            self.processes.append(subprocess.Popen(argv, env=self.env(), stdout=log, stderr=log, **{"stdin": subprocess.DEVNULL, **more}))
        return self.processes[-1].pid

    def log(self, name):
        return os.path.join(self.dir, "log", f"{name}.log")

    def until(self, name, ready):
        if self.stack.wait(ready, 60):
            return
        with open(self.log(name), encoding="utf-8", errors="replace") as f:
            raise RuntimeError(f"{name} did not start: {f.read()[-2000:]}")

    def answers(self, peer):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.socket(peer.key))
                self.database.sql(f"SELECT FROM {peer.rows} LIMIT 1")
                return True
        except (OSError, psycopg2.Error):
            return False

    def listens(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def bare(self):
        program = os.path.join(BUILD, "bench/bare.fcgi")
        subprocess.run(["make", "-s", "-C", BUILD, "bench/bare.fcgi"], check=True, stdout=subprocess.DEVNULL)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.socket("bare"))
            listening.listen(1024)
            shutil.chown(self.socket("bare"), "www-data")
            for _ in range(BARE_PROCESSES):
                self.start("bare", [program], stdin=listening)

    def configure(self, peers):
        env = self.stack.env
        words = {os.path.join(env["DEMO_SOCKET_DIR"], "telebot.sock"): self.socket("bare"),
                 f"127.0.0.1:{env['TELEOPS_WEBHOOK_PORT']} ": f"127.0.0.1:{self.port} ", f"127.0.0.1:{env['TELEOPS_ADMIN_PORT']} ": f"127.0.0.1:{self.admin} ",
                 **{f"{self.stack.dir}/{part}/": f"{self.dir}/{part}/" for part in ("etc", "log", "run", "nginx")}}
        for name in ("nginx.conf", "teleops.conf"):
            with open(os.path.join(self.stack.dir, "etc", name), encoding="utf-8") as f:
                text = f.read()
            for old, new in words.items():
                text = text.replace(old, new)
            if name == "teleops.conf":
                head, mark, rest = text.partition("\tlocation = /webhook {")
                fronts = "".join(FRONT.format(key=p.key, socket=self.socket(p.key)) for p in peers)
                text = fronts + head + "".join(PLACE.format(key=p.key) for p in peers) + mark + rest
            with open(os.path.join(self.dir, "etc", name), "w", encoding="utf-8") as f:
                f.write(text)

    def clear(self, peer):
        self.database.sql(f"TRUNCATE {peer.tables}")

    def took(self, peer):
        return self.database.sql(f"SELECT count(*) FROM {peer.rows}")[0][0]

    def memory(self, peer):
        """MiB PSS of its processes. A single one counts whole: what it shares it would have alone, if the other peers were not here."""
        pids = machine.tree(self.pids[peer.key])
        return (machine.pss(pids) if len(pids) > 1 else machine.rss(pids[0])) / 1024

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
