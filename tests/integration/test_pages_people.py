"""The pages of people: made, changed, refused, removed; two at once; lists; strangers, invitations, administrators."""
import re
import urllib.parse

import pytest
from browser import Browser

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace; DELETE FROM invite")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM app_user WHERE login ~ '^(t-|tg|many)' OR created_at > now() - interval '1 minute' AND login IN ('visitor', 'newcomer')")
    stack.sql("DELETE FROM user_group WHERE name LIKE 't-%'; DELETE FROM role WHERE name LIKE 't-%'; DELETE FROM organization WHERE name LIKE 't-%'; DELETE FROM invite")


@pytest.fixture
def helper(stack):
    """Makes another administrator with these permissions, signed in."""
    made = []

    def make(login, *permissions):
        stack.teleops("admin", "create", login, stdin=PASSWORD + "\n")
        made.append(login)
        stack.sql("DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = %s", (login,))
        for area, change in permissions:
            stack.sql("INSERT INTO admin_permission (user_id, area, can_change) SELECT id, %s, %s FROM app_user WHERE login = %s", (area, change, login))
        b = Browser(stack)
        stack.sql("DELETE FROM signin_pace")
        assert b.sign_in(login, PASSWORD).status == 303
        return b

    yield make
    for login in made:
        stack.sql("DELETE FROM app_user WHERE login = %s", (login,))


def key_of(stack, login):
    return stack.sql("SELECT id FROM app_user WHERE login = %s", (login,))[0][0]


def events(stack, obj):
    return stack.sql("SELECT action, detail, host(address), user_id, actor FROM audit_event WHERE object = %s ORDER BY id", (obj,))


def make_user(admin, login, **values):
    page = admin.send(admin.get("/people/users/new").form(), login=login, **values)
    assert page.status == 200 and re.fullmatch(r"/people/users/\d+", page.path), (page.path, page.errors(), page.problem)
    return page


# -- one object

def test_user_is_made_changed_and_removed(stack, admin):
    page = make_user(admin, "t-ann", first_name="  Ann ", roles=["crew", "few"], organization="acme", telegram__0__telegram_id="880001")
    assert "t-ann was created" in page.flash
    key = key_of(stack, "t-ann")
    assert stack.sql("SELECT u.first_name, o.name, u.enabled FROM app_user u JOIN organization o ON o.id = u.organization_id WHERE u.id = %s", (key,)) == [("Ann", "acme", True)]
    assert stack.sql("SELECT user_id FROM telegram_account WHERE telegram_id = 880001") == [(key,)]
    assert "/echo" in page.main
    page = admin.send(page.form(), last_name="Lee", roles=["crew"], telegram__1__telegram_id="880002")
    assert "last name : empty → Lee" in page.flash and "roles : crew, few → crew" in page.flash and "telegram ids : 880001 → 880001, 880002" in page.flash
    page = admin.send(page.form())
    assert "nothing changed" in page.flash
    page = admin.send(page.form(), telegram__0__remove="1")
    assert stack.sql("SELECT telegram_id FROM telegram_account WHERE user_id = %s", (key,)) == [(880002,)]
    history = admin.get(f"/people/users/{key}/history")
    assert "last name : empty → Lee" in history.main and "from 127.0.0.1" in history.main
    who = key_of(stack, "admin")
    assert [(e[0], e[2], e[3], e[4]) for e in events(stack, "user t-ann")] == [("created", "127.0.0.1", who, "manager")] + [("changed", "127.0.0.1", who, "manager")] * 2
    assert events(stack, "user t-ann")[1][1]["before"]["last_name"] == "" and events(stack, "user t-ann")[1][1]["after"]["last_name"] == "Lee"
    page = admin.get(f"/people/users/{key}/delete")
    assert "1 Telegram accounts become strangers again" in page.main
    page = admin.send(page.form(f"/people/users/{key}/delete"))
    assert page.path == "/people/users" and "t-ann was removed" in page.flash
    assert admin.get(f"/people/users/{key}").status == 404
    assert events(stack, "user t-ann")[-1][0] == "removed" and events(stack, "user t-ann")[-1][1]["before"]["last_name"] == "Lee"


