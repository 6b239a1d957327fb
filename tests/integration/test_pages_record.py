"""Whatever a page does is in the record: who, when, from where, what was before and what after. The walk covers every POST of the route table."""
import base64
import json
import re

import pytest
from browser import Browser, code_of
from test_pages_permissions import routes

PASSWORD = "correct horse battery"
# What changes no object: it is in the record, too, but there is no state to tell of. The first step of a second factor has done nothing yet.
NO_STATE = {"/signin", "/signin/code", "/signout"}
NOTHING_YET = {"/account/totp"}
# Where new ones are made: what is typed, what is changed then, and what the record calls it.
MADE = {
    "/people/users": ({"login": "t-rec", "first_name": "Rec"}, {"last_name": "Order"}, "user t-rec"),
    "/people/groups": ({"name": "t-rec"}, {"roles": ["crew"]}, "group t-rec"),
    "/people/roles": ({"name": "t-rec"}, {"description": "for the record"}, "role t-rec"),
    "/people/organizations": ({"name": "t-rec"}, {"name": "t-rec2"}, "organization t-rec"),
    "/commands": ({"name": "t_rec", "kind": "text", "template": "hello"}, {"description": "for the record"}, "command t_rec"),
    "/commands/schedules": ({"name": "t-rec", "line": "/echo hello", "cron": "@daily", "user": "ada", "chat_id": "4001"}, {"cron": "@weekly"}, "schedule t-rec"),
    "/alert-hooks": ({"name": "t-rec", "chat_id": "4001", "rate": "60"}, {"rate": "30"}, "hook t-rec"),
    "/queues": ({"name": "t-rec", "concurrency": "2"}, {"concurrency": "3"}, "queue t-rec"),
    "/administrators": ({"login": "sue", "people": "view"}, {"people": "change"}, "administrator sue"),
}


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace; DELETE FROM pending; DELETE FROM setting; DELETE FROM outbox_dead")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM schedule WHERE name LIKE 't-%'; DELETE FROM hook WHERE name LIKE 't-%'; DELETE FROM command WHERE name LIKE 't@_%' ESCAPE '@'; "
              "DELETE FROM app_user WHERE login LIKE 't-%' OR login = 'visitor'; DELETE FROM user_group WHERE name LIKE 't-%'; DELETE FROM role WHERE name LIKE 't-%'; "
              "DELETE FROM organization WHERE name LIKE 't-%'; DELETE FROM queue WHERE name LIKE 't-%'; DELETE FROM engine WHERE name LIKE 't-%'; DELETE FROM invite; "
              "DELETE FROM pending; DELETE FROM setting; DELETE FROM outbox_dead; DELETE FROM admin_permission WHERE user_id = (SELECT id FROM app_user WHERE login = 'sue'); "
              "UPDATE queue SET paused_at = NULL; UPDATE engine SET paused_at = NULL; UPDATE chat SET allowed = true; DELETE FROM signin_pace; NOTIFY task")


class Walk:
    """Does one thing after the other, and looks at what the record tells of each."""

    def __init__(self, stack):
        self.stack, self.done, self.last = stack, set(), 0

    def begin(self):
        self.last = self.stack.sql("SELECT coalesce(max(id), 0) FROM audit_event")[0][0]

    def end(self, route, obj, *sides, login="admin"):
        """route was done since begin(): its event names obj and has these sides, "before" and "after"."""
        found = self.stack.sql("SELECT e.object, e.detail, u.login, host(e.address), e.at > now() - interval '10 minutes' FROM audit_event e LEFT JOIN app_user u ON u.id = e.user_id "
                               "WHERE e.id > %s AND e.actor = 'manager' ORDER BY e.id", (self.last,))
        mine = [f for f in found if f[0] == obj]
        assert mine, (route, obj, found)
        for _, detail, who, address, lately in mine:
            assert (who, address, lately) == (login, "127.0.0.1", True), (route, mine)
            assert set(sides) <= set(detail), (route, mine)
            if len(sides) == 2 and route not in ("/account/totp/codes", "/account/sessions/{id}"):
                assert detail["before"] != detail["after"], (route, mine)
        assert "correct horse" not in json.dumps([f[1] for f in found])
        self.done.add(route)
        self.begin()


