"""A browser without a screen: cookies, forms, and what a page says, over HTTPS."""
import hashlib
import hmac
import html
import re
import struct
import time
import urllib.parse
from html.parser import HTMLParser


def code_of(secret, at=None):
    """What an authenticator app shows."""
    count = int((at or time.time()) // 30)
    mac = hmac.new(secret, struct.pack(">Q", count), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10 ** 6:06d}"


class Form:
    def __init__(self, attributes):
        self.id = attributes.get("id", "")
        self.method = attributes.get("method", "get").lower()
        self.action = attributes.get("action", "")
        self.fields = []  # (name, value) as a browser would send them
        self.controls = []  # (name, type) of all of them

    def set(self, **values):
        """What is typed: a text, a list, or None for what is not to be sent."""
        named = {k.replace("__", "-"): v for k, v in values.items()}
        self.fields = [(n, v) for n, v in self.fields if n not in named]
        for name, value in named.items():
            for one in value if isinstance(value, (list, tuple)) else [] if value is None else [value]:
                self.fields.append((name, one))
        return self


class Reader(HTMLParser):
    """Forms with their fields; enough of HTML for our own pages."""

    def __init__(self):
        super().__init__()
        self.forms, self.form, self.select, self.area = [], None, None, None
        self.disabled = 0
        self.depth = []

    def handle_starttag(self, tag, attrs):
        a = {k: v if v is not None else "" for k, v in attrs}
        if tag == "form":
            self.form = Form(a)
            self.forms.append(self.form)
        elif self.form is None:
            return
        elif tag == "fieldset":
            self.depth.append("disabled" in a)
        elif any(self.depth):
            return
        elif tag == "input" and a.get("name"):
            self.form.controls.append((a["name"], a.get("type", "text")))
            if a.get("type") not in ("checkbox", "radio") or "checked" in a:
                self.form.fields.append((a["name"], a.get("value", "")))
        elif tag == "select":
            self.select = [a.get("name"), None]
            self.form.controls.append((a.get("name"), "select"))
        elif tag == "option" and self.select and (self.select[1] is None or "selected" in a):
            self.select[1] = a.get("value", "")
        elif tag == "textarea":
            self.area = [a.get("name"), ""]
            self.form.controls.append((a.get("name"), "textarea"))

    def handle_data(self, data):
        if self.area:
            self.area[1] += data

    def handle_endtag(self, tag):
        if tag == "form":
            self.form, self.depth = None, []
        elif tag == "fieldset" and self.depth:
            self.depth.pop()
        elif tag == "select" and self.select:
            self.form.fields.append((self.select[0], self.select[1] or ""))
            self.select = None
        elif tag == "textarea" and self.area:
            # A line end right behind the tag is not part of the text.
            self.form.fields.append((self.area[0], self.area[1][1:] if self.area[1].startswith("\n") else self.area[1]))
            self.area = None


class Page:
    def __init__(self, status, headers, text, path):
        self.status, self.headers, self.text, self.path = status, headers, text, path
        reader = Reader()
        reader.feed(text)
        self.forms = reader.forms

    @property
    def location(self):
        return self.headers.get("location")

    @property
    def main(self):
        """What can be read in the main part."""
        found = re.search(r"<main.*?</main>", self.text, re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0] if found else self.text)).split())

    def form(self, name="form"):
        """By id, or by where it leads."""
        return next(f for f in self.forms if name in (f.id, f.action))

    def errors(self):
        """{field: what is said beside it}."""
        return {k: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", v)).split())
                for k, v in re.findall(r'class="error" id="([^"]+)-error"[^>]*>(.*?)</(?:div|p)>\s*<(?:p|/)', self.text, re.S)}

    @property
    def flash(self):
        found = re.search(r'id="flash">(.*?)</div>', self.text, re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[1])).split()) if found else ""

    @property
    def problem(self):
        found = re.search(r'id="(?:problem|conflict)">(.*?)</div>', self.text, re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[1])).split()) if found else ""

    def links(self, like=""):
        return [html.unescape(x) for x in re.findall(r'href="([^"]+)"', self.text) if re.search(like, x)]


class Browser:
    def __init__(self, stack, agent="test browser"):
        self.stack, self.agent = stack, agent
        self.cookies, self.cookie_lines = {}, []
        self.connection = None

    def request(self, method, path, body=None, **headers):
        """One request; redirects are not followed. body: pairs of a form, bytes, or None."""
        sent = {"User-Agent": self.agent, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if body is not None and not isinstance(body, bytes):
            body = urllib.parse.urlencode(body).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        self.connection = self.connection or self.stack.connection("TELEOPS_ADMIN_PORT")
        self.connection.request(method, path, body=body, headers=sent)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.cookie_lines.append(line)
            name, value = line.split(";")[0].split("=", 1)
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return Page(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text, path)

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def follow(self, page):
        assert page.status == 303, (page.status, page.main)
        return self.get(page.location)

    def send(self, form, follow=True, **values):
        """Sends a form as a browser would, with what is typed into it."""
        form.set(**values)
        page = self.request("POST", form.action, form.fields)
        return self.follow(page) if follow and page.status == 303 else page

    def sign_in(self, login, password, **more):
        return self.send(self.get("/signin").form("/signin"), follow=False, login=login, password=password, **more)
