import ctypes
import json
import os
import shutil

import pytest

EXAMPLE = {
    "organizations": [{"name": "acme"}], "groups": [{"name": "web"}], "roles": [{"name": "operator"}],
    "users": [{"login": "oncall", "first_name": "On", "last_name": "Call", "organization": "acme", "groups": ["web"], "telegram_ids": [1001],
               "roles": ["operator"], "enabled": True}],
    "commands": [{"name": "say", "description": "Say it back", "kind": "exec", "program": "echo", "args": ["{text}"],
                  "parameters": [{"name": "text", "type": "text", "required": True}], "timeout_s": 10, "queue": "default",
                  "idempotent": False, "ordered": True, "logged": True, "enabled": True}],
    "grants": [{"role": "operator", "command": "say"}],
}


def crypt(password, salt):
    """crypt(3) itself: Python's module of that name is gone since 3.13."""
    call = ctypes.CDLL("libcrypt.so.1").crypt
    call.restype = ctypes.c_char_p
    return call(password.encode(), salt.encode()).decode()


def changed(**kinds):
    return {**EXAMPLE, **kinds}


def test_usage(bare):
    assert bare().returncode == 2
    assert bare("--help").returncode == 0
    assert bare("frobnicate").returncode == 2
    assert bare("apply").returncode == 2
    assert bare("status", "--prune").returncode == 2
    helped = bare("apply", "--help").stdout
    for word in ("telegram_ids", "timeout_s", "constraints", "idempotent", "database"):
        assert word in helped


def test_no_database_is_one_clear_line(bare):
    done = bare("status", env={"TELEOPS_DATABASE": "host=/nonexistent dbname=telemanager"})
    assert done.returncode == 1 and "cannot connect (setting database)" in done.stderr
    done = bare("status", env={"TELEOPS_DATABASE": ""})
    assert done.returncode == 1 and "TELEOPS_DATABASE" in done.stderr


def test_migrate_twice_changes_nothing(teleops):
    before = teleops.cluster.sql("SELECT version, checksum, applied_at FROM schema_version ORDER BY 1")
    done = teleops("migrate")
    assert done.returncode == 0 and "telemanager is up to date" in done.stdout and "teleapp is up to date" in done.stdout
    assert teleops.cluster.sql("SELECT version, checksum, applied_at FROM schema_version ORDER BY 1") == before


def test_migrate_dry_run_leaves_an_empty_database_empty(bare):
    bare.cluster.make_databases()
    done = bare("migrate", "--dry-run")
    assert done.returncode == 0 and "would apply 0001-people.sql" in done.stdout
    assert bare.cluster.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def schema_copy(tmp_path, teleops):
    copy = tmp_path / "schema"
    shutil.copytree(teleops.env["TELEOPS_SCHEMA_DIR"], copy)
    return copy, {"TELEOPS_SCHEMA_DIR": str(copy)}


def test_migrate_refuses_an_edited_file_by_name(teleops, tmp_path):
    copy, env = schema_copy(tmp_path, teleops)
    with open(copy / "telemanager" / "0002-commands.sql", "a", encoding="utf-8") as f:
        f.write("-- an afterthought\n")
    done = teleops("migrate", env=env)
    assert done.returncode == 1 and "0002-commands.sql was changed" in done.stderr


def test_a_standing_file_is_applied_again_when_it_has_changed(teleops, tmp_path):
    copy, env = schema_copy(tmp_path, teleops)
    path = copy / "telemanager" / "functions" / "text.sql"
    path.write_text(path.read_text() + "CREATE OR REPLACE FUNCTION now_too() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n")
    done = teleops("migrate", "--dry-run", env=env)
    assert "would apply functions/text.sql" in done.stdout and "grants.sql" not in done.stdout
    assert teleops.cluster.sql("SELECT to_regproc('now_too') IS NULL") == [(True,)]
    done = teleops("migrate", env=env)
    assert done.returncode == 0 and "applying functions/text.sql" in done.stdout, done.stderr
    assert teleops.cluster.sql("SELECT to_regproc('now_too') IS NOT NULL") == [(True,)]
    # Not granted by grants.sql, which ran too: nobody's.
    assert teleops.cluster.sql("SELECT has_function_privilege('teleops_bot', 'now_too()', 'EXECUTE')") == [(False,)]
    assert "applying" not in teleops("migrate", env=env).stdout


