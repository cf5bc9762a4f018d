"""What a log tells, by name, and which of it are stages: what every reader but that of tables ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entro_cli.timeseries.observations import Measure, ReadOptions, Series, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

RATE_STAGE, QUEUE_STAGE = "scraper", "llm"
"""What the stages are called that nobody named."""


@dataclass(frozen=True)
class Quantity:
    """One quantity that a log tells over time; sorted by time, each time once.

    Attributes:
        name: what it is called, as `--stage NAME=COLUMN` names it: `waiting`, `running`, `requests`.
        kind: what it measures.
        times: as in `Series`.
        values: as in `Series`.
        stage: the stage that it is without a word of the user; empty where it is one only when it is named.
        measure: as in `Series`.
        begins: as in `Series`.
        is_fallback: as in `Series`.
        is_additive: as in `Series`.
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


def choose_stages(quantities: Sequence[Quantity], options: ReadOptions) -> tuple[Series, ...]:
    """The stages in a log: the quantities that the user named, else those that are stages by themselves.

    Args:
        quantities: what the log tells; those without samples are left out.
        options: what the user said.
    """
    told = {part.name: part for part in quantities if len(part.times)}
    placed = options.stages_for([*told])
    if any(spec.column in told for spec in placed):
        return tuple(
            _series(told[spec.column], spec.name, spec.kind, spec.full) for spec in placed if spec.column in told
        )
    return tuple(_series(part, part.stage, options.kind_of(part.stage), None) for part in told.values() if part.stage)


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
    )
