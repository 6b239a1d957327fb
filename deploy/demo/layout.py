"""Where the demo keeps what, and what it was told: everything else asks here."""
import os
import re
import secrets
import shlex
import zlib

SERVICE_USERS = {"telebot": "teleops-bot", "telemanager": "teleops-manager", "teleengine": "teleops-engine", "telesender": "teleops-sender",
                 "command": "teleops-cmd", "http": "teleops-http"}
ROLES = {"teleops-bot": ["teleops_bot"], "teleops-manager": ["teleops_manager"], "teleops-sender": ["teleops_sender"],
         "teleops-engine": ["teleops_engine", "teleapp_reader", "teleapp_writer"]}
TELEGRAM = "https://api.telegram.org"
# TELEOPS_* that are the demo's own, or are handed to one program only.
OWN = {"TELEOPS_DEMO_DIR", "TELEOPS_DEMO_POLL", "TELEOPS_DEMO_TELEBOTS", "TELEOPS_WEBHOOK_PORT", "TELEOPS_ADMIN_PORT", "TELEOPS_CHAT_PORT", "TELEOPS_BOT_TOKEN", "TELEOPS_BOT_TOKEN_FILE",
       "TELEOPS_WEBHOOK_SECRET", "TELEOPS_WEBHOOK_SECRET_FILE", "TELEOPS_API_BASE", "TELEOPS_DATABASE", "TELEOPS_APP_DATABASE", "TELEOPS_CONFIG",
       "TELEOPS_EXEC_DIR", "TELEOPS_RUN_DIR", "TELEOPS_WORK_DIR", "TELEOPS_SCHEMA_DIR", "TELEOPS_TEMPLATE_DIR", "TELEOPS_ADMIN_PASSWORD",
       "TELEOPS_METRICS_TOKEN", "TELEOPS_METRICS_TOKEN_FILE", "TELEOPS_ENGINE_USER", "TELEOPS_COMMAND_USER", "TELEOPS_HTTP_USER", "TELEOPS_CONNECTION_DIR", "TELEOPS_CALL_PROGRAM", "TELEOPS_BOT_SOCKET",
       "TELEOPS_MANAGER_SOCKET", "TELEOPS_SECRET_PUBLIC_KEY", "TELEOPS_SECRET_KEY_FILE", "TELEOPS_CERTIFICATE", "TELEOPS_WEBHOOK_URL"}


class Trouble(Exception):
    """What the person who started the demo should read."""


def is_safe(path):
    """Root's own, all the way up, and not writable by others: what the engine demands of the programs it runs."""
    while True:
        if os.path.exists(path):
            st = os.stat(path)
            if st.st_uid != 0 or st.st_mode & 0o022:
                return False
        if path == "/":
            return True
        path = os.path.dirname(path)