@pytest.mark.parametrize("field, typed, said", [
    ("login", "Not Allowed", "begins with a letter or digit"),
    ("login", "", "is needed"),
    ("login", "x" * 65, "At most 64"),
    ("login", "ada", "another one of this name"),
    ("first_name", "y" * 65, "At most 64"),
    ("timezone", "Mars/Olympus", "no time zone"),
    ("locale", "english please", "At most 16|must be a language"),
    ("locale", "", "is needed"),
    ("telegram-0-telegram_id", "4001", "is ada's"),
    ("telegram-0-telegram_id", "-5", "above 0"),
    ("telegram-0-telegram_id", "12x", "whole number"),
    ("telegram-0-telegram_id", "99999999999999999999", "whole number"),
    ("organization", "no such", "not there any more"),
    ("roles", "no such", "not there any more"),
])
def test_user_form_refuses(stack, admin, field, typed, said):
    before = stack.count("app_user")
    form = admin.get("/people/users/new").form().set(login="t-bad", first_name="Kept")
    page = admin.send(form, **{field.replace("-", "__"): typed})
    assert page.status == 422 and stack.count("app_user") == before
    assert "Nothing was saved" in page.problem
    assert re.search(said, page.errors()[field]), page.errors()
    kept = dict(page.form().fields)
    assert kept["first_name"] == (typed if field == "first_name" else "Kept")
    if field not in ("roles", "organization"):
        assert kept[field] == typed.strip()


def test_telegram_account_cannot_be_given_twice(stack, admin):
    page = admin.send(admin.get("/people/users/new").form(), login="t-two", telegram__0__telegram_id="880003", telegram__1__telegram_id="880003")
    assert page.status == 422 and "twice" in page.errors()["telegram-1-telegram_id"]


def test_more_rows_without_script(stack, admin):
    page = admin.send(admin.get("/people/users/new").form(), login="t-rows", telegram__0__telegram_id="880004", more_rows="1")
    assert page.status == 200 and stack.count("app_user", "login = 't-rows'") == 0
    names = [n for n, _ in page.form().controls]
    assert "telegram-5-telegram_id" in names and dict(page.form().fields)["telegram-0-telegram_id"] == "880004" and dict(page.form().fields)["login"] == "t-rows"


def test_another_like_it(stack, admin):
    key = make_user(admin, "t-model", first_name="Model", roles=["few"], organization="acme", telegram__0__telegram_id="880005").path.split("/")[-1]
    page = admin.get(f"/people/users/{key}/clone")
    fields = page.form().fields
    assert ("roles", "few") in fields and dict(fields)["organization"] == "acme" and dict(fields)["login"] == "" and dict(fields)["telegram-0-telegram_id"] == ""
    page = admin.send(page.form(), login="t-copy")
    assert "was created" in page.flash
    assert stack.sql("SELECT count(*) FROM user_role x JOIN app_user u ON u.id = x.user_id JOIN role r ON r.id = x.role_id WHERE u.login = 't-copy' AND r.name = 'few'") == [(1,)]


def test_renaming_keeps_the_record(stack, admin):
    page = make_user(admin, "t-old", telegram__0__telegram_id="880006")
    page = admin.send(page.form(), login="t-new")
    assert "login : t-old → t-new" in page.flash
    assert [e[0] for e in events(stack, "user t-old")] == ["created", "renamed"]
    shown = admin.get(page.path + "/history").main
    assert "t-old → t-new" in shown and "created by" in shown, "what was done under the former name belongs to it"
    assert stack.count("telegram_account a JOIN app_user u ON u.id = a.user_id", "u.login = 't-new'") == 1