def test_a_broken_standing_file_changes_nothing(teleops, tmp_path):
    copy, env = schema_copy(tmp_path, teleops)
    (copy / "telemanager" / "functions" / "aaa.sql").write_text("CREATE FUNCTION aaa() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n")
    (copy / "telemanager" / "functions" / "zzz.sql").write_text("CREATE FUNCTION\nzzz( RETURNS;\n")
    done = teleops("migrate", env=env)
    assert done.returncode == 1 and "functions/zzz.sql:2:" in done.stderr
    assert teleops.cluster.sql("SELECT to_regproc('aaa') IS NULL") == [(True,)]


def test_migrate_stops_whole_at_a_bad_file_and_names_its_line(teleops, tmp_path):
    copy, env = schema_copy(tmp_path, teleops)
    last = len(list((copy / "telemanager").glob("0*.sql")))
    (copy / "telemanager" / f"{last + 1:04d}-broken.sql").write_text("CREATE TABLE half (a integer);\nCREATE TABL x;\n")
    done = teleops("migrate", env=env)
    assert done.returncode == 1 and f"{last + 1:04d}-broken.sql:2:" in done.stderr
    assert teleops.cluster.sql("SELECT to_regclass('half')") == [(None,)]


def test_migrate_refuses_a_gap(teleops, tmp_path):
    copy, env = schema_copy(tmp_path, teleops)
    (copy / "telemanager" / "0099-far.sql").write_text("SELECT 1;")
    done = teleops("migrate", env=env)
    assert done.returncode == 1 and "numbers must follow each other" in done.stderr


def test_every_table_and_column_has_a_comment(teleops):
    for database in ("telemanager", "teleapp"):
        bare = teleops.cluster.sql("""SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0
            AND NOT a.attisdropped WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
            AND col_description(c.oid, a.attnum) IS NULL
            UNION ALL SELECT relname, '(table)' FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
            AND NOT c.relispartition AND obj_description(oid, 'pg_class') IS NULL""", database=database)
        assert bare == [], database


def test_foreign_keys_are_indexed_and_none_leads_to_task(teleops):
    bare = teleops.cluster.sql("""SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c WHERE c.contype = 'f' AND
        (c.confrelid = 'task'::regclass OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey))""")
    assert bare == []


def test_apply_then_again_then_export(teleops):
    first = teleops.apply(EXAMPLE)
    assert first.returncode == 0, first.stderr
    for what in ("organization", "group", "role", "user", "command", "grant"):
        assert what in first.stdout
    again = teleops.apply(EXAMPLE)
    assert (again.returncode, again.stdout) == (0, "nothing to change\n")
    exported = teleops("export")
    assert exported.returncode == 0
    document = json.loads(exported.stdout)
    assert [u["login"] for u in document["users"]] == ["oncall"]
    assert document["commands"][0]["args"] == ["{text}"]
    assert teleops.apply(exported.stdout).stdout == "nothing to change\n"
    # A database made from the export equals the first.
    teleops.cluster.make_databases()
    assert teleops("migrate").returncode == 0
    assert teleops.apply(exported.stdout).returncode == 0
    assert teleops("export").stdout == exported.stdout


def test_dry_run_shows_and_changes_nothing(teleops):
    teleops.apply(EXAMPLE)
    wanted = changed(commands=[{**EXAMPLE["commands"][0], "timeout_s": 20}])
    dry = teleops.apply(wanted, "--dry-run")
    assert dry.returncode == 0 and "timeout_s: 10 -> 20" in dry.stdout and "would be changed" in dry.stdout
    assert teleops.cluster.sql("SELECT timeout_s FROM command") == [(10,)]
    as_json = json.loads(teleops.apply(wanted, "--dry-run", "--json").stdout)
    assert as_json == {"dry_run": True, "changes": [{"action": "changed", "kind": "command", "name": "say", "detail": {"timeout_s": [10, 20]}}]}
    real = teleops.apply(wanted)
    assert real.returncode == 0 and teleops.cluster.sql("SELECT timeout_s FROM command") == [(20,)]


