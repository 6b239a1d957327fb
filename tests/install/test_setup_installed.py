"""teleops setup in a fresh Debian, as README and docs/install.md have it; then what else README says to type, up to the demo."""
import pytest
from commands import blocks, readme, shell_mark
from house import TOKEN, missing

pytestmark = [pytest.mark.full, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

AGAIN = "teleops setup --answers /root/teleops.answers"


def snapshot(house):
    """Every file that setup writes, and when each program was started."""
    return house.run("find /etc/teleops /etc/nginx/conf.d /etc/postgresql -type f -printf '%p %m %u %T@ %i\\n' | sort;"
                     "systemctl show -p MainPID -p ActiveEnterTimestampMonotonic nginx telebot telepoll telemanager teleengine telesender").stdout


def test_from_nothing_to_an_answer(house, talk):
    build, setup = (c for c in readme() if c.startswith(("./autogen.sh", "teleops setup")))
    house.do("cp -a /root/teleops /root/fresh\ncd /root/teleops\n" + build + "\n")
    for block in blocks()["In one command"]:
        house.do(f"HOST=ops.example.org\nTOKEN={TOKEN}\n" if shell_mark(block) == "values" else block.text)
    talk("/start", "1001")
    assert house.run("curl -skf https://ops.example.org/healthz").returncode == 0, house.journal()
    house.do("sed -i 's/\"telegram_ids\": \\[\\]/\"telegram_ids\": [1001]/' /root/people.json\n" + AGAIN + "\n")
    talk("/uptime", "load average")
    # Asked, as README has it: what was answered before is offered, and nothing is to be done.
    before = snapshot(house)
    assert "nothing was changed" in house.do(setup + "\n", typed="\n" * 20)
    assert snapshot(house) == before


def test_the_second_time_it_changes_nothing(house, talk):
    before, calls = snapshot(house), len(house.sim("calls", "setWebhook"))
    for _ in range(2):
        said = house.do(AGAIN + "\n")
        assert "nothing was changed" in said and "done  " not in said
    assert snapshot(house) == before and len(house.sim("calls", "setWebhook")) == calls
    talk("/uptime", "load average")


def test_what_was_broken_is_made_whole(house, talk):
    house.do("systemctl stop teleengine nginx\nsystemctl disable telesender\nrm /etc/teleops/telemanager.env /etc/nginx/conf.d/teleops.conf\n" + AGAIN + "\n")
    assert "nothing was changed" in house.do(AGAIN + "\n")
    talk("/uptime", "load average")


def test_wrong_answers_are_refused_and_nothing_stops(house, talk):
    def refused(changes, complaint, before="true", after="true"):
        state = snapshot(house)
        house.do(before + "\n")
        edits = "".join(f" -e '/^{key} /d' -e '$a {key} = {value}'" for key, value in changes.items())
        done = house.run(f"sed{edits} /root/teleops.answers > /root/wrong.answers; TELEOPS_API_BASE=http://127.0.0.1:8081 teleops setup --answers /root/wrong.answers")
        house.do(after + "\n")
        assert done.returncode == 1 and complaint in done.stdout and "nothing was changed" in done.stdout, done.stdout
        assert "postgresql" in before or snapshot(house) == state

    house.do("echo 7000000009:another > /root/another_token\nopenssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout /root/x.key -out /root/x.pem\n")
    refused({"token_file": "/root/another_token"}, "token_file: Telegram does not know this bot")
    refused({"admin_port": 8081}, "admin_port: port 8081 is taken by python3; stop that, or give another port")
    refused({"certificate": "/root/x.pem", "certificate_key": "/root/x.key"}, "/root/x.pem is not for ops.example.org")
    refused({"certificate": "/root/x.pem", "certificate_key": "/etc/teleops/key.pem"}, "/etc/teleops/key.pem is not the key of /root/x.pem")
    refused({"host": "https://ops.example.org"}, "host: https://ops.example.org is no host's name")
    refused({"database_port": 5433}, "install or start PostgreSQL")
    refused({}, "install or start PostgreSQL", "systemctl stop postgresql postgresql@*", "systemctl start postgresql")
    talk("/uptime", "load average")


def test_polling_and_back(house, talk):
    for way, units in (("polling", ["inactive", "active"]), ("webhook", ["active", "inactive"])):
        said = house.do(f"sed -i 's/^updates = .*/updates = {way}/' /root/teleops.answers\n" + AGAIN + "\n")
        assert "done  programs" in said
        assert house.run("systemctl is-active telebot.socket telepoll").stdout.split() == units
        talk("/uptime", "load average")
        assert "nothing was changed" in house.do(AGAIN + "\n")


def test_without_systemd_it_says_what_to_start(house, talk):
    """The same host with systemd hidden, and every program started as it says."""
    house.do("systemctl stop teleops.target telebot.socket telemanager.socket nginx\n")
    done = house.run("TELEOPS_API_BASE=http://127.0.0.1:8081 unshare -m sh -c 'mount -t tmpfs none /run/systemd && " + AGAIN + "'", timeout=600)
    assert done.returncode == 0 and "nothing was changed" in done.stdout and "No systemd runs here" in done.stdout, done.stdout
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == ["spawn-fcgi", "spawn-fcgi", "teleengine", "telesender", "nginx"]
    house.do("rm -f /run/teleops/*.sock /root/pids\n")
    for line in lines:
        program = next((p for p in ("telebot", "telemanager", "teleengine", "telesender") if p in line), None)
        command = line.split("  ")[0]
        if "as teleops-" in line:
            command = f"setpriv --reuid teleops-sender --regid teleops-sender --init-groups {command}"
        settings = f"set -a; . /etc/teleops/{program}.env; set +a; " if program else ""
        house.do(f"env -i PATH=$PATH setsid bash -c '{settings}exec {command}' </dev/null >>/root/started.log 2>&1 &\n" + ("" if program is None else "echo $! >> /root/pids\n"))
    try:
        talk("/uptime", "load average")
    except AssertionError as e:
        raise AssertionError(house.run("cat /root/started.log").stdout) from e
    assert house.run("curl -skf https://ops.example.org/healthz").returncode == 0
    house.do("kill $(cat /root/pids)\nnginx -s stop\n")
    house.wait(lambda: house.run("pgrep -x 'tele.*|nginx'").returncode, "they have ended")
    house.do("systemctl start nginx teleops.target\n")
    talk("/uptime", "load average")


def test_what_else_readme_says(house):
    assert "Exit status" not in house.do("set -a; . /etc/teleops/operator.env; set +a\nteleops doctor\nteleops chat allow -1001\n")
    house.do("systemctl stop teleops.target nginx postgresql\nkill $(pgrep -f simulator.py)\ncd /root/fresh\n./demo --help\n"
             "(env -i HOME=/root PATH=$PATH LC_ALL=C.UTF-8 ./demo </dev/null >/root/demo.log 2>&1; echo ended >> /root/demo.log) &\n")
    try:
        house.wait(lambda: house.run("grep -E 'Ctrl-C|^ended' /root/demo.log").stdout, "the demo is there, or has ended", 600)
        done = house.run("cd /root/fresh; . .demo/demo.env; $DEMO_BIN/teleops status")
        assert done.returncode == 0 and "engines" in done.stdout, done.stdout + house.run("tail -n 60 /root/demo.log").stdout
    finally:
        house.run("cd /root/fresh; ./demo --stop", timeout=180)
    house.wait(lambda: house.run("grep ^ended /root/demo.log").stdout, "the demo has ended")


def test_nothing_secret_was_said(house):
    assert TOKEN not in house.said and TOKEN not in house.run("journalctl --no-pager -o cat; cat /etc/teleops/setup.answers").stdout
