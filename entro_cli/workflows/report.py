"""Summarise a period, from logs or from the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from entro_cli.analysis.calibration import LoadAccumulator, misfit_advice
from entro_cli.analysis.error_budget import RULES
from entro_cli.analysis.figures import FigureAccumulator
from entro_cli.analysis.replay import WARM_UP_STEPS, Replay, step_range
from entro_cli.analysis.results import Figures, Source
from entro_cli.config import Settings
from entro_cli.core.clock import NS
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.read import load_stored_state
from entro_cli.report.daily_report import NO_ADVICE, Recommendations, ReportContext, Summary, period_figures, summarise
from entro_cli.report.periods import Period, PeriodKind
from entro_cli.timeseries.problems import sentences
from entro_cli.timeseries.steps import PART_STEPS, StepRange, StepSource
from entro_cli.workflows.analyze import coordination_of, recommended, shown_by
from entro_cli.workflows.load_history import load_history
from entro_cli.workflows.load_logs import Loaded
from entro_engine import Run

_DEFAULT_PIPELINE = "default"
_FLAGS = {PeriodKind.DAY: "--daily", PeriodKind.WEEK: "--weekly", PeriodKind.MONTH: "--monthly"}
_LONGEST_WINDOW_NS = round(max(rule.long_s for rule in RULES) * NS)


@dataclass(frozen=True)
class ReportInput:
    """The data of a report.

    Attributes:
        steps: the steps of the period, of the previous one, and of the time before that burn windows look back on.
        sources: a summary of each log.
        columns: the column of each stage's samples, as `--stage` names it.
        notes: sentences to show in the report.
        logs: the files that were read; empty for data from the history.
    """

    steps: StepSource
    sources: tuple[Source, ...]
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()


def from_logs(loaded: Loaded, settings: Settings, within: tuple[int | None, int | None]) -> ReportInput:
    """Return the data of logs, with maintenance windows as steps without data.

    Args:
        loaded: the logs.
        settings: the pipeline's settings.
        within: the begin and the end of the steps to use, ns since the epoch; None for an open end.
    """
    steps = StepRange(loaded.steps, *step_range(loaded.steps, *within))
    return ReportInput(settings.maintenance().view(steps), loaded.sources, loaded.columns, logs=loaded.paths)


def from_history(
    paths: PipelinePaths, settings: Settings, zone: tzinfo, period: Period, within: tuple[int | None, int | None]
) -> ReportInput:
    """Return the data of the history, with maintenance windows as steps without data.

    Args:
        paths: the pipeline's files.
        settings: the pipeline's settings.
        zone: the time zone of output.
        period: the period of the report.
        within: the begin and the end of the steps to use, ns since the epoch; None for an open end.

    Raises:
        EntroError: If nothing is stored of the pipeline.
    """
    # Only what the report needs is read: a history can hold years.
    begin = _first_needed_ns(period, load_stored_state(paths).step_ns)
    begin = begin if within[0] is None else max(begin, within[0])
    after = period.end_ns if within[1] is None else min(period.end_ns, within[1])
    history = load_history(paths, settings, zone, begin, after)
    columns = {stage.name: stage.name for stage in history.steps.stages}
    steps = settings.maintenance().apply(history.steps)
    return ReportInput(steps, history.sources, columns, sentences(history.problems))


def summary_of(
    data: ReportInput,
    period: Period,
    settings: Settings,
    budget: float | None,
    shown_as: str | None = None,
    advise: bool = True,
) -> Summary:
    """Summarise a period.

    Args:
        data: the data of the report.
        period: the period of the report.
        settings: the pipeline's settings.
        budget: Psi_budget, nat; None for that of the settings.
        shown_as: the pipeline's name in the report; None for that of the settings.
        advise: whether to compute what coordination would have changed, which takes most of the time.
    """
    limit = settings.budget(len(data.steps.stages)) if budget is None else budget
    loads, maintenance = LoadAccumulator(), settings.maintenance()
    replayed = _replayed(data.steps, limit, period)
    figures = _figures(replayed, loads.counted(replayed.runs()), settings, period)
    before = _replayed(data.steps, limit, period.previous)
    previous = _figures(before, before.runs(), settings, period.previous)
    advice = misfit_advice(replayed.steps, loads, data.columns, settings.wait_s)
    notes = (*data.notes, *([advice] if advice else []))
    advised = _advice(replayed, data, period, settings) if advise else NO_ADVICE
    context = ReportContext(shown_as or settings.pipeline, maintenance)
    return summarise(replayed.run(), figures, previous, period, data.sources, context, notes, advised)


def _replayed(steps: StepSource, budget: float, period: Period) -> Replay:
    """Return the replay of a period, with the steps before it that burn windows look back on."""
    begin_ns = period.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * steps.step_ns)
    needed = StepRange(steps, *step_range(steps, begin_ns, period.end_ns))
    return Replay(needed, budget, *step_range(needed, period.start_ns, period.end_ns))


def _figures(replayed: Replay, runs: Iterable[Run], settings: Settings, period: Period) -> Figures:
    """Return the figures of a period from its replay."""
    accumulator = FigureAccumulator(replayed.steps.stages, replayed.budget, settings.objective, period.zone)
    accumulator.count(runs, replayed.begin_ns)
    return period_figures(accumulator, replayed.steps, period, settings.maintenance())


def _first_needed_ns(period: Period, step_ns: int) -> int:
    """Return the begin of the steps that a report needs: the previous period, its burn windows and its warm-up."""
    return period.previous.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * step_ns)


def _advice(replayed: Replay, data: ReportInput, period: Period, settings: Settings) -> Recommendations:
    """Return what coordination would have changed in a period, and recommendations."""
    coordination = coordination_of(replayed, settings)
    return Recommendations(coordination, recommended(coordination, replayed.steps, _command(data, period, settings)))


def _command(data: ReportInput, period: Period, settings: Settings) -> str:
    """Return the command that prints the same report as JSON."""
    if period.kind is PeriodKind.RANGE:
        options = ["--since", period.start.isoformat(), "--until", period.end.isoformat()]
    else:
        options = [_FLAGS[period.kind], "--date", f"{period.start:%Y-%m-%d}"]
    logs = [word for log in data.logs for word in ("--logs", log)]
    pipeline = [] if settings.pipeline == _DEFAULT_PIPELINE else ["--pipeline", settings.pipeline]
    return shown_by(["report", *options, *pipeline, *logs, "--format", "json"], settings)


def last_observed_ns(steps: StepSource) -> int:
    """Return the begin of the last step that has data of all stages, else of the first step, ns since the epoch."""
    after = steps.count
    # From the end, as the last part nearly always has data.
    while after > 0:
        part = steps.part(max(after - PART_STEPS, 0), after)
        observed = np.flatnonzero(~np.isnan(part.loads).any(axis=0))
        if len(observed):
            return part.start_ns + int(observed[-1]) * steps.step_ns
        after -= part.count
    return steps.start_ns