def test_second_of_two_editors_is_told(stack, admin, helper):
    page = make_user(admin, "t-both", first_name="Start")
    eve = helper("t-eve", ("people", True))
    mine, theirs = admin.get(page.path), eve.get(page.path)
    assert "was saved" in eve.send(theirs.form(), first_name="Theirs", last_name="Same").flash
    page = admin.send(mine.form(), first_name="Mine", last_name="Same")
    assert page.status == 409 and "t-eve saved a change" in page.problem and "Nothing of it was overwritten" in page.problem
    assert dict(page.form().fields)["first_name"] == "Mine" and "Saved meanwhile: Theirs" in page.main and page.main.count("Saved meanwhile") == 1
    assert stack.sql("SELECT first_name FROM app_user WHERE login = 't-both'") == [("Theirs",)]
    # Sent again, now with both seen, it counts.
    page = admin.send(page.form())
    assert "first name : Theirs → Mine" in page.flash
    # Removing what somebody changed meanwhile shows it once more.
    page = admin.get(page.path + "/delete")
    eve.send(eve.get(page.path[:-7]).form(), first_name="Again")
    page = admin.send(page.form(page.path), follow=False)
    assert page.status == 409 and stack.count("app_user", "login = 't-both'") == 1


def test_editing_what_is_gone(stack, admin):
    page = make_user(admin, "t-gone")
    stack.sql("DELETE FROM app_user WHERE login = 't-gone'")
    assert admin.send(page.form(), first_name="X").status == 404


@pytest.mark.parametrize("kind, table", [("groups", "user_group"), ("roles", "role"), ("organizations", "organization")])
def test_groups_roles_and_organizations(stack, admin, kind, table):
    page = admin.send(admin.get(f"/people/{kind}/new").form(), name="t-one")
    assert "t-one was created" in page.flash
    again = admin.send(admin.get(f"/people/{kind}/new").form(), name="t-one")
    assert again.status == 422 and "another one of this name" in again.errors()["name"]
    assert "is needed" in admin.send(admin.get(f"/people/{kind}/new").form(), name="  ").errors()["name"]
    page = admin.send(page.form(), name="t-two")
    assert "name : t-one → t-two" in page.flash
    assert "t-two" in admin.get(f"/people/{kind}?search=T-TW").main and "Nothing fits" in admin.get(f"/people/{kind}?search=%25zz").main
    history = admin.get(page.path + "/history")
    assert "t-one → t-two" in history.main and "created by" in history.main
    # What another one does that takes the name that became free is not its history.
    another = admin.send(admin.get(f"/people/{kind}/new").form(), name="t-one")
    assert admin.get(page.path + "/history").main.count("created by") == 1
    admin.send(admin.get(another.path + "/delete").form(another.path + "/delete"))
    page = admin.send(admin.get(page.path + "/delete").form(page.path + "/delete"))
    assert "was removed" in page.flash and stack.count(table, "name LIKE 't-%%'") == 0


def test_what_depends_on_a_role_is_told(stack, admin):
    role = admin.send(admin.get("/people/roles/new").form(), name="t-role", description="for a test", manages_tasks="1").path
    admin.send(admin.get("/people/groups/new").form(), name="t-group", roles=["t-role"])
    page = make_user(admin, "t-member", roles=["t-role"], groups=["t-group"])
    stack.sql("INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 't-role' AND c.name = 'echo'")
    main = admin.get(role + "/delete").main
    assert "1 people lose it" in main and "1 groups lose it" in main and "1 grants of commands end" in main
    admin.send(admin.get(role + "/delete").form(role + "/delete"))
    page = admin.get(page.path)
    assert "nothing yet" in page.main


# -- lists

