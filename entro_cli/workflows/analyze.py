"""Analyze the steps of a pipeline: figures, coordination, recommendations."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.calibration import MeasuredCapacity, full_loads_of, is_rate_queue_pair, misfit_warning
from entro_cli.analysis.coordination import CoordinationParameters, coordinate, with_measured_counts
from entro_cli.analysis.figures import FigureAccumulator, end_waits
from entro_cli.analysis.incident_details import causes_of
from entro_cli.analysis.recommendations import first_stage_to_hold, recommendations
from entro_cli.analysis.replay import Replay, replay_steps
from entro_cli.analysis.results import Coordination, Figures, FullLoads, Recommendation, Source
from entro_cli.config import Settings
from entro_cli.config.keys import KEYS_BY_NAME
from entro_cli.core.clock import zone_of
from entro_cli.core.console import Terminal, working
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.urls import masked
from entro_cli.timeseries.step_rows import steps_csv
from entro_cli.timeseries.steps import StepSource, range_view, stage_view
from entro_cli.workflows.load_logs import Loaded

if TYPE_CHECKING:
    from entro_cli.analysis.tuning import Tuning


def judged_steps(steps: StepSource, settings: Settings) -> tuple[StepSource, FullLoads]:
    """Return the steps of logs with maintenance windows as steps without data and with full loads, and their origin.

    Args:
        steps: the steps of the logs, all of them, so that what is learned does not depend on a period.
        settings: the pipeline's settings.
    """
    view = settings.maintenance().view(steps)
    stages, origin = full_loads_of(view, settings.wait_s, None, settings.full_loads == "learned")
    return stage_view(view, stages), origin


def replay_logs(
    loaded: Loaded, settings: Settings, budget: float | None, since_ns: int | None, until_ns: int | None
) -> tuple[Replay, FullLoads]:
    """Return the replay of the steps of logs that begin in a period, and the origin of their full loads.

    Args:
        loaded: the logs.
        settings: the pipeline's settings.
        budget: the budget, nat; None for that of the settings.
        since_ns: the begin of the period, ns since the epoch; None for the first step.
        until_ns: its end; None for the last step.
    """
    steps, full_loads = judged_steps(loaded.steps, settings)
    return replay_steps(steps, settings.budget if budget is None else budget, since_ns, until_ns), full_loads


def analyze_replay(
    replayed: Replay, loaded: Loaded, full_loads: FullLoads, settings: Settings, command: str
) -> tuple[AnalysisResult, str | None]:
    """Analyze a replay of a pipeline's steps.

    Args:
        replayed: the replay.
        loaded: the logs of the steps.
        full_loads: the origin of the full loads.
        settings: the pipeline's settings.
        command: the command that prints the same as JSON.

    Returns:
        The analysis, and a warning if the full loads cannot fit the log.
    """
    # The compiled loops release the GIL: while one processor runs the coordinated plant, another counts the figures.
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(compute_coordination, replayed, full_loads, settings)
        span = replayed.begin_ns, replayed.steps.step_ns, replayed.after - replayed.first
        excluded = settings.maintenance().count_steps(*span)
        figures = accumulate(replayed, settings, loaded.zone).figures(span, excluded)
        coordination = with_measured_counts(future.result(), figures)
    causes = partial(causes_of, replayed.steps, loaded.signals)
    analysis = AnalysisResult(
        pipeline=settings.pipeline,
        full_loads=full_loads,
        figures=replace(figures, incidents=figures.incidents.explained(causes)),
        coordination=coordination,
        recommendations=recommend(coordination, figures, replayed.steps, command),
        sources=loaded.sources,
        summed_sources=loaded.summed_sources,
    )
    return analysis, misfit_warning(replayed.steps, figures, full_loads, loaded.sources)


def accumulate(replayed: Replay, settings: Settings, zone: tzinfo) -> FigureAccumulator:
    """Return the accumulated figures of a replay, with times in a zone."""
    length = replayed.after - replayed.first
    accumulator = FigureAccumulator(
        replayed.steps.stages, replayed.budget, settings.objective, zone, length, settings.wait_s
    )
    accumulator.count(replayed.runs(), replayed.begin_ns)
    return accumulator


class AnalysisResult(Struct, frozen=True):
    """The results of `entro analyze`.

    Attributes:
        pipeline: the pipeline's name.
        full_loads: the origin of the full loads.
        figures: the figures of the period.
        coordination: what coordination would have changed.
        recommendations: what the user can do.
        sources: a summary of each file.
        summed_sources: by stage, the number of parallel sources that its loads are the sum of.
    """

    pipeline: str
    full_loads: FullLoads
    figures: Figures
    coordination: Coordination
    recommendations: tuple[Recommendation, ...]
    sources: tuple[Source, ...]
    summed_sources: dict[str, int]


def compute_coordination(replayed: Replay, full_loads: FullLoads, settings: Settings) -> Coordination:
    """Return what coordination would have changed.

    Args:
        replayed: the replay.
        full_loads: the origin of the full loads. A learned capacity is that of the simulated server.
        settings: the pipeline's settings.
    """
    if replayed.first >= replayed.after:
        return Coordination("no step has data")
    with working("simulating coordination"):
        return coordinate(*coordination_input(replayed, full_loads, settings))


def coordination_input(
    replayed: Replay, full_loads: FullLoads, settings: Settings
) -> tuple[StepSource, CoordinationParameters, float]:
    """Return the steps to simulate, with every full load set, the parameters, and the queue before the first step.

    Args:
        replayed: the replay, of at least one step.
        full_loads: the origin of the full loads. A learned capacity is that of the simulated server.
        settings: the pipeline's settings.
    """
    steps, first, after = replayed.steps, replayed.first, replayed.after
    # The queue at the end of the step before the first one: the coordinated run starts from it.
    before = float(steps.part(first - 1, first).ends[1][0]) if is_rate_queue_pair(steps) and first > 0 else 0.0
    capacity = None
    if settings.capacity is not None:
        capacity = MeasuredCapacity(settings.capacity, "as configured", False)
    elif full_loads.capacity is not None:
        capacity = MeasuredCapacity(full_loads.capacity, full_loads.evidence, full_loads.is_guess)
    zone = zone_of(settings.zone)
    parameters = CoordinationParameters(settings.wait_s, replayed.budget, settings.control, capacity, zone)
    # The published full loads are explicit here: without any, the simulated server would have those of its capacity.
    stages = tuple(dataclasses.replace(stage, full=stage.full_load) for stage in steps.stages)
    judged = stage_view(range_view(steps, first, after), stages)
    return judged, parameters, 0.0 if math.isnan(before) else before


def tune_replay(replayed: Replay, full_loads: FullLoads, settings: Settings, weight: float, jobs: int | None) -> Tuning:
    """Try every setting of the controller on a replay.

    Args:
        replayed: the replay.
        full_loads: the origin of the full loads.
        settings: the pipeline's settings, with the present setting.
        weight: the cost of a request of service lost, in violations.
        jobs: number of processes; None for one per core, if that pays off.
    """
    from entro_cli.analysis.tuning import Tuning, tune

    if replayed.first >= replayed.after:
        return Tuning("no step has data", weight)
    return tune(*coordination_input(replayed, full_loads, settings), weight, jobs)


def recommend(
    coordination: Coordination, figures: Figures, steps: StepSource, command: str, place: str = ""
) -> tuple[Recommendation, ...]:
    """Return recommendations.

    Args:
        coordination: what coordination would have changed.
        figures: the figures of the period.
        steps: the pipeline's steps.
        command: the command that prints the numbers, quoted for a shell.
        place: what comes before the names of the figures in its JSON document.
    """
    found: tuple[Recommendation, ...] = ()
    if is_rate_queue_pair(steps):
        found = recommendations(coordination, (steps.stages[0].name, steps.stages[1].name), steps.step_s, command)
    return found or first_stage_to_hold(figures, coordination, command, place)


RepeatedOption = tuple[str, Sequence[str] | str | float | None]
"""An option of a command and its values: none, or an empty one for a flag."""

_LEFT_OUT = {"history", "reports", "pipeline"}
"""Keys whose options are part of the command already, or that change no number."""


def repeating_command(command: Sequence[str], settings: Settings, *more: RepeatedOption) -> str:
    """Return a command that prints the same numbers again, quoted for a shell, with URLs without their secrets.

    Args:
        command: its words after `entro`.
        settings: the pipeline's settings. Those that come from options are repeated as options.
        more: other options and their values.
    """
    words = [*_variables(settings), "entro", *command]
    for option, value in (*_options(settings), *more):
        texts = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        for text in (str(text) for text in texts if text is not None):
            words += [option, text] if text else [option]
    return shlex.join(map(masked, words))


def _variables(settings: Settings) -> Iterator[str]:
    """Yield the settings that come from keyword arguments of Python, as variables of the environment."""
    for key, origin in sorted(settings.origins.items()):
        variable = KEYS_BY_NAME[key].variable if origin.endswith("=") and key not in _LEFT_OUT else None
        if variable is not None:
            # A duration has its unit in the name of its field.
            yield f"{variable}={getattr(settings, key if hasattr(settings, key) else f'{key}_s')}"


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


def write_steps(replayed: Replay, loaded: Loaded, wait_s: float, path: Path | None, terminal: Terminal) -> None:
    """Write the replayed steps as CSV.

    Args:
        replayed: the steps.
        loaded: the logs they are from, which are not overwritten.
        wait_s: the longest accepted wait, s.
        path: the file to write; None for standard output.
        terminal: gets the rows without a file.

    Raises:
        EntroError: if the file cannot be written, or is one of the logs.
    """
    rows = steps_csv(replayed.period_runs(), partial(end_waits, wait_s=wait_s))
    if path is None:
        for part in rows:
            terminal.text(part)
    else:
        refuse_to_overwrite(path, loaded.paths)
        write_whole(path, rows)
