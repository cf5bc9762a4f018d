"""Rules that validate the value of a key and convert it into the form that Settings holds."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from datetime import UTC, date
from glob import escape
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from entro_cli.analysis.error_budget import parse_target
from entro_cli.core.clock import NS, clock_shift, duration_ns, log_time_ns, zone_of
from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened
from entro_cli.core.urls import is_url
from entro_cli.timeseries.maintenance import EXPECTED as WINDOWS_EXPECTED
from entro_cli.timeseries.maintenance import parse_maintenance
from entro_engine import EntroError, Kind

_MAX_WAIT_S = 1e9
_MAX_SHOWN = 60


class KeyPosition(msgspec.Struct, frozen=True):
    """The source of a value.

    Attributes:
        where: the file and the key, the variable or the option, for messages.
        folder: the folder that relative paths start from.
        is_text: whether numbers and booleans come as text, as in the environment.
    """

    where: str
    folder: Path
    is_text: bool = False


class Rule(msgspec.Struct, frozen=True):
    """The type and the domain of a value.

    Attributes:
        type: the type that msgspec checks.
        expected: the type and the domain in words, for messages.
        convert: converts a value of that type; raises ValueError or OverflowError if it is out of its domain.
    """

    type: Any
    expected: str
    convert: Callable[[Any, KeyPosition], Any] = lambda value, at: value

    @property
    def is_single(self) -> bool:
        """Report whether the value is not a list: an environment variable can hold it."""
        return "list[" not in str(self.type)

    def apply(self, value: object, at: KeyPosition, secret: bool = False) -> Any:
        """Validate and convert a value.

        Args:
            value: the value as it was written.
            at: its source.
            secret: keep the value out of messages.

        Raises:
            EntroError: when the value is of another type, or out of its domain.
        """
        try:
            return self.convert(msgspec.convert(value, self.type, strict=not at.is_text), at)
        except (ValueError, OverflowError) as error:  # msgspec.ValidationError is a ValueError, too
            found = "cannot be used" if secret else f"is {_display(value)}"
            raise EntroError(found, where=at.where, expected=self.expected) from error


def _display(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    try:
        return shortened(printable(repr(value)), _MAX_SHOWN)  # in this order: half of a URL could not be masked
    except ValueError:  # Python refuses to print an integer of more than 4,300 digits
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
    _require(not is_url(value))  # a path would have one slash less, and no part that is known to be secret
    path = Path(_text(value, at))
    return at.folder / (path.expanduser() if path.parts[:1] == ("~",) else path)


def _path_or_url(value: str, at: KeyPosition) -> Path | str:
    if not is_url(value):
        return _path(value, at)
    url = _text(value, at).rstrip("/")
    _require(is_url(url))  # `s3://` alone names no folder
    return url


def _zone(value: str, at: KeyPosition) -> str:
    zone_of(value, at.where)
    return value


def _step_length(value: str, at: KeyPosition) -> str:
    duration_ns(value, at.where)
    return value


def _seconds(value: str, at: KeyPosition) -> float:
    return duration_ns(value, at.where, math.inf) / NS


def _silence(value: str, at: KeyPosition) -> float | str:
    return value if value == "usual" else _seconds(value, at)


def _seconds_or_none(value: str, at: KeyPosition) -> float:
    return 0.0 if re.fullmatch(r"0+(ms|s|min|m|h|d|w)?", value.strip()) else _seconds(value, at)


def _wait(value: str | float, at: KeyPosition) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return _seconds(str(value), at)
    _require(0 < seconds <= _MAX_WAIT_S)
    return seconds


def _moment(value: object, at: KeyPosition) -> str:
    _require(isinstance(value, str | date))  # TOML has date literals; a datetime is a date, too
    text = value.isoformat() if isinstance(value, date) else str(value)
    log_time_ns(text, UTC, at.where)
    return text


def _texts(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    return tuple(_text(value, at) for value in values)


def _address(value: str, at: KeyPosition) -> str:
    name, _, host = _word(value, at).rpartition("@")
    _require(bool(name and host))
    return value


def _patterns(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    def absolute(value: str) -> str:
        _require(value != "-")  # standard input: a configuration cannot name it
        if is_url(value):
            return _text(value, at)
        path = Path(_text(value, at))
        path = path.expanduser() if path.parts[:1] == ("~",) else path
        literal = at.folder / path
        # Escaped: the folder of the file may have brackets in its name. The user's own part may be a pattern.
        return str(literal if path.is_absolute() or literal.exists() else Path(escape(str(at.folder))) / path)

    return tuple(absolute(value) for value in values)


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


def _base_url(value: str, at: KeyPosition) -> str:
    parts = urlsplit(_web_address(value, at))
    _require(not (parts.query or parts.fragment or "@" in parts.netloc))  # it is shown: a password has no place in it
    return value.rstrip("/")


def _services(values: list[str], at: KeyPosition) -> tuple[str, ...]:
    _require(all(is_url(_word(value, at)) for value in values))
    return tuple(values)


def _one_of(*names: str) -> Rule:
    def choice(value: str, at: KeyPosition) -> str:
        _require(value in names)
        return value

    return Rule(str, f"one of {', '.join(names)}", choice)


_Above0 = Annotated[float, msgspec.Meta(gt=0)]

POSITIVE = Rule(_Above0, "a number above 0", _finite)
FRACTION = Rule(Annotated[float, msgspec.Meta(gt=0, le=1)], "a number above 0 and at most 1")
SHARE_OR_ZERO = Rule(Annotated[float, msgspec.Meta(ge=0, le=1)], "a number from 0 to 1")
BOOLEAN = Rule(bool, "true or false")
PORT = Rule(Annotated[int, msgspec.Meta(ge=1, le=65535)], "a whole number from 1 to 65535")
YEAR = Rule(Annotated[int, msgspec.Meta(ge=1970, le=9998)], "a year, such as 2026")
TEXT = Rule(str, "a non-empty text", _text)
WORD = Rule(str, "a text without spaces", _word)
PATH = Rule(str, "a path", _path)
PATH_OR_URL = Rule(str, "a path or a URL", _path_or_url)
ZONE = Rule(str, "the name of a time zone, such as UTC or Europe/Berlin", _zone)
STEP_LENGTH = Rule(str, 'a duration such as "10s"', _step_length)
SILENCE = Rule(str, 'a duration such as "2h", or "usual"', _silence)
DURATION = Rule(str, 'a duration such as "2h" or "400d"', _seconds)
DURATION_OR_NONE = Rule(str, 'a duration such as "5min", or "0s"', _seconds_or_none)
WAIT = Rule(str | float, 'a duration such as "8s", or seconds as a number, above 0', _wait)
SHARE = Rule(str | float, 'a share such as "99%" or 0.99', lambda value, at: parse_target(str(value), at.where))
MOMENT = Rule(object, "a date or a time, such as 2026-04-06T12:30:00Z", _moment)
KIND = Rule(Kind, f"one of {', '.join(Kind)}")
TIME_UNIT = _one_of("ns", "us", "ms", "s", "min")
AGGREGATE = _one_of("sum", "mean", "max")
DECIMAL = _one_of("point", "comma")
FULL_LOADS = _one_of("learned", "published")
WHEN = _one_of("problems", "always")
SECURITY = _one_of("none", "starttls", "tls")
ADDRESS = Rule(str, "a mail address", _address)
WEB_ADDRESS = Rule(str, "a URL that begins with https:// or http://", _web_address)
BASE_URL = Rule(str, "the URL of a folder, such as https://reports.example.org/entro", _base_url)
TEXTS = Rule(list[str], "a list of non-empty texts", _texts)
NAMES = Rule(
    str | list[str],
    "a name, or a list of names",
    lambda value, at: _texts([value] if isinstance(value, str) else value, at),
)
ADDRESSES = Rule(
    list[str], "a list of mail addresses", lambda values, at: tuple(_address(value, at) for value in values)
)
SERVICES = Rule(list[str], "a list of Apprise URLs, each SERVICE://...", _services)
PATTERNS = Rule(list[str], "a list of files, folders, patterns or URLs", _patterns)
WINDOWS = Rule(list[str], f"a list of {WINDOWS_EXPECTED}", _windows)
SHIFTS = Rule(list[str], 'a list of offsets, such as ["scraper.csv=+3s"]', _shifts)
COMMAND = Rule(str | list[str], 'a command, such as ["notify", "-x"] or "notify -x"', _command)
