"""Cells <-> Parquet: one file a day, written by one ordered pass, so that the same steps are the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from entro_cli.core.console import printable
from entro_cli.history.paths import DAY_NS, day_start_ns, utc_day
from entro_cli.timeseries.bins import EMPTY, Bins, merge_bins
from entro_engine import EntroError, Kind

FORMAT = "entro/history/1"
"""What a day file calls its schema, under the key `entro` of its metadata."""

COLUMNS = {
    "time": "TIMESTAMP_NS",
    "stage": "VARCHAR",
    "kind": "VARCHAR",
    "source": "VARCHAR",
    "load": "DOUBLE",
    "peak": "DOUBLE",
    "end_value": "DOUBLE",
    "samples": "INTEGER",
    "last_ns": "BIGINT",
}
"""The columns of a day file. Of a step with a single sample, `peak` and `end_value` are null: they are the load;
`last_ns` is when that sample was, nanoseconds after the step's beginning, and null for a step with more of them."""


class SampleKey(NamedTuple):
    """Whose cells they are: one source of one stage."""

    stage: str
    kind: Kind
    source: str


BinsByKey = dict[SampleKey, Bins]
"""What a day file holds."""


class DamagedDayError(EntroError):
    """A day file that cannot be read, or is gone.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            found,
            where=printable(str(path)),
            remedy="move it away and ingest its logs again with --again",
        )
        self.path = path


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB of our own: in memory, in UTC, one thread, without a word or a look at the network."""
    connection = duckdb.connect(
        config={"threads": 1, "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def write_day(connection: duckdb.DuckDBPyConnection, path: Path, day: BinsByKey, grid: tuple[int, int]) -> None:
    """Write a day's cells, by stage, source and time.

    Args:
        connection: as `connect` gives it: more threads would not always write the same bytes.
        path: where to; nothing is there yet.
        day: at least one cell.
        grid: where a step begins and how long it is, nanoseconds.

    Raises:
        OSError: when it cannot be written.
    """
    rows = [_columns_of(key, day[key]) for key in sorted(day) if len(day[key])]
    connection.register("cells", {name: np.concatenate([part[name] for part in rows]) for name in rows[0]})
    single = "CASE WHEN samples > 1 THEN {0} END AS {0}"
    select = (
        f"make_timestamp_ns(time) AS time, stage, kind, source, load, {single.format('peak')}, "
        f"{single.format('end_value')}, CAST(samples AS INTEGER) AS samples, "
        "CASE WHEN samples = 1 THEN last_ns END AS last_ns"
    )
    try:
        connection.execute(
            f"COPY (SELECT {select} FROM cells) TO {_sql_literal(path)} (FORMAT parquet, "
            "PARQUET_VERSION V2, COMPRESSION zstd, "
            f"KV_METADATA {{'entro': '{FORMAT}', 'origin_ns': '{grid[0]}', 'step_ns': '{grid[1]}'}})"
        )
    except duckdb.IOException as error:
        raise OSError(str(error).partition("\n")[0]) from error
    finally:
        connection.unregister("cells")


def _columns_of(key: SampleKey, cells: Bins) -> dict[str, Any]:
    names = {name: np.full(len(cells), value, dtype=object) for name, value in key._asdict().items()}
    return {
        **names,
        "kind": np.full(len(cells), str(key.kind), dtype=object),
        "time": cells.starts,
        "load": cells.loads,
        "peak": cells.peaks,
        "end_value": cells.ends,
        "samples": cells.samples,
        "last_ns": cells.last - cells.starts,
    }


def read_days(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> BinsByKey:
    """The cells of some day files together.

    Raises:
        DamagedDayError: when one cannot be read; it names the first.
    """
    if not paths:
        return {}
    try:
        return _read(connection, paths)
    except (duckdb.Error, ValueError) as error:
        if len(paths) == 1:
            raise _damaged(paths[0], error) from error
    for path in paths:
        read_days(connection, [path])
    return _read(connection, paths)  # one was replaced meanwhile


def _read(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> BinsByKey:
    source = _table_of(*paths)
    return {key: _read_bins(connection, source, *map(str, key)) for key in _read_keys(connection, source)}


def _table_of(*paths: Path) -> str:
    """Day files as DuckDB reads them."""
    return f"read_parquet([{', '.join(map(_path_literal, paths))}], hive_partitioning = false)"


def _read_keys(connection: duckdb.DuckDBPyConnection, source: str) -> list[SampleKey]:
    found = connection.execute(f"SELECT DISTINCT stage, kind, source FROM {source} ORDER BY ALL").fetchall()
    return [SampleKey(stage, Kind(kind), name) for stage, kind, name in found]


def read_keys(connection: duckdb.DuckDBPyConnection, path: Path) -> list[SampleKey]:
    """Whose cells a day file holds.

    Raises:
        DamagedDayError: when it cannot be read.
    """
    try:
        return _read_keys(connection, _table_of(path))
    except (duckdb.Error, ValueError) as error:
        raise _damaged(path, error) from error


class DayCount(NamedTuple):
    """What a day file holds, in numbers: steps with samples of any stage, samples, and where its steps begin, ns."""

    steps: int
    samples: int
    first_ns: int
    last_ns: int


def count_day(connection: duckdb.DuckDBPyConnection, path: Path) -> DayCount:
    """Count what a day file holds.

    Raises:
        DamagedDayError: when it cannot be read, or holds nothing.
    """
    counted = "count(DISTINCT time), sum(samples), epoch_ns(min(time)), epoch_ns(max(time))"
    try:
        found = connection.execute(f"SELECT {counted} FROM {_table_of(path)}").fetchall()[0]
        return DayCount(*map(int, found))
    except (duckdb.Error, ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _read_bins(connection: duckdb.DuckDBPyConnection, source: str, *key: str) -> Bins:
    select = (
        "epoch_ns(time) AS start, load, coalesce(peak, load) AS peak, coalesce(end_value, load) AS end_value, "
        "samples, epoch_ns(time) + coalesce(last_ns, 0) AS last"
    )
    where = "stage = ? AND kind = ? AND source = ?"
    got = connection.execute(f"SELECT {select} FROM {source} WHERE {where} ORDER BY time", list(key)).fetchnumpy()
    if any(np.ma.is_masked(column) for column in got.values()):
        raise ValueError("a step without a load")
    whole = {name: np.asarray(got[name]).astype(np.int64) for name in ("start", "samples", "last")}
    loads = {name: np.asarray(got[name]).astype(np.float64) for name in ("load", "peak", "end_value")}
    return Bins(whole["start"], loads["load"], loads["peak"], loads["end_value"], whole["samples"], whole["last"])


def split_by_day(day: Mapping[SampleKey, Bins]) -> dict[date, BinsByKey]:
    """Cells of any length of time, by the day of UTC their steps begin in."""
    parted: dict[date, BinsByKey] = {}
    for key, cells in day.items():
        for number in np.unique(cells.starts // DAY_NS).tolist():
            begin = number * DAY_NS
            parted.setdefault(utc_day(begin), {})[key] = cells.between(begin, begin + DAY_NS)
    return parted


def merge_days(first: Mapping[SampleKey, Bins], second: Mapping[SampleKey, Bins]) -> BinsByKey:
    """Both readings together: of each step the cell with more samples."""
    return {
        key: merge_bins([first.get(key, EMPTY), second.get(key, EMPTY)]) for key in dict.fromkeys([*first, *second])
    }


def without_last_times(cells: Bins) -> Bins:
    """The cells as a day file keeps them: of a step with more samples than one it does not say when the last was."""
    return replace(cells, last=np.where(cells.samples > 1, cells.starts, cells.last))


def same_bins(first: Mapping[SampleKey, Bins], second: Mapping[SampleKey, Bins]) -> bool:
    """Whether two days hold the same, to the last bit."""
    return first.keys() == second.keys() and all(
        all(map(np.array_equal, vars(first[key]).values(), vars(second[key]).values())) for key in first
    )


def read_grid(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """The grid of a day file, as it says itself: where a step begins and how long it is, nanoseconds.

    Raises:
        DamagedDayError: when it does not say.
    """
    said = _metadata(connection, path)
    try:
        return int(said["origin_ns"]), int(said["step_ns"])
    except (KeyError, ValueError) as error:
        raise DamagedDayError(path, "it does not say its grid") from error


def find_flaw(connection: duckdb.DuckDBPyConnection, path: Path, day: date, grid: tuple[int, int]) -> str:
    """What is wrong with a day file, in a clause; empty when nothing is.

    Args:
        connection: any.
        path: the file.
        day: whose it should be.
        grid: where a step begins and how long it is, nanoseconds.
    """
    try:
        found = _metadata(connection, path).get("entro", "")
        if found != FORMAT:
            return f"its schema is {printable(found) or 'not named'}, not {FORMAT}"
        if read_grid(connection, path) != grid:
            return "its steps are not the pipeline's"
        content = read_days(connection, [path])
    except DamagedDayError as error:
        return error.found
    flaws = (_flaw_of_bins(cells, day_start_ns(day), grid) for cells in content.values())
    return next(filter(None, flaws), "" if content else "it holds no step")


def _flaw_of_bins(cells: Bins, begin: int, grid: tuple[int, int]) -> str:
    """What cannot be in a day's cells of one source, where the day begins at `begin`."""
    origin, step = grid
    if not len(cells) or cells.starts[0] < begin or cells.starts[-1] >= begin + DAY_NS:
        return "it holds steps of another day"
    if np.any(np.diff(cells.starts) <= 0) or np.any((cells.starts - origin) % step):
        return "it holds steps that are not on the pipeline's grid"
    if np.any(cells.samples < 1) or not np.all(np.isfinite(cells.loads) & (cells.loads >= 0)):
        return "it holds a load that cannot be one"
    return ""


def _metadata(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """The keys and values a day file says of itself."""
    try:
        rows = connection.execute(f"SELECT key, value FROM parquet_kv_metadata({_path_literal(path)})").fetchall()
    except duckdb.Error as error:
        raise _damaged(path, error) from error
    return {bytes(key).decode(errors="replace"): bytes(value).decode(errors="replace") for key, value in rows}


def _damaged(path: Path, error: Exception) -> DamagedDayError:
    return DamagedDayError(path, f"the file is damaged: {printable(str(error).partition(chr(10))[0])[:120]}")


def _path_literal(path: Path) -> str:
    """A path as DuckDB takes it: what would be a pattern stands for itself."""
    return _sql_literal(re.sub(r"[*?\[]", lambda char: f"[{char[0]}]", str(path)))


def _sql_literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
