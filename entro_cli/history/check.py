"""Checking a pipeline's history: read every file, and report those that have changed or cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb
import msgspec

from entro_cli.core.console import printable, worked_off
from entro_cli.history.day_files import DamagedDayError, connect, find_flaw, read_grid
from entro_cli.history.digests import Digests, read_digests
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
    listed, days = read_digests(paths), paths.days()
    metadata = {paths.digests: _flaw_of_digests(paths), paths.state: _flaw_of_state(paths)}
    damaged = {path: flaw for path, flaw in metadata.items() if flaw}
    state = state_from_days(paths) if damaged.get(paths.state) else load_state(paths)
    with connect() as connection:
        for day in worked_off(days, len(days), f"checking {printable(paths.name)}", "day"):
            path = paths.day_file(day)
            flaw = _flaw_of_day(connection, paths, day, state, listed)
            if flaw and path.exists():  # else a prune has just removed it: check takes no lock
                damaged[path] = flaw
    return CheckResult(
        pipeline=paths.name,
        history=paths.shown,
        files=len(days) + sum(path.exists() for path in metadata),
        damaged=tuple(Damage(printable(str(path)), flaw) for path, flaw in damaged.items()),
        notes=tuple(_notes(paths, listed)),
    )


def _flaw_of_day(
    connection: duckdb.DuckDBPyConnection, paths: PipelinePaths, day: date, state: State, listed: Digests
) -> str:
    """Return what is wrong with a day file, as a clause; empty if nothing is."""
    path = paths.day_file(day)
    try:
        refuse_altered(paths, day, listed)
        # A listed file is as it was written. Its grid may still differ from the state's: until the step is fixed, each
        # ingest may change it, and one may be moving its files right now.
        grid = read_grid(connection, path) if day.isoformat() in listed else state.grid
        return find_flaw(connection, path, day, grid)
    except DamagedDayError as error:
        return error.found


def _flaw_of_state(paths: PipelinePaths) -> str:
    try:
        load_state(paths)
    except EntroError as error:
        return error.found
    return ""


def _flaw_of_digests(paths: PipelinePaths) -> str:
    try:
        msgspec.json.decode(paths.digests.read_bytes(), type=Digests)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"the file is damaged: {printable(str(error))}"
    return ""


def _notes(paths: PipelinePaths, listed: Digests) -> Iterator[str]:
    """Yield notes about missing, unfinished and foreign files, in sentences: none of these is damage."""
    days = {day.isoformat() for day in paths.days()}
    if days and not paths.state.exists():
        yield f"{_display(paths.state)} is missing: the next ingest reads logs from their beginning"
    unlisted = sorted(days - listed.keys())
    if unlisted:
        where = _display(paths.digests)
        yield f"{where} has no hash of {_first_days(unlisted)}: only the content of the files was checked"
    missing = sorted(listed.keys() - days - {paths.state.name})
    if missing:
        files, are = ("file", "is") if len(missing) == 1 else ("files", "are")
        yield f"{_display(paths.folder)}: the {files} of {_first_days(missing)} {are} missing"
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


def _first_days(days: list[str]) -> str:
    more = len(days) - 3
    return printable(", ".join(days[:3])) + (f" and {more} more day{'s' if more > 1 else ''}" if more > 0 else "")


def _display(path: Path) -> str:
    return printable(str(path))
