"""Rules: what the value of a key must be, and what is made of it."""

from __future__ import annotations

import math
import re
import reprlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date
from glob import escape
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from entro_cli.analysis.error_budget import parse_target
from entro_cli.core.clock import NS, clock_shift, duration_ns, moment_ns, zone_of
from entro_cli.core.console import printable
from entro_cli.core.urls import is_url
from entro_cli.timeseries.maintenance import EXPECTED as WINDOWS_EXPECTED
from entro_cli.timeseries.maintenance import parse_maintenance
from entro_engine import EntroError, Kind

_LONGEST_S = 1e9


@dataclass(frozen=True)
class KeyPosition:
    """Where a value stands.

    Attributes:
        where: the key and its file, the variable or the option, for messages.
        folder: what its relative paths are relative to.
        is_text: whether it is text that stands for a number or a truth, as in the environment.
    """

    where: str
    folder: Path
    is_text: bool = False


@dataclass(frozen=True)
class Rule:
    """What a value must be.

    Attributes:
        type: what msgspec holds it to.
        expected: the same in words, for messages.
        make: what is made of a value of that type; a ValueError or OverflowError says that it is out of its domain.
    """

    type: Any
    expected: str
    make: Callable[[Any, KeyPosition], Any] = lambda value, at: value

    @property
    def is_single(self) -> bool:
        """Whether it is one value, not a list: what a variable of the environment can hold."""
        return "list[" not in str(self.type)

    def apply(self, value: object, at: KeyPosition, secret: bool = False) -> Any:
        """The value as the settings have it.

        Args:
            value: as it was written.
            at: where it stands.
            secret: keep it out of messages.

        Raises:
            EntroError: when it is of another type, or out of its domain.
        """
        try:
            return self.make(msgspec.convert(value, self.type, strict=not at.is_text), at)
        except (ValueError, OverflowError) as error:  # msgspec's own error is a ValueError, too
            found = "cannot be used" if secret else f"is {_shown(value)}"
            raise EntroError(found, where=at.where, expected=self.expected) from error


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    try:
        return printable(reprlib.repr(value))
    except ValueError:  # Python writes out no number of thousands of digits
        return "too large"


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _finite(value: float, at: KeyPosition) -> float:
    _require(math.isfinite(value))
    return value


def _text(value: str, at: KeyPosition) -> str:
    _require(bool(value.strip()) and "\0" not in value)
    return value


def _word(value: str, at: KeyPosition) -> str:
    _require(bool(value) and value.isprintable() and not any(char.isspace() for char in value))
    return value


def _path(value: str, at: KeyPosition) -> Path:
    path = Path(_text(value, at))
    return at.folder / (path.expanduser() if path.parts[:1] == ("~",) else path)


def _place(value: str, at: KeyPosition) -> Path | str:
    if not is_url(value):
        return _path(value, at)
    url = _text(value, at).rstrip("/")
    _require(is_url(url))  # it names something
    return url


def _zone(value: str, at: KeyPosition) -> str:
    zone_of(value, at.where)
    return value


def _length(value: str, at: KeyPosition) -> str:
    duration_ns(value, at.where)
    return value


def _seconds(value: str, at: KeyPosition) -> float:
    return duration_ns(value, at.where) / NS


def _seconds_or_none(value: str, at: KeyPosition) -> float:
    return 0.0 if re.fullmatch(r"0+(ms|s|min|m|h|d|w)?", value.strip()) else _seconds(value, at)


def _wait(value: str | float, at: KeyPosition) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return _seconds(str(value), at)
    _require(0 < seconds <= _LONGEST_S)
    return seconds


def _moment(value: object, at: KeyPosition) -> str:
    _require(isinstance(value, str | date))  # TOML has dates of its own; a datetime is one, too
    text = value.isoformat() if isinstance(value, date) else str(value)
    moment_ns(text, UTC, at.where)
    return text


