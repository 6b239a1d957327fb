"""The containers as a reader of docs/install.md has them: built, up, a conversation, killed, down and up again. With every engine that can run here."""
import json
import os
import re
import shutil
import socket
import sys
import time

import pytest
from engines import ENGINES, SOURCE, Gate, NoEngine, Stack, place, wanted

sys.path.insert(0, os.path.join(SOURCE, "tests/simulator"))
sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))
from browser import Browser  # noqa: E402
from client import Process  # noqa: E402

pytestmark = pytest.mark.full

TOKEN = "7000000001:containers_test_token"
FAR = {"commands": [{"name": "far", "description": "Says it elsewhere", "kind": "exec", "program": "echo", "args": ["from afar"], "timeout_s": 10, "queue": "far"}],
       "grants": [{"role": "operator", "command": "far"}]}


def blocks():
    """What docs/install.md has of containers, in its order; what the reader fills in is not among it."""
    with open(os.path.join(SOURCE, "docs/install.md"), encoding="utf-8") as f:
        section = re.search(r"^## In containers$(.*?)^## ", f.read(), re.M | re.S).group(1)
    return [text for mark, text in re.findall(r"^```sh( \w+)?\n(.*?)^```$", section, re.M | re.S) if mark != " values"]


UP, TOKEN_GIVEN, PEOPLE, LET_IN, ENGINE, UPGRADE = blocks()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module", params=wanted())
def stack(request):
    directory = place()
    engine, s = ENGINES[request.param](directory), None
    try:
        try:
            engine.start()
            s = Stack(engine, free_port(), free_port())
            s.simulator = s.gate = s.host = None
        except NoEngine as e:
            pytest.skip(str(e))
        began = time.monotonic()
        s.compose("build", timeout=1800)
        print(f"\n{request.param}: built in {time.monotonic() - began:.0f} s on {engine.base}")
        yield s
        print(f"{request.param}: {time.monotonic() - began:.0f} s in all")
    finally:
        if s:
            s.remove()
            if s.simulator:
                s.simulator.stop()
        engine.stop()
        shutil.rmtree(directory, ignore_errors=True)


def answers(stack):
    """The admin pages, from the host, database included."""
    try:
        return Browser(stack).get("/healthz").status == 200
    except OSError:
        return False


def wait_until_up(stack):
    stack.wait(lambda: answers(stack), "the admin pages answer")


def signs_in(stack):
    b = Browser(stack)
    return "Sign out" in b.follow(b.sign_in("admin", stack.password[0])).text


def gateway(stack):
    """The host, as the container sees it."""
    for line in stack.exec("teleops-app", "cat", "/proc/net/route").stdout.splitlines()[1:]:
        words = line.split()
        if words[1] == "00000000":
            return socket.inet_ntoa(bytes.fromhex(words[2])[::-1])
    raise AssertionError("the container has no way out")


def connect(stack):
    """Has the containers find the simulator: where they see the host, which may be elsewhere in a new network."""
    host = gateway(stack)
    if host == stack.host:
        return
    if stack.gate:
        stack.gate.close()
    port = int(stack.simulator.address.rsplit(":", 1)[1])
    stack.gate, stack.host = Gate(host, port), host
    stack.exec("teleops-app", "sed", "-i", "/^api_base/d", "/etc/teleops/teleops.conf")
    stack.exec("teleops-app", "sh", "-c", f"echo 'api_base = http://{host}:{port}' >> /etc/teleops/teleops.conf")
    stack.compose("restart", "teleops-app")
    wait_until_up(stack)


def talk(stack, text, expected):
    before = len(stack.simulator.answers(1001))
    stack.simulator.say(1001, text)
    return stack.wait(lambda: [a for a in stack.simulator.answers(1001)[before:] if expected in a], f"{text} is answered with {expected}")


def test_images_hold_what_runs_and_no_more(stack):
    for image in ("teleops-app", "teleops-db"):
        name = f"{image}:{stack.tag}"
        print(f"{stack.engine.name}: {name}: {int(stack.engine('image', 'inspect', '-f', '{{.Size}}', name).stdout) / 1e6:.0f} MB")
        tools = stack.engine("run", "--rm", "--entrypoint", "sh", name, "-c", "for t in gcc cc make autoconf ld git pip npm; do command -v $t; done; ls /src 2>/dev/null; true").stdout
        assert tools.strip() == "", image


def test_up_alone_ends_with_an_admin_page(stack):
    stack.do(UP, stack.src)
    wait_until_up(stack)
    stack.wait(lambda: "to connect the bot" in stack.logs("teleops-app"), "it says what is left to do")
    said = stack.logs("teleops-app")
    assert f":{stack.admin_port}/" in said
    stack.password = re.findall(r"^password: (\S+)$", said, re.M)
    assert len(stack.password) == 1, said
    assert signs_in(stack)


