"""What docs/security.md promises of the pages and has no better place: headers everywhere, methods, fields that were not offered."""
import os
import re
import urllib.parse

import pytest
from browser import Browser
from support.cluster import SOURCE
from test_pages_permissions import PASSWORD, routes

LIST = os.path.join(SOURCE, "docs/security.md")


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    return b


@pytest.fixture
def dora(stack):
    """Another administrator."""
    def make(password):
        done = stack.teleops("admin", "create", "dora", stdin=password + "\n")
        assert done.returncode == 0, done.stderr
        return "dora"
    stack.sql("DELETE FROM signin_pace; DELETE FROM app_user WHERE login = 'dora'")
    yield make
    stack.sql("DELETE FROM signin_pace; DELETE FROM app_user WHERE login = 'dora'")


def test_each_test_of_the_list_exists():
    with open(LIST, encoding="utf-8") as f:
        named = re.findall(r"`(\w+)::(\w+)`", f.read())
    assert len(named) > 50
    texts = {}
    for folder, _, names in os.walk(os.path.join(SOURCE, "tests")):
        for name in names:
            if name.endswith((".py", ".c", ".sql")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    texts.setdefault(name.rsplit(".", 1)[0], []).append(f.read())
    for file, test in named:
        assert any(re.search(rf"\b{test}\(", t) for t in texts.get(file, [])), f"docs/security.md names {file}::{test}, which is not there"


def addresses(stage):
    return [r["path"].replace("{id}", "1") for r in routes(stage) if r["method"] == "GET" and r["need"] != "machine"]


def test_every_answer_has_its_headers(stack, stage, admin):
    for path in [*addresses(stage), "/nowhere", "/static/error/503.html", "/static/teleops.css", "/static/teleops.svg", "/static/nothing"]:
        page = admin.get(path)
        h = page.headers
        policy = h["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        assert h["x-content-type-options"] == "nosniff" and h["strict-transport-security"].startswith("max-age=31536000; includeSubDomains"), path
        if h.get("content-type", "").startswith("text/") and not path.startswith("/static/"):
            assert "charset=utf-8" in h["content-type"], path
        if not path.startswith("/static/"):
            assert h["cache-control"] == "no-store" and h["referrer-policy"] == "no-referrer", path
        assert "access-control-allow-origin" not in h, path


def test_looking_changes_nothing(stack, stage, admin):
    """No GET writes into the record, but for the export that somebody took; so none does what should be a form's."""
    def record():
        return stack.sql("SELECT count(*) FROM audit_event WHERE actor = 'manager' AND action NOT IN ('signed in', 'exported')")
    before = record()
    for path in addresses(stage):
        assert admin.get(path).status < 500, path
    assert record() == before


def test_methods_and_files_that_are_not_offered(stack, admin):
    for method in ("TRACE", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        assert admin.request(method, "/people/users").status == 405, method
    for path in ("/static/", "/static/error/", "/static/../teleops.conf", "/static/%2e%2e/teleops.conf", "/.git/config", "/static/.git/config"):
        assert admin.get(path).status in (400, 403, 404), path


def test_fields_that_a_form_does_not_have_change_nothing(stack, admin, dora):
    login = dora(PASSWORD)
    b = Browser(stack)
    b.sign_in(login, PASSWORD)
    before = stack.sql("SELECT login, enabled, password_hash FROM app_user WHERE login = 'dora'")
    form = b.get("/account").form().set(first_name="Dora")
    form.fields += [("login", "root"), ("enabled", ""), ("password_hash", "x"), ("id", "1"), ("user", "1"), ("roles", "crew"), ("everything", "change")]
    assert b.send(form).status == 200
    assert stack.sql("SELECT login, enabled, password_hash FROM app_user WHERE login = 'dora'") == before
    assert stack.count("app_user", "first_name = 'Dora'") == 1 and stack.count("user_role r JOIN app_user u ON u.id = r.user_id", "u.login = 'dora'") == 0


def test_who_asks_is_not_what_a_header_says(stack, dora):
    login = dora(PASSWORD)
    last = stack.sql("SELECT max(id) FROM audit_event")[0][0]
    b = Browser(stack)
    form = b.get("/signin").form("/signin").set(login=login, password=PASSWORD)
    b.request("POST", "/signin", form.fields, X_Forwarded_For="203.0.113.9", X_Real_IP="203.0.113.9", Forwarded="for=203.0.113.9", X_User="admin")
    assert stack.sql("SELECT host(address) FROM audit_event WHERE id > %s AND action = 'signed in'", (last,)) == [("127.0.0.1",)]


def test_no_line_of_a_header_is_made_by_a_visitor(stack, dora):
    login = dora(PASSWORD)
    for evil in ("/x\r\nSet-Cookie: evil=1", "/x%0d%0aSet-Cookie:%20evil=1", "/\u010d\u010aSet-Cookie: evil=1"):
        b = Browser(stack)
        page = b.send(b.get("/signin").form("/signin").set(next=evil), follow=False, login=login, password=PASSWORD)
        assert page.status == 303 and "evil" not in b.cookies and "\n" not in page.location
        page = b.get("/people/users?next=" + urllib.parse.quote(evil))
        assert "evil" not in b.cookies


def test_passwords_are_taken_as_they_are(stack, dora):
    """Of any composition, long ones too, and no letter of them is left out."""
    password = "Пароль с пробелами и знаками ☂ " + "x" * 100
    login = dora(password)
    assert Browser(stack).sign_in(login, password[:-1]).status == 403
    assert Browser(stack).sign_in(login, password.lower()).status == 403
    assert Browser(stack).sign_in(login, password).status == 303


def test_errors_tell_nothing_of_the_inside(stack, admin):
    stack.sql("ALTER FUNCTION manager_roles(jsonb, jsonb) RENAME TO manager_roles_gone")
    try:
        page = admin.get("/people/roles")
    finally:
        stack.sql("ALTER FUNCTION manager_roles_gone(jsonb, jsonb) RENAME TO manager_roles")
    assert page.status == 500 and "manager_roles" not in page.text and "SQL" not in page.text
    assert "manager_roles" in stack.logged("telemanager"), "the log does"


def test_refusals_are_logged(stack, admin):
    before = stack.logged("telemanager").count("event=refused")
    assert admin.request("POST", "/account", [("csrf", "A" * 43)]).status == 403
    assert stack.logged("telemanager").count("event=refused") == before + 1
