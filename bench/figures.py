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


@dataclass
class Bar:
    """What a figure has to reach. Where more is better, least is given; where less is, most."""
    what: str
    value: float
    unit: str = ""
    most: float = None
    least: float = None
    digits: int = 2

    @property
    def kept(self):
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def __str__(self):
        limit = f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.what}: {limit}{unit}, measured {number(self.value, self.digits)}: {'kept' if self.kept else '**missed**'}"


@dataclass
class Section:
    """What one measure has to say. blocks: paragraphs, tables, code, in order."""
    settings: str
    blocks: list
    bars: list = field(default_factory=list)
