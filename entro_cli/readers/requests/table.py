"""Requests of a table as arrays of arrivals, starts and finishes, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.problems import SHOWN_BAD_ROWS, Tally
from entro_cli.readers.requests.columns import LENGTHS, RequestColumn, RequestColumns, Role
from entro_cli.readers.tables.bad_rows import NOT_A_ROW, bad_row_sql, bad_rows
from entro_cli.readers.tables.duckdb_table import Table
from entro_cli.readers.time_zones import to_utc
from entro_cli.readers.timestamps import timestamp_sql
from entro_cli.timeseries.observations import BadRow, ReadOptions, TimeArray

# Values of cells without a time or length: the lowest numbers, which no time reaches.
_MISSING, _UNREADABLE, _NEGATIVE = (int(np.iinfo(np.int64).min) + offset for offset in range(3))
_LAST_MARK = _NEGATIVE
_LONGEST_NS = 10**18  # 31 years
_GOOD, _BROKEN, _ORDER_START, _ORDER_FINISH, _ORDER_BOTH = 0, 1, 2, 3, 4
_FIRST_OF_ROLE = 5
"""First reason of a bad cell: two per role, for one that cannot be read and for a negative one."""


@dataclass(frozen=True)
class Requests:
    """Requests of a log, in the order of the file; times in nanoseconds since the epoch, shape (requests,).

    Attributes:
        arrivals: arrival of each request.
        queued: time at which each was queued, on the clock of `starts` and `finishes`; the arrivals if not known.
        starts: start of each, `NEVER` for one that did not start; None if the log has no starts.
        finishes: finish of each, likewise.
        skipped: number of rows that could not be read.
        bad: the first few of those, in the order of the file.
        zone: description of how the arrivals were read.
        clock_ns: lag of a second clock behind that of the arrivals, nanoseconds; None if there is one clock.
    """

    arrivals: TimeArray
    queued: TimeArray
    starts: TimeArray | None
    finishes: TimeArray | None
    skipped: int
    bad: tuple[BadRow, ...]
    zone: str
    clock_ns: int | None = None


CLOCK_COLUMN = "entro.clock_ns"
"""Name under which a checkpoint records the lag of a log's second clock."""

NEVER = int(np.iinfo(np.int64).max)
"""Time of a start or finish that did not happen: after every other, so that comparisons need no special case."""


@dataclass
class _Cells:
    """Cells of a table, in the order of the file.

    Attributes:
        columns: the columns.
        values: by role, times or lengths, nanoseconds, or `_MISSING`, `_UNREADABLE` or `_NEGATIVE`, shape (rows,).
        zoned: by role, whether the time names its zone, shape (rows,).
        reasons: what is wrong with each row, as `_reason` puts into words, shape (rows,).
        rest: end of the query, which leaves out the line of `CLOCK_COLUMN`.
    """

    columns: RequestColumns
    values: dict[Role, NDArray[np.int64]]
    zoned: dict[Role, NDArray[np.bool_]]
    reasons: NDArray[np.int8]
    rest: str = ""


def fetch_requests(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: RequestColumns,
    options: ReadOptions,
    tally: Tally,
    clock_ns: int | None = None,
) -> Requests:
    """Return the requests of a table.

    Args:
        connection: the connection that opened the table.
        table: the table.
        columns: its columns.
        options: how it is read.
        tally: receives the warnings.
        clock_ns: lag of the second clock, as an earlier part of the log recorded it; None to find it.

    Raises:
        EntroError: if the file cannot be read as a table, or if only some times name their zone.
    """
    cells = _fetch(connection, table, columns)
    rows = np.flatnonzero(cells.reasons == _GOOD)
    moments, zone = _moments(table, cells, rows, options, tally)
    shift = second_clock_ns(columns, moments) if clock_ns is None else clock_ns
    moments = _on_one_clock(columns, moments, shift)
    found = _ordered(cells, rows, moments)
    is_good = cells.reasons[rows] == _GOOD  # `_ordered` found more bad rows
    arrivals, queued = found[0][is_good], found[1][is_good]
    starts, finishes = (None if part is None else part[is_good] for part in found[2:])
    return Requests(
        arrivals,
        queued,
        starts,
        finishes,
        skipped=int((cells.reasons != _GOOD).sum()) + table.rejected_count,
        bad=_bad_rows(connection, table, cells),
        zone=zone,
        clock_ns=shift,
    )


