"""Runs and reports for tests."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from entro_cli.analysis.figures import FigureAccumulator, parts_of
from entro_cli.analysis.results import Figures, Source
from entro_cli.core.clock import nanoseconds
from entro_cli.report.daily_report import ReportContext, Summary, period_figures, summarise
from entro_cli.report.periods import Period, PeriodKind, period_of
from entro_cli.timeseries.maintenance import Maintenance
from entro_engine import LLM, SCENARIOS, SCRAPER, Run, Stage, Uncontrolled, replay_loads, simulate

ZONE = ZoneInfo("Europe/Berlin")
SOURCE = Source("metrics.csv", "table", ("scraper", "llm"), 1000, 2, None, None, "UTC", "one source", (), ())


def run_of(loads: object, start: str, step_s: float = 60.0, stages: tuple[Stage, ...] = (SCRAPER, LLM)) -> Run:
    """Return a run of loads, shape (stages, steps), that begins at a time in `ZONE`."""
    run = replay_loads(stages, np.asarray(loads, dtype=float), step_s)
    return replace(run, start_ns=nanoseconds(datetime.fromisoformat(start).replace(tzinfo=ZONE)))


def calm(steps: int, start: str, step_s: float = 60.0) -> Run:
    """Return a run far below its budget."""
    return run_of(np.full((2, steps), 0.3), start, step_s)


def busy(days: int, start: str = "2026-03-02", stages: tuple[Stage, ...] = (SCRAPER, LLM)) -> Run:
    """Return days of minutes with a daily rhythm: the second has two hours over the budget, the third a gap of 5 h."""
    minute = np.arange(days * 1440)
    wave = 0.8 + 0.4 * np.sin((minute / 1440 - 0.33) * 2 * np.pi)
    queue = 2 * wave**4 + 0.3 * np.sin(minute)
    queue[1440 + 600 : 1440 + 720] += 60
    queue[2 * 1440 + 300 : 2 * 1440 + 600] = np.nan
    return run_of([wave, np.maximum(queue, 0) + 0 * queue], start, stages=stages)


def without(run: Run, maintenance: Maintenance) -> Run:
    """Return the run without data in the excluded times."""
    left_out = maintenance.steps(run.start_ns, run.step_ns, run.steps)
    psi = run.psi_total.copy()
    psi[left_out] = float("nan")
    regime = run.trace.regime.copy()
    regime[left_out] = -1
    return replace(run, psi_total=psi, own=run.own & ~left_out, trace=replace(run.trace, regime=regime))


def three_phase(start: str = "2026-04-06T09:00") -> Run:
    """Return the published scenario of 1000 s, at a time in `ZONE`."""
    run = simulate(SCENARIOS["three-phase"], Uncontrolled()).run
    return replace(run, start_ns=nanoseconds(datetime.fromisoformat(start).replace(tzinfo=ZONE)))


def summary_of(run: Run, kind: PeriodKind, day: str, pipeline: str = "crawler", target: float = 0.99) -> Summary:
    """Return the report on the period of a kind that contains a date in `ZONE`."""
    return summarised(run, period_of(kind, date.fromisoformat(day), ZONE), ReportContext(pipeline), target)


def summarised(run: Run, period: Period, terms: ReportContext, target: float = 0.99) -> Summary:
    """Return the report on a period."""
    figures, previous = (figures_of(run, one, terms, target) for one in (period, period.previous))
    return summarise(run.part(*steps_in(run, period)), figures, previous, period, (SOURCE,), terms)


def figures_of(run: Run, period: Period, terms: ReportContext, target: float) -> Figures:
    tally, (first, after) = (
        FigureAccumulator(run.stages, run.budget, target, period.zone, run.steps),
        steps_in(run, period),
    )
    tally.count(parts_of(run, first, after), run.start_ns + first * run.step_ns)
    return period_figures(tally, run, period, terms.maintenance)


def steps_in(run: Run, period: Period) -> tuple[int, int]:
    """Return the range of the run's steps that begin in a period: the first, and the one after the last."""
    times = run.times_ns
    first, after = np.searchsorted(times, [period.start_ns, period.end_ns]).tolist()
    return first, after
