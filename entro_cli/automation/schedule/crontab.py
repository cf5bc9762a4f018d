"""Jobs as lines of the user's crontab."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from entro_cli.automation.schedule.crontab_block import block, entries, with_entry, without_entries
from entro_cli.automation.schedule.job import Frequency, InstalledJob, Job, when
from entro_cli.automation.schedule.subprocesses import CompletedCommand, is_there, run
from entro_engine import EntroError

NAME = "cron"

_LONGEST_COMMAND = 998
"""Bytes: what Debian's cron takes; older ones cut a longer command without a word."""

_DAYS = {Frequency.DAILY: "* * *", Frequency.WEEKLY: "* * 1", Frequency.MONTHLY: "1 * *"}
_ENTRY = re.compile(r"(@\S+|(?:\S+\s+){4}\S+)\s+(.*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_AS_IT_CAME = {"CRONTAB_NOHEADER": "Y"}
"""Debian's `crontab -l` without the header that `crontab -` would add again."""


def available() -> bool:
    """Whether there is a crontab to write to."""
    return is_there("crontab")


def line(job: Job) -> bytes:
    r"""The job's line, without a newline.

    To cron a `%` is a newline unless a backslash is before it. Some crons take that backslash away and some leave it to
    the shell; `\%` outside of quotes is a `%` to both.

    Raises:
        EntroError: when the command is longer than cron takes.
    """
    words = [f"{name}={_word(value)}" for name, value in job.environment] + [_word(word) for word in job.command]
    command = " ".join(words + ([">>", _word(job.log), "2>&1"] if job.log else []))
    written = os.fsencode(command)
    if len(written) > _LONGEST_COMMAND:
        raise EntroError(
            f"its command is {len(written)} bytes long",
            where=f"job {job.name}",
            expected=f"at most {_LONGEST_COMMAND}, which is what cron takes",
            remedy="use fewer patterns, or --systemd",
        )
    return f"{job.minute} {job.hour} {_DAYS[job.every]} ".encode() + written


def preview(job: Job) -> str:
    """The block as `add` would write it."""
    return os.fsdecode(block(with_entry(_read(), job.name, line(job))))


def add(job: Job) -> tuple[str, ...]:
    """Write the job into the crontab, instead of the one of that name.

    Returns:
        What is left for the user to do: nothing.

    Raises:
        EntroError: when the crontab cannot be read, understood or written; it is then as it was.
    """
    _write(with_entry(_read(), job.name, line(job)))
    return ()


def remove(names: Iterable[str]) -> None:
    """Take jobs out of the crontab.

    Raises:
        EntroError: when the crontab cannot be read, understood or written; it is then as it was.
    """
    before = _read()
    after = without_entries(before, set(names))
    if after != before:
        _write(after)


def installed() -> list[InstalledJob]:
    """The jobs in the crontab.

    Raises:
        EntroError: when it cannot be read or understood.
    """
    return [_found(name, os.fsdecode(text)) for name, text in entries(_read()).items()]


def _word(text: str) -> str:
    r"""An argument as cron hands it to the shell unchanged.

    No backslash is left before another or before a `%`: crons differ in what they take that for. Inside quotes `\` is
    therefore followed by `''`, which closes them and opens them again.
    """
    parts = (shlex.quote(part).replace("\\", "\\''") if part else "" for part in text.split("%"))
    return "\\%".join(parts) or "''"


def _found(name: str, text: str) -> InstalledJob:
    match = _ENTRY.fullmatch(text)
    schedule, command = (match[1], match[2]) if match else ("", text)
    try:
        words = shlex.split(command)
    except ValueError:  # changed by hand to something with a quote too many
        words = [command]
    log = words[-2] if len(words) > 3 and (words[-3], words[-1]) == (">>", "2>&1") else None
    words = words[:-3] if log is not None else words
    while words and _ASSIGNMENT.match(words[0]):
        del words[0]
    return InstalledJob(name, NAME, _when(schedule), schedule, shlex.join(words), log, enabled=True)


def _when(schedule: str) -> str:
    """The five fields in words, or as they are where they are none of ours."""
    minute, _, rest = schedule.partition(" ")
    hour, _, days = rest.partition(" ")
    for every, fields in _DAYS.items():
        if days == fields and minute.isdecimal() and hour.isdecimal():
            return when(every, int(hour), int(minute))
    return schedule


def _read() -> bytes | None:
    """The user's crontab, None when they have none."""
    answer = run("crontab", "-l", variables=_AS_IT_CAME)
    if answer.status == 0:
        return answer.out
    if "no crontab for" in answer.words and not answer.out:
        return None
    raise _refusal("cannot be read", answer)


def _write(content: bytes | None) -> None:
    answer = run("crontab", "-r") if content is None else run("crontab", "-", stdin=content)
    if answer.status:
        raise _refusal("cannot be written", answer)


def _refusal(what: str, answer: CompletedCommand) -> EntroError:
    return EntroError(
        f"{what}: {answer.words or f'it ended with status {answer.status}'}",
        where="crontab",
        remedy="nothing was changed; crontab -e edits it by hand",
    )
