"""Every address with every permission: allowed, or 403; and nothing that was typed becomes part of a page. Both walk the route table."""
import json
import os
import subprocess

import pytest
from browser import Browser

PASSWORD = "correct horse battery"
AREAS = ("people", "commands", "tasks", "engines", "chats", "outbox", "audit", "settings", "administrators", "backup")
# What needs no permission is listed here by hand: a new route without one fails until somebody has thought about it.
MACHINE = {"/healthz", "/metrics"}
PUBLIC = {"/signin", "/signin/code"}
SIGNED_IN = {"/", "/signout", "/account", "/account/password", "/account/sessions/{id}", "/account/totp", "/account/totp/confirm",
             "/account/totp/off", "/account/totp/codes"}
EVIL = '"\'><script>alert(1)</script><img src=x onerror=alert(1)>{{csrf}}</textarea></title>&lt;'


def routes(stage):
    program = os.path.join(stage, "usr/libexec/teleops/telemanager.fcgi")
    return json.loads(subprocess.run([program, "--routes"], stdout=subprocess.PIPE, check=True, timeout=10).stdout)


@pytest.fixture(scope="module")
def table(stage):
    return routes(stage)


@pytest.fixture
def sign_in(stack):
    """Somebody with these permissions, [(area, may change)], signed in."""
    logins = []
    stack.sql("DELETE FROM signin_pace")

    def make(permissions):
        login = f"perm{len(logins)}"
        done = stack.teleops("admin", "create", login, stdin=PASSWORD + "\n")
        assert done.returncode == 0, done.stderr
        logins.append(login)
        stack.sql("DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = %s", (login,))
        for area, change in permissions:
            stack.sql("INSERT INTO admin_permission (user_id, area, can_change) SELECT id, %s, %s FROM app_user WHERE login = %s", (area, change, login))
        b = Browser(stack)
        assert b.sign_in(login, PASSWORD).status == 303
        return b

    yield make
    stack.sql("DELETE FROM app_user WHERE login LIKE 'perm%'; DELETE FROM signin_pace")


def call(browser, route, csrf):
    path = route["path"].replace("{id}", "999999999")
    return browser.request("GET", path) if route["method"] == "GET" else browser.request("POST", path, [("csrf", csrf)])


def token(browser):
    return dict(browser.get("/account").form().fields)["csrf"]


def test_every_route_says_what_it_needs(table):
    assert len(table) > 40
    for r in table:
        assert r["need"] in ("machine", "public", "signed in", "view", "change")
        assert (r["area"] in AREAS) == (r["need"] in ("view", "change")), r
        if r["need"] in ("machine", "public", "signed in"):
            known = {"machine": MACHINE, "public": PUBLIC, "signed in": SIGNED_IN}[r["need"]]
            assert r["path"] in known, f"{r['path']} needs no permission: is that meant?"
        # Whoever may only view never sends a form that changes something.
        if r["method"] == "POST" and r["area"]:
            assert r["need"] == "change", r
    assert len({(r["path"], r["method"]) for r in table}) == len(table)


def allowed(route, permissions):
    if route["need"] in ("machine", "public", "signed in"):
        return True
    return any(area in ("*", route["area"]) and (change or route["need"] == "view") for area, change in permissions)


@pytest.mark.parametrize("permissions", [[("*", True)], [("*", False)], *[[(a, c)] for a in AREAS for c in (False, True)], [("people", False), ("audit", True)]],
                         ids=lambda p: ",".join(f"{a}:{'change' if c else 'view'}" for a, c in p))
def test_matrix(stack, table, sign_in, permissions):
    b = sign_in(permissions)
    csrf = token(b)
    for r in table:
        if r["path"] == "/signout" or (r["path"], r["method"]) == ("/signin", "POST"):
            continue
        page = call(b, r, csrf)
        assert (page.status != 403) == allowed(r, permissions), (r, page.status)
        assert page.status < 500, (r, page.status)


def test_nobody_sees_anything(stack, table):
    b = Browser(stack)
    for r in table:
        if r["need"] in ("machine", "public"):
            continue
        page = call(b, r, "A" * 43)
        assert page.status == 303 and page.location.startswith("/signin"), (r, page.status)


def test_every_form_needs_its_token(stack, table, sign_in):
    b = sign_in([("*", True)])
    for r in table:
        if r["method"] == "POST" and r["need"] != "machine":
            for csrf in ("", "A" * 43):
                assert call(b, r, csrf).status == 403, r


