"""The pages of commands: made, changed, cloned, refused, removed; their parameters and grants; what teleops apply would say too."""
import json

import pytest
from browser import Browser


@pytest.fixture
def admin(stack):
    stack.sql("DELETE FROM signin_pace")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    yield b
    stack.sql("DELETE FROM command WHERE name LIKE 't\\_%'; DELETE FROM schedule WHERE name LIKE 't-%'; DELETE FROM queue WHERE name LIKE 't-%'")


def exported(stack, section, name):
    done = stack.teleops("export")
    assert done.returncode == 0, done.stderr
    return next((o for o in json.loads(done.stdout)[section] if o["name"] == name), None)


def grants(stack, command):
    done = json.loads(stack.teleops("export").stdout)
    return [{k: v for k, v in g.items() if k != "command"} for g in done["grants"] if g["command"] == command]


def key_of(stack, name):
    return stack.sql("SELECT id FROM command WHERE name = %s", (name,))[0][0]


def make(admin, name, follow=True, **values):
    values = {"kind": "exec", "program": "echo", **values}
    page = admin.send(admin.get("/commands/new").form(), follow=follow, name=name, **values)
    assert page.status == (200 if follow else 303), (page.errors(), page.problem)
    return page


def test_command_is_made_as_apply_would(stack, admin):
    page = make(admin, "t_restart", description="Restarts a service", args="--env\n{env}", dangerous="1", timeout_s="90", queue="t-web",
                parameters__0__name="env", parameters__0__type="choice", parameters__0__choices="prod\nstaging", parameters__0__required="1",
                grants__0__role="crew", grants__0__constraints="env=staging")
    assert "t_restart was created" in page.flash and "/t_restart <env>" in page.main
    # Another parameter, put in front; a second grant.
    page = admin.send(page.form(), args="--env\n{env}\n{service}", parameters__1__name="service", parameters__1__type="text", parameters__1__required="1", parameters__1__minimum="2",
                      parameters__1__place="0", grants__1__role="few", grants__1__chat_id="-100", descriptions__0__language="de", descriptions__0__text="Neu starten")
    assert "t_restart was saved" in page.flash, (page.errors(), page.problem)
    assert exported(stack, "commands", "t_restart") == {
        "name": "t_restart", "kind": "exec", "program": "echo", "args": ["--env", "{env}", "{service}"], "description": "Restarts a service",
        "descriptions": {"de": "Neu starten"}, "dangerous": True, "timeout_s": 90, "queue": "t-web", "parameters": [
            {"name": "service", "type": "text", "required": True, "minimum": 2},
            {"name": "env", "type": "choice", "choices": ["prod", "staging"], "required": True}]}
    assert grants(stack, "t_restart") == [{"role": "crew", "constraints": {"env": ["staging"]}}, {"role": "few", "chat_id": -100}]
    fields = dict(page.form().fields)
    assert fields["parameters-0-name"] == "service" and fields["parameters-0-place"] == "1" and fields["grants-1-chat_id"] == "-100"
    # What is exported from it changes nothing when it is applied.
    document = {"commands": [exported(stack, "commands", "t_restart")]}
    done = stack.teleops("apply", "-", "--dry-run", stdin=json.dumps(document))
    assert done.returncode == 0 and "nothing to change" in done.stdout
    assert "nothing changed" in admin.send(page.form()).flash
    page = admin.send(admin.get(page.path).form(), grants__0__remove="1")
    assert grants(stack, "t_restart") == [{"role": "few", "chat_id": -100}]
    history = admin.get(page.path + "/history").main
    assert "grants : crew (env=staging), few in chat -100 → few in chat -100" in history and "from 127.0.0.1" in history


