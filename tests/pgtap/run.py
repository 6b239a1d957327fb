#!/usr/bin/python3
"""Runs the pgTAP tests on a private cluster with a fresh schema: *.sql on telemanager, both/*.sql on telemanager and on teleapp.

run.py [-v] [FILE...]: those files alone; -v shows every test, else only what failed and pg_prove's summary. The last line is
N passed, N failed, where a file that died or broke its plan is a failure too.
"""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from support.cluster import Cluster  # noqa: E402

# Tests run as the owner; some need a second session of their own.
PREPARE = """CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap; CREATE EXTENSION dblink SCHEMA tap; GRANT USAGE ON SCHEMA tap TO teleops_owner;
GRANT EXECUTE ON FUNCTION tap.dblink_connect_u(text, text) TO teleops_owner"""


def prepare(cluster):
    for database in ("telemanager", "teleapp"):
        cluster.sql(PREPARE, user="postgres", database=database)


def prove(cluster, database, files):
    """What pg_prove says of these files, and its exit status."""
    done = subprocess.run(["pg_prove", "--host", cluster.dir, "--username", "teleops_owner", "--dbname", database,
                           "--psql-bin", os.path.join(cluster.bin, "psql"), "--verbose", *files],
                          cwd=HERE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300,
                          check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGOPTIONS": "-c search_path=public,tap"})
    return done.stdout, done.returncode


def count(said, status):
    """(passed, failed) of pg_prove's words."""
    results, _, summary = said.partition("Test Summary Report")
    passed = len(re.findall(r"^ok \d", results, re.M))
    failed = len(re.findall(r"^not ok \d", results, re.M))
    # Files whose trouble is more than tests that failed: they died, or ran more or fewer than planned.
    failed += len(re.findall(r"^\S.*\(Wstat: .*\n(?:  .*\n)*?  (?:Parse errors|Non-zero)", summary, re.M))
    return passed, failed or (1 if status else 0)


def choose(database, given):
    if given:
        names = [os.path.relpath(f, HERE) if os.path.exists(f) else f for f in given]
    else:
        names = sorted(glob.glob("*.sql", root_dir=HERE) + glob.glob("both/*.sql", root_dir=HERE))
    return [f for f in names if database == "telemanager" or f.startswith("both/")]


def main(argv):
    given = [a for a in argv if a != "-v"]
    passed = failed = 0
    cluster = Cluster()
    try:
        cluster.make_databases()
        cluster.migrate()
        prepare(cluster)
        for database in ("telemanager", "teleapp"):
            files = choose(database, given)
            if files:
                said, status = prove(cluster, database, files)
                print(f"-- {database}\n{said}" if "-v" in argv else re.sub(r"^(ok|\d+\.\.\d).*\n", "", said, flags=re.M), flush=True)
                passed, failed = (a + b for a, b in zip((passed, failed), count(said, status)))
    finally:
        cluster.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
