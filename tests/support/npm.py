"""What comes from npm, as a folder's package-lock.json has it."""
import filecmp
import os
import shutil
import subprocess


def install(source, directory):
    """Into a directory that is kept between runs."""
    kept = os.path.join(directory, "package-lock.json")
    if os.path.exists(kept) and filecmp.cmp(kept, os.path.join(source, "package-lock.json"), shallow=False):
        return
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(source, name), directory)
    try:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
    except BaseException:
        os.unlink(kept)
        raise