def _fetch(connection: duckdb.DuckDBPyConnection, table: Table, columns: RequestColumns) -> _Cells:
    select = ["coalesce(broken, true) AS broken"]
    for role, column in columns.by_role.items():
        value, zoned = _value_sql(role, column)
        select.append(f"{value} AS {role}")
        if column.form is not None and not column.form.unit_ns:
            select.append(f"coalesce({zoned}, false) AS {role}_zoned")
    rest = ""
    if CLOCK_COLUMN in table.columns:
        rest = f"WHERE c{table.columns.index(CLOCK_COLUMN)} IS NULL"
    fetched = table.fetch(connection, ", ".join(select), rest)
    values = {role: np.ma.getdata(fetched[role]).astype(np.int64, copy=False) for role in columns.by_role}
    always = np.ones(len(fetched["broken"]), np.bool_)
    zoned_by = {role: np.asarray(fetched.get(f"{role}_zoned", always), np.bool_) for role in columns.by_role}
    reasons = np.where(np.asarray(fetched["broken"], np.bool_), _BROKEN, _GOOD).astype(np.int8)
    for index, role in enumerate(Role):
        if role not in values:
            continue
        wrong = values[role] <= _LAST_MARK
        if role is not Role.ARRIVAL:  # a request may not have started, but it has arrived
            wrong &= values[role] != _MISSING
        kind = np.where(values[role][wrong] == _NEGATIVE, 1, 0)
        reasons[wrong] = np.where(reasons[wrong] == _GOOD, _FIRST_OF_ROLE + 2 * index + kind, reasons[wrong])
    return _Cells(columns, values, zoned_by, reasons, rest)


def _value_sql(role: Role, column: RequestColumn) -> tuple[str, str]:
    """Return SQL of a cell's nanoseconds or what is wrong with it, and SQL of whether it names its zone."""
    cell = f"c{column.index}"
    is_missing = rf"lower(trim(coalesce({cell}, ''), ' \"' || chr(9))) IN ('', 'nan', 'null', 'none', 'nat')"
    missing = f"CASE WHEN {is_missing} THEN {_MISSING} ELSE {_UNREADABLE} END"
    if column.form is not None:
        time, zoned = timestamp_sql(cell, column.form)
        return f"coalesce({time}, {missing})", zoned
    number = rf"TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE)"
    return (
        f"CASE WHEN {number} < 0 THEN {_NEGATIVE} WHEN {number} * {column.unit_ns} <= {_LONGEST_NS} "
        f"THEN CAST(round({number} * {column.unit_ns}) AS BIGINT) ELSE {missing} END"
    ), "true"


def _moments(
    table: Table, cells: _Cells, rows: NDArray[np.int64], options: ReadOptions, tally: Tally
) -> tuple[dict[Role, TimeArray], str]:
    """Return the times of good rows, in UTC or on their own clock, or `_MISSING`, and how the arrivals were read.

    Lengths of time are returned as they are.
    """
    found, zone = {}, ""
    for role, column in cells.columns.by_role.items():
        values = cells.values[role][rows]
        if column.form is not None:
            is_known = values != _MISSING
            warnings = tally if role is Role.ARRIVAL else Tally()  # warn once, of the arrivals
            values = values.copy()
            values[is_known], description = to_utc(
                table.log.label, values[is_known], cells.zoned[role][rows][is_known], column.form, options, warnings
            )
            zone = description if role is Role.ARRIVAL else zone
        found[role] = values
    return found, zone


def on_second_clock(columns: RequestColumns) -> list[Role]:
    """Return the roles whose times are on another clock than the arrivals: one counts from the start of a machine."""
    arrival = columns.by_role[Role.ARRIVAL].form
    return [
        role
        for role, column in columns.by_role.items()
        if column.form is not None and arrival is not None and column.form.is_offset != arrival.is_offset
    ]


def second_clock_ns(columns: RequestColumns, moments: dict[Role, TimeArray]) -> int | None:
    """Return the lag of the second clock behind that of the arrivals, nanoseconds, in the first row that has both.

    It is the first row in the file, not the earliest, so that a log read in two parts has one lag.

    Args:
        columns: the columns.
        moments: times by role, nanoseconds, shape (rows,).

    Returns:
        None if there is one clock, or no row has both.
    """
    for role in (Role.QUEUED, Role.START, Role.FINISH):
        if role in on_second_clock(columns):
            both = np.flatnonzero(moments[role] != _MISSING)[:1]
            return int((moments[Role.ARRIVAL][both] - moments[role][both])[0]) if len(both) else None
    return None


