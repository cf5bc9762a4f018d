"""Every file of a pipeline's history read: which of them are not as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb
import msgspec

from entro_cli.core.console import printable
from entro_cli.history.day_files import DamagedDayError, connect, find_flaw, read_grid
from entro_cli.history.inventory import CheckResult, Damage
from entro_cli.history.paths import DAY_FILE, PipelinePaths
from entro_cli.history.state import State, load_state, state_from_days
from entro_cli.history.transaction import Digests, matches_digest, read_digests, refuse_altered
from entro_engine import EntroError


def check(place: PipelinePaths) -> CheckResult:
    """Read every file of a pipeline.

    Args:
        place: the pipeline's.
    """
    listed, days = read_digests(place), place.days()
    found = {place.digests: _flaw_of_digests(place), place.state: _flaw_of_state(place, listed)}
    damaged = {path: what for path, what in found.items() if what}
    state = state_from_days(place) if damaged.get(place.state) else load_state(place)
    with connect() as connection:
        for day in days:
            path = place.day_file(day)
            what = _flaw_of_day(connection, place, day, state, listed)
            if what and path.exists():  # else it was removed meanwhile
                damaged[path] = what
    return CheckResult(
        pipeline=place.name,
        history=place.shown,
        files=len(days) + sum(path.exists() for path in found),
        damaged=tuple(Damage(printable(str(path)), what) for path, what in damaged.items()),
        notes=tuple(_notes(place, listed)),
    )


def _flaw_of_day(
    connection: duckdb.DuckDBPyConnection, place: PipelinePaths, day: date, state: State, listed: Digests
) -> str:
    """What is wrong with a day file, in a clause; empty when nothing is."""
    path = place.day_file(day)
    try:
        refuse_altered(place, day, listed)
        # A file that is as it was written may be of a step that is just being changed.
        grid = read_grid(connection, path) if day.isoformat() in listed else state.grid
        return find_flaw(connection, path, day, grid)
    except DamagedDayError as error:
        return error.found


def _flaw_of_state(place: PipelinePaths, listed: Digests) -> str:
    try:
        load_state(place)
        if place.state.exists() and matches_digest(place.state, place.state.name, place, listed) is False:
            return "its bytes are not those that were written"
    except EntroError as error:
        return error.found
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return ""


def _flaw_of_digests(place: PipelinePaths) -> str:
    try:
        msgspec.json.decode(place.digests.read_bytes(), type=Digests)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"the file is damaged: {printable(str(error))}"
    return ""


def _notes(place: PipelinePaths, listed: Digests) -> Iterator[str]:
    """What is no damage and yet worth a word, in sentences."""
    days = {day.isoformat() for day in place.days()}
    if days and not place.state.exists():
        yield f"{_display(place.state)} is gone: logs will be read from their beginning again"
    unlisted = sorted(days - listed.keys())
    if unlisted:
        where = _display(place.digests)
        yield f"{where} does not list {_first_days(unlisted)}: only the content of the files was checked"
    gone = sorted(listed.keys() - days - {place.state.name})
    if gone:
        yield f"{_display(place.folder)}: the file of {_first_days(gone)} is gone"
    if place.staging.exists():
        yield f"{_display(place.staging)}: of an entro that is writing, or was ended; the next one takes it away"
    if place.committed.exists():
        yield f"{_display(place.committed)}: of an entro that is writing, or was ended; the next one finishes it"
    for path in _foreign_files(place):
        yield f"{_display(path)} is not of the history"


def _foreign_files(place: PipelinePaths) -> Iterator[Path]:
    """Files and folders beside the books that nothing here made."""
    days = {place.day_file(day).parent for day in place.days()}
    with suppress(FileNotFoundError):  # removed meanwhile
        for path in sorted(place.folder.iterdir()):
            is_empty = path.is_dir() and path.name.startswith("date=") and not any(path.iterdir())
            if path not in {*days, place.metadata_dir} and not is_empty:
                yield path
        for folder in sorted(days):
            yield from (path for path in sorted(folder.iterdir()) if path.name != DAY_FILE)


def _first_days(days: list[str]) -> str:
    return printable(", ".join(days[:3])) + (f" and {len(days) - 3} more days" if len(days) > 3 else "")


def _display(path: Path) -> str:
    return printable(str(path))
