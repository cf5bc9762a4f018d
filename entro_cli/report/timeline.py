"""The timeline of a period: a run thinned to the points that a chart can show, with all extremes kept.

The worst incidents are kept in full, so that zooming into one shows each of its steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.analysis.figures import end_waits
from entro_cli.core.clock import moment
from entro_engine import Regime, Run
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S, FloatArray

MOST_POINTS = 2000
"""The most points of a chart, so that a page stays small however long the log is."""

MOST_INCIDENT_STEPS = 10_000
"""The most steps of incidents that are kept in full."""

_MOST_LOADS = 24_000
"""The most loads of all points, one per stage. Measured: with more, the page of a noisy week exceeds 1 MB."""

_MARGIN_STEPS = 10  # before and after an incident, to show how it began and ended

_KEPT_PER_BIN = 3  # the lowest load, the first step of the worst regime, the first without data


class Timeline(Struct, frozen=True):
    """Selected steps of the period, oldest first, as tuples with one entry per point.

    The period's part of the log is divided into bins of equal length. Each bin contributes the steps with the lowest
    and the highest coupled load, the highest load of each stage, the first step with its worst regime, and the first
    step without data, so that gaps stay visible. A period of at most 2000 steps is complete. So are the worst
    incidents, up to 10,000 steps in all. With more than two stages there are fewer of these.

    Attributes:
        times: start of each step.
        psi_total: Psi_total, nat. This, the next, the thresholds and the stages' Psi are None without data.
        coupled_load: the load that is judged, nat.
        regime: `stable`, `stress`, `critical` or `no data`.
        usual_regime: the most common regime from each point to the next, of equals the worst; `no data` only if no step
            there has data.
        violated: whether the step is over the budget.
        stress_threshold: t_S, nat: the effective load from which the step is in Stress.
        critical_threshold: t_C, nat: the effective load from which the step is Critical.
        psi: Psi of each stage, nat: one tuple per stage, in the order of the figures' stages.
        loads: the mean load of each stage, req/s of a rate, requests of a queue: one tuple per stage.
        peaks: the largest load of each stage, in the same units.
        wait_s: the longest wait at the end of each step over all queues, s; None without data or queues.
        whole_incidents: number of the worst incidents of which every step is kept.
        steps: number of the log's steps in the period, before thinning.
        end: end of the last of those steps.
    """

    times: tuple[datetime, ...]
    psi_total: tuple[float | None, ...]
    coupled_load: tuple[float | None, ...]
    regime: tuple[str, ...]
    usual_regime: tuple[str, ...]
    violated: tuple[bool, ...]
    stress_threshold: tuple[float | None, ...]
    critical_threshold: tuple[float | None, ...]
    psi: tuple[tuple[float | None, ...], ...]
    loads: tuple[tuple[float | None, ...], ...]
    peaks: tuple[tuple[float | None, ...], ...]
    wait_s: tuple[float | None, ...]
    whole_incidents: int
    steps: int
    end: datetime


def timeline_of(
    run: Run,
    zone: tzinfo,
    incidents: Sequence[tuple[int, int]] = (),
    accepted_wait_s: float = DEFAULT_ACCEPTED_WAIT_S,
) -> Timeline:
    """Return the timeline of a run.

    Args:
        run: the steps of the period, and no others.
        zone: the time zone of the times.
        incidents: the first step of each of the worst incidents and the step after its last, the worst first.
        accepted_wait_s: the longest accepted wait, s.
    """
    series, regime = np.vstack([run.coupled_load, run.peaks]), run.trace.regime
    room = _MOST_LOADS // len(run.peaks)
    most = min(MOST_POINTS, room)
    of_incidents, whole = _incident_steps(series, regime, incidents, min(room - most, MOST_INCIDENT_STEPS))
    ends = np.arange(run.steps)[[0, -1]] if run.steps else np.arange(0)
    kept = np.unique(np.concatenate([thin(series, regime, most), ends, *of_incidents]))
    labels = {int(regime): regime.label for regime in Regime}
    waits = [wait[kept] for wait in end_waits(run, accepted_wait_s) if wait is not None]
    return Timeline(
        times=tuple(moment(ns, zone) for ns in run.times_ns[kept].tolist()),
        psi_total=_none_for_nan(run.psi_total[kept]),
        coupled_load=_none_for_nan(run.coupled_load[kept]),
        regime=tuple(labels[code] for code in regime[kept].tolist()),
        usual_regime=tuple(labels[code] for code in _most_common(regime, kept)),
        violated=tuple(run.violated[kept].tolist()),
        stress_threshold=_none_for_nan(run.trace.stress_threshold[kept]),
        critical_threshold=_none_for_nan(run.trace.critical_threshold[kept]),
        psi=tuple(_none_for_nan(stage[kept]) for stage in run.psi),
        loads=tuple(_none_for_nan(stage[kept]) for stage in run.loads),
        peaks=tuple(_none_for_nan(stage[kept]) for stage in run.peaks),
        wait_s=_none_for_nan(np.fmax.reduce(waits) if waits else np.full(len(kept), math.nan)),
        whole_incidents=len(incidents) if len(kept) == run.steps else whole,
        steps=run.steps,
        end=moment(run.end_ns, zone),
    )


def _incident_steps(
    series: FloatArray, regime: NDArray[np.int8], incidents: Sequence[tuple[int, int]], left: int
) -> tuple[list[NDArray[np.intp]], int]:
    """Return the steps of incidents to keep, and the number of incidents that are whole.

    Short incidents leave more of the steps for long ones, which are thinned to their part. The arguments are those of
    `thin` and `timeline_of`, and the number of steps that are left for incidents.
    """
    spans = [(max(first - _MARGIN_STEPS, 0), min(after + _MARGIN_STEPS, len(regime))) for first, after in incidents]
    spans.sort(key=lambda span: span[1] - span[0])
    kept: list[NDArray[np.intp]] = []
    whole = 0
    for number, (first, after) in enumerate(spans):
        most = left // (len(spans) - number)
        kept.append(first + thin(series[:, first:after], regime[first:after], most))
        whole += after - first <= most
        left -= len(kept[-1])
    return kept, whole


def thin(series: FloatArray, regime: NDArray[np.int8], most: int) -> NDArray[np.intp]:
    """Select the steps to draw: all, or of each bin the extremes, and the first in its worst regime or a gap.

    Args:
        series: shape (series, steps), NaN without data: of the first, the lowest value of a bin is kept; of all, the
            highest.
        regime: shape (steps,), codes of `Regime`.
        most: the most steps to keep.

    Returns:
        The indices of the steps, ascending.
    """
    steps = series.shape[1]
    if steps <= most:
        return np.arange(steps)
    bins = max(most // (_KEPT_PER_BIN + len(series)), 1)
    size = math.ceil(steps / bins)
    missing = size * math.ceil(steps / size) - steps  # pad the last bin with values that are never chosen
    low = np.pad(np.nan_to_num(series[0], nan=math.inf), (0, missing), constant_values=math.inf).reshape(-1, size)
    high = np.pad(np.nan_to_num(series, nan=-math.inf), ((0, 0), (0, missing)), constant_values=-math.inf)
    high = high.reshape(len(series), -1, size)
    # Codes grow with severity, and that of "no data" is below them: argmax finds the first step of the worst regime.
    codes = np.pad(regime, (0, missing), constant_values=-2).reshape(-1, size)
    has_data = np.isfinite(high[0]).any(axis=1)
    gap = codes == Regime.NO_DATA
    starts = size * np.arange(len(codes))
    observed = [(starts + values.argmax(axis=1))[has_data] for values in (-low, *high, codes)]
    return np.unique(np.concatenate([*observed, (starts + gap.argmax(axis=1))[gap.any(axis=1)]]))


def _most_common(regime: NDArray[np.int8], kept: NDArray[np.intp]) -> list[int]:
    """Return the most common regime from each kept step to the next one, and from the last one to the end.

    No data counts only where there is nothing else: a pipeline that runs now and then would have no other regime.
    """
    codes = sorted((int(regime) for regime in Regime if regime != Regime.NO_DATA), reverse=True)
    counts = [np.add.reduceat(regime == code, kept, dtype=np.int64) for code in codes] if len(kept) else []
    if not counts:
        return []
    commonest = np.take(codes, np.argmax(counts, axis=0))  # argmax finds the first of equals, the worst
    return np.where(np.any(counts, axis=0), commonest, int(Regime.NO_DATA)).tolist()  # type: ignore[no-any-return]


def _none_for_nan(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())
