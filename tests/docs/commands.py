"""Every command that README and docs/install.md give, as it is written there, with its place and who runs it: python3 tests/docs/commands.py

In docs/install.md a command stands in a block, which begins with one of
    ```sh            to be run as it stands, in the order of the page
    ```sh values     the reader fills it in: a test gives values of its own
    ```sh elsewhere  an example for another host, which no test has: it is only read
In README it begins an indented line, up to two blanks, or stands between `backquotes`.
"""
import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))

MARKS = ("", "values", "elsewhere")
# Who runs the blocks of a section of docs/install.md, by how its heading begins.
SECTIONS = {"Packages and programs": "tests/install", "In one command": "tests/install", "By hand": "tests/install", "Behind NAT": "tests/install", "Upgrade": "tests/install",
            "Container": "tests/containers", "With containers": "tests/containers", "In containers": "tests/containers"}
# Who runs a command of README.
README = {
    "./demo": "tests/install",
    "./check": "whoever runs the tests",
    "./demo --help": "tests/install",
    ". .demo/demo.env": "tests/install",
    "$DEMO_BIN/teleops status": "tests/install",
    "./autogen.sh && ./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var && make && make install": "tests/install",
    "teleops setup": "tests/install",
    "teleops doctor": "tests/install",
    "teleops chat allow NUMBER": "tests/install",
}
PROGRAMS = r"\./(?=[a-z])|\. \.|\$DEMO_BIN/|teleops |systemctl |systemd-|apt-get |docker |podman |make "

Block = collections.namedtuple("Block", "line heading mark text")


def text_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def all_blocks(path="docs/install.md"):
    """Whatever stands between fences, in its order, with what comes after the first fence."""
    found, heading, lines = [], "", text_of(path).splitlines()
    start = mark = None
    for n, line in enumerate(lines, 1):
        if line.startswith("```"):
            if start is None:
                start, mark = n, line[3:].strip()
            else:
                found.append(Block(start, heading, mark, "\n".join(lines[start:n - 1]) + "\n"))
                start = None
        elif start is None and line.startswith("## "):
            heading = line[3:].strip()
    return found


def shell_mark(block):
    """What stands after sh; None: it is no block of commands."""
    words = block.mark.split(" ", 1)
    return (words[1] if len(words) > 1 else "") if words[0] == "sh" else None


def blocks():
    """{heading: [Block]}: those of commands."""
    found = collections.defaultdict(list)
    for block in all_blocks():
        if shell_mark(block) is not None:
            found[block.heading].append(block)
    return found


def readme():
    """The commands of README, in their order, each once."""
    found = []
    for line in text_of("README").splitlines():
        if line.startswith("    "):
            command = re.split(r" {2,}", line.strip())[0]
            found += [command] if re.match(PROGRAMS, command) else []
        else:
            found += [c for c in re.findall(r"`([^`]+)`", line) if re.match(PROGRAMS, c)]
    return list(dict.fromkeys(found))


def runner(block):
    """Who runs a block; None: nobody."""
    if shell_mark(block) == "elsewhere":
        return "nobody: another host's"
    return next((who for start, who in SECTIONS.items() if block.heading.startswith(start)), None)


def main():
    for command in readme():
        print(f"README: {command}    [{README.get(command)}]")
    for block in all_blocks():
        if shell_mark(block) is None:
            continue
        print(f"docs/install.md:{block.line}: {block.heading}    [{runner(block)}{', with values of its own' if shell_mark(block) == 'values' else ''}]")
        print("".join(f"    {line}\n" for line in block.text.splitlines()), end="")


if __name__ == "__main__":
    sys.exit(main())
