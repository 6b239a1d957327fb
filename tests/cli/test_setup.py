"""teleops setup below a directory of its own (--root), with the simulator and a private PostgreSQL; tests/install has it start everything."""
import json
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from support.cluster import BUILD, SOURCE, Cluster

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../simulator"))
from client import Process  # noqa: E402

TOKEN = "7000000003:setup_test_token"
PASSWORD = "a good enough password"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    p = Process(tmp_path_factory.mktemp("sim"), TOKEN)
    yield p
    p.stop()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def directories():
    """Where this build installs what the packages hold, and its settings."""
    done = subprocess.run([os.path.join(BUILD, "teleops"), "conf", "reference"], stdout=subprocess.PIPE, universal_newlines=True, check=True, env={"TELEOPS_CONFIG": "/dev/null"})
    found = dict(re.findall(r"^#([a-z_]+) = (.*)$", done.stdout, re.M))
    return os.path.dirname(found["schema_dir"]), os.path.dirname(found["exec_dir"])


class Host:
    """What stands for / in a test, and the answers for it."""

    def __init__(self, directory, simulator, cluster):
        self.root, self.simulator, self.cluster = directory / "root", simulator, cluster
        data, etc = directories()
        self.etc = self.root / etc[1:]
        (self.root / data[1:] / "nginx").mkdir(parents=True)
        shutil.copy(os.path.join(BUILD, "nginx/teleops.conf"), self.root / data[1:] / "nginx/teleops.conf")
        self.directory = directory
        self.answers = {"api_base": simulator.address, "token_file": self.write("token", TOKEN + "\n"), "host": "localhost", "updates": "webhook",
                        "webhook_port": free_port(), "admin_port": free_port(), "database_socket": cluster.dir,
                        "admin_password_file": self.write("password", PASSWORD + "\n")}
        self.env = {"PATH": "/usr/bin:/bin", "TELEOPS_CONFIG": "/dev/null", "TELEOPS_SCHEMA_DIR": os.path.join(SOURCE, "schema")}

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    def call(self, *options, stdin=""):
        done = subprocess.run([os.path.join(BUILD, "teleops"), "setup", "--root", str(self.root), *options], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=300, env=self.env, check=False)
        for secret in ("setup_test_token", PASSWORD):
            assert secret not in done.stdout + done.stderr
        return done

    def setup(self, **changed):
        answers = {**self.answers, **changed}
        self.file = self.write("answers", "# the answers\n\n" + "".join(f"{k} = {v}\n" for k, v in answers.items() if v is not None))
        return self.call("--answers", self.file)

    def outcomes(self, done):
        return dict(reversed(m) for m in re.findall(r"^(same|done)  ([a-z' ]+)", done.stdout, re.M))

    def files(self):
        found = {}
        for directory, _, names in os.walk(self.root):
            for path in (os.path.join(directory, n) for n in names):
                info = os.lstat(path)
                found[path] = (stat.S_IMODE(info.st_mode), info.st_uid, info.st_mtime_ns, info.st_ino)
        return found


@pytest.fixture
def untouched(tmp_path, simulator, cluster):
    """For what is refused before the databases would be looked at."""
    simulator.call("/sim/reset", {})
    simulator.bot("deleteWebhook")
    return Host(tmp_path, simulator, cluster)


@pytest.fixture
def host(untouched, cluster):
    cluster.make_databases()
    return untouched


def make_certificate(directory, name, *more):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-days", "30",
                    "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.pem"), *more],
                   check=True, stderr=subprocess.DEVNULL)
    return str(directory / f"{name}.pem"), str(directory / f"{name}.key")


