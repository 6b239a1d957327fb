"""teleops webhook against the simulator."""
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../simulator"))
from client import Process  # noqa: E402

TOKEN = "7000000002:cli_test_token"
URL = "https://127.0.0.1:8443/webhook"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    p = Process(tmp_path_factory.mktemp("sim"), TOKEN)
    yield p
    p.stop()


@pytest.fixture
def sim(simulator, bare):
    """With .run: teleops, told where the simulator is."""
    simulator.call("/sim/reset", {})
    simulator.bot("deleteWebhook")
    env = {"TELEOPS_API_BASE": simulator.address, "TELEOPS_BOT_TOKEN": TOKEN, "TELEOPS_WEBHOOK_SECRET": "s3cret_-", "TELEOPS_DATABASE": ""}

    def run(*argv, **more):
        done = bare("webhook", *argv, env={**env, **more})
        assert TOKEN not in done.stdout + done.stderr and "cli_test_token" not in done.stdout + done.stderr
        return done
    simulator.run = run
    return simulator


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2",
                    "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")], check=True, stderr=subprocess.DEVNULL)
    return directory


def test_set_tells_all_of_it(sim):
    done = sim.run("set", URL, "--max-connections", "12", "--ip-address", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    assert URL in done.stdout and "pending update count" in done.stdout
    asked = sim.calls("setWebhook")[-1]["params"]
    assert asked == {"url": URL, "secret_token": "s3cret_-", "allowed_updates": ["message", "callback_query", "my_chat_member"],
                     "ip_address": "127.0.0.1", "max_connections": 12}
    told = sim.bot("getWebhookInfo")["result"]
    assert told["url"] == URL and told["max_connections"] == 12 and not told["has_custom_certificate"]


def test_the_address_may_stand_in_the_settings(sim):
    assert sim.run("set", TELEOPS_WEBHOOK_URL=URL).returncode == 0
    assert sim.bot("getWebhookInfo")["result"]["url"] == URL


def test_a_certificate_goes_along_as_a_file(sim, certificate):
    done = sim.run("set", URL, "--certificate", str(certificate / "cert.pem"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["has_custom_certificate"] and told["allowed_updates"] == ["message", "callback_query", "my_chat_member"]


def test_what_waits_is_kept_unless_told_otherwise(sim):
    sim.say(1001, "/help")
    assert sim.run("set", "https://127.0.0.1:88/webhook").returncode == 0
    assert sim.bot("getWebhookInfo")["result"]["pending_update_count"] == 1
    assert sim.run("delete").returncode == 0
    assert sim.health()["pending"] == 1
    done = sim.run("delete", "--drop-pending", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["url"] == "" and sim.health()["pending"] == 0
    done = sim.run("info")
    assert done.returncode == 0 and "teleops poll" in done.stdout


def test_info_shows_the_last_error_with_its_time(sim):
    sim.run("set", "https://127.0.0.1:88/webhook")
    sim.say(1001, "/help")
    assert sim.wait(lambda: sim.health()["last_error"])
    done = sim.run("info")
    line, = (l for l in done.stdout.splitlines() if l.startswith("last error date"))
    assert "Z" in line and "last error message" in done.stdout
    sim.run("delete", "--drop-pending")


@pytest.mark.parametrize("argv, complaint", [
    (("set",), "give the address"),
    (("set", URL, URL), "usage:"),
    (("set", "http://127.0.0.1/webhook"), "is no https:// address"),
    (("set", "127.0.0.1:8443/webhook"), "is no https:// address"),
    (("set", "https://"), "is no https:// address"),
    (("set", URL, "--max-connections", "101"), "from 1 to 100"),
    (("set", URL, "--max-connections", "many"), "from 1 to 100"),
    (("set", URL, "--certificate"), "needs a value"),
    (("set", URL, "--prune"), "unknown option --prune"),
    (("put", URL), "usage: teleops webhook set"),
], ids=lambda v: " ".join(v) if isinstance(v, tuple) else None)
def test_wrong_usage(sim, argv, complaint):
    done = sim.run(*argv)
    assert done.returncode == 2 and complaint in done.stderr
    assert sim.calls("setWebhook") == []


def test_a_port_telegram_does_not_know(sim):
    done = sim.run("set", "https://127.0.0.1:9443/webhook", TELEOPS_API_BASE="https://api.telegram.org")
    assert done.returncode == 2 and "443, 80, 88 and 8443, not to 9443" in done.stderr
    done = sim.run("set", "https://127.0.0.1:9443/webhook")
    assert done.returncode == 0 and "note: Telegram connects to ports" in done.stderr


def test_another_path_is_remarked(sim):
    done = sim.run("set", "https://127.0.0.1:8443/hook")
    assert done.returncode == 0 and "takes updates at /webhook" in done.stderr


@pytest.mark.parametrize("settings, complaint", [
    ({"TELEOPS_BOT_TOKEN": ""}, "setting bot_token is missing"),
    ({"TELEOPS_BOT_TOKEN": "not a token"}, "bot_token is no token"),
    ({"TELEOPS_BOT_TOKEN": "7000000009:another_token"}, "Telegram does not know this bot (Unauthorized)"),
    ({"TELEOPS_BOT_TOKEN_FILE": "/nonexistent", "TELEOPS_BOT_TOKEN": ""}, "cannot read /nonexistent"),
    ({"TELEOPS_WEBHOOK_SECRET": ""}, "setting webhook_secret is missing"),
    ({"TELEOPS_WEBHOOK_SECRET": "no spaces"}, "webhook_secret may hold"),
    ({"TELEOPS_WEBHOOK_SECRET": "x" * 257}, "webhook_secret may hold"),
    ({"TELEOPS_API_BASE": "http://127.0.0.1:1"}, "http://127.0.0.1:1 cannot be reached"),
], ids=lambda v: next(iter(v)) if isinstance(v, dict) else None)
def test_settings_that_are_wrong(sim, settings, complaint):
    done = sim.run("set", URL, **settings)
    assert done.returncode == 1 and complaint in done.stderr, done.stderr
    assert "another_token" not in done.stderr and "no spaces" not in done.stderr


def test_an_api_base_that_is_none(sim):
    done = sim.run("info", TELEOPS_API_BASE=sim.address + "/elsewhere")
    assert done.returncode == 1 and "does not answer as the Bot API does (status 404)" in done.stderr


def test_telegrams_own_words(sim):
    sim.fault("400", method="setWebhook", description="Bad Request: bad webhook: Failed to resolve host: Name or service not known")
    done = sim.run("set", "https://nowhere.invalid/webhook")
    assert done.returncode == 1 and "setWebhook: Telegram says: Bad Request: bad webhook: Failed to resolve host" in done.stderr


@pytest.mark.parametrize("name, complaint", [("key.pem", "holds a private key"), ("empty.pem", "holds no certificate"), ("missing.pem", "No such file")])
def test_a_certificate_file_that_is_none(sim, certificate, name, complaint):
    (certificate / "empty.pem").write_text("")
    done = sim.run("set", URL, "--certificate", str(certificate / name))
    assert done.returncode == 1 and complaint in done.stderr
    assert sim.calls("setWebhook") == []


def test_one_word_of_two(bare):
    done = bare("webhook", "--help")
    assert done.returncode == 0 and done.stdout.count("teleops webhook") == 3
    assert bare("webhook").returncode == 2
