"""Sections of docs/performance.md: each measure writes its own, between two marks, and leaves all else alone. What all of them found stands in
performance.json beside it, and from that come the summary and the chart, whichever measure ran last."""
import json
import os
import re

import chart
from figures import table

SUMMARY = "summary"
HEAD = ("measure", "bar", "moonshot", "measured", "min", "max", "reached")


def mark(name):
    return f"<!-- bench/run {name} -->", f"<!-- end of {name} -->"


def replaced(text, name, title, body):
    begin, end = mark(name)
    section = f"{begin}\n{body}\n{end}"
    found = re.search(re.escape(begin) + r".*?" + re.escape(end), text, re.S)
    if found:
        return text[:found.start()] + section + text[found.end():]
    return f"{text.rstrip()}\n\n## {title}\n\n{section}\n"


def put(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def write(path, name, title, body):
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
    put(path, replaced(text, name, title, body))


def summary(results, order):
    """results: {measure: {"bars": rows, "chart": panels}}"""
    rows = [row for name in order for row in results.get(name, {}).get("bars", [])]
    return table(HEAD, rows) if rows else "Nothing was measured against a bar."


def remember(path, name, section, order):
    """Adds what a measure found, and draws summary and chart anew."""
    stem = os.path.splitext(path)[0]
    results = {}
    if os.path.exists(stem + ".json"):
        with open(stem + ".json", encoding="utf-8") as f:
            results = json.load(f)
    results[name] = {"bars": [bar.cells() for bar in section.bars], "chart": section.chart}
    put(stem + ".json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    panels = {title: values for one in order for title, values in results.get(one, {}).get("chart", {}).items()}
    if panels:
        put(stem + ".svg", chart.draw(panels))
    picture = f"![Bars of the figures below]({os.path.basename(stem)}.svg)\n\n" if panels else ""
    write(path, SUMMARY, "Bars", picture + summary(results, order))
