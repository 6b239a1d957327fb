"""Bars with their spread, as SVG: one panel for each thing measured, ours in colour."""
from xml.sax.saxutils import escape

WIDTH, LABEL, NUMBER, BAR, GAP, HEAD, FOOT = 880, 300, 90, 16, 8, 34, 18
OURS = ("TeleBot", "TeleOps", "teleengine")
STYLE = """
text { font: 13px sans-serif; fill: #222 } .title { font-weight: bold } .theirs { fill: #8a97a6 } .ours { fill: #1769aa }
.spread { stroke: #222; stroke-width: 1 } .ground { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .theirs { fill: #6b7886 } .ours { fill: #5aa9e6 } .spread { stroke: #ddd } .ground { fill: #16191d } }
"""


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{f" class={kind!r}" if kind else ""}>{escape(words)}</text>'


def worded(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def bar(top, name, values, most):
    """values: median, min, max."""
    scale = (WIDTH - LABEL - NUMBER - 20) / most
    median, low, high = (v * scale for v in values)
    middle = top + BAR / 2
    return [
        text(LABEL - 10, top + BAR - 4, name, "end"),
        f'<rect x="{LABEL}" y="{top}" width="{max(1, median):.1f}" height="{BAR}" class="{"ours" if name.startswith(OURS) else "theirs"}"/>',
        f'<path d="M{LABEL + low:.1f} {middle}H{LABEL + high:.1f}M{LABEL + low:.1f} {middle - 4}v8M{LABEL + high:.1f} {middle - 4}v8" class="spread"/>',
        text(LABEL + high + 8, top + BAR - 4, worded(values[0])),
    ]


def panel(top, title, values):
    """(what it is drawn with, where it ends)"""
    drawn = [text(LABEL, top + 20, title, kind="title")]
    most = max(high for _, _, high in values.values())
    top += HEAD
    for name, one in values.items():
        drawn += bar(top, name, one, most)
        top += BAR + GAP
    return drawn, top + FOOT


def draw(panels):
    """panels: {title: {name: (median, min, max)}}"""
    drawn, top = [], 0
    for title, values in panels.items():
        more, top = panel(top, title, values)
        drawn += more
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">', "<title>TeleOps beside others, measured</title>",
                      f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{top}" class="ground"/>', *drawn, "</svg>", ""])
