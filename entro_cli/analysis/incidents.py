"""Incidents: kept as columns, made when they are looked at. A long log has a million, of which a person sees ten."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import overload

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import moment
from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class Incident:
    """A maximal run of steps over the budget; one step inside it without violation or data does not end it.

    Attributes:
        start: where its first violating step begins.
        end: where its last violating step ends.
        duration_s: from start to end, s.
        violations: how many of its steps violate.
        peak_psi_total: the highest Psi_total in it, nat.
        excess_nat_s: how far and how long it was over the budget, nat s.
        driver: the stage with the largest mean share of Psi_total in it.
        time_to_budget_s: the forecast one step before it: how long until the budget would be reached at the slope of
            then, s; None where it was not being approached.
    """

    start: datetime
    end: datetime
    duration_s: float
    violations: int
    peak_psi_total: float
    excess_nat_s: float
    driver: str
    time_to_budget_s: float | None


@dataclass(frozen=True)
class IncidentColumns:
    """Incidents as columns, arrays of shape (incidents,).

    Attributes:
        first: the first step.
        length: how many steps there are to the last one, that included.
        violations: how many of them violate.
        peak: the highest Psi_total, nat.
        excess: the sum of Delta, nat.
        driver: the stage with the largest mean share of Psi_total, by its index.
        ahead: the time to budget one step before, s; NaN or infinite where there is none.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int32]
    violations: NDArray[np.int32]
    peak: FloatArray
    excess: FloatArray
    driver: NDArray[np.int16]
    ahead: FloatArray


class Incidents(Sequence[Incident]):
    """The incidents of a period, by time: each is made when it is looked at.

    Args:
        spans: what is known of them; their steps count from the period's first.
        stages: the names of the stages.
        start_ns: where the period's first step begins, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        zone: what times are told in.
    """

    def __init__(
        self, spans: IncidentColumns, stages: Sequence[str], start_ns: int, step_ns: int, zone: tzinfo
    ) -> None:
        self._spans, self._stages = spans, stages
        self._start_ns, self._step_ns, self._zone = start_ns, step_ns, zone

    def __len__(self) -> int:
        """How many there are."""
        return len(self._spans.first)

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same incidents."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Incident.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, which: int) -> Incident: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Incident, ...]: ...
    def __getitem__(self, which: int | slice) -> Incident | tuple[Incident, ...]:
        """One of them, or some."""
        places = range(len(self))[which]
        return tuple(map(self._made, places)) if isinstance(places, range) else self._made(places)

    def __iter__(self) -> Iterator[Incident]:
        """All of them, by time."""
        return map(self._made, range(len(self)))

    def worst(self, most: int) -> tuple[Incident, ...]:
        """So many at most, by excess, the worst first, the earlier of those that are equal to seven digits."""
        order = np.argsort(-self._spans.excess.astype(np.float32), kind="stable")[:most]
        return tuple(map(self._made, order.tolist()))

    def _made(self, place: int) -> Incident:
        spans, step_s = self._spans, self._step_ns / 1e9
        first, length, ahead = int(spans.first[place]), int(spans.length[place]), float(spans.ahead[place])
        return Incident(
            start=moment(self._start_ns + first * self._step_ns, self._zone),
            end=moment(self._start_ns + (first + length) * self._step_ns, self._zone),
            duration_s=length * step_s,
            violations=int(spans.violations[place]),
            peak_psi_total=float(spans.peak[place]),
            excess_nat_s=float(spans.excess[place]) * step_s,
            driver=self._stages[int(spans.driver[place])],
            time_to_budget_s=ahead if math.isfinite(ahead) else None,
        )
