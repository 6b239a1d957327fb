"""Commands of kind http on the whole stack: what is sent and shown, and everything that they refuse."""
import glob
import http.server
import json
import os
import subprocess
import threading
import time

import pytest
from test_chat import answer
from test_pending import asked, press
from test_sql import install, number, text

PASSWORD = "Qv3-of-the-connection"
SECRET = "Wd5-of-a-person-"
HTTP = {"kind": "http", "connection": "web", "timeout_s": 60}
COMMANDS = [
    {"name": "hget", "path": "/echo/{what}?q={what}&n={n}", "headers": {"X-What": "{what}"}, "parameters": [text("what", required=True), number("n", default=7)], **HTTP},
    {"name": "hpath", "path": "/echo/{what}?q={what}", "parameters": [text("what", required=True)], **HTTP},
    {"name": "hpart", "path": "/a/{one}{two}/b", "parameters": [text("one", required=True), text("two", default="")], **HTTP},
    {"name": "hpost", "path": "/echo", "method": "POST", "body": {"name": "{who}", "say": "to {who}: {note}", "n": "{n}", "left": "{note}", "list": ["{n}", 1, None, True]},
     "parameters": [text("who", required=True), number("n", default=3), text("note")], "pointer": "/body", **HTTP},
    {"name": "hput", "path": "/echo", "method": "PUT", "pointer": "/method", **HTTP},
    {"name": "hdelete", "path": "/echo", "method": "DELETE", "pointer": "/method", **HTTP},
    {"name": "hhead", "path": "/echo", "method": "HEAD", **HTTP},
    {"name": "hpointer", "path": "/json", "pointer": "/list/1/na~1me", **HTTP},
    {"name": "hnothing", "path": "/json", "pointer": "/no/such", **HTTP},
    {"name": "hnojson", "path": "/plain", "pointer": "/x", **HTTP},
    {"name": "hplain", "path": "/plain", **HTTP},
    {"name": "hstatus", "path": "/status/{n}", "parameters": [number("n", required=True)], **HTTP},
    {"name": "hexpect", "path": "/status/{n}", "expect": [404, 418, 302], "parameters": [number("n", required=True)], **HTTP},
    {"name": "hgo", "path": "/go/{where}", "parameters": [text("where", required=True)], **HTTP},
    {"name": "hpostgo", "path": "/go/same", "method": "POST", **HTTP},
    {"name": "hbig", "path": "/big", "output_limit": 5000, **HTTP},
    {"name": "hslow", "path": "/slow/{s}", "parameters": [number("s", required=True)], **HTTP},
    {"name": "hquick", "path": "/slow/100", **HTTP, "timeout_s": 1, "grace_s": 1},
    {"name": "hheader", "path": "/echo", "headers": {"X-What": "{what}"}, "parameters": [text("what", required=True)], **HTTP},
    {"name": "hhost", "path": "/echo", "headers": {"Host": "elsewhere"}, **HTTP},
    {"name": "hover", "path": "/echo", "headers": {"x-token": "mine"}, **HTTP},
    {"name": "hpw", "path": "/slow/{s}", "method": "POST", "headers": {"X-Pw": "{pw}"}, "body": {"pw": "{pw}"},
     "parameters": [text("pw", secret=True, required=True), number("s", default=0)], **HTTP},
    {"name": "hpwbad", "path": "/tell", "method": "POST", "body": "{pw}", "parameters": [text("pw", secret=True, required=True)], **HTTP},
    {"name": "hrisk", "path": "/echo/{what}", "method": "POST", "dangerous": True, "body": ["{what}"], "pointer": "/body/0", "parameters": [text("what", required=True)], **HTTP},
    {"name": "hfile", "path": "/etc/passwd", "kind": "http", "connection": "file"}, {"name": "huser", "path": "/", "kind": "http", "connection": "user"},
    {"name": "hdown", "path": "/", "kind": "http", "connection": "down"}, {"name": "hdb", "path": "/", "kind": "http", "connection": "db"},
    {"name": "hsealed", "path": "/echo", "kind": "http", "connection": "stolen"}, {"name": "htls", "path": "/healthz", "kind": "http", "connection": "tls", "pointer": "/database"},
    {"name": "hnotls", "path": "/healthz", "kind": "http", "connection": "notls"},
]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        self.seen, self.other = [], None
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients that go away are a part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def go(self, where, body):
        port = self.server.server_address[1]
        places = {"same": "/base/plain", "full": f"http://127.0.0.1:{port}/base/plain", "port": f"http://127.0.0.1:{self.server.other}/",
                  "host": f"http://localhost:{port}/base/plain", "tls": f"https://127.0.0.1:{port}/", "file": "file:///etc/passwd", "user": f"http://a:b@127.0.0.1:{port}/base/plain",
                  "loop": "/base/go/loop", "gopher": "gopher://127.0.0.1/", "none": ""}
        self.answer(302, "moved", **({"Location": places[where]} if places[where] else {}))

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        words = self.path.split("?")[0].split("/")[2:]
        if words[0] == "echo":
            self.answer(200, json.dumps({"method": self.command, "path": self.path, "body": json.loads(body or "null")}))
        elif words[0] == "json":
            self.answer(200, json.dumps({"list": [1, {"na/me": {"a": [1]}}]}))
        elif words[0] == "status":
            self.answer(int(words[1]), f"this is {words[1]}")
        elif words[0] == "go":
            self.go(words[1], body)
        elif words[0] == "big":
            self.answer(200, "x" * 100000)
        elif words[0] == "slow":
            time.sleep(float(words[1]))
            self.answer(200, "slept")
        elif words[0] == "tell":
            self.answer(400, "you said " + body)
        else:
            self.answer(200, "plain words")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do

    def log_message(self, *words):  # pylint: disable=arguments-differ
        pass


