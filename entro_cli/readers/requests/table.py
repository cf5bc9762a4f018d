"""Requests: when each came, started and finished, as arrays, and the rows that tell of none."""

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

_MISSING, _UNREADABLE, _NEGATIVE = (int(np.iinfo(np.int64).min) + offset for offset in range(3))
_LAST_MARK = _NEGATIVE
_LONGEST_NS = 10**18  # 31 years
_GOOD, _BROKEN, _ORDER_START, _ORDER_FINISH, _ORDER_BOTH = 0, 1, 2, 3, 4
_FIRST_OF_ROLE = 5


@dataclass(frozen=True)
class Requests:
    """The requests of a log, in the order of the file; times in nanoseconds since the epoch, shape (requests,).

    Attributes:
        arrivals: when each came.
        queued: when each was queued, by the clock of `starts` and `finishes`; the arrivals where nothing else is known.
        starts: when each started, `NEVER` for one that did not; None where the log does not say.
        finishes: when each finished, likewise.
        skipped: how many rows could not be read.
        bad: the first few of those, in the order of the file.
        zone: how the arrivals were read, in words.
        clock_ns: how far a second clock is behind that of the arrivals, nanoseconds; None where there is one clock.
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
"""What says how far the second clock of a log is behind that of the arrivals, before the part of it that goes on."""

NEVER = int(np.iinfo(np.int64).max)
"""When what did not happen happened."""


@dataclass
class _Cells:
    """What a table has of each role, in the order of the file, and what is wrong with each row (`_reason`).

    `rest` is the end of the query that leaves out the line of `CLOCK_COLUMN`.
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
    """The requests of a table.

    Args:
        connection: where the table was opened.
        table: the table.
        columns: what its columns are.
        options: what the user said.
        tally: counts what is out of the ordinary.
        clock_ns: how far the second clock of an earlier part of this log is behind the arrivals'; None to find it.

    Raises:
        EntroError: when the file cannot be read as a table, or some times name their zone and others do not.
    """
    cells = _fetch(connection, table, columns)
    rows = np.flatnonzero(cells.reasons == _GOOD)
    moments, zone = _moments(table, cells, rows, options, tally)
    shift = second_clock_ns(columns, moments) if clock_ns is None else clock_ns
    moments = _on_one_clock(columns, moments, shift)
    found = _ordered(cells, rows, moments)
    fine = cells.reasons[rows] == _GOOD
    arrivals, queued = found[0][fine], found[1][fine]
    starts, finishes = (None if part is None else part[fine] for part in found[2:])
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
    got = table.fetch(connection, ", ".join(select), rest)
    values = {role: np.ma.getdata(got[role]).astype(np.int64, copy=False) for role in columns.by_role}
    whole = np.ones(len(got["broken"]), np.bool_)
    zoned_by = {role: np.asarray(got.get(f"{role}_zoned", whole), np.bool_) for role in columns.by_role}
    reasons = np.where(np.asarray(got["broken"], np.bool_), _BROKEN, _GOOD).astype(np.int8)
    for place, role in enumerate(Role):
        if role not in values:
            continue
        wrong = values[role] <= _LAST_MARK
        if role is not Role.ARRIVAL:
            wrong &= values[role] != _MISSING
        kind = np.where(values[role][wrong] == _NEGATIVE, 1, 0)
        reasons[wrong] = np.where(reasons[wrong] == _GOOD, _FIRST_OF_ROLE + 2 * place + kind, reasons[wrong])
    return _Cells(columns, values, zoned_by, reasons, rest)


def _value_sql(role: Role, column: RequestColumn) -> tuple[str, str]:
    """SQL for a cell's nanoseconds, or what is wrong with it, and for whether it names its zone."""
    cell = f"c{column.index}"
    gone = rf"lower(trim(coalesce({cell}, ''), ' \"' || chr(9))) IN ('', 'nan', 'null', 'none', 'nat')"
    missing = f"CASE WHEN {gone} THEN {_MISSING} ELSE {_UNREADABLE} END"
    if column.form is not None:
        stamp, zoned = timestamp_sql(cell, column.form)
        return f"coalesce({stamp}, {missing})", zoned
    number = rf"TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE)"
    return (
        f"CASE WHEN {number} < 0 THEN {_NEGATIVE} WHEN {number} * {column.unit_ns} <= {_LONGEST_NS} "
        f"THEN CAST(round({number} * {column.unit_ns}) AS BIGINT) ELSE {missing} END"
    ), "true"


