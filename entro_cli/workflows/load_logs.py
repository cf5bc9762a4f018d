"""Load logs as steps, the first part of `analyze`, `calibrate` and `report --logs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from entro_cli.analysis.results import Source
from entro_cli.core.clock import duration_ns, moment
from entro_cli.core.console import printable, working
from entro_cli.core.files import close_duckdb
from entro_cli.core.parallel import Executor
from entro_cli.readers.inputs.log_file import STDIN, find_logs, plain_logs
from entro_cli.readers.options import LoadOptions, check_options_used, clock_shifts, read_options, shift_clock
from entro_cli.readers.registry import detect_format
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.requests.request_stream import RequestStream
from entro_cli.readers.tables.reader import TableReader
from entro_cli.readers.tables.table_stream import WORTH_BYTES, TableStream
from entro_cli.timeseries.bins import Signal, bins_of, signals_of
from entro_cli.timeseries.join_sources import join_sources
from entro_cli.timeseries.observations import NotStreamableError, Observations, ReadOptions, StageSpec, coupled_stages
from entro_cli.timeseries.problems import Problem, ProblemKind, failures, sentences
from entro_cli.timeseries.resample import to_steps
from entro_cli.timeseries.steps import StepSource, in_parts
from entro_cli.timeseries.steps_on_disk import StreamedLog
from entro_cli.workflows.read_logs import read_logs
from entro_engine import Kind

_STREAMS: dict[str, type[TableStream] | type[RequestStream]] = {
    TableReader.name: TableStream,
    EventsReader.name: RequestStream,
}
"""The streams of formats that have one."""

_PACKED, _TABLES = (".gz", ".zst"), (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Endings of packed files, which take long to unpack twice, and of the tables among them."""

_MIN_GAP_SHARE, _MIN_GAP_STEPS = 0.9, 1000
"""Chosen: the smallest gap to warn of, as a share of the log and in steps. One wrong date makes such a gap."""


class Loaded(Struct, frozen=True):
    """Logs, resampled to steps.

    Attributes:
        steps: the steps of all logs.
        sources: a summary of each file.
        zone: the time zone of output.
        paths: the files that were read.
        notes: problems that concern more than one file.
        summed_sources: by stage, the number of parallel sources that its loads are the sum of.
        signals: hints at the causes of incidents.
    """

    steps: StepSource
    sources: tuple[Source, ...]
    zone: tzinfo
    paths: tuple[str, ...]
    notes: tuple[Problem, ...] = ()
    summed_sources: dict[str, int] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()


def load_logs(
    names: Sequence[str], options: LoadOptions, fetched: Sequence[Observations] = (), executor: Executor | None = None
) -> Loaded:
    """Read logs, join their sources, and resample them to steps.

    Args:
        names: files, folders, patterns, URLs, `-` for standard input; at least one if nothing was fetched.
        options: how they are read.
        fetched: observations from servers.
        executor: reads each log in a task; None for as many processes as are worth starting.

    Raises:
        EntroError: if a log cannot be read, or an option does not fit the logs.
    """
    zone, read = read_options(options)
    step_ns = None if options.step is None else duration_ns(options.step, "--step")
    found = find_logs(names)
    shifts = clock_shifts(options)
    executor = executor or Executor()
    # A stream cannot be joined with other logs, and its clock cannot be shifted once it is resampled.
    can_stream = not fetched and not shifts and executor.cluster is None
    streamed = stream_log([*found], read, options.input_format, step_ns) if can_stream else None
    files = [] if streamed is None else [streamed.observations]
    notes: list[Problem] = []
    if streamed is None and (found or not fetched):
        files, notes = read_logs(found, read, options.tz, options.input_format, executor)
    files += fetched
    check_options_used(files, options)
    files = [_with_full_loads(shift_clock(file, shifts), options.full_of) for file in files]
    notes += _missing_columns(files, read.stages)
    stages, uses, signals, same = join_sources(files)
    notes += same
    coupled = coupled_stages([joined.stage for joined in stages], read.stages)
    stages = tuple(replace(stages[index], stage=stage) for index, stage in coupled)
    has_client = any(part.kind is Kind.RATE and not part.is_fallback for file in files for part in file.stages)
    sources = tuple(_source(file, uses.get(file.path, ""), zone, has_client) for file in files)
    if streamed is None:
        with working("joining the samples"):
            steps: StepSource = to_steps(stages, zone, step_ns)
    else:
        steps = streamed.steps.of(tuple(joined.stage for joined in stages))
    summed = {joined.stage.name: sum(part.summed for part in joined.parallel) for joined in stages}
    notes += _data_gap(steps, zone)
    on_grid = signals_of((series.stage, bins_of(series, steps.start_ns, steps.step_ns)) for series in signals)
    return Loaded(steps, sources, zone, tuple(found), tuple(notes), summed, on_grid)