def test_statement_and_request(stack, admin):
    page = make(admin, "t_sql", kind="sql", program="", connection="teleapp", statement="SELECT name FROM host WHERE env = {env}", writes="1", row_limit="20",
                parameters__0__name="env", parameters__0__type="text", parameters__0__required="1", grants__0__role="crew")
    assert exported(stack, "commands", "t_sql") == {"name": "t_sql", "kind": "sql", "connection": "teleapp", "statement": "SELECT name FROM host WHERE env = {env}", "writes": True,
                                                    "row_limit": 20, "parameters": [{"name": "env", "type": "text", "required": True}]}
    assert "nothing changed" in admin.send(page.form()).flash
    assert "SELECT name FROM host" in verdict(admin, user="ada", line="/t_sql prod")[1]
    page = admin.send(page.form(), statement="SELECT {nothing}")
    assert "no parameter for {nothing}" in page.errors()["statement"]
    page = admin.send(admin.get("/commands/new").form(), name="t_bad", kind="exec", program="echo", row_limit="5", headers="Accept", body="{")
    assert "means nothing for kind exec" in page.errors()["row_limit"] and "as Accept: application/json" in page.errors()["headers"] and "no JSON" in page.errors()["body"]
    request = {"name": "t_http", "kind": "http", "connection": "web", "path": "/hosts/{env}", "method": "POST", "headers": {"X-Of": "{env}"}, "expect": [200, 404],
               "body": {"env": ["{env}"]}, "pointer": "/state", "parameters": [{"name": "env", "type": "text", "required": True}]}
    stack.apply({"commands": [request]})
    page = admin.get(f"/commands/{key_of(stack, 't_http')}")
    assert "nothing changed" in admin.send(page.form()).flash
    page = admin.send(page.form(), expect="200\nfine")
    assert "Line 2" in page.errors()["expect"]


def test_lines_keep_what_they_were(stack, admin):
    """An argument of several lines is kept while it is not touched."""
    stack.apply({"commands": [{"name": "t_lines", "kind": "exec", "program": "echo", "args": ["one\ntwo", "  three", ""]}]})
    page = admin.get(f"/commands/{key_of(stack, 't_lines')}")
    page = admin.send(page.form(), description="Changed")
    assert "description" in page.flash and exported(stack, "commands", "t_lines")["args"] == ["one\ntwo", "  three", ""]


@pytest.mark.parametrize("typed, field, said", [
    ({"name": "T Bad"}, "name", "may only hold"),
    ({"name": "1bad"}, "name", "begin with a letter"),
    ({"name": "help"}, "name", "built in"),
    ({"name": "echo"}, "name", "another one of this name"),
    ({"name": "x" * 33}, "name", "At most 32"),
    ({"kind": ""}, "kind", "is needed"),
    ({"program": ""}, "program", "needs one"),
    ({"program": "../sh"}, "program", "within exec_dir"),
    ({"kind": "text"}, "template", "needs one"),
    ({"args": "fine\n{nothing}"}, "args", "Line 2: there is no parameter for {nothing}"),
    ({"timeout_s": "0"}, "timeout_s", "from 1 to 604800"),
    ({"timeout_s": "soon"}, "timeout_s", "whole number"),
    ({"queue": "No Queue"}, "queue", "may only hold"),
    ({"approvals": "2"}, "approvers", "need a role"),
    ({"parameters__0__name": "n"}, "parameters-0-type", "is needed"),
    ({"parameters__0__name": "n", "parameters__0__type": "choice"}, "parameters-0-choices", "needs some"),
    ({"parameters__0__name": "n", "parameters__0__type": "integer", "parameters__0__minimum": "9", "parameters__0__maximum": "1"}, "parameters-0-minimum", "above the maximum"),
    ({"parameters__0__name": "n", "parameters__0__type": "integer", "parameters__0__minimum": "few"}, "parameters-0-minimum", "must be a number"),
    ({"parameters__0__name": "n", "parameters__0__type": "duration", "parameters__0__maximum": "long"}, "parameters-0-maximum", "a duration"),
    ({"parameters__0__name": "n", "parameters__0__type": "pattern", "parameters__0__pattern": "("}, "parameters-0-pattern", "missing closing"),
    ({"parameters__0__name": "n", "parameters__0__type": "integer", "parameters__0__default": "x"}, "parameters-0-default", "whole number"),
    ({"parameters__0__name": "n", "parameters__0__type": "user", "parameters__0__default": "nobody-here"}, "parameters-0-default", "no user"),
    ({"args": "{n}", "parameters__0__name": "n", "parameters__0__type": "text", "parameters__0__secret": "1"}, "args", "secret"),
    ({"parameters__0__name": "n", "parameters__0__type": "choice", "parameters__0__choices_from": "echo"}, "parameters-0-choices_from", "it has parameters"),
    ({"grants__0__role": "nobody"}, "grants-0-role", "no role"),
    ({"grants__0__role": "crew", "grants__0__constraints": "env"}, "grants-0-constraints", "as env=staging"),
    ({"grants__0__role": "crew", "grants__0__constraints": "env=prod"}, "grants-0-constraints", "no parameter"),
    ({"grants__0__role": "crew", "grants__1__role": "crew"}, "grants-1-role", "stands here twice"),
])
def test_form_refuses_beside_the_field(stack, admin, typed, field, said):
    before = stack.count("command")
    page = admin.send(admin.get("/commands/new").form(), **{"name": "t_bad", "kind": "exec", "program": "echo", "description": "Kept", **typed})
    assert page.status == 422 and stack.count("command") == before and stack.count("queue", "name = 'No Queue'") == 0
    assert "Nothing was saved" in page.problem and said in page.errors().get(field, ""), (page.errors(), page.problem)
    assert dict(page.form().fields)["description"] == "Kept"


