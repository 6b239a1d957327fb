"""What bench/run makes of numbers, and what it refuses. Measuring itself takes minutes and is not a test."""
import os
import subprocess
import sys
import xml.etree.ElementTree

import pytest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench")
sys.path.insert(0, BENCH)
import claim  # noqa: E402
import figures  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402


def bench(*argv, **env):
    return subprocess.run([os.path.join(BENCH, "run"), *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60,
                          universal_newlines=True, check=False, env={**os.environ, **env})


@pytest.mark.parametrize("values, p, found", [([5], 50, 5), (range(1, 101), 99, 99), (range(1, 101), 100, 100), ([3, 1, 2], 50, 2), ([1, 2, 3, 4], 90, 4)])
def test_percentiles_are_of_the_values(values, p, found):
    assert figures.percentile(values, p) == found


def test_a_table_is_aligned_and_markdown():
    assert figures.table(["what", "n"], [["a", 1], ["longer", "1,000"]]) == "\n".join([
        "| what   |     n |", "|--------|------:|", "| a      |     1 |", "| longer | 1,000 |"])


def test_bars_say_what_was_missed():
    assert figures.Bar("memory", 39.9, "MiB", most=40).kept and not figures.Bar("memory", 40.1, "MiB", most=40).kept
    assert figures.Bar("ratio", 0.5, least=0.5).kept and not figures.Bar("ratio", 0.49, least=0.5).kept
    assert str(figures.Bar("ratio", 0.49, least=0.5)) == "ratio: at least 0.5, measured 0.49: **missed**"


def test_a_section_replaces_its_own_and_nothing_else(tmp_path):
    path = str(tmp_path / "performance.md")
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Head\n\ntext\n")
    report.write(path, "one", "The one", r"first \1")
    report.write(path, "two", "The two", "second")
    report.write(path, "one", "The one", "third")
    with open(path, encoding="utf-8") as f:
        assert f.read() == ("# Head\n\ntext\n\n## The one\n\n<!-- bench/run one -->\nthird\n<!-- end of one -->\n\n"
                            "## The two\n\n<!-- bench/run two -->\nsecond\n<!-- end of two -->\n")


def test_a_bar_as_a_row_of_the_summary():
    bar = figures.median_bar("a ÷ b", [0.6, 0.4, 0.9], least=0.5, moonshot=0.8)
    assert bar.cells() == ["a ÷ b", "≥ 0.5", "≥ 0.8", "0.60", "0.40", "0.90", "yes"]
    assert figures.Bar("ms", 1.1, "ms", most=2, moonshot=1.2).reached == "moonshot"
    assert figures.Bar("ms", 3, "ms", most=2, moonshot=1.2).cells()[1:] == ["≤ 2 ms", "≤ 1.2 ms", "3.00", "", "", "**no**"]


def test_what_was_found_before_stays_in_summary_and_chart(tmp_path):
    path = str(tmp_path / "performance.md")
    for name in ("two", "one"):
        section = figures.Section("", [], [figures.Bar(name, 1, most=2)], {f"{name} <a second>": {"TeleBot": (2, 1, 3), "other & more": (1, 1, 1)}})
        report.remember(path, name, section, ["one", "two"])
    with open(path, encoding="utf-8") as f:
        rows = [line.split("|")[1].strip() for line in f if line.startswith("| ")]
    assert rows == ["measure", "one", "two"]
    drawn = xml.etree.ElementTree.parse(str(tmp_path / "performance.svg"))
    said = ["".join(e.itertext()) for e in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert said[0] == "one <a second>" and said.count("other & more") == 2


def test_processes_are_counted_with_their_children():
    child = subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 60 & wait"])
    try:
        other = machine.Others(lambda: [])
        for _ in range(100):
            found = machine.tree(child.pid)
            if len(found) == 2:
                break
            other.cores()
            subprocess.run(["sleep", "0.05"], check=True)
        assert found[0] == child.pid and len(found) == 2
        assert machine.pss(found) > 100
        assert machine.run_ns(found)[child.pid] > 1_000_000
    finally:
        for pid in reversed(machine.tree(child.pid)):
            os.kill(pid, 9)
        child.wait()
    assert machine.run_ns([child.pid]) == {}


PLAN = """NOTICE:  duration: 0.500 ms  plan:
Query Text: SELECT t.id
\tFROM task t WHERE t.queue = 'x'
Limit  (cost=0.1..0.2 rows=1 width=6) (actual time=0.1..0.2 rows=1 loops=1)
  ->  Index Scan using task_claim on task t  (cost=0.1..0.2 rows=10 width=6) (actual time=0.100..0.2 rows=1 loops=3)
        Index Cond: (id = ANY ('{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}'::bigint[]))
        Output: t.id
        Buffers: shared hit=4
  ->  Seq Scan on task_history h  (cost=0.1..0.2 rows=10 width=6) (actual time=0.100..0.2 rows=1 loops=1)
        Buffers: shared hit=9
"""


def test_of_a_plan_what_touches_the_table_is_shown():
    assert claim.readable([PLAN, "NOTICE:  something else"]) == "\n".join([
        "SELECT t.id FROM task t WHERE t.queue = 'x'  (0.500 ms)",
        "  Index Scan using task_claim on task t: 1 rows, 3 times, 0.2 ms",
        "    Index Cond: (id = ANY ('{...}'::bigint[]))",
        "    Buffers: shared hit=4"])


def test_its_programs_can_be_made():
    subprocess.run(["make", "-s", "-C", os.environ["TELEOPS_BUILD_DIR"], "bench-programs"], check=True, stdout=subprocess.DEVNULL)


def test_it_lists_what_there_is_and_refuses_what_is_not():
    listed = bench("--list")
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == ["idle", "latency", "claim", "targets", "pages", "spent", "ingest", "drain", "pickup", "tasks", "startup", "growth", "profile"]
    refused = bench("quick", "speed")
    assert refused.returncode == 2 and "there is no measure speed" in refused.stderr
    unbuilt = bench("idle", TELEOPS_BUILD_DIR="/nonexistent")
    assert unbuilt.returncode == 2 and "TELEOPS_BUILD_DIR" in unbuilt.stderr
