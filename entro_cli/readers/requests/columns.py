"""Columns of a log of requests: which hold the arrivals, ends and lengths of time, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from entro_cli.readers.problems import masked
from entro_cli.readers.requests.names import LENGTHS, Role, is_stamp, paths_of, spelt, unit_of
from entro_cli.readers.requests.sample import RequestColumn, RequestColumns, RequestSample, has_value
from entro_cli.readers.tables.column_names import is_number, meaning, tokens
from entro_cli.readers.tables.schema import given_time, printable_name, printable_names
from entro_cli.readers.timestamps import DATE_ORDERS, UNKNOWN_ORDER, date_shown, given_format
from entro_cli.timeseries.observations import ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

_WALL_CLOCK = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)", re.ASCII)
_REQUEST_WORDS = frozenset(
    {"request", "requests", "req", "id", "uuid", "token", "tokens", "toks", "prompt", "completion", "input", "output"}
    | {"url", "path", "endpoint", "method", "status", "user", "session", "model"}
)
_LOGGER_WORDS = frozenset({"level", "levelname", "severity", "logger"})
_LOAD_WORDS = frozenset({"value", "load", "count", "requests", "total", "mean", "avg", "average", "max"})
_STATISTIC = re.compile(r"\d+(?:\.\d+)?\s*%|p\d\d+|.*percentile.*|.*requests? count", re.IGNORECASE)
_LONG_S = 100
"""Lengths without a unit that are mostly above this, as seconds, may as well be milliseconds."""


_UNITS_FROM = {1e8: ("ns", "us"), 1e5: ("us", "ms"), _LONG_S: ("ms", "s")}
"""Units in which lengths are plausible, by the least usual length that they are offered for."""


def request_columns(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> tuple[RequestColumns, tuple[Problem, ...]]:
    """Return the columns of a log of requests, and notes on what was taken for what and may be wrong.

    A time that has the name of a stamp is the end of a request where only a duration says more: loggers write a line
    when a request is done.

    Args:
        label: the file, for messages.
        columns: names of its columns.
        sample: cells of its first rows.
        options: how it is read; `--time` names the time, or the unit of a column.

    Raises:
        EntroError: if the time or a unit is not clear; it shows the columns and the option to add.
    """
    found = RequestSample(columns, sample)
    name, unit, is_arrival = _named_time(columns, options.time_column)
    if name and unit and (given := _as_length(found, name, unit)):
        found.by_role.update(given)
        name = ""
    time = _time(label, found, name, unit, options)
    by_role, notes = _others(found, time)
    is_arrival |= found.dialect is not None and found.dialect.arrival == spelt(time.name)
    if not is_arrival and _is_end(found, time, by_role):
        by_role = {Role.FINISH: time, **{role: by_role[role] for role in LENGTHS if role in by_role}}
    else:
        by_role = {Role.ARRIVAL: time, **by_role}
    by_role = {role: _with_order(label, column, unit, found.cells(column.index)) for role, column in by_role.items()}
    rows = found.dialect.rows if found.dialect else ("", "")
    chosen = RequestColumns(
        by_role,
        paths=tuple(paths_of(columns)),
        status=found.status,
        access=found.access,
        only=(columns.index(rows[0]), rows[1]) if rows[0] in columns else None,
    )
    return chosen, (*_reading(chosen), *notes, *_check_units(label, found, chosen))


def looks_like_requests(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Return whether a table has one row per request, by its columns and first rows.

    Its columns must name an arrival, and a start, a finish or a length of time. Or they name a time, which is
    irregular, and something that only a request has, such as tokens or an id. A table with a column of loads or of a
    statistic, such as a percentile, does not count, nor do a logger's messages without a status, method or duration.

    Args:
        columns: names of its columns.
        sample: cells of its first rows.
    """
    found = RequestSample(columns, sample)
    roles, times = found.by_role, found.stamps
    if found.dialect or found.access is not None:
        return bool(times or roles[Role.ARRIVAL])
    moments = {column.index for role in Role for column in roles[role]}
    words = [set(tokens(name)) for name in columns]
    loads = any(meaning(name) is not None for index, name in enumerate(columns) if index not in moments)
    statistics = any(len(tokens(name)) == 1 and {*tokens(name)} & _LOAD_WORDS for name in columns)
    if loads or statistics or any(_STATISTIC.fullmatch(name.strip().replace("_", " ")) for name in columns):
        return False
    begins = roles[Role.ARRIVAL] or roles[Role.QUEUED] or roles[Role.START]
    ends = roles[Role.FINISH] or roles[Role.DURATION] or roles[Role.SERVICE] or roles[Role.WAIT]
    if begins and (ends or (roles[Role.START] and (roles[Role.ARRIVAL] or roles[Role.QUEUED]))):
        return True
    arrival = (roles[Role.ARRIVAL] or roles[Role.QUEUED] or times)[:1]
    if not arrival:
        return bool(roles[Role.FINISH] and (roles[Role.DURATION] or roles[Role.SERVICE]))
    names_request = any(name & _REQUEST_WORDS for index, name in enumerate(words) if index != arrival[0].index)
    names_request |= any(not column.unit for column in roles[Role.DURATION])  # cells such as 31.2ms
    if found.status is not None and (roles[Role.DURATION] or roles[Role.SERVICE]):
        return True
    is_message = any(name & _LOGGER_WORDS for name in words) and not any("method" in name for name in words)
    names_request &= bool(ends) or found.status is not None or not is_message
    has_end = times and (roles[Role.FINISH] or roles[Role.START])
    return bool(has_end) or (names_request and _is_irregular([row[arrival[0].index] for row in sample]))