def test_from_nothing_to_all_of_it_and_the_second_time_nothing(host):
    for name in ("telemanager", "teleapp"):
        host.cluster.sql(f"DROP DATABASE {name} WITH (FORCE)", user="postgres", database="postgres")
    done = host.setup()
    assert done.returncode == 0, done.stderr
    got = host.outcomes(done)
    assert {k for k, v in got.items() if v == "same"} <= {"users", "database roles", "database access", "people and commands", "programs", "pages"}, done.stdout
    # Whose the secrets are, and that nobody else can open them.
    for name, user in {"bot_token": "teleops-sender", "webhook_secret": "teleops-bot", "secret_keys": "teleops-engine", "key.pem": "root", "setup.answers": "root"}.items():
        info = os.stat(host.etc / name)
        assert (stat.S_IMODE(info.st_mode), pwd.getpwuid(info.st_uid).pw_name) == (0o600, user), name
    assert not (host.etc / "poll_token").exists() and not (host.etc / "admin_password").exists()
    assert (host.etc / "bot_token").read_text() == TOKEN + "\n"
    url = f"https://localhost:{host.answers['webhook_port']}/webhook"
    conf = (host.etc / "teleops.conf").read_text()
    for line in (f"webhook_url = {url}", f"webhook_port = {host.answers['webhook_port']}", f"admin_port = {host.answers['admin_port']}", f"api_base = {host.simulator.address}"):
        assert line + "\n" in conf
    assert re.search(r"^secret_public_key = \S{44}$", conf, re.M) and re.search(r"^certificate = .*/cert.pem$", conf, re.M)
    assert f'TELEOPS_DATABASE="host={host.cluster.dir} dbname=telemanager user=teleops_sender"\n' in (host.etc / "telesender.env").read_text()
    site = (host.root / "etc/nginx/conf.d/teleops.conf").read_text()
    assert re.findall(r"^\tlisten (.*);$", site, re.M) == [f"{host.answers['webhook_port']} ssl", f"{host.answers['admin_port']} ssl"]
    told = host.simulator.bot("getWebhookInfo")["result"]
    assert told["url"] == url and told["has_custom_certificate"]
    secret = host.simulator.calls("setWebhook")[-1]["params"]["secret_token"]
    assert secret == (host.etc / "webhook_secret").read_text().strip() and secret not in done.stdout
    assert host.cluster.sql("SELECT login FROM app_user WHERE password_hash IS NOT NULL") == [("admin",)]
    assert "nothing was started" in done.stdout and "telebot.fcgi" in done.stdout and "teleengine" in done.stdout
    # What it kept of the answers does the same again.
    before, calls = host.files(), len(host.simulator.calls("setWebhook"))
    for file in (host.file, self_answers(host)):
        again = host.call("--answers", file)
        assert again.returncode == 0, again.stderr
        assert set(host.outcomes(again).values()) == {"same"} and "nothing was changed" in again.stdout, again.stdout
    assert host.files() == before and len(host.simulator.calls("setWebhook")) == calls


def self_answers(host):
    """The kept answers; the token's file is named as the host itself sees it."""
    text = (host.etc / "setup.answers").read_text()
    assert "password" not in text and TOKEN not in text
    return host.write("kept", re.sub(r"^token_file = ", f"token_file = {host.root}", text, flags=re.M))


def test_polling_needs_no_webhook_and_one_can_change_ones_mind(host):
    done = host.setup(updates="polling")
    assert done.returncode == 0, done.stderr
    info = os.stat(host.etc / "poll_token")
    assert (stat.S_IMODE(info.st_mode), pwd.getpwuid(info.st_uid).pw_name) == (0o600, "teleops-bot")
    assert "webhook_url" not in (host.etc / "teleops.conf").read_text() and host.simulator.calls("setWebhook") == []
    assert "teleops poll" in done.stdout and "telebot.fcgi" not in done.stdout
    done = host.setup(updates="webhook")
    assert done.returncode == 0 and "webhook_url" in (host.etc / "teleops.conf").read_text() and len(host.simulator.calls("setWebhook")) == 1


def test_what_others_wrote_stays(host):
    assert host.setup().returncode == 0
    conf, site, env = host.etc / "teleops.conf", host.root / "etc/nginx/conf.d/teleops.conf", host.etc / "telesender.env"
    conf.write_text("# ours\nslots = 4\n" + conf.read_text())
    site.write_text(site.read_text().replace("\tserver_tokens off;", "\tserver_tokens off;\n\t# ours"))
    env.write_text(env.read_text() + "TELEOPS_SEND_RATE=5\n")
    port = free_port()
    done = host.setup(admin_port=port)
    assert done.returncode == 0, done.stderr
    assert conf.read_text().startswith("# ours\nslots = 4\n") and f"admin_port = {port}\n" in conf.read_text()
    assert "# ours" in site.read_text() and f"listen {port} ssl;" in site.read_text()
    assert "TELEOPS_SEND_RATE=5\n" in env.read_text()


def test_without_a_password_one_is_made_and_never_said(host):
    done = host.setup(admin_password_file=None, admin_login="first")
    assert done.returncode == 0, done.stderr
    path = host.etc / "admin_password"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and str(path) in done.stdout
    assert path.read_text().strip() not in done.stdout + done.stderr
    path.unlink()
    done = host.setup(admin_password_file=None, admin_login="first")
    assert done.returncode == 0 and not path.exists() and "nothing was changed" in done.stdout


