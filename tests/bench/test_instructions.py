"""What telebot.fcgi spends on an update must not creep up: a count of instructions, which a busy machine does not change."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import instructions  # noqa: E402


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
def test_an_update_costs_no_more_than_recorded():
    allowed, built = instructions.recorded()
    if built != instructions.built_with():
        pytest.skip(f"recorded with {built}")
    found = instructions.count()
    assert found <= allowed * instructions.TOLERANCE, f"{found:,} instructions an update, recorded are {allowed:,}: see bench/instructions.py"
