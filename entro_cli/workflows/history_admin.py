"""What `entro history` does: the configuration, the rooms of the history and the files a user names, wired together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from pathlib import Path

from entro_cli.config import OptionValue, Settings
from entro_cli.core.clock import NS, duration_ns, moment_ns, zone_of
from entro_cli.core.console import Terminal, printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.formatting import counted
from entro_cli.core.urls import shown_url
from entro_cli.history.check import check
from entro_cli.history.export import as_csv, as_json_lines, as_parquet
from entro_cli.history.inventory import (
    CheckResult,
    PipelineContents,
    PipelineInventory,
    PruneResult,
    day_inventories,
    stage_inventories,
    take_inventory,
)
from entro_cli.history.paths import PipelinePaths, pipeline_paths, utc_day
from entro_cli.history.prune import prune
from entro_cli.history.read import nothing_stored_error
from entro_cli.history.remote_copy import pipelines_at, working_copy
from entro_cli.history.state import load_state
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_history import load_history, sources_of
from entro_cli.workflows.print_warnings import print_problems
from entro_cli.workflows.settings import period_ns, read_config, read_settings
from entro_engine import EntroError

_LONG_AGO = -(1 << 62)


@dataclass(frozen=True)
class PipelineSelection:
    """What a command is for: histories, as they are shown, and pipelines in them."""

    histories: tuple[str, ...]
    places: tuple[PipelinePaths, ...]

    def how_to_fill(self) -> str:
        """What to say where nothing is stored."""
        return f"nothing is stored in {printable(', '.join(self.histories))}; `entro ingest LOGS` fills it"


def select_pipelines(
    file: Path | None, pipeline: str | None, history: str | None, terminal: Terminal
) -> PipelineSelection:
    """The pipeline that is named, else every one that is stored.

    Args:
        file: what --config names.
        pipeline: what --pipeline names.
        history: what --history names.
        terminal: is told of what is out of the ordinary.

    Raises:
        EntroError: when nothing is known of the pipeline that is named.
    """
    if pipeline is not None:
        there = read_settings(file, pipeline, terminal, history=history).history
        place = pipeline_paths(there, pipeline)
        if place not in pipelines_at(there):
            raise nothing_stored_error(place)
        return PipelineSelection((place.shown,), (place,))
    config = read_config(file, terminal)
    said = {} if history is None else {"history": OptionValue(history, "--history")}
    names = dict.fromkeys(["default", *config.pipelines])
    histories = tuple(dict.fromkeys(config.settings(name, said).history for name in names))
    shown = tuple(shown_url(str(history)) for history in histories)
    return PipelineSelection(shown, tuple(place for history in histories for place in pipelines_at(history)))


def read_inventories(selection: PipelineSelection, zone: tzinfo, terminal: Terminal) -> list[PipelineInventory]:
    """Return what is stored of each pipeline.

    Args:
        selection: the pipelines.
        zone: the time zone of the times.
        terminal: gets a warning for each file that cannot be read.
    """
    inventories = []
    for place in selection.places:
        with working_copy(place):
            inventory, problems = take_inventory(place, zone)
        inventories.append(inventory)
        print_problems(problems, terminal)
    return inventories


def content_of(settings: Settings, since: str | None, until: str | None, terminal: Terminal) -> PipelineContents:
    """Return the stages, days and logs of a pipeline.

    Args:
        settings: in force for the pipeline.
        since: the value of --since.
        until: the value of --until.
        terminal: gets a warning for each file that cannot be read.

    Raises:
        EntroError: when nothing was ever stored of the pipeline, or its state is damaged.
    """
    zone = zone_of(settings.zone)
    place = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(place):
        span = period_ns(since, until, zone)
        state = load_state(place)
        if not state.step_ns:
            raise nothing_stored_error(place)
        days, problems = day_inventories(place, state, *span)
    print_problems(problems, terminal)
    return PipelineContents(
        pipeline=place.name,
        history=place.shown,
        step_s=state.step_ns / NS,
        stages=stage_inventories(state),
        days=days,
        logs=sources_of(state, zone, *span),
    )


def check_pipelines(selection: PipelineSelection) -> list[CheckResult]:
    """Read every stored file of some pipelines, and return what is damaged."""
    checks = []
    for place in selection.places:
        with working_copy(place):
            checks.append(check(place))
    return checks


def raise_if_damaged(checks: Sequence[CheckResult]) -> None:
    """Raise an error that counts the damaged files.

    Raises:
        EntroError: when a file is damaged.
    """
    files = sum(result.files for result in checks)
    damaged = sum(len(result.damaged) for result in checks)
    if damaged:
        is_one = damaged == 1
        raise EntroError(
            f"{damaged} of {counted(files, 'file')} {'is' if is_one else 'are'} damaged",
            remedy=f"move {'it' if is_one else 'them'} away and ingest the logs again with --again",
        )


def prune_pipelines(selection: PipelineSelection, cut: date, dry_run: bool) -> list[PruneResult]:
    """Remove the days of some pipelines before a date.

    Args:
        selection: the pipelines.
        cut: the first day that is kept, in UTC.
        dry_run: whether only to find out what would be removed.
    """
    pruned = []
    for place in selection.places:
        with working_copy(place, writes=not dry_run):
            pruned.append(prune(place, cut, dry_run))
    return pruned


def first_kept(older_than: str | None, before: str | None) -> date:
    """The first day of UTC that is kept.

    Args:
        older_than: what --older-than says, from now on.
        before: what --before says, without --older-than.

    Raises:
        EntroError: when it is no duration, or no date.
    """
    if older_than is not None:
        return utc_day(max(time.time_ns() - duration_ns(older_than, "--older-than"), _LONG_AGO))
    return utc_day(moment_ns(before or "", UTC, "--before"))


def export_steps(
    settings: Settings, since: str | None, until: str | None, form: str, out: Path | None, terminal: Terminal
) -> Steps:
    """Write the steps of a pipeline, and return them.

    Args:
        settings: in force for the pipeline.
        since: the value of --since.
        until: the value of --until.
        form: one of EXPORT_FORMATS; Parquet needs a file.
        out: a file; None for standard output.
        terminal: gets the rows without a file, and the warnings.

    Raises:
        EntroError: when nothing is stored of the pipeline, or the file cannot be written.
    """
    zone = zone_of(settings.zone)
    place = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(place):
        history = load_history(place, settings, zone, *period_ns(since, until, zone))
    print_problems(history.problems, terminal)
    if not history.steps.count:
        terminal.warn("nothing is stored of that time")
    _write_export(history.steps, form, zone, out, place, terminal)
    return history.steps


def _write_export(
    steps: Steps, form: str, zone: tzinfo, out: Path | None, place: PipelinePaths, terminal: Terminal
) -> None:
    content = as_parquet(steps) if form == "parquet" else (as_csv if form == "csv" else as_json_lines)(steps, zone)
    if isinstance(content, str) and out is None:
        terminal.text(content)
    elif out is not None:
        refuse_to_overwrite(out, [place.state, *map(place.day_file, place.days())])
        write_whole(out, content)
        terminal.note(f"wrote {printable(str(out))}")
