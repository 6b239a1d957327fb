import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.cluster import Cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    c = Cluster()
    try:
        c.make_databases()
        c.migrate()
        yield c
    finally:
        c.stop()
