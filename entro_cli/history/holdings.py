"""What a history holds, as it is told: plain values, units in the names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entro_cli.analysis.results import Source


@dataclass(frozen=True)
class Holding:
    """A pipeline in a history.

    Attributes:
        pipeline: its name.
        history: the folder it is in.
        step_s: length of its steps, s; 0 where nothing was ever stored.
        stages: their names.
        first: where its first step begins; None without any.
        last: where its last step begins.
        days: how many days of UTC there are.
        steps: how many steps there are with samples of any stage.
        size_bytes: of everything in its folder.
        bytes_per_step: the same for each step; None without any.
    """

    pipeline: str
    history: str
    step_s: float
    stages: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    days: int
    steps: int
    size_bytes: int
    bytes_per_step: float | None


@dataclass(frozen=True)
class HeldStage:
    """A stage of a stored pipeline: the full load that was last given with its logs, and what feeds it."""

    name: str
    kind: str
    full: float | None
    sources: tuple[str, ...]


@dataclass(frozen=True)
class HeldDay:
    """A day of UTC: steps with samples of any stage, their share of the day (0..1), samples, the size of its file."""

    day: str
    steps: int
    coverage: float
    samples: int
    size_bytes: int


@dataclass(frozen=True)
class Content:
    """A pipeline in a history, day by day.

    Attributes:
        pipeline: its name.
        history: the folder it is in.
        step_s: length of its steps, s.
        stages: what is known of them.
        days: in order; those that cannot be read are left out.
        logs: what was read of each log that gave something, in the order they were first read.
    """

    pipeline: str
    history: str
    step_s: float
    stages: tuple[HeldStage, ...]
    days: tuple[HeldDay, ...]
    logs: tuple[Source, ...]


@dataclass(frozen=True)
class Pruned:
    """What was removed of a pipeline: its days of UTC, and how large their files were."""

    pipeline: str
    history: str
    days: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True)
class Damage:
    """A damaged file, and what is wrong with it, in a clause."""

    path: str
    found: str


@dataclass(frozen=True)
class Checked:
    """What came of checking a pipeline: how many files were read, those that are damaged, and what else is there."""

    pipeline: str
    history: str
    files: int
    damaged: tuple[Damage, ...]
    notes: tuple[str, ...]
