"""Jobs as timers of the user's systemd."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from entro_cli.automation.schedule.job import InstalledJob, Job
from entro_cli.automation.schedule.subprocesses import is_there, run
from entro_cli.automation.schedule.systemd_units import MARK, NAME, read_back, unit_names, units
from entro_cli.automation.schedule.user_files import user_folder
from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_engine import EntroError

__all__ = ["NAME", "add", "available", "installed", "preview", "remove"]

_LINGERING = Path("/var/lib/systemd/linger")


def available() -> bool:
    """Whether there is a systemd to run timers."""
    return is_there("systemctl")


def preview(job: Job) -> str:
    """The units as `add` would write them, each below its path."""
    return "\n".join(f"# {_folder() / name}\n{text}" for name, text in units(job).items())


def add(job: Job) -> tuple[str, ...]:
    """Write the units of a job, instead of those of that name, and start its timer.

    Returns:
        What is left for the user to know or to do, in sentences.

    Raises:
        EntroError: when systemd finds fault with them, or they cannot be written; nothing is then installed.
    """
    made = units(job)
    for name in made:
        _refuse_foreign(_folder() / name)
    unverified = _verify(made)
    for name, text in made.items():
        write_whole(_folder() / name, text)
    timer = unit_names(job.name)[1]
    if not _is_reachable():
        return (*unverified, f"no user manager of systemd answers here; where one does, run {_starting(timer)}")
    _manage("daemon-reload")
    _manage("enable", "--now", timer)
    return (*unverified, *_lingering())


def remove(names: Iterable[str]) -> None:
    """Stop and disable the timers of jobs and delete their units.

    Raises:
        EntroError: when systemd refuses, or they cannot be deleted.
    """
    reachable = _is_reachable()
    for name in names:
        service, timer = unit_names(name)
        if reachable:
            _manage("disable", "--now", timer)
        for path in (_wanted(timer), _folder() / timer, _folder() / service):
            _delete(path)
    if reachable:
        _manage("daemon-reload")


def installed() -> list[InstalledJob]:
    """The jobs whose units are there, by their names.

    Raises:
        EntroError: when one cannot be read.
    """
    found = []
    for path in sorted(_folder().glob("entro-*.timer")):
        timer = _text(path)
        if timer.startswith(MARK):
            name = path.stem.removeprefix("entro-")
            service = _text(path.with_suffix(".service"))
            found.append(read_back(name, service, timer, os.path.lexists(_wanted(path.name))))
    return found


def _folder() -> Path:
    return user_folder("XDG_CONFIG_HOME", ".config") / "systemd" / "user"


def _wanted(timer: str) -> Path:
    """The link that `systemctl --user enable` makes."""
    return _folder() / "timers.target.wants" / timer


def _starting(timer: str) -> str:
    return f"`systemctl --user daemon-reload` and `systemctl --user enable --now {timer}`"


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not _text(path).startswith(MARK):
        raise EntroError(
            "is there already and was not written by entro",
            where=printable(str(path)),
            remedy="give the job another name with --name",
        )


def _text(path: Path) -> str:
    """The text of a unit, empty when it is missing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=printable(str(path))) from error


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EntroError(f"cannot be deleted: {error.strerror or error}", where=printable(str(path))) from error


def _verify(made: Mapping[str, str]) -> tuple[str, ...]:
    """Let systemd judge units before they are where it would load them.

    Returns:
        Why it could not, in a sentence; nothing when it could.

    Raises:
        EntroError: when it finds fault with them.
    """
    if not is_there("systemd-analyze"):
        return ("systemd-analyze is not installed: the units were not verified",)
    with TemporaryDirectory(prefix="entro-") as folder:
        paths = [Path(folder) / name for name in made]
        for path in paths:
            path.write_text(made[path.name], encoding="utf-8")
        runtime = {"XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or folder}
        answer = run("systemd-analyze", "verify", "--user", *map(str, paths), variables=runtime)
    if not answer.status:
        return ()
    words = answer.words.replace(f"{folder}/", "")
    if any(name in words for name in made):
        raise EntroError(f"systemd-analyze finds fault with it: {words}", where=paths[0].stem)
    return (f"the units could not be verified: {words}",)  # it complains of the machine, or of another's units


def _is_reachable() -> bool:
    return is_there("systemctl") and run("systemctl", "--user", "show", "--property=Version").status == 0


def _manage(*arguments: str) -> None:
    answer = run("systemctl", "--user", *arguments)
    if answer.status:
        raise EntroError(f"it refused: {answer.words}", where=f"systemctl --user {' '.join(arguments)}")


def _lingering() -> tuple[str, ...]:
    """A word to those whose timers would stop when they log out."""
    user = getpass.getuser()
    if (_LINGERING / user).exists():
        return ()
    return (f"it runs while {user} is logged in; always, after `loginctl enable-linger {user}`",)