def test_paging_shows_everyone_once_both_ways(stack, admin):
    stack.sql("INSERT INTO app_user (login, first_name, last_name, created_at) SELECT 'many' || lpad(n::text, 3, '0'), 'First' || (n % 3), 'Last' || (n % 7),"
              " now() - n % 5 * interval '40 days' FROM generate_series(1, 130) n")
    for sort, order in (("login", "login, id"), ("-login", "login DESC, id DESC"), ("name", "last_name, first_name, id"), ("-created", "created_at DESC, id DESC")):
        wanted = [r[0] for r in stack.sql(f"SELECT login FROM app_user WHERE login LIKE 'many%%' ORDER BY {order}")]
        page = admin.get(f"/people/users?search=many&sort={sort}")
        there, pages = [], []
        for _ in range(5):
            logins = re.findall(r'<td><a href="/people/users/\d+">([^<]+)</a>', page.text)
            there += logins
            pages.append(logins)
            following = [x for x in re.findall(r'href="([^"]+)" rel="next"', page.text)]
            if not following:
                break
            page = admin.get(following[0].replace("&amp;", "&"))
        assert there == wanted, sort
        assert [len(p) for p in pages] == [50, 50, 30]
        for expected in reversed(pages[:-1]):
            back = re.findall(r'href="([^"]+)" rel="prev"', page.text)[0].replace("&amp;", "&")
            page = admin.get(back)
            assert re.findall(r'<td><a href="/people/users/\d+">([^<]+)</a>', page.text) == expected
        assert 'rel="prev"' not in page.text
        assert f"/people/users?search=many&sort={sort}" in page.links()
    # A row that goes in between moves nobody to another page.
    page = admin.get("/people/users?search=many")
    following = re.findall(r'href="([^"]+)" rel="next"', page.text)[0].replace("&amp;", "&")
    stack.sql("DELETE FROM app_user WHERE login = 'many010'")
    assert re.findall(r'<td><a href="/people/users/\d+">([^<]+)</a>', admin.get(following).text)[0] == "many051"


def test_search_and_filters(stack, admin):
    make_user(admin, "t-find", first_name="Zacharias", last_name="O'Neil_50%", roles=["few"], organization="acme", groups=["on-call"], telegram__0__telegram_id="880010")
    stack.sql("UPDATE telegram_account SET username = 'ZachTele', name = 'Zach' WHERE telegram_id = 880010")

    def found(query):
        return re.findall(r'<td><a href="/people/users/\d+">([^<]+)</a>', admin.get("/people/users?" + urllib.parse.urlencode(query)).text)

    for word in ("zacharias", "ACHARI", "o'neil_50%", "zachtele", "880010", "t-find"):
        assert found({"search": word}) == ["t-find"], word
    assert "t-find" in found({"search": "za"}), "two letters are looked for where words begin"
    assert found({"search": "%"}) == [] and found({"search": "zach_rias"}) == []
    assert found({"search": "zacharias", "role": "few"}) == ["t-find"] and found({"search": "zacharias", "role": "boss"}) == []
    assert "t-find" in found({"group": "on-call"}) and "t-find" in found({"organization": "acme"}) and found({"organization": "none such"}) == []
    assert "t-find" in found({"role": "operator"}), "by the group"
    assert found({"search": "t-find", "enabled": "false"}) == [] and found({"search": "t-find", "enabled": "true"}) == ["t-find"]
    year = stack.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY')")[0][0]
    day = stack.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")[0][0]
    page = admin.get("/people/users?role=few")
    assert f"/people/users?role=few&date={year}" in page.links()
    assert found({"search": "t-find", "date": day}) == ["t-find"] and found({"search": "t-find", "date": "1999"}) == []
    assert f"/people/users?date={day}" in admin.get(f"/people/users?date={day[:7]}").links()
    # What was asked for is still chosen.
    fields = dict(admin.get("/people/users?search=x%22y&role=few&enabled=false").form("filters").fields)
    assert (fields["search"], fields["role"], fields["enabled"]) == ('x"y', "few", "false")


