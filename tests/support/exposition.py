"""A strict reader of Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): what it does not know, it refuses."""
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
VALUE = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]Inf|NaN")
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # (name, sorted labels) -> value, in order


def refuse(line, why):
    raise ValueError(f"{why}: {line!r}")


def unescape(line, text):
    out, rest = "", text
    while rest:
        if rest[0] != "\\":
            out, rest = out + rest[0], rest[1:]
            continue
        if rest[:2] not in ('\\\\', '\\"', '\\n'):
            refuse(line, "unknown escape")
        out, rest = out + {"\\": "\\", '"': '"', "n": "\n"}[rest[1]], rest[2:]
    return out


def read_labels(line, text):
    """Takes {…} off the front of text: (labels, what follows)."""
    if not text.startswith("{"):
        return (), text
    labels, rest = {}, text[1:]
    while not rest.startswith("}"):
        if labels:
            if not rest.startswith(","):
                refuse(line, "labels need a comma between them")
            rest = rest[1:]
        key = KEY.match(rest)
        if not key or not rest[key.end():].startswith('="'):
            refuse(line, 'a label is key="value"')
        quoted = re.match(r'((?:[^"\\]|\\.)*)"', rest[key.end() + 2:])
        if not quoted:
            refuse(line, "a label's value is not closed")
        if key.group() in labels:
            refuse(line, "a label comes twice")
        labels[key.group()] = unescape(line, quoted.group(1))
        rest = rest[key.end() + 2 + quoted.end():]
    return tuple(sorted(labels.items())), rest[1:]


def read_sample(line, family):
    name = NAME.match(line)
    if not name or not family or family.type is None:
        refuse(line, "a sample comes after its HELP and TYPE")
    if not name.group().startswith(family.name) or name.group()[len(family.name):] not in SUFFIXES[family.type]:
        refuse(line, f"not of {family.name}")
    labels, rest = read_labels(line, line[name.end():])
    if not rest.startswith(" ") or not VALUE.fullmatch(rest[1:]):
        refuse(line, "one blank and a number end the line")
    key = (name.group(), labels)
    if key in family.samples:
        refuse(line, "this series comes twice")
    family.samples[key] = float(rest[1:].replace("Inf", "inf"))


def check_counter(family):
    if not family.name.endswith("_total"):
        refuse(family.name, "a counter's name ends in _total")
    if any(not v >= 0 for v in family.samples.values()):
        refuse(family.name, "a counter is not negative")


def check_histogram(family):
    series, last = {}, None
    for (name, labels), value in family.samples.items():
        own = tuple(label for label in labels if label[0] != "le")
        if own != last and own in series:
            refuse(family.name, "the samples of a series stand together")
        last = own
        series.setdefault(own, []).append((name[len(family.name):], dict(labels).get("le"), value))
    for own, samples in series.items():
        buckets = [(float(le.replace("Inf", "inf")), value) for suffix, le, value in samples if suffix == "_bucket"]
        rest = {suffix: value for suffix, le, value in samples if suffix != "_bucket"}
        if [suffix for suffix, _, _ in samples[len(buckets):]] != ["_sum", "_count"]:
            refuse(str(own), "_sum and _count come after the buckets")
        if buckets != sorted(buckets) or len({le for le, _ in buckets}) != len(buckets) or buckets[-1][0] != math.inf:
            refuse(str(own), "buckets grow up to +Inf")
        if [v for _, v in buckets] != sorted(v for _, v in buckets) or buckets[-1][1] != rest["_count"]:
            refuse(str(own), "buckets are cumulated, the last is the count")


def parse(text):
    """The families by name; ValueError for anything that is not as the format says, or that no careful program would write."""
    families, family = {}, None
    if not text.endswith("\n"):
        refuse(text[-40:], "the last line has no end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            if not NAME.fullmatch(name) or not help_text:
                refuse(line, "HELP needs a name and a text")
            if name in families:
                refuse(line, "the lines of a metric stand together")
            family = families[name] = Family(name, unescape(line, help_text.replace('"', '\\"')))
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if not family or name != family.name or family.type or family.samples:
                refuse(line, "TYPE comes once, after HELP and before the samples")
            if kind not in SUFFIXES:
                refuse(line, "unknown type")
            family.type = kind
        elif not line or line.startswith("#"):
            refuse(line, "neither HELP, TYPE nor sample")
        else:
            read_sample(line, family)
    for family in families.values():
        if family.type is None:
            refuse(family.name, "TYPE is missing")
        {"counter": check_counter, "histogram": check_histogram, "gauge": lambda _: None}[family.type](family)
    return families


class Scrape:
    """The samples of one answer."""
    def __init__(self, text):
        self.families = parse(text)
        self.samples = {key: value for family in self.families.values() for key, value in family.samples.items()}

    def value(self, name, **labels):
        """None: there is no such series."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def count(self, name, **labels):
        return self.value(name, **labels) or 0
