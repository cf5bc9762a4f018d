"""Roles of the columns of a table of requests, by their names: arrival, start, finish, and lengths of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.problems import masked
from entro_cli.readers.tables.column_names import is_number, meaning, names_time, tokens
from entro_cli.readers.tables.schema import printable_name, printable_names
from entro_cli.readers.timestamps import TimestampFormat, timestamp_format
from entro_cli.timeseries.observations import ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError


class Role(StrEnum):
    """Role of a column: a time of a request, or a length of time."""

    ARRIVAL = "arrival"
    QUEUED = "queued"
    START = "start"
    FINISH = "finish"
    WAIT = "wait"
    """From the arrival to the start."""
    SERVICE = "service"
    """From the start to the finish."""
    DURATION = "duration"
    """From the arrival to the finish."""


LENGTHS = frozenset({Role.WAIT, Role.SERVICE, Role.DURATION})
"""Roles that are lengths of time; the others are times."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


_BY_NAME = {  # without the words that only mean a time; the most specific first
    Role.ARRIVAL: _names("arrival, arrived, submitted, submit, submission, created, creation, received, sent, request"),
    Role.QUEUED: _names("queued, enqueued"),
    Role.START: _names("scheduled, started, start, dequeued, dispatched, processing start, execution start, began"),
    Role.FINISH: _names(
        "finished, finish, completed, completion, complete, done, ended, end, last token, stopped, closed"
    ),
}
_LENGTHS_BY_NAME = {  # without their unit
    Role.WAIT: _names("queue time, queue duration, queue latency, queueing time, wait time, waiting time, wait"),
    Role.SERVICE: _names("processing time, service time, execution time, inference time, run time, runtime"),
    Role.DURATION: _names(
        "duration, latency, elapsed, elapsed time, e2e latency, e2e time, end to end latency, total latency, "
        "total duration, total time, request latency, request duration, response time"
    ),
}
_WALL_CLOCK = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)", re.ASCII)
_TIME_WORDS = frozenset({"at", "time", "ts", "timestamp", "date", "datetime", "utc", "unix", "epoch"})
_UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": NS, "sec": NS, "secs": NS, "seconds": NS, "min": 60 * NS}
_REQUEST_WORDS = frozenset(
    _names(
        "request, requests, req, id, uuid, token, tokens, toks, prompt, completion, input, output, url, path, "
        "endpoint, method, status, user, session, model"
    )
)
_LOAD_WORDS = frozenset({"value", "load", "count", "requests", "total", "mean", "avg", "average", "max", "p50", "p95"})


@dataclass(frozen=True)
class RequestColumn:
    """A column of a table of requests.

    Attributes:
        index: its index.
        name: its name.
        unit_ns: unit of a length, nanoseconds.
        form: format of times; None for a length.
    """

    index: int
    name: str
    unit_ns: int = NS
    form: TimestampFormat | None = None


@dataclass(frozen=True)
class RequestColumns:
    """Columns from which the arrival, start and finish of each request follow.

    Attributes:
        by_role: one column per role; the arrival has one always.
        notes: warnings about choices that may be wrong.
    """

    by_role: dict[Role, RequestColumn]
    notes: tuple[Problem, ...] = ()


