"""A job: which command is run, how often and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from entro_engine import EntroError

LOCALE = ("LC_ALL", "C.UTF-8")
"""Neither cron nor systemd sets a locale, and without one the names of files would be ASCII."""

_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,99}")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Frequency(Enum):
    """How often a job is run."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def days(self) -> str:
        """On which days, in words."""
        return {"daily": "every day", "weekly": "every Monday", "monthly": "the first of the month"}[self.value]


@dataclass(frozen=True)
class Job:
    """A command and when it is run.

    Attributes:
        name: letters, digits, `.`, `_`, `-`: fit for a comment and for the name of a unit.
        every: how often.
        hour: of the machine's local time, with `minute`.
        minute: with `hour`.
        command: the program's absolute path and its arguments.
        environment: the variables it gets besides what cron or systemd gives.
        log: the absolute path of a file its output is appended to; empty: cron mails it, systemd keeps it.
    """

    name: str
    every: Frequency
    hour: int
    minute: int
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = (LOCALE,)
    log: str = ""

    def __post_init__(self) -> None:
        """Refuse what would not be one line.

        Raises:
            EntroError: when the name is none, or a text has a control character in it.
        """
        check_name(self.name)
        for text in (*self.command, self.log, *(value for _, value in self.environment)):
            if _CONTROL.search(text):
                raise EntroError(
                    "has a newline or another control character in it", where=repr(text), expected="a job of one line"
                )

    @property
    def when(self) -> str:
        """On which days and at what time, in words."""
        return when(self.every, self.hour, self.minute)


@dataclass(frozen=True)
class InstalledJob:
    """A job as it was found again.

    Attributes:
        name: the job's.
        kind: `cron` or `systemd`.
        when: in words; as it is written there when somebody changed it to something else.
        schedule: as it is written there: five fields, or a calendar expression.
        command: the program and its arguments, as a shell would take them.
        log: the file its output is appended to, None where there is none.
        enabled: whether it will be run: a unit may be written, but not enabled yet.
    """

    name: str
    kind: str
    when: str
    schedule: str
    command: str
    log: str | None
    enabled: bool


def when(every: Frequency, hour: int, minute: int) -> str:
    """Days and time in words."""
    return f"{every.days} at {hour:02}:{minute:02}"


def is_name(text: str) -> bool:
    """Whether a job may be called so."""
    return bool(_NAME.fullmatch(text))


def check_name(text: str) -> None:
    """Refuse what no job may be called.

    Raises:
        EntroError: when it is no name.
    """
    if not is_name(text):
        raise EntroError(
            f"{text!r} is no name of a job",
            where="--name",
            expected="letters, digits, '.', '_' and '-', at most 100, no '-' in front",
            remedy="give it one with --name",
        )


def clock(text: str) -> tuple[int, int]:
    """Hour and minute of a time of day such as 06:00.

    Raises:
        EntroError: when it is none.
    """
    match = _CLOCK.fullmatch(text.strip())
    if not match:
        raise EntroError(f"{text!r} is no time of day", where="--at", expected="HH:MM, from 00:00 to 23:59")
    return int(match[1]), int(match[2])
