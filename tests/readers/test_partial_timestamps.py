"""Timestamps without a zone, a year or a day, against the arithmetic of datetime."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.readers.partial_timestamps import (
    ClockState,
    LineTimestamps,
    PartialTimestampFormat,
    json_timestamp,
    timestamp_in,
)
from entro_cli.readers.problems import Tally
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError
from tests.readers.text_logs import CHANGED, log_of, options

NS = 10**9
BERLIN = ZoneInfo("Europe/Berlin")
JSON = {
    '{"msg": "x", "ts": 1772366405.25}': 0.25,
    '{"msg": "x", "Timestamp": "2026-03-01T12:00:05Z"}': 0,
    '{"msg": "x", "time": 1772366405250}': 0.25,
    '{"msg": "x", "timeUnixNano": "1772366405250000000"}': 0.25,
    '{"timestamp": {"seconds": 1772366405, "nanos": 0}, "msg": "x"}': 0,
    '{"log": "{\\"msg\\": \\"x\\", \\"created\\": 1772366405.25}"}': 0.25,
    '{"elapsed": {"seconds": 1.0}, "time": "soon", "created": "2026-03-01T13:00:05+01:00"}': 0,
    '{"time": 17, "msg": "x"}': None,
    '{"time": 9999999999, "msg": "x"}': None,
    '{"msg": "at 12:00:05"}': None,
}
MOMENTS = st.datetimes(datetime(2021, 1, 1), datetime(2029, 12, 31))


def ns(when):
    return round((when.replace(tzinfo=when.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * NS


def read_on(before, texts, changed, tally=None, **given):
    stamps = LineTimestamps(before)
    for text in texts:
        stamps.add(timestamp_in(text.encode()))
    with log_of(b"x", changed) as log:
        return stamps.utc(log, options(**given), tally or Tally())


def times_of(texts, changed, tally=None, **given):
    times, clock = read_on(ClockState(), texts, changed, tally, **given)
    return times, clock.words


FORMS = {
    "INFO 03-01 12:00:05 [x.py:1]": (PartialTimestampFormat.YEARLESS, (60 * 24 + 12) * 3600 + 5),
    "2026-03-01T12:00:05Z INFO 03-01 04:00:05 [x.py:1]": (
        PartialTimestampFormat.ZONED,
        ns(datetime(2026, 3, 1, 12, 0, 5)) // NS,
    ),
    "2026-03-01T12:00:05.250+02:00 x": (PartialTimestampFormat.ZONED, ns(datetime(2026, 3, 1, 10, 0, 5)) // NS, 0.25),
    "2026-03-01 12:00:05,250 [INFO]": (PartialTimestampFormat.LOCAL, ns(datetime(2026, 3, 1, 12, 0, 5)) // NS, 0.25),
    "[2026-03-01 12:00:05 DP0]": (PartialTimestampFormat.LOCAL, ns(datetime(2026, 3, 1, 12, 0, 5)) // NS),
    "2026/03/01 12:00:05 INFO x": (PartialTimestampFormat.LOCAL, ns(datetime(2026, 3, 1, 12, 0, 5)) // NS),
    "[12:00:05 TP0]": (PartialTimestampFormat.DAYLESS, 43205),
    "INFO 13-41 25:00:05 [x.py:1]": None,
    "[25:00:05] x": None,
    "2026-02-30 12:00:05 x": None,
    "9999-02-28 12:00:05 x": None,  # 64 bits of nanoseconds end in 2262, and begin in 1677
    "0001-02-28 12:00:05 x": None,
    "no time": None,
}


@pytest.mark.parametrize("text", FORMS)
def test_forms(text):
    expected = FORMS[text]
    assert timestamp_in(text.encode()) == (expected and (expected[0], sum(round(part * NS) for part in expected[1:])))


@pytest.mark.parametrize("text", JSON)
def test_the_time_in_a_field_of_json(text):
    moment = ns(datetime(2026, 3, 1, 12, 0, 5))
    expected = JSON[text]
    found = json_timestamp(text.encode())
    assert found == (None if expected is None else (PartialTimestampFormat.ZONED, moment + round(expected * NS)))


@given(MOMENTS, st.lists(st.integers(0, 170 * 86400), max_size=12), st.integers(0, 200))
def test_years_are_found_from_the_last_change(first, gaps, late_days):
    moments = [first.replace(microsecond=0)]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))
    changed = moments[-1].replace(tzinfo=UTC) + timedelta(days=late_days)
    tally = Tally()
    times, words = times_of([f"INFO {when:%m-%d %H:%M:%S} [" for when in moments], changed, tally)
    assert times.tolist() == [ns(when) for when in moments]
    assert f"year {moments[-1].year}" in words
    assert any("over new year" in problem for problem in sentences(tally.problems)) == (
        moments[0].year < moments[-1].year
    )


@given(MOMENTS, st.lists(st.integers(0, 11 * 3600), max_size=12), st.integers(0, 12 * 3600), st.booleans())
def test_days_are_found_from_the_last_change_or_the_start(first, gaps, late, from_start):
    moments = [first.replace(microsecond=0)]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))
    start = ns(moments[0].replace(hour=0, minute=0, second=0)) if from_start else None
    changed = moments[-1].replace(tzinfo=UTC) + timedelta(seconds=late, days=40 if from_start else 0)
    times, _ = times_of([f"[{when:%H:%M:%S}]" for when in moments], changed, start_ns=start)
    assert times.tolist() == [ns(when) for when in moments]


def test_a_line_out_of_order_over_new_year():
    texts = ["INFO 12-31 23:59:58 [", "INFO 01-01 00:00:00 [", "INFO 12-31 23:59:59 [", "INFO 01-01 00:00:01 ["]
    tally = Tally()
    times, _ = times_of(texts, datetime(2026, 1, 2, tzinfo=UTC), tally)
    assert [(time - ns(datetime(2026, 1, 1))) // NS for time in times.tolist()] == [-2, 0, -1, 1]
    assert any("steps back once, by 1 s" in problem for problem in sentences(tally.problems))


def test_a_leap_day():
    assert times_of(["INFO 02-29 01:00:00 ["], datetime(2026, 5, 1, tzinfo=UTC))[0].tolist() == [
        ns(datetime(2024, 2, 29, 1))
    ]
    with pytest.raises(EntroError, match=r"February 29, which does not exist in 2026.*--year"):
        times_of(["INFO 02-29 01:00:00 ["], datetime(2026, 5, 1, tzinfo=UTC), year=2026)


def test_a_zone_is_only_for_stamps_without():
    berlin = {"zone": BERLIN, "zone_given": True}
    texts = ["2026-07-01T12:00:00Z x", "INFO 07-01 14:00:01 [", "[2026-07-01 14:00:02]"]
    times, words = times_of(texts, datetime(2026, 7, 2, tzinfo=UTC), **berlin)
    assert [(time - ns(datetime(2026, 7, 1, 12))) // NS for time in times.tolist()] == [0, 1, 2]
    assert words == "as written, year 2026 (the last change of the file), Europe/Berlin (--tz)"


@given(
    MOMENTS,
    st.lists(st.integers(0, 11 * 3600), min_size=1, max_size=12),
    st.data(),
    st.sampled_from(["INFO {:%m-%d %H:%M:%S} [", "[{:%H:%M:%S}]", "[{:%Y-%m-%d %H:%M:%S}]"]),
)
def test_lines_that_are_read_on_have_the_times_of_one_reading(first, gaps, data, form):
    """Whenever the file was changed last: the year and the day go on from those of the lines before."""
    moments = [first.replace(microsecond=0)]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))
    texts, cut = [form.format(when) for when in moments], data.draw(st.integers(1, len(gaps)))
    changed = moments[cut - 1].replace(tzinfo=UTC)
    before, clock = read_on(ClockState(), texts[:cut], changed, zone=BERLIN)
    clock = msgspec.msgpack.decode(msgspec.msgpack.encode(clock), type=ClockState)
    after, _ = read_on(clock, texts[cut:], changed + timedelta(days=500), zone=BERLIN)
    whole, _ = times_of(texts, moments[-1].replace(tzinfo=UTC), zone=BERLIN)
    assert [*before.tolist(), *after.tolist()] == whole.tolist()


def test_a_step_back_of_the_clock_between_two_readings():
    tally = Tally()
    clock = read_on(ClockState(), ["[2026-03-01 12:00:05]"], CHANGED)[1]
    read_on(clock, ["[2026-03-01 12:00:02]", "[2026-03-01 12:00:03]"], CHANGED, tally)
    assert any("steps back once, by 3 s" in problem for problem in sentences(tally.problems))