def request_columns(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> RequestColumns:
    """Return the columns of a table of requests.

    Args:
        label: the file, for messages.
        columns: names of its columns.
        sample: cells of its first rows.
        options: how it is read; `--time` names the arrival.

    Raises:
        EntroError: if the arrival is not clear; it shows the columns and the option to add.
    """
    found = {role: _columns_for(role, columns, sample) for role in Role}
    arrival = _arrival(label, columns, sample, found, options)
    by_role = {Role.ARRIVAL: arrival}
    notes: list[Problem] = []
    for role in [role for role in Role if role is not Role.ARRIVAL]:
        candidates = [column for column in found[role] if column.index != arrival.index]
        if not candidates:
            continue
        by_role[role] = candidates[0]
        chosen = printable_name(candidates[0].name)
        notes += [
            Problem(ProblemKind.COLUMN_CHOSEN, detail=(str(role), chosen, printable_name(other.name)))
            for other in candidates[1:]
        ]
        if role in LENGTHS and not _has_unit(candidates[0].name):
            notes.append(Problem(ProblemKind.UNIT_ASSUMED, detail=(chosen,)))
    return RequestColumns(by_role, tuple(notes))


def looks_like_requests(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Return whether a table has one row per request, by its columns and first rows.

    Its columns must name an arrival, and a start, a finish or a length of time. Or they name a time, which is
    irregular, and something that only a request has, such as tokens or an id. A table with a column of loads does not
    count.

    Args:
        columns: names of its columns.
        sample: cells of its first rows.
    """
    found = {role: _columns_for(role, columns, sample) for role in Role}
    moments = {column.index for role in Role for column in found[role]}
    words = [set(tokens(name)) for name in columns]
    loads = any(meaning(name) is not None for index, name in enumerate(columns) if index not in moments)
    if loads or any(len(name) == 1 and name & _LOAD_WORDS for name in words):
        return False
    begins = found[Role.ARRIVAL] or found[Role.QUEUED] or found[Role.START]
    times = _plain_times(columns, sample)
    ends = found[Role.FINISH] or found[Role.DURATION] or found[Role.SERVICE] or found[Role.WAIT]
    if begins and (ends or (found[Role.START] and (found[Role.ARRIVAL] or found[Role.QUEUED]))):
        return True
    arrival = (found[Role.ARRIVAL] or found[Role.QUEUED] or times)[:1]
    if not arrival:
        return False
    names_request = any(name & _REQUEST_WORDS for index, name in enumerate(words) if index != arrival[0].index)
    has_end = times and (found[Role.FINISH] or found[Role.START])
    return bool(has_end) or (names_request and _is_irregular([row[arrival[0].index] for row in sample]))


def _arrival(
    label: str,
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    found: dict[Role, list[RequestColumn]],
    options: ReadOptions,
) -> RequestColumn:
    """Return the column of arrivals: the one that the user named, or one by its name, or that of the starts.

    Raises:
        EntroError: if there is not exactly one.
    """
    if options.time_column is not None:
        indices = [index for index, name in enumerate(columns) if name == options.time_column]
        candidates = [column for index in indices if (column := _moment(index, columns, sample))]
    else:
        choices = (found[Role.ARRIVAL], found[Role.QUEUED], _plain_times(columns, sample), found[Role.START])
        candidates = next((choice for choice in choices if choice), [])
    if len(candidates) == 1:
        return candidates[0]
    remedy = f"add --time COLUMN; the columns are {printable_names(columns)}"
    if options.time_column is not None:
        raise _no_such_arrival(label, columns, sample, options, remedy)
    names = printable_names([column.name for column in candidates])
    raise EntroError(
        f"{len(candidates)} columns may be the arrival: {names}"
        if candidates
        else "no column is recognised as the arrival",
        where=label,
        expected="one column such as arrival_time, submitted_at or timestamp, with times in it",
        remedy=remedy,
    )


def _no_such_arrival(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions, remedy: str
) -> EntroError:
    name = options.time_column or ""
    if columns.count(name) != 1:
        found = (
            f"two columns are called {printable_name(name)}"
            if name in columns
            else f"no column is called {printable_name(name)}"
        )
        return EntroError(found, where=label, expected="the column of arrivals", remedy=remedy)
    cells = [row[columns.index(name)] for row in sample]
    shown = next((printable_name(cell) for cell in cells if cell.strip()), "nothing")
    return EntroError(
        f"the column {printable_name(name)} does not hold times but {masked(shown) if options.redact else shown}",
        where=label,
        expected="ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
        remedy=remedy,
    )


def _columns_for(role: Role, columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[RequestColumn]:
    """Return the columns that may have a role, the most specific names first."""
    names = (_LENGTHS_BY_NAME if role in LENGTHS else _BY_NAME)[role]
    base = _without_unit if role in LENGTHS else _without_time
    bases = [base(tokens(name)) for name in columns]
    indices = [index for name in names for index, base_name in enumerate(bases) if base_name == name]
    read = _length if role in LENGTHS else _moment
    return [column for index in indices if (column := read(index, columns, sample))]


def _without_time(words: list[str]) -> str:
    """Return a name without the words that only mean a time of a request: `request_start_time_ms` is `start`."""
    while len(words) > 1 and words[-1] in _TIME_WORDS | _UNITS_NS.keys():
        words = words[:-1]
    return " ".join(words[1:] if len(words) > 1 and words[0] in {"request", "req"} else words)


def _without_unit(words: list[str]) -> str:
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNITS_NS else words)


def _has_unit(name: str) -> bool:
    return tokens(name)[-1] in _UNITS_NS


def _plain_times(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[RequestColumn]:
    """Return the columns that have the name of a time in any table."""
    indices = (index for index, name in enumerate(columns) if names_time(name))
    return [column for index in indices if (column := _moment(index, columns, sample))]


def _moment(index: int, columns: Sequence[str], sample: Sequence[Sequence[str]]) -> RequestColumn | None:
    words = tokens(columns[index])
    unit = _UNITS_NS.get(words[-1], NS) if words else NS
    cells = [cell for row in sample if _has_value(cell := row[index])]
    form = timestamp_format(cells, unit)
    return RequestColumn(index, columns[index], form=form) if form else None


def _length(index: int, columns: Sequence[str], sample: Sequence[Sequence[str]]) -> RequestColumn | None:
    cells = [cell for row in sample if _has_value(cell := row[index])]
    if 2 * sum(1 for cell in cells if is_number(cell)) <= len(cells):
        return None
    return RequestColumn(index, columns[index], _UNITS_NS.get(tokens(columns[index])[-1], NS))


def _has_value(cell: str) -> bool:
    return cell.strip().lower() not in {"", "nan", "null", "none", "nat"}


def _is_irregular(cells: Sequence[str]) -> bool:
    """Return whether times are those of requests rather than of samples, which are mostly at one distance.

    They are irregular if fewer than 80% of the distances are within 2% of the median.
    """
    numbers = [float(cell) for cell in cells if _has_value(cell) and is_number(cell)]
    if len(numbers) > 2:
        between = np.diff(numbers)
    else:
        moments = np.array([_iso_ns(cell) for cell in cells if _has_value(cell)], dtype="datetime64[ns]")
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
