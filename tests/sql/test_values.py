"""What only the database can tell of a value."""
import datetime

import pytest

WEDNESDAY = datetime.date(2026, 11, 25)


@pytest.mark.parametrize("text, day", [
    ("2026-11-25", (2026, 11, 25)), ("today", (2026, 11, 25)), ("Tomorrow", (2026, 11, 26)), ("yesterday", (2026, 11, 24)), ("+3d", (2026, 11, 28)),
    ("-1d", (2026, 11, 24)), ("+2W", (2026, 12, 9)), ("wed", (2026, 11, 25)), ("thursday", (2026, 11, 26)), ("tue", (2026, 12, 1)),
    ("+37d", (2027, 1, 1)), ("soon", None), ("", None), (None, None),
])
def test_dates_count_from_a_day(cluster, text, day):
    assert cluster.sql("SELECT date_read(%s, %s)", (text, WEDNESDAY)) == [(datetime.date(*day) if day else None,)]


def test_each_weekday_from_each_day_is_the_next_of_its_name(cluster):
    found = cluster.sql("""SELECT d::date, n, date_read(w, d::date) FROM generate_series('2026-11-23'::date, '2026-11-29', '1 day') d,
        unnest('{mon,tue,wed,thu,fri,sat,sun}'::text[]) WITH ORDINALITY AS x(w, n)""")
    assert len(found) == 49
    for start, number, day in found:
        assert day.isoweekday() == number and 0 <= (day - start).days < 7


@pytest.mark.parametrize("text, items", [
    ("", []), ("a", ["a"]), ("b\na\nb\n", ["b", "a"]), ("  x \r\n\t\n\ny z", ["x", "y z"]), ("x" * 200 + "\n" + "y" * 201, ["x" * 200]),
    ("é\n" * 3, ["é"]), ("\n".join(str(n) for n in range(1500)), [str(n) for n in range(1000)]),
], ids=lambda v: "")
def test_lines_become_choices(cluster, text, items):
    assert cluster.sql("SELECT choices_read(%s)", (text,)) == [(items,)]


@pytest.mark.parametrize("args, masked", [
    ("{}", {}), ('{"a": "x"}', {"a": "x"}), ('{"a": "x", "b": {"sealed": "abc"}}', {"a": "x", "b": "•••"}), ('{"a": "{\\"sealed\\": 1}"}', {"a": '{"sealed": 1}'}),
])
def test_secrets_are_masked(cluster, args, masked):
    assert cluster.sql("SELECT args_masked(%s::jsonb)", (args,)) == [(masked,)]


@pytest.fixture(scope="module")
def people(cluster):
    cluster.sql("""INSERT INTO app_user (login, enabled) VALUES ('ada', true), ('bob', true), ('off', false), ('4711', true);
        INSERT INTO telegram_account (telegram_id, user_id, username) SELECT n, u.id, x.username
        FROM (VALUES (101, 'ada', 'Countess'), (102, 'ada', 'countess'), (103, 'bob', 'bob_b'), (104, 'off', 'off_o'), (105, 'bob', 'taken'), (106, '4711', 'taken'),
            (4711, 'bob', '')) AS x(n, login, username) JOIN app_user u USING (login)""")
    yield
    cluster.sql("DELETE FROM app_user")


@pytest.mark.parametrize("text, login", [
    ("ada", "ada"), ("ADA", "ada"), ("@countess", "ada"), ("@COUNTESS", "ada"), ("101", "ada"), ("103", "bob"), ("4711", "4711"), ("off", None), ("@off_o", None),
    ("104", None), ("@taken", None), ("nobody", None), ("@", None), ("", None), ("@ada", None), ("99999999999999999999", None), ("' OR true --", None),
])
def test_people_are_found(cluster, people, text, login):
    assert cluster.sql("SELECT person_find(%s)", (text,)) == [(login,)]


@pytest.mark.parametrize("target, meant", [
    ("web1", True), ("web2", False), ("web*", True), ("web?", True), ("web", False), ("WEB1", False), ("*", True), ("db1,web1", True), ("db1,db2", False),
    ("env=staging", True), ("env=prod", False), ("env=stag*", True), ("env=staging,role=web", True), ("env=staging,role=db", False),
    ("web*,env=staging", True), ("web*,env=prod", False), ("db*,env=staging", False), ("web_", False), ("web%", False), (",", False),
])
def test_targets_mean_one_of_the_names_and_all_of_the_labels(cluster, target, meant):
    assert cluster.sql("SELECT engine_matches('web1', '{env=staging,role=web}', %s)", (target,)) == [(meant,)]
