"""Plain CSVs, without a quote or a bad cell in them: read several times as quickly, by a compiled loop.

What is not plain (a quote, a space around a cell, a number of more than 18 digits, a line of other cells) is
left to the reader of all tables, from the file's beginning: so there is one meaning of a table, and this is a short way
to it for the logs that need no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.readers.timestamps import EPOCH_SECONDS, TimestampFormat
from entro_cli.timeseries.observations import TimeArray
from entro_engine.entropy import FloatArray

WORTH_BYTES = 1 << 24
"""From so many bytes on it makes up for loading the compiler."""

BLOCK_BYTES = 1 << 22
"""How much is read at once."""

_THREADS = 2
"""More would wait for the disk, or for whoever takes what they parsed."""

_TIME, _FIRST_LOAD = 1, 2
"""What a column is; 0 stands for one that is not read."""


@dataclass(frozen=True)
class PlainRows:
    """The rows of a plain CSV, in the order of the file.

    Attributes:
        times: nanoseconds, as `stamp_sql` gives them, shape (rows,).
        zoned: whether the time named its zone, shape (rows,).
        values: shape (loads, rows); NaN where a cell is empty.
    """

    times: TimeArray
    zoned: NDArray[np.bool_]
    values: FloatArray


class NotPlainError(Exception):
    """A CSV is not plain throughout, or not worth the short way."""


@dataclass(frozen=True)
class PlainForm:
    """How a plain CSV is laid out.

    Attributes:
        before: lines before the header.
        delimiter: between cells, one character of ASCII.
        columns: how many cells a row has.
        time: which of them is the time.
        form: its form.
        loads: which of them are loads.
        has_returns: whether lines end with a carriage return and a line feed.
    """

    before: int
    delimiter: str
    columns: int
    time: int
    form: TimestampFormat
    loads: Sequence[int]
    has_returns: bool = False

    @property
    def roles(self) -> NDArray[np.int64]:
        """What each column is, as `parse` has it."""
        roles = np.zeros(self.columns, dtype=np.int64)
        roles[self.time] = _TIME
        roles[list(self.loads)] = _FIRST_LOAD + np.arange(len(self.loads))
        return roles

    @property
    def line_end(self) -> bytes:
        """What each line ends with."""
        return b"\r\n" if self.has_returns else b"\n"


def plain_rows(path: Path, form: PlainForm) -> PlainRows | None:
    """The rows of a CSV that is plain throughout; None of another one.

    Args:
        path: the file, UTF-8.
        form: how it is laid out.
    """
    try:
        found = list(plain_blocks(path, form))
    except NotPlainError:
        return None
    return PlainRows(
        np.concatenate([part.times for part in found]),
        np.concatenate([part.zoned for part in found]),
        np.concatenate([part.values for part in found], axis=1),
    )


def plain_blocks(path: Path, form: PlainForm) -> Iterator[PlainRows]:
    """The rows of a plain CSV, some at a time.

    Args:
        path: the file, UTF-8.
        form: how it is laid out.

    Raises:
        NotPlainError: when it is not plain, which may show behind some rows; when it has no rows, or is too short to be
            worth it, or numba is not installed.
    """
    if path.stat().st_size < WORTH_BYTES or not find_spec("numba"):
        raise NotPlainError
    with path.open("rb") as file, ThreadPoolExecutor(_THREADS) as threads:
        for _ in range(form.before + 1):
            file.readline()
        waiting = deque[Future[PlainRows]]()
        for block in _blocks(file, form.line_end):
            waiting.append(threads.submit(_parsed, block, form))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        if not waiting:
            raise NotPlainError
        while waiting:
            yield waiting.popleft().result()


def _limits(form: TimestampFormat) -> tuple[int, int]:
    """Between which numbers, in units, a time lies; of no meaning for text."""
    scale = NS // form.unit_ns if form.unit_ns else 0
    low, high = (0, EPOCH_SECONDS[1]) if form.is_offset else EPOCH_SECONDS
    return low * scale, high * scale


def _blocks(file: BinaryIO, line_end: bytes) -> Iterator[bytes]:
    """The rest of a file in blocks of whole lines; its last line has an end here, whether or not there."""
    while block := file.read(BLOCK_BYTES):
        block += file.readline()
        yield block if block.endswith(b"\n") else block + line_end


def _parsed(block: bytes, form: PlainForm) -> PlainRows:
    """The rows of a block.

    Raises:
        NotPlainError: when one is not plain.
    """
    from entro_cli.readers.tables.fast_csv_kernel import parse

    rows = block.count(b"\n")
    made = PlainRows(np.empty(rows, np.int64), np.empty(rows, np.bool_), np.empty((len(form.loads), rows)))
    text, units = np.frombuffer(block, dtype=np.uint8), (form.form.unit_ns, *_limits(form.form))
    filled = made.times, made.zoned, made.values
    if parse(text, ord(form.delimiter), form.has_returns, form.roles, units, *filled) < rows:
        raise NotPlainError
    return made