def test_programs_are_users_of_their_own_without_power(stack):
    shown = stack.exec("teleops-app", "sh", "-c", 'for p in /proc/[0-9]*; do echo "$(cut -d " " -f 1 "$p/comm" 2>/dev/null):$(sed -n "s/^Uid:.//p; s/^CapEff:.//p" "$p/status" 2>/dev/null | tr "\\t\\n" "  ")"; done').stdout
    powerless = {line.split(":")[0] for line in shown.splitlines() if line.strip().endswith("0000000000000000")}
    assert {"nginx", "telebot.fcgi", "telemanager.fcg", "teleengine"} <= powerless, shown
    assert "Read-only file system" in stack.exec("teleops-app", "touch", "/usr/bin/x", check=False).stdout
    assert "Read-only file system" in stack.exec("teleops-db", "touch", "/usr/bin/x", check=False).stdout
    assert stack.exec("teleops-db", "id", "-un").stdout.strip() == "postgres"
    assert re.search(r"CapBnd:\s*0{16}", stack.exec("teleops-db", "cat", "/proc/1/status").stdout)
    assert re.search(r"CapBnd:\s*00000000000000eb", stack.exec("teleops-app", "cat", "/proc/1/status").stdout)
    # The database has nowhere to go, and nobody comes in but by its socket.
    assert stack.engine("network", "inspect", "-f", "{{.Internal}}", f"{stack.project}_alone").stdout.strip() == "true"
    assert stack.exec("teleops-db", "psql", "-h", "/database", "-Atc", "SHOW listen_addresses").stdout.strip() == ""


def test_a_token_and_a_conversation(stack):
    stack.simulator = Process(stack.engine.dir, TOKEN)
    connect(stack)
    stack.do(TOKEN_GIVEN, TOKEN=TOKEN)
    wait_until_up(stack)
    talk(stack, "/start", "1001")
    assert "0 failed" in stack.do(PEOPLE, MY_ID="1001")
    talk(stack, "/date", "UTC")


def started_at(stack, name):
    return stack.exec("teleops-app", "s6-svstat", "-o", "pid", f"/run/service/{name}").stdout.strip()


def test_a_program_that_dies_is_started_again(stack):
    for name in ("teleengine", "telesender", "telepoll", "telemanager", "telebot", "nginx"):
        before = started_at(stack, name)
        stack.exec("teleops-app", "s6-svc", "-k", f"/run/service/{name}")
        stack.wait(lambda n=name, b=before: started_at(stack, n) not in (b, "-1"), f"{name} is started again")
    wait_until_up(stack)
    talk(stack, "/date", "UTC")
    # Whatever lost its parent is taken in by the first process, and nothing stays dead and unburied.
    assert "Z" not in stack.exec("teleops-app", "sh", "-c", "cut -d ')' -f 2 /proc/[0-9]*/stat 2>/dev/null | cut -c 2 | sort -u").stdout


def test_containers_that_are_killed_come_back_with_all_they_had(stack):
    stack.kill("teleops-db")
    talk(stack, "/date", "UTC")
    stack.kill("teleops-app")
    wait_until_up(stack)
    talk(stack, "/date", "UTC")
    assert len(re.findall(r"^password: ", stack.logs("teleops-app"), re.M)) == 1
    assert stack.exec("teleops-app", "teleops", "audit", "verify").returncode == 0


def test_down_and_up_again_by_webhook(stack):
    stack.down()
    assert not stack.container("teleops-app")
    stack.set(TELEOPS_WEBHOOK_URL=f"https://127.0.0.1:{stack.webhook_port}/webhook")
    stack.compose("up", "-d")
    wait_until_up(stack)
    connect(stack)
    stack.wait(lambda: "Telegram delivers to" in stack.logs("teleops-app"), "the webhook is set")
    talk(stack, "/date", "UTC")
    assert signs_in(stack)
    assert "password:" not in stack.logs("teleops-app")


def test_an_engine_on_its_own(stack):
    """As on another host: it has the network, a password and a certificate, and no socket."""
    podman = stack.engine.name == "podman"
    stack.set(TELEOPS_DATABASE_PORT=free_port(), TELEOPS_QUEUES="far", TELEOPS_ENGINE_NAME="afar")
    if podman:
        stack.down()
    stack.do(LET_IN)
    wait_until_up(stack)
    connect(stack)
    stack.exec("teleops-app", "teleops", "apply", "-", text=json.dumps(FAR))
    stack.set(TELEOPS_DATABASE_HOST=stack.host)
    if podman:
        stack.engine("rm", "-f", stack.container("teleengine"))
    stack.do(ENGINE.replace("--profile engine ", "") if podman else ENGINE)
    talk(stack, "/far", "from afar")
    assert "event=registered engine=afar" in stack.logs("teleengine")
    shown = stack.exec("teleops-app", "teleops", "status").stdout
    assert "afar" in shown and "teleops-app" in shown


def test_nothing_secret_is_told(stack):
    for service in ("teleops-app", "teleops-db", "teleengine"):
        assert TOKEN not in stack.logs(service)


def test_upgrade(stack):
    """Nothing is new here; what was is there afterwards."""
    stack.down()
    stack.set(TELEOPS_DATABASE_HOST="")
    stack.do(UPGRADE)
    wait_until_up(stack)
    connect(stack)
    talk(stack, "/date", "UTC")
    stack.down("-v")
    assert stack.engine("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={stack.project}").stdout.split() == []
