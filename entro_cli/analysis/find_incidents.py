"""Run -> Incidents: runs of steps over the budget, found in its parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.incidents import IncidentColumns, Incidents
from entro_engine import Run, Stage
from entro_engine.early_warning import WINDOW_STEPS, time_to_budget
from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class _FoundIncidents:
    """Incidents of some parts of a run, arrays of shape (incidents,); `after` is the step behind the last one.

    All else is as in `IncidentColumns`, but for the sum of each stage's share of Psi_total, shape (N, incidents).
    """

    first: NDArray[np.int64]
    after: NDArray[np.int64]
    violations: NDArray[np.int64]
    peak: FloatArray
    excess: FloatArray
    shares: FloatArray
    ahead: FloatArray

    def take(self, which: slice) -> _FoundIncidents:
        return _FoundIncidents(*(getattr(self, one.name)[..., which] for one in fields(self)))

    def columns(self) -> IncidentColumns:
        return IncidentColumns(
            self.first,
            (self.after - self.first).astype(np.int32),
            self.violations.astype(np.int32),
            self.peak,
            self.excess,
            self.shares.argmax(axis=0).astype(np.int16),
            self.ahead,
        )


class IncidentFinder:
    """The incidents of a run, found in its parts in the order of their times.

    Args:
        stages: of the run.
        budget: Psi_budget, nat.
    """

    def __init__(self, stages: Sequence[Stage], budget: float) -> None:
        self._stages, self._budget = [stage.name for stage in stages], budget
        self._steps = 0
        self._shares = np.zeros((len(stages), 1))  # of the last step
        self._times, self._psi = np.empty(0), np.empty(0)  # the last steps with data, and the last step
        none, whole = np.empty(0), np.empty(0, np.int64)
        self._last = _FoundIncidents(
            whole, whole, whole, none, none, np.empty((len(stages), 0)), none
        )  # one that may go on
        # They grow in place: arrays that were joined in the end would be held twice.
        self._done = {one.name: bytearray() for one in fields(IncidentColumns)}

    def add_earlier(self, run: Run) -> None:
        """Take in a part before those whose incidents are wanted: the time to budget looks back on it."""
        self._keep(*self._with_tail(run))

    def add(self, run: Run, violated: NDArray[np.bool_], delta: FloatArray, shares: FloatArray) -> None:
        """Find the incidents of a part, what it says of itself given along, since others look at that too."""
        times_s, psi = self._with_tail(run)
        found = self._found(run, violated, delta, shares, times_s, psi)
        if len(found.first):
            found = self._joined(found, np.nan_to_num(shares))
            self._store(found.take(slice(-1)))
            self._last = found.take(slice(-1, None))
        self._keep(times_s, psi)
        self._shares = np.nan_to_num(shares[:, -1:])
        self._steps += run.steps

    @property
    def time_to_budget_s(self) -> float | None:
        """How long until the budget is reached at the slope of the last steps, s; None where it is not approached."""
        seen = np.flatnonzero(~np.isnan(self._psi))
        ahead = time_to_budget(self._times, self._psi, self._budget, seen[-1:])
        return float(ahead[0]) if len(ahead) and math.isfinite(ahead[0]) else None

    def incidents(self, start_ns: int, step_ns: int, zone: tzinfo) -> Incidents:
        """All of them; what was collected is given away with them, so this can be asked once.

        Args:
            start_ns: where the first step begins that was not only looked back on, nanoseconds since the epoch.
            step_ns: length of a step, nanoseconds.
            zone: what times are told in.
        """
        self._store(self._last)
        kinds = {name: column.dtype for name, column in vars(self._last.columns()).items()}
        columns = {name: np.frombuffer(self._done[name], kind) for name, kind in kinds.items()}
        return Incidents(IncidentColumns(**columns), self._stages, start_ns, step_ns, zone)

    def _store(self, found: _FoundIncidents) -> None:
        for name, column in vars(found.columns()).items():
            self._done[name] += column.tobytes()

    def _with_tail(self, run: Run) -> tuple[FloatArray, FloatArray]:
        """The times (s) and Psi_total of what was kept of the parts before, and of this one."""
        return np.concatenate([self._times, run.times_ns / 1e9]), np.concatenate([self._psi, run.psi_total])

    def _keep(self, times_s: FloatArray, psi: FloatArray) -> None:
        """Keep what the time to budget looks back on: as many steps with data as it needs, and the last one."""
        kept = np.flatnonzero(~np.isnan(psi[:-1]))[-WINDOW_STEPS:]
        kept = np.append(kept, len(psi) - 1)
        self._times, self._psi = times_s[kept], psi[kept]

    def _found(
        self,
        run: Run,
        violated: NDArray[np.bool_],
        delta: FloatArray,
        shares: FloatArray,
        times_s: FloatArray,
        psi: FloatArray,
    ) -> _FoundIncidents:
        """The incidents of a part by itself."""
        firsts, afters = spans_of_violation(violated)
        tail = len(psi) - run.steps
        before = firsts + tail - 1
        ahead = np.full(len(firsts), math.nan)
        ahead[before >= 0] = time_to_budget(times_s, psi, self._budget, before[before >= 0])
        within = _SpanReducer(firsts, afters)
        return _FoundIncidents(
            firsts + self._steps,
            afters + self._steps,
            within.each(np.add, violated.astype(np.int64)),
            within.each(np.maximum, run.psi_total),
            within.each(np.add, delta),
            within.each(np.add, shares),
            ahead,
        )

    def _joined(self, found: _FoundIncidents, shares: FloatArray) -> _FoundIncidents:
        """The incidents of a part, and before them the last one of those before, which may go on in the first."""
        last = self._last
        if not len(last.first) or found.first[0] - last.after[0] > 1:
            return _FoundIncidents(
                *(np.concatenate([getattr(last, one.name), getattr(found, one.name)], -1) for one in fields(found))
            )
        between = np.zeros(len(shares))
        if found.first[0] > last.after[0]:  # a step between both is a step of it
            between = shares[:, 0] if last.after[0] == self._steps else self._shares[:, 0]
        found.violations[0] += last.violations[0]
        found.excess[0] += last.excess[0]
        found.shares[:, 0] += last.shares[:, 0] + between
        found.peak[0] = max(found.peak[0], last.peak[0])
        found.first[0], found.ahead[0] = last.first[0], last.ahead[0]
        return found


def spans_of_violation(violated: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The incidents: their first steps, and the steps after their last; a single step between two is bridged."""
    steps = np.flatnonzero(violated)
    if not len(steps):
        return steps, steps
    cuts = np.flatnonzero(np.diff(steps) > 2)
    return steps[np.append(0, cuts + 1)], steps[np.append(cuts, -1)] + 1


@dataclass(frozen=True)
class _SpanReducer:
    """Incidents, all at once: a long log has many. `firsts` are their first steps, `afters` those after their last."""

    firsts: NDArray[np.int64]
    afters: NDArray[np.int64]

    def each(self, reduce: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """What the values of each incident's steps come to; those without data are none. Of the last axis."""
        edges = np.stack([self.firsts, self.afters], axis=1).ravel()
        padded = np.zeros((*values.shape[:-1], values.shape[-1] + 1), values.dtype)  # an edge behind the last step
        padded[..., :-1] = np.nan_to_num(values)
        return reduce.reduceat(padded, edges, axis=-1)[..., ::2].copy()