def test_a_grant_at_certain_hours_and_an_answer_for_one_alone(stack, admin):
    page = make(admin, "t_shift", grants__0__role="crew", grants__0__hours="mon-fri 08:00-18:00", grants__0__timezone="Europe/Berlin", answer="private")
    assert grants(stack, "t_shift") == [{"role": "crew", "hours": "mon-fri 08:00-18:00", "timezone": "Europe/Berlin"}]
    assert exported(stack, "commands", "t_shift")["answer"] == "private"
    fields = dict(page.form().fields)
    assert fields["grants-0-hours"] == "mon-fri 08:00-18:00" and fields["grants-0-timezone"] == "Europe/Berlin"
    assert "nothing changed" in admin.send(page.form()).flash
    refused = admin.send(page.form(), grants__0__hours="8-18")
    assert refused.status == 422 and "is not understood" in refused.errors()["grants-0-hours"]
    page = admin.send(page.form(), grants__0__hours="", grants__0__timezone="", answer="chat")
    assert grants(stack, "t_shift") == [{"role": "crew"}]
    assert "answer" not in exported(stack, "commands", "t_shift")


def test_all_errors_at_once(stack, admin):
    """What the form finds and what apply would say, in one go; rows stay in the order they were typed in."""
    page = admin.send(admin.get("/commands/new").form(), name="t_bad", kind="exec", program="a/b", args="{x}", timeout_s="soon",
                      parameters__0__name="n", parameters__0__place="9", parameters__1__name="m", parameters__1__type="pattern", parameters__1__place="1",
                      grants__0__constraints="x", grants__0__chat_id="-5")
    assert page.status == 422
    assert set(page.errors()) == {"program", "args", "timeout_s", "parameters-0-type", "parameters-1-pattern", "grants-0-role", "grants-0-constraints"}, page.errors()
    assert page.errors()["timeout_s"] == "This must be a whole number."


def test_another_like_it_and_new_name(stack, admin):
    key = key_of(stack, "typed")
    page = admin.get(f"/commands/{key}/clone")
    assert dict(page.form().fields)["name"] == "" and dict(page.form().fields)["parameters-3-choices"] == "prod\nstaging"
    page = admin.send(page.form(), name="t_typed")
    one, other = exported(stack, "commands", "typed"), exported(stack, "commands", "t_typed")
    assert {**one, "name": ""} == {**other, "name": ""} and grants(stack, "t_typed") == [{"role": "crew"}]
    page = admin.send(page.form(), name="t_other")
    assert "name : t_typed → t_other" in page.flash and "name : t_typed → t_other" in admin.get(page.path + "/history").main


def test_second_of_two_editors_is_told(stack, admin):
    page = make(admin, "t_both")
    other = Browser(stack)
    other.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"])
    mine, theirs = admin.get(page.path), other.get(page.path)
    # Grants alone count too.
    assert "was saved" in other.send(theirs.form(), grants__0__role="crew").flash
    page = admin.send(mine.form(), description="Mine")
    assert page.status == 409 and "saved a change" in page.problem and "Saved meanwhile: crew" in page.main
    assert exported(stack, "commands", "t_both").get("description") is None
    assert "was saved" in admin.send(page.form()).flash


