"""The shared entropy budget (published Eq. 9-11), and the coupled load that is held against it (chosen).

The published budget is that of a sum, so idle stages would lend their share to a loaded one. Coupling is between
neighbours. The coupled load therefore is the larger of two numbers, both on the scale of a pipeline of two stages: the
published sum, and the sum of any two coupled stages. Its budget is always that of two stages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from entro_engine.entropy import PUBLISHED_CAPACITY, FloatArray, Kind, Stage, shares
from entro_engine.errors import require

GAMMA = 0.75
"""Published: the share of the pipeline's critical entropy that all stages together may use."""

PSI_CRITICAL = 2.0
"""Published: Psi_c, the critical entropy of one stage, in nats."""


def psi_budget(stages: int, gamma: float = GAMMA, psi_critical: float = PSI_CRITICAL) -> float:
    """Return the budget of a pipeline, gamma * N * Psi_c, in nats (published Eq. 10): 3.0 for two stages.

    Args:
        stages: N, at least 1.
        gamma: the share that may be used, above 0.
        psi_critical: Psi_c, the critical entropy of one stage, in nats, above 0.

    Raises:
        ParameterError: if an argument is outside its domain.
    """
    require(stages >= 1, "number of stages", stages, "at least 1")
    require(math.isfinite(gamma) and gamma > 0, "gamma", gamma, "a number above 0")
    require(math.isfinite(psi_critical) and psi_critical > 0, "Psi_c", psi_critical, "a number above 0")
    return gamma * stages * psi_critical


@dataclass(frozen=True)
class BudgetStatus:
    """One Psi_total, compared with the budget.

    Attributes:
        violation: Delta = max(0, Psi_total - budget), nat.
        remaining: max(0, budget - Psi_total), nat.
        is_violated: True if Psi_total is above the budget. A Psi_total equal to the budget is within it.
    """

    violation: float
    remaining: float
    is_violated: bool


class EntropyBudget:
    """A budget (published Eq. 10-11) that counts how often it was checked and how often it was violated.

    Attributes:
        psi_budget: the budget, nat.
        checks: number of calls of `check`.
        violations: number of those that found a violation.

    Raises:
        ParameterError: if the budget is not a finite number above 0.
    """

    def __init__(self, psi_budget: float) -> None:
        require(math.isfinite(psi_budget) and psi_budget > 0, "psi_budget", psi_budget, "a number above 0")
        self.psi_budget = psi_budget
        self.checks = 0
        self.violations = 0

    def check(self, psi_total: float) -> BudgetStatus:
        """Compare one Psi_total (nat) with the budget, and count it.

        Raises:
            ParameterError: if Psi_total is negative or not finite.
        """
        require(
            math.isfinite(psi_total) and psi_total >= 0,
            "psi_total",
            psi_total,
            "a finite number of at least 0",
        )
        status = BudgetStatus(
            violation=max(0.0, psi_total - self.psi_budget),
            remaining=max(0.0, self.psi_budget - psi_total),
            is_violated=psi_total > self.psi_budget,
        )
        self.checks += 1
        self.violations += status.is_violated
        return status


@dataclass(frozen=True)
class CoupledPair:
    """Two coupled stages, by their indices.

    Attributes:
        upstream: the stage that feeds the other. All rates that feed one queue count as one stage.
        downstream: the stage that is fed.
    """

    upstream: tuple[int, ...]
    downstream: int


def coupled_pairs(stages: Sequence[Stage]) -> tuple[CoupledPair, ...]:
    """Return the coupled pairs of a pipeline: as `feeds` of the stages says, or else the neighbours in their order.

    Rates directly before a queue all feed it. A generic stage is in a pair only if `feeds` names it, or is its own.
    """
    if any(stage.feeds for stage in stages):
        return tuple(pair for index in range(len(stages)) for pair in _pairs_into(stages, index))
    in_order = [index for index, stage in enumerate(stages) if stage.kind is not Kind.GENERIC]
    # Without generic stages, runs of rates and of queues alternate.
    runs: list[tuple[int, ...]] = [tuple(run) for _, run in groupby(in_order, key=lambda index: stages[index].kind)]
    pairs: list[CoupledPair] = []
    for run, following in zip(runs, [*runs[1:], ()], strict=False):
        if following and stages[run[0]].kind is Kind.RATE:
            pairs.append(CoupledPair(run, following[0]))
        else:
            pairs += [CoupledPair((first,), second) for first, second in pairwise((*run, *following[:1]))]
    return tuple(pairs)


