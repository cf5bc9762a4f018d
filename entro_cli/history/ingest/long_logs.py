"""Logs whose samples may not fit into memory: they are read block by block, and kept in mapped files."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.reader import TableReader
from entro_cli.readers.tables.table_stream import WORTH_BYTES, TableStream
from entro_cli.timeseries.observations import NotStreamableError, Observations, ReadOptions, Series
from entro_cli.timeseries.steps_on_disk import NumberFile

_MOST_STAGES = 50
"""Each stage takes two of the files that a process may have open, of which there may be 256."""


class _Stage(Struct):
    """The samples of a stage in files, and its first block for all else."""

    first: Series
    times: NumberFile = field(default_factory=NumberFile)
    values: NumberFile = field(default_factory=NumberFile)


class SamplesOnDisk:
    """The samples of a log in files; a `SeriesSink`."""

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}

    def add(self, series: Sequence[Series]) -> None:
        """Add the next block: one series per stage that has a sample in it.

        Raises:
            NotStreamableError: if there are too many stages.
            EntroError: if the disk is full.
        """
        for part in series:
            if part.stage not in self._stages:
                self._stages[part.stage] = _Stage(part)
            self._stages[part.stage].times.append(part.times)
            self._stages[part.stage].values.append(part.values)
        if len(self._stages) > _MOST_STAGES:
            raise NotStreamableError

    def finish(self) -> tuple[Series, ...]:
        """Return the series of all stages, whose arrays are mapped."""
        return tuple(
            replace(stage.first, times=stage.times.mapped(), values=stage.values.mapped())
            for stage in self._stages.values()
        )


def read_long_log(log: LogFile, options: ReadOptions, reader: str | None) -> Observations | None:
    """Read a large table whose rows are in order, with the samples in mapped files; return None for any other log.

    Args:
        log: the plain file.
        options: how it is read.
        reader: the name of its reader.

    Raises:
        EntroError: if it cannot be read, or the temporary folder has no room.
    """
    if reader != TableReader.name or log.path.stat().st_size < WORTH_BYTES:
        return None
    try:
        return TableStream(log, options, None).read(SamplesOnDisk())
    except NotStreamableError:
        return None
