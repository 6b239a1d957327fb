"""The container engines of this machine: each is given a place of its own, so that images and containers of the host are left alone."""
import http.client
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BASE = "debian:bookworm-slim"
OWN_BASE = "teleops-check-base:bookworm"
# What the registry's image leaves out as well.
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"]
FILES = 8192


class NoEngine(Exception):
    """Why it cannot run here."""


def run(*argv, timeout=120, check=True, env=None, text=None, cwd=None):
    done = subprocess.run(argv, input=text, stdin=subprocess.DEVNULL if text is None else None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=timeout, env=env, cwd=cwd, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-6000:]}")
    return done


class Engine:
    name = ""

    def __init__(self, directory):
        self.dir = directory
        self.env = {**os.environ, "LC_ALL": "C.UTF-8"}
        self.base = os.environ.get("TELEOPS_BASE")

    def __call__(self, *argv, **options):
        return run(self.name, *argv, env=self.env, **options)

    def find_base(self):
        """Debian's image: the one that is there, the registry's, or one made here of Debian's packages."""
        if self.base:
            return
        if self("image", "inspect", BASE, check=False).returncode == 0 or self("pull", BASE, check=False, timeout=300).returncode == 0:
            self.base = BASE
            return
        if not shutil.which("mmdebstrap"):
            raise NoEngine(f"{BASE} cannot be had, and mmdebstrap, to make one, is missing")
        tar = os.path.join(self.dir, "base.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={p}" for p in LEFT_OUT),
            '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*', "bookworm", tar, timeout=900)
        self("import", "-c", 'CMD ["bash"]', tar, OWN_BASE, timeout=300)
        os.unlink(tar)
        self.base = OWN_BASE

    def compose_argv(self):
        raise NotImplementedError

    def state(self, container, what):
        return self("inspect", "-f", "{{" + what + "}}", container, check=False).stdout.strip()