def walk_forms(walk, admin):
    for path, (typed, change, obj) in MADE.items():
        walk.begin()
        page = admin.send(admin.get(path + "/new").form(), **typed)
        assert page.status == 200 and "was created" in page.flash, (path, page.errors(), page.problem)
        walk.end(path + "/new", obj, "after")
        one = page.path
        page = admin.send(page.form(), **change)
        assert "was saved" in page.flash, (path, page.errors(), page.problem)
        name = obj.split()[0] + " " + change["name"] if "name" in change else obj
        walk.end(path + "/{id}", name, "before", "after")
        if path == "/alert-hooks":
            admin.send(admin.get(one).form(one + "/renew"))
            walk.end("/alert-hooks/{id}/renew", obj, "before", "after")
        if path == "/administrators":
            walk_resets(walk, admin, one)
        if path in ("/people/users", "/commands", "/commands/schedules", "/queues"):
            action = "pause" if path in ("/queues", "/commands/schedules") else "disable"
            admin.send(admin.send(admin.get(path + "?search=rec").form("list"), action=action, id=[one.split("/")[-1]]).form())
            walk.end(path, obj, "before", "after")
        page = admin.send(admin.get(one + "/delete").form(one + "/delete"))
        assert "was removed" in page.flash, (path, page.main)
        walk.end(path + "/{id}/delete", name, "before")


def walk_resets(walk, admin, one):
    for what in ("password", "totp", "sessions"):
        csrf = dict(admin.get("/account").form().fields)["csrf"]
        assert admin.request("POST", one + "/reset", [("csrf", csrf), ("what", what)]).status in (200, 303)
        walk.done.discard("/administrators/{id}/reset")
        found = walk.stack.sql("SELECT detail ? 'before' AND detail ? 'after', host(address) FROM audit_event WHERE id > %s AND object = 'administrator sue' AND actor = 'manager'", (walk.last,))
        assert found == [(True, "127.0.0.1")], what
        walk.begin()
    walk.done.add("/administrators/{id}/reset")


def walk_people(walk, stack, admin):
    message = stack.message(777003, "hello")
    message["from"].update(first_name="Visitor", username="visitor")
    stack.post({"update_id": stack.number(), "message": message})
    assert stack.wait(lambda: stack.count("join_request", "telegram_id = 777003 AND state = 'pending'"))
    walk.begin()
    admin.send(admin.get("/people/requests").form("list"), one="refuse:777003")
    walk.end("/people/requests", "stranger 777003", "before", "after")
    admin.send(admin.get("/people/requests?state=refused").form("list"), one="approve:777003", value="crew")
    walk.end("/people/requests", "user visitor", "after")
    page = admin.send(admin.get("/people/invites/new").form(), login="ada", note="for the record")
    number = re.search(r"Invitation #(\d+)", page.main)[1]
    walk.end("/people/invites/new", f"invite {number}", "after")
    page = admin.get(f"/people/invites/{number}/delete")
    admin.send(page.form(f"/people/invites/{number}/delete"))
    walk.end("/people/invites/{id}/delete", f"invite {number}", "before")


def say(stack, text, who=4001):
    stack.post({"update_id": stack.number(), "message": stack.message(who, text)})


def waiting(stack, text):
    say(stack, text)
    assert stack.wait(lambda: stack.count("task", "line = %s", (text,)))
    return stack.sql("SELECT max(id) FROM task WHERE line = %s", (text,))[0][0]


def walk_tasks(walk, stack, admin):
    number = waiting(stack, "/far one")
    walk.begin()
    admin.send(admin.get(f"/tasks/{number}").form(f"/tasks/{number}/cancel"))
    walk.end("/tasks/{id}/cancel", f"task {number}", "before", "after")
    number = waiting(stack, "/far two")
    walk.begin()
    admin.send(admin.send(admin.get("/tasks").form("list"), action="cancel", id=[str(number)]).form())
    walk.end("/tasks", f"task {number}", "before", "after")
    say(stack, "/echo again")
    assert stack.wait(lambda: stack.count("task_history", "line = '/echo again' AND state = 'done'")) and stack.settled()
    number = stack.sql("SELECT max(id) FROM task_history WHERE line = '/echo again'")[0][0]
    walk.begin()
    admin.send(admin.get(f"/tasks/{number}").form(f"/tasks/{number}/again"))
    walk.end("/tasks/{id}/again", f"task {number}", "after")
    say(stack, "/risky record")
    assert stack.wait(lambda: stack.count("pending"))
    number = stack.sql("SELECT id FROM pending")[0][0]
    walk.begin()
    admin.send(admin.send(admin.get("/pending").form("list"), action="withdraw", id=[str(number)]).form())
    walk.end("/pending", f"request {number}", "before")
    assert stack.settled()


