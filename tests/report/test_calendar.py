"""The days of a month as a calendar, in every format."""

from datetime import date

import pytest

from entro_cli.report.calendar import DayState, calendar_of
from entro_cli.report.daily_report import ReportContext
from entro_cli.report.periods import PeriodKind, period_of
from entro_cli.report.render import html, markdown, terminal
from entro_cli.report.render.figure_table import figure_table
from entro_cli.timeseries.maintenance import parse_maintenance
from tests.report.runs import ZONE, busy, summarised, summary_of, without


def march(*windows):
    maintenance = parse_maintenance(windows, ZONE, "exclude")
    run = without(busy(20), maintenance)  # from Monday the 2nd on
    period = period_of(PeriodKind.MONTH, date(2026, 3, 2), ZONE)
    return summarised(run, period, ReportContext("crawler", maintenance))


def test_weeks_begin_on_monday_and_hold_every_day_once():
    weeks = calendar_of(march())

    assert {len(week) for week in weeks} == {7}
    assert [day.bucket.start.day for week in weeks for day in week if day] == list(range(1, 32))
    for week in weeks:
        for weekday, day in enumerate(week):
            assert day is None or day.bucket.start.weekday() == weekday
    assert weeks[0][:6] == (None,) * 6  # the 1st is a Sunday
    assert weeks[-1][2:] == (None,) * 5


def test_how_a_day_was():
    days = {day.bucket.start.day: day for week in calendar_of(march("2026-03-05/1d")) for day in week if day}

    assert days[1].state is DayState.NO_DATA
    assert days[3].state is DayState.OVER
    assert days[3].bucket.violations > 0
    assert days[5].state is DayState.MAINTENANCE
    assert days[31].critical_share is None
    assert {days[day].state for day in range(6, 22)} <= {DayState.CALM, DayState.CRITICAL}
    for day in days.values():
        regimes = day.bucket.regimes
        observed = regimes.stable + regimes.stress + regimes.critical
        expected = day.bucket.steps - day.bucket.excluded_steps
        assert day.critical_share == (regimes.critical / expected if observed else None)


def test_the_shares_of_the_regimes_and_of_no_data_add_up():
    figures = march("2026-03-05/1d").figures
    assert min(figures.excluded_steps, figures.regimes.no_data, figures.regimes.critical) > 0
    rows = {row.label: row.value for group in figure_table(figures, None) for row in group.rows}
    shares = [float(rows[name].removesuffix("%")) for name in ("Stable", "Stress", "Critical", "No data")]
    assert sum(shares) == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("kind", [PeriodKind.DAY, PeriodKind.WEEK])
def test_short_periods_have_bars_instead(kind):
    summary = summary_of(busy(20), kind, "2026-03-10")

    assert calendar_of(summary) == ()
    assert "<h3>Calendar</h3>" not in html.render(summary)
    assert "By " in terminal.render(summary)


def test_every_format_has_it():
    summary = march("2026-03-05/1d")

    text, plain = terminal.render(summary), terminal.render(summary, unicode=False)
    assert "   2▲ 26.0%  3◆ 29.7%" in text
    assert "  5╲" in text
    assert "   2! 26.0%  3X 29.7%" in plain
    assert all(len(line) <= 80 for line in text.splitlines())
    assert plain.isascii()
    assert "| 2 🔶 26.0% Critical | 3 🟥 2 h over |" in markdown.render(summary)
    page = html.render(summary)
    assert '<time datetime="2026-03-03">3</time> <b class="diamond" aria-hidden="true">◆</b>' in page
    assert page.count("<time datetime") == 31
