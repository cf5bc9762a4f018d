"""The first rows of a log of requests: the columns that may have a role, by their names and their cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct

from entro_cli.readers.requests.names import (
    LENGTH_NS,
    LENGTHS,
    Dialect,
    Role,
    dialect_of,
    indices_for,
    names_moment,
    paths_of,
    spelt,
    stamps_of,
    status_of,
    unit_of,
)
from entro_cli.readers.tables.column_names import is_number, tokens
from entro_cli.readers.tables.schema import is_unit_of
from entro_cli.readers.timestamps import TimestampFormat, given_format, timestamp_format

ACCESS = r'"[A-Z]{3,7} /[^ "]* HTTP/[0-9.]+"? [0-9]{3}'
"""A request and its status as uvicorn and others write it in a message; a pattern for RE2 and for Python."""
WITH_UNIT = r"(?:[0-9.]+ ?(?:ns|us|µs|μs|ms|s|m|h))+"
"""A length of time as Go and Rust print it: 1m2.3s, 31.2µs; for RE2 and for Python."""


class RequestColumn(Struct, frozen=True):
    """A column of a log of requests.

    Attributes:
        index: its index.
        name: its name.
        unit: unit of a length; empty if each cell names its own, as 31.2µs does.
        form: format of times; None for a length.
        is_assumed: True if nothing names the unit of a length.
        has_commas: True if some lengths have commas, which may be decimal marks.
    """

    index: int
    name: str
    unit: str = "s"
    form: TimestampFormat | None = None
    is_assumed: bool = False
    has_commas: bool = False


class RequestColumns(Struct, frozen=True):
    """Columns from which the arrival, start and finish of each request follow.

    Attributes:
        by_role: one column per role. Without an arrival, the finish is the logger's stamp, and a duration leads back.
        paths: columns that show what was requested, by whom; monitoring is left out by them.
        status: the column of statuses.
        access: the column of messages, where only those about a request are rows.
        only: the column and the cell that rows of requests have; None if all are.
    """

    by_role: dict[Role, RequestColumn]
    paths: tuple[int, ...] = ()
    status: int | None = None
    access: int | None = None
    only: tuple[int, str] | None = None

    @property
    def stamp(self) -> RequestColumn:
        """The column on whose clock the others are put."""
        return self.by_role.get(Role.ARRIVAL) or self.by_role[Role.FINISH]

    @property
    def stamps_are_ends(self) -> bool:
        """True if a logger's stamp is the end of a request, and its arrival follows from its duration."""
        return Role.ARRIVAL not in self.by_role

    @property
    def has_starts(self) -> bool:
        """True if the starts of requests are known."""
        return Role.START in self.by_role or Role.WAIT in self.by_role

    @property
    def has_finishes(self) -> bool:
        """True if the finishes of requests are known."""
        return not self.by_role.keys().isdisjoint({Role.FINISH, Role.DURATION, Role.SERVICE})

    @property
    def is_of_server(self) -> bool:
        """True if a server or a proxy logged what others sent, so that a log of theirs counts the same requests."""
        return self.stamps_are_ends or self.status is not None or self.access is not None


