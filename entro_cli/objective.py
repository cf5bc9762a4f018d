"""The budget as a service-level objective: what is allowed, what is used, how fast it burns."""

from __future__ import annotations

import math
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from entro_cli.clock import moment
from entro_cli.summary import BurnAlert, Objective, WindowBurn
from entro_cli.target import parse_target
from entro_engine import Run
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

__all__ = ["PRESENT_S", "RULES", "BurnRule", "measure_objective", "parse_target"]


class BurnRule(NamedTuple):
    """An alert fires while the budget burns faster than `threshold` over both windows (s)."""

    long_s: float
    short_s: float
    threshold: float
    severity: str


RULES = (
    BurnRule(3600, 300, 14, "page"),
    BurnRule(6 * 3600, 1800, 7, "page"),
    BurnRule(86400, 2 * 3600, 2, "ticket"),
    BurnRule(4 * 86400, 6 * 3600, 1, "ticket"),
)
"""Long and short window, burn rate and severity of each alert, as the Prometheus tools have them."""

PRESENT_S = 3600.0
"""The window whose burn rate counts as the present one, s."""


def measure_objective(run: Run, first: int, after: int, target: float, zone: tzinfo) -> Objective:
    """The objective over the steps `first` up to but not including `after` of a run.

    Args:
        run: with the steps before, which the windows look back on.
        first: the first step counted.
        after: the step after the last one counted.
        target: the objective, a share of observed steps, 0..1.
        zone: what times are told in.

    Raises:
        ParameterError: when the target is outside 0..1.
    """
    require(0 <= target <= 1, "objective", target, "a share from 0 to 1, or a percentage")
    violated = run.violated
    observed = run.observed
    violations, seen = int(violated[first:after].sum()), int(observed[first:after].sum())
    allowance = round(1 - target, 12)
    allowed = allowance * seen
    remaining = allowed - violations
    burns = _Burns(violated, observed, allowance, run.step_s)
    return Objective(
        target=target,
        allowed_steps=allowed,
        consumed=_share(violations, allowed),
        remaining_steps=remaining,
        remaining_s=remaining * run.step_s,
        burn_rate=_share(violations, allowed) if seen else None,
        burn_rates=_window_burns(burns, after),
        exhausted_in_s=_exhaustion(remaining, _known(burns, PRESENT_S, after), allowance, run.step_s),
        alerts=tuple(alert for rule in RULES for alert in _alerts(run, burns, rule, first, after, zone)),
    )


def _share(used: float, allowed: float) -> float:
    """What is used of what is allowed; infinite when nothing is allowed and something was used."""
    if allowed > 0:
        return used / allowed
    return math.inf if used > 0 else 0.0


class _Burns:
    """Burn rates over windows that end at each step."""

    def __init__(
        self, violated: NDArray[np.bool_], observed: NDArray[np.bool_], allowance: float, step_s: float
    ) -> None:
        self._violations = np.concatenate([[0], np.cumsum(violated)])
        self._observed = np.concatenate([[0], np.cumsum(observed)])
        self._allowance = allowance
        self._step_s = step_s

    def over(self, window_s: float, first: int, after: int) -> FloatArray | None:
        """The burn rate over the windows that end with the steps `first` up to but not including `after`.

        NaN where nothing in a window was observed. A window that begins before the first step has what there is. None
        when the window is shorter than a step.
        """
        length = int(window_s / self._step_s + 1e-9)
        if length < 1:
            return None
        seen = _within(self._observed, length, first, after)
        share = np.full(len(seen), math.nan)
        np.divide(_within(self._violations, length, first, after), seen, out=share, where=seen > 0)
        if self._allowance > 0:
            return share / self._allowance
        return np.where(share > 0, math.inf, share)


def _within(counted: NDArray[np.int64], length: int, first: int, after: int) -> NDArray[np.int64]:
    """How many of what was counted are in the windows of so many steps that end with some steps."""
    within = counted[first + 1 : after + 1].copy()
    cut = min(max(length - first - 1, 0), len(within))  # these windows begin before the first step there is
    within[cut:] -= counted[first + 1 + cut - length : after + 1 - length] if cut < len(within) else 0
    return within


def _window_burns(burns: _Burns, after: int) -> tuple[WindowBurn, ...]:
    """The burn rate over every window of the rules up to the end of the period, the shortest first."""
    lengths = sorted({length for rule in RULES for length in (rule.long_s, rule.short_s)})
    return tuple(
        WindowBurn(length, _known(burns, length, after)) for length in lengths if burns.over(length, 0, 0) is not None
    )


def _known(burns: _Burns, window_s: float, after: int) -> float | None:
    """The rate at the end of the period, None where it is not known."""
    rates = burns.over(window_s, after - 1, after) if after else None
    return None if rates is None or math.isnan(rates[0]) else float(rates[0])


def _exhaustion(remaining: float, rate: float | None, allowance: float, step_s: float) -> float | None:
    """When the remaining steps of the allowance are used up at the present burn rate, s from the end."""
    if remaining <= 0 and rate is not None:
        return 0.0
    if not rate or not allowance:
        return None
    return remaining / (rate * allowance) * step_s


def _alerts(run: Run, burns: _Burns, rule: BurnRule, first: int, after: int, zone: tzinfo) -> list[BurnAlert]:
    """The times within the period in which a rule fired."""
    long, short = (burns.over(window_s, first, after) for window_s in (rule.long_s, rule.short_s))
    if long is None or short is None:
        return []
    firing = (long > rule.threshold) & (short > rule.threshold)
    edges = np.diff(np.concatenate([[False], firing, [False]]).astype(np.int8))
    spans = zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
    return [
        BurnAlert(
            severity=rule.severity,
            long_window_s=rule.long_s,
            short_window_s=rule.short_s,
            threshold=rule.threshold,
            start=moment(run.start_ns + (first + begin) * run.step_ns, zone),
            until=None if end == len(firing) else moment(run.start_ns + (first + end) * run.step_ns, zone),
            peak_burn_rate=float(long[begin:end].max()),
        )
        for begin, end in spans
    ]
