"""The configuration as a document: downloaded, and applied after its difference was seen."""
import json

import pytest
from browser import Browser

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM schedule WHERE name LIKE 't-%'; DELETE FROM command WHERE name LIKE 't\\_%'; DELETE FROM role WHERE name LIKE 't-%'; DELETE FROM app_user WHERE login LIKE 't-%'")


def compare(admin, document, **more):
    text = document if isinstance(document, str) else json.dumps(document)
    return admin.send(admin.get("/backup").form(), document=text, **more)


def events(stack, obj):
    return stack.sql("SELECT e.action, e.actor, u.login, host(e.address) FROM audit_event e LEFT JOIN app_user u ON u.id = e.user_id WHERE object = %s ORDER BY e.id", (obj,))


def test_download_is_what_export_writes(stack, admin):
    page = admin.get("/backup/export")
    assert page.headers["content-type"] == "application/json" and page.headers["content-disposition"].startswith('attachment; filename="teleops-20')
    assert page.text == stack.teleops("export").stdout
    assert "no-store" in page.headers["cache-control"]
    page = compare(admin, page.text, prune="1")
    assert "everything is as the document says" in page.main


def test_difference_first_then_applied(stack, admin):
    document = {"roles": [{"name": "t-role", "description": "New here"}],
                "commands": [{"name": "t_said", "kind": "text", "template": "{word}", "parameters": [{"name": "word", "type": "text", "required": True}]}],
                "schedules": [{"name": "t-daily", "line": "/t_said good morning", "cron": "@daily", "user": "ada", "chat_id": 4001}]}
    page = compare(admin, document)
    assert page.status == 200 and "3 objects" in page.main and "new role t-role" in page.main and "new schedule t-daily" in page.main
    assert stack.count("role", "name = 't-role'") == 0
    page = admin.send(page.form())
    assert page.path == "/backup" and "The document was applied: 3 changes" in page.flash
    assert stack.sql("SELECT args FROM schedule WHERE name = 't-daily'") == [({"word": "good morning"},)]
    assert events(stack, "role t-role") == [("created", "manager", "admin", "127.0.0.1")]
    document["roles"][0]["description"] = "Changed"
    page = compare(admin, document)
    assert "1 objects" in page.main and "changed role t-role description : New here → Changed" in page.main
    # Changed elsewhere meanwhile: not what was seen, so it is shown again.
    stack.sql("UPDATE role SET description = 'Other' WHERE name = 't-role'")
    page = admin.send(page.form())
    assert page.status == 409 and "Meanwhile something else" in page.problem and "Other → Changed" in page.main
    assert "1 changes" in admin.send(page.form()).flash
    # What it does not name goes only when that is asked for.
    assert "everything is as the document says" in compare(admin, {"schedules": []}).main
    page = compare(admin, {"schedules": []}, prune="1")
    assert "removed schedule t-daily" in page.main
    admin.send(page.form())
    assert stack.count("schedule", "name = 't-daily'") == 0


@pytest.mark.parametrize("document, said", [
    ("{\n\"roles\": x}", "Line 2:"),
    ("[]", "must be an object"),
    ({"command": []}, "command : unknown key"),
    ({"commands": [{"name": "t_x", "kind": "exec"}]}, "commands[0].program : is missing"),
    ({"grants": [{"role": "nobody", "command": "echo"}]}, 'there is no role "nobody"'),
    ({"schedules": [{"name": "t-x", "line": "/typed many", "cron": "@daily", "user": "ada", "chat_id": 1}]}, "whole number"),
    ({"commands": [{"name": "hosts", "kind": "text", "template": "x", "dangerous": True}]}, "gives the choices of another"),
])
def test_refused_document_changes_nothing(stack, admin, document, said):
    before = stack.teleops("export").stdout
    page = compare(admin, document)
    assert page.status == 422 and "nothing was changed" in page.problem and said in page.main, page.main
    assert dict(page.form().fields)["document"] and stack.teleops("export").stdout == before


def test_file_is_uploaded(stack, admin):
    """As a browser sends a form with a file; the file counts before what was pasted."""
    csrf = dict(admin.get("/backup").form().fields)["csrf"]
    document = json.dumps({"roles": [{"name": "t-file", "description": "größer"}]}, ensure_ascii=False, indent=1)
    def part(name, text, more=""):
        return f'--Xx\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{text}\r\n'
    body = (part("csrf", csrf) + part("file", document, '; filename="conf.json"\r\nContent-Type: application/json') + part("document", "") + "--Xx--\r\n").encode()
    page = admin.request("POST", "/backup/apply", body, Content_Type="multipart/form-data; boundary=Xx")
    assert page.status == 200 and "new role t-file" in page.main
    assert "1 changes" in admin.send(page.form()).flash and stack.sql("SELECT description FROM role WHERE name = 't-file'") == [("größer",)]
    wrong = admin.request("POST", "/backup/apply", body.replace(csrf.encode(), b"A" * len(csrf)), Content_Type="multipart/form-data; boundary=Xx")
    assert wrong.status == 403
    assert admin.request("POST", "/backup/apply", body[:-20], Content_Type="multipart/form-data; boundary=Xx").status == 400


def test_change_that_breaks_a_schedule_is_refused(stack, admin):
    stack.apply({"commands": [{"name": "t_b", "kind": "text", "template": "x", "parameters": [{"name": "word", "type": "text"}]}],
                 "schedules": [{"name": "t-kept", "line": "/t_b word", "cron": "@daily", "user": "ada", "chat_id": 4001}]})
    page = compare(admin, {"commands": [{"name": "t_b", "kind": "text", "template": "x", "parameters": [{"name": "word", "type": "integer"}]}]})
    assert page.status == 422 and "t-kept : " in page.main and "whole number" in page.main
    assert stack.sql("SELECT args FROM schedule WHERE name = 't-kept'") == [({"word": "word"},)]


def test_nobody_is_locked_out(stack, admin):
    done = stack.teleops("admin", "create", "t-helper", stdin=PASSWORD + "\n")
    assert done.returncode == 0
    stack.sql("DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = 't-helper';"
              "INSERT INTO admin_permission (user_id, area, can_change) SELECT id, 'backup', true FROM app_user WHERE login = 't-helper'; DELETE FROM signin_pace")
    helper = Browser(stack)
    assert helper.sign_in("t-helper", PASSWORD).status == 303
    for login in ("admin", "t-helper"):
        page = compare(helper, {"users": [{"login": login, "enabled": False}]})
        assert page.status == 422 and f"{login}: " in page.main, page.main
    assert stack.count("app_user", "login IN ('admin', 't-helper') AND enabled") == 2
    page = compare(helper, {"users": [{"login": "t-helper"}]}, prune="1")
    assert "stays user admin" in page.main


def test_who_may_only_view_downloads(stack, admin):
    stack.teleops("admin", "create", "t-viewer", stdin=PASSWORD + "\n")
    stack.sql("DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = 't-viewer';"
              "INSERT INTO admin_permission (user_id, area, can_change) SELECT id, 'backup', false FROM app_user WHERE login = 't-viewer'; DELETE FROM signin_pace")
    viewer = Browser(stack)
    viewer.sign_in("t-viewer", PASSWORD)
    page = viewer.get("/backup")
    assert "Download" in page.main and "Apply one" not in page.main
    assert viewer.get("/backup/export").status == 200
