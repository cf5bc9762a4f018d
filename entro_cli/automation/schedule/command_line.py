"""The command of a job, `entro schedule run ...`, independent of the folder and shell in which the job was added.

cron and systemd start it in the user's home with an almost empty environment.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from entro_cli.automation.schedule.job import LOCALE, Frequency
from entro_cli.core.console import printable
from entro_cli.core.urls import is_url, shown_url
from entro_engine import EntroError

_COPIED_VARIABLES = ("TZ", "XDG_DATA_HOME")
"""Variables that change what entro finds and shows. Those that are set when a job is added are set for the job, too."""


class JobRequest(Struct, frozen=True):
    """A job as the user asked for it; options that were not given are empty.

    Attributes:
        ingest: logs to add to the history first: files, folders, patterns.
        pipelines: the pipelines to report on.
        config: the configuration file; without --config the one found from the user's folder.
        history: the folder of the history.
        out: the folder for reports.
        tz: the time zone of reports.
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
    """Return the start of a command that runs this installation's `entro`, as an absolute path."""
    python = Path(sys.executable).absolute()
    script = python.with_name("entro")
    # An installation may have no script, for example one that is only on the PYTHONPATH.
    return (str(script),) if os.access(script, os.X_OK) else (str(python), "-m", "entro_cli.app")


def job_command(every: Frequency, request: JobRequest, folder: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the program of a job and its arguments.

    Args:
        every: the period of the report.
        request: the job as the user asked for it.
        folder: the absolute path of the user's current folder.
        environ: the user's environment.

    Raises:
        EntroError: if a path is standard input or output.
    """
    history = request.history or environ.get("ENTRO_HISTORY", "")
    options = [
        *(("--ingest", _absolute("--ingest", pattern, folder)) for pattern in request.ingest),
        *(("--pipeline", name) for name in request.pipelines),
        ("--config", _absolute("--config", request.config, folder)),
        ("--history", _absolute("--history", history, folder)),
        ("--out", _absolute("--out", request.out, folder)),
        ("--tz", request.tz),
        *(("--fail-on", gate) for gate in request.fail_on),
    ]
    words = (word for option in options if option[1] for word in option)
    return (*program(), "schedule", "run", f"--{every.value}", *words)


def job_environment(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables of a job: a locale, and the copied ones that are set in the user's environment."""
    return (LOCALE, *((name, environ[name]) for name in _COPIED_VARIABLES if environ.get(name)))


def log_file(name: str, folder: Path) -> str:
    """Return the absolute path of the file that receives a job's output; empty without a name.

    Raises:
        EntroError: if it is a folder, or its folder does not exist.
    """
    path = Path(_absolute("--log", name, folder))
    if name and path.is_dir():
        raise EntroError("is a folder", where=printable(f"--log {path}"), expected="a file to append to")
    if name and not path.parent.is_dir():
        raise EntroError(
            "no such folder",
            where=printable(f"--log {path.parent}"),
            remedy="create it first, or the job will fail",
        )
    return str(path) if name else ""


def _absolute(option: str, name: str, folder: Path) -> str:
    """Make a path or pattern absolute; a URL is returned unchanged.

    Raises:
        EntroError: if it is standard input or output, or a URL with a secret.
    """
    if name == "-":
        raise EntroError("a job has no standard input or output", where=f"{option} -", expected="a path")
    if is_url(name) and shown_url(name) != name:
        raise EntroError(
            "has a password or a token, which the command of a job would show",
            where=f"{option} {printable(name)}",
            remedy="put the URL into an entro.toml that only you may read",
        )
    if not name or is_url(name):
        return name
    path = Path(name).expanduser()
    if path.is_absolute():
        return str(path)
    # Escape the folder in front of a pattern: a folder called "run [1]" must not become a part of the pattern.
    parent = glob.escape(str(folder)) if glob.has_magic(name) else str(folder)
    return str(Path(parent) / path)
