"""The timeline of a period: a run thinned to the points that a chart can show, with all extremes kept."""

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
"""The most points of a chart, so that a page stays small however long the log is."""

_KEPT_PER_BIN = 4  # the lowest, the highest, the first of the worst regime, the first without data


@dataclass(frozen=True)
class Timeline:
    """Selected steps of the period, oldest first, as tuples with one entry per point.

    The period's part of the log is divided into bins of equal length. Each bin contributes the steps with the lowest
    and the highest coupled load, the first step with its worst regime, and the first step without data, so that gaps
    stay visible. A period of at most 2000 steps is complete.

    Attributes:
        times: start of each step.
        psi_total: Psi_total, nat. This, the next, the thresholds and the stages' Psi are None without data.
        coupled_load: the load that is judged, nat.
        regime: `stable`, `stress`, `critical` or `no data`.
        violated: whether the step is over the budget.
        stress_threshold: t_S, nat: the effective load from which the step is in Stress.
        critical_threshold: t_C, nat: the effective load from which the step is Critical.
        psi: Psi of each stage, nat: one tuple per stage, in the order of the figures' stages.
        steps: number of the log's steps in the period, before thinning.
        end: end of the last of those steps.
    """

    times: tuple[datetime, ...]
    psi_total: tuple[float | None, ...]
    coupled_load: tuple[float | None, ...]
    regime: tuple[str, ...]
    violated: tuple[bool, ...]
    stress_threshold: tuple[float | None, ...]
    critical_threshold: tuple[float | None, ...]
    psi: tuple[tuple[float | None, ...], ...]
    steps: int
    end: datetime


def timeline_of(run: Run, zone: tzinfo, most: int = MOST_POINTS) -> Timeline:
    """Return the timeline of a run.

    Args:
        run: the steps of the period, and no others.
        zone: the time zone of the times.
        most: the most points to keep, at least 4.
    """
    kept = thin(run.coupled_load, run.trace.regime, most)
    labels = {int(regime): regime.label for regime in Regime}
    return Timeline(
        times=tuple(moment(ns, zone) for ns in run.times_ns[kept].tolist()),
        psi_total=_none_for_nan(run.psi_total[kept]),
        coupled_load=_none_for_nan(run.coupled_load[kept]),
        regime=tuple(labels[code] for code in run.trace.regime[kept].tolist()),
        violated=tuple(run.violated[kept].tolist()),
        stress_threshold=_none_for_nan(run.trace.stress_threshold[kept]),
        critical_threshold=_none_for_nan(run.trace.critical_threshold[kept]),
        psi=tuple(_none_for_nan(stage[kept]) for stage in run.psi),
        steps=run.steps,
        end=moment(run.end_ns, zone),
    )


def thin(load: FloatArray, regime: NDArray[np.int8], most: int) -> NDArray[np.intp]:
    """Select the steps to draw: all, or of each bin the lowest, the highest, the first in its worst regime or a gap.

    Args:
        load: shape (steps,), nat; NaN without data.
        regime: shape (steps,), codes of `Regime`.
        most: the most steps to keep.

    Returns:
        The indices of the steps, ascending.
    """
    steps = len(load)
    if steps <= most:
        return np.arange(steps)
    bins = max(most // _KEPT_PER_BIN, 1)
    size = math.ceil(steps / bins)
    missing = size * math.ceil(steps / size) - steps  # pad the last bin with values that are never chosen
    low = np.pad(np.nan_to_num(load, nan=math.inf), (0, missing), constant_values=math.inf).reshape(-1, size)
    high = np.pad(np.nan_to_num(load, nan=-math.inf), (0, missing), constant_values=-math.inf).reshape(-1, size)
    # Codes grow with severity, and that of "no data" is below them: argmax finds the first step of the worst regime.
    codes = np.pad(regime, (0, missing), constant_values=-2).reshape(-1, size)
    has_data = np.isfinite(high).any(axis=1)
    gap = codes == Regime.NO_DATA
    starts = size * np.arange(len(codes))
    observed = [(starts + values.argmax(axis=1))[has_data] for values in (-low, high, codes)]
    return np.unique(np.concatenate([*observed, (starts + gap.argmax(axis=1))[gap.any(axis=1)]]))


def _none_for_nan(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())
