"""Jobs as lines of the user's crontab."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from entro_cli.automation.schedule.crontab_block import block, entries, with_entry, without_entries
from entro_cli.automation.schedule.job import Frequency, InstalledJob, Job, schedule_text
from entro_cli.automation.schedule.subprocesses import CompletedCommand, is_installed, run
from entro_engine import EntroError

NAME = "cron"

_MAX_COMMAND_BYTES = 998
"""The limit of Debian's cron. Older ones silently cut a longer command."""

_DAYS = {Frequency.DAILY: "* * *", Frequency.WEEKLY: "* * 1", Frequency.MONTHLY: "1 * *"}
_ENTRY = re.compile(r"(@\S+|(?:\S+\s+){4}\S+)\s+(.*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NO_HEADER = {"CRONTAB_NOHEADER": "Y"}
"""Makes Debian's `crontab -l` leave out its header. `crontab -` would add another one each time."""


def available() -> bool:
    """Return whether the system has a crontab."""
    return is_installed("crontab")


def crontab_line(job: Job) -> bytes:
    r"""Return the line of a job, without a newline.

    To cron, `%` is a newline unless a backslash precedes it. Some crons remove that backslash and some leave it to the
    shell. Outside of quotes, `\%` is a `%` to both.

    Raises:
        EntroError: if the command is too long for cron.
    """
    words = [f"{name}={_quote(value)}" for name, value in job.environment] + [_quote(word) for word in job.command]
    command = os.fsencode(" ".join(words + ([">>", _quote(job.log), "2>&1"] if job.log else [])))
    if len(command) > _MAX_COMMAND_BYTES:
        raise EntroError(
            f"the command is {len(command)} bytes long",
            where=f"job {job.name}",
            expected=f"at most {_MAX_COMMAND_BYTES}, the limit of cron",
            remedy="use fewer patterns, or --systemd",
        )
    return f"{job.minute} {job.hour} {_DAYS[job.every]} ".encode() + command


def preview(job: Job) -> str:
    """Return the block of the crontab as `add` would write it."""
    return os.fsdecode(block(with_entry(_read(), job.name, crontab_line(job))))


def add(job: Job) -> tuple[str, ...]:
    """Write a job into the crontab and replace the one of the same name.

    Returns:
        Notes for the user; none for cron.

    Raises:
        EntroError: if the crontab cannot be read, parsed or written; it is then unchanged.
    """
    _write(with_entry(_read(), job.name, crontab_line(job)))
    return ()


def remove(names: Iterable[str]) -> None:
    """Remove jobs from the crontab.

    Raises:
        EntroError: if the crontab cannot be read, parsed or written; it is then unchanged.
    """
    before = _read()
    after = without_entries(before, set(names))
    if after != before:
        _write(after)


def installed() -> list[InstalledJob]:
    """Return the jobs in the crontab.

    Raises:
        EntroError: if the crontab cannot be read or parsed.
    """
    return [_parse_job(name, os.fsdecode(text)) for name, text in entries(_read()).items()]


def _quote(text: str) -> str:
    r"""Quote an argument so that cron hands it to the shell unchanged.

    Crons differ in what they make of a backslash before another backslash or a `%`, so none is left there. Inside
    quotes, `\` is followed by `''`, which closes and reopens them.
    """
    parts = (shlex.quote(part).replace("\\", "\\''") if part else "" for part in text.split("%"))
    return "\\%".join(parts) or "''"


def _parse_job(name: str, text: str) -> InstalledJob:
    match = _ENTRY.fullmatch(text)
    schedule, command = (match[1], match[2]) if match else ("", text)
    try:
        words = shlex.split(command)
    except ValueError:  # a user edited the line and left a quote open
        words = [command]
    log = words[-2] if len(words) > 3 and (words[-3], words[-1]) == (">>", "2>&1") else None
    words = words[:-3] if log is not None else words
    while words and _ASSIGNMENT.match(words[0]):
        del words[0]
    return InstalledJob(name, NAME, _describe(schedule), schedule, shlex.join(words), log, enabled=True)


def _describe(schedule: str) -> str:
    """Describe the five fields, or return them unchanged if entro did not write them."""
    minute, _, rest = schedule.partition(" ")
    hour, _, days = rest.partition(" ")
    for every, fields in _DAYS.items():
        if days == fields and minute.isdecimal() and hour.isdecimal():
            return schedule_text(every, int(hour), int(minute))
    return schedule


def _read() -> bytes | None:
    """Return the user's crontab; None if the user has none."""
    listed = run("crontab", "-l", environ=_NO_HEADER)
    if listed.status == 0:
        return listed.stdout
    # `crontab -l` exits with 1 both without a crontab and on an error; only its message distinguishes them.
    if "no crontab for" in listed.message and not listed.stdout:
        return None
    raise _failure("cannot be read", listed)


def _write(content: bytes | None) -> None:
    written = run("crontab", "-r") if content is None else run("crontab", "-", stdin=content)
    if written.status:
        raise _failure("cannot be written", written)


def _failure(found: str, completed: CompletedCommand) -> EntroError:
    return EntroError(
        f"{found}: {completed.message or f'exited with status {completed.status}'}",
        where="crontab",
        remedy="nothing was changed; edit it with crontab -e",
    )
