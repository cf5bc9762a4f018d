"""Replay of a period's steps through the regime engine, warmed up on earlier steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from itertools import pairwise

import numpy as np
from msgspec import Struct

from entro_cli.core.clock import moment
from entro_cli.core.console import working
from entro_cli.timeseries.steps import Steps, StepSource, in_parts
from entro_engine import EntroError, RegimeState, Run, replay_loads
from entro_engine.entro_engine_v9 import REST

WARM_UP_STEPS = 500
"""Earlier steps that the engine is warmed up on, if there are as many.

A fixed number keeps a period's regimes independent of how much older log is present.
"""


class Replay(Struct, frozen=True):
    """A pipeline's steps, replayed in parts, and the period of interest.

    Attributes:
        steps: all steps.
        budget: Psi_budget, nat.
        first: the first step of the period.
        after: the step after its last.
    """

    steps: StepSource
    budget: float
    first: int
    after: int

    def runs(self) -> Iterator[Run]:
        """Yield the replay in consecutive parts, from the first step of all, so that burn windows can look back.

        One part begins with `first`. At most 500 steps before it the engine is at rest. The last part ends before
        `after`.
        """
        rest_before, state = max(self.first - WARM_UP_STEPS, 0), REST
        # Three stretches: the look-back of windows, the warm-up from rest, and the period.
        with working("replaying", self.after, "step") as work:
            for begin, after in pairwise((0, rest_before, self.first, self.after)):
                state = REST if begin == rest_before else state
                for part in in_parts(self.steps, begin, after):
                    run = _replayed(part, self.budget, 0, state, self.steps.count)
                    state = run.final
                    work.done += part.count
                    yield run

    @property
    def begin_ns(self) -> int:
        """Start of the period's first step, nanoseconds since the epoch."""
        return self.steps.start_ns + self.first * self.steps.step_ns

    def period_runs(self) -> Iterator[Run]:
        """Yield the parts of the period."""
        return (run for run in self.runs() if run.start_ns >= self.begin_ns)

    def run(self) -> Run:
        """Return the period as one Run."""
        warm = min(self.first, WARM_UP_STEPS)
        part = self.steps.part(self.first - warm, self.after)
        return _replayed(part, self.budget, 0, REST, part.count).part(warm, part.count)


def replay_steps(steps: StepSource, budget: float, since_ns: int | None = None, until_ns: int | None = None) -> Replay:
    """Return the replay of the steps that begin in a period.

    Args:
        steps: all steps.
        budget: Psi_budget, nat.
        since_ns: begin of the period, nanoseconds since the epoch; None for the first step.
        until_ns: end of the period; None for the last step.

    Raises:
        EntroError: if no step begins in the period.
    """
    first, after = step_range(steps, since_ns, until_ns)
    if first >= after:
        begin, end = (
            moment(ns, UTC).isoformat() for ns in (steps.start_ns, steps.start_ns + steps.count * steps.step_ns)
        )
        raise EntroError(
            "the log has no step in this period", where="--since/--until", expected=f"a time from {begin} to {end}"
        )
    return Replay(steps, budget, first, after)


def replay_from(steps: Steps, budget: float | None, first: int) -> Run:
    """Replay all steps so that those from `first` on depend on at most 500 earlier ones.

    Args:
        steps: all steps.
        budget: the budget, nat; that of two stages, 2 gamma Psi_c, by default.
        first: the first step of interest.
    """
    return _replayed(steps, budget, max(first - WARM_UP_STEPS, 0), REST, steps.count)


def _replayed(steps: Steps, budget: float | None, rest_before: int, state: RegimeState, of: int) -> Run:
    """Replay steps. A step in which any stage has no data has none."""
    covered = ~np.isnan(steps.loads).any(axis=0)
    loads, peaks, ends = steps.loads, steps.peaks, steps.ends
    if not covered.all():
        loads, peaks, ends = (np.where(covered, values, np.nan) for values in (loads, peaks, ends))
    run = replay_loads(steps.stages, loads, steps.step_s, budget, steps.start_ns, rest_before, state, of)
    own = np.logical_and(covered, steps.measured.all(axis=0))
    return replace(run, peaks=peaks, ends=ends, own=own, ages=steps.ages, waits=steps.waits)


def step_range(steps: StepSource, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """Return the first of the steps that begin in a period, and the step after the last."""

    def index(ns: int) -> int:
        return min(max(-((steps.start_ns - ns) // steps.step_ns), 0), steps.count)  # rounds up

    return 0 if since_ns is None else index(since_ns), steps.count if until_ns is None else index(until_ns)
