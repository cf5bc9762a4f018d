"""All jobs, wherever they are written: added, removed, found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from entro_cli.automation.schedule import crontab, systemd
from entro_cli.automation.schedule.job import InstalledJob, Job
from entro_cli.automation.schedule.user_files import schedule_lock
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError


class _Kind(Protocol):
    """What each of the two modules does."""

    def available(self) -> bool: ...
    def preview(self, job: Job) -> str: ...
    def add(self, job: Job) -> tuple[str, ...]: ...
    def remove(self, names: Iterable[str]) -> None: ...
    def installed(self) -> list[InstalledJob]: ...


_KINDS: dict[str, _Kind] = {crontab.NAME: crontab, systemd.NAME: systemd}


def usual_kind() -> str:
    """Cron where there is a crontab, else systemd.

    Raises:
        EntroError: when there is neither.
    """
    for name, kind in _KINDS.items():
        if kind.available():
            return name
    raise EntroError(
        "there is neither crontab nor systemctl on the PATH",
        where="entro schedule",
        remedy="install cron (Debian: apt-get install cron)",
    )


def preview(job: Job, kind: str) -> str:
    """What `add` would write, touching nothing."""
    return _KINDS[kind].preview(job)


def add(job: Job, kind: str) -> tuple[bool, tuple[str, ...]]:
    """Install a job; one of the same name, of either kind, goes.

    Returns:
        Whether there was one, and what is left for the user to know or to do, in sentences.

    Raises:
        EntroError: when it cannot be done.
    """
    with schedule_lock():
        found, troubles = _found()
        before = {other.kind for other in found if other.name == job.name}
        notes = _KINDS[kind].add(job)
        for other in before - {kind}:
            _KINDS[other].remove([job.name])
    return bool(before), (*notes, *map(str, troubles))


def installed() -> tuple[list[InstalledJob], tuple[str, ...]]:
    """Every job there is, and why others could not be looked for, in sentences.

    Raises:
        EntroError: when none is found and not every place could be looked into.
    """
    found, troubles = _found()
    if troubles and not found:
        raise troubles[0]
    return found, tuple(map(str, troubles))


def to_remove(name: str | None) -> list[InstalledJob]:
    """The jobs of that name, or all.

    Raises:
        EntroError: when there is none of that name.
    """
    found, _ = installed()
    chosen = [job for job in found if name in {None, job.name}]
    if name is not None and not chosen:
        known = sorted({job.name for job in found})
        raise EntroError(
            f"there is no job {name!r}",
            where="entro schedule remove",
            expected=f"one of {', '.join(known)}" if known else "",
            remedy=did_you_mean(name, known) if known else "no job is scheduled",
        )
    return chosen


def remove(name: str | None) -> list[InstalledJob]:
    """Remove the jobs of that name, or all.

    Returns:
        What was removed.

    Raises:
        EntroError: when there is none of that name, or it cannot be done.
    """
    with schedule_lock():
        chosen = to_remove(name)
        for kind in {job.kind for job in chosen}:
            _KINDS[kind].remove([job.name for job in chosen if job.kind == kind])
    return chosen


def _found() -> tuple[list[InstalledJob], list[EntroError]]:
    found: list[InstalledJob] = []
    troubles = []
    for name, kind in _KINDS.items():
        try:
            found += kind.installed() if name != crontab.NAME or kind.available() else []
        except EntroError as error:
            troubles.append(error)
    return found, troubles