def _named_time(columns: Sequence[str], option: str | None) -> tuple[str, str, bool]:
    """Return the column and the unit or order that `--time` names, and whether it calls the column the arrival."""
    is_arrival = option is not None and option not in columns and option.endswith(f":{Role.ARRIVAL}")
    name, unit = given_time(columns, option.removesuffix(f":{Role.ARRIVAL}") if option and is_arrival else option)
    return name or "", unit, is_arrival


def _as_length(found: RequestSample, name: str, unit: str) -> dict[Role, list[RequestColumn]]:
    """Return the roles of a column of lengths whose unit the user named; none if it is not one."""
    roles = [role for role in LENGTHS if any(column.name == name for column in found.by_role[role])]
    return {
        role: [replace(column, unit=unit, is_assumed=False) for column in found.by_role[role] if column.name == name]
        for role in roles
    }


def _time(label: str, found: RequestSample, name: str, unit: str, options: ReadOptions) -> RequestColumn:
    """Return the column of the time: the one that the user named, or an arrival by its name, a stamp, or the starts.

    Raises:
        EntroError: if there is not exactly one, or if it counts from the start in a unit that nothing names.
    """
    columns = found.columns
    if name:
        indices = [index for index, column in enumerate(columns) if column == name]
        candidates = [column for index in indices if (column := found.moment(index, unit))]
    else:
        roles = found.by_role
        ends = roles[Role.FINISH] if roles[Role.DURATION] or roles[Role.SERVICE] else []
        choices = (roles[Role.ARRIVAL], roles[Role.QUEUED], found.stamps, roles[Role.START], ends)
        candidates = next((choice for choice in choices if choice), [])
    remedy = f"add --time COLUMN; the columns are {printable_names(columns)}"
    if len(candidates) != 1:
        if name:
            raise _no_such_time(label, found, name, options, remedy)
        names = printable_names([column.name for column in candidates])
        raise EntroError(
            f"{len(candidates)} columns may be the arrival: {names}"
            if candidates
            else "no column is recognised as the arrival",
            where=label,
            expected="one column such as arrival_time, submitted_at or timestamp, with times in it",
            remedy=remedy,
        )
    time = candidates[0]
    is_offset = time.form is not None and time.form.is_offset and not unit and not unit_of(time.name)
    if is_offset and is_stamp(time.name) and all(cell.lstrip("-").isdigit() for cell in found.cells(time.index)):
        shown = printable_name(time.name)
        raise EntroError(
            f"{shown} counts from the start of the log in whole numbers of an unknown unit",
            where=label,
            expected="a unit",
            remedy=f"add --time {shown}:ms or --time {shown}:s",
        )
    return time


def _with_order(label: str, column: RequestColumn, unit: str, cells: Sequence[str]) -> RequestColumn:
    """Return a column with the order of day and month that `--time` names, if its dates leave that open.

    Raises:
        EntroError: if it names none.
    """
    if column.form is None or column.form.order != UNKNOWN_ORDER:
        return column
    if unit in DATE_ORDERS:
        return replace(column, form=given_format((), unit))
    name = printable_name(column.name)
    raise EntroError(
        f"the column {name} has dates such as {date_shown(cells)}, of which the day or the month may be first",
        where=label,
        expected="a day above 12 in the first rows",
        remedy=f"add --time {name}:dmy or --time {name}:mdy",
    )


def _no_such_time(label: str, found: RequestSample, name: str, options: ReadOptions, remedy: str) -> EntroError:
    if found.columns.count(name) != 1:
        what = (
            f"two columns are called {printable_name(name)}"
            if name in found.columns
            else f"no column is called {printable_name(name)}"
        )
        return EntroError(what, where=label, expected="the column of arrivals", remedy=remedy)
    shown = printable_name(next(iter(found.cells(found.columns.index(name))), "nothing"))
    return EntroError(
        f"the column {printable_name(name)} does not hold times but {masked(shown) if options.redact else shown}",
        where=label,
        expected="ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
        remedy=remedy,
    )