def test_people_come_along(host):
    people = host.write("people.json", json.dumps({"roles": [{"name": "operator"}], "users": [{"login": "me", "first_name": "Me", "roles": ["operator"], "telegram_ids": [1001]}]}))
    done = host.setup(people_file=people)
    assert done.returncode == 0 and host.outcomes(done)["people and commands"] == "done", done.stderr
    assert host.cluster.sql("SELECT count(*) FROM telegram_account") == [(1,)]
    assert "nothing was changed" in host.setup(people_file=people).stdout
    done = host.setup(people_file=host.write("people.json", '{"users": [{"login": ""}]}'))
    assert done.returncode == 1 and "FAIL  people and commands" in done.stderr and "what is done is not done twice" in done.stderr


def test_a_certificate_of_ones_own(host):
    certificate, key = make_certificate(host.directory, "localhost")
    done = host.setup(certificate=certificate, certificate_key=key)
    assert done.returncode == 0, done.stderr
    assert os.readlink(host.etc / "cert.pem") == certificate and os.readlink(host.etc / "key.pem") == key
    assert "nothing was changed" in host.setup(certificate=certificate, certificate_key=key).stdout
    # And back to one made here: theirs is not touched.
    with open(certificate, encoding="ascii") as f:
        theirs = f.read()
    done = host.setup()
    assert done.returncode == 0 and host.outcomes(done)["webhook"] == "done", done.stderr
    assert not os.path.islink(host.etc / "cert.pem")
    with open(certificate, encoding="ascii") as f:
        assert f.read() == theirs


def test_a_certificate_that_is_there_already_is_kept_or_put_aside(host):
    assert host.setup().returncode == 0
    authority = make_certificate(host.directory, "authority.example")
    for name, more, outcome in (("localhost", ["-CA", authority[0], "-CAkey", authority[1]], "same"), ("other.example", [], "done")):
        certificate, key = make_certificate(host.directory, name, *more)
        shutil.copy(certificate, host.etc / "cert.pem")
        shutil.copy(key, host.etc / "key.pem")
        done = host.setup()
        assert done.returncode == 0 and host.outcomes(done)["certificate"] == outcome, done.stdout
        # Telegram gets only what it would not believe by itself.
        assert host.simulator.bot("getWebhookInfo")["result"]["has_custom_certificate"] == (outcome == "done")
    assert (host.etc / "key.pem.former").read_bytes() == (host.directory / "other.example.key").read_bytes()


def test_a_file_that_is_kept_elsewhere_stays_there(host):
    assert host.setup().returncode == 0
    conf, kept = host.etc / "teleops.conf", host.directory / "kept.conf"
    conf.rename(kept)
    conf.symlink_to(kept)
    port = free_port()
    assert host.setup(admin_port=port).returncode == 0
    assert conf.is_symlink() and f"admin_port = {port}\n" in kept.read_text()


def bad_token(host):
    return {"token_file": host.write("bad", "7000000009:another_token\n")}


def no_token(host):
    return {"token_file": host.write("bad", "not a token\n")}


def other_key(host):
    return {"certificate": make_certificate(host.directory, "localhost")[0], "certificate_key": make_certificate(host.directory, "other.example")[1]}


def other_name(host):
    certificate, key = make_certificate(host.directory, "other.example")
    return {"certificate": certificate, "certificate_key": key}


def key_twice(host):
    _, key = make_certificate(host.directory, "localhost")
    return {"certificate": key, "certificate_key": key}


def locked_key(host):
    certificate, key = make_certificate(host.directory, "localhost")
    subprocess.run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", key, "-out", key + ".locked"], check=True, stderr=subprocess.DEVNULL)
    return {"certificate": certificate, "certificate_key": key + ".locked"}


