"""Checking a pipeline's history: read every file, and report those that have changed or cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb

from entro_cli.core.console import printable, worked_off
from entro_cli.history.day_files import DamagedDayError, connect, find_flaw, read_grid
from entro_cli.history.digests import MISSING, Digests, read_compared, read_digests, stored_days
from entro_cli.history.inventory import CheckResult, Damage
from entro_cli.history.paths import DAY_FILE, PipelinePaths
from entro_cli.history.state import State, load_state, state_from_days
from entro_cli.history.transaction import refuse_altered
from entro_engine import EntroError


def check(paths: PipelinePaths) -> CheckResult:
    """Read every file of a pipeline and report damage.

    Args:
        paths: the pipeline.
    """
    damaged: dict[Path, str] = {}
    listed: Digests | None = None
    try:
        listed = read_digests(paths)
        state = load_state(paths)
    except EntroError as error:
        damaged[paths.digests if listed is None else paths.state] = error.found
        state = state_from_days(paths)
    if listed and paths.state_copy.exists():
        try:
            flaw = read_compared(paths.state_copy, paths.state.name, paths, listed)[1]
        except OSError as error:
            flaw = f"cannot be read: {error.strerror or error}"
        if flaw:
            damaged[paths.state_copy] = flaw
    days = stored_days(paths, listed or {})
    with connect() as connection:
        for day in worked_off(days, len(days), f"checking {printable(paths.name)}", "day"):
            if flaw := flaw_of_day(connection, paths, day, state, listed):
                damaged[paths.day_file(day)] = flaw
    return CheckResult(
        pipeline=paths.name,
        history=paths.shown,
        files=len(paths.days()) + sum(path.exists() for path in (paths.digests, paths.state)),
        damaged=tuple(Damage(printable(str(path)), flaw) for path, flaw in damaged.items()),
        notes=tuple(_notes(paths)),
    )


def flaw_of_day(
    connection: duckdb.DuckDBPyConnection, paths: PipelinePaths, day: date, state: State, listed: Digests | None
) -> str:
    """Return what is wrong with a day file, as a clause; empty if nothing is.

    Args:
        connection: a connection made by `connect`.
        paths: the pipeline.
        day: the day.
        state: the state of the pipeline.
        listed: the recorded hashes; None if they are lost, so that only the content can be checked.
    """
    path = paths.day_file(day)
    try:
        if listed is not None:
            refuse_altered(paths, day, listed)
        # A listed file is as it was written. Its grid may still differ from the state's: until the step is fixed, each
        # ingest may change it, and one may be moving its files right now.
        flaw = find_flaw(connection, path, day, state.grid if listed is None else read_grid(connection, path))
    except DamagedDayError as error:
        flaw = error.found
    return flaw if flaw == MISSING or path.exists() else ""  # a prune may just have removed it: check takes no lock


def _notes(paths: PipelinePaths) -> Iterator[str]:
    """Yield notes about unfinished and foreign files, in sentences: none of these is damage."""
    if paths.state_copy.exists() and not paths.state.exists():
        yield f"{_display(paths.state)} is missing: {paths.state_copy.name} is used, and the next write makes it anew"
    if paths.staging.exists():
        yield f"{_display(paths.staging)}: a write is running or was interrupted; the next write removes it"
    if paths.committed.exists():
        yield f"{_display(paths.committed)}: a write is running or was interrupted; the next write completes it"
    for path in _foreign_files(paths):
        yield f"{_display(path)} does not belong to the history"


def _foreign_files(paths: PipelinePaths) -> Iterator[Path]:
    """Yield the files and folders outside the metadata folder that entro did not write."""
    days = {paths.day_file(day).parent for day in paths.days()}
    with suppress(FileNotFoundError):  # removed meanwhile
        for path in sorted(paths.folder.iterdir()):
            # An ingest makes the folder of a day before it moves the file there.
            is_empty = path.is_dir() and path.name.startswith("date=") and not any(path.iterdir())
            if path not in {*days, paths.metadata_dir} and not is_empty:
                yield path
        for folder in sorted(days):
            yield from (path for path in sorted(folder.iterdir()) if path.name != DAY_FILE)


def _display(path: Path) -> str:
    return printable(str(path))
