"""The command a job runs, `entro schedule run ...`, made independent of the folder and the shell it was asked for in.

cron and systemd start it in the user's home with next to no environment.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entro_cli.automation.schedule.job import LOCALE, Frequency
from entro_cli.core.console import printable
from entro_cli.core.urls import is_url
from entro_engine import EntroError

_KEPT = ("TZ", "XDG_DATA_HOME")
"""Variables that decide what entro finds and shows: a job gets those that are set where it is added."""


@dataclass(frozen=True)
class JobRequest:
    """What a job is to do, as the user wrote it; empty where they did not.

    Attributes:
        ingest: logs to add to the history first: files, folders, patterns.
        pipelines: which to report on.
        config: the configuration, the one that holds in their folder when they named none.
        history: the folder of the history.
        out: where reports are written.
        tz: the zone of what is shown.
        fail_on: gates.
    """

    ingest: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    config: str = ""
    history: str = ""
    out: str = ""
    tz: str = ""
    fail_on: tuple[str, ...] = ()


def program() -> tuple[str, ...]:
    """How this installation's `entro` is started, by its absolute path."""
    python = Path(sys.executable).absolute()
    entro = python.with_name("entro")
    return (str(entro),) if os.access(entro, os.X_OK) else (str(python), "-m", "entro_cli.app")


def run_command(every: Frequency, wanted: JobRequest, folder: Path, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The program and its arguments.

    Args:
        every: the period of the report.
        wanted: what the user wrote.
        folder: the absolute path of where they wrote it.
        variables: their environment.

    Raises:
        EntroError: when a place is standard input or output.
    """
    history = wanted.history or variables.get("ENTRO_HISTORY", "")
    options = [
        *(("--ingest", _absolute("--ingest", pattern, folder)) for pattern in wanted.ingest),
        *(("--pipeline", name) for name in wanted.pipelines),
        ("--config", _absolute("--config", wanted.config, folder)),
        ("--history", _absolute("--history", history, folder)),
        ("--out", _absolute("--out", wanted.out, folder)),
        ("--tz", wanted.tz),
        *(("--fail-on", gate) for gate in wanted.fail_on),
    ]
    given = (word for option in options if option[1] for word in option)
    return (*program(), "schedule", "run", f"--{every.value}", *given)


def kept_environment(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables a job gets: a locale, and those of the user's that decide what entro finds and shows."""
    return (LOCALE, *((name, variables[name]) for name in _KEPT if variables.get(name)))


def log_file(name: str, folder: Path) -> str:
    """The absolute path of the file that a job's output is appended to; empty when there is no name.

    Raises:
        EntroError: when nothing can be appended to it.
    """
    path = Path(_absolute("--log", name, folder))
    if name and path.is_dir():
        raise EntroError("is a folder", where=printable(f"--log {path}"), expected="a file to append to")
    if name and not path.parent.is_dir():
        raise EntroError(
            "there is no such folder",
            where=printable(f"--log {path.parent}"),
            remedy="make it first: the job would fail",
        )
    return str(path) if name else ""


def _absolute(option: str, name: str, folder: Path) -> str:
    """A place or a pattern from the root on; the wildcards of a pattern stay, and the folder gets none by it.

    A URL stays as it is.
    """
    if name == "-":
        raise EntroError("is standard input or output, which a job has not", where=f"{option} -", expected="a path")
    if not name or is_url(name):
        return name
    place = Path(name).expanduser()
    if place.is_absolute():
        return str(place)
    above = glob.escape(str(folder)) if glob.has_magic(name) else str(folder)
    return str(Path(above) / place)
