"""Numbers into words: medians with their spread, and tables that read well as text and as Markdown."""
import statistics
from dataclasses import dataclass, field


def percentile(values, p):
    """The least value that p per cent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * p // 100) - 1)]


def number(value, digits):
    return f"{value:,.{digits}f}"


def spread(values, digits=2):
    """Median, min and max, as cells of a table."""
    return [number(v, digits) for v in (statistics.median(values), min(values), max(values))]


def table(head, rows):
    """A Markdown table; every column but the first holds numbers."""
    cells = [[str(c) for c in row] for row in (head, *rows)]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row):
        return "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(width)) + "|"
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])


def each(values, others):
    """Ratios pair by pair: what was measured side by side."""
    return [a / b for a, b in zip(values, others)]


@dataclass
class Bar:
    """What a figure has to reach. Where more is better, least is given; where less is, most. moonshot: what would be splendid."""
    what: str
    value: float
    unit: str = ""
    most: float = None
    least: float = None
    moonshot: float = None
    digits: int = 2
    low: float = None
    high: float = None

    def within(self, limit):
        return self.value <= limit if self.most is not None else self.value >= limit

    @property
    def kept(self):
        return self.within(self.limit)

    @property
    def limit(self):
        return self.least if self.most is None else self.most

    @property
    def reached(self):
        if not self.kept:
            return "**no**"
        return "moonshot" if self.moonshot is not None and self.within(self.moonshot) else "yes"

    def cells(self):
        """As a row of the summary: what, bar, moonshot, measured, min, max, reached."""
        sign = "≤" if self.most is not None else "≥"
        unit = f" {self.unit}" if self.unit else ""
        return [self.what, f"{sign} {self.limit:g}{unit}", "" if self.moonshot is None else f"{sign} {self.moonshot:g}{unit}",
                number(self.value, self.digits), *("" if v is None else number(v, self.digits) for v in (self.low, self.high)), self.reached]

    def __str__(self):
        limit = f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.what}: {limit}{unit}, measured {number(self.value, self.digits)}: {'kept' if self.kept else '**missed**'}"


def median_bar(what, values, **more):
    """A bar on the median of several rounds."""
    return Bar(what, statistics.median(values), low=min(values), high=max(values), **more)


@dataclass
class Section:
    """What one measure has to say. blocks: paragraphs, tables, code, in order; chart: {title: {name: (median, min, max)}}."""
    settings: str
    blocks: list
    bars: list = field(default_factory=list)
    chart: dict = field(default_factory=dict)