def _others(found: RequestSample, time: RequestColumn) -> tuple[dict[Role, RequestColumn], list[Problem]]:
    """Return the columns of the other roles, and a note on each that was preferred to another."""
    by_role: dict[Role, RequestColumn] = {}
    notes: list[Problem] = []
    for role in [role for role in Role if role is not Role.ARRIVAL]:
        candidates = [column for column in found.by_role[role] if column.index != time.index]
        if not candidates:
            continue
        by_role[role] = candidates[0]
        chosen = printable_name(candidates[0].name)
        notes += [
            Problem(ProblemKind.COLUMN_CHOSEN, detail=(str(role), chosen, printable_name(other.name)))
            for other in candidates[1:]
        ]
    return by_role, notes


def _is_end(found: RequestSample, time: RequestColumn, by_role: dict[Role, RequestColumn]) -> bool:
    """Return whether a time is the end of a request: by its name, or as a logger's stamp beside a length of time."""
    is_stamped = is_stamp(time.name) and time.form is not None and not time.form.is_offset
    is_stamped |= time in found.by_role[Role.FINISH]
    has_moment = any(role in by_role for role in (Role.QUEUED, Role.START, Role.FINISH))
    return is_stamped and not has_moment and (Role.DURATION in by_role or Role.SERVICE in by_role)


def _check_units(label: str, found: RequestSample, columns: RequestColumns) -> list[Problem]:
    """Return a note on each length that is needed, names no unit and is read as seconds.

    Raises:
        EntroError: if its numbers are large for seconds.
    """
    by_role = columns.by_role
    has_ends = Role.FINISH in by_role and not columns.stamps_are_ends
    replaced = {Role.WAIT: Role.START in by_role, Role.SERVICE: has_ends, Role.DURATION: has_ends}
    assumed = [by_role[role] for role in by_role if by_role[role].is_assumed and not replaced[role]]
    for column in assumed:
        shown = printable_name(column.name)
        cells = (cell.replace(",", "." if column.has_commas else "") for cell in found.cells(column.index))
        lengths = [float(cell) for cell in cells if is_number(cell)]
        if lengths and (usual := np.median(lengths)) >= _LONG_S:
            small, large = next(units for least, units in _UNITS_FROM.items() if usual >= least)
            raise EntroError(
                f"{shown} names no unit, and {usual:g} would be a long time in seconds",
                where=label,
                expected="a unit",
                remedy=f"add --time {shown}:{small} or --time {shown}:{large}, or end its name in _{small} or _{large}",
            )
    return [Problem(ProblemKind.UNIT_ASSUMED, detail=(printable_name(column.name),)) for column in assumed]


def _reading(columns: RequestColumns) -> list[Problem]:
    """Return a note on how arrivals and ends follow from lengths of time; none where all of them are columns."""
    by_role = columns.by_role
    length = by_role.get(Role.DURATION) or by_role.get(Role.SERVICE)
    if length is None or (Role.FINISH in by_role and not columns.stamps_are_ends):
        return []
    kind = ProblemKind.STAMP_IS_END if columns.stamps_are_ends else ProblemKind.LENGTH_TAKEN
    unit = f"in {length.unit}" if length.unit else "each with its unit"
    return [Problem(kind, detail=(printable_name(columns.stamp.name), printable_name(length.name), unit))]


def _is_irregular(cells: Sequence[str]) -> bool:
    """Return whether times are those of requests rather than of samples, which are mostly at one distance.

    They are irregular if fewer than 80% of the distances are within 2% of the median.
    """
    numbers = [float(cell) for cell in cells if has_value(cell) and is_number(cell)]
    if len(numbers) > 2:
        between = np.diff(numbers)
    else:
        moments = np.array([_iso_ns(cell) for cell in cells if has_value(cell)], dtype="datetime64[ns]")
        between = np.diff(moments[~np.isnat(moments)]).astype(np.int64).astype(np.float64)
    if len(between) < 2:
        return True
    usual = float(np.median(between))
    return bool(np.mean(np.abs(between - usual) <= 0.02 * abs(usual)) < 0.8)


def _iso_ns(cell: str) -> np.datetime64:
    """Return an ISO 8601 time without its zone; NaT for any other text."""
    wall = _WALL_CLOCK.match(cell)
    try:
        return np.datetime64(f"{wall[1]}T{wall[2]}" if wall else "NaT", "ns")
    except ValueError:
        return np.datetime64("NaT", "ns")
