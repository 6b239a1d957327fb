"""A private PostgreSQL cluster for tests: own directory, a Unix socket only, gone afterwards."""
import glob
import os
import shutil
import subprocess
import tempfile

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("TELEOPS_BUILD_DIR", SOURCE)


def pg_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: int(p.split("/")[4]))
    if not found:
        raise RuntimeError("no PostgreSQL below /usr/lib/postgresql; install the package postgresql")
    return os.path.dirname(found[-1])


def as_postgres(*argv):
    """PostgreSQL refuses to run as root."""
    return (["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []) + list(argv)


class Cluster:
    def __init__(self):
        # The path of a Unix socket has 107 bytes at most.
        self.dir = tempfile.mkdtemp(prefix="tele-pg.", dir="/var/tmp")
        self.data = os.path.join(self.dir, "data")
        self.bin = pg_bin()
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres")
        os.chmod(self.dir, 0o755)
        self._run("initdb", "-D", self.data, "--locale=C.UTF-8", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-N")
        self._run("pg_ctl", "-D", self.data, "-l", os.path.join(self.dir, "log"), "-w", "-o",
                  f"-c listen_addresses='' -c unix_socket_directories='{self.dir}' -c fsync=off -c full_page_writes=off", "start")
        with open(os.path.join(SOURCE, "schema", "roles.sql"), encoding="utf-8") as f:
            self.sql(f.read(), user="postgres", database="postgres")

    def _run(self, program, *argv):
        done = subprocess.run(as_postgres(os.path.join(self.bin, program), *argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=120, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout.decode()}")

    def conninfo(self, user="teleops_owner", database="telemanager"):
        return f"host={self.dir} user={user} dbname={database}"

    def connect(self, user="teleops_owner", database="telemanager"):
        conn = psycopg2.connect(self.conninfo(user, database))
        conn.autocommit = True
        return conn

    def sql(self, text, values=None, user="teleops_owner", database="telemanager"):
        """Runs one statement; its rows, if it has any."""
        conn = self.connect(user, database)
        try:
            with conn.cursor() as cur:
                cur.execute(text, values)
                return cur.fetchall() if cur.description else []
        finally:
            conn.close()

    def make_databases(self):
        for name in ("telemanager", "teleapp"):
            self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", user="postgres", database="postgres")
            self.sql(f"CREATE DATABASE {name} OWNER teleops_owner", user="postgres", database="postgres")

    def teleops(self, *argv, **env):
        """The operator's tool on this cluster."""
        return subprocess.run([os.path.join(BUILD, "teleops"), *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
                              env={"TELEOPS_CONFIG": "/dev/null", "TELEOPS_DATABASE": self.conninfo(),
                                   "TELEOPS_APP_DATABASE": self.conninfo(database="teleapp"), "TELEOPS_SCHEMA_DIR": os.path.join(SOURCE, "schema"), **env})

    def migrate(self):
        done = self.teleops("migrate")
        if done.returncode:
            raise RuntimeError(f"teleops migrate: {done.stderr}")

    def stop(self):
        try:
            self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
