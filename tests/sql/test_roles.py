"""Roles by trying: what the matrix of tests/pgtap says by catalogue, some of it as the programs would meet it."""
import psycopg2
import psycopg2.errors
import pytest

PROGRAMS = ("teleops_bot", "teleops_engine", "teleops_sender", "teleops_manager")


def test_functions_of_pages_all_look_alike(cluster):
    """Named manager_…, told who asks and what, giving one document, with the owner's rights: the name alone grants them."""
    odd = cluster.sql("""SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), prosecdef FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'manager_')
            AND NOT (pg_get_function_arguments(oid) = 'p_visit jsonb, p jsonb' AND pg_get_function_result(oid) = 'jsonb' AND prosecdef)""")
    assert odd == []


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


@pytest.mark.parametrize("role, database", [*((r, "teleapp") for r in PROGRAMS), ("teleapp_reader", "telemanager"), ("teleapp_writer", "telemanager")])
def test_who_has_no_business_in_a_database_does_not_get_in(cluster, role, database):
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        cluster.sql("SELECT 1", user=role, database=database)


def test_teleapp_reader_reads_and_writer_writes(cluster):
    order = "INSERT INTO customer_order (customer, item, quantity) VALUES ('a', 'b', 1)"
    cluster.sql(order, user="teleapp_writer", database="teleapp")
    assert cluster.sql("SELECT item FROM customer_order", user="teleapp_reader", database="teleapp") == [("b",)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cluster.sql(order, user="teleapp_reader", database="teleapp")
    for role in ("teleapp_reader", "teleapp_writer"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.sql("DELETE FROM customer_order", user=role, database="teleapp")