def _on_one_clock(columns: RequestColumns, moments: dict[Role, TimeArray], shift: int | None) -> dict[Role, TimeArray]:
    others = on_second_clock(columns) if shift is not None else []
    return moments | {
        role: np.where(moments[role] == _MISSING, _MISSING, moments[role] + (shift or 0)) for role in others
    }


def _ordered(
    cells: _Cells, rows: NDArray[np.int64], moments: dict[Role, TimeArray]
) -> tuple[TimeArray, TimeArray, TimeArray | None, TimeArray | None]:
    """Return arrivals, entries into the queue, starts and finishes; mark rows with these out of order as bad."""
    arrivals = moments[Role.ARRIVAL]
    queued = moments.get(Role.QUEUED, arrivals)
    queued = np.where(queued == _MISSING, arrivals, queued)
    starts = _first_known([moments.get(Role.START), _plus_length(queued, moments.get(Role.WAIT))])
    base = queued if starts is None else starts
    finishes = _first_known(
        [
            moments.get(Role.FINISH),
            _plus_length(queued, moments.get(Role.DURATION)),
            _plus_length(base, moments.get(Role.SERVICE)),
        ]
    )
    # Without entries into the queue, the lag is taken from a row's start, as if that request had not waited. So others
    # may seem to start before they arrive.
    if Role.QUEUED not in moments and on_second_clock(cells.columns):
        starts = None if starts is None else np.maximum(starts, queued)
        finishes = None if finishes is None else np.maximum(finishes, queued)
    for reason, before, after in (
        (_ORDER_START, queued, starts),
        (_ORDER_FINISH, queued, finishes),
        (_ORDER_BOTH, starts, finishes),
    ):
        if before is not None and after is not None:
            wrong = (after < before) & (before != NEVER)
            is_new = wrong & (cells.reasons[rows] == _GOOD)
            cells.reasons[rows[is_new]] = reason
    return arrivals, queued, starts, finishes


def _first_known(candidates: Sequence[TimeArray | None]) -> TimeArray | None:
    """Return the first known time of each request, `NEVER` if none is known; None if there is no column at all."""
    known = None
    for times in candidates:
        if times is not None:
            marked = np.where(times == _MISSING, NEVER, times)
            known = marked if known is None else np.where(known == NEVER, marked, known)
    return known


def _plus_length(begin: TimeArray, length: TimeArray | None) -> TimeArray | None:
    """Return times by their distance from others, `_MISSING` where one of both is unknown."""
    if length is None:
        return None
    known = (length != _MISSING) & (begin != NEVER)
    return np.where(known, np.where(known, begin, 0) + np.where(known, length, 0), _MISSING)


def _bad_rows(connection: duckdb.DuckDBPyConnection, table: Table, cells: _Cells) -> tuple[BadRow, ...]:
    """Return the first few rows that could not be read, in the order of the file."""
    rejected_count, rejected_rows = table.rejected_count, table.rejected_rows
    wrong = np.flatnonzero(cells.reasons != _GOOD)[:SHOWN_BAD_ROWS]
    found = list(rejected_rows)
    if len(wrong):
        used = [column.index for column in cells.columns.by_role.values()]
        numbers = ", ".join(str(row + 1) for row in wrong.tolist())
        fetched = table.fetch(
            connection, bad_row_sql(used), f"{cells.rest} QUALIFY row_number() OVER () IN ({numbers})"
        )
        table.rejected_count, table.rejected_rows = rejected_count, rejected_rows  # counted again by this fetch
        found += bad_rows(table, used, fetched, [_reason(int(cells.reasons[row]), cells.columns) for row in wrong])
    return tuple(sorted(found, key=lambda row: row.line)[:SHOWN_BAD_ROWS])


def _reason(code: int, columns: RequestColumns) -> str:
    words = {
        _BROKEN: NOT_A_ROW,
        _ORDER_START: "started before it arrived",
        _ORDER_FINISH: "finished before it arrived",
        _ORDER_BOTH: "finished before it started",
    }
    if code in words:
        return words[code]
    role = [*Role][(code - _FIRST_OF_ROLE) // 2]
    if role in LENGTHS:
        return f"the {role} is {'negative' if (code - _FIRST_OF_ROLE) % 2 else 'not a number'}"
    return f"the {role} cannot be read"
