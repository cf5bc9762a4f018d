"""Rows of a table as requests, with their arrivals, starts and finishes, and the rows that could not be read."""

from __future__ import annotations

from functools import reduce

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.readers.problems import Tally
from entro_cli.readers.requests.cells import (
    GOOD,
    MISSING,
    MONITORING,
    NO_REQUEST,
    ORDER_BOTH,
    ORDER_FINISH,
    ORDER_START,
    CellQuery,
    Cells,
)
from entro_cli.readers.requests.levels import FAILURES, NEVER, Requests
from entro_cli.readers.requests.names import Role
from entro_cli.readers.requests.sample import RequestColumns
from entro_cli.readers.tables.column_names import names_utc
from entro_cli.readers.tables.relations.table import Table
from entro_cli.readers.tables.schema import printable_name
from entro_cli.readers.time_zones import to_utc
from entro_cli.timeseries.observations import BadRow, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

_NO_RESPONSE = (0, -1)
_DAY_NS = 86400 * NS


class RequestRows(Struct, frozen=True):
    """Rows of a table as requests.

    Attributes:
        requests: of the rows that could be read, in the order of the file.
        skipped: number of rows that could not be read.
        bad: the first few of those, in the order of the file.
        zone: description of how the arrivals were read.
        clock_ns: lag of a second clock behind that of the arrivals, nanoseconds; None if there is one clock.
    """

    requests: Requests
    skipped: int
    bad: tuple[BadRow, ...]
    zone: str
    clock_ns: int | None


def fetch_requests(
    table: Table,
    columns: RequestColumns,
    options: ReadOptions,
    tally: Tally,
    clock_ns: int | None = None,
) -> RequestRows:
    """Return the requests of a table.

    Args:
        table: the table.
        columns: its columns.
        options: how it is read.
        tally: receives the warnings.
        clock_ns: lag of the second clock, as an earlier part of the log recorded it; None to find it.

    Raises:
        EntroError: if the file cannot be read as a table, or if only some times name their zone.
    """
    query = CellQuery(table, columns, options)
    cells = query.fetch()
    found = requests_of(table.log.label, cells, options, clock_ns, tally)
    found.counts.add_to(tally)
    skipped = int((cells.reasons > GOOD).sum()) + table.rejected_count
    return RequestRows(found.requests, skipped, query.bad(cells.wrong()), found.zone, found.clock_ns)


class RowCounts(Struct, frozen=True):
    """Counts of rows that are left out, and of requests that failed, by their status.

    Attributes:
        monitoring: requests of monitoring.
        no_request: rows of other kinds.
        failed: requests by their class in `FAILURES`.
    """

    monitoring: int = 0
    no_request: int = 0
    failed: tuple[int, ...] = (0,) * len(FAILURES)

    def __add__(self, other: RowCounts) -> RowCounts:
        """Return the sums."""
        failed = tuple(map(sum, zip(self.failed, other.failed, strict=True)))
        return RowCounts(self.monitoring + other.monitoring, self.no_request + other.no_request, failed)

    def add_to(self, tally: Tally) -> None:
        """Add the warnings."""
        tally.count(ProblemKind.MONITORING, self.monitoring)
        tally.count(ProblemKind.NO_REQUEST, self.no_request)
        for number, failure in zip(self.failed, FAILURES, strict=True):
            tally.count(ProblemKind.REQUESTS_FAILED, number, failure)


class FoundRequests(Struct, frozen=True):
    """The requests in cells.

    Attributes:
        requests: of the rows that could be read.
        counts: of the others that are not bad.
        zones: descriptions of how the times were read, by role.
        zone: of the arrivals.
        clock_ns: lag of a second clock, as in `RequestRows`.
        has_clock_change: whether some times lie in an hour that the clock showed twice or skipped.
    """

    requests: Requests
    counts: RowCounts
    zones: dict[Role, str]
    zone: str
    clock_ns: int | None
    has_clock_change: bool


