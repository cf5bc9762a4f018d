from datetime import datetime, timedelta

import numpy as np
import pytest

from entro_cli.core.clock import moment
from entro_cli.report.daily_report import ReportContext
from entro_cli.report.periods import PeriodKind, range_of
from entro_cli.report.render import html, markdown, terminal
from entro_cli.report.week_map import WEEKDAYS, week_map
from entro_engine import Regime
from tests.report.runs import ZONE, busy, calm, run_of, summarised, summary_of


def counted(run):
    """Count step by step: (weekday, hour) to observed steps, Critical steps and the mean queue."""
    found = {}
    for ns, regime, load in zip(run.times_ns.tolist(), run.trace.regime.tolist(), run.loads[1].tolist(), strict=True):
        local = moment(ns, ZONE)
        seen, bad, loads = found.setdefault((local.weekday(), local.hour), (0, 0, []))
        found[local.weekday(), local.hour] = (
            seen + (regime != Regime.NO_DATA),
            bad + (regime == Regime.CRITICAL),
            loads + [load] * (regime != Regime.NO_DATA),
        )
    return {hour: (seen, bad, pytest.approx(sum(loads) / seen)) for hour, (seen, bad, loads) in found.items()}


@pytest.mark.parametrize("start", ["2026-03-02", "2026-03-16", "2026-10-12"])  # the clock is changed in the latter two
def test_each_hour_counts_the_steps_that_begin_in_it(start):
    run = busy(20, start)

    found = {
        (day, hour.hour): (hour.observed_steps, hour.critical_steps, hour.mean_load)
        for day, weekday in enumerate(week_map(run, ZONE, 1))
        for hour in weekday.hours
    }

    assert found == counted(run)
    assert sum(critical for _, critical, _ in found.values()) > 100


def test_an_hour_the_clock_shows_twice_is_one():
    run = calm(21 * 1440, "2026-10-12")

    sunday = week_map(run, ZONE, 1)[6]

    assert sunday.hours[2].observed_steps == 4 * 60  # three Sundays, one of them with two such hours
    assert sunday.hours[3].observed_steps == 3 * 60


def test_steps_longer_than_an_hour_are_where_they_begin():
    days = week_map(run_of(np.full((2, 80), 0.3), "2026-03-02", step_s=6 * 3600), ZONE, 1)

    assert {hour.hour for hour in days[0].hours if hour.observed_steps} == {0, 6, 12, 18}
    assert days[0].hours[1].critical_share is None


@pytest.mark.parametrize(
    ("kind", "there"), [(PeriodKind.DAY, False), (PeriodKind.WEEK, False), (PeriodKind.MONTH, True)]
)
def test_only_a_long_period_has_it(kind, there):
    summary = summary_of(busy(35), kind, "2026-03-04")

    assert bool(summary.week) is there
    assert ("weekday and hour" in html.render(summary)) is there
    assert ("weekday and hour" in markdown.render(summary)) is there
    assert ("weekday and hour" in terminal.render(summary)) is there


def test_two_weeks_are_not_long_enough():
    run, start = calm(10, "2026-03-02"), datetime(2026, 3, 2, tzinfo=ZONE)

    two_weeks, longer = (range_of(start, start + timedelta(days=14, hours=more)) for more in (0, 1))

    assert summarised(run, two_weeks, ReportContext("crawler")).week == ()
    assert len(summarised(run, longer, ReportContext("crawler")).week) == 7


def test_a_period_without_data_has_an_empty_one():
    days = summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, "2026-07-01").week

    assert [day.name for day in days] == list(WEEKDAYS)
    assert {(hour.critical_share, hour.level, hour.mean_load) for day in days for hour in day.hours} == {
        (None, 0, None)
    }
    assert all(day.worst is None for day in days)


def bursts(share):
    """Four calm weeks, in which a share of each Tuesday's minutes from 10:00 is far over the budget."""
    minutes = np.arange(28 * 1440)
    load = np.full((2, len(minutes)), 0.1)
    local = (minutes % 10080) - 1440 - 600
    load[1, (local >= 0) & (local < 60 * share)] = 500.0
    return run_of(load, "2026-03-02")


def test_the_worst_hour_and_the_levels():
    tuesday = week_map(bursts(1), ZONE, 1)[1]

    assert tuesday.worst is tuesday.hours[10]
    assert (tuesday.hours[10].critical_share, tuesday.hours[10].level) == (1.0, 4)
    assert tuesday.hours[9].level == 0
    levels = [week_map(bursts(share), ZONE, 1)[1].hours[10].level for share in (1 / 60, 0.2, 0.4, 1)]
    assert levels == sorted(levels)
    assert levels[-1] == 4


def test_words_and_shapes_stand_beside_the_colour():
    summary = summary_of(bursts(1), PeriodKind.MONTH, "2026-03-02")

    text = terminal.render(summary)
    assert "Tue ····················██" in text
    assert "10:00     100%" in text
    assert "Mon ················································             never" in text
    assert "Tue ....................##" in terminal.render(summary, unicode=False)
    assert '<td class="level-4">500 <small>100%</small></td>' in html.render(summary)
    assert '<td class="level-0">0.1</td>' in html.render(summary)
    assert "| 10:00 | 0.1 | 500 **100%** |" in markdown.render(summary)
    assert "Mean requests waiting at llm" in markdown.render(summary)
