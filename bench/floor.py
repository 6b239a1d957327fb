"""What the least of programs needs for what TeleOps does: bench/limits.c."""
import os
import subprocess

from bed import BUILD

PROGRAM = os.path.join(BUILD, "bench/limits")


def build():
    subprocess.run(["make", "-s", "-C", BUILD, "bench/limits"], check=True, stdout=subprocess.DEVNULL)


def ask(mode, count, *argv, env=None):
    """Its figures."""
    done = subprocess.run([PROGRAM, mode, str(count), *(str(a) for a in argv)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"limits {mode}: {done.stderr.decode(errors='replace')[-500:]}")
    return [float(n) for n in done.stdout.split()]


def engine_env(stack):
    """The settings of a stack's engine, with a directory for commands of its own."""
    work = os.path.join(stack.dir, "bench-work")
    os.makedirs(work, exist_ok=True)
    os.chmod(work, 0o711)
    with open(f"/proc/{stack.pid('teleengine')}/environ", encoding="utf-8") as f:
        return {**dict(word.split("=", 1) for word in f.read().split("\0") if word), "TELEOPS_WORK_DIR": work}