def test_actions_on_several(stack, admin):
    keys = [make_user(admin, f"t-act{n}").path.split("/")[-1] for n in range(3)]
    listed = admin.get("/people/users?search=t-act")
    page = admin.send(listed.form("list"), action="disable", id=keys)
    assert "Switch access off for these?" in page.main and all(f"t-act{n}" in page.main for n in range(3))
    assert stack.count("app_user", "login LIKE 't-act%%' AND NOT enabled") == 0, "nothing happens before it is confirmed"
    page = admin.send(page.form())
    assert page.path == "/people/users?search=t-act" and "switched off for 3" in page.flash
    assert stack.count("app_user", "login LIKE 't-act%%' AND NOT enabled") == 3
    page = admin.send(admin.get("/people/users?search=t-act").form("list"), action="give_role", id=keys[:2])
    page = admin.send(page.form(), value="few")
    assert "2 got the role few" in page.flash
    page = admin.send(admin.send(admin.get("/people/users").form("list"), action="take_role", id=keys).form(), value="few")
    assert "2 lost the role few" in page.flash
    assert "Nothing was ticked" in admin.send(admin.get("/people/users").form("list"), action="disable").flash
    assert admin.send(admin.get("/people/users").form("list"), action="destroy", id=keys).status == 400
    assert [e[0] for e in events(stack, "user t-act0")] == ["created", "changed", "changed", "changed"]


def test_switching_access_off_cancels_what_waits(stack, admin):
    page = make_user(admin, "t-busy", roles=["crew"], telegram__0__telegram_id="880020")
    stack.sim.call("/sim/start", {"people": [880020]})
    stack.post({"update_id": stack.number(), "message": stack.message(880020, "/far hello")})
    assert stack.wait(lambda: stack.count("task", "telegram_id = 880020"))
    task = stack.sql("SELECT id FROM task WHERE telegram_id = 880020")[0][0]
    page = admin.send(page.form(), enabled=None)
    assert "enabled : true → false" in page.flash
    assert stack.sql("SELECT state, reason FROM task_history WHERE id = %s", (task,)) == [("cancelled", "access of t-busy ended")]
    assert stack.wait(lambda: any(f"Task {task} was cancelled before it ran" in m.get("text", "") for m in stack.sim.messages(880020)))


# -- strangers

def stranger(stack, number, name="Visitor", username="visitor"):
    stack.sim.call("/sim/start", {"people": [number]})
    message = stack.message(number, "hello there")
    message["from"].update(first_name=name, username=username)
    stack.post({"update_id": stack.number(), "message": message})
    assert stack.wait(lambda: stack.count("join_request", f"telegram_id = {number}"))


def test_stranger_is_let_in_with_one_click(stack, admin):
    stranger(stack, 880030)
    page = admin.get("/people/requests")
    assert "Visitor" in page.main and re.search(r'class="badge"[^>]*>1<', page.text)
    page = admin.send(page.form("list"), one="approve:880030", value="crew")
    assert "Let in with the role crew : visitor" in page.flash.replace("  ", " ")
    assert stack.sql("SELECT u.login, u.first_name, r.name FROM app_user u JOIN user_role x ON x.user_id = u.id JOIN role r ON r.id = x.role_id"
                     " JOIN telegram_account a ON a.user_id = u.id WHERE a.telegram_id = 880030") == [("visitor", "Visitor", "crew")]
    assert stack.sql("SELECT state, decided_by FROM join_request WHERE telegram_id = 880030") == [("approved", key_of(stack, "admin"))]
    assert stack.wait(lambda: any("You have been let in" in m.get("text", "") for m in stack.sim.messages(880030)))
    stack.post({"update_id": stack.number(), "message": stack.message(880030, "/echo hi")})
    assert stack.wait(lambda: any(m.get("text") == "hi" for m in stack.sim.messages(880030)))
    assert "Nobody waits" in admin.get("/people/requests").main
    # Somebody else's click a moment later changes nothing.
    page = admin.send(admin.get("/people/requests?state=approved").form("list"), one="refuse:880030")
    assert "somebody else decided" in page.flash and stack.count("app_user", "login = 'visitor' AND enabled") == 1


