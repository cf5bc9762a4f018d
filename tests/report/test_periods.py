import itertools
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.report.periods import PeriodKind, due, last_complete, latest, period_of, range_of

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Asia/Tehran"]
)
DATES = st.dates(date(1990, 1, 1), date(2080, 12, 31))


@pytest.mark.parametrize(
    ("kind", "day", "label", "first", "days"),
    [
        (PeriodKind.DAY, date(2024, 2, 29), "2024-02-29", date(2024, 2, 29), 1),
        (PeriodKind.WEEK, date(2026, 4, 6), "2026-W15", date(2026, 4, 6), 7),
        (PeriodKind.WEEK, date(2026, 4, 12), "2026-W15", date(2026, 4, 6), 7),
        (PeriodKind.WEEK, date(2027, 1, 3), "2026-W53", date(2026, 12, 28), 7),
        (PeriodKind.WEEK, date(2024, 12, 30), "2025-W01", date(2024, 12, 30), 7),
        (PeriodKind.MONTH, date(2024, 2, 29), "2024-02", date(2024, 2, 1), 29),
        (PeriodKind.MONTH, date(2026, 12, 31), "2026-12", date(2026, 12, 1), 31),
    ],
)
def test_the_period_a_date_lies_in(kind, day, label, first, days):
    period = period_of(kind, day, BERLIN)

    assert (period.label, period.first) == (label, first)
    assert period.length_s == days * 86400
    assert period.file_stem("eu") == f"eu-{kind}-{label}"


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 3, 30), 24), (date(2026, 10, 25), 25)])
def test_a_day_is_as_long_as_the_clock_makes_it(day, hours):
    period = period_of(PeriodKind.DAY, day, BERLIN)

    assert period.length_s == hours * 3600
    assert len(period.spans) == hours


def test_the_hour_that_comes_twice_has_two_names():
    labels = [span.label for span in period_of(PeriodKind.DAY, date(2026, 10, 25), BERLIN).spans]

    assert labels[1:5] == ["01:00", "02:00", "02:00 again", "03:00"]


def test_a_week_with_a_changed_clock_is_an_hour_shorter_and_its_days_still_begin_at_midnight():
    week = period_of(PeriodKind.WEEK, date(2026, 3, 29), BERLIN)

    assert week.length_s == 7 * 86400 - 3600
    assert {span.start.hour for span in week.spans} == {0}


def test_a_day_without_a_midnight_begins_with_its_first_moment():
    day = period_of(PeriodKind.DAY, date(2026, 4, 24), ZoneInfo("Africa/Cairo"))  # 00:00 became 01:00

    assert (day.start.hour, day.length_s) == (1, 23 * 3600)


@given(st.sampled_from(PeriodKind), DATES, ZONES)
def test_periods_follow_one_another_and_their_spans_fill_them(kind, day, zone):
    period = period_of(kind, day, ZoneInfo(zone))

    assert nanoseconds(period.previous.end) == period.start_ns
    assert period_of(kind, period.first, period.zone) == period
    edges = [(nanoseconds(span.start), nanoseconds(span.end)) for span in period.spans]
    assert edges[0][0] == period.start_ns
    assert edges[-1][1] == period.end_ns
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(edges))
    assert len({span.label for span in period.spans}) == len(edges)


@given(st.sampled_from(PeriodKind), DATES, ZONES, st.integers(0, 86399))
def test_the_latest_period_is_the_one_with_the_last_moment_in_it(kind, day, zone, second):
    last_ns = period_of(PeriodKind.DAY, day, ZoneInfo(zone)).start_ns + second * NS

    period = latest(kind, last_ns, ZoneInfo(zone))

    assert period.start_ns <= last_ns < period.end_ns


