"""The course of a period: the run thinned to what a chart can show, with every extreme kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import moment
from entro_engine import Regime, Run
from entro_engine.entropy import FloatArray

MOST_POINTS = 2000
"""How many points a chart gets at most."""

_KEPT_PER_BIN = 4


@dataclass(frozen=True)
class Timeline:
    """Selected steps of the period, oldest first; tuples with an entry a point.

    The period's part of the log is cut into bins of equal length. Of each bin the steps with the lowest and the highest
    Psi_total are here, the first with its worst regime, and the first without data, so that a gap stays a gap. A period
    of at most 2000 steps is here whole.

    Attributes:
        times: where each step begins.
        psi_total: nat; None without data, as are the thresholds and the stages' Psi.
        regime: `stable`, `stress`, `critical` or `no data`.
        violated: whether the step is over the budget.
        stress_threshold: t_S, nat: from this effective load on the step is in Stress.
        critical_threshold: t_C, nat: from this effective load on the step is Critical.
        psi: Psi per stage, nat; a tuple a stage, in the order of the figures' stages.
        steps: how many steps of the log lie in the period, which these points stand for.
        end: where the last of them ends.
    """

    times: tuple[datetime, ...]
    psi_total: tuple[float | None, ...]
    regime: tuple[str, ...]
    violated: tuple[bool, ...]
    stress_threshold: tuple[float | None, ...]
    critical_threshold: tuple[float | None, ...]
    psi: tuple[tuple[float | None, ...], ...]
    steps: int
    end: datetime


def timeline_of(run: Run, zone: tzinfo, most: int = MOST_POINTS) -> Timeline:
    """The course of a run.

    Args:
        run: the steps of the period, and no others.
        zone: what times are told in.
        most: how many points it has at most; at least 4.
    """
    kept = thin(run.psi_total, run.trace.regime, most)
    labels = {int(regime): regime.label for regime in Regime}
    return Timeline(
        times=tuple(moment(ns, zone) for ns in run.times_ns[kept].tolist()),
        psi_total=_known(run.psi_total[kept]),
        regime=tuple(labels[code] for code in run.trace.regime[kept].tolist()),
        violated=tuple(run.violated[kept].tolist()),
        stress_threshold=_known(run.trace.stress_threshold[kept]),
        critical_threshold=_known(run.trace.critical_threshold[kept]),
        psi=tuple(_known(stage[kept]) for stage in run.psi),
        steps=run.steps,
        end=moment(run.end_ns, zone),
    )


def thin(psi_total: FloatArray, regime: NDArray[np.int8], most: int) -> NDArray[np.intp]:
    """Which steps to keep: all, or of each bin the lowest, the highest, the first of the worst regime and of a gap.

    Args:
        psi_total: shape (steps,), nat; NaN without data.
        regime: shape (steps,), codes of `Regime`.
        most: how many to keep at most.

    Returns:
        Their indices, ascending.
    """
    steps = len(psi_total)
    if steps <= most:
        return np.arange(steps)
    bins = max(most // _KEPT_PER_BIN, 1)
    size = math.ceil(steps / bins)
    missing = size * math.ceil(steps / size) - steps  # the last bin is filled up with what is never chosen
    low = np.pad(np.nan_to_num(psi_total, nan=math.inf), (0, missing), constant_values=math.inf).reshape(-1, size)
    high = np.pad(np.nan_to_num(psi_total, nan=-math.inf), (0, missing), constant_values=-math.inf).reshape(-1, size)
    codes = np.pad(regime, (0, missing), constant_values=-2).reshape(-1, size)
    seen = np.isfinite(high).any(axis=1)
    gap = codes == Regime.NO_DATA
    begins = size * np.arange(len(codes))
    observed = [(begins + pick.argmax(axis=1))[seen] for pick in (-low, high, codes)]
    return np.unique(np.concatenate([*observed, (begins + gap.argmax(axis=1))[gap.any(axis=1)]]))


def _known(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())
