"""Each role can do its work, and none the others': by grant, not by good manners."""
import psycopg2
import psycopg2.errors
import pytest

PROGRAMS = ("teleops_bot", "teleops_engine", "teleops_sender", "teleops_manager")
OWN = {
    "teleops_bot": {"metric_add", "admit", "update_reject", "catalogue", "catalogue_head", "pending_asked"},
    "teleops_engine": {"metric_add", "engine_start", "engine_stop", "engine_resume", "engine_describe", "engine_step", "janitor", "catalogue", "schedules_run",
                       "schedule_unchecked", "schedule_checked"},
    "teleops_sender": {"metric_add", "sender_lead", "outbox_take", "outbox_text", "outbox_file", "outbox_settle", "bot_seen", "bot_webhook"},
    "teleops_manager": {"metric_add", "health", "metrics"},
}


@pytest.mark.parametrize("role", PROGRAMS)
def test_functions_of_each_role_are_exactly_its_own(cluster, role):
    found = {r[0] for r in cluster.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')", (role,))}
    wanted = OWN[role]
    if role == "teleops_manager":
        pages = {r[0] for r in cluster.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'manager_')")}
        assert "manager_session" in pages
        wanted = wanted | pages
    assert found == wanted


def test_functions_of_pages_all_look_alike(cluster):
    """Named manager_…, told who asks and what, giving one document, with the owner's rights: the name alone grants them."""
    odd = cluster.sql("""SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), prosecdef FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'manager_')
            AND NOT (pg_get_function_arguments(oid) = 'p_visit jsonb, p jsonb' AND pg_get_function_result(oid) = 'jsonb' AND prosecdef)""")
    assert odd == []


@pytest.mark.parametrize("role", PROGRAMS)
def test_programs_touch_no_table_directly(cluster, role):
    found = cluster.sql("""SELECT c.relname, p.what FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(what)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(%s, c.oid, p.what)""", (role,))
    assert found == []
    columns = cluster.sql("""SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_column_privilege(%s, c.oid, a.attnum, 'SELECT, INSERT, UPDATE')""",
                          (role,))
    assert columns == []


@pytest.mark.parametrize("role, statement", [
    ("teleops_bot", "SELECT password_hash FROM app_user"),
    ("teleops_bot", "UPDATE app_user SET enabled = true"),
    ("teleops_bot", "SELECT * FROM outbox_take(1, '{}', 10)"),
    ("teleops_bot", "SELECT * FROM outbox"),
    ("teleops_engine", "UPDATE app_user SET enabled = false"),
    ("teleops_engine", "INSERT INTO user_role VALUES (1, 1)"),
    ("teleops_engine", "SELECT * FROM config_export()"),
    ("teleops_sender", "SELECT * FROM task"),
    ("teleops_sender", "INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id) VALUES ('default', 1, 1, 1, 1)"),
    ("teleops_manager", "DELETE FROM audit_event"),
    ("teleops_manager", "UPDATE audit_event SET action = ''"),
    ("teleops_bot", "CREATE TABLE mine (a integer)"),
    ("teleops_engine", "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
    ("teleops_sender", "SET ROLE teleops_owner"),
    ("teleops_bot", "CREATE TEMPORARY TABLE app_user (id bigint)"),
])
def test_what_is_not_granted_is_refused(cluster, role, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cluster.sql(statement, user=role)


def test_definer_functions_fix_their_search_path(cluster):
    loose = cluster.sql("""SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
        AND NOT coalesce('search_path=public, pg_temp' = ANY (proconfig), false)""")
    assert loose == []


def test_teleapp_reader_reads_and_writer_writes(cluster):
    for role in PROGRAMS:
        with pytest.raises(psycopg2.OperationalError):
            cluster.sql("SELECT 1", user=role, database="teleapp")
    tables = cluster.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '^schema_'",
                         database="teleapp")
    for (table,) in tables:
        cluster.sql(f"SELECT * FROM {table}", user="teleapp_reader", database="teleapp")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.sql(f"DELETE FROM {table}", user="teleapp_reader", database="teleapp")
