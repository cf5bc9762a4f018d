"""What an analysis says of a pipeline's steps: the rooms wired together."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entro_cli.analysis.calibration import is_rate_queue_pair
from entro_cli.analysis.coordination import CoordinationParameters, coordinate
from entro_cli.analysis.recommendations import recommendations
from entro_cli.analysis.replay import Replay
from entro_cli.analysis.results import Coordination, Figures, Recommendation, Source
from entro_cli.config import Settings
from entro_cli.core.clock import zone_of
from entro_cli.core.urls import is_url, shown_url
from entro_cli.timeseries.steps import StepRange, StepSource

if TYPE_CHECKING:
    pass

from concurrent.futures import ThreadPoolExecutor

from entro_cli.analysis.calibration import LoadAccumulator, misfit_advice
from entro_cli.analysis.figures import FigureAccumulator
from entro_cli.workflows.load_logs import Loaded


def analysis_of(replayed: Replay, loaded: Loaded, settings: Settings, command: str) -> tuple[Analysis, str | None]:
    """What an analysis says, and what to say when the full loads cannot fit the log.

    Args:
        replayed: the pipeline's steps, and which of them are asked for.
        loaded: the logs they are from.
        settings: in force for the pipeline.
        command: what shows the same again, as JSON.
    """
    loads = LoadAccumulator()
    with ThreadPoolExecutor(1) as beside:  # a plant that is run leaves the other processor to the figures
        compared = beside.submit(coordination_of, replayed, settings)
        figures = _figures(replayed, loaded, settings, loads)
        coordination = compared.result()
    analysis = Analysis(
        pipeline=settings.pipeline,
        figures=figures,
        coordination=coordination,
        recommendations=recommended(coordination, replayed.steps, command),
        sources=loaded.sources,
    )
    return analysis, misfit_advice(replayed.steps, loads, loaded.columns, settings.wait_s)


def _figures(replayed: Replay, loaded: Loaded, settings: Settings, loads: LoadAccumulator) -> Figures:
    """What the replay comes to; what it says of the loads is counted along."""
    steps = replayed.steps
    tally = FigureAccumulator(steps.stages, replayed.budget, settings.objective, loaded.zone)
    tally.count(loads.counted(replayed.runs()), replayed.begin_ns)
    span = replayed.begin_ns, steps.step_ns, replayed.after - replayed.first
    return tally.figures(span, settings.maintenance().count_steps(*span))


@dataclass(frozen=True)
class Analysis:
    """What an analysis says.

    Attributes:
        pipeline: its name.
        figures: of the period.
        coordination: what it would have changed.
        recommendations: what to do.
        sources: what each file gave.
    """

    pipeline: str
    figures: Figures
    coordination: Coordination
    recommendations: tuple[Recommendation, ...]
    sources: tuple[Source, ...]


def coordination_of(replayed: Replay, settings: Settings) -> Coordination:
    """What coordination would have changed.

    Args:
        replayed: the pipeline's steps, and which of them are asked for.
        settings: in force for the pipeline.
    """
    steps, first, after = replayed.steps, replayed.first, replayed.after
    if first >= after:
        return Coordination("there is no step with data")
    before = float(steps.part(first - 1, first).ends[1][0]) if is_rate_queue_pair(steps) and first > 0 else 0.0
    zone = zone_of(settings.zone)
    terms = CoordinationParameters(
        settings.wait_s, replayed.budget, settings.alpha, settings.beta, settings.capacity, zone
    )
    return coordinate(StepRange(steps, first, after), terms, 0.0 if math.isnan(before) else before)


def recommended(coordination: Coordination, steps: StepSource, command: str) -> tuple[Recommendation, ...]:
    """What to do about it.

    Args:
        coordination: what it would have changed.
        steps: of the pipeline.
        command: what shows the numbers, as a shell takes it.
    """
    names = (steps.stages[0].name, steps.stages[1].name) if is_rate_queue_pair(steps) else None
    return recommendations(coordination, names, command)


_TAKEN_ANYWAY = {"history", "reports", "pipeline"}
"""Keys whose options a report's command names itself, or that change no number."""


def shown_by(command: Sequence[str], settings: Settings, *more: tuple[str, Sequence[str] | str | None]) -> str:
    """The command that shows the numbers of another one again, as a shell takes it; URLs without their secrets.

    Args:
        command: its words behind `entro`.
        settings: in force for the pipeline; what options said of them is said again.
        more: other options, with what they were given.
    """
    words = ["entro", *command]
    for option, value in (*_said(settings), *more):
        for one in (value,) if isinstance(value, str) else value or ():
            words += [option, one] if one else [option]
    return shlex.join(shown_url(word) if is_url(word) else word for word in words)


def _said(settings: Settings) -> Iterator[tuple[str, Sequence[str] | str]]:
    for key, origin in sorted(settings.origins.items()):
        if origin.startswith("--") and key not in _TAKEN_ANYWAY:
            value = getattr(settings, key, None)
            if isinstance(value, bool):
                yield origin, [""] if value else []
            elif isinstance(value, tuple):
                yield origin, [str(one) for one in value]
            elif value is not None:
                yield origin, str(value)
