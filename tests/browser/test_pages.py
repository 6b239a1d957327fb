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
    if not page.headers["content-type"].startswith("text/html"):
        pytest.skip("a file to be kept, no page")
    judge.pass_(admin.go(places.found[route]))
    assert admin.heading and admin.driver.title.endswith("- TeleOps")


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
    judge.pass_(admin.go(f"{route}?{name}=nothing-like-this"))
    assert "Show all" in admin.find("#empty").text


def test_menu_on_a_phone(admin, judge):
    admin.go("/people/users").look(PHONE)
    assert not admin.find(".side").is_displayed() and not admin.find(".menu nav").is_displayed()
    admin.touch(".menu summary")
    assert admin.find(".menu nav").is_displayed()
    judge.pass_(admin)
    admin.look(PHONE)
    admin.press('.menu a[href="/people/roles"]')
    assert admin.path == "/people/roles"
