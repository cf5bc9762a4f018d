"""Plain CSVs, parsed by Arrow: faster than by way of DuckDB, and block by block.

A CSV is plain if Arrow and DuckDB must read it alike: printable text without quotes, rows of one length, loads and
times that are all good. Anything else raises `NotPlainError`, and DuckDB reads the file from its beginning. So DuckDB
alone defines the meaning of a table, and its bad rows, mended copies and warnings exist once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.inputs.log_file import reading
from entro_cli.readers.tables.duckdb_table import Table
from entro_cli.readers.tables.schema import LARGEST_LOAD, TableSchema
from entro_cli.readers.tables.series import Rows
from entro_cli.readers.timestamps import EPOCH_SECONDS, TimestampFormat
from entro_cli.timeseries.observations import TimeArray

WORTH_BYTES = 1 << 24
"""Size of a file from which the time saved makes up for importing Arrow."""

BLOCK_BYTES = 1 << 20
"""Bytes parsed at once. Larger blocks are no faster and need more memory: 60 MB more for blocks of 4 MiB."""

_LONGEST_BLOCK = 1 << 24
"""DuckDB rejects longer lines, and a block is longer than each of its lines."""

_THREADS = 2
"""More threads would wait for the disk, or for the consumer of the rows."""

_ZONED_LENGTH, _LOCAL_LENGTH = len("2026-04-06T12:30:00Z"), len("2026-04-06T12:30:00")


class NotPlainError(Exception):
    """A CSV is not plain throughout, or Arrow is not installed."""


def read_plain_csv(table: Table, schema: TableSchema, loads: Sequence[int]) -> Rows | None:
    """Return all rows of a CSV that is plain throughout; None for any other table.

    Args:
        table: the table.
        schema: its schema.
        loads: indexes of the columns of loads.
    """
    try:
        blocks = list(plain_blocks(table, schema, loads))
    except NotPlainError:
        return None
    return Rows(
        np.concatenate([block.times for block in blocks]),
        np.concatenate([block.zoned for block in blocks]),
        np.concatenate([block.values for block in blocks], axis=1),
        schema.stages,
    )


def plain_blocks(table: Table, schema: TableSchema, loads: Sequence[int]) -> Iterator[Rows]:
    """Yield the rows of a plain CSV block by block.

    Args:
        table: the table.
        schema: its schema.
        loads: indexes of the columns of loads.

    Raises:
        NotPlainError: for another table; when a block is not plain, which may show after others were yielded; when the
            file has no rows, or pyarrow is not installed.
    """
    returns = _returns(table.log.head)
    if not _may_be_plain(table, schema, loads) or returns is None or not find_spec("pyarrow"):
        raise NotPlainError
    with table.path.open("rb") as file, ThreadPoolExecutor(_THREADS) as threads, reading(table.log) as work:
        for _ in range(table.header_offset + 1):
            file.readline()
        pending = deque[Future[Rows]]()
        for block in _blocks(file):
            pending.append(threads.submit(_parse, block, table, schema, loads, returns))
            if len(pending) > _THREADS:
                yield pending.popleft().result()
                work.add(len(block))
        if not pending:
            raise NotPlainError
        while pending:
            yield pending.popleft().result()


def _may_be_plain(table: Table, schema: TableSchema, loads: Sequence[int]) -> bool:
    is_wide = table.shape == "csv" and schema.stage is None and schema.time not in loads and schema.clock is None
    is_combined = bool(schema.sources) or len(loads) > len(schema.stages)
    return is_wide and not is_combined and not schema.form.order


def _returns(head: bytes) -> bool | None:
    """Return whether all lines end with a carriage return and a line feed; None if only some do."""
    head = head.removesuffix(b"\r")  # the head may end between the two
    returns, lines = head.count(b"\r\n"), head.count(b"\n")
    return returns > 0 if head.count(b"\r") == returns and returns in {0, lines} else None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a file in blocks of whole lines."""
    while block := file.read(BLOCK_BYTES):
        yield block + file.readline()


def _parse(block: bytes, table: Table, schema: TableSchema, load_columns: Sequence[int], has_returns: bool) -> Rows:
    """Return the rows of a block.

    Raises:
        NotPlainError: when it is not plain.
    """
    import pyarrow as pa
    from pyarrow import csv

    # Arrow would accept all of these: quotes as text, any encoding or NUL in a column that is not read, any line end.
    is_text = block.isascii() and b'"' not in block and b"\0" not in block and len(block) <= _LONGEST_BLOCK
    returns, ends = block.count(b"\r"), block.count(b"\r\n")
    ends_agree = returns == ends == (block.count(b"\n") if has_returns else 0)
    if not (is_text and ends_agree):
        raise NotPlainError
    names = [f"c{index}" for index in range(len(table.columns))]
    form, time, loads = schema.form, names[schema.time], [names[column] for column in load_columns]
    # Decimals hold every digit of a number of seconds, and refuse one that is not a whole number of nanoseconds.
    digits = len(str(form.unit_ns)) - 1
    time_type = pa.decimal128(29, digits) if form.unit_ns else pa.string()
    try:
        rows = csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            csv.ParseOptions(delimiter=table.delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={time: time_type, **dict.fromkeys(loads, pa.float64())},
                include_columns=list(dict.fromkeys([time, *loads])),
                null_values=[""],
            ),
        )
        cells = rows[time].combine_chunks()
        times, is_zoned = (_epoch_times(cells, form), True) if form.unit_ns else _iso_times(cells)
    except pa.ArrowInvalid as error:
        raise NotPlainError from error
    # Arrays convert without a copy where no cell is empty; chunked arrays take seven times as long.
    values = np.stack([rows[name].combine_chunks().to_numpy(zero_copy_only=False) for name in loads])
    values += 0.0  # -0.0 becomes 0.0, as in what DuckDB reads
    if (values < 0).any() or (values > LARGEST_LOAD).any():
        raise NotPlainError
    return Rows(times, np.full(len(times), is_zoned), values, schema.stages)


def _epoch_times(cells: Any, form: TimestampFormat) -> TimeArray:
    """Return times that are numbers, given as decimals whose last digit is a nanosecond, as nanoseconds.

    Raises:
        NotPlainError: when one is missing or lies outside the limits of its form.
    """
    words = np.frombuffer(cells.buffers()[1], np.int64).reshape(-1, 2)[: len(cells)]  # 128 bits, the low half first
    times, high_halves = words[:, 0].copy(), words[:, 1]
    earliest, latest = (0, EPOCH_SECONDS[1]) if form.is_offset else EPOCH_SECONDS
    if cells.null_count or high_halves.any() or times.min() < earliest * NS or times.max() > latest * NS:
        raise NotPlainError
    return times


def _iso_times(cells: Any) -> tuple[TimeArray, bool]:
    """Return times that are dates as nanoseconds, and whether all of them name a zone.

    Raises:
        NotPlainError: when some name a zone and others do not, or one is shorter than a date and a time to the second:
            Arrow and DuckDB read dates without minutes or seconds in different ways.
        ArrowInvalid: when one is not a date.
    """
    import pyarrow as pa
    from pyarrow import compute

    # Arrow converts texts with a zone to the one type only, and texts without a zone to the other.
    is_zoned = bool(cells[0].as_py()[_LOCAL_LENGTH:].strip(".0123456789"))
    if compute.min(compute.binary_length(cells)).as_py() < (_ZONED_LENGTH if is_zoned else _LOCAL_LENGTH):
        raise NotPlainError
    times = cells.cast(pa.timestamp("ns", "UTC" if is_zoned else None))
    return times.view(pa.int64()).to_numpy(), is_zoned
