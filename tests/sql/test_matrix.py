"""The role matrix finds what nobody has decided: each change alone, by name, and where to decide."""
import os
import sys

import psycopg2
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../pgtap"))
import run  # noqa: E402

UNDECIDED = "nobody has decided who may"


@pytest.fixture(scope="module")
def tapped(cluster):
    run.prepare(cluster)
    return cluster


def prove(cluster, *statements):
    """What the matrix says while these hold; gone afterwards, by what each has as its second half."""
    for do, _ in statements:
        cluster.sql(do)
    try:
        return run.prove(cluster, "telemanager", ["both/matrix.sql"])
    finally:
        for _, undo in reversed(statements):
            cluster.sql(undo)


def failures(said):
    return [line for line in said.splitlines() if line.startswith("not ok")]


def test_as_it_is_it_passes(tapped):
    said, status = prove(tapped)
    assert status == 0 and failures(said) == [] and run.count(said, status)[0] > 80


@pytest.mark.parametrize("do, undo, name, line", [
    ("CREATE TABLE fresh (a integer)", "DROP TABLE fresh", "table fresh", "telemanager table fresh nobody"),
    ("CREATE VIEW fresh AS SELECT 1 AS a", "DROP VIEW fresh", "view fresh", "telemanager view fresh nobody"),
    ("CREATE SEQUENCE fresh", "DROP SEQUENCE fresh", "sequence fresh", "telemanager sequence fresh nobody"),
    ("CREATE TYPE fresh AS ENUM ('a')", "DROP TYPE fresh", "type fresh", "telemanager type fresh PUBLIC:usage"),
    ("CREATE FUNCTION fresh() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION fresh", "function fresh", "telemanager function fresh nobody"),
    ("CREATE SCHEMA fresh", "DROP SCHEMA fresh", "schema fresh", "telemanager schema fresh nobody"),
])
def test_a_new_object_needs_a_decision(tapped, do, undo, name, line):
    said, status = prove(tapped, (do, undo))
    assert status != 0 and [f.split(" - ")[1] for f in failures(said)] == [f"telemanager {name}: {UNDECIDED}"]
    assert "Add a line to tests/pgtap/matrix.txt" in said and line in said


def test_a_new_role_needs_a_decision(tapped):
    tapped.sql("CREATE ROLE teleops_fresh LOGIN CREATEDB", user="postgres")
    try:
        said, _ = prove(tapped)
    finally:
        tapped.sql("DROP ROLE teleops_fresh", user="postgres")
    assert [f.split(" - ")[1] for f in failures(said)] == [f"cluster role teleops_fresh: {UNDECIDED}"] and "login createdb" in said


@pytest.mark.parametrize("grant, names", [
    ("SELECT ON app_user TO teleops_bot", ["telemanager table app_user"]),
    ("TRUNCATE ON audit_event TO teleops_engine", ["telemanager table audit_event"]),
    ("SELECT ON task TO PUBLIC", ["telemanager table task"]),
    ("EXECUTE ON FUNCTION config_export TO teleops_manager", ["telemanager function config_export"]),
    ("EXECUTE ON FUNCTION health TO PUBLIC", ["telemanager function health"]),
    ("SELECT ON task_history_default TO teleops_sender", ["telemanager partition task_history"]),
    ("CREATE ON SCHEMA public TO teleops_bot", ["telemanager schema public"]),
    ("TEMPORARY ON DATABASE telemanager TO teleops_bot", ["telemanager database -"]),
    ("SELECT ON SEQUENCE task_id_seq TO teleops_bot", ["nobody reaches an identity's sequence but through its table"]),
])
def test_a_right_too_many_fails(tapped, grant, names):
    said, status = prove(tapped, ("GRANT " + grant, "REVOKE " + grant.replace(" TO ", " FROM ")))
    found = [f.split(" - ", 1)[1].split(" (matrix.txt")[0] for f in failures(said)]
    assert status != 0 and found == names


def test_a_right_too_few_fails(tapped):
    said, _ = prove(tapped, ("REVOKE EXECUTE ON FUNCTION admit FROM teleops_bot", "GRANT EXECUTE ON FUNCTION admit TO teleops_bot"))
    assert [f.split(" - ")[1].split(" (")[0] for f in failures(said)] == ["telemanager function admit"]


def test_a_column_granted_alone_wants_a_line_for_each_column_of_its_table(tapped):
    said, _ = prove(tapped, ("GRANT SELECT (login) ON app_user TO teleops_manager", "REVOKE SELECT (login) ON app_user FROM teleops_manager"))
    columns = tapped.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'app_user'::regclass AND attnum > 0 AND NOT attisdropped")
    assert {f.split(" - ")[1] for f in failures(said)} == {f"telemanager column app_user.{c}: {UNDECIDED}" for (c,) in columns}
    assert "telemanager column app_user.login teleops_manager:select" in said and "telemanager column app_user.password_hash nobody" in said


def test_a_line_without_an_object_fails(tapped):
    said, _ = prove(tapped, ("ALTER FUNCTION health RENAME TO wealth", "ALTER FUNCTION wealth RENAME TO health"))
    assert len(failures(said)) == 2 and "function health is decided in matrix.txt" in said and "there is none; take the line out" in said


def test_a_member_of_another_role_fails(tapped):
    tapped.sql("GRANT teleops_engine TO teleops_bot", user="postgres")
    try:
        said, _ = prove(tapped)
    finally:
        tapped.sql("REVOKE teleops_engine FROM teleops_bot", user="postgres")
    assert any("cluster role teleops_bot" in f for f in failures(said)) and any("function engine_step" in f for f in failures(said))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        tapped.sql("SELECT engine_stop(1, 1)", user="teleops_bot")