def _texts(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    return tuple(_text(value, at) for value in values)


def _address(value: str, at: KeyPosition) -> str:
    name, _, host = _word(value, at).rpartition("@")
    _require(bool(name and host))
    return value


def _patterns(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    def placed(value: str) -> str:
        _require(value != "-")
        if is_url(value):
            return _text(value, at)
        path = Path(_text(value, at))
        path = path.expanduser() if path.parts[:1] == ("~",) else path
        plain = at.folder / path
        # A folder of the file's own may be called like a pattern; what the user wrote may be meant as one.
        return str(plain if path.is_absolute() or plain.exists() else Path(escape(str(at.folder))) / path)

    return tuple(placed(value) for value in values)


def _shifts(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    for value in values:
        clock_shift(value, at.where)
    return tuple(values)


def _windows(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    parse_maintenance(values, UTC, at.where)
    return tuple(values)


def _command(value: str | list[str], at: KeyPosition) -> tuple[str, ...]:
    words = shlex.split(value) if isinstance(value, str) else value
    _require(bool(words) and bool(words[0].strip()) and not any("\0" in word for word in words))
    return tuple(words)


def _web_address(value: str, at: KeyPosition) -> str:
    parts = urlsplit(_word(value, at))
    _require(parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0)
    return value


def _one_of(*names: str) -> Rule:
    def known(value: str, at: KeyPosition) -> str:
        _require(value in names)
        return value

    return Rule(str, f"one of {', '.join(names)}", known)


_Above0 = Annotated[float, msgspec.Meta(gt=0)]

POSITIVE = Rule(_Above0, "a number above 0", _finite)
FRACTION = Rule(Annotated[float, msgspec.Meta(gt=0, le=1)], "a number above 0 and at most 1")
BOOLEAN = Rule(bool, "true or false")
PORT = Rule(Annotated[int, msgspec.Meta(ge=1, le=65535)], "a whole number from 1 to 65535")
YEAR = Rule(Annotated[int, msgspec.Meta(ge=1970, le=9998)], "a year, such as 2026")
TEXT = Rule(str, "a text that is not empty", _text)
WORD = Rule(str, "a text without spaces", _word)
PATH = Rule(str, "a path", _path)
PATH_OR_URL = Rule(str, "a path or a URL", _place)
ZONE = Rule(str, "the name of a time zone, such as UTC or Europe/Berlin", _zone)
STEP_LENGTH = Rule(str, 'a duration such as "10s"', _length)
DURATION = Rule(str, 'a duration such as "2h" or "400d"', _seconds)
DURATION_OR_NONE = Rule(str, 'a duration such as "5min", or "0s"', _seconds_or_none)
WAIT = Rule(str | float, 'a duration such as "8s", or seconds as a number, above 0', _wait)
SHARE = Rule(str | float, 'a share such as "99%" or 0.99', lambda value, at: parse_target(str(value), at.where))
MOMENT = Rule(object, "a date or a time, such as 2026-04-06T12:30:00Z", _moment)
KIND = Rule(Kind, f"one of {', '.join(Kind)}")
SECURITY = _one_of("none", "starttls", "tls")
ADDRESS = Rule(str, "a mail address", _address)
WEB_ADDRESS = Rule(str, "a web address that begins with https:// or http://", _web_address)
TEXTS = Rule(list[str], "texts in brackets, none of them empty", _texts)
ADDRESSES = Rule(
    list[str], "mail addresses in brackets", lambda values, at: tuple(_address(value, at) for value in values)
)
PATTERNS = Rule(list[str], "files, folders, patterns or URLs in brackets", _patterns)
WINDOWS = Rule(list[str], f"{WINDOWS_EXPECTED} in brackets", _windows)
SHIFTS = Rule(list[str], 'offsets in brackets, such as ["scraper.csv=+3s"]', _shifts)
COMMAND = Rule(str | list[str], 'a command, such as ["notify", "-x"] or "notify -x"', _command)