def test_stranger_is_refused_and_may_be_let_in_later(stack, admin):
    stranger(stack, 880031, username="ada")
    page = admin.send(admin.get("/people/requests").form("list"), one="refuse:880031")
    assert "Refused: Visitor" in page.flash
    assert stack.sql("SELECT state FROM join_request WHERE telegram_id = 880031") == [("refused",)]
    assert events(stack, "stranger 880031")[0][0] == "refused"
    page = admin.get("/people/requests?state=refused")
    assert "Visitor" in page.main
    page = admin.send(page.form("list"), one="approve:880031")
    # The login ada is somebody else's.
    assert stack.sql("SELECT u.login FROM app_user u JOIN telegram_account a ON a.user_id = u.id WHERE a.telegram_id = 880031") == [("tg880031",)]


def test_several_strangers_at_once(stack, admin):
    for n in (880032, 880033):
        stranger(stack, n, f"V{n}", "")
    page = admin.send(admin.get("/people/requests").form("list"), action="approve", id=["880032", "880033"])
    assert "Let these in?" in page.main
    page = admin.send(page.form(), value="few")
    assert stack.count("user_role x JOIN app_user u ON u.id = x.user_id", "u.login IN ('tg880032', 'tg880033')") == 2


# -- invitations

def invite(admin, **values):
    page = admin.send(admin.get("/people/invites/new").form(), **values)
    assert page.status == 200, page.errors()
    return re.search(r'id="start">/start ([^<]+)<', page.text)[1], page


def start(stack, who, token, username="newcomer", chat_type=None):
    stack.sim.call("/sim/start", {"people": [who]})
    message = stack.message(who, f"/start {token}")
    message["from"].update(first_name="New", last_name="Comer", username=username)
    if chat_type:
        message["chat"] = {"id": -100500, "type": chat_type, "title": "g"}
    update = {"update_id": stack.number(), "message": message}
    stack.post(update)
    return update


def answers(stack, who):
    return [m.get("text", "") for m in stack.sim.messages(who)]


def test_invitation_makes_a_new_person(stack, admin):
    assert stack.wait(lambda: stack.count("bot_status", "username <> ''"), 60)
    token, page = invite(admin, role="crew", note="for the newcomer", days="3")
    assert "only place" in page.main and "<svg" in page.text
    name = stack.sql("SELECT username FROM bot_status")[0][0]
    assert f"https://t.me/{name}?start={token}" in page.links() and len(token) == 43
    assert stack.count("invite", "token_hash = sha256(%s)", (token.encode(),)) == 1
    assert token not in admin.get("/people/invites").text and "for the newcomer" in admin.get("/people/invites").main
    update = start(stack, 880040, token)
    assert stack.wait(lambda: any("Welcome, New Comer" in t for t in answers(stack, 880040))), answers(stack, 880040)
    assert stack.sql("SELECT u.login, r.name FROM app_user u JOIN telegram_account a ON a.user_id = u.id JOIN user_role x ON x.user_id = u.id"
                     " JOIN role r ON r.id = x.role_id WHERE a.telegram_id = 880040") == [("newcomer", "crew")]
    # Delivered again, as Telegram may; and tried by somebody else, to whom it is worth nothing.
    stack.post(update)
    start(stack, 880041, token)
    assert stack.wait(lambda: any("not valid" in t for t in answers(stack, 880041)))
    assert len(answers(stack, 880040)) == 1 and stack.count("telegram_account", "telegram_id = 880041") == 0
    assert stack.count("join_request", "telegram_id = 880041") == 1
    assert "used" in admin.get("/people/invites?state=used").main and "880040" in admin.get("/people/invites?state=used").main
    assert ("invitation used", "bot") in [(e[0], e[4]) for e in events(stack, "user newcomer")]


def test_invitation_for_a_known_person_links_the_account(stack, admin):
    page = make_user(admin, "t-inv")
    assert dict(admin.get(page.links("invites/new")[0]).form().fields)["login"] == "t-inv"
    token, _ = invite(admin, login="t-inv", role="few")
    # An account that is somebody's already stays theirs, and the invitation stays good.
    start(stack, 4001, token)
    assert stack.wait(lambda: any("not valid" in t for t in answers(stack, 4001)))
    assert stack.count("telegram_account a JOIN app_user u ON u.id = a.user_id", "a.telegram_id = 4001 AND u.login = 'ada'") == 1
    start(stack, 880042, token)
    assert stack.wait(lambda: any("This account is yours" in t for t in answers(stack, 880042)))
    assert stack.count("telegram_account a JOIN app_user u ON u.id = a.user_id", "a.telegram_id = 880042 AND u.login = 't-inv'") == 1


