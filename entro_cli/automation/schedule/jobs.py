"""All jobs of the user, in the crontab and in systemd: add, remove and list them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from entro_cli.automation.schedule import crontab, systemd
from entro_cli.automation.schedule.job import InstalledJob, Job
from entro_cli.automation.schedule.user_files import schedule_lock
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError


class _Scheduler(Protocol):
    """The interface of the modules `crontab` and `systemd`."""

    def available(self) -> bool: ...
    def preview(self, job: Job) -> str: ...
    def add(self, job: Job) -> tuple[str, ...]: ...
    def remove(self, names: Iterable[str]) -> None: ...
    def installed(self) -> list[InstalledJob]: ...


_SCHEDULERS: dict[str, _Scheduler] = {crontab.NAME: crontab, systemd.NAME: systemd}


def default_kind() -> str:
    """Return `cron` if there is a crontab, else `systemd`.

    Raises:
        EntroError: if the system has neither.
    """
    for name, scheduler in _SCHEDULERS.items():
        if scheduler.available():
            return name
    raise EntroError(
        "neither crontab nor systemctl is on the PATH",
        where="entro schedule",
        remedy="install cron (Debian: apt-get install cron)",
    )


def preview(job: Job, kind: str) -> str:
    """Return what `add` would write, without writing it."""
    return _SCHEDULERS[kind].preview(job)


def add(job: Job, kind: str) -> tuple[bool, tuple[str, ...]]:
    """Install a job and remove one of the same name, be it of cron or of systemd.

    Returns:
        Whether it replaced another job, and notes for the user.

    Raises:
        EntroError: if it cannot be installed.
    """
    with schedule_lock():
        found, errors = _find()
        replaced = {other.kind for other in found if other.name == job.name}
        notes = _SCHEDULERS[kind].add(job)
        # The new job first: if it cannot be installed, the old one goes on running.
        for other in replaced - {kind}:
            _SCHEDULERS[other].remove([job.name])
    return bool(replaced), (*notes, *map(str, errors))


def installed() -> tuple[list[InstalledJob], tuple[str, ...]]:
    """Return the jobs, and a message for each scheduler that could not be read.

    Raises:
        EntroError: if no job was found and a scheduler could not be read.
    """
    found, errors = _find()
    if errors and not found:
        raise errors[0]
    return found, tuple(map(str, errors))


def to_remove(name: str | None) -> list[InstalledJob]:
    """Return the jobs that `remove` would remove.

    Args:
        name: the job's name; None for all jobs.

    Raises:
        EntroError: if no job has that name.
    """
    found, _ = installed()
    chosen = [job for job in found if name in {None, job.name}]
    if name is not None and not chosen:
        known = sorted({job.name for job in found})
        raise EntroError(
            f"no job named {name!r}",
            where="entro schedule remove",
            expected=f"one of {', '.join(known)}" if known else "",
            remedy=did_you_mean(name, known) if known else "no job is scheduled",
        )
    return chosen


def remove(name: str | None) -> list[InstalledJob]:
    """Remove jobs.

    Args:
        name: the job's name; None for all jobs.

    Returns:
        The removed jobs.

    Raises:
        EntroError: if no job has that name, or one cannot be removed.
    """
    with schedule_lock():
        chosen = to_remove(name)
        for kind in {job.kind for job in chosen}:
            _SCHEDULERS[kind].remove([job.name for job in chosen if job.kind == kind])
    return chosen


def _find() -> tuple[list[InstalledJob], list[EntroError]]:
    found: list[InstalledJob] = []
    errors = []
    for name, scheduler in _SCHEDULERS.items():
        try:
            # The units of systemd are files, which can be listed where systemctl is missing.
            found += scheduler.installed() if name != crontab.NAME or scheduler.available() else []
        except EntroError as error:
            errors.append(error)
    return found, errors
