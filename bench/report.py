"""Sections of docs/performance.md: each measure writes its own, between two marks, and leaves all else alone."""
import os
import re


def mark(name):
    return f"<!-- bench/run {name} -->", f"<!-- end of {name} -->"


def replaced(text, name, title, body):
    begin, end = mark(name)
    section = f"{begin}\n{body}\n{end}"
    found = re.search(re.escape(begin) + r".*?" + re.escape(end), text, re.S)
    if found:
        return text[:found.start()] + section + text[found.end():]
    return f"{text.rstrip()}\n\n## {title}\n\n{section}\n"


def write(path, name, title, body):
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(replaced(text, name, title, body))
    os.replace(path + ".new", path)