def test_a_change_raises_the_catalogue_version(teleops):
    teleops.apply(EXAMPLE)
    before = teleops.cluster.sql("SELECT version FROM catalogue_version")
    teleops.apply(EXAMPLE)
    assert teleops.cluster.sql("SELECT version FROM catalogue_version") == before
    teleops.apply(changed(commands=[{**EXAMPLE["commands"][0], "description": "Other"}]))
    assert teleops.cluster.sql("SELECT version FROM catalogue_version") > before


@pytest.mark.parametrize("document, complaint", [
    ("", "-:1:"),
    ("[1]", "must be an object"),
    ("null", "it is null"),
    ("{\"users\": [}", "-:1:"),
    ("{\"users\": {}}", "users: must be a list"),
    ("[" * 200000, "nesting too deep"),
    (changed(extra=[]), "extra: unknown key"),
    (changed(users=[{"login": "Big Name"}]), "users[0].login:"),
    (changed(users=[{"login": "x", "colour": "red"}]), "users[0].colour: unknown key"),
    (changed(users=[{"login": "x"}, {"login": "x"}]), "users[1]"),
    (changed(users=[{"login": "x", "telegram_ids": ["1001"]}]), "users[0].telegram_ids[0]"),
    (changed(users=[{"login": "x", "telegram_ids": [-5]}]), "users[0].telegram_ids[0]"),
    (changed(users=[{"login": "x", "roles": ["nobody"]}]), 'there is no role "nobody"'),
    (changed(users=[{"login": "a", "telegram_ids": [7]}, {"login": "b", "telegram_ids": [7]}]), "is also given to a"),
    (changed(commands=[{"name": "say"}]), "commands[0]"),
    (changed(commands=[{"name": "Say!", "kind": "exec", "program": "echo"}]), "commands[0].name"),
    (changed(commands=[{"name": "help", "kind": "exec", "program": "echo"}]), "commands[0].name"),
    (changed(commands=[{"name": "say", "kind": "exec", "program": "../bin/sh"}]), "commands[0].program"),
    (changed(commands=[{"name": "say", "kind": "exec", "program": "echo", "args": ["{nothing}"]}]), "nothing"),
    (changed(commands=[{"name": "say", "kind": "exec", "program": "echo", "timeout_s": 0}]), "commands[0].timeout_s"),
    (changed(commands=[{"name": "say", "kind": "exec", "program": "echo",
                        "parameters": [{"name": "n", "type": "integer", "minimum": 5, "maximum": 1}]}]), "commands[0].parameters[0]"),
    (changed(commands=[{"name": "say", "kind": "exec", "program": "echo",
                        "parameters": [{"name": "n", "type": "choice"}]}]), "commands[0].parameters[0]"),
    (changed(grants=[{"role": "operator", "command": "nothing"}]), 'there is no command "nothing"'),
    (changed(grants=[{"role": "operator", "command": "say", "constraints": {"env": ["x"]}}]), 'no parameter "env"'),
], ids=lambda v: v if isinstance(v, str) and len(v) < 60 else "-")
def test_a_bad_file_is_refused_whole_with_path_and_reason(teleops, document, complaint):
    done = teleops.apply(document)
    assert done.returncode == 1 and complaint in done.stderr, done.stderr
    assert teleops.cluster.sql("SELECT (SELECT count(*) FROM app_user) + (SELECT count(*) FROM command) + (SELECT count(*) FROM organization)") == [(0,)]


def test_every_error_is_told_at_once(teleops):
    done = teleops.apply(changed(users=[{"login": "A B"}, {"login": "x", "enabled": "yes"}], roles=[{}]))
    assert done.returncode == 1
    for path in ("users[0].login", "users[1].enabled", "roles[0].name"):
        assert path in done.stderr


