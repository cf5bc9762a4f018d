"""Day files: the bins of one day (UTC) as Parquet, in a fixed order, so that equal steps give equal bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
from msgspec.structs import asdict, replace

from entro_cli.core.console import printable, worked_off
from entro_cli.core.files import connect_duckdb, duckdb_os_error, sql_string
from entro_cli.history.paths import DAY_NS, day_start_ns, utc_day
from entro_cli.timeseries.bins import Bins, merge_bins
from entro_cli.timeseries.observations import SIGNAL_SEPARATOR, is_signal
from entro_engine import EntroError, Kind

FORMAT = "entro/history/1"
"""The schema of a day file, stored under the key `entro` of its Parquet metadata."""

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
    "age_s": "DOUBLE",
    "wait_s": "DOUBLE",
}
"""The columns of a day file.

`peak` and `end_value` are null for a step with a single sample that equals the load. `last_ns` is the time of
that single sample, in nanoseconds after the start of the step, and null for a step with several samples. `age_s` and
`wait_s` are null where single requests are not known; a day without any has no such columns.
"""


WAITS = ("age_s", "wait_s")
"""The columns that only days with single requests have."""


class SampleKey(NamedTuple):
    """The owner of bins: one source of one stage."""

    stage: str
    kind: Kind
    source: str


BinsByKey = dict[SampleKey, Bins]
"""The bins of each source of each stage: the content of a day file, or of several."""


class DamagedDayError(EntroError):
    """A day file that is missing or damaged.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            found,
            where=printable(str(path)),
            remedy="run `entro history repair`, and ingest its logs again with --again",
        )
        self.path = path


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB with one thread: more would not always write the same bytes."""
    return connect_duckdb(threads=1)


def write_day(connection: duckdb.DuckDBPyConnection, path: Path, day: BinsByKey, grid: tuple[int, int]) -> None:
    """Write the bins of a day, sorted by stage, source and time.

    Args:
        connection: a connection made by `connect`.
        path: the file, which must not exist yet.
        day: the bins, at least one.
        grid: the start of any step, and the length of a step, nanoseconds.

    Raises:
        OSError: when the file cannot be written.
    """
    keys = [key for key in sorted(day) if len(day[key])]
    parts = [_columns_of(number, day[key]) for number, key in enumerate(keys)]
    connection.register("bins", {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    # The load of a step that a single span covers in part is not its level.
    if_several = "CASE WHEN samples > 1 OR {0} <> load THEN {0} END AS {0}"
    is_known = any(part["wait_s"].max() >= 0 for part in parts)
    waits = ", nullif(age_s, -1.0) AS age_s, nullif(wait_s, -1.0) AS wait_s" if is_known else ""
    select = (
        f"make_timestamp_ns(time) AS time, {_names_sql(keys)}, load, {if_several.format('peak')}, "
        f"{if_several.format('end_value')}, CAST(samples AS INTEGER) AS samples, "
        f"CASE WHEN samples = 1 THEN last_ns END AS last_ns{waits}"
    )
    try:
        connection.execute(
            f"COPY (SELECT {select} FROM bins) TO {sql_string(str(path))} (FORMAT parquet, "
            "PARQUET_VERSION V2, COMPRESSION zstd, "
            f"KV_METADATA {{'entro': '{FORMAT}', 'origin_ns': '{grid[0]}', 'step_ns': '{grid[1]}'}})"
        )
    except duckdb.IOException as error:
        raise duckdb_os_error(str(error)) or OSError(str(error).partition("\n")[0]) from error
    finally:
        connection.unregister("bins")


def _names_sql(keys: Sequence[SampleKey]) -> str:
    """Return SQL of the names of bins by the number of their key: columns of texts would take as long as all others.

    They are of enumerated types, for which DuckDB need not look for the distinct texts. Parquet has texts all the same.
    """
    columns = []
    for column, names in zip(SampleKey._fields, zip(*keys, strict=True), strict=True):
        cases = " ".join(f"WHEN {at} THEN {sql_string(str(name))}" for at, name in enumerate(names))
        kinds = ", ".join(map(sql_string, dict.fromkeys(map(str, names))))
        columns.append(f"CAST(CASE part {cases} END AS ENUM ({kinds})) AS {column}")
    return ", ".join(columns)


def _columns_of(number: int, bins: Bins) -> dict[str, Any]:
    return {
        "part": np.full(len(bins), number, dtype=np.int32),
        "time": bins.starts,
        "load": bins.loads,
        "peak": bins.peaks,
        "end_value": bins.ends,
        "samples": bins.samples,
        "last_ns": bins.last - bins.starts,
        "age_s": bins.ages,
        "wait_s": bins.waits,
    }


def read_days(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> BinsByKey:
    """Read some day files together.

    Raises:
        DamagedDayError: when a file cannot be read; it names the first such file.
    """
    if not paths:
        return {}
    try:
        return _read(connection, paths)
    except (duckdb.Error, ValueError) as error:
        if len(paths) == 1:
            raise _damaged(paths[0], error) from error
    for path in paths:  # one by one, to name the damaged file
        read_days(connection, [path])
    return _read(connection, paths)  # all are fine now: a writer replaced one during the first attempt


def _read(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> BinsByKey:
    source = _table_of(*paths)
    known = {column[0] for column in connection.execute(f"SELECT * FROM {source} LIMIT 0").description or ()}
    waits = [f"coalesce({name}, -1.0) AS {name}" if name in known else f"-1.0::DOUBLE AS {name}" for name in WAITS]
    keys = _read_keys(connection, source)
    return {
        key: _read_bins(connection, source, waits, *map(str, key))
        for key in worked_off(keys, len(keys), "reading the history", "source")
    }


def _table_of(*paths: Path, has_waits: bool = True) -> str:
    """Return day files as a table in SQL, with the columns that only some have if `has_waits`, which takes longer."""
    # Without hive_partitioning the folder names `pipeline=` and `date=` would become columns.
    options = f"hive_partitioning = false, union_by_name = {has_waits}"
    return f"read_parquet([{', '.join(map(_path_literal, paths))}], {options})"


def _read_keys(connection: duckdb.DuckDBPyConnection, source: str) -> list[SampleKey]:
    found = connection.execute(f"SELECT DISTINCT stage, kind, source FROM {source} ORDER BY ALL").fetchall()
    return [SampleKey(stage, Kind(kind), name) for stage, kind, name in found]


def count_samples(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> dict[SampleKey, tuple[float | None, int, int, int]]:
    """Return what a day file has of each source, without signals.

    Returns:
        The usual time between two samples (ns), the samples, the time of the first and of the last one (ns).

    Raises:
        DamagedDayError: when the file cannot be read.
    """
    time = "epoch_ns(time) + coalesce(last_ns, 0)"
    over = "OVER (PARTITION BY stage, kind, source ORDER BY time)"
    rows = f"SELECT *, {time} AS seen_ns, {time} - lag({time}) {over} AS gap"
    counts = "median(gap), sum(samples), min(seen_ns), max(seen_ns)"
    query = f"SELECT stage, kind, source, {counts} FROM ({rows} FROM {_table_of(path)}) GROUP BY ALL ORDER BY ALL"
    try:
        found = connection.execute(query).fetchall()
        return {
            SampleKey(stage, Kind(kind), source): (gap, int(samples), first, last)
            for stage, kind, source, gap, samples, first, last in found
            if not is_signal(stage)
        }
    except (duckdb.Error, ValueError, TypeError) as error:
        raise _damaged(path, error) from error


class DayCount(NamedTuple):
    """The size of a day file: its steps with samples of any stage, its samples, its first and last step (ns)."""

    steps: int
    samples: int
    first_ns: int
    last_ns: int


def count_days(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> dict[Path, DayCount]:
    """Count the steps and samples in some day files with one query, without reading their values.

    Raises:
        DamagedDayError: when a file cannot be read, or is empty. With several files the named one may be another.
    """
    counts = "count(DISTINCT time), sum(samples), epoch_ns(min(time)), epoch_ns(max(time))"
    table = _table_of(*paths, has_waits=False)
    query = f"SELECT file_index, {counts} FROM {table} WHERE NOT contains(stage, ?) GROUP BY file_index"
    try:
        found = connection.execute(query, [SIGNAL_SEPARATOR]).fetchall()
        counted = {paths[index]: DayCount(*map(int, count)) for index, *count in found}
    except (duckdb.Error, ValueError, TypeError) as error:
        raise _damaged(paths[0], error) from error
    if empty := [path for path in paths if path not in counted]:
        raise DamagedDayError(empty[0], "it has no steps")
    return counted


def _read_bins(connection: duckdb.DuckDBPyConnection, source: str, waits: Sequence[str], *key: str) -> Bins:
    select = (
        "epoch_ns(time) AS start, load, coalesce(peak, load) AS peak, coalesce(end_value, load) AS end_value, "
        f"samples, epoch_ns(time) + coalesce(last_ns, 0) AS last, {', '.join(waits)}"
    )
    where = "stage = ? AND kind = ? AND source = ?"
    found = connection.execute(f"SELECT {select} FROM {source} WHERE {where} ORDER BY time", list(key)).fetchnumpy()
    if any(np.ma.is_masked(column) for column in found.values()):  # DuckDB returns NULLs as masked values
        raise ValueError("a step without a load")
    integers = {name: np.asarray(found[name]).astype(np.int64) for name in ("start", "samples", "last")}
    loads = {name: np.asarray(found[name]).astype(np.float64) for name in ("load", "peak", "end_value", *WAITS)}
    start, samples, last = integers.values()
    load, peak, end, age, wait = loads.values()
    return Bins(start, load, peak, end, samples, last, age, wait)


def split_by_day(content: Mapping[SampleKey, Bins]) -> dict[date, BinsByKey]:
    """Split bins by the day of UTC in which their steps begin."""
    by_day: dict[date, BinsByKey] = {}
    for key, bins in content.items():
        for number in np.unique(bins.starts // DAY_NS).tolist():
            begin = number * DAY_NS
            by_day.setdefault(utc_day(begin), {})[key] = bins.between(begin, begin + DAY_NS)
    return by_day


def merge_days(*parts: Mapping[SampleKey, Bins]) -> BinsByKey:
    """Merge bins of several times or readings: of each step, `merge_bins` keeps the bin with more samples."""
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: merge_bins([part[key] for part in parts if key in part]) for key in keys}


def without_last_times(bins: Bins) -> Bins:
    """Return bins as a day file keeps them: without the time of the last sample where a step has several."""
    return replace(bins, last=np.where(bins.samples > 1, bins.starts, bins.last))


def same_bins(first: Mapping[SampleKey, Bins], second: Mapping[SampleKey, Bins]) -> bool:
    """Report whether two days are equal to the last bit."""
    return first.keys() == second.keys() and all(
        all(map(np.array_equal, asdict(first[key]).values(), asdict(second[key]).values())) for key in first
    )


def read_grid(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """Read the grid of a day file from its metadata: the start of any step, and the length of a step, nanoseconds.

    Raises:
        DamagedDayError: when the metadata has no grid.
    """
    metadata = _metadata(connection, path)
    try:
        return int(metadata["origin_ns"]), int(metadata["step_ns"])
    except (KeyError, ValueError) as error:
        raise DamagedDayError(path, "its metadata has no grid") from error


def find_flaw(connection: duckdb.DuckDBPyConnection, path: Path, day: date, grid: tuple[int, int]) -> str:
    """Return what is wrong with a day file, as a clause; empty if nothing is.

    Args:
        connection: a connection made by `connect`.
        path: the file.
        day: the day it should hold.
        grid: the start of any step, and the length of a step, nanoseconds.
    """
    try:
        found = _metadata(connection, path).get("entro", "")
        if found != FORMAT:
            return f"its schema is {printable(found) or 'not named'}, not {FORMAT}"
        if read_grid(connection, path) != grid:
            return "its steps are not on the pipeline's grid"
        content = read_days(connection, [path])
    except DamagedDayError as error:
        return error.found
    flaws = (_flaw_of_bins(bins, day_start_ns(day), grid) for bins in content.values())
    return next(filter(None, flaws), "" if content else "it has no steps")


def _flaw_of_bins(bins: Bins, begin: int, grid: tuple[int, int]) -> str:
    """Return what is wrong with one source's bins of the day that begins at `begin`; empty if nothing is."""
    origin, step = grid
    if not len(bins) or bins.starts[0] < begin or bins.starts[-1] >= begin + DAY_NS:
        return "it has steps of another day"
    if np.any(np.diff(bins.starts) <= 0) or np.any((bins.starts - origin) % step):
        return "it has steps that are not on the pipeline's grid"
    if np.any(bins.samples < 1) or not np.all(np.isfinite(bins.loads) & (bins.loads >= 0)):
        return "it has an impossible load"
    return ""


def _metadata(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Read the keys and values of a day file's Parquet metadata."""
    try:
        rows = connection.execute(f"SELECT key, value FROM parquet_kv_metadata({_path_literal(path)})").fetchall()
    except duckdb.Error as error:
        raise _damaged(path, error) from error
    return {bytes(key).decode(errors="replace"): bytes(value).decode(errors="replace") for key, value in rows}


def _damaged(path: Path, error: Exception) -> DamagedDayError:
    return DamagedDayError(path, f"the file is damaged: {printable(str(error).partition(chr(10))[0])[:120]}")


def _path_literal(path: Path) -> str:
    """Return a path as a literal in SQL, with the characters escaped that DuckDB would take for a pattern."""
    return sql_string(re.sub(r"[*?\[]", lambda char: f"[{char[0]}]", str(path)))
