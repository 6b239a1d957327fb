"""When cron expressions are due: against a clock that is read minute after minute, over whole years and their changes."""
import datetime
import functools
import zoneinfo

import psycopg2
import psycopg2.errors
import pytest

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *"}
UTC = datetime.timezone.utc


# -- the reference: it knows nothing of zones but what zoneinfo says of each minute

def numbers(field, least, most, names=(), base=0):
    found = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        value = lambda w: names.index(w) + base if w in names else int(w)  # noqa: E731  pylint: disable=unnecessary-lambda-assignment
        lo, hi = (least, most) if span == "*" else (value(first), value(last or first))
        if last == "sun" and lo > 0:
            hi = 7
        found |= set(range(lo, hi + 1, int(step or 1)))
    return found


class Expression:
    def __init__(self, cron):
        minute, hour, day, month, weekday = MACROS.get(cron, cron).split()
        self.minutes, self.hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
        self.days, self.months = numbers(day, 1, 31), numbers(month, 1, 12, MONTHS, 1)
        self.weekdays = {n % 7 for n in numbers(weekday, 0, 7, DAYS)}
        self.either = day[0] != "*" and weekday[0] != "*"
        self.every_hour = len(self.hours) == 24

    def day_fits(self, day):
        this, that = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (this or that if self.either else this and that)

    def times(self, first, last):
        """What it says of the clock on the wall, from day to day."""
        for n in range((last - first).days + 1):
            day = first + datetime.timedelta(days=n)
            if self.day_fits(day):
                yield from (datetime.datetime.combine(day, datetime.time(h, m)) for h in sorted(self.hours) for m in sorted(self.minutes))


@functools.lru_cache(maxsize=30)
def walk(zone, start, end):
    """Each time of the clock on the wall: the minutes at which it is shown; and the one at which it first is, or has just been jumped over."""
    tz, shown, first = zoneinfo.ZoneInfo(zone), {}, {}
    at = datetime.datetime.combine(start, datetime.time(), UTC)
    until = datetime.datetime.combine(end, datetime.time(), UTC)
    latest = at.astimezone(tz).replace(tzinfo=None)
    while at < until:
        local = at.astimezone(tz).replace(tzinfo=None)
        shown.setdefault(local, []).append(at)
        while latest < local:
            latest += datetime.timedelta(minutes=1)
            first[latest] = at
        at += datetime.timedelta(minutes=1)
    return shown, first


def expected(cron, zone, start, end):
    e = Expression(cron)
    shown, first = walk(zone, start, end)
    times = e.times(min(shown).date(), max(shown).date())
    if e.every_hour:
        return sorted(at for local in times for at in shown.get(local, []))
    return sorted({first[local] for local in times if local in first})


def computed(cluster, cron, zone, start, end):
    """From one time to the next, as schedules go."""
    rows = cluster.sql("""WITH RECURSIVE due AS (
            SELECT cron_next(%(cron)s, %(zone)s, %(start)s) AS at UNION ALL SELECT cron_next(%(cron)s, %(zone)s, at) FROM due WHERE at < %(end)s)
        SELECT at FROM due WHERE at < %(end)s ORDER BY at""",
                       {"cron": cron, "zone": zone, "start": datetime.datetime.combine(start, datetime.time(), UTC),
                        "end": datetime.datetime.combine(end, datetime.time(), UTC)})
    return [at.astimezone(UTC) for at, in rows]


def compare(cluster, cron, zone, start, end):
    want, got = expected(cron, zone, start, end), computed(cluster, cron, zone, start, end)
    # The reference cannot know what was shown before its first minute.
    first = datetime.datetime.combine(start, datetime.time(), UTC)
    want, got = [at for at in want if at > first], [at for at in got if at > first]
    assert len(set(got)) == len(got)
    assert got == want, (cron, zone, [(a, b) for a, b in zip(want, got) if a != b][:3], len(want), len(got))


# -- whole years

YEARLY = ["30 2 * * *", "0 3 * * *", "59 1 * * *", "15,45 1-3 * * *", "@daily", "0 */6 * * *", "30 2 29 2 *", "0 12 1,15 * *", "0 9 13 * fri", "0 9 */2 * mon",
          "5 0 * * sun", "0 0 * * 7", "0 1 * * mon-fri", "10 22 31 * *", "0 4 * jan,jul tue-thu", "@weekly", "@monthly", "@yearly", "20 5 * * fri-sun", "7 0,12 * * *"]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
