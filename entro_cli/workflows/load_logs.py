"""From the logs a user names to Steps: what `analyze` and `report` do first; those rooms are wired together here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

import numpy as np

from entro_cli.analysis.results import Source
from entro_cli.core.clock import duration_ns, moment
from entro_cli.core.console import printable
from entro_cli.core.parallel import Executor
from entro_cli.readers.inputs.log_file import STDIN, find_logs, plain_log
from entro_cli.readers.options import LoadOptions, check_used, clock_shifts, read_options, shifted
from entro_cli.readers.registry import reader_of
from entro_cli.readers.tables import reader as table
from entro_cli.readers.tables.csv_stream import CsvStream
from entro_cli.readers.tables.fast_csv import WORTH_BYTES, NotPlainError
from entro_cli.timeseries.join_sources import join_sources
from entro_cli.timeseries.observations import Observations, ReadOptions, StageSpec
from entro_cli.timeseries.problems import Problem, ProblemKind, sentences
from entro_cli.timeseries.resample import to_steps
from entro_cli.timeseries.resample_stream import NotInBlocksError, StreamResampler
from entro_cli.timeseries.steps import StepSource, in_parts
from entro_cli.timeseries.steps_on_disk import StoredSteps
from entro_cli.workflows.read_logs import read_logs
from entro_engine import Kind

_LONELY, _LEAST_HOLE = 0.9, 1000
"""A hole is told of from this share of the log and this many steps on."""


@dataclass(frozen=True)
class Loaded:
    """Logs on the grid.

    Attributes:
        steps: all of them.
        sources: what each file gave.
        zone: what times are told in.
        paths: the files that were read.
        columns: where each stage's samples stood, as `--stage` names it.
        notes: what is out of the ordinary about all of them.
    """

    steps: StepSource
    sources: tuple[Source, ...]
    zone: tzinfo
    paths: tuple[str, ...]
    columns: dict[str, str]
    notes: tuple[Problem, ...] = ()


def load(
    names: Sequence[str], options: LoadOptions, asked: Sequence[Observations] = (), workers: Executor | None = None
) -> Loaded:
    """Read logs and put them onto the grid.

    Args:
        names: files, folders, patterns, `-` for standard input; at least one where nothing was asked.
        options: how to read them.
        asked: what servers answered.
        workers: who reads each log by itself; None for as many processes as are worth it.

    Raises:
        EntroError: when something cannot be read, or an option does not fit the logs.
    """
    zone, read = read_options(options)
    step_ns = None if options.step is None else duration_ns(options.step, "--step")
    found = find_logs(names)
    shifts = clock_shifts(options)
    workers = workers or Executor()
    is_here = not asked and not shifts and workers.cluster is None
    long = read_long([*found], read, options.input_format, step_ns) if is_here else None
    files = [] if long is None else [long.observations]
    notes: list[Problem] = []
    if long is None and (found or not asked):
        files, notes = read_logs(found, read, options.tz, options.input_format, workers)
    files += asked
    check_used(files, options)
    files = [_with_full(shifted(file, shifts), options.full_of) for file in files]
    notes += _not_found(files, read.stages)
    stages, taken = join_sources(files)
    sources = tuple(_source(file, taken.get(file.path, ""), zone) for file in files)
    steps = to_steps(stages, zone, step_ns) if long is None else long.steps.of(tuple(one.stage for one in stages))
    columns = {series.stage: printable(series.column) for file in files for series in file.series}
    return Loaded(steps, sources, zone, tuple(found), columns, (*notes, *_data_gap(steps, zone)))


def _data_gap(steps: StepSource, zone: tzinfo) -> list[Problem]:
    """Warn of a gap that is nearly all of the log: one wrong date makes such a gap."""
    longest, after, last = 0, 0, np.empty(0, np.int64)
    for part in in_parts(steps):
        first = (part.start_ns - steps.start_ns) // steps.step_ns
        filled = np.concatenate([last, first + np.flatnonzero(part.samples.any(axis=0))])
        gaps = np.diff(filled)
        if len(gaps) and gaps.max() > longest:
            longest, after = int(gaps.max()), int(filled[gaps.argmax() + 1])
        last = filled[-1:]
    if not longest or longest < max(_LONELY * steps.count, _LEAST_HOLE):
        return []
    edges = [moment(steps.start_ns + at * steps.step_ns, zone).isoformat() for at in (after - longest, after)]
    return [Problem(ProblemKind.DATA_GAP, detail=(*edges, f"{longest / steps.count:.0%}"))]


def _with_full(file: Observations, full_of: Callable[[str, Kind], float | None]) -> Observations:
    """A file whose series without a full load have the one they are to have."""
    series = (
        part if part.full is not None else replace(part, full=full_of(part.stage, part.kind)) for part in file.series
    )
    return replace(file, series=tuple(series))


def _not_found(files: Sequence[Observations], specs: Sequence[StageSpec]) -> list[Problem]:
    """Warn of stages that were described with a column no log has."""
    found = {(series.stage, series.column) for file in files for series in file.series}
    return [
        Problem(ProblemKind.NO_SUCH_COLUMN, detail=(printable(spec.column), spec.name))
        for spec in specs
        if spec.column and (spec.name, spec.column) not in found
    ]


def _source(file: Observations, taken_as: str, zone: tzinfo) -> Source:
    times = [edge for series in file.series for edge in (series.first_ns, int(series.times[-1]))]
    return Source(
        path=file.path,
        format=file.format,
        stages=tuple(series.stage for series in file.series),
        rows_read=file.rows_read,
        rows_skipped=file.rows_skipped,
        start=moment(min(times), zone) if times else None,
        end=moment(max(times), zone) if times else None,
        zone=file.zone,
        taken_as=taken_as,
        problems=sentences(file.problems),
        bad_rows=file.bad_rows,
    )


@dataclass(frozen=True)
class LongLog:
    """A long log on its grid.

    Attributes:
        observations: what the file gave; of each stage's samples only the first and the last, as all are in the steps.
        steps: the grid.
    """

    observations: Observations
    steps: StoredSteps


def read_long(
    names: Sequence[str], options: ReadOptions, input_format: str | None, step_ns: int | None
) -> LongLog | None:
    """A single plain CSV, in the order of its times, on its grid; None of other logs, which are read whole.

    Args:
        names: as `find_logs` gives them.
        options: how they are read.
        input_format: the reader's name, when the user named one.
        step_ns: length of a step, nanoseconds; by the slowest stage when None.

    Raises:
        EntroError: when the log cannot be read.
    """
    if len(names) != 1 or not _is_long(names[0]):
        return None
    with plain_log(names[0]) as log:
        if not log.path.is_symlink() or reader_of(log, options, input_format) != table.NAME:  # a packed one is a copy
            return None
        grid = StreamResampler(options.zone, step_ns)
        try:
            rows = CsvStream(log, options)
            for series in rows.blocks():
                grid.add(series)
            edges, steps = grid.finish()
        except (NotPlainError, NotInBlocksError):
            return None
        return LongLog(rows.observations(edges), steps)


def _is_long(name: str) -> bool:
    """Whether it is a file that is long enough for it to matter."""
    return name != STDIN and Path(name).is_file() and Path(name).stat().st_size >= WORTH_BYTES
