import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.cluster import BUILD, SOURCE, Cluster  # noqa: E402


class Teleops:
    def __init__(self, cluster):
        self.cluster = cluster
        self.env = {"PATH": "/usr/bin:/bin", "TELEOPS_CONFIG": "/dev/null", "TELEOPS_DATABASE": cluster.conninfo(),
                    "TELEOPS_APP_DATABASE": cluster.conninfo(database="teleapp"), "TELEOPS_SCHEMA_DIR": os.path.join(SOURCE, "schema")}

    def __call__(self, *argv, stdin="", env=None):
        return subprocess.run([os.path.join(BUILD, "teleops"), *argv], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=60, env={**self.env, **(env or {})})

    def apply(self, document, *options):
        text = document if isinstance(document, str) else json.dumps(document)
        return self("apply", "-", *options, stdin=text)


@pytest.fixture(scope="session")
def cluster():
    c = Cluster()
    yield c
    c.stop()


@pytest.fixture(scope="session")
def bare(cluster):
    return Teleops(cluster)


@pytest.fixture
def teleops(bare):
    bare.cluster.make_databases()
    done = bare("migrate")
    assert done.returncode == 0, done.stderr
    return bare
