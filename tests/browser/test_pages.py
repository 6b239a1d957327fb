"""Every page there is, on a phone and on a large screen, in light and dark: no rule of accessibility or HTML broken, nothing in the console."""
import pytest
from chrome import PHONE
from places import lists, routes

# Pages that need something to be under way: met in test_signin.py.
ELSEWHERE = {"/signin", "/signin/code", "/account/totp"}


@pytest.mark.parametrize("route", [r for r in routes() if r not in ELSEWHERE])
def test_page(admin, places, judge, route):
    assert route in places.found, "no page links there, or there is nothing to show on it: let conftest.py make some"
    page = places.browser.get(places.found[route])
    assert page.status == 200
    if not page.text.startswith("<!DOCTYPE html>"):
        pytest.skip("a file, or a part of another page")
    judge.pass_(admin.go(places.found[route]))
    assert admin.heading and admin.driver.title.endswith("- TeleOps")


@pytest.mark.parametrize("path", ["/commands/try?user=ada&line=%2Fecho+hello", "/commands/try?user=bob&line=%2Fdeploy+prod", "/people/users?role=crew&enabled=true",
                                  "/people/users?sort=-created", "/people/requests?state=refused", "/tasks?state=failed"])
def test_page_that_was_asked_for_something(admin, judge, path):
    judge.pass_(admin.go(path))


def test_task_that_runs(admin, judge, running):
    """With scripts its output comes by itself."""
    judge.pass_(admin.go(f"/tasks/{running}"))
    before = admin.run("window.same = true; return document.getElementById('live').textContent")
    assert admin.stack.wait(lambda: admin.run("return document.getElementById('live').textContent") != before, 30)
    assert admin.run("return window.same"), "the page itself stays"
    assert not admin.complaints()


def test_task_is_cancelled(anyhow, running):
    anyhow.go(f"/tasks/{running}").press("#reload").press("#cancel")
    assert anyhow.stack.wait(lambda: "cancelled" in anyhow.go(f"/tasks/{running}").text, 30)


@pytest.mark.parametrize("route", lists())
def test_actions_ask_before_they_do(admin, judge, route):
    admin.go(route)
    if not admin.has("#list #action"):
        pytest.skip("nothing is done to several at once")
    for action in [o.get_attribute("value") for o in admin.all("#action option")]:
        admin.go(route).touch("#list tbody input[name=id]").set("action", action).press("#go")
        judge.pass_(admin)
        assert admin.has("#objects li") and admin.has("#confirm"), action


@pytest.mark.parametrize("route", lists())
def test_nothing_found(admin, judge, route):
    admin.go(route)
    if not admin.has("#filters input[type=search]"):
        pytest.skip("nothing to search for")
    name = admin.find("#filters input[type=search]").get_attribute("name")
    assert "Show all" in admin.go(f"{route}?{name}=nothing-like-this").find("#empty").text
    if route == "/people/users":
        judge.pass_(admin)


def test_filters_on_a_phone(admin, judge):
    """They are folded where there is little room, and open where they are used."""
    admin.go("/people/users")
    assert not admin.sees("#filters summary")
    with admin.leaving():
        admin.find("#filter-search").send_keys("ada\n")
    assert len(admin.all("tbody tr")) == 1
    admin.look(PHONE)
    assert admin.sees("#filter-search") and admin.find("#filter-search").get_attribute("value") == "ada"
    admin.go("/people/users")
    assert not admin.sees("#filter-search")
    admin.touch("#filters summary")
    assert admin.sees("#filter-search")
    judge.pass_(admin)


def test_menu_on_a_phone(admin, judge):
    admin.go("/people/users").look(PHONE)
    assert not admin.sees(".side") and not admin.sees(".menu nav")
    admin.touch(".menu summary")
    assert admin.sees(".menu nav")
    judge.pass_(admin)
    admin.look(PHONE)
    admin.press('.menu a[href="/people/roles"]')
    assert admin.path == "/people/roles"
