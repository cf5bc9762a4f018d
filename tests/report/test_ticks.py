from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from entro_cli.report.charts.ticks import tick_levels
from entro_cli.report.periods import PeriodKind, period_of

BERLIN = ZoneInfo("Europe/Berlin")


def level_with(levels, text):
    return next(level for level in levels if text in level.text)


def test_marks_after_the_clock_was_changed_are_where_the_clock_says():
    day = period_of(PeriodKind.DAY, date(2026, 3, 29), BERLIN)

    hours = level_with(tick_levels(day.start, day.start, day.end), "04:00")

    assert dict(zip(hours.text, hours.at, strict=True)) | {"01:00": 3600, "03:00": 7200, "04:00": 10800} == dict(
        zip(hours.text, hours.at, strict=True)
    )
    assert "02:00" not in hours.text


@pytest.mark.parametrize("kind", list(PeriodKind))
@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2024, 2, 29)])
def test_marks_are_in_order_within_the_period_and_get_finer(kind, day):
    period = period_of(kind, day, BERLIN)

    levels = tick_levels(period.start, period.start, period.end)

    for level in levels:
        assert list(level.at) == sorted(set(level.at))
        assert 0 <= level.at[0] <= level.at[-1] < period.length_s
    sizes = [len(level.at) for level in levels]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= 300


def test_a_stretch_of_minutes_gets_seconds():
    start = datetime(2026, 4, 25, 20, 49, 44, tzinfo=BERLIN)

    levels = tick_levels(period_of(PeriodKind.DAY, start.date(), BERLIN).start, start, start + timedelta(seconds=161))

    assert levels[0].text == ("20:50",)
    assert "20:50:30" in levels[2].text
