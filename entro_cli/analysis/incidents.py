"""Incidents, stored as columns and created on access: a long log has a million, of which a person sees ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import overload

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.clock import moment
from entro_engine.entropy import FloatArray

_MOST_EXPLAINED = 1000
"""Chosen: so many incidents get causes, which takes some 0.1 ms each. Reports list 20."""


class Cause(Struct, frozen=True):
    """A cause of an incident that the log shows.

    Attributes:
        kind: `kv_cache_usage`, `preemptions`, `restarts`, `failed`, `rate` or `no_data`.
        sentence: the cause in words, with its number and its time.
        value: the highest KV cache usage, 0..1; a number of preemptions, restarts or failed requests; the rate after
            its fall, req/s; or how long there was no data, s.
        start: when it began.
    """

    kind: str
    sentence: str
    value: float
    start: datetime


class Incident(Struct, frozen=True):
    """A maximal run of steps over the budget. A single step within it without violation or data does not end it.

    Attributes:
        start: start of its first violating step.
        end: end of its last violating step.
        duration_s: time from start to end, s.
        violations: number of its violating steps.
        peak_coupled_load: the highest coupled load, nat.
        peak_psi_total: the highest Psi_total, nat.
        excess_nat_s: integral of Delta over its time, nat s.
        driver: the stage that drove it: of up to two stages, the one with the largest mean share of Psi_total.
        time_to_budget_s: the forecast one step before it: time until the budget would be reached at the slope of that
            moment, s. None if the load was not growing.
        causes: its causes as far as the logs show them, in the order of their times.
    """

    start: datetime
    end: datetime
    duration_s: float
    violations: int
    peak_coupled_load: float
    peak_psi_total: float
    excess_nat_s: float
    driver: str
    time_to_budget_s: float | None
    causes: tuple[Cause, ...]

    @property
    def anchor(self) -> str:
        """The id of the incident in a page, for links. It holds the start in UTC, as ranks and zones change."""
        return f"incident-{self.start.astimezone(UTC):%Y%m%dT%H%M%SZ}"


class IncidentColumns(Struct, frozen=True):
    """Incidents as columns, arrays of shape (incidents,). One incident takes 50 bytes.

    Attributes:
        first: the first step.
        length: number of steps up to and including the last.
        violations: number of violating steps.
        peak: the highest coupled load, nat.
        peak_psi: the highest Psi_total, nat.
        excess: the sum of Delta, nat.
        driver: index of the stage that drove it.
        forecast: time to budget one step before, s; NaN or infinite if there is none.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int32]
    violations: NDArray[np.int32]
    peak: FloatArray
    peak_psi: FloatArray
    excess: FloatArray
    driver: NDArray[np.int16]
    forecast: FloatArray


class Incidents(Sequence[Incident]):
    """The incidents of a period, by time. Each is created on access.

    Args:
        spans: the columns. Steps are counted from the first of the period.
        stages: names of the stages.
        start_ns: start of the period's first step, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        zone: the zone of the times in the result.
    """

    def __init__(
        self, spans: IncidentColumns, stages: Sequence[str], start_ns: int, step_ns: int, zone: tzinfo
    ) -> None:
        self._spans, self._stages = spans, stages
        self._start_ns, self._step_ns, self._zone = start_ns, step_ns, zone
        self._explained: frozenset[int] = frozenset()
        self._causes: Callable[[Incident], tuple[Cause, ...]] = lambda incident: ()

    def __len__(self) -> int:
        """Return the number of incidents."""
        return len(self._spans.first)

    def __eq__(self, other: object) -> bool:
        """Return True if another sequence has the same incidents."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Incident.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, which: int) -> Incident: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Incident, ...]: ...
    def __getitem__(self, which: int | slice) -> Incident | tuple[Incident, ...]:
        """Return one incident or a slice."""
        indices = range(len(self))[which]
        return tuple(map(self._incident, indices)) if isinstance(indices, range) else self._incident(indices)

    def __iter__(self) -> Iterator[Incident]:
        """Iterate over all incidents by time."""
        return map(self._incident, range(len(self)))

    def worst(self, most: int) -> tuple[Incident, ...]:
        """Return at most `most` incidents by excess, the worst first. Among equals, the earlier comes first."""
        return tuple(map(self._incident, self._worst(most)))

    def violations_driven(self) -> dict[str, int]:
        """Return the number of violating steps in the incidents that each stage drove, by the stage's name."""
        counts = np.bincount(self._spans.driver, self._spans.violations, len(self._stages))
        return {stage: int(steps) for stage, steps in zip(self._stages, counts, strict=True)}

    def explained(self, causes: Callable[[Incident], tuple[Cause, ...]]) -> Incidents:
        """Return the same incidents, the worst 1000 of them with the causes that a function gives."""
        found = Incidents(self._spans, self._stages, self._start_ns, self._step_ns, self._zone)
        found._explained, found._causes = frozenset(self._worst(_MOST_EXPLAINED)), causes
        return found

    def _worst(self, most: int) -> list[int]:
        # float32 has seven digits, so excesses that differ only by rounding are equal and stay in order of time.
        order = np.argsort(-self._spans.excess.astype(np.float32), kind="stable")[:most]
        worst: list[int] = order.tolist()
        return worst

    def _incident(self, index: int) -> Incident:
        spans, step_s = self._spans, self._step_ns / 1e9
        first, length, forecast = int(spans.first[index]), int(spans.length[index]), float(spans.forecast[index])
        found = Incident(
            start=moment(self._start_ns + first * self._step_ns, self._zone),
            end=moment(self._start_ns + (first + length) * self._step_ns, self._zone),
            duration_s=length * step_s,
            violations=int(spans.violations[index]),
            peak_coupled_load=float(spans.peak[index]),
            peak_psi_total=float(spans.peak_psi[index]),
            excess_nat_s=float(spans.excess[index]) * step_s,
            driver=self._stages[int(spans.driver[index])],
            time_to_budget_s=forecast if math.isfinite(forecast) else None,
            causes=(),
        )
        return replace(found, causes=self._causes(found)) if index in self._explained else found