def _moments(
    table: Table, cells: _Cells, rows: NDArray[np.int64], options: ReadOptions, tally: Tally
) -> tuple[dict[Role, TimeArray], str]:
    """The good rows' moments in UTC or on their own clock, `_MISSING` where there is none; lengths as they are."""
    found, zone = {}, ""
    for role, column in cells.columns.by_role.items():
        own = cells.values[role][rows]
        if column.form is not None:
            there = own != _MISSING
            counted = tally if role is Role.ARRIVAL else Tally()  # what is odd is told once, of the arrivals
            own = own.copy()
            own[there], how = to_utc(
                table.log.label, own[there], cells.zoned[role][rows][there], column.form, options, counted
            )
            zone = how if role is Role.ARRIVAL else zone
        found[role] = own
    return found, zone


def on_second_clock(columns: RequestColumns) -> list[Role]:
    """The roles whose moments are on another clock than the arrivals: one that counts from the start of a machine."""
    arrival = columns.by_role[Role.ARRIVAL].form
    return [
        role
        for role, column in columns.by_role.items()
        if column.form is not None and arrival is not None and column.form.is_offset != arrival.is_offset
    ]


def second_clock_ns(columns: RequestColumns, moments: dict[Role, TimeArray]) -> int | None:
    """How far the second clock is behind that of the arrivals, nanoseconds: by the first row that shows both.

    The first in the file, not the earliest, so that a log read in two parts is read with one difference.

    Args:
        columns: what the columns are.
        moments: by role, nanoseconds, shape (rows,).

    Returns:
        None where there is one clock, or no row shows both.
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
    """Arrivals, entries into the queue, starts and finishes; rows in which one is before another become bad ones."""
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
    if Role.QUEUED not in moments and on_second_clock(cells.columns):  # its difference was told by a start
        starts = None if starts is None else np.maximum(starts, queued)
        finishes = None if finishes is None else np.maximum(finishes, queued)
    for reason, before, after in (
        (_ORDER_START, queued, starts),
        (_ORDER_FINISH, queued, finishes),
        (_ORDER_BOTH, starts, finishes),
    ):
        if before is not None and after is not None:
            wrong = (after < before) & (before != NEVER)
            fresh = wrong & (cells.reasons[rows] == _GOOD)
            cells.reasons[rows[fresh]] = reason
    return arrivals, queued, starts, finishes


def _first_known(ways: Sequence[TimeArray | None]) -> TimeArray | None:
    """The first of several moments that is known of each request, `NEVER` where none is; None without any column."""
    known = None
    for way in ways:
        if way is not None:
            marked = np.where(way == _MISSING, NEVER, way)
            known = marked if known is None else np.where(known == NEVER, marked, known)
    return known


def _plus_length(begin: TimeArray, length: TimeArray | None) -> TimeArray | None:
    """A moment by its distance from another."""
    if length is None:
        return None
    known = (length != _MISSING) & (begin != NEVER)
    return np.where(known, np.where(known, begin, 0) + np.where(known, length, 0), _MISSING)


def _bad_rows(connection: duckdb.DuckDBPyConnection, table: Table, cells: _Cells) -> tuple[BadRow, ...]:
    """The first few rows that tell of no request, in the order of the file."""
    rejected, rejects = table.rejected_count, table.rejected_rows
    wrong = np.flatnonzero(cells.reasons != _GOOD)[:SHOWN_BAD_ROWS]
    found = list(rejects)
    if len(wrong):
        used = [column.index for column in cells.columns.by_role.values()]
        places = ", ".join(str(row + 1) for row in wrong.tolist())
        got = table.fetch(connection, bad_row_sql(used), f"{cells.rest} QUALIFY row_number() OVER () IN ({places})")
        table.rejected_count, table.rejected_rows = rejected, rejects
        found += bad_rows(table, used, got, [_reason(int(cells.reasons[row]), cells.columns) for row in wrong])
    return tuple(sorted(found, key=lambda row: row.line)[:SHOWN_BAD_ROWS])


def _reason(code: int, columns: RequestColumns) -> str:
    words = {
        _BROKEN: NOT_A_ROW,
        _ORDER_START: "started before it came",
        _ORDER_FINISH: "finished before it came",
        _ORDER_BOTH: "finished before it started",
    }
    if code in words:
        return words[code]
    role = [*Role][(code - _FIRST_OF_ROLE) // 2]
    if role in LENGTHS:
        return f"the {role} is {'negative' if (code - _FIRST_OF_ROLE) % 2 else 'no number'}"
    return f"the {role} cannot be read"
