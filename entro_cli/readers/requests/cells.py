"""Cells of a log of requests as arrays, and what is wrong with a row or keeps it from being a request to count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.readers.problems import SHOWN_BAD_ROWS
from entro_cli.readers.requests.names import LENGTH_NS, LENGTHS, Role
from entro_cli.readers.requests.sample import ACCESS, WITH_UNIT, RequestColumn, RequestColumns
from entro_cli.readers.tables.bad_rows import NOT_A_ROW, bad_rows, other_header_sql, second_header
from entro_cli.readers.tables.relations.table import Table
from entro_cli.timeseries.observations import BadRow, ReadOptions

# Values of cells without a time or length: the lowest numbers, which no time reaches.
MISSING, _UNREADABLE, _NEGATIVE = (int(np.iinfo(np.int64).min) + offset for offset in range(3))
_LAST_MARK = _NEGATIVE
_LONGEST_NS = 10**18  # 31 years
MONITORING, NO_REQUEST = -1, -2
"""Reasons of rows that are left out without being bad."""
GOOD, _BROKEN, ORDER_START, ORDER_FINISH, ORDER_BOTH = 0, 1, 2, 3, 4
_FIRST_OF_ROLE = 5
"""First reason of a bad cell: two per role, for one that cannot be read and for a negative one."""

_MONITORING = (  # at the beginning of a cell, or of the request in it
    r'(?:^|")(?:[A-Z]{3,7} (?:https?://[^ "/]*)?)?/(?:[^ ?"]*/)?(?:metrics|health|healthz|healthy|health[_-]?check|'
    r"live|livez|liveness|ready|readyz|readiness|startupz|ping|version|v[0-9]+/models|api/(?:tags|ps)|nginx_status|"
    r'stub_status|server-status|favicon\.ico)/?(?:[? "]|$)|^(?:GET|HEAD) [^/"]*"/"|'
    r'(?:^|")(?:kube-probe|Prometheus|ELB-HealthChecker|GoogleHC)/'
)


class Cells(Struct):
    """Cells of a table, in the order of the file.

    Attributes:
        columns: the columns.
        values: by role, times or lengths, nanoseconds, or `MISSING` or a mark of what is wrong, shape (rows,).
        zoned: by role, whether the time names its zone, shape (rows,).
        statuses: status of each response; -2 where it is not known, shape (rows,).
        reasons: `GOOD`, what is wrong with a row, or below that why it is left out, shape (rows,).
    """

    columns: RequestColumns
    values: dict[Role, NDArray[np.int64]]
    zoned: dict[Role, NDArray[np.bool_]]
    statuses: NDArray[np.int64]
    reasons: NDArray[np.int8]

    def wrong(self, limit: int = SHOWN_BAD_ROWS) -> dict[int, int]:
        """Return what is wrong with the first few rows that could not be read, by their numbers."""
        return {int(row): int(self.reasons[row]) for row in np.flatnonzero(self.reasons > GOOD)[:limit]}


class CellQuery:
    """Query of the cells of a table of requests.

    Args:
        table: the table.
        columns: its columns.
        options: how it is read.

    Raises:
        EntroError: if numbers such as 1,234 may be meant in two ways.
    """

    def __init__(self, table: Table, columns: RequestColumns, options: ReadOptions) -> None:
        self.table, self.columns = table, columns
        marks = _decimal_marks(table, columns, options)
        stamp = Role.FINISH if columns.stamps_are_ends else Role.ARRIVAL
        others = [column.index for column in columns.by_role.values() if column is not columns.stamp]
        header = other_header_sql(table, [columns.stamp.index, *others])
        is_header = f"CASE WHEN {stamp}_ns IS NULL THEN {header} ELSE false END AS is_header"
        self._select = ["coalesce(broken, true) AS broken", is_header, *_row_sql(columns)]
        self._layers: list[list[str]] = [[], [], []]  # two of a timestamp at most, then the nanoseconds of all
        for role, column in columns.by_role.items():
            self._add(role, column, marks.get(column.index, "."))
        self._rest = f"WHERE trim(c{columns.only[0]}) = '{columns.only[1]}'" if columns.only else ""

    def _add(self, role: Role, column: RequestColumn, mark: str) -> None:
        missing = _missing_sql(self.table, column.index)
        if column.form is None:
            self._layers[2].append(f"{_length_sql(self.table, column, mark)} AS {role}_ns")
            self._select.append(
                f"CASE WHEN {role}_ns < 0 THEN {_NEGATIVE} WHEN {role}_ns <= {_LONGEST_NS} "
                f"THEN CAST(round({role}_ns) AS BIGINT) ELSE {missing} END AS {role}"
            )
            return
        time = self.table.timestamp_sql(column.index, column.form, role)
        for layer, sql in zip(self._layers, time.layers, strict=False):
            layer.append(sql)
        self._layers[2].append(f"{time.ns} AS {role}_ns")
        zoned = f"coalesce({time.zoned}, false) AS {role}_zoned"
        self._select += [f"coalesce({role}_ns, {missing}) AS {role}", zoned]

    def fetch(self) -> Cells:
        """Return all cells.

        Raises:
            EntroError: if the file cannot be read as a table.
        """
        return self._cells(self.table.fetch(*self._parts()))

    def blocks(self) -> Iterator[Cells]:
        """Yield the cells block by block.

        Raises:
            NotStreamableError: if the file must be read whole, which may show only after some blocks.
        """
        yield from map(self._cells, self.table.blocks(*self._parts()))

    def _parts(self) -> tuple[str, str, list[str]]:
        return ", ".join(self._select), self._rest, [", ".join(layer) for layer in self._layers if layer]

    def _cells(self, fetched: Mapping[str, Any]) -> Cells:
        columns = self.columns
        plain = {name: np.asarray(values) for name, values in fetched.items()}
        if plain["is_header"].any():
            raise second_header(self.table)
        values = {role: plain[role].astype(np.int64, copy=False) for role in columns.by_role}
        always = np.ones(len(plain["broken"]), np.bool_)
        zoned_by = {role: np.asarray(plain.get(f"{role}_zoned", always), np.bool_) for role in columns.by_role}
        reasons = np.where(plain["is_monitoring"], MONITORING, GOOD).astype(np.int8)
        reasons[~plain["is_request"].astype(np.bool_)] = NO_REQUEST
        if columns.stamps_are_ends:  # a logger's other lines have no duration
            lengths = [values[role] for role in (Role.DURATION, Role.SERVICE) if role in values]
            reasons[np.all([length == MISSING for length in lengths], axis=0)] = NO_REQUEST
        reasons[plain["broken"].astype(np.bool_)] = _BROKEN
        _mark_bad_cells(columns, values, reasons)
        return Cells(columns, values, zoned_by, plain["status"].astype(np.int64), reasons)

    def bad(self, reasons: Mapping[int, int]) -> tuple[BadRow, ...]:
        """Return rows that could not be read, given what is wrong with them by their numbers."""
        used = [column.index for column in self.columns.by_role.values()]
        return bad_rows(self.table, used, {row: _reason(one, self.columns) for row, one in reasons.items()}, self._rest)


def _mark_bad_cells(columns: RequestColumns, values: dict[Role, NDArray[np.int64]], reasons: NDArray[np.int8]) -> None:
    for index, role in enumerate(Role):
        if role not in values:
            continue
        wrong = values[role] <= _LAST_MARK
        if columns.by_role[role] is not columns.stamp:  # a request may not have started, but it has a stamp
            wrong &= values[role] != MISSING
        kind = np.where(values[role][wrong] == _NEGATIVE, 1, 0)
        reasons[wrong] = np.where(reasons[wrong] == GOOD, _FIRST_OF_ROLE + 2 * index + kind, reasons[wrong])


def _row_sql(columns: RequestColumns) -> list[str]:
    """Return SQL of whether a row is of a request, whether one of monitoring, and of its status."""
    monitoring = [f"coalesce(regexp_matches(trim(c{index}), '{_MONITORING}'), false)" for index in columns.paths]
    is_request, status = "true", "-2"
    if columns.access is not None:
        is_request = f"coalesce(regexp_matches(c{columns.access}, '{ACCESS}'), false)"
        digits = rf"regexp_extract(c{columns.access}, '\" ?(\d{{3}})', 1)"
        status = f"coalesce(TRY_CAST({digits} AS BIGINT), -2)"
    if columns.status is not None:
        status = rf"coalesce(TRY_CAST(trim(c{columns.status}, ' \"') AS BIGINT), -2)"
    return [
        f"{' OR '.join(monitoring) or 'false'} AS is_monitoring",
        f"{is_request} AS is_request",
        f"{status} AS status",
    ]


def _decimal_marks(table: Table, columns: RequestColumns, options: ReadOptions) -> dict[int, str]:
    """Return the decimal mark of each column of lengths that has commas."""
    indices = [column.index for column in columns.by_role.values() if column.has_commas]
    if not indices:
        return {}
    from entro_cli.readers.tables.cells import find_style  # most tables need no look at the whole file

    return dict(zip(indices, find_style(table, indices, options.decimal).marks, strict=True))


def _missing_sql(table: Table, index: int) -> str:
    """Return SQL of the mark of a cell that gives no time or length: it is missing, or cannot be read."""
    text = table.text_sql(index)
    is_missing = rf"lower(trim(coalesce({text}, ''), ' \"' || chr(9))) IN ('', '-', 'nan', 'null', 'none', 'nat')"
    return f"CASE WHEN {is_missing} THEN {MISSING} ELSE {_UNREADABLE} END"


def _length_sql(table: Table, column: RequestColumn, mark: str) -> str:
    """Return SQL of a length of time, nanoseconds; NULL if the cell holds none."""
    cell = f"c{column.index}"
    if not column.unit:
        return _with_unit_sql(cell)
    if column.has_commas:
        digits = f"replace(replace({cell}, '{'.' if mark == ',' else ','}', ''), ',', '.')"
        number = rf"TRY_CAST(trim({digits}, ' \"' || chr(9)) AS DOUBLE)"
    else:
        number = table.number_sql(column.index)
    return f"{number} * {LENGTH_NS[column.unit]}"


def _with_unit_sql(cell: str) -> str:
    """Return SQL of a length of time such as 1m2.3s, in nanoseconds; NULL for any other text."""
    units = (
        ("h", 3600 * 10**9),
        ("m(?:[^s]|$)", 60 * 10**9),
        ("s", 10**9),
        ("ms", 10**6),
        ("[uµμ]s", 10**3),
        ("ns", 1),
    )
    parts = (
        f"coalesce(TRY_CAST(regexp_extract({cell}, '([0-9.]+) ?{unit}', 1) AS DOUBLE), 0) * {length}"
        for unit, length in units
    )
    return f"CASE WHEN regexp_full_match(trim({cell}), '{WITH_UNIT}') THEN {' + '.join(parts)} END"


def _reason(code: int, columns: RequestColumns) -> str:
    words = {
        _BROKEN: NOT_A_ROW,
        ORDER_START: "started before it arrived",
        ORDER_FINISH: "finished before it arrived",
        ORDER_BOTH: "finished before it started",
    }
    if code in words:
        return words[code]
    role = [*Role][(code - _FIRST_OF_ROLE) // 2]
    if role in LENGTHS:
        return f"the {role} is {'negative' if (code - _FIRST_OF_ROLE) % 2 else 'not a number'}"
    return f"the {role} cannot be read"
