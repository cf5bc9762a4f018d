"""Columns of a log of requests: which hold the arrivals, ends and lengths of time, and in which unit."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
from msgspec.structs import replace

from entro_cli.readers.problems import masked
from entro_cli.readers.requests.names import LENGTHS, Role, is_stamp, paths_of, spelt, unit_of
from entro_cli.readers.requests.sample import RequestColumn, RequestColumns, RequestSample, has_value
from entro_cli.readers.tables.column_names import is_number, meaning, tokens
from entro_cli.readers.tables.schema import are_words, given_time, printable_name, printable_names
from entro_cli.readers.timestamps import DATE_ORDERS, UNKNOWN_ORDER, date_shown, given_format
from entro_cli.timeseries.observations import ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

_REQUEST_WORDS = frozenset(
    {"request", "requests", "req", "id", "uuid", "token", "tokens", "toks", "prompt", "completion", "input", "output"}
    | {"url", "path", "endpoint", "method", "status", "user", "session", "model"}
)
_LOGGER_WORDS = frozenset({"level", "levelname", "severity", "logger"})
_LOAD_WORDS = frozenset({"value", "load", "count", "requests", "total", "mean", "avg", "average", "max"})
_STATISTIC = re.compile(r"\d+(?:\.\d+)?\s*%|p\d\d+|.*percentile.*|.*requests? count", re.IGNORECASE)
_IDS = frozenset({"id", "request id", "req id", "job id", "task id", "message id", "jid", "uuid"})
_EVENTS = frozenset({"event", "event type", "type", "action", "phase", "status", "state", "msg", "message"})
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
    return _ColumnChoice(label, columns, sample, options).choose()


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
    if _has_loads(found):
        return False
    arrivals = roles[Role.ARRIVAL] or roles[Role.QUEUED]
    ends = roles[Role.FINISH] or found.lengths or roles[Role.WAIT]
    if (arrivals or roles[Role.START]) and (ends or (roles[Role.START] and arrivals)):
        return True
    arrival = next(iter(arrivals or times), None)
    if arrival is None:
        return bool(roles[Role.FINISH] and found.lengths)
    if (times and (roles[Role.FINISH] or roles[Role.START])) or (found.status is not None and found.lengths):
        return True
    words = [set(tokens(name)) for index, name in enumerate(columns) if index != arrival.index]
    names_request = any(name & _REQUEST_WORDS for name in words) or any(not one.unit for one in roles[Role.DURATION])
    is_message = any(name & _LOGGER_WORDS for name in words) and not any("method" in name for name in words)
    names_request &= bool(ends) or found.status is not None or not is_message
    return names_request and _is_irregular([row[arrival.index] for row in sample])


def _has_loads(found: RequestSample) -> bool:
    """Return whether a column is named like a load or a statistic, and has no times or lengths."""
    moments = {column.index for columns in found.by_role.values() for column in columns}
    return any(
        (index not in moments and meaning(name) is not None)
        or (len(tokens(name)) == 1 and {*tokens(name)} & _LOAD_WORDS)
        or _STATISTIC.fullmatch(name.strip().replace("_", " "))
        for index, name in enumerate(found.columns)
    )


class _ColumnChoice(RequestSample):
    """The choice of the columns that have a role, by the first rows of a log and what the user named."""

    def __init__(self, label: str, columns: Sequence[str], rows: Sequence[Sequence[str]], options: ReadOptions) -> None:
        super().__init__(columns, rows)
        self._label, self._is_redacted, time = label, options.redact, options.time_column
        self._is_arrival = time is not None and time not in columns and time.endswith(f":{Role.ARRIVAL}")
        name, self._unit = given_time(columns, time.removesuffix(f":{Role.ARRIVAL}") if time else None)
        self._name = name or ""
        self._remedy = f"add --time COLUMN; the columns are {printable_names(columns)}"

    def choose(self) -> tuple[RequestColumns, tuple[Problem, ...]]:
        """Return the columns, and notes on them; see `request_columns`."""
        self._give_unit()
        time = self._time()
        by_role, notes = self._others(time)
        if is_stamp(time.name) and self._is_repeated(time, by_role.get(Role.START)):
            del by_role[Role.START]
        is_arrival = self._is_arrival or (self.dialect is not None and self.dialect.arrival == spelt(time.name))
        if not is_arrival and self._is_end(time, by_role):
            by_role = {Role.FINISH: time, **{role: by_role[role] for role in LENGTHS if role in by_role}}
        else:
            by_role = {Role.ARRIVAL: time, **by_role}
        rows = self.dialect.rows if self.dialect else ("", "")
        chosen = RequestColumns(
            {role: self._with_order(column) for role, column in by_role.items()},
            paths=tuple(paths_of(self.columns)),
            status=self.status,
            access=self.access,
            only=(self.columns.index(rows[0]), rows[1]) if rows[0] in self.columns else None,
        )
        if not chosen.has_finishes:
            self._check_events()
        return chosen, (*_reading(chosen), *notes, *self._check_units(chosen))

    def _unclear(self, found: str, expected: str, remedy: str) -> EntroError:
        return EntroError(found, where=self._label, expected=expected, remedy=remedy)

    def _give_unit(self) -> None:
        """Let a column of lengths have the unit that the user named for it; it is not the time then."""
        lengths = {role: [one for one in self.by_role[role] if one.name == self._name] for role in LENGTHS}
        if self._unit and any(lengths.values()):
            self.by_role.update(
                {
                    role: [replace(one, unit=self._unit, is_assumed=False) for one in found]
                    for role, found in lengths.items()
                    if found
                }
            )
            self._name = ""

    def _time(self) -> RequestColumn:
        """Return the column of the time: the one that the user named, or an arrival, a stamp, or the starts.

        Raises:
            EntroError: if there is not exactly one, or if it counts from the start in a unit that nothing names.
        """
        roles = self.by_role
        if self._name:
            indices = [index for index, column in enumerate(self.columns) if column == self._name]
            candidates = [column for index in indices if (column := self.moment(index, self._unit))]
        else:
            ends = roles[Role.FINISH] if self.lengths else []
            stamps = [] if self._is_logged_later() else self.stamps
            choices = (roles[Role.ARRIVAL], roles[Role.QUEUED], stamps, roles[Role.START], ends)
            candidates = next((choice for choice in choices if choice), [])
        if len(candidates) != 1:
            raise self._no_such_time() if self._name else self._no_arrival(candidates)
        time = candidates[0]
        is_offset = time.form is not None and time.form.is_offset and not self._unit and not unit_of(time.name)
        if is_offset and is_stamp(time.name) and all(cell.lstrip("-").isdigit() for cell in self.cells(time.index)):
            shown = printable_name(time.name)
            raise self._unclear(
                f"{shown} counts from the start of the log in whole numbers of an unknown unit",
                "a unit",
                f"add --time {shown}:ms or --time {shown}:s",
            )
        return time

    def _is_logged_later(self) -> bool:
        """Return whether a logger's stamp is mostly after the starts, or not before the ends of requests with lengths.

        Such a stamp is no arrival. Stamps in whole seconds may equal a start.
        """
        starts, ends = self.by_role[Role.START], self.by_role[Role.FINISH]
        others = (starts if ends or self.lengths else []) or (ends if self.lengths else [])
        if len(self.stamps) != 1 or not others or others[0].form != self.stamps[0].form:
            return False
        stamp, other = self.stamps[0], others[0]
        pairs = [(_moment_s(row[stamp.index]), _moment_s(row[other.index])) for row in self.rows]
        later = [one > two or (one == two and not starts) for one, two in pairs if one is not None and two is not None]
        return 2 * sum(later) > len(later)

    def _is_repeated(self, stamp: RequestColumn, start: RequestColumn | None) -> bool:
        """Return whether a stamp is the start of each request, so that nothing shows how long they waited before."""
        if start is None:
            return False
        pairs = [(_moment_s(row[stamp.index]), _moment_s(row[start.index])) for row in self.rows]
        return len(pairs) > 1 and all(one is not None and one == two for one, two in pairs)

    def _check_events(self) -> None:
        """Check that rows are requests, where nothing says when these end, rather than their starts and ends.

        Raises:
            EntroError: if rows with one id have several events.
        """
        names = [spelt(name) for name in self.columns]
        ids = [index for index, name in enumerate(names) if name in _IDS][:1]
        events = [index for index, name in enumerate(names) if name in _EVENTS and are_words(self.cells(index))]
        for index, event in itertools.product(ids, events):
            found: dict[str, set[str]] = {}
            for row in self.rows:
                found.setdefault(row[index], set()).add(row[event])
            several = sum(len(each) > 1 for key, each in found.items() if has_value(key))
            if several > 1 and 5 * several > len(found):
                shown = printable_name(self.columns[index]), printable_name(self.columns[event])
                raise self._unclear(
                    "rows with one {} differ in {}: each is an event of a request".format(*shown),
                    "one row per request",
                    "describe the events as a format of your own, [formats.NAME] in entro.toml",
                )

    def _no_arrival(self, candidates: Sequence[RequestColumn]) -> EntroError:
        names = printable_names([column.name for column in candidates])
        several = f"{len(candidates)} columns may be the arrival: {names}"
        return self._unclear(
            several if candidates else "no column is recognised as the arrival",
            "one column such as arrival_time, submitted_at or timestamp, with times in it",
            self._remedy,
        )

    def _no_such_time(self) -> EntroError:
        name, number = printable_name(self._name), self.columns.count(self._name)
        if number != 1:
            found = f"two columns are called {name}" if number else f"no column is called {name}"
            return self._unclear(found, "the column of arrivals", self._remedy)
        shown = printable_name(next(iter(self.cells(self.columns.index(self._name))), "nothing"))
        return self._unclear(
            f"the column {name} does not hold times but {masked(shown) if self._is_redacted else shown}",
            "ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
            self._remedy,
        )

    def _with_order(self, column: RequestColumn) -> RequestColumn:
        """Return a column with the order of day and month that `--time` names, if its dates leave that open.

        Raises:
            EntroError: if it names none.
        """
        if column.form is None or column.form.order != UNKNOWN_ORDER:
            return column
        if self._unit in DATE_ORDERS:
            return replace(column, form=given_format((), self._unit))
        name, date = printable_name(column.name), date_shown(self.cells(column.index))
        raise self._unclear(
            f"the column {name} has dates such as {date}, of which the day or the month may be first",
            "a day above 12 in the first rows",
            f"add --time {name}:dmy or --time {name}:mdy",
        )

    def _others(self, time: RequestColumn) -> tuple[dict[Role, RequestColumn], list[Problem]]:
        """Return the columns of the other roles, and a note on each that was preferred to another."""
        by_role: dict[Role, RequestColumn] = {}
        notes: list[Problem] = []
        for role in [role for role in Role if role is not Role.ARRIVAL]:
            candidates = [column for column in self.by_role[role] if column.index != time.index]
            names = [printable_name(column.name) for column in candidates]
            if candidates:
                by_role[role] = candidates[0]
            notes += [Problem(ProblemKind.COLUMN_CHOSEN, detail=(str(role), names[0], other)) for other in names[1:]]
        return by_role, notes

    def _is_end(self, time: RequestColumn, by_role: Mapping[Role, RequestColumn]) -> bool:
        """Return whether a time is the end of a request: by its name, or as a logger's stamp beside a length."""
        is_stamped = is_stamp(time.name) and time.form is not None and not time.form.is_offset
        is_stamped |= time in self.by_role[Role.FINISH]
        has_moment = any(role in by_role for role in (Role.QUEUED, Role.START, Role.FINISH))
        return is_stamped and not has_moment and (Role.DURATION in by_role or Role.SERVICE in by_role)

    def _check_units(self, columns: RequestColumns) -> list[Problem]:
        """Return a note on each length that is needed, names no unit and is read as seconds.

        Raises:
            EntroError: if its numbers are large for seconds.
        """
        by_role = columns.by_role
        has_ends = Role.FINISH in by_role and not columns.stamps_are_ends
        replaced = {Role.WAIT: Role.START in by_role, Role.SERVICE: has_ends, Role.DURATION: has_ends}
        assumed = [column for role, column in by_role.items() if column.is_assumed and not replaced[role]]
        for column in assumed:
            shown = printable_name(column.name)
            cells = (cell.replace(",", "." if column.has_commas else "") for cell in self.cells(column.index))
            lengths = [float(cell) for cell in cells if is_number(cell)]
            if lengths and (usual := np.median(lengths)) >= _LONG_S:
                small, large = next(units for least, units in _UNITS_FROM.items() if usual >= least)
                raise self._unclear(
                    f"{shown} names no unit, and {usual:g} would be a long time in seconds",
                    "a unit",
                    f"add --time {shown}:{small} or --time {shown}:{large}, or end its name in _{small} or _{large}",
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
    between = np.diff([moment for cell in cells if (moment := _moment_s(cell)) is not None])
    if len(between) < 2:
        return True
    usual = float(np.median(between))
    return bool(np.mean(np.abs(between - usual) <= 0.02 * abs(usual)) < 0.8)


def _moment_s(cell: str) -> float | None:
    """Return a number, or the seconds of an ISO 8601 time without its zone; None for any other text."""
    if is_number(cell) and has_value(cell):
        return float(cell)
    with suppress(ValueError):
        return datetime.fromisoformat(cell.strip()).replace(tzinfo=UTC).timestamp()
    return None