DATE = datetime.date


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_fixed_times(cluster, zone):
    for cron in YEARLY:
        compare(cluster, cron, zone, DATE(2024, 1, 1), DATE(2025, 1, 1))


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_every_hour(cluster, zone):
    compare(cluster, "47 * * * *", zone, DATE(2025, 1, 1), DATE(2026, 1, 1))


# -- the days around each change

CHANGES = [
    ("Europe/Berlin", DATE(2025, 3, 29), 3), ("Europe/Berlin", DATE(2025, 10, 25), 3), ("America/New_York", DATE(2026, 3, 7), 3),
    ("America/New_York", DATE(2026, 11, 1), 3), ("Australia/Lord_Howe", DATE(2025, 10, 3), 3), ("Australia/Lord_Howe", DATE(2025, 4, 4), 3),
    # At midnight, over midnight, to another side of the date line, without summer, east of half past.
    ("America/Havana", DATE(2025, 3, 8), 3), ("America/Havana", DATE(2025, 11, 1), 3), ("America/Santiago", DATE(2025, 9, 6), 3),
    ("America/Santiago", DATE(2025, 4, 4), 4), ("Pacific/Apia", DATE(2011, 12, 28), 5), ("Africa/Casablanca", DATE(2025, 2, 21), 4),
    ("America/Scoresbysund", DATE(2024, 3, 30), 3), ("Asia/Kathmandu", DATE(2025, 3, 29), 2), ("UTC", DATE(2025, 3, 29), 2),
    ("America/St_Johns", DATE(2006, 10, 28), 3), ("America/St_Johns", DATE(2006, 4, 1), 3)]
DENSE = ["* * * * *", "*/7 * * * *", "0 * * * *", "15 * * * *", "45 */1 * * *", "* 2 * * *", "*/10 1-3 * * *", "0,30 0-5 * * *", "30 2 * * *", "0 2 * * *", "0 3 * * *",
         "59 23 * * *", "0 0 * * *", "1 0 * * *", "30 0 * * *", "30 23 * * *", "45 1 * * *", "0 0-22 * * *", "10 * * * sun", "20 * 30 * *"]


@pytest.mark.parametrize("zone, start, days", CHANGES, ids=lambda v: str(v))
def test_around_a_change_of_the_clock(cluster, zone, start, days):
    for cron in DENSE:
        compare(cluster, cron, zone, start, start + datetime.timedelta(days=days))


def due(cluster, cron, zone, after, count=1):
    return [at for at, in cluster.sql("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM cron_upcoming(%s, %s, %s, %s) AS at",
                                      (cron, zone, after, count))]


def test_what_the_documentation_says_of_changes(cluster):
    """By hand: Berlin goes from 2:00 to 3:00 at 1:00 UTC on 30 March 2025, and from 3:00 to 2:00 at 1:00 UTC on 26 October."""
    assert due(cluster, "30 2 * * *", "Europe/Berlin", "2025-03-29 12:00Z", 2) == ["2025-03-30 01:00", "2025-03-31 00:30"], "skipped: once, right after it"
    assert due(cluster, "*/15 2 * * *", "Europe/Berlin", "2025-03-29 12:00Z", 2) == ["2025-03-30 01:00", "2025-03-31 00:00"], "however many were skipped"
    assert due(cluster, "30 2 * * *", "Europe/Berlin", "2025-10-25 12:00Z", 2) == ["2025-10-26 00:30", "2025-10-27 01:30"], "repeated: the first time"
    assert due(cluster, "0 * * * *", "Europe/Berlin", "2025-03-29 23:30Z", 3) == ["2025-03-30 00:00", "2025-03-30 01:00", "2025-03-30 02:00"]
    assert due(cluster, "0 * * * *", "Europe/Berlin", "2025-10-25 23:30Z", 3) == ["2025-10-26 00:00", "2025-10-26 01:00", "2025-10-26 02:00"]
    # New York, 9 March and 2 November 2025; Lord Howe changes by half an hour.
    assert due(cluster, "30 2 * * *", "America/New_York", "2025-03-08 12:00Z", 2) == ["2025-03-09 07:00", "2025-03-10 06:30"]
    assert due(cluster, "30 1 * * *", "America/New_York", "2025-11-01 12:00Z", 2) == ["2025-11-02 05:30", "2025-11-03 06:30"]
    assert due(cluster, "15 2 * * *", "Australia/Lord_Howe", "2025-10-04 12:00Z", 2) == ["2025-10-04 15:30", "2025-10-05 15:15"]
    assert due(cluster, "45 1 * * *", "Australia/Lord_Howe", "2025-04-05 12:00Z", 2) == ["2025-04-05 14:45", "2025-04-06 15:15"]
    assert due(cluster, "45 * * * *", "Australia/Lord_Howe", "2025-04-05 14:00Z", 3) == ["2025-04-05 14:45", "2025-04-05 15:15", "2025-04-05 16:15"]