@pytest.fixture(scope="module")
def server():
    s, other = Server(), Server()
    s.other = other.server_address[1]
    s.forbidden = other
    yield s
    for one in (s, other):
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="module", autouse=True)
def kinds(shared, server):
    port = server.server_address[1]
    sealed = shared.teleops("secret", "seal", "web", stdin=PASSWORD + "\n")
    assert sealed.returncode == 0 and sealed.stdout.startswith("password = ") and PASSWORD not in sealed.stdout, sealed.stderr
    web = f"# the tests' own\nurl = http://127.0.0.1:{port}/base/\nheader = X-Token: Bearer {{password}}\n"
    files = {"web": web + sealed.stdout, "file": "url = file:///\n", "user": f"url = http://a:b@127.0.0.1:{port}/\n", "down": "url = http://127.0.0.1:1/\n",
             "db": "conninfo = dbname=x\n", "stolen": web + sealed.stdout, "tls": f"url = https://127.0.0.1:{shared.env['TELEOPS_ADMIN_PORT']}\nca_file = {shared.env['DEMO_CERT']}\n",
             "notls": f"url = https://127.0.0.1:{shared.env['TELEOPS_ADMIN_PORT']}\n"}
    made = [install(shared, name, words) for name, words in files.items()]
    shared.apply({"commands": COMMANDS, "grants": [{"role": "crew", "command": c["name"]} for c in COMMANDS]})
    yield
    shared.calm()
    shared.sql("DELETE FROM command WHERE name = ANY (%s)", ([c["name"] for c in COMMANDS],))
    for path in made:
        os.remove(path)


@pytest.fixture(autouse=True)
def unseen(stack, server):
    server.seen.clear()
    server.forbidden.seen.clear()


# -- what is sent, what is shown

def test_values_are_encoded_for_their_place(stack, server):
    said = json.loads(answer(stack, 4001, "/hget what=plain"))
    assert said == {"method": "GET", "path": "/base/echo/plain?q=plain&n=7", "body": None}
    method, _, headers, body = server.seen[-1]
    assert (method, body, headers["X-What"], headers["X-Token"], headers["User-Agent"]) == ("GET", "", "plain", "Bearer " + PASSWORD, "teleops")
    for what, there in (("a/b", "a%2Fb"), ("x?y=1&z#f", "x%3Fy%3D1%26z%23f"), ("../..", "..%2F.."), ("%2e%2e", "%252e%252e"), ("a b+c", "a%20b%2Bc"),
                        ("\u00fc\U0001f600", "%C3%BC%F0%9F%98%80"), ("@evil.example", "%40evil.example"), ("{what}", "%7Bwhat%7D"), ("\\r\\nX: y", "%5Cr%5CnX%3A%20y")):
        assert json.loads(answer(stack, 4001, f"/hpath {what}"))["path"] == f"/base/echo/{there}?q={there}", what


