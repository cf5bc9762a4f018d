"""Administer the history: inventories, checks, pruning and exports."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, tzinfo
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from entro_cli.analysis.calibration import MeasuredCapacity
from entro_cli.analysis.results import Calibration
from entro_cli.config import OptionValue, Settings
from entro_cli.core.clock import NS, duration_ns, moment_ns, zone_of
from entro_cli.core.console import Terminal, printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.formatting import counted
from entro_cli.core.urls import shown_url
from entro_cli.history.export import as_csv, as_json_lines, as_parquet
from entro_cli.history.inventory import (
    CheckResult,
    PipelineContents,
    PipelineInventory,
    day_inventories,
    stage_inventories,
    take_inventories,
)
from entro_cli.history.paths import PipelinePaths, pipeline_paths, utc_day
from entro_cli.history.read import load_stored_state, nothing_stored_error
from entro_cli.history.remote_copy import pipelines_at, working_copy
from entro_cli.history.state import load_state
from entro_cli.history.transaction import commit, write_lock
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_history import load_history, stored_sources
from entro_cli.workflows.print_warnings import print_problems
from entro_cli.workflows.settings import period_ns, read_config, read_settings
from entro_engine import EntroError

T = TypeVar("T")

_PIPELINES_AT_ONCE = 100
"""Number of pipelines whose files are counted together."""

_EARLIEST_NS = -(1 << 62)
"""Keeps a very long --older-than within the range of dates."""


def keep_calibration(found: Calibration, settings: Settings) -> str:
    """Keep a calibration in the history of its pipeline, and return its folder or URL, for messages.

    Raises:
        EntroError: if nothing is stored of the pipeline, or the evidence is too thin to be kept.
    """
    if found.is_thin:
        raise EntroError(
            f"the evidence is too thin to be kept: {found.evidence}",
            where="--save",
            expected="a log that keeps the server busy for some minutes",
        )
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths, writes=True), write_lock(paths):
        state = load_stored_state(paths)
        state.learns = True
        state.learn(MeasuredCapacity(found.capacity, found.evidence, found.is_guess, found.mark))
        commit(paths, (), state)
    return f"{paths.shown}/{paths.folder.name}"


class PipelineSelection(Struct, frozen=True):
    """The pipelines that a command applies to.

    Attributes:
        histories: the histories that were searched, for messages.
        pipelines: the files of each pipeline.
    """

    histories: tuple[str, ...]
    pipelines: tuple[PipelinePaths, ...]

    def map(self, work: Callable[[PipelinePaths], T], writes: bool) -> list[T]:
        """Return the results of some work on each pipeline, whose history it may change if it `writes`."""
        results = []
        for paths in self.pipelines:
            with working_copy(paths, writes=writes):
                results.append(work(paths))
        return results

    def empty_note(self) -> str:
        """Return the message for a selection without pipelines."""
        return f"nothing is stored in {printable(', '.join(self.histories))}; `entro ingest LOGS` fills it"


def select_pipelines(
    file: Path | None, pipeline: str | None, history: str | None, terminal: Terminal
) -> PipelineSelection:
    """Select a pipeline by name, or all that are stored.

    Args:
        file: the value of --config.
        pipeline: the value of --pipeline; None for all.
        history: the value of --history.
        terminal: prints warnings.

    Raises:
        EntroError: if nothing is stored of the named pipeline.
    """
    if pipeline is not None:
        location = read_settings(file, pipeline, terminal, history=history).history
        paths = pipeline_paths(location, pipeline)
        if paths not in pipelines_at(location):
            raise nothing_stored_error(paths)
        return PipelineSelection((paths.shown,), (paths,))
    config = read_config(file, terminal)
    given = {} if history is None else {"history": OptionValue(history, "--history")}
    # Each pipeline of entro.toml can have a history of its own.
    names = dict.fromkeys(["default", *config.pipelines])
    histories = tuple(dict.fromkeys(config.settings(name, given).history for name in names))
    shown = tuple(shown_url(str(history)) for history in histories)
    return PipelineSelection(shown, tuple(paths for history in histories for paths in pipelines_at(history)))


def read_inventories(selection: PipelineSelection, zone: tzinfo, terminal: Terminal) -> list[PipelineInventory]:
    """Return what is stored of each pipeline.

    Args:
        selection: the pipelines.
        zone: the time zone of the times.
        terminal: gets a warning for each file that cannot be read.
    """
    inventories = []
    for first in range(0, len(selection.pipelines), _PIPELINES_AT_ONCE):
        pipelines = selection.pipelines[first : first + _PIPELINES_AT_ONCE]
        with ExitStack() as copies:
            for paths in pipelines:
                copies.enter_context(working_copy(paths))
            found = list(take_inventories(pipelines, zone))
        for inventory, problems in found:
            inventories.append(inventory)
            print_problems(problems, terminal)
    return inventories


def read_contents(settings: Settings, since: str | None, until: str | None, terminal: Terminal) -> PipelineContents:
    """Return the stages, days and logs of a pipeline.

    Args:
        settings: the pipeline's settings.
        since: the value of --since.
        until: the value of --until.
        terminal: gets a warning for each file that cannot be read.

    Raises:
        EntroError: if nothing was ever stored of the pipeline, or its state is damaged.
    """
    zone = zone_of(settings.zone)
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths):
        span = period_ns(since, until, zone)
        state = load_state(paths)
        if not state.step_ns:
            raise nothing_stored_error(paths)
        days, problems = day_inventories(paths, state, *span)
    print_problems(problems, terminal)
    return PipelineContents(
        pipeline=paths.name,
        history=paths.shown,
        step_s=state.step_ns / NS,
        stages=stage_inventories(state),
        days=days,
        logs=stored_sources(state, zone, *span),
    )


def raise_if_damaged(checks: Sequence[CheckResult]) -> None:
    """Raise an error that counts the damaged files.

    Raises:
        EntroError: if a file is damaged.
    """
    files = sum(result.files for result in checks)
    damaged = sum(len(result.damaged) for result in checks)
    if damaged:
        raise EntroError(
            f"{damaged} of {counted(files, 'file')} {'is' if damaged == 1 else 'are'} damaged or missing",
            remedy="`entro history repair --dry-run` lists what can be kept",
        )


def first_kept_day(older_than: str | None, before: str | None) -> date:
    """Return the first day to keep, in UTC.

    Args:
        older_than: the value of --older-than, counted back from now.
        before: the value of --before, used without --older-than.

    Raises:
        EntroError: if it is not a duration, or not a date.
    """
    if older_than is not None:
        return utc_day(max(time.time_ns() - duration_ns(older_than, "--older-than", math.inf), _EARLIEST_NS))
    return utc_day(moment_ns(before or "", UTC, "--before"))


def export_steps(
    settings: Settings, since: str | None, until: str | None, export_format: str, out: Path | None, terminal: Terminal
) -> Steps:
    """Write the steps of a pipeline, and return them.

    Args:
        settings: the pipeline's settings.
        since: the value of --since.
        until: the value of --until.
        export_format: one of EXPORT_FORMATS; Parquet needs a file.
        out: a file; None for standard output.
        terminal: gets the rows without a file, and the warnings.

    Raises:
        EntroError: if nothing is stored of the pipeline, or the file cannot be written.
    """
    zone = zone_of(settings.zone)
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths):
        history = load_history(paths, settings, zone, *period_ns(since, until, zone))
    print_problems(history.problems, terminal)
    if not history.steps.count:
        terminal.warn("nothing is stored for that time")
    _write_export(history.steps, export_format, zone, out, paths, terminal)
    return history.steps


def _write_export(
    steps: Steps, export_format: str, zone: tzinfo, out: Path | None, paths: PipelinePaths, terminal: Terminal
) -> None:
    render = {"csv": as_csv, "jsonl": as_json_lines}.get(export_format)
    content = as_parquet(steps) if render is None else render(steps, zone)
    if isinstance(content, str) and out is None:
        terminal.text(content)
    elif out is not None:
        refuse_to_overwrite(out, [paths.state, *map(paths.day_file, paths.days())])
        write_whole(out, content)
        terminal.note(f"wrote {printable(str(out))}")