def test_taken_permissions_count_at_once(stack, sign_in):
    b = sign_in([("people", True)])
    assert b.get("/people/users/new").status == 200
    stack.sql("UPDATE admin_permission a SET can_change = false FROM app_user u WHERE u.id = a.user_id AND u.login = 'perm0'")
    assert b.get("/people/users/new").status == 403 and b.get("/people/users").status == 200
    stack.sql("DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = 'perm0'")
    assert b.get("/people/users").status == 303, "without any permission one is nobody"


def test_menu_and_buttons_offer_what_is_allowed(stack, sign_in):
    b = sign_in([("people", False)])
    page = b.get("/people/users")
    assert "/people/users" in page.links() and "/administrators" not in page.links() and "/people/users/new" not in page.links()
    assert 'name="id"' not in page.text
    key = stack.sql("SELECT id FROM app_user WHERE login = 'ada'")[0][0]
    page = b.get(f"/people/users/{key}")
    assert "may look at this, but not change it" in page.main and 'id="save"' not in page.text and f"/people/users/{key}/delete" not in page.links()
    assert "<fieldset class=\"all\" disabled>" in page.text


# -- what was typed stays text

def harmless(page):
    assert page.status < 500
    # A file is kept, not shown.
    if page.headers.get("content-disposition", "").startswith("attachment"):
        assert page.headers["x-content-type-options"] == "nosniff" and not page.headers["content-type"].startswith("text/html")
        return
    for piece in ("<script>alert", "<img src=x", "onerror=alert(1)>", "</textarea></title>"):
        assert piece not in page.text, (page.path, piece)


def test_nothing_typed_becomes_part_of_a_page(stack, table, sign_in):
    b = sign_in([("*", True)])
    walked = 0
    for r in table:
        if r["method"] != "GET" or "{id}" in r["path"] or r["need"] == "machine":
            continue
        for query in ("", "?search=", "?next=", "?sort=", "?date=", "?from=", "?state="):
            harmless(b.request("GET", r["path"] + (query + "%22%3E%3Cscript%3Ealert(1)%3C/script%3E" if query else "")))
        for form in b.get(r["path"]).forms:
            if form.method != "post" or form.action in ("/signout", "/signin") or form.action.startswith("/account/sessions"):
                continue
            fields = [(n, EVIL if kind in ("text", "textarea", "search", "password", "select", "hidden") and n != "csrf" else v)
                      for n, v, kind in ((n, v, dict(form.controls).get(n, "text")) for n, v in form.fields)]
            fields += [(n, EVIL) for n, kind in form.controls if n not in dict(fields) and kind == "checkbox"]
            page = b.request("POST", form.action, fields)
            assert page.status in (200, 303, 400, 404, 409, 422, 429), (form.action, page.status)
            harmless(page)
            walked += 1
    assert walked >= 8


def test_names_from_anywhere_stay_text(stack, sign_in):
    """What Telegram says of people, and what administrators may well write."""
    b = sign_in([("*", True)])
    name = "<script>alert(1)</script>"
    message = stack.message(777001, "hello")
    message["from"].update(first_name=name, last_name='"><img src=x onerror=alert(1)>', username="x")
    stack.post({"update_id": stack.number(), "message": message})
    assert stack.wait(lambda: stack.count("join_request", "telegram_id = 777001"))
    pages = [b.get("/people/requests")]
    pages.append(b.send(pages[0].form("list").set(one="approve:777001", value="crew")))
    key = stack.sql("SELECT user_id FROM telegram_account WHERE telegram_id = 777001")[0][0]
    form = b.get(f"/people/users/{key}").form().set(last_name=name)
    pages.append(b.send(form))
    pages += [b.get(f"/people/users/{key}{x}") for x in ("", "/history", "/delete", "/clone")]
    pages += [b.get("/people/users?search=script"), b.send(b.get("/people/users?search=script").form("list"), action="disable", id=[str(key)])]
    for kind in ("groups", "roles", "organizations"):
        page = b.send(b.get(f"/people/{kind}/new").form(), name=name)
        pages += [page, b.get(f"/people/{kind}"), b.get(page.path + "/history"), b.get(page.path + "/delete")]
    pages += [b.get("/people/users/new"), b.get("/people/invites/new"), b.send(b.get("/people/invites/new").form(), note=name, role=name), b.get("/people/invites")]
    stack.sql("DELETE FROM app_user WHERE id = %s; DELETE FROM user_group WHERE name = %s; DELETE FROM role WHERE name = %s; DELETE FROM organization WHERE name = %s; "
              "DELETE FROM invite; DELETE FROM join_request", (key, name, name, name))
    shown = 0
    for page in pages:
        assert page.status == 200, (page.path, page.status)
        harmless(page)
        shown += "&lt;script&gt;alert(1)" in page.text
    assert shown >= 15
