"""Where everything of a history stands: a folder a pipeline, in it a folder a day (UTC) and one for the books."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from platformdirs import user_cache_path

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.core.urls import shown_url
from entro_engine import EntroError

DAY_NS = 86400 * NS
"""Nanoseconds in a day of UTC."""

DAY_FILE = "steps.parquet"
"""What the one file of a day is called."""

_MAX_NAME_LENGTH = 200
_PARTITION = "pipeline="


@dataclass(frozen=True)
class PipelinePaths:
    """Where a pipeline's history stands.

    Attributes:
        where: the history: a folder, or a URL without a slash at its end.
        name: the pipeline, as its user calls it.
    """

    where: Path | str
    name: str

    @property
    def url(self) -> str:
        """Where the history is, if it is not in a folder."""
        return self.where if isinstance(self.where, str) else ""

    @property
    def history(self) -> Path:
        """The folder of all pipelines; of a history at a URL, that of this machine's copies of it."""
        if isinstance(self.where, Path):
            return self.where
        digest = hashlib.blake2b(self.where.encode(), digest_size=8).hexdigest()
        return user_cache_path("entro", appauthor=False) / "histories" / digest

    @property
    def shown(self) -> str:
        """Where the history is, in words that give nothing away."""
        return shown_url(str(self.where))

    @property
    def folder(self) -> Path:
        """`pipeline=NAME`, a partition as DuckDB and Spark read it: what a path cannot hold is percent-encoded."""
        return self.history / f"{_PARTITION}{quote(self.name, safe=' ')}"

    @property
    def metadata_dir(self) -> Path:
        """What is kept besides the steps; readers of partitions pass over a name that begins with `_`."""
        return self.folder / "_entro"

    @property
    def state(self) -> Path:
        """The grid, the stages and the logs that were read."""
        return self.metadata_dir / "state.json"

    @property
    def digests(self) -> Path:
        """The hashes of the other files, which tell one that is damaged."""
        return self.metadata_dir / "digests.json"

    @property
    def lock(self) -> Path:
        """Held by whoever writes."""
        return self.metadata_dir / "lock"

    @property
    def staging(self) -> Path:
        """Where files are made before they are moved to their places."""
        return self.metadata_dir / "staging"

    @property
    def committed(self) -> Path:
        """The same once they are all made: what is in it is stored, also where it has yet to be moved."""
        return self.metadata_dir / "committed"

    def day_file(self, day: date) -> Path:
        """The steps of a day."""
        return self.folder / f"date={day.isoformat()}" / DAY_FILE

    def days(self) -> list[date]:
        """The days with a file, in order."""
        return sorted(self._days())

    def _days(self) -> Iterator[date]:
        if not self.folder.is_dir():
            return
        for folder in self.folder.iterdir():
            day = _day_of(folder.name)
            if day is not None and (folder / DAY_FILE).exists():
                yield day


def pipeline_paths(history: Path | str, name: str) -> PipelinePaths:
    """The place of a pipeline.

    Args:
        history: a folder, or a URL without a slash at its end.
        name: of the pipeline.

    Raises:
        EntroError: when the name cannot be one.
    """
    place = PipelinePaths(history, name)
    if not name.strip() or len(place.folder.name) > _MAX_NAME_LENGTH or name in {".", ".."}:
        raise EntroError(
            f"{name[:40]!r} cannot be a pipeline's name", where="--pipeline", expected="a short name, such as frontend"
        )
    return place


def shared_folders(places: Iterable[PipelinePaths]) -> tuple[Path, ...]:
    """The folders of histories that whoever works on them must see; of those at URLs each makes its own copies."""
    return tuple(place.history for place in places if not place.url)


def stored_pipelines(history: Path) -> list[PipelinePaths]:
    """Every pipeline that a folder holds, by name."""
    if not history.is_dir():
        return []
    names = pipeline_names(folder.name for folder in history.iterdir() if folder.is_dir())
    return [PipelinePaths(history, name) for name in names]


def pipeline_names(folders: Iterable[str]) -> list[str]:
    """The pipelines whose folders have some names, in order; other folders have none."""
    return [unquote(name.removeprefix(_PARTITION)) for name in sorted(folders) if name.startswith(_PARTITION)]


def _day_of(name: str) -> date | None:
    match = re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def utc_day(ns: int) -> date:
    """The day of UTC in which a moment lies."""
    return moment(ns, UTC).date()


def day_start_ns(day: date) -> int:
    """Where a day of UTC begins, nanoseconds since the epoch."""
    return nanoseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
