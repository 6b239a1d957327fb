"""The programs of the demo: one table of what is started how."""
import os
from dataclasses import dataclass, field

from layout import SERVICE_USERS
from prepare import pg_bin, web_user


@dataclass
class Part:
    name: str
    argv: list
    user: str = "root"
    env: dict = field(default_factory=dict)
    stop: str = "SIGTERM"
    grace: float = 40.0
    # What stays behind when it is killed: by session (nginx's workers), by program (PostgreSQL's backends take sessions of their own).
    orphans: str = "session"


def fastcgi(at, name, user, program, env):
    return Part(name, ["spawn-fcgi", "-n", "-s", f"{at.sockets}/{name}.sock", "-U", web_user(), "-G", web_user(), "-M", "0600", "-u", user, "-g", user,
                       "--", os.path.join(at.app, "usr/libexec/teleops", program)], env=env)


def postgres(at):
    return Part("postgres", [os.path.join(pg_bin(), "postgres"), "-D", at.pg_data], "postgres", stop="SIGINT", orphans="program")


def simulator(at):
    return Part("simulator", ["/usr/bin/python3", "-B", os.path.join(at.app, "simulator/simulator.py"), "--listen", f"127.0.0.1:{at.chat_port}"], "nobody",
                {"TELEOPS_BOT_TOKEN": at.token}, grace=5.0)


def poller(at):
    """Instead of the webhook; with TeleBot's role, and a copy of the token that TeleBot's user can read."""
    return Part("telepoll", [os.path.join(at.app, "usr/bin/teleops"), "poll"], SERVICE_USERS["telebot"],
                {**at.common(), "TELEOPS_DATABASE": at.conninfo("teleops_bot"), "TELEOPS_SECRET_PUBLIC_KEY": at.public_key,
                 "TELEOPS_BOT_TOKEN_FILE": os.path.join(at.secret, "poll_token")})


def programs(at):
    common = at.common()
    bot, manager, sender = (SERVICE_USERS[n] for n in ("telebot", "telemanager", "telesender"))
    engine_env = {**common, "TELEOPS_DATABASE": at.conninfo("teleops_engine"), "TELEOPS_APP_DATABASE": at.conninfo("teleapp_reader", "teleapp")}
    engine_env.setdefault("TELEOPS_ENGINE_NAME", "demo")
    engine_env["TELEOPS_SECRET_KEY_FILE"] = at.secret_key
    bot_env = {**common, "TELEOPS_DATABASE": at.conninfo("teleops_bot"), "TELEOPS_SECRET_PUBLIC_KEY": at.public_key, "TELEOPS_WEBHOOK_SECRET_FILE": os.path.join(at.secret, "webhook_secret")}
    return [
        *(fastcgi(at, name, bot, "telebot.fcgi", bot_env) for name in at.telebots),
        fastcgi(at, "telemanager", manager, "telemanager.fcgi", {**common, "TELEOPS_DATABASE": at.conninfo("teleops_manager"),
                                                                 "TELEOPS_METRICS_TOKEN_FILE": os.path.join(at.secret, "metrics_token")}),
        # Its runner ends its commands when the engine is gone; a new engine waits for that.
        Part("teleengine", [os.path.join(at.app, "usr/sbin/teleengine")], "root", engine_env, orphans="none"),
        Part("telesender", [os.path.join(at.app, "usr/sbin/telesender")], sender,
             {**common, "TELEOPS_DATABASE": at.conninfo("teleops_sender"), "TELEOPS_BOT_TOKEN_FILE": os.path.join(at.secret, "bot_token")}),
        Part("nginx", ["nginx", "-c", os.path.join(at.etc, "nginx.conf"), "-p", at.nginx, "-e", "stderr"], stop="SIGQUIT", grace=10.0),
    ]
