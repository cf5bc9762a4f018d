"""A scheduled job: its command, and how often and when it runs."""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

from entro_engine import EntroError

LOCALE = ("LC_ALL", "C.UTF-8")
"""Neither cron nor systemd sets a locale, and Python would then decode file names as ASCII."""

_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,99}")
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Frequency(Enum):
    """The frequency of a job."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def days(self) -> str:
        """The days on which the job runs, for messages."""
        return {"daily": "every day", "weekly": "every Monday", "monthly": "the first of the month"}[self.value]


class Job(Struct, frozen=True):
    """A command and the times at which it runs.

    Attributes:
        name: letters, digits, `.`, `_`, `-`, so that it fits into a comment and into the name of a unit.
        every: how often it runs.
        hour: of the machine's local time.
        minute: of the hour.
        command: the program's absolute path and its arguments.
        environment: variables set in addition to those of cron or systemd.
        log: the absolute path of a file that receives its output. If it is empty, cron sends the output by mail and
            systemd keeps it in the journal.
    """

    name: str
    every: Frequency
    hour: int
    minute: int
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = (LOCALE,)
    log: str = ""

    def __post_init__(self) -> None:
        """Refuse text that would not fit into one line of a crontab or a unit.

        Raises:
            EntroError: if the name is invalid, or a text contains a control character.
        """
        check_name(self.name)
        for text in (*self.command, self.log, *(value for _, value in self.environment)):
            if _CONTROL.search(text):
                raise EntroError(
                    "contains a newline or another control character", where=repr(text), expected="text of one line"
                )

    @property
    def when(self) -> str:
        """The days and the time at which the job runs, for messages."""
        return schedule_text(self.every, self.hour, self.minute)


class InstalledJob(Struct, frozen=True):
    """A job as it was found in the crontab or in systemd.

    Attributes:
        name: the job's name.
        kind: `cron` or `systemd`.
        when: the schedule in words; the schedule itself if entro did not write it.
        schedule: the five fields of cron, or systemd's calendar expression.
        command: the program and its arguments, quoted for a shell.
        log: the file that receives its output; None without one.
        enabled: whether it will run: a unit can exist without being enabled.
    """

    name: str
    kind: str
    when: str
    schedule: str
    command: str
    log: str | None
    enabled: bool


def schedule_text(every: Frequency, hour: int, minute: int) -> str:
    """Describe a schedule: every day at 06:00."""
    return f"{every.days} at {hour:02}:{minute:02}"


def is_name(text: str) -> bool:
    """Return whether a text is a valid name of a job."""
    return bool(_NAME.fullmatch(text))


def check_name(text: str) -> None:
    """Refuse an invalid name.

    Raises:
        EntroError: if it is invalid.
    """
    if not is_name(text):
        raise EntroError(
            f"{text!r} is not a valid job name",
            where="--name",
            expected="at most 100 letters, digits, '.', '_' and '-', not starting with '-'",
            remedy="set a name with --name",
        )


def parse_time_of_day(text: str) -> tuple[int, int]:
    """Return the hour and the minute of a time of day such as 06:00.

    Raises:
        EntroError: if it is not a time of day.
    """
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if not match:
        raise EntroError(f"{text!r} is not a time of day", where="--at", expected="HH:MM, from 00:00 to 23:59")
    return int(match[1]), int(match[2])
