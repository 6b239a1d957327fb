"""Every form: filled in wrongly and rightly, changed, and what it made removed again; with scripts and without."""
import pytest
from browser import Browser
from places import table

# For each form: what it takes, what it refuses in a field, and what is changed later (None: what it makes is never changed).
FORMS = {
    "/people/users": ({"login": "t-walk", "first_name": "Wanda", "roles": ["crew"], "organization": "acme", "telegram-0-telegram_id": "880101"},
                      {"telegram-0-telegram_id": "4001"}, {"last_name": "Walker"}),
    "/people/groups": ({"name": "t-walk", "roles": ["crew", "few"]}, {"name": "on-call"}, {"name": "t-walked"}),
    "/people/roles": ({"name": "t-walk", "description": "walks"}, {"name": "crew"}, {"manages_tasks": True}),
    "/people/organizations": ({"name": "t-walk"}, {"name": "acme"}, {"name": "t-walked"}),
    "/people/invites": ({"days": "3", "note": "t-walk"}, {"days": "0"}, None),
    "/commands": ({"name": "t_walk", "kind": "exec", "program": "echo", "args": "hello\n{word}", "parameters-0-name": "word", "parameters-0-type": "text", "parameters-0-minimum": "1",
                   "grants-0-role": "crew"}, {"parameters-0-minimum": "many"}, {"description": "walks"}),
    "/commands/schedules": ({"name": "t-walk", "line": "/echo hello", "cron": "0 3 * * *", "user": "ada", "chat_id": "4001"}, {"cron": "0 25 * * *"},
                            {"cron": "0 4 * * *"}),
    "/alert-hooks": ({"name": "t-walk", "chat_id": "4001", "rate": "60"}, {"rate": "0"}, {"rate": "30"}),
    "/queues": ({"name": "t-walk", "concurrency": "2"}, {"concurrency": "0"}, {"concurrency": "3"}),
    "/administrators": ({"login": "ada", "people": "view"}, {"login": "nobody-of-that-name"}, {"people": "change"}),
}


@pytest.fixture(autouse=True)
def nothing_stays(stack):
    yield
    stack.sql("DELETE FROM app_user WHERE login LIKE 't-%'; DELETE FROM user_group WHERE name LIKE 't-%'; DELETE FROM role WHERE name LIKE 't-%'; "
              "DELETE FROM organization WHERE name LIKE 't-%'; DELETE FROM command WHERE name LIKE 't@_%' ESCAPE '@'; "
              "DELETE FROM schedule WHERE name LIKE 't-%'; DELETE FROM hook WHERE name LIKE 't-%'; DELETE FROM queue WHERE name LIKE 't-%'; DELETE FROM invite WHERE note = 't-walk'; "
              "DELETE FROM admin_permission WHERE user_id = (SELECT id FROM app_user WHERE login = 'ada')")


def test_every_form_is_walked():
    assert {r["path"][:-4] for r in table() if r["path"].endswith("/new") and r["method"] == "POST"} == set(FORMS)


def refused(chrome, judge, wrong, kept):
    """What is wrong is said beside its field, all that was typed is still there."""
    if chrome.script:
        judge.pass_(chrome, 422)
    assert "Nothing was saved" in chrome.find("#problem").text
    for name, value in wrong.items():
        assert chrome.error(name) and chrome.value(name) == value
    for name, value in kept.items():
        if name not in wrong and isinstance(value, str):
            assert chrome.value(name) == value, name


@pytest.mark.parametrize("path", FORMS)
def test_form(anyhow, judge, path):
    c, (right, wrong, change) = anyhow, FORMS[path]
    c.go(path).press("#new")
    assert c.path == path + "/new"
    c.fill({**right, **wrong}).press("#save")
    refused(c, judge, wrong, right)
    c.fill({name: right[name] for name in wrong}).press("#save")
    if change is None:
        if c.script:
            judge.pass_(c)
        return
    assert c.path.startswith(path + "/") and "was created" in c.find("#flash").text
    made = c.path
    if not any(c.has(f'[name="{name}"][readonly]') for name in wrong):
        c.fill(wrong).press("#save")
        assert all(c.error(name) and c.value(name) == value for name, value in wrong.items())
        c.fill({name: right[name] for name in wrong})
    c.fill(change).press("#save")
    assert c.path == made and "was saved" in c.find("#flash").text and c.has("#flash ins")
    c.press("#history")
    assert c.find("#history-list > li:first-child > p > strong").text == "changed" and c.find("#history-list > li:last-child > p > strong").text == "created"
    c.go(made).press("#delete")
    assert c.all("#depends li")
    c.press(f'main a[href^="{path}"]')
    assert c.path == made or c.path == path
    c.go(made).press("#delete").press("#remove")
    assert c.path == path and "was removed" in c.find("#flash").text
    assert "Not found" in c.go(made).text
    c.complaints()