def requests_of(label: str, cells: Cells, options: ReadOptions, clock_ns: int | None, tally: Tally) -> FoundRequests:
    """Return the requests in cells; mark rows with their times out of order as bad.

    Args:
        label: the file, for messages.
        cells: the cells.
        options: how they are read.
        clock_ns: as in `fetch_requests`.
        tally: receives the warnings about times.

    Raises:
        EntroError: if only some times name their zone.
    """
    rows, others = np.flatnonzero(cells.reasons == GOOD), Tally()
    moments, zones = _moments(label, cells, rows, options, tally, others)
    shift = second_clock_ns(cells.columns, moments) if clock_ns is None else clock_ns
    requests = _ordered(cells, rows, _on_one_clock(cells.columns, moments, shift))
    requests = requests.where(cells.reasons[rows] == GOOD)  # `_ordered` found more bad rows
    monitoring, no_request = (int((cells.reasons == reason).sum()) for reason in (MONITORING, NO_REQUEST))
    failed = tuple(int((requests.failures == place).sum()) for place in range(len(FAILURES)))
    stamp = next(role for role, column in cells.columns.by_role.items() if column is cells.columns.stamp)
    kinds = {one.kind for one in (*tally.problems, *others.problems)}
    changes = {ProblemKind.HOUR_TWICE_BY_ORDER, ProblemKind.HOUR_TWICE_AS_FIRST, ProblemKind.HOUR_SKIPPED}
    return FoundRequests(
        requests, RowCounts(monitoring, no_request, failed), zones, zones[stamp], shift, bool(kinds & changes)
    )


def _moments(
    label: str, cells: Cells, rows: NDArray[np.int64], options: ReadOptions, tally: Tally, others: Tally
) -> tuple[dict[Role, TimeArray], dict[Role, str]]:
    """Return the times of good rows, in UTC or on their own clock, or `MISSING`, and how they were read.

    Lengths of time are returned as they are. Warnings about other times than the arrivals go to `others`.
    """
    found, zones = {}, {}
    for role, column in cells.columns.by_role.items():
        values = cells.values[role][rows]
        if column.form is not None:
            is_known = values != MISSING
            warnings = tally if column is cells.columns.stamp else others
            values, zoned = values.copy(), cells.zoned[role][rows][is_known]
            values[is_known], zones[role] = to_utc(
                label, values[is_known], zoned, column.form, options, warnings, is_utc=names_utc(column.name)
            )
        found[role] = values
    return found, zones


def on_second_clock(columns: RequestColumns) -> list[Role]:
    """Return the roles whose times are on another clock than the arrivals: one counts from the start of a machine."""
    arrival = columns.stamp.form
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
            both = np.flatnonzero(moments[role] != MISSING)[:1]
            return int((moments[Role.ARRIVAL][both] - moments[role][both])[0]) if len(both) else None
    return None


def _on_one_clock(columns: RequestColumns, moments: dict[Role, TimeArray], shift: int | None) -> dict[Role, TimeArray]:
    others = on_second_clock(columns) if shift is not None else []
    return moments | {
        role: np.where(moments[role] == MISSING, MISSING, moments[role] + (shift or 0)) for role in others
    }