REFUSED = [
    ({"api_base": "api.telegram.org"}, "api_base: api.telegram.org is no address"),
    ({"api_base": "http://127.0.0.1:1"}, "token_file: http://127.0.0.1:1 cannot be reached"),
    (bad_token, "token_file: Telegram does not know this bot (Unauthorized); check bot_token"),
    (no_token, "token_file: bot_token is no token"),
    ({"token_file": "/nonexistent/token"}, "token_file: /nonexistent/token: No such file"),
    ({"token_file": TOKEN}, "token_file: write the token into a file"),
    ({"host": "https://ops.example.org/"}, "host: https://ops.example.org/ is no host's name"),
    ({"host": "-ops.example.org"}, "host: -ops.example.org is no host's name"),
    ({"host": "nowhere.invalid"}, "updates: the name service does not know nowhere.invalid"),
    ({"updates": "push"}, "updates: push is neither webhook nor polling"),
    ({"webhook_port": "https"}, "webhook_port: https is no port"),
    ({"webhook_port": "0"}, "webhook_port: 0 is no port"),
    ({"admin_port": "70000"}, "admin_port: 70000 is no port"),
    ({"certificate": "letsencrypt"}, "certificate: letsencrypt is neither"),
    ({"certificate": "certbot", "host": "127.0.0.1"}, "certificate: /etc/letsencrypt/live/127.0.0.1/fullchain.pem: No such file or directory; run certbot"),
    ({"certificate": "/nonexistent.pem", "certificate_key": "/nonexistent.key"}, "certificate_key: /nonexistent.pem: No such file"),
    ({"certificate": "/etc/hostname"}, "certificate_key: nothing is no whole path"),
    ({"certificate": "/etc/passwd", "certificate_key": "/etc/passwd"}, "certificate_key: /etc/passwd holds no certificate in PEM"),
    (other_key, "other.example.key is not the key of"),
    (other_name, "other.example.pem is not for localhost; get one with that name, or correct host"),
    (key_twice, "localhost.key holds no certificate in PEM"),
    (locked_key, "holds no private key in PEM without a passphrase"),
    ({"database_socket": "db.example.org"}, "database_socket: db.example.org is no directory of a socket"),
    ({"database_socket": "/nonexistent"}, "database_port: connection to server on socket"),
    ({"database_port": "1"}, "install or start PostgreSQL"),
    ({"database_port": "none"}, "database_port: none is no port"),
    ({"admin_login": "no good"}, "admin_login: no good is no login"),
    ({"admin_password_file": "secret"}, "admin_password_file: write the password into a file"),
    ({"admin_password_file": "/nonexistent"}, "admin_password_file: /nonexistent: No such file"),
    (lambda host: {"admin_password_file": host.write("short", "short\n")}, "a password has 10 to 256 characters"),
    ({"people_file": "people.json"}, "people_file: people.json is no whole path"),
    (lambda host: {"people_file": host.write("no.json", "{")}, "no.json is no JSON"),
    ({"token": "x"}, "there is no question token"),
]


@pytest.mark.parametrize("changed, complaint", REFUSED, ids=lambda v: None if isinstance(v, str) else getattr(v, "__name__", None) or "-".join(f"{k}={x}" for k, x in v.items())[:40])
def test_a_wrong_answer_is_refused_before_anything_is_changed(untouched, changed, complaint):
    host = untouched
    changed = changed(host) if callable(changed) else changed
    before = host.files()
    done = host.setup(**changed)
    assert done.returncode == 1 and complaint in done.stderr and "nothing was changed" in done.stderr, done.stderr
    assert f"{host.file}:" in done.stderr and "another_token" not in done.stderr
    assert host.files() == before and host.simulator.calls("setWebhook") == []


def test_a_port_in_use_is_named_with_who_has_it(untouched):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        for key in ("webhook_port", "admin_port"):
            done = untouched.setup(**{key: port})
            assert done.returncode == 1 and re.search(f"{key}: port {port} is taken by (?!another).+; stop that, or give another port", done.stderr), done.stderr
    assert "is the webhook's port already" in untouched.setup(webhook_port=port, admin_port=port).stderr


def test_all_that_is_wrong_is_said_at_once_with_its_line(untouched):
    done = untouched.setup(host="a b", updates="push", admin_login="")
    assert [line.split(":")[2] for line in done.stderr.splitlines()[:-1]] == [" host", " updates"], done.stderr
    line = int(done.stderr.splitlines()[0].split(":")[1])
    with open(untouched.file, encoding="utf-8") as f:
        assert f.read().splitlines()[line - 1] == "host = a b"


@pytest.mark.parametrize("name, fits", [("127.0.0.1", False), ("10.1.2.3", False), ("100.64.0.1", False), ("172.31.0.1", False), ("192.168.1.1", False), ("172.32.0.1", True)])
def test_telegram_itself_comes_to_public_addresses_alone(untouched, name, fits):
    done = untouched.setup(api_base=None, host=name)
    assert done.returncode == 1 and ("so Telegram cannot come to it; choose polling" not in done.stderr) == fits
    assert "Telegram connects to ports 443, 80, 88 and 8443, not to" in done.stderr


def test_what_is_refused_makes_no_schema(host):
    assert host.setup(admin_login="no good").returncode == 1
    assert host.cluster.sql("SELECT to_regclass('app_user') IS NULL") == [(True,)]


