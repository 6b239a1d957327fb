"""What the documentation tells people to type: nothing of it is left out of the tests that run it, and no verb or option is named that is not there."""
import glob
import os
import re
import subprocess

import pytest
from commands import MARKS, README, SECTIONS, SOURCE, all_blocks, blocks, readme, runner, shell_mark, text_of

BUILD = os.environ.get("TELEOPS_BUILD_DIR", SOURCE)


def test_there_are_commands():
    assert len(readme()) > 5 and len(all_blocks()) > 15


@pytest.mark.parametrize("block", all_blocks(), ids=lambda b: f"line-{b.line}")
def test_every_block_is_run_or_says_why_not(block):
    mark = shell_mark(block)
    if mark is None:
        assert block.mark in ("text", "json", "ini"), "a block begins with ```sh, or says what else it is"
        return
    assert mark in MARKS, f"docs/install.md:{block.line}: unknown mark {mark}"
    assert runner(block), f"docs/install.md:{block.line}: no test runs the commands of \"{block.heading}\""
    done = subprocess.run(["bash", "-n"], input=block.text, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_of_readme_is_run():
    assert set(readme()) == set(README)
    for who in {*README.values(), *SECTIONS.values()}:
        assert who == "whoever runs the tests" or who == "tests/containers" or os.path.isdir(os.path.join(SOURCE, who))


def test_sections_that_are_run_are_there():
    for heading, who in SECTIONS.items():
        assert who == "tests/containers" or heading in blocks()


def spoken():
    """(file, words after teleops) wherever a document has them as a command: between backquotes, in a block, in an indented line."""
    for path in ["README", *sorted(os.path.relpath(p, SOURCE) for p in glob.glob(os.path.join(SOURCE, "docs/*.md")))]:
        text = text_of(path)
        code = re.findall(r"`([^`\n]+)`", text) + [b.text for b in all_blocks(path)] + re.findall(r"^    .*$", text, re.M)
        for piece in code:
            for words in re.findall(r"(?:^|[;&|( ])teleops ((?:[a-z]+ ?)+[^\n;&|)]*)", piece.replace("\\\n", " "), re.M):
                yield path, words


def test_verbs_and_options_that_are_named_are_there():
    done = subprocess.run([os.path.join(BUILD, "teleops"), "--help"], stdout=subprocess.PIPE, universal_newlines=True, check=True, env={})
    verbs = {}
    for line in re.findall(r"^  teleops ([a-z].*)$", done.stdout, re.M):
        verbs[re.match(r"[a-z]+(?: [a-z]+(?![A-Za-z.]))?", line).group()] = set(re.findall(r"--[a-z-]+", line))
    seen = 0
    for path, words in spoken():
        first = re.match(r"[a-z]+", words).group()
        fitting = [v for v in verbs if v.split()[0] == first]
        assert fitting, f"{path}: there is no verb teleops {words}"
        exact = [v for v in fitting if words == v or words.startswith(v + " ")] or fitting
        for option in re.findall(r"--[a-z-]+", words.split("#")[0]):
            assert option == "--help" or any(option in verbs[v] for v in exact), f"{path}: teleops {words}: unknown {option}"
        seen += 1
    assert seen > 20
