"""What the columns of a table of requests are, by their names: when each came, started and finished."""

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
    """What a column says of a request."""

    ARRIVAL = "arrival"
    QUEUED = "queued"
    START = "start"
    FINISH = "finish"
    WAIT = "wait"
    """How long from the arrival to the start."""
    SERVICE = "service"
    """How long from the start to the finish."""
    DURATION = "duration"
    """How long from the arrival to the finish."""


LENGTHS = frozenset({Role.WAIT, Role.SERVICE, Role.DURATION})
"""The roles that are lengths of time; the others are moments."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


_BY_NAME = {  # without the words that only say that it is a time; the likelier ones first
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
        index: where it stands.
        name: what it is called.
        unit_ns: of a length, what one unit of it is, nanoseconds.
        form: of a moment, the form of its times; None for a length.
    """

    index: int
    name: str
    unit_ns: int = NS
    form: TimestampFormat | None = None


@dataclass(frozen=True)
class RequestColumns:
    """The columns that say when each request came, started and finished.

    Attributes:
        by_role: one a role; that of the arrival is there.
        notes: what was decided that may be otherwise.
    """

    by_role: dict[Role, RequestColumn]
    notes: tuple[Problem, ...] = ()


def request_columns(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> RequestColumns:
    """The columns of a table of requests.

    Args:
        label: the file, for messages.
        columns: the names of its columns.
        sample: the cells of its first rows.
        options: what the user said; `--time` names the arrival.

    Raises:
        EntroError: when the arrival is not plain; it shows the columns and the option to add.
    """
    found = {role: _columns_for(role, columns, sample) for role in Role}
    arrival = _arrival(label, columns, sample, found, options)
    by_role = {Role.ARRIVAL: arrival}
    notes: list[Problem] = []
    for role in [role for role in Role if role is not Role.ARRIVAL]:
        others = [column for column in found[role] if column.index != arrival.index]
        if not others:
            continue
        by_role[role] = others[0]
        chosen = printable_name(others[0].name)
        notes += [
            Problem(ProblemKind.COLUMN_CHOSEN, detail=(str(role), chosen, printable_name(other.name)))
            for other in others[1:]
        ]
        if role in LENGTHS and not _has_unit(others[0].name):
            notes.append(Problem(ProblemKind.UNIT_ASSUMED, detail=(chosen,)))
    return RequestColumns(by_role, tuple(notes))


def looks_like_requests(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Whether a table has a row a request, by its columns and its first rows.

    It has when it says of each row when it came and when it started, finished or how long it took; or when it came, at
    irregular times, with something that only a request has, such as tokens or an id. A table with a column of loads
    has none.

    Args:
        columns: the names of its columns.
        sample: the cells of its first rows.
    """
    found = {role: _columns_for(role, columns, sample) for role in Role}
    moments = {column.index for role in Role for column in found[role]}
    words = [set(tokens(name)) for name in columns]
    loads = any(meaning(name) is not None for index, name in enumerate(columns) if index not in moments)
    if loads or any(len(own) == 1 and own & _LOAD_WORDS for own in words):
        return False
    sure = found[Role.ARRIVAL] or found[Role.QUEUED] or found[Role.START]
    plain = _plain_times(columns, sample)
    ends = found[Role.FINISH] or found[Role.DURATION] or found[Role.SERVICE] or found[Role.WAIT]
    if sure and (ends or (found[Role.START] and (found[Role.ARRIVAL] or found[Role.QUEUED]))):
        return True
    came = (found[Role.ARRIVAL] or found[Role.QUEUED] or plain)[:1]
    others = [own for index, own in enumerate(words) if not came or index != came[0].index]
    of_requests = any(own & _REQUEST_WORDS for own in others)
    moment_ends = plain and (found[Role.FINISH] or found[Role.START])
    return bool(came) and (bool(moment_ends) or (of_requests and _is_irregular([row[came[0].index] for row in sample])))


def _arrival(
    label: str,
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    found: dict[Role, list[RequestColumn]],
    options: ReadOptions,
) -> RequestColumn:
    """The column that says when a request came: the one named, else by its name, else when it started."""
    if options.time_column is not None:
        indices = [index for index, name in enumerate(columns) if name == options.time_column]
        candidates = [column for index in indices if (column := _moment(index, columns, sample))]
    else:
        ways = (found[Role.ARRIVAL], found[Role.QUEUED], _plain_times(columns, sample), found[Role.START])
        candidates = next((way for way in ways if way), [])
    if len(candidates) == 1:
        return candidates[0]
    remedy = f"add --time COLUMN; the columns are {printable_names(columns)}"
    if options.time_column is not None:
        raise _no_such_arrival(label, columns, sample, options, remedy)
    names = printable_names([column.name for column in candidates])
    raise EntroError(
        f"{len(candidates)} columns may be the arrival: {names}"
        if candidates
        else "no column says when a request came",
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
        return EntroError(found, where=label, expected="the one that says when a request came", remedy=remedy)
    cells = [row[columns.index(name)] for row in sample]
    shown = next((printable_name(cell) for cell in cells if cell.strip()), "nothing")
    return EntroError(
        f"the column {printable_name(name)} does not hold times but {masked(shown) if options.redact else shown}",
        where=label,
        expected="ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
        remedy=remedy,
    )


def _columns_for(role: Role, columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[RequestColumn]:
    """The columns that may be in a role, the likelier ones first."""
    names = (_LENGTHS_BY_NAME if role in LENGTHS else _BY_NAME)[role]
    base = _without_unit if role in LENGTHS else _without_time
    bases = [base(tokens(name)) for name in columns]
    indices = [index for name in names for index, own in enumerate(bases) if own == name]
    read = _length if role in LENGTHS else _moment
    return [column for index in indices if (column := read(index, columns, sample))]


def _without_time(words: list[str]) -> str:
    """A moment's name without the words that only say that it is one: `request_start_time_ms` is `start`."""
    while len(words) > 1 and words[-1] in _TIME_WORDS | _UNITS_NS.keys():
        words = words[:-1]
    return " ".join(words[1:] if len(words) > 1 and words[0] in {"request", "req"} else words)


def _without_unit(words: list[str]) -> str:
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNITS_NS else words)


def _has_unit(name: str) -> bool:
    return tokens(name)[-1] in _UNITS_NS


def _plain_times(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[RequestColumn]:
    """The columns that are called like the time of any table."""
    named_so = (index for index, name in enumerate(columns) if names_time(name))
    return [column for index in named_so if (column := _moment(index, columns, sample))]


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
    """Whether times come as requests do and not as samples: most are not the same distance from the one before."""
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
    """An ISO 8601 time, its zone left aside; NaT for what is none."""
    wall = _WALL_CLOCK.match(cell)
    try:
        return np.datetime64(f"{wall[1]}T{wall[2]}" if wall else "NaT", "ns")
    except ValueError:
        return np.datetime64("NaT", "ns")