def _ordered(cells: Cells, rows: NDArray[np.int64], moments: dict[Role, TimeArray]) -> Requests:
    """Return the requests of good rows; mark rows with their times out of order as bad."""
    columns = cells.columns
    if columns.stamps_are_ends:
        moments = {**moments, Role.ARRIVAL: _before_ends(moments)}
    known = {role: np.where(times == MISSING, NEVER, times) for role, times in moments.items()}
    never = np.full(len(rows), NEVER)
    known = {role: known.get(role, never) for role in Role}
    queued = _first_known(known[Role.QUEUED], known[Role.ARRIVAL])
    starts = _first_known(known[Role.START], _later(queued, known[Role.WAIT]))
    base = starts if columns.has_starts else queued
    finishes = _first_known(known[Role.FINISH], _later(queued, known[Role.DURATION]), _later(base, known[Role.SERVICE]))
    # Without entries into the queue, the lag is taken from a row's start, as if that request had not waited. So others
    # may seem to start before they arrive.
    if Role.QUEUED not in moments and on_second_clock(columns):
        starts, finishes = np.maximum(starts, queued), np.maximum(finishes, queued)
    for reason, before, after in (
        (ORDER_START, queued, starts),
        (ORDER_FINISH, queued, finishes),
        (ORDER_BOTH, starts, finishes),
    ):
        wrong = (after < before) & (before != NEVER)
        is_new = wrong & (cells.reasons[rows] == GOOD)
        cells.reasons[rows[is_new]] = reason
    times = np.stack([known[Role.ARRIVAL], queued, starts, finishes])
    return Requests(times, columns.has_starts, columns.has_finishes, _failures(cells.statuses[rows]))


def _failures(statuses: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the places of the classes of requests in `FAILURES` by their statuses; -1 for those that did not fail."""
    classes = (statuses == 429, statuses == 499, statuses // 100 == 5, np.isin(statuses, _NO_RESPONSE))
    return np.select(classes, range(len(FAILURES)), -1).astype(np.int8)


def _before_ends(moments: dict[Role, TimeArray]) -> TimeArray:
    """Return the arrivals before the ends of requests; without the whole length, it is that of its parts."""
    if Role.DURATION in moments:
        return moments[Role.FINISH] - moments[Role.DURATION]
    parts = [moments[role] for role in (Role.SERVICE, Role.WAIT) if role in moments]
    return moments[Role.FINISH] - np.sum([np.maximum(part, 0) for part in parts], axis=0, dtype=np.int64)


def check_lengths(label: str, columns: RequestColumns, requests: Requests) -> None:
    """Check that lengths of time do not put most ends days after the log, as those of a wrong unit do.

    Raises:
        EntroError: if they do.
    """
    arrivals, _, _, finishes = requests.times
    length = columns.by_role.get(Role.DURATION) or columns.by_role.get(Role.SERVICE)
    is_derived = columns.stamps_are_ends or Role.FINISH not in columns.by_role
    known = finishes != NEVER
    if length is None or not is_derived or not known.any():
        return
    stamps = finishes[known] if columns.stamps_are_ends else arrivals[known]
    usual = float(np.median(finishes[known] - arrivals[known]))
    if usual > max(_DAY_NS, int(stamps.max() - stamps.min())):
        name = printable_name(length.name)
        raise EntroError(
            f"most requests would last {usual / _DAY_NS:.1f} days, longer than the log",
            where=label,
            expected=f"the unit of {name}, which was read in {length.unit or 'its own'}",
            remedy=f"name the unit: --time {name}:ms",
        )


def note_order(columns: RequestColumns, requests: Requests, tally: Tally) -> None:
    """Warn if the order of the rows, which are written when requests end, says that their stamps are the arrivals."""
    arrivals, _, _, stamps = requests.times
    if not columns.stamps_are_ends or NEVER in stamps:
        return
    back, back_as_arrivals = (int((np.diff(times) < -NS).sum()) for times in (stamps, stamps + (stamps - arrivals)))
    if back > len(stamps) / 50 and 4 * back_as_arrivals < back:
        tally.count(ProblemKind.STAMP_GOES_BACK, back, printable_name(columns.stamp.name))


def _first_known(*candidates: TimeArray) -> TimeArray:
    """Return the first known time of each request; `NEVER` if none is known."""
    return reduce(lambda known, times: np.where(known == NEVER, times, known), candidates)


def _later(begin: TimeArray, length: TimeArray) -> TimeArray:
    """Return times by their distance from others, `NEVER` where one of both is."""
    return np.where((begin == NEVER) | (length == NEVER), NEVER, begin + length)
