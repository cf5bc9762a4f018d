"""Jobs as timers of the user's systemd manager."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from entro_cli.automation.schedule.job import InstalledJob, Job
from entro_cli.automation.schedule.subprocesses import is_installed, run
from entro_cli.automation.schedule.systemd_units import MARK, NAME, parse_units, render_units, unit_names
from entro_cli.automation.schedule.user_files import user_folder
from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_engine import EntroError

__all__ = ["NAME", "add", "available", "installed", "preview", "remove"]

_LINGER_FOLDER = Path("/var/lib/systemd/linger")


def available() -> bool:
    """Return whether the system has systemd."""
    return is_installed("systemctl")


def preview(job: Job) -> str:
    """Return the units as `add` would write them, each below its path."""
    return "\n".join(f"# {_folder() / name}\n{text}" for name, text in render_units(job).items())


def add(job: Job) -> tuple[str, ...]:
    """Write the units of a job, replacing those of the same name, and start its timer.

    Returns:
        Notes for the user.

    Raises:
        EntroError: if systemd rejects the units, or they cannot be written; nothing is installed then.
    """
    texts = render_units(job)
    for name in texts:
        _refuse_to_replace(_folder() / name)
    unverified = _verify(texts)
    for name, text in texts.items():
        write_whole(_folder() / name, text)
    timer = unit_names(job.name)[1]
    if not _is_reachable():
        return (
            *unverified,
            f"no systemd user manager answers here; where one runs, start the timer with {_start_commands(timer)}",
        )
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", timer)
    return (*unverified, *_linger_note())


def remove(names: Iterable[str]) -> None:
    """Stop and disable the timers of jobs and delete their units.

    Raises:
        EntroError: if systemctl fails, or a unit cannot be deleted.
    """
    reachable = _is_reachable()
    for name in names:
        service, timer = unit_names(name)
        if reachable:
            _systemctl("disable", "--now", timer)
        # The link, too: without a manager nothing has removed it.
        for path in (_enabling_link(timer), _folder() / timer, _folder() / service):
            _delete(path)
    if reachable:
        _systemctl("daemon-reload")


def installed() -> list[InstalledJob]:
    """Return the jobs whose units exist, sorted by name. Units that entro did not write are left out.

    Raises:
        EntroError: if a unit cannot be read.
    """
    found = []
    for path in sorted(_folder().glob("entro-*.timer")):
        timer = _unit_text(path)
        if timer.startswith(MARK):
            name = path.stem.removeprefix("entro-")
            service = _unit_text(path.with_suffix(".service"))
            found.append(parse_units(name, service, timer, os.path.lexists(_enabling_link(path.name))))
    return found


def _folder() -> Path:
    return user_folder("XDG_CONFIG_HOME", ".config") / "systemd" / "user"


def _enabling_link(timer: str) -> Path:
    """Return the path of the link that `systemctl --user enable` creates."""
    return _folder() / "timers.target.wants" / timer


def _start_commands(timer: str) -> str:
    return f"`systemctl --user daemon-reload` and `systemctl --user enable --now {timer}`"


def _refuse_to_replace(path: Path) -> None:
    if path.exists() and not _unit_text(path).startswith(MARK):
        raise EntroError(
            "already exists and was not written by entro",
            where=printable(str(path)),
            remedy="give the job another name with --name",
        )


def _unit_text(path: Path) -> str:
    """Return the text of a unit; empty if it is missing."""
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


def _verify(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Verify units in a temporary folder, before systemd could load them.

    Returns:
        A note if they could not be verified.

    Raises:
        EntroError: if systemd rejects them.
    """
    if not is_installed("systemd-analyze"):
        return ("systemd-analyze is not installed: the units were not verified",)
    with TemporaryDirectory(prefix="entro-") as folder:
        paths = [Path(folder) / name for name in texts]
        for path in paths:
            path.write_text(texts[path.name], encoding="utf-8")
        # `verify --user` needs a runtime folder, and a shell without a session has none.
        runtime = {"XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or folder}
        verified = run("systemd-analyze", "verify", "--user", *map(str, paths), environ=runtime)
    if not verified.status:
        return ()
    message = verified.message.replace(f"{folder}/", "")
    if any(name in message for name in texts):
        raise EntroError(f"systemd-analyze rejects it: {message}", where=paths[0].stem)
    # A complaint about the machine or about the units of others must not keep the job from being installed.
    return (f"the units could not be verified: {message}",)


def _is_reachable() -> bool:
    return is_installed("systemctl") and run("systemctl", "--user", "show", "--property=Version").status == 0


def _systemctl(*arguments: str) -> None:
    completed = run("systemctl", "--user", *arguments)
    if completed.status:
        raise EntroError(f"failed: {completed.message}", where=f"systemctl --user {' '.join(arguments)}")


def _linger_note() -> tuple[str, ...]:
    """Return a note for users whose timers stop when they log out."""
    user = getpass.getuser()
    if (_LINGER_FOLDER / user).exists():
        return ()
    return (f"the timer runs only while {user} is logged in; `loginctl enable-linger {user}` lifts that",)