def _data_gap(steps: StepSource, zone: tzinfo) -> list[Problem]:
    """Warn of a gap that is nearly all of the log."""
    longest, after, last = 0, 0, np.empty(0, np.int64)  # `after`: the first step with data after the longest gap
    for part in in_parts(steps):
        first = (part.start_ns - steps.start_ns) // steps.step_ns
        filled = np.concatenate([last, first + np.flatnonzero(part.samples.any(axis=0))])  # gaps span parts
        gaps = np.diff(filled)
        if len(gaps) and gaps.max() > longest:
            longest, after = int(gaps.max()), int(filled[gaps.argmax() + 1])
        last = filled[-1:]
    if not longest or longest < max(_MIN_GAP_SHARE * steps.count, _MIN_GAP_STEPS):
        return []
    edges = [moment(steps.start_ns + step * steps.step_ns, zone).isoformat() for step in (after - longest, after)]
    return [Problem(ProblemKind.DATA_GAP, detail=(*edges, f"{longest / steps.count:.0%}"))]


def _with_full_loads(file: Observations, full_of: Callable[[str, Kind], float | None]) -> Observations:
    """Return a file with the full loads of the settings for series that have none of their own."""
    series = (
        part if part.full is not None else replace(part, full=full_of(part.stage, part.kind)) for part in file.series
    )
    return replace(file, series=tuple(series))


def _missing_columns(files: Sequence[Observations], specs: Sequence[StageSpec]) -> list[Problem]:
    """Warn of stages that were described with a column that no log has."""
    return [
        Problem(ProblemKind.NO_SUCH_COLUMN, detail=(printable(spec.column), spec.name))
        for spec in specs
        if spec.column and not any(file.has_stage(spec) for file in files)
    ]


def _source(file: Observations, taken_as: str, zone: tzinfo, has_client: bool) -> Source:
    times = [edge for series in file.stages for edge in (series.first_ns, int(series.times[-1]))]
    return Source(
        path=file.path,
        format=file.format,
        stages=tuple(series.stage for series in file.stages),
        rows_read=file.rows_read,
        rows_skipped=file.rows_skipped,
        start=moment(min(times), zone) if times else None,
        end=moment(max(times), zone) if times else None,
        zone=file.zone,
        taken_as=taken_as,
        problems=sentences(file.problems, has_client),
        bad_rows=file.bad_rows,
        identity=dict(file.identity),
        failed=failures(file.problems),
    )


def stream_log(
    names: Sequence[str], options: ReadOptions, input_format: str | None, step_ns: int | None
) -> StreamedLog | None:
    """Read a single large table as a stream; return None for other logs, which are read whole.

    Args:
        names: as `find_logs` returns them.
        options: how they are read.
        input_format: the reader's name, if the user gave one.
        step_ns: the length of a step, ns; None to derive it from the slowest stage.

    Raises:
        EntroError: if the log cannot be read.
    """
    # Standard input and URLs can be read once only, and a log that proves to be another is read again.
    if len(names) != 1 or names[0] == STDIN or not _is_large(Path(names[0])):
        return None
    with plain_logs(names[0]) as logs:
        if len(logs) > 1 or logs[0].identity or (input_format is None and not TableReader().recognise(logs[0])):
            return None
        stream = _STREAMS.get(detect_format(logs[0], options, input_format))
        if stream is None:
            return None
        try:
            return stream(logs[0], options, step_ns).resample()
        except NotStreamableError:
            return None
        finally:
            close_duckdb()  # what is computed from the steps needs the memory


def _is_large(path: Path) -> bool:
    """Return whether it is a file that is large enough for streaming to pay off, and not the packed log of a server."""
    may_be_table = path.suffix not in _PACKED or path.with_suffix("").suffix in _TABLES
    return may_be_table and path.is_file() and path.stat().st_size >= WORTH_BYTES