def walk_operations(walk, stack, admin):
    gone = stack.sql("INSERT INTO engine (name, queues, slots) VALUES ('t-rec', '{default}', 3) RETURNING id")[0][0]
    key = stack.sql("SELECT id FROM engine WHERE lease_until > now()")[0][0]
    walk.begin()
    for action in ("pause", "resume"):
        admin.send(admin.get("/engines").form("list"), one=f"{action}:{key}")
        walk.end("/engines", "engine demo", "before", "after")
    admin.send(admin.send(admin.get("/engines").form("list"), action="forget", id=[str(gone)]).form())
    walk.end("/engines", "engine t-rec", "before")
    for action in ("disallow", "allow"):
        admin.send(admin.get("/chats/4001").form(), one=f"{action}:4001")
        walk.end("/chats", "chat 4001", "before", "after")
    number = stack.sql("INSERT INTO outbox (op, chat_id, seq, text, wanted_version, sent_version) VALUES ('send', 4001, 901, 'held', 1, 1) RETURNING id")[0][0]
    admin.send(admin.send(admin.get("/outbox").form("list"), action="hold", id=[str(number)]).form())
    walk.end("/outbox", f"message {number}", "before")
    admin.send(admin.send(admin.get("/dead-letters").form("list"), action="discard", id=[str(number)]).form())
    walk.end("/dead-letters", f"message {number}", "before")
    admin.send(admin.get("/settings/approving_hours").form(), value="2")
    walk.end("/settings/{id}", "setting approving_hours", "before", "after")
    document = json.dumps({"roles": [{"name": "t-rec3", "description": "from a file"}]})
    admin.send(admin.send(admin.get("/backup").form(), document=document).form())
    walk.end("/backup/apply", "role t-rec3", "after")


def walk_account(walk, stack):
    done = stack.teleops("admin", "create", "t-own", stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    obj, own = "user t-own", {"login": "t-own"}
    walk.begin()
    b = Browser(stack)
    assert b.sign_in("t-own", PASSWORD).status == 303
    walk.end("/signin", obj, **own)
    b.send(b.get("/account").form(), first_name="Owen")
    walk.end("/account", obj, "before", "after", **own)
    Browser(stack).sign_in("t-own", PASSWORD)
    walk.begin()
    b.send(b.get("/account").form("/account/sessions/others"))
    walk.end("/account/sessions/{id}", obj, "before", "after", **own)
    b.send(b.get("/account/password").form(), password=PASSWORD, new=PASSWORD + "s", again=PASSWORD + "s")
    walk.end("/account/password", obj, "before", "after", **own)
    page = b.send(b.get("/account").form("totp"), password=PASSWORD + "s")
    secret = base64.b32decode(re.search(r'id="secret">([^<]+)<', page.text)[1].replace(" ", ""))
    page = b.send(page.form(), code=code_of(secret))
    codes = re.findall(r"<code>([^<]+)</code>", page.text)
    walk.end("/account/totp/confirm", obj, "before", "after", **own)
    page = Browser(stack)
    page.send(page.get(page.sign_in("t-own", PASSWORD + "s").location).form("/signin/code"), code=codes[0], follow=False)
    walk.end("/signin/code", obj, **own)
    for what in ("codes", "off"):
        form = b.get("/account").form("totp")
        form.action = f"/account/totp/{what}"
        b.send(form, password=PASSWORD + "s")
        walk.end(f"/account/totp/{what}", obj, "before", "after", **own)
    csrf = dict(b.get("/account").form().fields)["csrf"]
    b.request("POST", "/signout", [("csrf", csrf)])
    walk.end("/signout", obj, **own)


def test_everything_done_on_a_page_is_in_the_record(stack, stage, admin):
    walk = Walk(stack)
    walk_forms(walk, admin)
    walk_people(walk, stack, admin)
    walk_tasks(walk, stack, admin)
    walk_operations(walk, stack, admin)
    walk_account(walk, stack)
    posts = {r["path"] for r in routes(stage) if r["method"] == "POST"}
    assert NO_STATE | NOTHING_YET <= posts
    assert walk.done == posts - NOTHING_YET, "a form without a line here: what does the record tell of it?"
