"""Meaning of a declared pattern's named groups, and the checks of a declaration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from entro_cli.core.console import printable
from entro_cli.core.files import connect_duckdb
from entro_cli.readers.formats import FORMATS
from entro_cli.readers.tables.matched_lines import check_pattern, group_names
from entro_cli.timeseries.observations import Declaration
from entro_engine import EntroError

MAX_PATTERN = 1000
"""Characters of a pattern. A longer one is a mistake, or was made to be slow."""

_MOMENTS = ("arrival", "queued", "start", "end", "time")
"""Groups that hold a time of a request. They are columns that the reader of requests knows by the same names."""

_DETAILS = ("path", "status")
"""Groups by which the reader of requests finds those of monitoring, and those that failed."""

_LENGTHS = {"duration": "duration", "wait": "wait", "service": "service_time"}
"""Groups that hold a length of time, without their unit, and what the reader of requests calls them."""

_LOADS = ("queue", "rate")
_UNITS = ("ns", "us", "ms", "s", "min")
_UNIT = re.compile(rf"(.+?)_(?:{'|'.join(_UNITS)}|per_\w+)")


class LineKind(StrEnum):
    """The kind of thing that a line of a declared format reports."""

    LOADS = "loads"
    REQUEST = "request"
    EVENT = "event"


class Groups(Struct, frozen=True):
    """The named groups of a pattern.

    Attributes:
        kind: the kind of thing that a line reports.
        moments: the groups that hold times.
        others: the other groups that are read: of loads, all of them.
    """

    kind: LineKind
    moments: tuple[str, ...]
    others: tuple[str, ...]


def groups_of(declaration: Declaration) -> Groups:
    """Return the groups of a declaration that has been checked.

    Raises:
        ValueError: if they mean nothing together.
    """
    names = [name for name in group_names(declaration.pattern) if not name.startswith("_")]
    roles = [_role(name) for name in names]
    if len(set(roles)) < len(roles):
        twice = next(name for name, role in zip(names, roles, strict=True) if roles.count(role) > 1)
        raise ValueError(f"two groups are the {_role(twice)}")
    if "event" in roles or "id" in roles:
        return _event_groups(declaration, roles)
    if declaration.arrival or declaration.start or declaration.end:
        raise ValueError("arrival, start and end list texts of the group event, which is missing")
    if {*roles} & {*_LENGTHS, *_MOMENTS[:-1]}:
        return _request_groups(names, roles)
    loads = tuple(name for name in names if name != "time")
    if "time" not in names or not loads:
        raise ValueError(
            "no group time with a group queue, rate or count, no group arrival, and no groups id and event"
        )
    return Groups(LineKind.LOADS, ("time",), loads)


def column_of(name: str, groups: Groups, unit: str) -> str:
    """Return the column of a group: of a length of time with its unit or that of the declaration.

    An end without an arrival is the stamp of a logger, from which the reader of requests goes back.
    """
    role = _role(name)
    if groups.kind is LineKind.REQUEST and groups.moments == (name,) == ("end",):
        return "time"
    if groups.kind is not LineKind.REQUEST or role not in _LENGTHS:
        return name
    suffix = name.removeprefix(role) or (f"_{unit}" if unit else "")
    return _LENGTHS[role] + suffix


def _role(name: str) -> str:
    """Return the name of a group without its unit, if it is one that has a unit: `duration_ms` is `duration`."""
    with_unit = _UNIT.fullmatch(name)
    return with_unit[1] if with_unit and with_unit[1] in {*_LENGTHS, *_LOADS} else name


def _event_groups(declaration: Declaration, roles: Sequence[str]) -> Groups:
    missing = [name for name in ("time", "id", "event") if name not in roles]
    if missing:
        raise ValueError(f"no group {missing[0]}, which an event needs")
    if not declaration.arrival and not declaration.start:
        raise ValueError("nothing says which events are the arrival: list them as arrival, start and end")
    words = [word for words in (declaration.arrival, declaration.start, declaration.end) for word in words]
    if len(set(words)) < len(words):
        raise ValueError("an event means two things")
    return Groups(LineKind.EVENT, ("time",), ("id", "event"))


def _request_groups(names: Sequence[str], roles: Sequence[str]) -> Groups:
    moments = tuple(name for name in names if name in _MOMENTS)
    loads = [name for name, role in zip(names, roles, strict=True) if role in _LOADS]
    if loads:
        raise ValueError(f"the group {loads[0]} is a load, and the others are of a request")
    if "time" in moments and len(moments) > 1:
        raise ValueError("the group time is the end of a request: call it end, or leave it out")
    if not {"arrival", "queued", "start"} & {*moments} and not (moments and {"duration", "service"} & {*roles}):
        raise ValueError("no group arrival, queued or start, and no group time or end with a duration")
    others = tuple(name for name, role in zip(names, roles, strict=True) if role in {*_LENGTHS, *_DETAILS})
    return Groups(LineKind.REQUEST, moments, others)


def check_declaration(declaration: Declaration, where: str) -> None:
    """Check that a format can be read as it is declared.

    Args:
        declaration: the format.
        where: its place in the configuration, for messages.

    Raises:
        EntroError: if it cannot.
    """
    if declaration.name in FORMATS:
        raise EntroError(f"{declaration.name} is the name of a format of entro's", where=where, expected="another name")
    if not declaration.pattern:
        raise EntroError("has no pattern", where=where, expected="pattern = 'a regular expression with named groups'")
    checks = (("pattern", _check_groups), ("time_format", _check_time_format))
    for key, check in checks:
        try:
            check(declaration)
        except ValueError as error:
            raise EntroError(
                f"cannot be used: {printable(str(error))}", where=f"{where}.{key}", expected=_EXPECTED[key]
            ) from error


_EXPECTED = {
    "pattern": "a regular expression of RE2 with groups such as (?P<time>\\S+), without lookaround and back references",
    "time_format": "year, month, day and time, such as %d/%b/%Y:%H:%M:%S %z",
}


def _check_groups(declaration: Declaration) -> None:
    if len(declaration.pattern) > MAX_PATTERN:
        raise ValueError(f"it has more than {MAX_PATTERN:,} characters")
    check_pattern(declaration.pattern)
    groups_of(declaration)


def _check_time_format(declaration: Declaration) -> None:
    """Check that a format of times gives the date: a time that is written with it must be read as the same."""
    if not declaration.time_format:
        return
    import duckdb

    with connect_duckdb() as connection:
        example = "strftime(TIMESTAMPTZ '2001-02-13 04:05:06+00', $form)"
        query = f"SELECT coalesce(CAST(try_strptime({example}, $form) AS DATE) = DATE '2001-02-13', false)"
        try:
            (is_whole,) = connection.execute(query, {"form": declaration.time_format}).fetchall()[0]
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0].partition(": ")[2]) from error
    if not is_whole:
        raise ValueError("it does not give the date")