class Layout:
    def __init__(self, given, owner):
        self.given = given
        self.dir = os.path.normpath(given["TELEOPS_DEMO_DIR"])
        self.owner = owner  # uid, gid of who called
        self.short = f"{zlib.crc32(self.dir.encode()):08x}"
        self.sockets = f"/run/teleops-demo-{self.short}"
        self.pg_socket = os.path.join(self.sockets, "postgres")
        self.app, self.log, self.run, self.etc = (os.path.join(self.dir, n) for n in ("app", "log", "run", "etc"))
        self.pg_data, self.secret, self.tls = os.path.join(self.dir, "postgres"), os.path.join(self.dir, "secret"), os.path.join(self.dir, "tls")
        self.nginx, self.work = os.path.join(self.dir, "nginx"), os.path.join(self.dir, "work")
        # An engine runs nothing that lies below a directory others may write in.
        self.exec_dir = os.path.join(self.dir if is_safe(self.dir) else f"/var/lib/teleops-demo-exec-{self.short}", "exec")
        self.connections, self.telecall = (os.path.join(os.path.dirname(self.exec_dir), n) for n in ("connections", "telecall"))
        self.cert, self.key = os.path.join(self.tls, "cert.pem"), os.path.join(self.tls, "key.pem")
        self.env_file = os.path.join(self.dir, "demo.env")
        self.kept = self.read_env()
        self.first_alert = False

    def read_env(self):
        """What a former start chose: passwords and secrets stay the same until --reset."""
        try:
            with open(self.env_file, encoding="utf-8") as f:
                words = shlex.split(f.read(), comments=True)
        except FileNotFoundError:
            return {}
        return dict(w.split("=", 1) for w in words if "=" in w)

    def value(self, name, initial=""):
        return self.given.get(name) or initial

    def port(self, name, initial):
        text = self.value(name, str(initial))
        if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) < 65536:
            raise Trouble(f"{name} must be a port number, not {text!r}")
        return int(text)

    @property
    def webhook_port(self):
        return self.port("TELEOPS_WEBHOOK_PORT", 8443)

    @property
    def admin_port(self):
        return self.port("TELEOPS_ADMIN_PORT", 4443)

    @property
    def chat_port(self):
        return self.port("TELEOPS_CHAT_PORT", 8081)

    @property
    def real(self):
        """A token and nothing else: it is the real Telegram's. With demo.env loaded its address stands there too."""
        return bool(self.value("TELEOPS_BOT_TOKEN")) and self.value("TELEOPS_API_BASE", TELEGRAM) == TELEGRAM

    @property
    def simulated(self):
        return not self.value("TELEOPS_API_BASE") and not self.real

    @property
    def polling(self):
        """Telegram reaches no webhook on loopback; others do unless told otherwise."""
        told = self.value("TELEOPS_DEMO_POLL", "no").lower()
        if told not in ("yes", "no"):
            raise Trouble(f"TELEOPS_DEMO_POLL must be yes or no, not {told!r}")
        return self.real or told == "yes"

    @property
    def telebots(self):
        """Names of the TeleBots behind nginx; one after the other can be started again while the others serve."""
        told = self.value("TELEOPS_DEMO_TELEBOTS", "1")
        if told not in ("1", "2", "3", "4"):
            raise Trouble(f"TELEOPS_DEMO_TELEBOTS must be 1 to 4, not {told!r}")
        return ["telebot"] + [f"telebot-{n}" for n in range(2, int(told) + 1)]

    @property
    def api_base(self):
        return self.value("TELEOPS_API_BASE", TELEGRAM if self.real else f"http://127.0.0.1:{self.chat_port}")

    def secret_value(self, name, make):
        """Given now, or chosen by a former start, or made up."""
        return self.value(name) or self.kept.get(name) or make()

    @property
    def token(self):
        made = self.secret_value("TELEOPS_BOT_TOKEN", lambda: f"7000000001:{secrets.token_urlsafe(26)}")
        self.kept["TELEOPS_BOT_TOKEN"] = made
        return made

    @property
    def webhook_secret(self):
        made = self.secret_value("TELEOPS_WEBHOOK_SECRET", lambda: secrets.token_urlsafe(32))
        self.kept["TELEOPS_WEBHOOK_SECRET"] = made
        return made

    @property
    def metrics_token(self):
        made = self.secret_value("TELEOPS_METRICS_TOKEN", lambda: secrets.token_urlsafe(32))
        self.kept["TELEOPS_METRICS_TOKEN"] = made
        return made

    @property
    def secret_key(self):
        return os.path.join(self.secret, "secret_key")

    @property
    def public_key(self):
        """What goes with the newest of the engine's keys; teleops secret keygen notes it beside it."""
        with open(self.secret_key, encoding="utf-8") as f:
            return f.readline().split("=", 1)[1].strip()

    def conninfo(self, role, database="telemanager"):
        return f"host={self.pg_socket} port=5432 user={role} dbname={database}"

    def passed_on(self):
        """Settings of the caller that every program gets."""
        return {k: v for k, v in self.given.items() if k.startswith("TELEOPS_") and k not in OWN}

    def common(self):
        """Settings of all programs of this demo; no secrets."""
        return {"TELEOPS_CONFIG": "/dev/null", "TELEOPS_API_BASE": self.api_base, "TELEOPS_EXEC_DIR": self.exec_dir, "TELEOPS_CONNECTION_DIR": self.connections, "TELEOPS_CALL_PROGRAM": self.telecall, "TELEOPS_WORK_DIR": self.work,
                "TELEOPS_RUN_DIR": os.path.join(self.sockets, "engine"), "TELEOPS_SCHEMA_DIR": os.path.join(self.app, "usr/share/teleops/schema"),
                "TELEOPS_TEMPLATE_DIR": os.path.join(self.app, "usr/share/teleops/templates"), **self.passed_on()}

    def operator(self):
        """The environment of teleops as this machine's operator."""
        keys = {"TELEOPS_SECRET_PUBLIC_KEY": self.public_key, "TELEOPS_SECRET_KEY_FILE": self.secret_key} if os.path.exists(self.secret_key) else {}
        return {**self.common(), **keys, "TELEOPS_DATABASE": self.conninfo("teleops_owner"), "TELEOPS_APP_DATABASE": self.conninfo("teleops_owner", "teleapp"),
                "TELEOPS_BOT_SOCKET": f"{self.sockets}/telebot.sock", "TELEOPS_MANAGER_SOCKET": f"{self.sockets}/telemanager.sock",
                "TELEOPS_CERTIFICATE": self.cert, "TELEOPS_WEBHOOK_URL": f"https://127.0.0.1:{self.webhook_port}/webhook"}

    def bot(self):
        """What teleops needs besides to speak as the bot; the operator may read both."""
        return {"TELEOPS_BOT_TOKEN_FILE": os.path.join(self.secret, "bot_token"), "TELEOPS_WEBHOOK_SECRET_FILE": os.path.join(self.secret, "webhook_secret")}

    def write_env(self, **more):
        """demo.env: everything that was chosen, for the caller alone."""
        values = {**self.operator(), "TELEOPS_DEMO_DIR": self.dir, "TELEOPS_BOT_TOKEN": self.token, "TELEOPS_WEBHOOK_SECRET": self.webhook_secret,
                  "TELEOPS_METRICS_TOKEN": self.metrics_token, "TELEOPS_WEBHOOK_PORT": self.webhook_port, "TELEOPS_ADMIN_PORT": self.admin_port,
                  "DEMO_WEBHOOK_URL": f"https://127.0.0.1:{self.webhook_port}/webhook", "DEMO_ADMIN_URL": f"https://127.0.0.1:{self.admin_port}/",
                  "DEMO_CHAT_URL": self.api_base + "/" if self.simulated else "", "DEMO_CERT": self.cert, "DEMO_BIN": os.path.join(self.app, "usr/bin"),
                  "DEMO_LOG_DIR": self.log, "DEMO_RUN_DIR": self.run, "DEMO_SOCKET_DIR": self.sockets, **more}
        if self.simulated:
            values["TELEOPS_CHAT_PORT"] = self.chat_port
        new = self.env_file + ".new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            for key, value in values.items():
                f.write(f"export {key}={shlex.quote(str(value))}\n")
        os.chown(new, *self.owner)
        os.replace(new, self.env_file)
        self.kept.update({k: str(v) for k, v in values.items()})
