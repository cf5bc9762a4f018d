"""What `entro history` does: the configuration, the rooms of the history and the files a user names, wired together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from pathlib import Path

from entro_cli.config import OptionValue
from entro_cli.core.clock import NS, duration_ns, moment_ns
from entro_cli.core.console import Terminal, printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.urls import shown_url
from entro_cli.history.export import as_csv, as_json_lines, as_parquet
from entro_cli.history.inventory import PipelineContents, day_inventories, stage_inventories
from entro_cli.history.paths import PipelinePaths, pipeline_paths, utc_day
from entro_cli.history.read import nothing_stored_error
from entro_cli.history.remote_copy import pipelines_at
from entro_cli.history.state import load_state
from entro_cli.timeseries.problems import Problem
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_history import sources_of
from entro_cli.workflows.settings import read_config, read_settings

FORMATS: Mapping[str, str] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
"""The formats of an export, by the ending of their files."""

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


def content_of(
    place: PipelinePaths, zone: tzinfo, begin_ns: int | None, after_ns: int | None
) -> tuple[PipelineContents, list[Problem]]:
    """A pipeline day by day, and warnings about what of it could not be read.

    Args:
        place: the pipeline's.
        zone: what times are told in.
        begin_ns: where the time that is shown begins, nanoseconds since the epoch; None for the first step.
        after_ns: where it ends; None for the last step.

    Raises:
        EntroError: when nothing was ever stored of it, or its state is damaged.
    """
    state = load_state(place)
    if not state.step_ns:
        raise nothing_stored_error(place)
    days, problems = day_inventories(place, state, begin_ns, after_ns)
    told = PipelineContents(
        pipeline=place.name,
        history=place.shown,
        step_s=state.step_ns / NS,
        stages=stage_inventories(state),
        days=days,
        logs=sources_of(state, zone, begin_ns, after_ns),
    )
    return told, problems


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


def write_export(
    steps: Steps, form: str, zone: tzinfo, out: Path | None, place: PipelinePaths, terminal: Terminal
) -> None:
    """Write steps where the user wants them.

    Args:
        steps: what to write.
        form: one of FORMATS; Parquet needs a file.
        zone: what times are told in.
        out: a file; None for standard output.
        place: where they are from: it is not written over.
        terminal: gets what has no other place.

    Raises:
        EntroError: when it cannot be written.
    """
    content = as_parquet(steps) if form == "parquet" else (as_csv if form == "csv" else as_json_lines)(steps, zone)
    if isinstance(content, str) and out is None:
        terminal.text(content)
    elif out is not None:
        refuse_to_overwrite(out, [place.state, *map(place.day_file, place.days())])
        write_whole(out, content)
        terminal.note(f"wrote {printable(str(out))}")
