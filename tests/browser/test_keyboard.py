"""The main way with the keyboard alone: what has the focus is always seen."""
import pytest
from chrome import DESKTOP, PHONE
from selenium.webdriver.common.keys import Keys

SEEN = """
const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
if (e === document.body) return '';
if (s.outlineStyle === 'none' || parseFloat(s.outlineWidth) < 2) return 'no outline';
if (r.right <= 0 || r.bottom <= 0 || r.left >= innerWidth || r.top >= innerHeight) return 'outside of the window';
const at = document.elementFromPoint((Math.max(r.left, 0) + Math.min(r.right, innerWidth)) / 2, (Math.max(r.top, 0) + Math.min(r.bottom, innerHeight)) / 2);
return at && (e.contains(at) || at.contains(e)) ? '' : 'covered';
"""


class Keyboard:
    def __init__(self, chrome):
        self.chrome = chrome

    def type(self, keys):
        self.chrome.driver.switch_to.active_element.send_keys(keys)

    def tab_to(self, css):
        """Goes on with Tab until the focus is there."""
        for _ in range(120):
            self.type(Keys.TAB)
            assert not self.chrome.run(SEEN), (self.chrome.run(SEEN), self.chrome.run("return document.activeElement.outerHTML.slice(0, 200)"))
            if self.chrome.run("return document.activeElement.matches(arguments[0])", css):
                return self
        raise AssertionError(f"Tab does not come to {css} on {self.chrome.path}")

    def enter(self):
        with self.chrome.leaving():
            self.type(Keys.ENTER)
        return self


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def keyboard(stranger, request):
    stranger.look(request.param)
    yield Keyboard(stranger)
    stranger.look()


def test_a_user_is_made_and_removed(keyboard, stack):
    c = keyboard.chrome
    c.go("/signin")
    keyboard.tab_to("#login").type("admin")
    keyboard.tab_to("#password").type(stack.env["DEMO_ADMIN_PASSWORD"])
    keyboard.enter()
    assert c.path == "/"
    if c.sees(".menu"):
        keyboard.tab_to(".menu summary").type(Keys.ENTER)
        keyboard.tab_to('.menu a[href="/people/users"]').enter()
    else:
        keyboard.tab_to('.side a[href="/people/users"]').enter()
    # Past the menu with two keys.
    keyboard.type(Keys.TAB)
    assert c.run("return document.activeElement.matches('.skip')")
    keyboard.type(Keys.ENTER)
    keyboard.tab_to("#new").enter()
    keyboard.tab_to("#login").type("t-keys")
    keyboard.tab_to('[name="roles"][value="few"]').type(Keys.SPACE)
    keyboard.tab_to("#save").enter()
    assert "was created" in c.find("#flash").text
    assert stack.count("user_role x JOIN app_user u ON u.id = x.user_id", "u.login = 't-keys'") == 1
    keyboard.tab_to("#delete").enter()
    keyboard.tab_to("#remove").enter()
    assert "was removed" in c.find("#flash").text
    keyboard.tab_to("#sign-out").enter()
    assert c.path == "/signin"


def test_tables_that_are_wider_than_the_screen_are_reached(admin):
    admin.look(PHONE).go("/people/users")
    Keyboard(admin).tab_to(".scroll")
    admin.look()
