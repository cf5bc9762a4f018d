"""A log that may be more than the memory holds: read block by block onto a grid on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from entro_cli.readers.inputs.log_file import STDIN, plain_log
from entro_cli.readers.registry import reader_of
from entro_cli.readers.tables import reader as table
from entro_cli.readers.tables.csv_stream import LongTable
from entro_cli.readers.tables.fast_csv import WORTH_BYTES, NotPlainError
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_cli.timeseries.resample_stream import LongGrid, NotInBlocksError
from entro_cli.timeseries.steps_on_disk import StoredSteps


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
        grid = LongGrid(options.zone, step_ns)
        try:
            rows = LongTable(log, options)
            for series in rows.blocks():
                grid.add(series)
            edges, steps = grid.finish()
        except (NotPlainError, NotInBlocksError):
            return None
        return LongLog(rows.observations(edges), steps)


def _is_long(name: str) -> bool:
    """Whether it is a file that is long enough for it to matter."""
    return name != STDIN and Path(name).is_file() and Path(name).stat().st_size >= WORTH_BYTES
