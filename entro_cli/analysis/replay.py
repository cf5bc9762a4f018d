"""Steps -> Run: a period's steps replayed through the regime engine, warmed up on those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import pairwise

import numpy as np

from entro_cli.core.clock import moment
from entro_cli.timeseries.steps import Steps, StepSource, in_parts
from entro_engine import EntroError, RegimeState, Run, replay_loads
from entro_engine.entro_engine_v9 import REST

WARM_UP_STEPS = 500
"""How many earlier steps the engine is warmed up on, where there are as many."""


@dataclass(frozen=True)
class Replay:
    """A pipeline's steps, which are replayed some at a time, and the part of them that was asked for.

    Attributes:
        steps: all there are.
        budget: Psi_budget, nat.
        first: the first step asked for.
        after: the step after the last.
    """

    steps: StepSource
    budget: float
    first: int
    after: int

    def runs(self) -> Iterator[Run]:
        """The replay in parts that follow one another, from the first step there is, so that windows can look back.

        One of them begins with `first`, at most 500 steps before which the engine was at rest; the last one ends before
        `after`.
        """
        rest_before, state = max(self.first - WARM_UP_STEPS, 0), REST
        for begin, after in pairwise((0, rest_before, self.first, self.after)):
            state = REST if begin == rest_before else state
            for part in in_parts(self.steps, begin, after):
                run = _replayed(part, self.budget, 0, state, self.steps.count)
                state = run.final
                yield run

    @property
    def begin_ns(self) -> int:
        """Where the first step asked for begins, nanoseconds since the epoch."""
        return self.steps.start_ns + self.first * self.steps.step_ns

    def asked(self) -> Iterator[Run]:
        """The parts of it that were asked for."""
        return (run for run in self.runs() if run.start_ns >= self.begin_ns)

    def run(self) -> Run:
        """All that was asked for at once."""
        warm = min(self.first, WARM_UP_STEPS)
        part = self.steps.part(self.first - warm, self.after)
        return _replayed(part, self.budget, 0, REST, part.count).part(warm, part.count)


def replay_steps(steps: StepSource, budget: float, since_ns: int | None = None, until_ns: int | None = None) -> Replay:
    """The steps that begin in a period, to be replayed.

    Args:
        steps: all there are.
        budget: Psi_budget, nat.
        since_ns: the beginning of the period, nanoseconds since the epoch; None for that of the steps.
        until_ns: its end; None for that of the steps.

    Raises:
        EntroError: when no step begins in the period.
    """
    first, after = step_range(steps, since_ns, until_ns)
    if first >= after:
        begin, end = (
            moment(ns, UTC).isoformat() for ns in (steps.start_ns, steps.start_ns + steps.count * steps.step_ns)
        )
        raise EntroError(
            "nothing is left of the log", where="--since/--until", expected=f"a period between {begin} and {end}"
        )
    return Replay(steps, budget, first, after)


def replay_from(steps: Steps, budget: float | None, first: int) -> Run:
    """All steps, replayed so that those from `first` on depend on at most 500 steps before it.

    Args:
        steps: all there are.
        budget: Psi_budget, nat; gamma * N * Psi_c without it.
        first: where what is asked for begins.
    """
    return _replayed(steps, budget, max(first - WARM_UP_STEPS, 0), REST, steps.count)


def _replayed(steps: Steps, budget: float | None, rest_before: int, state: RegimeState, of: int) -> Run:
    """Steps replayed: those of which a stage has no data have none."""
    covered = ~np.isnan(steps.loads).any(axis=0)
    loads, peaks = steps.loads, steps.peaks
    if not covered.all():
        loads, peaks = (np.where(covered, values, np.nan) for values in (loads, peaks))
    run = replay_loads(steps.stages, loads, steps.step_s, budget, steps.start_ns, rest_before, state, of)
    return replace(run, peaks=peaks, own=np.logical_and(covered, steps.measured.all(axis=0)))


def step_range(steps: StepSource, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """The steps that begin in a period: the first, and the one after the last."""

    def index(ns: int) -> int:
        return min(max(-((steps.start_ns - ns) // steps.step_ns), 0), steps.count)

    return 0 if since_ns is None else index(since_ns), steps.count if until_ns is None else index(until_ns)