def _pairs_into(stages: Sequence[Stage], downstream: int) -> list[CoupledPair]:
    """Return the pairs in which a stage is fed."""
    fed = stages[downstream]
    feeders = [index for index, stage in enumerate(stages) if fed.name in stage.feeds]
    together = tuple(index for index in feeders if fed.kind is Kind.QUEUE and stages[index].kind is Kind.RATE)
    groups = [together] * bool(together) + [(index,) for index in feeders if index not in together]
    return [CoupledPair(group, downstream) for group in groups]


def coupled_load(stages: Sequence[Stage], psi: FloatArray, total: FloatArray) -> FloatArray:
    """Return the coupled load P of each step, nat.

    Two stages: Psi_total itself. More: the larger of Psi_total * 2 / N and Psi_i + Psi_j over the coupled pairs. A
    queue alone: Psi + log(1 + 1.2), since what feeds it is unknown and taken to run at capacity. Any other stage alone:
    twice its Psi.

    Args:
        stages: the N stages.
        psi: Psi of each stage, shape (N, steps), nat; NaN without data.
        total: Psi_total, shape (steps,), nat; NaN where a stage has no data.

    Returns:
        P, shape (steps,); NaN where a stage has no data.
    """
    if len(stages) == 2:
        return total
    if len(stages) == 1:
        load = psi[0] + np.log1p(PUBLISHED_CAPACITY) if stages[0].kind is Kind.QUEUE else 2.0 * psi[0]
        return np.asarray(load, dtype=np.float64)
    load = total * (2.0 / len(stages))
    for pair in coupled_pairs(stages):
        np.maximum(load, _upstream_psi(pair, psi) + psi[pair.downstream], out=load)
    return load


def _upstream_psi(pair: CoupledPair, psi: FloatArray) -> FloatArray:
    """Return Psi of what feeds a pair, shape (steps,): of several rates, that of the sum of their loads."""
    if len(pair.upstream) == 1:
        return np.asarray(psi[pair.upstream[0]])
    return np.asarray(np.log1p(np.expm1(psi[list(pair.upstream)]).sum(axis=0)))


def driver_evidence(stages: Sequence[Stage], psi: FloatArray, total: FloatArray, budget: float) -> FloatArray:
    """Return the numbers of each step whose sums over an incident name its driver (`drivers`), shape (rows, steps).

    Args:
        stages: the N stages.
        psi: Psi of each stage, shape (N, steps), nat.
        total: Psi_total, shape (steps,), nat.
        budget: the budget, nat.

    Returns:
        The stages' shares of Psi_total. For more than two stages they are followed by the stages' Psi, and by the
        excess and the upstream Psi of each coupled pair.
    """
    rho = shares(psi, total)
    pairs = coupled_pairs(stages) if len(stages) > 2 else ()
    if not pairs:
        return rho
    upstream = np.stack([_upstream_psi(pair, psi) for pair in pairs])
    downstream = psi[[pair.downstream for pair in pairs]]
    return np.concatenate([rho, psi, np.maximum(upstream + downstream - budget, 0.0), upstream])


def drivers(stages: Sequence[Stage], sums: FloatArray) -> NDArray[np.intp]:
    """Return the driver of each incident, as the index of a stage, shape (incidents,).

    It is the stage with the larger mean Psi in the coupled pair with the largest excess; of rates that feed a queue
    together, the one with the largest. If no pair is over the budget, and for up to two stages, it is the stage with
    the largest mean share of Psi_total.

    Args:
        stages: the N stages.
        sums: sums of the rows of `driver_evidence` over the incidents, shape (rows, incidents).
    """
    count, pairs = len(stages), coupled_pairs(stages)
    found: NDArray[np.intp] = sums[:count].argmax(axis=0)
    if len(sums) == count:
        return found
    psi, excess, upstream = np.split(sums[count:], [count, count + len(pairs)])
    worst = excess.argmax(axis=0)
    for index, pair in enumerate(pairs):
        feeders = np.array(pair.upstream)
        feeder = feeders[psi[feeders].argmax(axis=0)]
        larger = np.where(upstream[index] >= psi[pair.downstream], feeder, pair.downstream)
        found = np.where((worst == index) & (excess[index] > 0), larger, found)
    return found
