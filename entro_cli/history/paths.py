"""The layout of a history: one folder per pipeline, with one folder per day (UTC) and a metadata folder in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from msgspec import Struct
from platformdirs import user_cache_path

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.core.formatting import printable
from entro_cli.core.urls import shown_url
from entro_engine import EntroError

DAY_NS = 86400 * NS
"""Nanoseconds in a day of UTC, which has no changes of the clock."""

DAY_FILE = "steps.parquet"
"""The name of the only file in the folder of a day."""

_MAX_NAME_LENGTH = 200
"""Characters of a pipeline's folder name. File systems allow 255 bytes; working copies add a suffix to the name."""

_PARTITION = "pipeline="


METADATA = "_entro"
"""The name of the metadata folder; readers of partitions skip a name that begins with `_`."""


class PipelinePaths(Struct, frozen=True, dict=True):
    """The paths of a pipeline's history.

    Attributes:
        root: the history of all pipelines: a folder, or a URL without a slash at its end.
        name: the pipeline, as the user names it.
    """

    root: Path | str
    name: str

    @property
    def url(self) -> str:
        """The URL of the history; empty if it is in a folder."""
        return self.root if isinstance(self.root, str) else ""

    @property
    def history(self) -> Path:
        """The folder of all pipelines; for a history at a URL, the folder of its working copies on this machine."""
        if isinstance(self.root, Path):
            return self.root
        # Hashed: a URL may hold a password, and has characters that a path cannot hold.
        digest = hashlib.blake2b(self.root.encode(), digest_size=8).hexdigest()
        return user_cache_path("entro", appauthor=False) / "histories" / digest

    @property
    def shown(self) -> str:
        """The history's folder or URL for messages, without passwords and signatures."""
        return shown_url(str(self.root))

    @cached_property
    def folder(self) -> Path:
        """The folder `pipeline=NAME`, a partition for DuckDB and Spark, with special characters percent-encoded."""
        return self.history / f"{_PARTITION}{quote(self.name, safe=' ')}"

    @cached_property
    def metadata_dir(self) -> Path:
        """The folder of everything but the steps."""
        return self.folder / METADATA

    @property
    def state(self) -> Path:
        """The file with the grid, the stages and the logs that were read."""
        return self.metadata_dir / "state.json"

    @property
    def state_copy(self) -> Path:
        """The file with the same content, for the case that the state is lost or damaged."""
        return self.metadata_dir / "state-copy.json"

    @property
    def digests(self) -> Path:
        """The file with the hashes of the day files and of the state, to detect damage."""
        return self.metadata_dir / "digests.json"

    @property
    def step_counts(self) -> Path:
        """The file with the number of steps of every day that was counted."""
        return self.metadata_dir / "counts.json"

    @property
    def lock(self) -> Path:
        """The lock file that a writer holds."""
        return self.metadata_dir / "lock"

    @property
    def staging(self) -> Path:
        """The folder in which a transaction writes its files."""
        return self.metadata_dir / "staging"

    @property
    def committed(self) -> Path:
        """The staging folder after its rename: its files are stored, even before they are moved into place."""
        return self.metadata_dir / "committed"

    def day_file(self, day: date) -> Path:
        """Return the file with the steps of a day."""
        return self.folder / f"date={day.isoformat()}" / DAY_FILE

    def days(self) -> list[date]:
        """Return the days that have a file, in order."""
        return sorted(self._days())

    def _days(self) -> Iterator[date]:
        if not self.folder.is_dir():
            return
        for folder in self.folder.iterdir():
            day = _day_of(folder.name)
            if day is not None and (folder / DAY_FILE).exists():
                yield day


def pipeline_paths(history: Path | str, name: str) -> PipelinePaths:
    """Return the paths of a pipeline, after a check of its name.

    Args:
        history: a folder, or a URL without a slash at its end.
        name: the pipeline.

    Raises:
        EntroError: if the name is empty or too long, or something is not UTF-8, as DuckDB requires.
    """
    try:
        f"{history}{name}".encode()
    except UnicodeEncodeError as error:
        raise EntroError(
            "the place of a history or the name of a pipeline is not UTF-8",
            where=printable(f"{history}, {name}"),
            remedy="name another with --history or --pipeline",
        ) from error
    paths = PipelinePaths(history, name)
    if not name.strip() or len(paths.folder.name) > _MAX_NAME_LENGTH or name in {".", ".."}:
        raise EntroError(
            f"{name[:40]!r} is not a valid pipeline name", where="--pipeline", expected="a short name, such as frontend"
        )
    return paths


def shared_folders(pipelines: Iterable[PipelinePaths]) -> tuple[Path, ...]:
    """Return the history folders that all workers must share; a worker makes its own copy of a history at a URL."""
    return tuple(paths.history for paths in pipelines if not paths.url)


def stored_pipelines(history: Path) -> list[PipelinePaths]:
    """Return every pipeline in a folder, sorted by name."""
    if not history.is_dir():
        return []
    names = pipeline_names(folder.name for folder in history.iterdir() if folder.is_dir())
    return [PipelinePaths(history, name) for name in names]


def pipeline_names(folders: Iterable[str]) -> list[str]:
    """Return the sorted names of the pipelines that some folders belong to, and ignore other folders."""
    return [unquote(name.removeprefix(_PARTITION)) for name in sorted(folders) if name.startswith(_PARTITION)]


def _day_of(name: str) -> date | None:
    match = re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def utc_day(ns: int) -> date:
    """Return the day of UTC that contains a moment, given in nanoseconds since the epoch."""
    return moment(ns, UTC).date()


def day_start_ns(day: date) -> int:
    """Return the start of a day of UTC, nanoseconds since the epoch."""
    return nanoseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