def test_a_person_is_asked_again_until_it_is_good(host):
    answers = host.answers
    host.env["TELEOPS_API_BASE"] = answers["api_base"]
    said = ["not a token", answers["token_file"], "no host", "localhost", "", str(answers["webhook_port"]), str(answers["webhook_port"]), str(answers["admin_port"]),
            "self-signed", answers["database_socket"], "1", "5432", "chief", "yes"]
    done = host.call(stdin="\n".join(said) + "\n")
    assert done.returncode == 0, done.stdout + done.stderr
    for complaint in ("bot_token is no token", "no host is no host's name", "is the webhook's port already", "install or start PostgreSQL"):
        assert complaint in done.stdout
    assert "updates" not in done.stderr and host.cluster.sql("SELECT login FROM app_user") == [("chief",)]
    # The next time what was answered stands in brackets, and the token need not be given.
    done = host.call(stdin="\n" * 20)
    assert done.returncode == 0 and "[localhost]" in done.stdout and "[chief]" in done.stdout and "nothing was changed" in done.stdout, done.stdout + done.stderr


def test_a_person_can_end_it(host):
    host.env["TELEOPS_API_BASE"] = host.answers["api_base"]
    before = host.files()
    for stdin in ("", host.answers["token_file"] + "\nlocalhost\n"):
        done = host.call(stdin=stdin)
        assert done.returncode == 1 and "nothing was changed" in done.stderr and host.files() == before
    said = [host.answers["token_file"], "localhost", "", str(host.answers["webhook_port"]), str(host.answers["admin_port"]), "", host.cluster.dir, "", "", "no"]
    done = host.call(stdin="\n".join(said) + "\n")
    assert done.returncode == 1 and "The bot is @" in done.stdout and "nothing was changed" in done.stderr and host.files() == before, done.stdout


def test_the_database_lets_each_program_in_as_its_own_role(host, tmp_path):
    own = Cluster()
    try:
        data = own.data
        with open(os.path.join(data, "pg_hba.conf"), "w", encoding="ascii") as f:
            f.write("local all postgres peer\nlocal all all reject\n")
        own._run("pg_ctl", "-D", data, "-w", "reload")
        done = host.setup(database_socket=own.dir)
        assert done.returncode == 0 and host.outcomes(done)["database access"] == "done", done.stdout + done.stderr
        with open(os.path.join(data, "pg_hba.conf"), encoding="ascii") as f:
            assert f.read().splitlines()[0] == "local  telemanager,teleapp  all  peer  map=teleops"
        info = os.stat(os.path.join(data, "pg_hba.conf"))
        assert pwd.getpwuid(info.st_uid).pw_name == "postgres"
        with open(os.path.join(data, "pg_ident.conf"), encoding="ascii") as f:
            assert len([line for line in f if line.startswith("teleops ")]) == 7
        again = host.setup(database_socket=own.dir)
        assert again.returncode == 0 and "nothing was changed" in again.stdout, again.stdout + again.stderr
    finally:
        own.stop()


def test_users_and_directories_are_those_of_the_files_for_systemd():
    with open(os.path.join(SOURCE, "cli/setup_steps.c"), encoding="utf-8") as f:
        code = f.read()
    with open(os.path.join(SOURCE, "deploy/systemd/sysusers.conf"), encoding="utf-8") as f:
        users = re.findall(r'^u (\S+) +- +(".*?")', f.read(), re.M)
    assert [(name, f'"{about}"') for name, about in re.findall(r'^    \{"(teleops-[a-z]+)", "(.*)"\},$', code, re.M)] == users
    with open(os.path.join(SOURCE, "deploy/systemd/tmpfiles.conf.in"), encoding="utf-8") as f:
        wanted = re.findall(r"^d (\S+) (\S+) root root", f.read(), re.M)
    found = [(path.replace('TELE_LOCALSTATEDIR "', '@localstatedir@').replace('SETUP_ETC "', '@sysconfdir@/teleops').replace("SETUP_ETC", "@sysconfdir@/teleops").strip('"'), mode)
             for path, mode in re.findall(r'^    \{((?:"/run|TELE_LOCALSTATEDIR|SETUP_ETC)[^,]*), (0[0-7]{3})\},$', code, re.M)]
    assert found == wanted


def test_wrong_usage(untouched):
    host = untouched
    assert host.call("more").returncode == 2
    assert host.call("--answers").returncode == 2
    done = host.call("--answers", "/nonexistent")
    assert done.returncode == 1 and "/nonexistent: No such file" in done.stderr
