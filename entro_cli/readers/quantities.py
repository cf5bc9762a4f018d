"""Quantities of a log by name, and the choice of those that are stages: the last step of every reader but `table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entro_cli.timeseries.observations import Idle, Measure, ReadOptions, Series, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

RATE_STAGE, QUEUE_STAGE = "scraper", "llm"
"""The names of stages that the user did not name."""


@dataclass(frozen=True)
class Quantity:
    """One quantity of a log over time, sorted, each time once.

    Attributes:
        name: the column that `--stage NAME=COLUMN` refers to: `waiting`, `running`, `requests`.
        kind: what it measures.
        times: as in `Series`.
        values: as in `Series`.
        stage: the stage that it is by default; empty if it is a stage only when it is named.
        measure: as in `Series`.
        begins: as in `Series`.
        is_fallback: as in `Series`.
        is_additive: as in `Series`.
        known_interval_ns: as in `Series`.
        idle: as in `Series`.
    """

    name: str
    kind: Kind
    times: TimeArray
    values: FloatArray
    stage: str = ""
    measure: Measure = Measure.SAMPLES
    begins: TimeArray | None = None
    is_fallback: bool = False
    is_additive: bool = False
    known_interval_ns: float | None = None
    idle: Idle = Idle.UNKNOWN


def choose_stages(quantities: Sequence[Quantity], options: ReadOptions) -> tuple[Series, ...]:
    """Return the quantities that the user named as stages, or those that are stages by default.

    Args:
        quantities: of the log; those without samples are left out.
        options: how the log is read.
    """
    by_name = {part.name: part for part in quantities if len(part.times)}
    specs = options.stages_for([*by_name])
    if any(spec.column in by_name for spec in specs):
        return tuple(
            _series(by_name[spec.column], spec.name, spec.kind, spec.full) for spec in specs if spec.column in by_name
        )
    return tuple(
        _series(part, part.stage, options.kind_of(part.stage), None) for part in by_name.values() if part.stage
    )


def _series(part: Quantity, stage: str, kind: Kind | None, full: float | None) -> Series:
    return Series(
        stage,
        kind or part.kind,
        part.times,
        part.values,
        full,
        part.name,
        part.measure,
        part.begins,
        part.is_fallback,
        part.is_additive,
        part.known_interval_ns,
        idle=part.idle,
    )
