"""Signing in and one's own account, with scripts and without."""
import base64
import time

import pytest
from browser import code_of

PASSWORD = "correct horse battery"


@pytest.fixture
def carl(stack):
    """Another administrator, made anew for each test."""
    stack.sql("DELETE FROM app_user WHERE login = 't-carl'; DELETE FROM signin_pace")
    done = stack.teleops("admin", "create", "t-carl", stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    yield "t-carl"
    stack.sql("DELETE FROM app_user WHERE login = 't-carl'; DELETE FROM signin_pace")


def judged(chrome, judge, status=200):
    """Once is enough: with scripts."""
    if chrome.script:
        judge.pass_(chrome, status)
    chrome.complaints()


def test_in_and_out(stranger, judge, carl):
    judged(stranger, judge)
    stranger.go("/people/users?sort=-login")
    assert stranger.heading == "Sign in"
    stranger.find("#login").send_keys(carl)
    stranger.find("#password").send_keys("not the password")
    stranger.press("#sign-in")
    judged(stranger, judge, 403)
    assert "do not go together" in stranger.find("#problem").text
    assert stranger.value("login") == carl and stranger.value("password") == ""
    stranger.find("#password").send_keys(PASSWORD)
    stranger.press("#sign-in")
    assert stranger.path == "/people/users?sort=-login"
    stranger.press("#sign-out")
    judged(stranger, judge)
    assert "signed out" in stranger.find("#flash").text
    assert stranger.go("/people/users").heading == "Sign in"


def test_too_many_tries(stranger, judge, carl):
    for _ in range(5):
        stranger.sign_in(carl, "not the password")
    judged(stranger, judge, 429)
    assert "too many tries" in stranger.find("#problem").text


def test_second_factor(stranger, judge, carl):
    stranger.sign_in(carl, PASSWORD).go("/account")
    stranger.set("password", PASSWORD).press("#totp-begin")
    assert stranger.path == "/account/totp" and stranger.has("svg.qr")
    judged(stranger, judge)
    secret = base64.b32decode(stranger.find("#secret").text.replace(" ", ""))
    stranger.set("code", "000000").press("#confirm")
    judged(stranger, judge, 422)
    assert "does not fit" in stranger.error("code")
    used = code_of(secret)
    stranger.set("code", used).press("#confirm")
    judged(stranger, judge)
    codes = [c.text for c in stranger.all("#codes code")]
    assert len(set(codes)) == 10
    stranger.press("#sign-out").sign_in(carl, PASSWORD)
    assert stranger.path.startswith("/signin/code")
    judged(stranger, judge)
    stranger.set("code", used).press("#sign-in")
    judged(stranger, judge, 403)
    assert "used before" in stranger.find("#problem").text
    # The one after it is taken as well, since clocks differ.
    stranger.set("code", code_of(secret, time.time() + 30)).press("#sign-in")
    assert stranger.path == "/" and stranger.find("#account-link").text
    stranger.press("#sign-out").sign_in(carl, PASSWORD)
    stranger.set("code", codes[0]).press("#sign-in")
    assert stranger.path == "/"
    stranger.go("/account")
    judged(stranger, judge)
    stranger.set("password", PASSWORD).press("#totp-off")
    assert "password alone" in stranger.find("#flash").text


def test_own_password(stranger, judge, carl):
    stranger.sign_in(carl, PASSWORD).go("/account").press("#change-password")
    stranger.fill({"password": "not the password", "new": "another good one", "again": "another good one"}).press("#save")
    judged(stranger, judge, 422)
    assert "not your password" in stranger.error("password") and stranger.value("new") == "", "what was typed as a password is on no page"
    stranger.fill({"password": PASSWORD, "new": "another good one", "again": "another good one"}).press("#save")
    assert "password is changed" in stranger.find("#flash").text
    stranger.press("#sign-out").sign_in(carl, "another good one")
    assert stranger.path == "/"


def test_temporary_password(stranger, judge, stack, carl):
    key = stack.sql("SELECT id FROM app_user WHERE login = %s", (carl,))[0][0]
    stranger.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).go(f"/administrators/{key}").press('#reset button[value="password"]')
    judged(stranger, judge)
    password = stranger.find("#password").text
    stranger.press("#sign-out").sign_in(carl, password)
    assert stranger.path == "/account/password" and stranger.go("/people/users").path == "/account/password"
    stranger.fill({"password": password, "new": PASSWORD, "again": PASSWORD}).press("#save")
    assert stranger.go("/people/users").heading == "Users"


def test_own_name_and_other_browsers(stranger, judge, carl, stack):
    stranger.sign_in(carl, PASSWORD)
    stranger.driver.delete_all_cookies()
    stranger.sign_in(carl, PASSWORD).go("/account")
    stranger.fill({"first_name": "Carl", "timezone": "Mars/Olympus"}).press("#save")
    judged(stranger, judge, 422)
    assert "no time zone" in stranger.error("timezone") and stranger.value("first_name") == "Carl"
    stranger.set("timezone", "Asia/Kolkata").press("#save")
    assert "+05:30" in stranger.text
    assert len(stranger.all("#sessions tbody tr")) == 2
    stranger.press("#sessions button")
    assert len(stranger.all("#sessions tbody tr")) == 1 and "1 of your sessions ended" in stranger.find("#flash").text
