"""What goes wrong is told on a page of ours."""
import os
import signal

import pytest
from browser import Browser

POST = """
const form = document.createElement('form');
form.method = 'post';
form.action = arguments[0];
const area = document.createElement('textarea');
area.name = 'x';
area.value = 'x'.repeat(arguments[1]);
form.append(area);
document.body.append(form);
form.submit();
"""


def post(chrome, path, size=1):
    with chrome.leaving():
        chrome.run(POST, path, size)


@pytest.mark.parametrize("status, heading, path", [(404, "Not found", "/no/such/page"), (404, "Not found", "/people/users/999999999"),
                                                   (400, "Not understood", "/people/users?enabled=perhaps")])
def test_wrong_address(admin, judge, status, heading, path):
    admin.go(path)
    judge.pass_(admin, status)
    assert admin.heading == heading


@pytest.mark.parametrize("status, heading, path, size", [(403, "Not allowed", "/people/groups/new", 1), (405, "Not possible like this", "/people/invites", 1),
                                                         (413, "Too large", "/account", 1024 * 1024), (413, "Too large", "/account", 3 * 1024 * 1024)])
def test_wrong_form(admin, judge, status, heading, path, size):
    post(admin.go("/account"), path, size)
    judge.pass_(admin, status)
    assert admin.heading == heading


def test_our_own_fault(admin, judge, stack):
    stack.sql("ALTER FUNCTION manager_roles(jsonb, jsonb) RENAME TO manager_roles_gone")
    try:
        admin.go("/people/roles")
        judge.pass_(admin, 500)
    finally:
        stack.sql("ALTER FUNCTION manager_roles_gone(jsonb, jsonb) RENAME TO manager_roles")
    assert admin.heading == "Something went wrong"


def test_the_database_is_away(admin, judge, stack):
    """It lets nobody of TeleManager in, and throws out who is there."""
    stack.sql("ALTER ROLE teleops_manager NOLOGIN", user="postgres")
    try:
        stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'teleops_manager'", user="postgres")
        admin.go("/people/roles")
        judge.pass_(admin, 503)
    finally:
        stack.sql("ALTER ROLE teleops_manager LOGIN", user="postgres")
    assert admin.heading == "The database is away"
    other = Browser(stack)
    assert stack.wait(lambda: other.get("/signin").status == 200, 60)


def test_telemanager_is_away(admin, judge, stack):
    """nginx is left to say so. The socket is hidden, since the supervisor is quick with another program, and nginx forgets its connections."""
    socket = stack.env["TELEOPS_MANAGER_SOCKET"]
    os.rename(socket, socket + ".hidden")
    try:
        os.kill(stack.pid("nginx"), signal.SIGHUP)
        assert stack.wait(lambda: admin.go("/account").heading == "TeleOps is starting again", 30)
        judge.pass_(admin, 503)
    finally:
        os.rename(socket + ".hidden", socket)
    assert admin.go("/account").heading == "Your account"