class Docker(Engine):
    """The daemon that runs already, or one of our own."""
    name = "docker"

    def __init__(self, directory):
        super().__init__(directory)
        self.daemon = None
        self.rules = {}

    def start(self):
        if not shutil.which("docker"):
            raise NoEngine("docker is missing")
        if self("info", check=False).returncode != 0:
            self.start_daemon()
        self.find_base()

    def start_daemon(self):
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            raise NoEngine("no Docker daemon runs, and only root can start dockerd, where it is installed")
        # It changes the host's rules for packets; they are put back in the end.
        for tool in ("iptables", "ip6tables"):
            saved = run(f"{tool}-save", check=False) if shutil.which(f"{tool}-save") else None
            self.rules[tool] = saved.stdout if saved and saved.returncode == 0 else ""
        self.env["DOCKER_HOST"] = f"unix://{self.dir}/docker.sock"
        ulimits = [w for name in ("nofile", "nproc") for w in ("--default-ulimit", f"{name}={FILES}:{FILES}")]
        log = os.path.join(self.dir, "dockerd.log")
        with open(log, "wb") as f:
            self.daemon = subprocess.Popen(["dockerd", "--data-root", f"{self.dir}/docker", "--exec-root", f"{self.dir}/exec", "-p", f"{self.dir}/docker.pid",
                                            "-H", self.env["DOCKER_HOST"], *ulimits], stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        until = time.monotonic() + 120
        while self("info", check=False).returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > until:
                self.stop()
                with open(log, encoding="utf-8", errors="replace") as f:
                    raise NoEngine("dockerd does not start: " + f.read().strip()[-600:])
            time.sleep(0.5)

    def compose_argv(self):
        if self("compose", "version", check=False).returncode == 0:
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        raise NoEngine("neither docker compose nor docker-compose is there")

    def stop(self):
        if not self.daemon:
            if self.base == OWN_BASE:
                self("rmi", "-f", OWN_BASE, check=False)
            return
        self.daemon.terminate()
        try:
            self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None
        run("ip", "link", "delete", "docker0", check=False)
        for tool, rules in self.rules.items():
            if rules.strip():
                run(f"{tool}-restore", text=rules, check=False)
            elif shutil.which(tool):
                for table in ("filter", "nat"):
                    run(tool, "-t", table, "-F", check=False)
                    run(tool, "-t", table, "-X", check=False)
                run(tool, "-P", "FORWARD", "ACCEPT", check=False)


class Podman(Engine):
    """No daemon: its store is ours alone."""
    name = "podman"

    def start(self):
        if not shutil.which("podman"):
            raise NoEngine("podman is missing")
        if os.geteuid() == 0:
            self.settle()
        done = self("info", check=False)
        if done.returncode:
            raise NoEngine("podman does not run: " + done.stdout.strip()[-600:])
        self.find_base()
        done = self("run", "--rm", self.base, "true", check=False)
        if done.returncode:
            raise NoEngine("podman runs no container: " + done.stdout.strip()[-600:])

    def settle(self):
        conf = [f'[containers]\ndefault_ulimits = ["nofile={FILES}:{FILES}", "nproc={FILES}:{FILES}"]\n']
        if not os.path.isdir("/run/systemd/system"):
            conf.append('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' + ('runtime = "runc"\n' if shutil.which("runc") else ""))
        for name, text in (("containers.conf", "".join(conf)),
                           ("storage.conf", f'[storage]\ndriver = "overlay"\ngraphroot = "{self.dir}/podman"\nrunroot = "{self.dir}/podman-run"\n')):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(text)
        self.env.update(CONTAINERS_CONF=f"{self.dir}/containers.conf", CONTAINERS_STORAGE_CONF=f"{self.dir}/storage.conf")

    def compose_argv(self):
        if shutil.which("podman-compose"):
            return ["podman-compose"]
        raise NoEngine("podman-compose is missing")

    def stop(self):
        if "CONTAINERS_STORAGE_CONF" in self.env:
            self("system", "reset", "--force", check=False, timeout=300)
        elif self.base == OWN_BASE:
            self("rmi", "-f", OWN_BASE, check=False)


ENGINES = {"docker": Docker, "podman": Podman}


def wanted():
    """TELEOPS_ENGINES=podman: that one alone."""
    return [n for n in os.environ.get("TELEOPS_ENGINES", " ".join(ENGINES)).split() if n in ENGINES]


class Stack:
    """The project's compose file, from a copy of the sources, with ports and names of its own."""

    def __init__(self, engine, admin_port, webhook_port):
        self.engine = engine
        self.src = os.path.join(engine.dir, "src")
        self.folder = os.path.join(self.src, "deploy/docker")
        self.project = f"teleops-check-{os.getpid()}"
        self.admin_port, self.webhook_port = admin_port, webhook_port
        self.files = ["compose.yaml"]
        self.tag = f"check-{os.getpid()}"
        self.argv = engine.compose_argv()
        os.makedirs(self.src)
        run("bash", "-c", '. "$1/deploy/packages.sh" && copy_tree "$1" "$2"', "copy", SOURCE, self.src)
        self.set(TELEOPS_TAG=self.tag, TELEOPS_BASE=engine.base, TELEOPS_ADMIN_PORT=f"127.0.0.1:{admin_port}", TELEOPS_WEBHOOK_PORT=f"127.0.0.1:{webhook_port}")
        shutil.rmtree(os.path.join(self.folder, "secrets"))
        os.mkdir(os.path.join(self.folder, "secrets"))

    def set(self, **values):
        """In .env, as a reader would."""
        path = os.path.join(self.folder, ".env")
        with open(path, encoding="utf-8") as f:
            kept = [line for line in f if line.split("=")[0] not in values]
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(kept + [f"{name}={value}\n" for name, value in values.items()])

    def compose(self, *argv, timeout=900, check=True, text=None):
        files = [w for name in self.files for w in ("-f", os.path.join(self.folder, name))]
        return run(*self.argv, "-p", self.project, *files, *argv, timeout=timeout, check=check, env=self.engine.env, text=text)

    def do(self, block, folder=None, **values):
        """A block of docs/install.md; its docker compose is the one that is here."""
        instead = f'docker() {{ shift; command {shlex.join(self.argv)} -p {self.project} "$@"; }}\nset -e\n'
        return run("bash", "-c", instead + block, cwd=folder or self.folder, env={**self.engine.env, **values}, timeout=1800).stdout

    def secret(self, name, text):
        with open(os.open(os.path.join(self.folder, "secrets", name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(text)

    def container(self, service):
        """Its id: made by compose, whichever that is."""
        out = self.engine("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}", "--filter", f"label=com.docker.compose.service={service}").stdout.split()
        return out[0] if out else ""

    def exec(self, service, *argv, check=True, text=None, timeout=120):
        return self.engine("exec", *(["-i"] if text is not None else []), self.container(service), *argv, check=check, text=text, timeout=timeout)

    def logs(self, service):
        return self.engine("logs", self.container(service), check=False).stdout

    def kill(self, service):
        """As the kernel would: nobody asks the engine to stop it, so it has to come back by itself."""
        container = self.container(service)
        pid = int(self.engine.state(container, ".State.Pid"))
        os.kill(pid, 9)
        self.wait(lambda: self.engine.state(container, ".State.Running") == "true" and self.engine.state(container, ".State.Pid") not in (str(pid), "0"),
                  f"{service} is started again")

    def wait(self, what, why, timeout=180):
        until = time.monotonic() + timeout
        while True:
            found = what()
            if found:
                return found
            if time.monotonic() > until:
                told = "\n".join(f"--- {s}\n{self.logs(s)[-3000:]}" for s in ("teleops-db", "teleops-app", "teleengine") if self.container(s))
                raise AssertionError(f"not so: {why}\n{told}")
            time.sleep(0.5)

    def connection(self, _):
        """To the admin pages, as tests/integration/browser.py wants it; the certificate is one that nobody knows."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.admin_port, timeout=30, context=context)

    def down(self, *more, check=True):
        return self.compose("down", *more, check=check, timeout=300)

    def remove(self):
        self.down("-v", check=False)
        for service in ("teleops-db", "teleops-app", "teleengine"):
            container = self.container(service)
            if container:
                self.engine("rm", "-f", container, check=False)
        for image in ("teleops-app", "teleops-db"):
            self.engine("rmi", "-f", f"{image}:{self.tag}", check=False)


class Gate:
    """Lets containers in to what listens on loopback, at the address by which they see the host."""

    def __init__(self, host, port):
        self.to = ("127.0.0.1", port)
        self.listener = socket.create_server((host, port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one = self.listener.accept()[0]
                other = socket.create_connection(self.to)
            except OSError:
                return
            for a, b in ((one, other), (other, one)):
                threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    @staticmethod
    def pass_on(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            a.close()
            b.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def place():
    return tempfile.mkdtemp(prefix="teleops-containers.", dir="/var/tmp")