def test_schedules_must_stay_runnable(stack, admin):
    page = make(admin, "t_timed", args="{word}", parameters__0__name="word", parameters__0__type="text", parameters__0__required="1", grants__0__role="crew")
    stack.apply({"schedules": [{"name": "t-nightly", "line": "/t_timed word", "cron": "0 3 * * *", "user": "ada", "chat_id": 4001}]})
    assert stack.sql("SELECT args FROM schedule WHERE name = 't-nightly'") == [({"word": "word"},)]
    page = admin.send(admin.get(page.path).form(), parameters__0__type="integer")
    assert page.status == 422 and "t-nightly could not run any more" in page.problem and "whole number" in page.problem
    assert exported(stack, "commands", "t_timed")["parameters"][0]["type"] == "text"
    page = admin.send(page.form(), parameters__0__type="choice", parameters__0__choices="word\nother")
    assert "was saved" in page.flash
    assert stack.sql("SELECT s.args, s.command_version = c.version FROM schedule s JOIN command c ON c.id = s.command_id WHERE s.name = 't-nightly'") == [({"word": "word"}, True)]
    page = admin.get(page.path + "/delete")
    assert "1 schedules end" in page.main and "1 grants of commands end" in page.main
    assert "t_timed was removed" in admin.send(page.form(page.path)).flash and stack.count("schedule", "name = 't-nightly'") == 0


def test_source_of_choices_stays(stack, admin):
    key = key_of(stack, "hosts")
    page = admin.get(f"/commands/{key}/delete")
    assert "gives the choices of /login" in page.main and not [f for f in page.forms if f.action.endswith("/delete")]
    page = admin.send(admin.get(f"/commands/{key}").form(), dangerous="1")
    assert page.status == 422 and "gives the choices of another" in page.problem
    page = admin.send(admin.get("/commands?search=hosts").form("list"), action="disable", id=[str(key)])
    page = admin.send(page.form())
    assert "Left on" in page.flash and stack.sql("SELECT enabled FROM command WHERE name = 'hosts'") == [(True,)]


def test_list_filters_and_switches(stack, admin):
    make(admin, "t_one", description="First of them")
    make(admin, "t_two", kind="text", template="two", queue="t-other", approvals="1", approvers="judge", grants__0__role="few")

    def names(query):
        return [n for n in ("/t_one", "/t_two", "/echo ") if n in admin.get("/commands?" + query).main]
    assert names("search=first+of") == ["/t_one"] and names("search=/t_") == ["/t_one", "/t_two"]
    assert names("kind=text&search=t_") == ["/t_two"] and names("queue=t-other") == ["/t_two"] and names("asks=approve&search=t_") == ["/t_two"]
    assert names("asks=nothing&search=t_") == ["/t_one"] and names("role=few&search=t_") == ["/t_two"]
    assert "Nothing fits" in admin.get("/commands?search=nosuchcommand").main
    page = admin.send(admin.get("/commands?search=t_one").form("list"), action="disable", id=[str(key_of(stack, "t_one"))])
    assert "/t_one First of them" in page.main
    assert "Switched off: 1" in admin.send(page.form()).flash and names("enabled=false&search=t_") == ["/t_one"]
    assert "enabled : true → false" in admin.get(f"/commands/{key_of(stack, 't_one')}/history").main


def test_programs_of_engines_are_proposed(stack, admin):
    page = admin.get("/commands/new")
    assert '<option value="echo">demo' in page.text
    assert "has this program in its exec_dir" in admin.get(f"/commands/{key_of(stack, 'absent')}").main
    assert "serves the queue of this command" in admin.get(f"/commands/{key_of(stack, 'far')}").main


def test_grants_are_listed(stack, admin):
    page = admin.get("/commands/grants?role=few")
    assert "few /deploy env=staging anywhere any time 1" in page.main and "crew /echo" not in page.main
    assert "own /every who=sue" in admin.get("/commands/grants?narrowed=true&sort=-command").main
    assert "crew /deploy any arguments anywhere" in admin.get("/commands/grants?command=deploy").main
    assert "Nothing fits" in admin.get("/commands/grants?role=nobody").main


def test_grants_hold_at_certain_hours(stack, admin):
    page = make(admin, "t_hours", grants__0__role="crew", grants__0__hours="mon-fri 08:00-18:00", grants__0__timezone="Europe/Berlin")
    assert grants(stack, "t_hours") == [{"role": "crew", "hours": "mon-fri 08:00-18:00", "timezone": "Europe/Berlin"}]
    assert "nothing changed" in admin.send(page.form()).flash
    assert "mon-fri 08:00-18:00 Europe/Berlin" in admin.get("/commands/grants?command=t_hours&narrowed=true").main
    page = admin.send(page.form(), grants__0__hours="noon")
    assert "not understood" in page.errors()["grants-0-hours"]


# -- who can run what