def test_days_of_the_month_and_of_the_week(cluster):
    assert due(cluster, "0 0 13 * fri", "UTC", "2026-02-01Z", 4) == ["2026-02-06 00:00", "2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00"]
    assert due(cluster, "0 0 10 * fri", "UTC", "2026-02-01Z", 3) == ["2026-02-06 00:00", "2026-02-10 00:00", "2026-02-13 00:00"], "either will do"
    assert due(cluster, "0 0 */10 * fri", "UTC", "2026-02-01Z", 2) == ["2026-05-01 00:00", "2026-07-31 00:00"], "a field that begins with * gives no days"
    assert due(cluster, "0 0 29 2 *", "UTC", "2096-03-01Z", 1) == ["2104-02-29 00:00"], "over the year 2100"


def test_the_moment_itself_is_not_next(cluster):
    assert due(cluster, "0 12 * * *", "UTC", "2026-01-01 12:00Z") == ["2026-01-02 12:00"]
    assert due(cluster, "0 12 * * *", "UTC", "2026-01-01 11:59:59.999999Z") == ["2026-01-01 12:00"]
    assert due(cluster, "* * * * *", "UTC", "2026-01-01 12:00:00.5Z") == ["2026-01-01 12:01"]


@pytest.mark.parametrize("cron, why", [
    ("", "five fields"), ("* * * *", "five fields"), ("* * * * * *", "five fields"), ("@reboot", "none of @hourly"), ("@", "none of"),
    ("60 * * * *", "minute: \"60\" is not a number from 0 to 59"), ("* 24 * * *", "hour: \"24\""), ("* * 0 * *", "day: \"0\""), ("* * 32 * *", "day: \"32\""),
    ("* * * 13 *", "month: \"13\""), ("* * * 0 *", "nor one of jan feb"), ("* * * * 8", "weekday: \"8\""), ("* * * * monday", "nor one of sun mon"),
    ("5-1 * * * *", "ends before it begins"), ("* 22-2 * * *", "ends before it begins"), ("* * * * sat-mon", "ends before it begins"),
    ("*/0 * * * *", "step of 0"), ("5/10 * * * *", "no range to step through"), ("*-5 * * * *", "not understood"), ("1,,2 * * * *", "not understood"),
    ("* * L * *", "day: \"l\""), ("* * 15w * *", "day: \"15w\""), ("* * * * 5#2", "not understood"), ("? * * * *", "not understood"), ("-1 * * * *", "not understood"),
    ("1- * * * *", "not understood"), ("99999999999 * * * *", "not a number"), ("* * * * *; DROP", "five fields"), ("0 0 30 2 *", "no such day"), ("0 0 31 4,6 *", "no such day"),
    ("1.5 * * * *", "not understood"), ("\u0661 * * * *", "not understood"), ("1 " * 150, "five fields")])
def test_what_is_wrong_is_said(cluster, cron, why):
    assert why in cluster.sql("SELECT cron_error(%s)", (cron,))[0][0]


@pytest.mark.parametrize("cron, fields", [
    ("0 0 * * *", ([0], [0], list(range(1, 32)), list(range(1, 13)), list(range(7)))),
    ("*/20 8-10,12 1-10/3 JAN-Mar,dec Sun,5-7", ([0, 20, 40], [8, 9, 10, 12], [1, 4, 7, 10], [1, 2, 3, 12], [0, 5, 6])),
    ("\t5   4 1 1\tfri-sun ", ([5], [4], [1], [1], [0, 5, 6]))])
def test_what_is_right_is_read(cluster, cron, fields):
    assert cluster.sql("SELECT (f).minutes, (f).hours, (f).days, (f).months, (f).weekdays FROM cron_parse(%s) f", (cron,)) == [fields]


def test_an_unknown_zone_is_an_error(cluster):
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        cluster.sql("SELECT cron_next('0 0 * * *', 'Europe/Nowhere', now())")


def test_it_is_quick(cluster):
    took, = cluster.sql("""WITH t AS (SELECT clock_timestamp() AS at), n AS (SELECT count(cron_next('0 0 29 2 *', 'Europe/Berlin', '2097-01-01Z'::timestamptz
        + i * interval '1 day')) FROM generate_series(1, 100) i) SELECT extract(epoch FROM clock_timestamp() - t.at)::float8 FROM t, n""")[0]
    assert took < 5, "the rarest of all, a hundred times"