def test_a_telegram_id_changes_hands_only_when_both_are_named(teleops):
    teleops.apply(EXAMPLE)
    taken = teleops.apply({"users": [{"login": "dana", "telegram_ids": [1001]}]})
    assert taken.returncode == 1 and "belongs to oncall" in taken.stderr
    given = teleops.apply({"users": [{"login": "dana", "telegram_ids": [1001]}, {**EXAMPLE["users"][0], "telegram_ids": []}]})
    assert given.returncode == 0, given.stderr
    assert teleops.cluster.sql("SELECT u.login FROM telegram_account a JOIN app_user u ON u.id = a.user_id") == [("dana",)]
    # And round again, the other way about in the file.
    back = teleops.apply({"users": [{**EXAMPLE["users"][0]}, {"login": "dana", "telegram_ids": [1002]}]})
    assert back.returncode == 0, back.stderr
    assert teleops.cluster.sql("SELECT u.login, a.telegram_id FROM telegram_account a JOIN app_user u ON u.id = a.user_id ORDER BY 2") == [
        ("oncall", 1001), ("dana", 1002)]


def test_prune_removes_what_is_not_named_but_no_administrator(teleops):
    teleops.apply(EXAMPLE)
    teleops("admin", "create", "boss", env={"TELEOPS_ADMIN_PASSWORD": "a long password"})
    teleops.apply({"users": [{"login": "extra"}]})
    assert teleops.cluster.sql("SELECT count(*) FROM app_user") == [(3,)]
    done = teleops.apply(EXAMPLE, "--prune")
    assert done.returncode == 0 and "never removed" in done.stdout and "extra" in done.stdout
    assert teleops.cluster.sql("SELECT login FROM app_user ORDER BY 1") == [("boss",), ("oncall",)]
    # A list that the file leaves out is not touched.
    assert teleops.apply({"roles": EXAMPLE["roles"]}, "--prune").stdout == "nothing to change\n"
    done = teleops.apply({**EXAMPLE, "commands": [], "grants": []}, "--prune")
    assert done.returncode == 0 and teleops.cluster.sql("SELECT count(*) FROM command") == [(0,)]


def test_admin_create(teleops):
    done = teleops("admin", "create", "boss", stdin="a long password\n")
    assert done.returncode == 0, done.stderr
    (login, hashed), = teleops.cluster.sql("SELECT login, password_hash FROM app_user")
    assert login == "boss" and hashed.startswith("$y$") and crypt("a long password", hashed) == hashed
    assert teleops.cluster.sql("SELECT area, can_change FROM admin_permission") == [("*", True)]
    again = teleops("admin", "create", "boss", stdin="another password\n")
    assert again.returncode == 1 and "--reset-password" in again.stderr
    reset = teleops("admin", "create", "boss", "--reset-password", "--generate")
    assert reset.returncode == 0
    password = reset.stdout.split("password: ")[1].strip()
    (hashed,), = teleops.cluster.sql("SELECT password_hash FROM app_user")
    assert crypt(password, hashed) == hashed
    assert teleops("admin", "create", "other", stdin="short\n").returncode == 1
    assert teleops("admin", "create", "Other Name", stdin="long enough it is\n").returncode == 1
    assert teleops("admin", "destroy", "boss").returncode == 2


def test_a_person_becomes_administrator(teleops):
    teleops.apply(EXAMPLE)
    assert teleops("admin", "create", "oncall", "--generate").returncode == 0
    assert teleops.cluster.sql("SELECT first_name, last_name, password_hash IS NOT NULL FROM app_user") == [("On", "Call", True)]
    # Applying the file afterwards leaves the password alone.
    assert teleops.apply(EXAMPLE).stdout == "nothing to change\n"


def test_status(teleops):
    teleops.apply(EXAMPLE)
    plain = teleops("status")
    assert plain.returncode == 0 and "messages waiting" in plain.stdout
    as_json = json.loads(teleops("status", "--json").stdout)
    assert as_json["people"] == 1 and as_json["commands"] == 1 and as_json["engines"] == []


def test_unknown_setting_names_file_and_line(teleops, tmp_path):
    conf = tmp_path / "teleops.conf"
    conf.write_text("# settings\nslots = 4\nslotz = 5\n")
    done = teleops("status", env={"TELEOPS_CONFIG": str(conf)})
    assert done.returncode == 1 and f"{conf}:3" in done.stderr and "slotz" in done.stderr
