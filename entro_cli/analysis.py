"""Steps -> Run: a period's steps replayed through the regime engine, warmed up on those before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np

from entro_cli.clock import moment
from entro_cli.steps import Steps
from entro_engine import EntroError, Run, replay_loads

WARM_UP_STEPS = 500
"""How many earlier steps the engine is warmed up on, where there are as many."""


@dataclass(frozen=True)
class Replayed:
    """A pipeline's Run and the part of it that was asked for.

    Attributes:
        run: from the first step there is, so that windows can look back; the engine was at rest at most 500 steps
            before `first`.
        first: the first step asked for.
        after: the step after the last.
    """

    run: Run
    first: int
    after: int


def replay_steps(
    steps: Steps, budget: float | None, since_ns: int | None = None, until_ns: int | None = None
) -> Replayed:
    """The steps that begin in a period, replayed.

    Args:
        steps: all there are.
        budget: Psi_budget, nat; gamma * N * Psi_c without it.
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
    return Replayed(replay_from(steps, budget, first), first, after)


def replay_from(steps: Steps, budget: float | None, first: int) -> Run:
    """All steps, replayed so that those from `first` on depend on at most 500 steps before it.

    Args:
        steps: all there are.
        budget: Psi_budget, nat; gamma * N * Psi_c without it.
        first: where what is asked for begins.
    """
    covered = ~np.isnan(steps.loads).any(axis=0)
    loads = np.where(covered, steps.loads, np.nan)
    rest_before = max(first - WARM_UP_STEPS, 0)
    run = replay_loads(steps.stages, loads, steps.step_s, budget, steps.start_ns, rest_before)
    peaks = np.where(covered, steps.peaks, np.nan)
    return replace(run, peaks=peaks, own=np.logical_and(covered, steps.own.all(axis=0)))


def step_range(steps: Steps, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """The steps that begin in a period: the first, and the one after the last."""

    def index(ns: int) -> int:
        return min(max(-((steps.start_ns - ns) // steps.step_ns), 0), steps.count)

    return 0 if since_ns is None else index(since_ns), steps.count if until_ns is None else index(until_ns)