@pytest.mark.parametrize("path", [p for p, (_, _, change) in FORMS.items() if change])
def test_empty_form_is_refused(admin, judge, path):
    """By the browser itself where it can tell, else by the server."""
    admin.go(path + "/new")
    needed = [e.get_attribute("name") for e in admin.all("#form [required]")]
    assert needed
    admin.touch("#save")
    assert admin.has(":focus:invalid") and not admin.has("#problem")
    admin.lax().press("#save")
    refused(admin, judge, {name: "" for name in needed if not admin.value(name)}, {})


def test_removing_says_what_depends_on_it(admin, judge, stack, running):
    assert running
    key = stack.sql("SELECT id FROM role WHERE name = 'crew'")[0][0]
    for said in ("people lose it", "grants of commands end"):
        assert said in admin.go(f"/people/roles/{key}/delete").find("#depends").text
    key = stack.sql("SELECT id FROM app_user WHERE login = 'ada'")[0][0]
    admin.go(f"/people/users/{key}/delete")
    for said in ("Telegram accounts become strangers", "tasks that run go on", "finished tasks stay", "invitations are worth nothing"):
        assert said in admin.find("#depends").text
    judge.pass_(admin)


def test_two_at_the_same_time(anyhow, judge, stack):
    """The second is told, sees both, and decides."""
    stack.sql("INSERT INTO organization (name) VALUES ('t-both')")
    key = stack.sql("SELECT id FROM organization WHERE name = 't-both'")[0][0]
    c = anyhow.go(f"/people/organizations/{key}")
    other = Browser(stack)
    assert other.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    assert "was saved" in other.send(other.get(f"/people/organizations/{key}").form(), name="t-theirs").flash
    c.set("name", "t-mine").press("#save")
    if c.script:
        judge.pass_(c, 409)
    assert "Nothing of it was overwritten" in c.find("#conflict").text and c.value("name") == "t-mine" and "t-theirs" in c.find(".theirs").text
    assert stack.count("organization", "name = 't-theirs'") == 1
    c.press("#save")
    assert "was saved" in c.find("#flash").text and stack.count("organization", "name = 't-mine'") == 1
    c.complaints()


def test_rows_of_a_table_in_a_form(anyhow):
    c = anyhow.go("/people/users/new")
    c.fill({"login": "t-walk", "telegram-0-telegram_id": "880101"})
    before = len(c.all("#telegram .line"))
    c.press("#telegram button[name=more_rows]")
    assert c.value("login") == "t-walk" and len(c.all("#telegram .line")) > before
    last = c.all("#telegram .line input")[-1].get_attribute("name")
    c.set(last, "880102").press("#save")
    assert "was created" in c.find("#flash").text
    c.set("telegram-0-remove", True).press("#save")
    assert "880101, 880102 → 880102" in c.find("#flash").text


def test_many_at_once(anyhow, stack):
    stack.sql("INSERT INTO app_user (login, first_name) VALUES ('t-one', 'One'), ('t-two', 'Two')")
    c = anyhow.go("/people/users?search=t-")
    for box in c.all("#list tbody input[name=id]"):
        box.click()
    c.set("action", "give_role").press("#go")
    assert len(c.all("#objects li")) == 2
    c.set("value", "few").press("#confirm")
    assert "2 got the role few" in c.find("#flash").text
    assert stack.count("user_role", "user_id IN (SELECT id FROM app_user WHERE login IN ('t-one', 't-two'))") == 2
    c.go("/people/users?search=t-").press("#go")
    assert "Nothing was ticked" in c.find("#flash").text


def test_in_with_one_click(anyhow, stack):
    stranger = stack.message(777002, "hello")
    stranger["from"].update(first_name="T", username="t-" + ("a" if anyhow.script else "b"))
    assert stack.post({"update_id": stack.number(), "message": stranger})[0] == 200
    assert stack.wait(lambda: stack.count("join_request", "telegram_id = 777002"))
    c = anyhow.go("/people/requests")
    c.set("value", "few").press('button[value="approve:777002"]')
    assert "Let in with the role few" in c.find("#flash").text
    assert stack.count("telegram_account", "telegram_id = 777002") == 1
    stack.sql("DELETE FROM app_user WHERE id = (SELECT user_id FROM telegram_account WHERE telegram_id = 777002); DELETE FROM join_request WHERE telegram_id = 777002")