def verdict(admin, **question):
    from urllib.parse import urlencode
    page = admin.get("/commands/try?" + urlencode({"user": "", "line": "", "chat": "", **question}))
    assert page.status == 200
    text = page.main
    return page, text[text.index("Nothing is run"):]


def test_who_can_run_it(stack, admin):
    page, said = verdict(admin, user="ada", line="/deploy prod")
    assert " Yes ada and /deploy <env> in chat 4001" in said and "crew by themselves anywhere any arguments always yes" in said and "deployed to prod" in said
    page, said = verdict(admin, user="bob", line="/deploy staging")
    assert " Yes " in said and "env=staging fits always yes" in said
    page, said = verdict(admin, user="bob", line="/deploy env=prod")
    assert " No " in said and "No grant fits" in said and "few by themselves anywhere env=staging does not fit always no" in said and "crew no anywhere" in said
    assert " Yes " in verdict(admin, user="4001", line="/echo it's 'all' the same")[1]
    page, said = verdict(admin, user="gone", line="/echo x")
    assert " No " in said and "switched off" in said
    page, said = verdict(admin, user="ada", line="/typed 12")
    assert " No " in said and "The line is refused as it is" in said and "a whole number from 1 to 9" in said
    page, said = verdict(admin, user="ada", line="/guide prod")
    assert "Yes, once what is missing is answered" in said and "note not given" in said
    # A grant of the own role in one chat alone, by a group.
    stack.sql("INSERT INTO user_group (name) VALUES ('t-team')")
    try:
        stack.sql("INSERT INTO group_role SELECT g.id, r.id FROM user_group g, role r WHERE g.name = 't-team' AND r.name = 'own';"
                  "INSERT INTO user_group_member SELECT u.id, g.id FROM app_user u, user_group g WHERE u.login = 'bob' AND g.name = 't-team';"
                  "INSERT INTO role_command (role_id, command_id, chat_id) SELECT r.id, c.id, -100 FROM role r, command c WHERE r.name = 'own' AND c.name = 'hosts'")
        assert " Yes " in verdict(admin, user="bob", line="/hosts", chat="-100")[1]
        said = verdict(admin, user="bob", line="/hosts")[1]
        assert " No " in said and "own by group t-team -100 another" in said
        # The same at certain hours.
        stack.sql("UPDATE role_command SET hours = lower(to_char(now() + interval '2 days', 'dy')) WHERE chat_id = -100")
        said = verdict(admin, user="bob", line="/hosts", chat="-100")[1]
        assert " No " in said and "UTC not now no" in said
        # A group nobody has allowed.
        said = verdict(admin, user="ada", line="/hosts", chat="-987654")[1]
        assert " No " in said and "In this chat nothing is answered" in said
    finally:
        stack.sql("DELETE FROM user_group WHERE name = 't-team'; DELETE FROM role_command WHERE chat_id = -100")


def test_what_would_run(stack, admin):
    said = verdict(admin, user="judge1", line='/grave "two words"')[1]
    assert " Yes " in said and "act mark" in said and "two words" in said and "it asks back, then 2 of the role judge must approve" in said
    said = verdict(admin, user="ada", line="/far x")[1]
    assert "served by no engine that is alive" in said
    said = verdict(admin, user="ada", line="/every v1 who=bob on=tomorrow for=90m")[1]
    tomorrow = stack.sql("SELECT ((now() AT TIME ZONE 'UTC')::date + 1)::text")[0][0]
    assert tomorrow in said and "for 5400" in said
    before = stack.count("task", "NOT internal") + stack.count("task_history")
    said = verdict(admin, user="ada", line="/setpw hunter2-hunter2")[1]
    assert "•••" in said and said.count("hunter2-hunter2") == 0
    assert stack.count("task", "NOT internal") + stack.count("task_history") == before


@pytest.mark.parametrize("question, field, said", [
    ({"user": "nobody-here", "line": "/echo x"}, "user", "no user"),
    ({"user": "ada", "line": "echo x"}, "line", "begins with a slash"),
    ({"user": "ada", "line": "/nosuch x"}, "line", "no command /nosuch"),
    ({"user": "ada", "line": "/help"}, "line", "built in"),
    ({"user": "", "line": "/echo x"}, "user", "is needed"),
    ({"user": "ada", "line": "/echo x", "chat": "here"}, "chat", "whole number"),
])
def test_question_is_refused(stack, admin, question, field, said):
    assert said in verdict(admin, **question)[0].errors()[field]
