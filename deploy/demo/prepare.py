"""Makes what the programs need before they start: users, directories, certificate, cluster, nginx's configuration, what commands may run."""
import glob
import os
import pwd
import shutil
import socket
import subprocess

from layout import ROLES, SERVICE_USERS, Trouble

HERE = os.path.dirname(os.path.abspath(__file__))
# Nothing here is a shell. What is in OWN is the demo's.
PROGRAMS = ("echo", "sleep", "date", "df", "uptime", "false", "cat", "true", "seq")
OWN = ("count", "mounts", "strength", "tally")


def run(*argv, **options):
    done = subprocess.run(argv, stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd="/",
                          timeout=180, **options)
    if done.returncode:
        raise Trouble(f"{os.path.basename(argv[0])}: {done.stdout.decode(errors='replace').strip()[-2000:]}")
    return done.stdout.decode(errors="replace")


def pg_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: int(p.split("/")[4]))
    if not found:
        raise Trouble("no PostgreSQL below /usr/lib/postgresql; install the package postgresql")
    return os.path.dirname(found[-1])


def users():
    for name in SERVICE_USERS.values():
        try:
            pwd.getpwnam(name)
        except KeyError:
            run("/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name)


def directory(path, mode, user="root", group=None):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    shutil.chown(path, user, group or pwd.getpwnam(user).pw_gid)


def reachable(path):
    """Service users walk down to it."""
    above = os.path.dirname(path)
    while above != "/":
        if not os.stat(above).st_mode & 0o001:
            raise Trouble(f"{above} is closed to other users, so the programs could not reach {path}; choose another TELEOPS_DEMO_DIR")
        above = os.path.dirname(above)


def directories(at):
    reachable(at.dir)
    directory(at.dir, 0o755)
    for path in (at.log, at.run, at.etc, at.tls, at.nginx, at.sockets):
        directory(path, 0o755)
    directory(at.secret, 0o711)
    directory(at.work, 0o711)
    directory(os.path.join(at.sockets, "engine"), 0o700)
    directory(at.pg_data, 0o700, "postgres")
    directory(at.pg_socket, 0o755, "postgres")


def secret_file(path, text, user):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    os.chmod(path, 0o600)
    shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    return path


def secrets(at):
    secret_file(os.path.join(at.secret, "bot_token"), at.token, SERVICE_USERS["telesender"])
    secret_file(os.path.join(at.secret, "webhook_secret"), at.webhook_secret, SERVICE_USERS["telebot"])
    secret_file(os.path.join(at.secret, "metrics_token"), at.metrics_token, SERVICE_USERS["telemanager"])
    if not os.path.exists(at.secret_key):
        run(os.path.join(at.app, "usr/bin/teleops"), "secret", "keygen", at.secret_key, env={"TELEOPS_CONFIG": "/dev/null"})
    user = SERVICE_USERS["teleengine"]
    shutil.chown(at.secret_key, user, pwd.getpwnam(user).pw_gid)
    poll_token = os.path.join(at.secret, "poll_token")
    if at.polling:
        secret_file(poll_token, at.token, SERVICE_USERS["telebot"])
    elif os.path.exists(poll_token):
        os.unlink(poll_token)


def certificate(at):
    if not os.path.exists(at.cert):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "800", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", at.key, "-out", at.cert)
    os.chmod(at.key, 0o600)
    os.chmod(at.cert, 0o644)


def programs(at):
    """exec_dir: links to what root has installed, and the demo's own programs."""
    directory(os.path.dirname(at.exec_dir), 0o755)
    directory(at.exec_dir, 0o755)
    for name in PROGRAMS:
        link, target = os.path.join(at.exec_dir, name), os.path.realpath(shutil.which(name) or f"/usr/bin/{name}")
        if not os.path.lexists(link):
            os.symlink(target, link)
    for name in OWN:
        own = os.path.join(at.exec_dir, name)
        shutil.copyfile(os.path.join(HERE, name), own)
        os.chmod(own, 0o755)
    directory(at.connections, 0o755)
    own = os.path.join(at.connections, "teleops")
    with open(own, "w", encoding="utf-8") as f:
        f.write(f"# TeleOps itself, for /health\nurl = https://127.0.0.1:{at.admin_port}\nca_file = {at.cert}\n")
    os.chmod(own, 0o644)
    shutil.copyfile(os.path.join(at.app, "usr/libexec/teleops/telecall"), at.telecall)
    os.chmod(at.telecall, 0o755)


def cluster(at):
    if not os.path.exists(os.path.join(at.pg_data, "PG_VERSION")):
        run("runuser", "-u", "postgres", "--", os.path.join(pg_bin(), "initdb"), "-D", at.pg_data, "--locale=C.UTF-8", "-E", "UTF8", "-A", "peer", "-U",
            "postgres")
    caller = pwd.getpwuid(at.owner[0]).pw_name
    # Nobody has a password: the system says who is who.
    maps = {"postgres": ["postgres"], "root": ["postgres", "teleops_owner"], **ROLES}
    if caller != "root":
        maps[caller] = ["teleops_owner"]
    with open(os.path.join(at.pg_data, "pg_ident.conf"), "w", encoding="utf-8") as f:
        f.writelines(f"demo {user} {role}\n" for user, roles in maps.items() for role in roles)
    with open(os.path.join(at.pg_data, "pg_hba.conf"), "w", encoding="utf-8") as f:
        f.write("local all all peer map=demo\n")
    with open(os.path.join(at.pg_data, "postgresql.auto.conf"), "w", encoding="utf-8") as f:
        f.write(f"listen_addresses = ''\nport = 5432\nunix_socket_directories = '{at.pg_socket}'\nmax_connections = 60\nlog_line_prefix = '%m [%p] %u '\n")
    for name in ("pg_ident.conf", "pg_hba.conf", "postgresql.auto.conf"):
        shutil.chown(os.path.join(at.pg_data, name), "postgres", pwd.getpwnam("postgres").pw_gid)


NGINX = """user {user};
worker_processes 2;
daemon off;
pid {run}/nginx.master;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
	types {{ text/css css; text/javascript js; image/svg+xml svg; image/png png; text/html html; }}
	access_log {log}/access.log;
	client_body_temp_path {nginx}/body;
	fastcgi_temp_path {nginx}/fastcgi;
	proxy_temp_path {nginx}/proxy;
	uwsgi_temp_path {nginx}/uwsgi;
	scgi_temp_path {nginx}/scgi;
	include {etc}/teleops.conf;
}}
"""


def web_user():
    return "www-data"


def nginx(at):
    conf = os.path.join(at.app, "usr/share/teleops/nginx")
    words = {"bot_socket": f"{at.sockets}/telebot.sock", "manager_socket": f"{at.sockets}/telemanager.sock", "admin_name": "_",
             "access_log": f"{at.log}/access.log", "webhook_listen": f"127.0.0.1:{at.webhook_port}", "admin_listen": f"127.0.0.1:{at.admin_port}", "certificate": at.cert,
             "certificate_key": at.key, "networks": f"{conf}/telegram-networks.conf", "fastcgi_params": f"{conf}/teleops_fastcgi_params",
             "static_dir": os.path.join(at.app, "usr/share/teleops/static")}
    with open(os.path.join(at.app, "demo/teleops.conf.in"), encoding="utf-8") as f:
        text = f.read()
    # Each further TeleBot is one more server of the upstream.
    line = next(x for x in text.splitlines() if "@bot_socket@" in x and not x.lstrip().startswith("#"))
    text = text.replace(line, "\n".join(line.replace("@bot_socket@", f"{at.sockets}/{name}.sock") for name in at.telebots))
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    with open(os.path.join(at.etc, "teleops.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(at.etc, "nginx.conf"), "w", encoding="utf-8") as f:
        f.write(NGINX.format(user=web_user(), run=at.run, log=at.log, nginx=at.nginx, etc=at.etc))


def ports(at):
    wanted = {"TELEOPS_WEBHOOK_PORT": at.webhook_port, "TELEOPS_ADMIN_PORT": at.admin_port}
    if at.simulated:
        wanted["TELEOPS_CHAT_PORT"] = at.chat_port
    for name, port in wanted.items():
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                raise Trouble(f"port {port} is taken by another program; choose another with {name}=PORT") from None


def prepare(at):
    ports(at)
    users()
    directories(at)
    secrets(at)
    certificate(at)
    programs(at)
    cluster(at)
    nginx(at)