class RequestSample:
    """The first rows of a log of requests, and what its columns may be.

    Args:
        columns: names of the columns.
        rows: cells of the first rows.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.columns = columns
        self.rows = rows

    @cached_property
    def stamps(self) -> list[RequestColumn]:
        """The columns that hold times and have the name of a time in any table."""
        return [column for index in stamps_of(self.columns) if (column := self.moment(index))]

    @cached_property
    def by_role(self) -> dict[Role, list[RequestColumn]]:
        """The columns that may have each role, the most specific names first. Beside dates, small numbers are none."""
        named = {role: self._candidates(role) for role in Role}
        forms = [column.form for column in (*self.stamps, *(one for found in named.values() for one in found))]
        has_date = any(form is not None and not form.is_offset for form in forms)
        return {
            role: [column for column in found if not has_date or not _is_small_number(column)]
            for role, found in named.items()
        }

    @property
    def lengths(self) -> list[RequestColumn]:
        """The columns of lengths that end with a request."""
        return self.by_role[Role.DURATION] or self.by_role[Role.SERVICE]

    @cached_property
    def dialect(self) -> Dialect | None:
        """The program that wrote the log, if its column of durations does hold lengths of time."""
        known = dialect_of(self.columns)
        index = [spelt(name) for name in self.columns].index(known.length) if known else 0
        return known if known and self.length(index, known.unit) else None

    @cached_property
    def status(self) -> int | None:
        """The column of the statuses of responses."""
        return next((index for index in status_of(self.columns) if self._share(index, r"[1-5]\d\d|0|-1") > 0.5), None)

    @cached_property
    def access(self) -> int | None:
        """The column of messages, if a tenth of them or more are of requests."""
        return next((index for index in paths_of(self.columns) if self._share(index, f".*{ACCESS}.*") >= 0.1), None)

    def cells(self, index: int) -> list[str]:
        """Return the cells of a column that hold anything."""
        return [cell.strip() for row in self.rows if has_value(cell := row[index])]

    def moment(self, index: int, unit: str = "") -> RequestColumn | None:
        """Return a column if it holds times; a unit that is given is that of its numbers, or the order of its dates."""
        cells, name = self.cells(index), self.columns[index]
        form = given_format(cells, unit) if unit else timestamp_format(cells, LENGTH_NS[unit_of(name) or "s"])
        return RequestColumn(index, name, form=form) if form else None

    def length(self, index: int, unit: str = "") -> RequestColumn | None:
        """Return a column if it holds lengths of time; a unit that is given is theirs."""
        cells, name = self.cells(index), self.columns[index]
        if self._share(index, WITH_UNIT) > 0.5:
            return RequestColumn(index, name, "")
        unit = unit or unit_of(name) or self._unit_beside(name)
        is_named_time = tokens(name)[-1:] == ["time"]  # such as request_time; a duration of 10^9 is one in nanoseconds
        is_time = is_named_time and timestamp_format(cells, None) is not None
        has_commas = self._share(index, r"[0-9.]*,[0-9]+") > 0
        if is_time or 2 * sum(is_number(cell.replace(",", "")) for cell in cells) <= len(cells):
            return None
        return RequestColumn(index, name, unit or "s", is_assumed=not unit, has_commas=has_commas)

    def _unit_beside(self, name: str) -> str:
        """Return the unit of a length that another column names in all rows, such as `duration_unit`; empty without."""
        words = [word for word in tokens(name) if word != "value"]
        beside = [index for index, other in enumerate(self.columns) if is_unit_of(other, words)]
        units = {unit_of(cell) for index in beside for cell in self.cells(index)}
        return units.pop() if len(units) == 1 else ""

    def _share(self, index: int, pattern: str) -> float:
        """Return the share of a column's cells that match a pattern, of those that hold anything."""
        cells = self.cells(index)
        return sum(1 for cell in cells if re.fullmatch(pattern, cell)) / max(len(cells), 1)

    def _candidates(self, role: Role) -> list[RequestColumn]:
        known = self.dialect
        name = {Role.DURATION: known.length, Role.ARRIVAL: known.arrival}.get(role) if known else ""
        if name:
            indices = [index for index, column in enumerate(self.columns) if spelt(column) == name]
        else:
            indices = indices_for(role, self.columns)
        found = (
            self.length(index, known.unit if known and name else "") if role in LENGTHS else self.moment(index)
            for index in indices
        )
        return [column for column in found if column]


def has_value(cell: str) -> bool:
    """Return whether a cell holds anything: a dash is how web servers write that a value is missing."""
    return cell.strip().lower() not in {"", "nan", "null", "none", "nat", "-"}


def _is_small_number(column: RequestColumn) -> bool:
    """Return whether a column holds no moments beside dates: offsets without the name of a clock's times."""
    return column.form is not None and column.form.is_offset and not names_moment(column.name)
