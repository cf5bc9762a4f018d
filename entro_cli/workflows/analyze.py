"""Analyze the steps of a pipeline: figures, coordination, recommendations."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from entro_cli.analysis.calibration import LoadAccumulator, is_rate_queue_pair, misfit_advice
from entro_cli.analysis.coordination import CoordinationParameters, coordinate
from entro_cli.analysis.figures import FigureAccumulator
from entro_cli.analysis.recommendations import recommendations
from entro_cli.analysis.replay import Replay
from entro_cli.analysis.results import Coordination, Figures, Recommendation, Source
from entro_cli.config import Settings
from entro_cli.core.clock import zone_of
from entro_cli.core.console import Terminal
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.urls import is_url, shown_url
from entro_cli.timeseries.steps import StepRange, StepSource
from entro_cli.timeseries.steps_csv import steps_csv
from entro_cli.workflows.load_logs import Loaded


def analyze_replay(replayed: Replay, loaded: Loaded, settings: Settings, command: str) -> tuple[Analysis, str | None]:
    """Analyze a replay of a pipeline's steps.

    Args:
        replayed: the replay.
        loaded: the logs of the steps.
        settings: the pipeline's settings.
        command: the command that prints the same as JSON.

    Returns:
        The analysis, and advice if the full loads cannot fit the log.
    """
    loads = LoadAccumulator()
    # The compiled loops release the GIL: while one processor runs the coordinated plant, another counts the figures.
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(compute_coordination, replayed, settings)
        figures = _figures(replayed, loaded, settings, loads)
        coordination = future.result()
    analysis = Analysis(
        pipeline=settings.pipeline,
        figures=figures,
        coordination=coordination,
        recommendations=recommend(coordination, replayed.steps, command),
        sources=loaded.sources,
        summed_sources=loaded.summed_sources,
    )
    return analysis, misfit_advice(replayed.steps, loads, loaded.columns, settings.wait_s)


def _figures(replayed: Replay, loaded: Loaded, settings: Settings, loads: LoadAccumulator) -> Figures:
    """Return the figures of a replay, and count its loads in the same pass."""
    steps = replayed.steps
    accumulator = FigureAccumulator(steps.stages, replayed.budget, settings.objective, loaded.zone)
    accumulator.count(loads.counted(replayed.runs()), replayed.begin_ns)
    span = replayed.begin_ns, steps.step_ns, replayed.after - replayed.first
    return accumulator.figures(span, settings.maintenance().count_steps(*span))


@dataclass(frozen=True)
class Analysis:
    """The results of `entro analyze`.

    Attributes:
        pipeline: the pipeline's name.
        figures: the figures of the period.
        coordination: what coordination would have changed.
        recommendations: what the user can do.
        sources: a summary of each file.
        summed_sources: by stage, the number of parallel sources that its loads are the sum of.
    """

    pipeline: str
    figures: Figures
    coordination: Coordination
    recommendations: tuple[Recommendation, ...]
    sources: tuple[Source, ...]
    summed_sources: dict[str, int]


def compute_coordination(replayed: Replay, settings: Settings) -> Coordination:
    """Return what coordination would have changed.

    Args:
        replayed: the replay.
        settings: the pipeline's settings.
    """
    steps, first, after = replayed.steps, replayed.first, replayed.after
    if first >= after:
        return Coordination("no step has data")
    # The queue at the end of the step before the first one: the coordinated run starts from it.
    before = float(steps.part(first - 1, first).ends[1][0]) if is_rate_queue_pair(steps) and first > 0 else 0.0
    zone = zone_of(settings.zone)
    parameters = CoordinationParameters(
        settings.wait_s, replayed.budget, settings.alpha, settings.beta, settings.capacity, zone
    )
    return coordinate(StepRange(steps, first, after), parameters, 0.0 if math.isnan(before) else before)


def recommend(coordination: Coordination, steps: StepSource, command: str) -> tuple[Recommendation, ...]:
    """Return recommendations.

    Args:
        coordination: what coordination would have changed.
        steps: the pipeline's steps.
        command: the command that prints the numbers, quoted for a shell.
    """
    names = (steps.stages[0].name, steps.stages[1].name) if is_rate_queue_pair(steps) else None
    return recommendations(coordination, names, steps.step_s, command)


_LEFT_OUT = {"history", "reports", "pipeline"}
"""Keys whose options are part of the command already, or that change no number."""


def repeating_command(command: Sequence[str], settings: Settings, *more: tuple[str, Sequence[str] | str | None]) -> str:
    """Return a command that prints the same numbers again, quoted for a shell, with URLs without their secrets.

    Args:
        command: its words after `entro`.
        settings: the pipeline's settings. Those that come from options are repeated as options.
        more: other options and their values.
    """
    words = ["entro", *command]
    for option, value in (*_options(settings), *more):
        for text in (value,) if isinstance(value, str) else value or ():
            words += [option, text] if text else [option]
    return shlex.join(shown_url(word) if is_url(word) else word for word in words)


def _options(settings: Settings) -> Iterator[tuple[str, Sequence[str] | str]]:
    """Yield the settings that come from options: the option, and its values; an empty one for a flag."""
    for key, origin in sorted(settings.origins.items()):
        if origin.startswith("--") and key not in _LEFT_OUT:
            value = getattr(settings, key, None)
            if isinstance(value, bool):
                yield origin, [""] if value else []
            elif isinstance(value, tuple):
                yield origin, [str(part) for part in value]
            elif value is not None:
                yield origin, str(value)


def write_steps(replayed: Replay, loaded: Loaded, path: Path | None, terminal: Terminal) -> None:
    """Write the replayed steps as CSV.

    Args:
        replayed: the steps.
        loaded: the logs they are from, which are not overwritten.
        path: the file to write; None for standard output.
        terminal: gets the rows without a file.

    Raises:
        EntroError: if the file cannot be written, or is one of the logs.
    """
    rows = steps_csv(replayed.period_runs(), loaded.zone)
    if path is None:
        for part in rows:
            terminal.text(part)
    else:
        refuse_to_overwrite(path, loaded.paths)
        write_whole(path, rows)
