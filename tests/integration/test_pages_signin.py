"""Signing in to the pages: who gets in, who is slowed down, what a session is worth."""
import base64
import hashlib
import re
import time

import pytest
from browser import Browser, code_of

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(stack):
    """The demo's administrator, signed in; nothing held against anybody."""
    stack.sql("DELETE FROM signin_pace; DELETE FROM web_device")
    b = Browser(stack)
    assert b.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"]).status == 303
    return b


@pytest.fixture
def carl(stack):
    """Another administrator, made anew for each test."""
    stack.sql("DELETE FROM app_user WHERE login = 'carl'; DELETE FROM signin_pace")
    done = stack.teleops("admin", "create", "carl", stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    yield "carl"
    stack.sql("DELETE FROM app_user WHERE login = 'carl'; DELETE FROM signin_pace")


def signed_in(browser):
    return browser.get("/account").status == 200


def test_right_password_gets_in_and_out_again(stack, carl):
    b = Browser(stack)
    first = b.get("/people/users?sort=-login")
    assert (first.status, first.location) == (303, "/signin?next=/people/users%3Fsort%3D-login")
    page = b.get(first.location)
    page = b.send(page.form("/signin"), follow=False, login="carl", password=PASSWORD)
    assert (page.status, page.location) == (303, "/people/users?sort=-login")
    assert signed_in(b)
    kept = dict(b.cookies)
    page = b.send(b.get("/").form("/signout"))
    assert "You have signed out" in page.flash
    assert not signed_in(b)
    b.cookies = kept
    assert not signed_in(b), "the session is over, not only its cookie"


def test_cookies_and_headers_are_strict(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    assert len(b.cookie_lines) >= 3
    for line in b.cookie_lines:
        assert line.startswith("__Host-teleops")
        for word in ("Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
            assert word in line, line
        assert "Domain" not in line
    for path in ("/", "/signin", "/nowhere", "/people/users"):
        h = b.get(path).headers
        assert "default-src 'none'" in h["content-security-policy"] and "frame-ancestors 'none'" in h["content-security-policy"]
        assert "unsafe" not in h["content-security-policy"]
        assert h["cache-control"] == "no-store" and h["x-content-type-options"] == "nosniff" and h["referrer-policy"] == "no-referrer"
        assert h["strict-transport-security"] and "server" in h and not re.search(r"\d", h["server"])


def test_the_database_does_not_hold_what_opens_a_session(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    token = b.cookies["__Host-teleops"]
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    rows = stack.sql("SELECT id_hash, csrf_hash FROM web_session s JOIN app_user u ON u.id = s.user_id WHERE u.login = 'carl'")
    assert [bytes(r[0]) for r in rows] == [hashlib.sha256(token.encode()).digest()]
    csrf = dict(b.get("/account").form().fields)["csrf"]
    assert bytes(rows[0][1]) == hashlib.sha256(csrf.encode()).digest()


def test_session_before_signing_in_is_not_the_one_after(stack, carl):
    b = Browser(stack)
    b.cookies["__Host-teleops"] = planted = "A" * 43
    assert not signed_in(b)
    b.sign_in("carl", PASSWORD)
    assert b.cookies["__Host-teleops"] != planted
    first = b.cookies["__Host-teleops"]
    c = Browser(stack)
    c.sign_in("carl", PASSWORD)
    assert c.cookies["__Host-teleops"] != first


def test_wrong_answers_do_not_tell_which_logins_exist(stack, carl):
    stack.sql("UPDATE app_user SET enabled = false WHERE login = 'gone'")
    answers = {}
    for login in ("carl", "nobody-of-that-name", "ada", "gone"):
        b = Browser(stack)
        page = b.sign_in(login, "wrong password")
        assert page.status == 403
        answers[login] = page.main
        assert not signed_in(b)
    assert len(set(answers.values())) == 1


@pytest.mark.timing
def test_unknown_logins_cost_the_same_time(stack, carl):
    def median(login):
        times = []
        for _ in range(7):
            stack.sql("DELETE FROM signin_pace")
            b = Browser(stack)
            form = b.get("/signin").form("/signin")
            began = time.monotonic()
            b.send(form, login=login, password="wrong password")
            times.append(time.monotonic() - began)
        return sorted(times)[3]

    known, unknown = median("carl"), median("nobody-at-all")
    assert 0.5 < known / unknown < 2, (known, unknown)


def test_login_is_taken_as_it_is_meant(stack, carl):
    b = Browser(stack)
    assert b.sign_in(" Carl ", PASSWORD).status == 303


def test_who_is_disabled_or_has_no_permission_does_not_get_in(stack, carl):
    stack.sql("UPDATE app_user SET enabled = false WHERE login = 'carl'")
    assert Browser(stack).sign_in("carl", PASSWORD).status == 403
    stack.sql("UPDATE app_user SET enabled = true WHERE login = 'carl'; DELETE FROM admin_permission a USING app_user u WHERE u.id = a.user_id AND u.login = 'carl'")
    assert Browser(stack).sign_in("carl", PASSWORD).status == 403


def test_disabling_ends_sessions_at_once(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    assert signed_in(b)
    stack.sql("UPDATE app_user SET enabled = false WHERE login = 'carl'")
    assert not signed_in(b)
    stack.sql("UPDATE app_user SET enabled = true WHERE login = 'carl'")
    assert not signed_in(b), "the session is gone, not only unused"


def test_sessions_end_by_themselves(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    stack.sql("UPDATE web_session SET seen_at = now() - interval '29 minutes'")
    assert signed_in(b), "which was a request, so it counts anew"
    assert stack.count("web_session", "seen_at > now() - interval '1 minute'") == 1
    stack.sql("UPDATE web_session SET seen_at = now() - interval '31 minutes'")
    assert not signed_in(b)
    b.sign_in("carl", PASSWORD)
    stack.sql("UPDATE web_session SET expires_at = now() - interval '1 second'")
    assert not signed_in(b)


def test_session_length_is_a_setting(stack, carl):
    Browser(stack).sign_in("carl", PASSWORD)
    left = stack.sql("SELECT extract(epoch FROM expires_at - now()) FROM web_session s JOIN app_user u ON u.id = s.user_id WHERE u.login = 'carl'")[0][0]
    assert 11.9 * 3600 < left <= 12 * 3600


def test_only_our_own_paths_are_gone_to(stack, carl):
    for evil in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/%09/evil.example\t"):
        b = Browser(stack)
        form = b.get("/signin").form("/signin").set(next=evil)
        page = b.send(form, follow=False, login="carl", password=PASSWORD)
        assert (page.status, page.location) == (303, "/"), evil
        assert b.request("GET", "/signin?" + "next=" + evil.replace("\t", "%09").replace("\\", "%5C")).location in ("/", "/%09/evil.example"[:1])


def test_a_link_of_another_site_comes_back_by_itself(stack, carl):
    """Strict cookies are not sent along such a link; the page that goes on is a visit of our own."""
    page = Browser(stack).get("/people/users?search=x", Sec_Fetch_Site="cross-site")
    assert page.status == 200 and '<meta http-equiv="refresh" content="0">' in page.text
    assert "/people/users?search=x" in page.links()


# -- guessing

def guess(stack, login, times, browser=None):
    out = []
    for _ in range(times):
        page = (browser or Browser(stack)).sign_in(login, "a wrong password")
        out.append(page.status)
    return out


def test_guessing_is_slowed_down_for_every_login_alike(stack, carl):
    for login in ("carl", "no-such-login"):
        stack.sql("DELETE FROM signin_pace")
        assert guess(stack, login, 6) == [403, 403, 403, 403, 429, 429]
    page = Browser(stack).sign_in("carl", "a wrong password")
    assert page.status in (403, 429)
    stack.sql("DELETE FROM signin_pace")
    guess(stack, "carl", 4)
    page = Browser(stack).sign_in("carl", "a wrong password")
    assert page.status == 429 and 1 <= int(page.headers["retry-after"]) <= 2
    assert "nothing is locked" in page.problem
    # The right one has to wait as well, else guessing would go on in the meantime.
    assert Browser(stack).sign_in("carl", PASSWORD).status == 429
    time.sleep(2.1)
    assert Browser(stack).sign_in("carl", PASSWORD).status == 303


def test_the_wait_grows_and_ends(stack):
    waits = [float(r[0]) for r in stack.sql("SELECT extract(epoch FROM signin_delay('place', n)) FROM generate_series(1, 40) n ORDER BY n")]
    assert waits[:3] == [0, 0, 0] and waits[3:8] == [2, 4, 8, 16, 32] and waits[-1] == 900 == max(waits)
    login = [float(r[0]) for r in stack.sql("SELECT extract(epoch FROM signin_delay('login', n)) FROM generate_series(1, 40) n ORDER BY n")]
    assert max(login) == 30, "a login is never locked by whoever tries it"


def test_who_guesses_does_not_slow_the_owner(stack, carl):
    owner = Browser(stack)
    assert owner.sign_in("carl", PASSWORD).status == 303
    owner.send(owner.get("/").form("/signout"))
    assert "__Host-teleops-device" in owner.cookies
    stack.sql("""DELETE FROM signin_pace; INSERT INTO signin_pace (key, tries, free_at) SELECT signin_key(k, '{"address": "127.0.0.1"}', '{"login": "carl"}'), 99, now() + interval '30 seconds'
        FROM unnest(ARRAY['login', 'place', 'address']) k""")
    assert Browser(stack).sign_in("carl", PASSWORD).status == 429
    assert owner.sign_in("carl", PASSWORD).status == 303
    # The browser that is known is counted by itself.
    owner.send(owner.get("/").form("/signout"))
    assert guess(stack, "carl", 7, owner) == [403] * 6 + [429]
    # What is known is this browser for this login, not a free pass.
    stack.sql("DELETE FROM signin_pace")
    stolen = Browser(stack)
    stolen.cookies["__Host-teleops-device"] = owner.cookies["__Host-teleops-device"]
    assert guess(stack, "admin", 5, stolen) == [403] * 4 + [429]


def test_a_crowd_of_guesses_at_once_is_no_way_around(stack, carl):
    import threading
    forms = []
    for _ in range(12):
        b = Browser(stack)
        forms.append((b, b.get("/signin").form("/signin")))
    results = []
    threads = [threading.Thread(target=lambda b=b, f=f: results.append(b.send(f, follow=False, login="carl", password="wrong password").status)) for b, f in forms]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results.count(403) <= 6 and results.count(429) >= 6, results


def test_record_tells_tries_without_what_was_typed(stack, carl):
    stack.sql("DELETE FROM signin_pace")
    before = stack.sql("SELECT coalesce(max(id), 0) FROM audit_event")[0][0]
    Browser(stack).sign_in("carl", "wrong password")
    Browser(stack).sign_in("my-secret-password-in-the-wrong-field", "x")
    Browser(stack).sign_in("carl", PASSWORD)
    found = stack.sql("SELECT action, object, host(address), actor FROM audit_event WHERE id > %s ORDER BY id", (before,))
    assert found == [("sign-in refused", "user carl", "127.0.0.1", "manager"), ("sign-in refused", "user ?", "127.0.0.1", "manager"),
                     ("signed in", "user carl", "127.0.0.1", "manager")]
    assert "my-secret" not in stack.logged("telemanager") and "wrong password" not in stack.logged("telemanager")


# -- forms

def test_a_form_that_is_not_ours_is_refused(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    fields = [("first_name", "X"), ("timezone", "UTC"), ("version", "1")]
    for csrf in ([], [("csrf", "")], [("csrf", "A" * 43)], [("csrf", b.cookies["__Host-teleops"])]):
        assert b.request("POST", "/account", fields + csrf).status == 403
    other = Browser(stack)
    other.sign_in("carl", PASSWORD)
    assert b.request("POST", "/account", fields + [("csrf", dict(other.get("/account").form().fields)["csrf"])]).status == 403
    assert stack.count("app_user", "login = 'carl' AND first_name = 'X'") == 0
    # Signing in as well: nobody is signed in as somebody else by another site.
    c = Browser(stack)
    assert c.request("POST", "/signin", [("login", "carl"), ("password", PASSWORD)]).status == 403
    assert c.request("POST", "/signin", [("login", "carl"), ("password", PASSWORD), ("csrf", "B" * 43)]).status == 403


def test_a_form_after_the_session_ended_is_told_so(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    form = b.get("/account").form()
    stack.sql("DELETE FROM web_session")
    page = b.send(form, first_name="X")
    assert "nothing was saved" in page.flash and "Sign in" in page.main


# -- one's own account

def test_changing_the_password_ends_all_other_sessions(stack, carl):
    a, b = Browser(stack), Browser(stack)
    a.sign_in("carl", PASSWORD)
    b.sign_in("carl", PASSWORD)
    form = a.get("/account/password").form()
    page = a.send(form, password="not it", new="another good one", again="another good one")
    assert page.status == 422 and "not your password" in page.errors()["password"]
    page = a.send(page.form(), password=PASSWORD, new="short", again="short")
    assert "At least 10" in page.errors()["new"]
    page = a.send(page.form(), password=PASSWORD, new="another good one", again="another bad one")
    assert "not the same" in page.errors()["again"]
    page = a.send(page.form(), password=PASSWORD, new=PASSWORD, again=PASSWORD)
    assert "Choose another" in page.errors()["new"]
    assert signed_in(b)
    page = a.send(page.form(), password=PASSWORD, new="another good one", again="another good one")
    assert "Your password is changed" in page.flash
    assert signed_in(a) and not signed_in(b)
    assert Browser(stack).sign_in("carl", PASSWORD).status == 403
    assert Browser(stack).sign_in("carl", "another good one").status == 303


def test_devices_are_listed_and_signed_out(stack, carl):
    a, b, c = Browser(stack, "Mozilla/5.0 (X11; Linux) Firefox/1"), Browser(stack, "Mozilla/5.0 (Windows NT) Chrome/1"), Browser(stack)
    for x in (a, b, c):
        x.sign_in("carl", PASSWORD)
    page = a.get("/account")
    assert "Firefox on Linux" in page.main and "Chrome on Windows" in page.main and page.main.count("this one") == 1
    page = a.send(next(f for f in page.forms if f.action.startswith("/account/sessions/") and not f.action.endswith("others")))
    assert "1 of your sessions ended" in page.flash
    assert [signed_in(x) for x in (a, b, c)].count(True) == 2 and signed_in(a)
    a.send(a.get("/account").form("/account/sessions/others"))
    assert [signed_in(x) for x in (a, b, c)] == [True, False, False]
    # Nobody ends somebody else's.
    other = Browser(stack)
    other.sign_in("admin", stack.env["DEMO_ADMIN_PASSWORD"])
    csrf = dict(other.get("/account").form().fields)["csrf"]
    token = hashlib.sha256(a.cookies["__Host-teleops"].encode()).hexdigest()
    other.request("POST", f"/account/sessions/{token}", [("csrf", csrf)])
    assert signed_in(a)


def test_times_are_shown_in_ones_own_zone(stack, carl):
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    page = b.send(b.get("/account").form(), timezone="Asia/Kolkata", first_name="Carl")
    assert "timezone : UTC → Asia/Kolkata" in page.flash and "first name : carl → Carl" in page.flash
    assert "+05:30" in page.main and "+00:00" not in page.main
    page = b.send(page.form(), timezone="Nowhere/Special")
    assert page.status == 422 and "no time zone" in page.errors()["timezone"]
    assert dict(page.form().fields)["timezone"] == "Nowhere/Special"


# -- the second factor

def set_up(browser):
    """(secret, recovery codes, the code that was used)."""
    page = browser.send(browser.get("/account").form("totp"), password=PASSWORD)
    secret = base64.b32decode(re.search(r'id="secret">([^<]+)<', page.text)[1].replace(" ", ""))
    assert len(secret) == 20 and "<svg" in page.text
    code = code_of(secret)
    page = browser.send(page.form(), code=code)
    codes = re.findall(r"<code>([^<]+)</code>", page.text)
    assert page.status == 200 and len(set(codes)) == 10
    return secret, codes, code


def step_two(stack):
    b = Browser(stack)
    page = b.sign_in("carl", PASSWORD)
    assert (page.status, page.location) == (303, "/signin/code?next=/")
    assert not signed_in(b)
    return b, b.get(page.location)


def test_second_factor_is_asked_for(stack, carl):
    a = Browser(stack)
    a.sign_in("carl", PASSWORD)
    page = a.send(a.get("/account").form("totp"), password="not it")
    assert page.status == 422 and "not your password" in page.main
    secret, codes, used = set_up(a)
    assert "10 recovery codes are left" in a.get("/account").main

    b, page = step_two(stack)
    early = b.cookies["__Host-teleops"]
    page = b.send(page.form("/signin/code"), code="000000", follow=False)
    assert page.status == 403 and not signed_in(b)
    # A code is good once, even for who has seen it typed.
    page = b.send(page.form("/signin/code"), code=used, follow=False)
    assert page.status == 403 and "used before" in page.problem and not signed_in(b)
    page = b.send(page.form("/signin/code"), code=code_of(secret, time.time() + 30), follow=False)
    assert (page.status, page.location) == (303, "/") and signed_in(b)
    assert b.cookies["__Host-teleops"] != early

    b, page = step_two(stack)
    assert b.send(page.form("/signin/code"), code=codes[3].upper().replace("-", " "), follow=False).status == 303
    assert signed_in(b) and "9 recovery codes are left" in b.get("/account").main
    b, page = step_two(stack)
    assert b.send(page.form("/signin/code"), code=codes[3], follow=False).status == 403

    # Switched off, the password is enough; the codes are gone.
    a.send(a.get("/account").form("totp").set(password=PASSWORD), follow=False)
    form = a.get("/account").form("totp")
    form.action = "/account/totp/off"
    assert "password alone" in a.send(form, password=PASSWORD).flash
    assert stack.count("totp_recovery r JOIN app_user u ON u.id = r.user_id", "u.login = 'carl'") == 0
    assert Browser(stack).sign_in("carl", PASSWORD).location == "/"


def test_guessing_codes_is_slowed_down(stack, carl):
    a = Browser(stack)
    a.sign_in("carl", PASSWORD)
    secret, _, _ = set_up(a)
    b, page = step_two(stack)
    statuses = [b.send(page.form("/signin/code"), code="123456", follow=False).status for _ in range(7)]
    assert statuses == [403] * 6 + [429]
    assert b.send(page.form("/signin/code"), code=code_of(secret, time.time() + 30), follow=False).status == 429


def test_half_a_sign_in_ends_soon_and_opens_nothing(stack, carl):
    a = Browser(stack)
    a.sign_in("carl", PASSWORD)
    secret, _, _ = set_up(a)
    b, page = step_two(stack)
    assert b.get("/people/users").location.startswith("/signin")
    stack.sql("UPDATE web_session SET expires_at = now() - interval '1 second' WHERE stage = 'code'")
    page = b.send(page.form("/signin/code"), code=code_of(secret, time.time() + 30), follow=False)
    assert (page.status, page.location) == (303, "/signin")
    assert Browser(stack).get("/signin/code").location == "/signin"


def test_secrets_are_on_no_page_and_in_no_log(stack, carl):
    a = Browser(stack)
    a.sign_in("carl", PASSWORD)
    secret, _, _ = set_up(a)
    page = a.get("/account").text + a.get("/administrators").text
    assert secret.hex() not in page and base64.b32encode(secret).decode() not in page
    assert a.get("/account/totp").location == "/account"
    log = stack.logged("telemanager")
    assert secret.hex() not in log and PASSWORD not in log and a.cookies["__Host-teleops"] not in log


# -- passwords from another administrator

def test_temporary_password_is_changed_before_anything_else(stack, admin, carl):
    key = stack.sql("SELECT id FROM app_user WHERE login = 'carl'")[0][0]
    b = Browser(stack)
    b.sign_in("carl", PASSWORD)
    page = admin.get(f"/administrators/{key}")
    form = page.form("reset")
    page = admin.send(form, what="password")
    password = re.search(r'id="password"[^>]*>([^<]+)<', page.text)[1]
    assert not signed_in(b)
    assert Browser(stack).sign_in("carl", PASSWORD).status == 403
    assert b.sign_in("carl", password).status == 303
    for path in ("/", "/people/users", "/administrators", "/account"):
        assert b.get(path).location == "/account/password"
    csrf = dict(b.get("/account/password").form().fields)["csrf"]
    assert b.request("POST", "/account", [("csrf", csrf), ("timezone", "UTC"), ("version", "1")]).location == "/account/password"
    b.send(b.get("/account/password").form(), password=password, new=PASSWORD, again=PASSWORD)
    assert b.get("/people/users").status == 200


# -- what is no page

def test_pages_of_our_own_for_what_goes_wrong(stack, admin):
    page = admin.get("/no/such/page")
    assert page.status == 404 and "Not found" in page.main and "Users" in page.text
    assert Browser(stack).get("/no/such/page").status == 404
    assert admin.get("/people/users/999999999").status == 404
    assert admin.get("/people/users/nonsense").status == 404
    page = admin.request("DELETE", "/people/users")
    assert (page.status, page.headers["allow"]) == (405, "GET, HEAD, POST") and "Not possible" in page.main
    assert admin.request("POST", "/healthz", b"").status in (403, 405)
    assert admin.request("POST", "/account", b"x" * (1024 * 1024 + 1), Content_Type="application/x-www-form-urlencoded").status == 413
    assert admin.request("POST", "/account", b'{"a": 1}', Content_Type="application/json").status == 415
    assert admin.request("POST", "/account", b"a=%zz", Content_Type="application/x-www-form-urlencoded").status == 400
    assert admin.request("GET", "/people/users?search=%00").status == 400
    assert admin.request("GET", "/people/users?enabled=perhaps").status == 400
    assert admin.request("GET", "/people/users?after=nonsense").status == 400
    assert admin.request("GET", "/people/users?sort=nonsense").status == 200
    head = admin.request("HEAD", "/people/users")
    assert head.status == 200 and head.text == ""
