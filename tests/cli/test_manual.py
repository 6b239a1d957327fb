"""The manual pages: well-formed, and they name every option, signal and setting that the programs name themselves."""
import os
import re
import shutil
import subprocess

import pytest

from support.cluster import BUILD, SOURCE

PAGES = {"teleops.1": "teleops", "teleengine.8": "teleengine", "telesender.8": "telesender", "telebot.fcgi.8": "telebot.fcgi",
         "telemanager.fcgi.8": "telemanager.fcgi", "telecall.8": "telecall", "teleops.conf.5": None}


def path(page):
    return os.path.join(BUILD, "man", page)


def said(*argv):
    env = {"PATH": "/usr/bin:/bin", "TELEOPS_CONFIG": "/dev/null", "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MANPAGER": "cat"}
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(page):
    """As a person reads it, with every hyphen the same."""
    text = said("mandoc", "-T", "utf8", "-O", "width=1000", path(page)) if shutil.which("mandoc") else said("man", "-l", path(page))
    return re.sub(r"[\u2010\u2011\u2212]", "-", re.sub(".\b", "", text))


def helped(program):
    return said(os.path.join(BUILD, program), "--help")


def keys():
    return [line.split(" ", 1)[0].lstrip("#") for line in said(os.path.join(BUILD, "teleops"), "conf", "reference").splitlines()
            if re.match("#[a-z_]+ =", line)]


def test_every_page_is_there():
    assert set(PAGES) <= set(os.listdir(os.path.join(BUILD, "man")))
    assert sorted(n[:-3] for n in os.listdir(os.path.join(SOURCE, "man")) if n.endswith(".in")) == sorted(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_well_formed(page):
    with open(path(page), encoding="utf-8") as f:
        assert not re.search("@[a-z_]+@", f.read())
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path(page)], stdout=subprocess.PIPE, universal_newlines=True, check=False)
    else:
        done = subprocess.run(["man", "--warnings", "-l", path(page)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    assert (done.returncode, done.stdout or done.stderr or "") == (0, "")


@pytest.mark.parametrize("page", [p for p in PAGES if PAGES[p]])
def test_page_names_what_help_names(page):
    text, page_text = helped(PAGES[page]), shown(page)
    for option in {"--help", *re.findall(r"--[a-z][a-z-]*", text)}:
        assert option in page_text
    for signals in re.findall(r"^  ([A-Z]{3,4}(?:, [A-Z]{3,4})*) ", text, re.M):
        assert signals in page_text


def test_page_of_the_tool_has_every_verb_with_its_words():
    page = shown("teleops.1")
    lines = re.findall(r"^  teleops ([a-z].*)$", helped("teleops"), re.M)
    assert len(lines) > 10
    for line in lines:
        assert line in page


def test_page_of_settings_has_every_key_and_default():
    page = shown("teleops.conf.5")
    assert len(keys()) > 40
    for key in keys():
        assert re.search(rf"^ +{key}\b", page, re.M), key
    assert "https://api.telegram.org" in page and "from 1 to 10000" in page


def test_reference_is_every_key_of_help_and_can_be_read(bare, tmp_path):
    reference = bare("conf", "reference").stdout
    assert keys() == re.findall(r"^  ([a-z_]+) ", bare("status", "--help").stdout.split("Settings", 1)[1], re.M)
    with open(os.path.join(BUILD, "teleops.conf.example"), encoding="utf-8") as f:
        assert f.read() == reference
    # Switched on as it stands it changes nothing, and nothing of it is refused.
    conf = tmp_path / "teleops.conf"
    conf.write_text(re.sub("^#(?=[a-z])", "", reference, flags=re.M), encoding="utf-8")
    done = bare("status", env={"TELEOPS_CONFIG": str(conf), "TELEOPS_DATABASE": "host=/nonexistent dbname=x"})
    assert done.returncode == 1 and "cannot connect" in done.stderr
    assert bare("conf", "reference", env={"TELEOPS_SLOTS": "no number"}).returncode == 0