def test_each_pipeline_of_any_name_has_a_safe_file_name_of_its_own():
    names = ["../../etc/passwd", "a b", "x\x1b[31m", "-rf", ".hidden", "..", "~root", "日本" * 200, "日本" * 201, ""]
    names += ["a/b", "a_b", "a%2Fb", "%", "%2Ehidden", "a\udc80b", "x" * 180, "x" * 181, "a/b\\c:d"]
    period = range_of(datetime(2026, 4, 6, 1, tzinfo=BERLIN), datetime(2026, 4, 8, 1, tzinfo=BERLIN))
    stems = [period.file_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    for stem in stems:
        assert stem.endswith(f"-range-{period.label}")
        assert not set(stem) & set("/\\: \x1b")
        assert not stem.startswith((".", "-", "~"))
        assert len(f"{stem}.html".encode()) <= 255
    assert period.file_stem("a/b").startswith("a%2Fb-")


def test_titles_say_what_people_say():
    titles = [
        period_of(kind, date(2026, 4, 8), BERLIN).title for kind in (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)
    ]
    over_new_year = period_of(PeriodKind.WEEK, date(2027, 1, 1), BERLIN).title

    assert titles == ["Wednesday 8 April 2026", "Week 15, 6 to 12 April 2026", "April 2026"]
    assert over_new_year == "Week 53, 28 December 2026 to 3 January 2027"
    assert (
        timedelta(days=7)
        == period_of(PeriodKind.WEEK, date(2027, 1, 1), ZoneInfo("UTC")).end
        - period_of(PeriodKind.WEEK, date(2027, 1, 1), ZoneInfo("UTC")).start
    )


def test_a_range_has_a_title_a_name_parts_and_one_before_it():
    start, end = (datetime(2026, 4, day, hour, tzinfo=BERLIN) for day, hour in ((6, 0), (8, 0)))
    period = range_of(start, end)
    assert period.title == "6 to 7 April 2026"
    assert range_of(start, datetime(2026, 4, 7, tzinfo=BERLIN)).title == "6 April 2026"
    assert range_of(start, datetime(2026, 4, 6, 0, 0, 50, tzinfo=BERLIN)).title == "6 April 2026 00:00 to 00:00:50"
    assert range_of(start, datetime(2026, 4, 7, 9, tzinfo=BERLIN)).title == "6 April 2026 00:00 to 7 April 2026 09:00"
    assert period.file_stem("p") == "p-range-2026-04-06_2026-04-08"
    assert (period.previous.start, period.previous.end) == (datetime(2026, 4, 4, tzinfo=BERLIN), start)
    assert len(period.spans) == 48
    odd = range_of(datetime(2026, 3, 28, 12, 30, tzinfo=BERLIN), datetime(2026, 7, 2, 8, tzinfo=BERLIN))
    assert odd.title == "28 March 2026 12:30 to 2 July 2026 08:00"
    assert range_of(datetime(2026, 3, 28, 8, tzinfo=BERLIN), odd.start).title == "28 March 2026 08:00 to 12:30"
    assert odd.label == "2026-03-28T123000_2026-07-02T080000"
    assert [span.label for span in odd.spans] == ["Mar 2026", "Apr 2026", "May 2026", "Jun 2026", "Jul 2026"]
    assert all(before.end == after.start for before, after in pairwise(odd.spans))
    assert (odd.spans[0].start, odd.spans[-1].end) == (odd.start, odd.end)


@pytest.mark.parametrize("kind", [PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH])
def test_what_is_due(kind):
    now = datetime(2026, 4, 13, 6, tzinfo=BERLIN)
    newest = last_complete(kind, now)
    assert newest.end <= now < period_of(kind, now.date(), BERLIN).end
    assert due(kind, None, now) == due(kind, newest.first, now) == due(kind, now.date(), now) == (newest,)
    missed = due(kind, newest.previous.previous.previous.first, now)
    assert [period.first for period in missed] == [newest.previous.previous.first, newest.previous.first, newest.first]
    assert len(due(kind, date(1990, 1, 1), now)) == 31
