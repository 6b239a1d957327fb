"""The role matrix finds what nobody has decided: each change alone, by name, and where to decide."""
import os
import re
import sys

import psycopg2
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../pgtap"))
import run  # noqa: E402

UNDECIDED = "nobody has decided who may"


class Tapped:
    def __init__(self, cluster):
        self.cluster = cluster
        self.sql = cluster.sql
        run.prepare(cluster)
        self.before = set(self.names(run.prove(cluster, "telemanager", ["both/matrix.sql"])[0]))

    @staticmethod
    def names(said):
        return [line.split(" - ", 1)[1] for line in said.splitlines() if line.startswith("not ok")]

    def prove(self, *statements):
        """(what fails, what is said, exit status) of the matrix while the first of each pair holds; the second takes it back."""
        for do, _ in statements:
            self.sql(do)
        try:
            said, status = run.prove(self.cluster, "telemanager", ["both/matrix.sql"])
        finally:
            for _, undo in reversed(statements):
                self.sql(undo)
        # What fails without it too is the matrix's own test to tell.
        return [n for n in self.names(said) if n not in self.before], said, status


@pytest.fixture(scope="module")
def tapped(cluster):
    return Tapped(cluster)


def without_line(names):
    return [n.split(" (matrix.txt")[0] for n in names]


@pytest.mark.parametrize("do, undo, name, line", [
    ("CREATE TABLE fresh (a integer)", "DROP TABLE fresh", "table fresh", "telemanager table fresh nobody"),
    ("CREATE VIEW fresh AS SELECT 1 AS a", "DROP VIEW fresh", "view fresh", "telemanager view fresh nobody"),
    ("CREATE SEQUENCE fresh", "DROP SEQUENCE fresh", "sequence fresh", "telemanager sequence fresh nobody"),
    ("CREATE TYPE fresh AS ENUM ('a')", "DROP TYPE fresh", "type fresh", "telemanager type fresh PUBLIC:usage"),
    ("CREATE FUNCTION fresh() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION fresh", "function fresh", "telemanager function fresh nobody"),
    ("CREATE SCHEMA fresh", "DROP SCHEMA fresh", "schema fresh", "telemanager schema fresh nobody"),
])
def test_a_new_object_needs_a_decision(tapped, do, undo, name, line):
    failed, said, status = tapped.prove((do, undo))
    assert status != 0 and failed == [f"telemanager {name}: {UNDECIDED}"]
    assert "Add a line to tests/pgtap/matrix.txt" in said and line in said


def test_a_new_role_needs_a_decision(tapped):
    tapped.sql("CREATE ROLE teleops_fresh LOGIN CREATEDB", user="postgres")
    try:
        failed, said, _ = tapped.prove()
    finally:
        tapped.sql("DROP ROLE teleops_fresh", user="postgres")
    assert failed == [f"cluster role teleops_fresh: {UNDECIDED}"] and "login createdb" in said


@pytest.mark.parametrize("grant, name", [
    ("SELECT ON app_user TO teleops_bot", "telemanager table app_user"),
    ("TRUNCATE ON audit_event TO teleops_engine", "telemanager table audit_event"),
    ("SELECT ON task TO PUBLIC", "telemanager table task"),
    ("EXECUTE ON FUNCTION config_export TO teleops_manager", "telemanager function config_export"),
    ("EXECUTE ON FUNCTION health TO PUBLIC", "telemanager function health"),
    ("SELECT ON task_history_default TO teleops_sender", "telemanager partition task_history"),
    ("CREATE ON SCHEMA public TO teleops_bot", "telemanager schema public"),
    ("TEMPORARY ON DATABASE telemanager TO teleops_bot", "telemanager database -"),
    ("SELECT ON SEQUENCE task_id_seq TO teleops_bot", "nobody reaches an identity's sequence but through its table"),
])
def test_a_right_too_many_fails(tapped, grant, name):
    failed, _, status = tapped.prove(("GRANT " + grant, "REVOKE " + grant.replace(" TO ", " FROM ")))
    assert status != 0 and without_line(failed) == [name]


def test_a_right_too_few_fails(tapped):
    failed, _, _ = tapped.prove(("REVOKE EXECUTE ON FUNCTION admit FROM teleops_bot", "GRANT EXECUTE ON FUNCTION admit TO teleops_bot"))
    assert without_line(failed) == ["telemanager function admit"]


def test_a_column_granted_alone_wants_a_line_for_each_column_of_its_table(tapped):
    failed, said, _ = tapped.prove(("GRANT SELECT (login) ON app_user TO teleops_manager", "REVOKE SELECT (login) ON app_user FROM teleops_manager"))
    columns = tapped.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'app_user'::regclass AND attnum > 0 AND NOT attisdropped")
    assert set(failed) == {f"telemanager column app_user.{c}: {UNDECIDED}" for (c,) in columns}
    assert "telemanager column app_user.login teleops_manager:select" in said and "telemanager column app_user.password_hash nobody" in said


def test_a_line_without_an_object_fails(tapped):
    failed, _, _ = tapped.prove(("ALTER FUNCTION health RENAME TO wealth", "ALTER FUNCTION wealth RENAME TO health"))
    assert len(failed) == 2 and any(re.search("function health is decided in matrix.txt:[0-9]+, but there is none; take the line out", f) for f in failed)


def test_a_member_of_another_role_fails(tapped):
    tapped.sql("GRANT teleops_engine TO teleops_bot", user="postgres")
    try:
        failed, _, _ = tapped.prove()
    finally:
        tapped.sql("REVOKE teleops_engine FROM teleops_bot", user="postgres")
    assert {"cluster role teleops_bot", "telemanager function engine_step"} <= set(without_line(failed))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        tapped.sql("SELECT engine_stop(1, 1)", user="teleops_bot")