def test_invitations_end(stack, admin):
    late, _ = invite(admin)
    stack.sql("UPDATE invite SET expires_at = now() - interval '1 second'")
    back, page = invite(admin)
    number = re.search(r"Invitation #(\d+)", page.main)[1]
    group, _ = invite(admin)
    assert "expired" in admin.get("/people/invites?state=over").main
    page = admin.get(f"/people/invites/{number}/delete")
    assert "worth nothing" in page.main
    admin.send(page.form(f"/people/invites/{number}/delete"))
    for token in (late, back):
        start(stack, 880043, token)
    start(stack, 880044, group, chat_type="group")
    assert stack.wait(lambda: any("not valid" in t for t in answers(stack, 880043)))
    assert stack.settled()
    assert stack.count("telegram_account", "telegram_id IN (880043, 880044)") == 0
    assert stack.count("invite", "used_at IS NOT NULL") == 0, "a token said aloud in a group is not taken"


@pytest.mark.parametrize("values, field", [({"login": "nobody-such"}, "login"), ({"login": "gone"}, "login"), ({"days": "0"}, "days"), ({"days": "91"}, "days"), ({"days": ""}, "days"),
                                           ({"role": "no such"}, "role"), ({"note": "n" * 201}, "note")])
def test_invitation_form_refuses(stack, admin, values, field):
    page = admin.send(admin.get("/people/invites/new").form(), **values)
    assert page.status == 422 and field in page.errors() and stack.count("invite") == 0


# -- administrators

def test_administrator_is_made_and_removed(stack, admin):
    make_user(admin, "t-adm")
    key = key_of(stack, "t-adm")
    page = admin.send(admin.get(f"/administrators/new?from={key}").form(), people="change", audit="view")
    assert "t-adm was created" in page.flash and page.path == f"/administrators/{key}"
    assert stack.sql("SELECT area, can_change FROM admin_permission WHERE user_id = %s ORDER BY 1", (key,)) == [("audit", False), ("people", True)]
    page = admin.send(page.form(), people="view", audit="", tasks="change")
    assert "people : change → view" in page.flash and "audit : view → empty" in page.flash
    assert "Choose at least one" in admin.send(page.form(), people="", tasks="").problem
    assert "no user of this login" in admin.send(admin.get("/administrators/new").form(), login="nobody-such", people="view").errors()["login"]
    assert "already" in admin.send(admin.get("/administrators/new").form(), login="t-adm", people="view").errors()["login"]
    page = admin.get(f"/administrators/{key}/delete")
    assert "The person stays" in page.main
    admin.send(page.form(f"/administrators/{key}/delete"))
    assert stack.count("admin_permission", f"user_id = {key}") == 0 and stack.count("app_user", f"id = {key} AND password_hash IS NULL") == 1
    assert [e[0] for e in events(stack, "administrator t-adm")] == ["created", "changed", "removed"]


