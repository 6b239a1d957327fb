import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.cluster import BUILD, SOURCE, Cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    c = Cluster()
    try:
        c.make_databases()
        subprocess.run([os.path.join(BUILD, "teleops"), "migrate"], check=True, stdout=subprocess.DEVNULL,
                       env={"TELEOPS_CONFIG": "/dev/null", "TELEOPS_DATABASE": c.conninfo(), "TELEOPS_APP_DATABASE": c.conninfo(database="teleapp"),
                            "TELEOPS_SCHEMA_DIR": os.path.join(SOURCE, "schema")})
        yield c
    finally:
        c.stop()
