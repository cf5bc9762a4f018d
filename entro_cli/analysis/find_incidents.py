"""Finding incidents: the groups of steps over the budget, across the parts of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from entro_cli.analysis.incidents import IncidentColumns, Incidents
from entro_engine import Run, Stage
from entro_engine.budget import drivers
from entro_engine.early_warning import WINDOW_STEPS, time_to_budget
from entro_engine.entropy import FloatArray


class _FoundIncidents(Struct, frozen=True):
    """Incidents in some parts of a run, arrays of shape (incidents,).

    The arrays are those of `IncidentColumns`, with two differences: `after` is the step after the last one, and
    `evidence` the sum of the rows of `Run.driver_evidence`, shape (rows, incidents).
    """

    first: NDArray[np.int64]
    after: NDArray[np.int64]
    violations: NDArray[np.int64]
    peak: FloatArray
    peak_psi: FloatArray
    excess: FloatArray
    evidence: FloatArray
    forecast: FloatArray

    def take(self, which: slice) -> _FoundIncidents:
        return _FoundIncidents(*(getattr(self, name)[..., which] for name in self.__struct_fields__))

    def columns(self, stages: Sequence[Stage]) -> IncidentColumns:
        return IncidentColumns(
            self.first,
            (self.after - self.first).astype(np.int32),
            self.violations.astype(np.int32),
            self.peak,
            self.peak_psi,
            self.excess,
            drivers(stages, self.evidence).astype(np.int16),
            self.forecast,
        )


class IncidentFinder:
    """Finder of the incidents of a run, from its parts in the order of their times.

    Args:
        stages: stages of the run.
        budget: the budget of the coupled load, nat.
    """

    def __init__(self, stages: Sequence[Stage], budget: float) -> None:
        self._stages, self._budget = stages, budget
        self._steps = 0
        self._times, self._load = np.empty(0), np.empty(0)  # the last steps with data, and the last step of all
        none, whole = np.empty(0), np.empty(0, np.int64)
        self._evidence = np.empty((len(stages), 0))  # of the last step
        self._last = _FoundIncidents(whole, whole, whole, none, none, none, self._evidence, none)  # may go on
        # Byte arrays grow in place. Joining arrays at the end would need the memory twice.
        self._done = {name: bytearray() for name in IncidentColumns.__struct_fields__}

    def add_earlier(self, run: Run) -> None:
        """Add a part from before the period. Its incidents do not count, but the time to budget looks back on it."""
        self._keep(*self._with_kept(run))

    def add(self, run: Run, violated: NDArray[np.bool_], delta: FloatArray, evidence: FloatArray) -> None:
        """Find the incidents of a part. The arguments belong to the part. Other accumulators need them, too."""
        times_s, load = self._with_kept(run)
        found = self._found(run, violated, delta, evidence, times_s, load)
        if len(found.first):
            found = self._joined(found, np.nan_to_num(evidence[:, :1]))
            self._store(found.take(slice(-1)))
            self._last = found.take(slice(-1, None))
        self._keep(times_s, load)
        self._evidence = np.nan_to_num(evidence[:, -1:])
        self._steps += run.steps

    @property
    def time_to_budget_s(self) -> float | None:
        """Time until the budget is reached at the slope of the last steps, s; None if the load is not growing."""
        observed = np.flatnonzero(~np.isnan(self._load))
        forecast = time_to_budget(self._times, self._load, self._budget, observed[-1:])
        return float(forecast[0]) if len(forecast) and math.isfinite(forecast[0]) else None

    def incidents(self, start_ns: int, step_ns: int, zone: tzinfo) -> Incidents:
        """Return all incidents. Call this once: it hands over the collected arrays.

        Args:
            start_ns: start of the first step that counts, nanoseconds since the epoch.
            step_ns: length of a step, nanoseconds.
            zone: the zone of the times in the result.
        """
        self._store(self._last)
        kinds = {name: column.dtype for name, column in asdict(self._last.columns(self._stages)).items()}
        columns = {name: np.frombuffer(self._done[name], kind) for name, kind in kinds.items()}
        names = [stage.name for stage in self._stages]
        return Incidents(IncidentColumns(**columns), names, start_ns, step_ns, zone)

    def _store(self, found: _FoundIncidents) -> None:
        for name, column in asdict(found.columns(self._stages)).items():
            self._done[name] += column.tobytes()

    def _with_kept(self, run: Run) -> tuple[FloatArray, FloatArray]:
        """Return the times (s) and the coupled load of the kept steps and of this part."""
        return np.concatenate([self._times, run.times_ns / 1e9]), np.concatenate([self._load, run.coupled_load])

    def _keep(self, times_s: FloatArray, load: FloatArray) -> None:
        """Keep the steps that the time to budget looks back on: the last ones with data, and the last one of all."""
        kept = np.flatnonzero(~np.isnan(load[:-1]))[-WINDOW_STEPS:]
        kept = np.append(kept, len(load) - 1)
        self._times, self._load = times_s[kept], load[kept]

    def _found(
        self,
        run: Run,
        violated: NDArray[np.bool_],
        delta: FloatArray,
        evidence: FloatArray,
        times_s: FloatArray,
        load: FloatArray,
    ) -> _FoundIncidents:
        """Return the incidents of a part on its own."""
        firsts, afters = spans_of_violation(violated)
        kept = len(load) - run.steps
        before = firsts + kept - 1  # the step before each incident; -1 for a first step without a predecessor
        forecast = np.full(len(firsts), math.nan)
        forecast[before >= 0] = time_to_budget(times_s, load, self._budget, before[before >= 0])
        edges = np.stack([firsts, afters], axis=1).ravel()
        return _FoundIncidents(
            firsts + self._steps,
            afters + self._steps,
            _reduced(np.add, violated.astype(np.int64), edges),
            _reduced(np.maximum, run.coupled_load, edges),
            _reduced(np.maximum, run.psi_total, edges),
            _reduced(np.add, delta, edges),
            _reduced(np.add, evidence, edges),
            forecast,
        )

    def _joined(self, found: _FoundIncidents, evidence: FloatArray) -> _FoundIncidents:
        """Put the last incident so far before those of a part, or join it with the first of them.

        A single step between two violations does not end an incident, so the two may be one incident. `evidence` is
        that of the part's first step.
        """
        last = self._last
        if not len(last.first):
            return found
        if found.first[0] - last.after[0] > 1:
            return _FoundIncidents(
                *(np.concatenate([getattr(last, name), getattr(found, name)], -1) for name in found.__struct_fields__)
            )
        between = np.zeros(len(evidence))
        if found.first[0] > last.after[0]:  # the step between both belongs to the incident
            between = (evidence if last.after[0] == self._steps else self._evidence)[:, 0]
        found.violations[0] += last.violations[0]
        found.excess[0] += last.excess[0]
        found.evidence[:, 0] += last.evidence[:, 0] + between
        found.peak[0] = max(found.peak[0], last.peak[0])
        found.peak_psi[0] = max(found.peak_psi[0], last.peak_psi[0])
        found.first[0], found.forecast[0] = last.first[0], last.forecast[0]
        return found


def spans_of_violation(violated: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first steps of the incidents, and the steps after their last. A single step between two is bridged."""
    steps = np.flatnonzero(violated)
    if not len(steps):
        return steps, steps
    cuts = np.flatnonzero(np.diff(steps) > 2)
    return steps[np.append(0, cuts + 1)], steps[np.append(cuts, -1)] + 1


def _reduced(function: np.ufunc, values: NDArray[Any], edges: NDArray[np.int64]) -> NDArray[Any]:
    """Return the reduction of each incident's values along the last axis, with NaN as 0.

    All incidents are reduced at once, because a long log has many. `edges` are the first step of each, and the step
    after its last, in turn.
    """
    # reduceat reduces between neighbouring edges: every second result is an incident, the others are the steps between
    # incidents. The padding makes the step after the last one a valid edge.
    padded = np.zeros((*values.shape[:-1], values.shape[-1] + 1), values.dtype)
    padded[..., :-1] = np.nan_to_num(values)
    return function.reduceat(padded, edges, axis=-1)[..., ::2].copy()
