"""From steps to the Summary of a period, whether they come from logs or from the history."""

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
    """What a report is made from.

    Attributes:
        steps: those of the period, of the one before, and those before them that windows look back on.
        sources: where they are from.
        columns: where each stage's samples stood, as `--stage` names it.
        notes: what else should be known, in sentences.
        logs: the files they were read from; none where they are from the history.
    """

    steps: StepSource
    sources: tuple[Source, ...]
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()


def from_logs(loaded: Loaded, settings: Settings, within: tuple[int | None, int | None]) -> ReportInput:
    """What logs gave of a stretch of time, without what is left out as maintenance.

    Args:
        loaded: the logs.
        settings: in force for the pipeline.
        within: what is left out: steps before the first moment and from the second on, nanoseconds since the epoch;
            None leaves out nothing.
    """
    steps = StepRange(loaded.steps, *step_range(loaded.steps, *within))
    return ReportInput(settings.maintenance().view(steps), loaded.sources, loaded.columns, logs=loaded.paths)


def from_history(
    place: PipelinePaths, settings: Settings, zone: tzinfo, period: Period, within: tuple[int | None, int | None]
) -> ReportInput:
    """What is stored of a period, of the one before, and of the time that their windows look back on.

    What is left out as maintenance is without data.

    Args:
        place: the pipeline's.
        settings: in force for it.
        zone: what times are told in.
        period: what is reported on.
        within: what is left out: steps before the first moment and from the second on, nanoseconds since the epoch;
            None leaves out nothing.

    Raises:
        EntroError: when nothing is stored of the pipeline.
    """
    begin = max(
        _looked_back_to(period, load_stored_state(place).step_ns), -(1 << 62) if within[0] is None else within[0]
    )
    after = min(period.end_ns, (1 << 62) if within[1] is None else within[1])
    recalled = load_history(place, settings, zone, begin, after)
    columns = {stage.name: stage.name for stage in recalled.steps.stages}
    return ReportInput(
        settings.maintenance().apply(recalled.steps), recalled.sources, columns, sentences(recalled.problems)
    )


def summary_of(
    material: ReportInput,
    period: Period,
    settings: Settings,
    budget: float | None,
    shown_as: str | None = None,
    advise: bool = True,
) -> Summary:
    """What the report of a period says.

    Args:
        material: what it is made from.
        period: what it is about.
        settings: in force for the pipeline.
        budget: Psi_budget, nat; that of the settings without it.
        shown_as: the pipeline's name in it; that of the settings without one.
        advise: whether it tells what coordination would have changed, which takes the most time of all.
    """
    limit = settings.budget(len(material.steps.stages)) if budget is None else budget
    loads, maintenance = LoadAccumulator(), settings.maintenance()
    replayed = _replayed(material.steps, limit, period)
    figures = _figures(replayed, loads.counted(replayed.runs()), settings, period)
    before = _replayed(material.steps, limit, period.previous)
    previous = _figures(before, before.runs(), settings, period.previous)
    advice = misfit_advice(replayed.steps, loads, material.columns, settings.wait_s)
    notes = (*material.notes, *([advice] if advice else []))
    advised = _advice(replayed, material, period, settings) if advise else NO_ADVICE
    terms = ReportContext(shown_as or settings.pipeline, maintenance)
    return summarise(replayed.run(), figures, previous, period, material.sources, terms, notes, advised)


def _replayed(steps: StepSource, budget: float, period: Period) -> Replay:
    """The steps of a period to be replayed, with those before that windows look back on."""
    begin_ns = period.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * steps.step_ns)
    looked_at = StepRange(steps, *step_range(steps, begin_ns, period.end_ns))
    return Replay(looked_at, budget, *step_range(looked_at, period.start_ns, period.end_ns))


def _figures(replayed: Replay, runs: Iterable[Run], settings: Settings, period: Period) -> Figures:
    """The figures of a period, from the replay of it."""
    tally = FigureAccumulator(replayed.steps.stages, replayed.budget, settings.objective, period.zone)
    tally.count(runs, replayed.begin_ns)
    return period_figures(tally, replayed.steps, period, settings.maintenance())


def _looked_back_to(period: Period, step_ns: int) -> int:
    """Where what a report looks at begins, nanoseconds since the epoch: the period before, its windows and warm-up."""
    return period.previous.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * step_ns)


def _advice(replayed: Replay, material: ReportInput, period: Period, settings: Settings) -> Recommendations:
    """What coordination would have changed in a period, and what to do about it."""
    coordination = coordination_of(replayed, settings)
    return Recommendations(
        coordination, recommended(coordination, replayed.steps, _command(material, period, settings))
    )


def _command(material: ReportInput, period: Period, settings: Settings) -> str:
    """The command that makes the same report as JSON."""
    if period.kind is PeriodKind.RANGE:
        which = ["--since", period.start.isoformat(), "--until", period.end.isoformat()]
    else:
        which = [_FLAGS[period.kind], "--date", f"{period.start:%Y-%m-%d}"]
    logs = [word for log in material.logs for word in ("--logs", log)]
    pipeline = [] if settings.pipeline == _DEFAULT_PIPELINE else ["--pipeline", settings.pipeline]
    return shown_by(["report", *which, *pipeline, *logs, "--format", "json"], settings)


def last_observed_ns(steps: StepSource) -> int:
    """Where the last step with data of all stages begins, nanoseconds since the epoch; the first step without any."""
    after = steps.count
    while after > 0:
        part = steps.part(max(after - PART_STEPS, 0), after)
        observed = np.flatnonzero(~np.isnan(part.loads).any(axis=0))
        if len(observed):
            return part.start_ns + int(observed[-1]) * steps.step_ns
        after -= part.count
    return steps.start_ns