@pytest.mark.parametrize("line", ["/hpath ..", "/hpath .", "/hpart . .", "/hpart .."])
def test_no_value_leads_out_of_the_path(stack, server, line):
    assert "would lead out of the command's path" in answer(stack, 4001, line)
    assert not server.seen


def test_a_body_is_json_whatever_is_typed(stack, server):
    shown = json.loads(answer(stack, 4001, "/hpost ada"))
    assert shown == {"name": "ada", "say": "to ada: ", "n": 3, "left": None, "list": [3, 1, None, True]}
    assert server.seen[-1][2]["Content-Type"] == "application/json"
    for evil in ('", "admin": true, "x": "', "\\", "a\"b\\c", "null", "7", "{n}", "\u2028\U0001f600"):
        quoted = "'" + evil.replace("'", "'\\''") + "'"
        answer(stack, 4001, f"/hpost {quoted} 5 {evil}")
        sent = json.loads(server.seen[-1][3])
        assert sent["name"] == evil and sent["left"] == evil and sent["say"] == f"to {evil}: {evil}" and set(sent) == {"name", "say", "n", "left", "list"}


def test_methods(stack, server):
    assert answer(stack, 4001, "/hput") == "PUT" and answer(stack, 4001, "/hdelete") == "DELETE"
    assert answer(stack, 4001, "/hhead") == "/hhead: done, no output" and server.seen[-1][0] == "HEAD"


def test_what_is_shown(stack):
    assert answer(stack, 4001, "/hplain") == "plain words"
    assert json.loads(answer(stack, 4001, "/hpointer")) == {"a": [1]}
    assert "the answer has nothing at /no/such" in answer(stack, 4001, "/hnothing")
    assert "the answer is no JSON" in answer(stack, 4001, "/hnojson")
    assert answer(stack, 4001, "/htls") in ("true", "ok", "up"), "TLS with a certificate of our own"


def test_statuses(stack):
    assert answer(stack, 4001, "/hstatus 201") == "this is 201"
    said = answer(stack, 4001, "/hstatus 500")
    assert "failed: exit status 1" in said and "the server answered 500\nthis is 500" in said
    assert "the server answered 404" in answer(stack, 4001, "/hstatus 404")
    assert answer(stack, 4001, "/hexpect 404") == "this is 404"
    assert "the server answered 200" in answer(stack, 4001, "/hexpect 200")


# -- where it may go

def test_redirects_stay_where_they_are(stack, server):
    assert answer(stack, 4001, "/hgo same") == "plain words" and answer(stack, 4001, "/hgo full") == "plain words"
    for where, host in (("port", "127.0.0.1"), ("host", "localhost"), ("tls", "127.0.0.1"), ("user", "127.0.0.1")):
        said = answer(stack, 4001, f"/hgo {where}")
        assert f"answered 302 and sends to {host}, which is not where this command may go" in said, said
    for where in ("file", "gopher"):
        said = answer(stack, 4001, f"/hgo {where}")
        assert "the server answered 302" in said and "root:" not in said, said
    assert "from one place to the next" in answer(stack, 4001, "/hgo loop")
    assert "the server answered 302\nmoved" in answer(stack, 4001, "/hgo none")
    assert "the server answered 302" in answer(stack, 4001, "/hpostgo"), "what changes something is not sent twice"
    assert not server.forbidden.seen and "a:b" not in str(stack.sim.answers(4001))


def test_connections_that_cannot_be_used(stack):
    for name in ("hfile", "huser"):
        assert "url must be http:// or https://" in answer(stack, 4001, "/" + name)
    assert "the request failed" in answer(stack, 4001, "/hdown")
    assert "connection db is none for commands of kind http" in answer(stack, 4001, "/hdb")
    assert "the request failed" in answer(stack, 4001, "/hnotls"), "a certificate that nobody vouches for"
    said = answer(stack, 4001, "/hsealed")
    assert "could not start" in said and "was not sealed for it" in said, "a password opens for its connection alone"