def test_nobody_lifts_themselves(stack, admin, helper):
    low = helper("t-low", ("administrators", True), ("people", True))
    own, full = key_of(stack, "t-low"), key_of(stack, "admin")
    page = low.get(f"/administrators/{own}")
    assert "This is yourself" in page.main
    assert low.send(page.form(), everything="change").status == 422
    # Nor by another hand: no more than one has, nobody who has more.
    make_user(admin, "t-puppet")
    page = low.send(low.get("/administrators/new").form(), login="t-puppet", everything="change")
    assert page.status == 422 and "more than you may" in page.main
    page = low.send(low.get("/administrators/new").form(), login="t-puppet", commands="view")
    assert page.status == 422 and "more than you may" in page.errors()["commands"]
    assert low.send(low.get("/administrators/new").form(), login="t-puppet", people="view").status == 200
    csrf = dict(low.get("/account").form().fields)["csrf"]
    for what in ("password", "totp", "sessions"):
        page = low.request("POST", f"/administrators/{full}/reset", [("csrf", csrf), ("what", what)])
        assert page.status == 409 and "may do more than you" in page.main
    assert low.send(low.get(f"/administrators/{full}").form(), everything="", people="view").status == 422
    assert low.request("POST", f"/administrators/{full}/delete", [("csrf", csrf), ("version", stack.sql("SELECT version FROM app_user WHERE id = %s", (full,))[0][0])]).status == 409
    # Nor by the pages of people: an administrator's access and login are not theirs.
    form = low.get(f"/people/users/{full}").form()
    assert "may do more than you" in low.send(form, enabled=None).errors()["enabled"]
    assert "may do more than you" in low.send(low.get(f"/people/users/{full}").form(), login="t-adminx").errors()["login"]
    assert "may do more than you" in low.get(f"/people/users/{full}/delete").main
    page = low.send(low.send(low.get("/people/users").form("list"), action="disable", id=[str(full), str(own)]).form())
    assert "Nobody's access" in page.flash and "Left as they were: admin, t-low" in page.flash
    assert stack.count("app_user", f"id IN ({full}, {own}) AND enabled") == 2
    assert stack.count("admin_permission", f"user_id = {own} AND area = '*'") == 0


def test_last_full_administrator_stays(stack, admin, helper):
    full = key_of(stack, "admin")
    other = helper("t-other", ("*", True))
    # With two, one may be lowered by the other; the last may not, by nobody.
    page = other.send(other.get(f"/administrators/{full}").form(), everything="view")
    assert page.status == 200 and "was saved" in page.flash
    own = key_of(stack, "t-other")
    assert "/administrators" in admin.get("/").text and admin.get(f"/administrators/{own}/delete").status == 403
    third = helper("t-third", ("*", True))
    stack.sql("UPDATE app_user SET password_hash = NULL WHERE login = 't-third'")
    assert third.get("/").status == 303
    stack.sql("UPDATE admin_permission SET can_change = true WHERE user_id = %s", (full,))
    stack.sql("UPDATE app_user SET enabled = false WHERE login = 't-other'")
    # Now admin is the only one who may do all and can sign in.
    assert stack.sql("SELECT admin_is_last(%s)", (full,)) == [(True,)]
    for form, values in ((admin.get(f"/administrators/{full}").form(), {"everything": ""}), (admin.get(f"/people/users/{full}").form(), {"enabled": None})):
        assert admin.send(form, **values).status == 422
    assert "yourself" in admin.get(f"/people/users/{full}/delete").main
    assert stack.sql("SELECT admin_untouchable(jsonb_build_object('user', (SELECT id FROM app_user WHERE login = 't-third')), %s)", (full,)) == [("last_administrator",)]
    # From the command line access can be given back in any case.
    stack.sql("UPDATE app_user SET enabled = true WHERE login = 't-other'")


def test_two_who_lower_each_other_do_not_both_succeed(stack, admin, helper):
    one, two = helper("t-one", ("*", True)), helper("t-two", ("*", True))
    stack.sql("UPDATE admin_permission SET can_change = false WHERE user_id = %s", (key_of(stack, "admin"),))
    a, b = key_of(stack, "t-one"), key_of(stack, "t-two")
    first, second = one.get(f"/administrators/{b}").form(), two.get(f"/administrators/{a}").form()
    import threading
    results = []
    threads = [threading.Thread(target=lambda w=w, f=f: results.append(w.send(f, follow=False, everything="view").status)) for w, f in ((one, first), (two, second))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stack.sql("UPDATE admin_permission SET can_change = true WHERE user_id = %s", (key_of(stack, "admin"),))
    left = stack.count("admin_permission", f"user_id IN ({a}, {b}) AND area = '*' AND can_change")
    assert left == 1, results