def test_headers_are_not_the_commands_to_forge(stack, server):
    assert answer(stack, 4001, "/hheader fine")
    assert "the header Host cannot be sent" in answer(stack, 4001, "/hhost")
    assert "the header x-token cannot be sent" in answer(stack, 4001, "/hover")
    said = answer(stack, 4001, "/hheader a\nX-Evil: b")
    assert "the header X-What cannot be sent" in said
    assert not any("X-Evil" in headers for _, _, headers, _ in server.seen)


# -- size and time

def test_too_long_an_answer_is_a_failure(stack):
    assert "the answer is longer than 5000 bytes" in answer(stack, 4001, "/hbig")


def test_what_takes_too_long_is_ended(stack):
    assert "timed out after 1 s" in answer(stack, 4001, "/hquick")


def test_cancel(stack, server):
    stack.sim.say(4001, "/hslow 100")
    assert stack.wait(lambda: server.seen, 20)
    number_ = stack.sql("SELECT id FROM task WHERE NOT internal")[0][0]
    stack.sim.say(4001, f"/cancel {number_}")
    assert stack.wait(lambda: any("cancelled by Ada" in a for a in stack.sim.answers(4001)), 20)
    assert stack.settled(20)


def test_slow_ones_hold_up_nobody(stack, server):
    for _ in range(4):
        stack.sim.say(4001, "/hslow 100")
    assert stack.wait(lambda: len(server.seen) == 4, 30)
    assert answer(stack, 5001, "/hplain") == "plain words"
    assert answer(stack, 4002, "/deploy staging") == "deployed to staging"
    stack.sql("UPDATE task SET state = 'cancelling' WHERE state <> 'queued'; NOTIFY cancel")
    assert stack.settled(30)


# -- what nobody is to see

def owners(words):
    """(pid, user id) of processes with these arguments."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                if f.read() == words:
                    with open(path.replace("cmdline", "status"), encoding="utf-8") as status:
                        yield int(path.split("/")[2]), next(int(line.split()[1]) for line in status if line.startswith("Uid:"))
        except OSError:
            continue


def test_secrets_are_in_the_request_and_nowhere_else(stack, server):
    secret = SECRET + "1"
    stack.sim.say(4001, f"/hpw {secret} 3")
    assert stack.wait(lambda: server.seen, 20)
    _, _, headers, body = server.seen[-1]
    assert headers["X-Pw"] == secret and json.loads(body) == {"pw": secret} and headers["X-Token"] == "Bearer " + PASSWORD
    users = {uid for _, uid in owners(b"telecall\0http\0")}
    assert users == {int(subprocess.check_output(["id", "-u", "teleops-http"]))}
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                told = f.read()
            assert secret.encode() not in told and PASSWORD.encode() not in told, path
        except OSError:
            continue
    assert stack.wait(lambda: "slept" in stack.sim.answers(4001), 20)
    said = answer(stack, 4001, f"/hpwbad {secret}")
    assert "the server answered 400" in said and secret not in said, "what the server repeats is not repeated"
    assert stack.settled()
    for path in glob.glob(os.path.join(stack.dir, "log", "*.log")):
        if not path.endswith("simulator.log"):
            with open(path, encoding="utf-8", errors="replace") as f:
                told = f.read()
            assert secret not in told and PASSWORD not in told, path
    for table in ("task_history", "task_output", "audit_event", "outbox", "command"):
        for word in (secret, PASSWORD):
            assert stack.count(table, f"{table}::text LIKE %s", (f"%{word}%",)) == 0


def test_a_dangerous_one_is_shown_in_full(stack, server):
    message = asked(stack, 4001, "/hrisk it")
    assert 'POST web/echo/{what}\n["{what}"]' in message["text"] and "what = it" in message["text"] and not server.seen
    press(stack, 4001, "Run")
    assert stack.wait(lambda: stack.sim.answers(4001)[-1] == "it", 20)
    stack.sim.say(4001, "/hrisk other")
    stack.settled()
    stack.sql("UPDATE command SET path = '/elsewhere' WHERE name = 'hrisk'")
    before = len(server.seen)
    press(stack, 4001, "Run")
    assert len(server.seen) == before, "what was confirmed is what runs"
    stack.sql("UPDATE command SET path = '/echo/{what}' WHERE name = 'hrisk'")
