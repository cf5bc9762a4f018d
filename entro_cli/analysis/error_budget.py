"""The error budget: the violations that the objective allows, how many are used, and how fast they are used up."""

from __future__ import annotations

import math
from datetime import tzinfo
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from entro_cli.analysis.results import BurnAlert, ErrorBudget, WindowBurn
from entro_cli.core.clock import moment
from entro_engine import EntroError, Kind, Run
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

__all__ = ["PRESENT_S", "RULES", "BurnRule", "ErrorBudgetAccumulator", "parse_target"]


class BurnRule(NamedTuple):
    """An alert that fires while the burn rate is above `threshold` over both windows (s)."""

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

_WINDOWS_S = sorted({length for rule in RULES for length in (rule.long_s, rule.short_s)})

PRESENT_S = 3600.0
"""Length of the window whose burn rate counts as the present one, s."""


class ErrorBudgetAccumulator:
    """Accumulator of the error budget over a run, from its parts in the order of their times.

    Args:
        target: the objective, a share of observed steps, 0..1.
        zone: the zone of the times in the result.

    Raises:
        ParameterError: if the target is outside 0..1.
    """

    def __init__(self, target: float, zone: tzinfo) -> None:
        require(0 <= target <= 1, "objective", target, "a share from 0 to 1, or a percentage")
        self._target, self._zone = target, zone
        self._allowance = round(1 - target, 12)  # 1 - 0.99 is 0.010000000000000009
        self._violations = self._observed = 0
        self._requests: float | None = None  # without a rate stage, requests cannot be counted
        self._requests_over = 0.0
        self._rates: _BurnRates | None = None
        self._alerts = [_AlertFinder(rule, zone) for rule in RULES]

    def add_earlier(self, run: Run) -> None:
        """Add a part from before the period. It is not counted, but windows reach back into it."""
        self._rates_of(run).extend(run.violated, run.observed)

    def add(self, run: Run, violated: NDArray[np.bool_], observed: NDArray[np.bool_]) -> None:
        """Count a part. `violated` and `observed` are masks of the part, which other accumulators need, too."""
        self._violations += int(violated.sum())
        self._observed += int(observed.sum())
        self._add_requests(run, violated, observed)
        rates = self._rates_of(run)
        rates.extend(violated, observed)
        for alerts in self._alerts:
            alerts.extend(rates, run)

    def _add_requests(self, run: Run, violated: NDArray[np.bool_], observed: NDArray[np.bool_]) -> None:
        """Count the requests that arrived in a part, and those of them that arrived while it was over the budget."""
        for stage, rate in zip(run.stages, run.loads, strict=True):
            if stage.kind is Kind.RATE:
                self._requests = (self._requests or 0.0) + float(rate[observed].sum()) * run.step_s
                self._requests_over += float(rate[violated].sum()) * run.step_s

    def _rates_of(self, run: Run) -> _BurnRates:
        self._rates = self._rates or _BurnRates(self._allowance, run.step_s)
        return self._rates

    def error_budget(self, step_s: float) -> ErrorBudget:
        """Return the error budget of all parts. `step_s` is the length of a step, s."""
        allowed = self._allowance * self._observed
        remaining = allowed - self._violations
        rates = self._rates or _BurnRates(self._allowance, step_s)
        present = rates.latest(PRESENT_S)
        return ErrorBudget(
            target=self._target,
            allowed_steps=allowed,
            consumed=_share(self._violations, allowed),
            remaining_steps=remaining,
            remaining_s=remaining * step_s,
            burn_rate=_share(self._violations, allowed) if self._observed else None,
            requests=self._requests,
            requests_over=None if self._requests is None else self._requests_over,
            consumed_by_requests=(
                None if self._requests is None else _share(self._requests_over, self._allowance * self._requests)
            ),
            burn_rates=_rates_of_windows(rates),
            exhausted_in_s=_exhaustion(remaining, present, self._allowance, step_s),
            alerts=tuple(alert for finder in self._alerts for alert in finder.alerts()),
        )


def _share(used: float, allowed: float) -> float:
    """Return the used share of what is allowed; infinite if nothing is allowed and something is used."""
    if allowed > 0:
        return used / allowed
    return math.inf if used > 0 else 0.0


class _BurnRates:
    """Burn rates over windows that end with each step of a part.

    It keeps cumulative counts of the part, and of as many steps before it as the longest window reaches back.
    """

    def __init__(self, allowance: float, step_s: float) -> None:
        self._allowance = allowance
        self._step_s = step_s
        self._violations = self._observed = np.zeros(1, np.int64)  # cumulative counts, the first before any step
        self._steps = 0  # number of steps of the part

    def extend(self, violated: NDArray[np.bool_], observed: NDArray[np.bool_]) -> None:
        """Add the next part."""
        kept = slice(-1 - max(map(self.length_of, _WINDOWS_S)), None)
        self._violations = _extend_counts(self._violations[kept], violated)
        self._observed = _extend_counts(self._observed[kept], observed)
        self._steps = len(violated)

    def length_of(self, window_s: float) -> int:
        """Return the length of a window in whole steps."""
        return int(window_s / self._step_s + 1e-9)  # without the margin 21600 / 0.675 is 31999

    def over_windows(self, window_s: float, last: int | None = None) -> FloatArray | None:
        """Return the burn rate over the window that ends with each step of the part, or with each of its last few.

        The rate is NaN if nothing in the window was observed. A window that begins before the first step has fewer
        steps. The result is None if the window is shorter than a step.
        """
        length = self.length_of(window_s)
        if length < 1:
            return None
        count = self._steps if last is None else min(last, self._steps)
        observed = _window_counts(self._observed, length, count)
        share = np.full(len(observed), math.nan)
        np.divide(_window_counts(self._violations, length, count), observed, out=share, where=observed > 0)
        if self._allowance > 0:
            return share / self._allowance
        return np.where(share > 0, math.inf, share)

    def latest(self, window_s: float) -> float | None:
        """Return the burn rate at the end of the part; None if it is not known."""
        rates = self.over_windows(window_s, 1)
        return None if rates is None or not len(rates) or math.isnan(rates[0]) else float(rates[0])

    def is_quiet(self, window_s: float) -> bool:
        """Return True if no window that ends within the part has a violation."""
        reach = self._violations[-1 - min(self._steps + self.length_of(window_s), len(self._violations) - 1)]
        return bool(self._violations[-1] == reach)


def _extend_counts(before: NDArray[np.int64], marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Append the cumulative counts of a part's marks to those before it."""
    return np.concatenate([before, before[-1] + np.cumsum(marks)])


def _window_counts(counted: NDArray[np.int64], length: int, last: int) -> NDArray[np.int64]:
    """Return the counts within the windows of `length` steps that end with each of the last `last` steps."""
    after = np.arange(len(counted) - last, len(counted))
    if len(after) and after[0] >= length:  # no window begins before the first step: slices are faster than indices
        return counted[len(counted) - last :] - counted[len(counted) - last - length : len(counted) - length]
    return counted[after] - counted[np.maximum(after - length, 0)]


def _rates_of_windows(rates: _BurnRates) -> tuple[WindowBurn, ...]:
    """Return the burn rate over the last window of each length in the rules, the shortest first."""
    return tuple(WindowBurn(length, rates.latest(length)) for length in _WINDOWS_S if rates.length_of(length) >= 1)


def _exhaustion(remaining: float, rate: float | None, allowance: float, step_s: float) -> float | None:
    """Return the time until the allowance is used up at the present burn rate, s after the end."""
    if remaining <= 0 and rate is not None:
        return 0.0
    if not rate or not allowance:
        return None
    return remaining / (rate * allowance) * step_s


class _AlertFinder(Struct):
    """Finder of the times in which a rule fires.

    Attributes:
        rule: the rule.
        zone: the zone of the times in the result.
        found: alerts that are over.
        since: start of the present alert, nanoseconds since the epoch; None if there is none.
        peak: highest burn rate of the long window in the present alert.
    """

    rule: BurnRule
    zone: tzinfo
    found: list[BurnAlert] = field(default_factory=list)
    since: int | None = None
    peak: float = 0.0

    def extend(self, rates: _BurnRates, run: Run) -> None:
        """Add the next part of a run, with its burn rates."""
        rule = self.rule
        if rates.is_quiet(rule.short_s):  # most parts have no violation, so the rule cannot fire
            self._end(run.start_ns)
            return
        short, long = rates.over_windows(rule.short_s), rates.over_windows(rule.long_s)
        if short is None or long is None:
            return
        firing = (long > rule.threshold) & (short > rule.threshold)
        edges = np.flatnonzero(np.diff(firing)) + 1
        for begin, end in pairwise([0, *edges.tolist(), len(firing)]):
            if firing[begin]:
                self._fire(run.start_ns + begin * run.step_ns, float(long[begin:end].max()))
            else:
                self._end(run.start_ns + begin * run.step_ns)

    def alerts(self) -> list[BurnAlert]:
        """Return all alerts by time."""
        return self.found if self.since is None else [*self.found, self._alert(self.since, None)]

    def _fire(self, start_ns: int, peak: float) -> None:
        if self.since is None:
            self.since, self.peak = start_ns, peak
        self.peak = max(self.peak, peak)

    def _end(self, end_ns: int) -> None:
        if self.since is not None:
            self.found.append(self._alert(self.since, end_ns))
            self.since = None

    def _alert(self, start_ns: int, end_ns: int | None) -> BurnAlert:
        return BurnAlert(
            severity=self.rule.severity,
            long_window_s=self.rule.long_s,
            short_window_s=self.rule.short_s,
            threshold=self.rule.threshold,
            start=moment(start_ns, self.zone),
            until=None if end_ns is None else moment(end_ns, self.zone),
            peak_burn_rate=self.peak,
        )


DEFAULT_TARGET = 0.99
"""The default objective: the share of observed steps that should be within the budget."""


def parse_target(text: str, where: str = "--objective") -> float:
    """Return an objective such as 99% or 0.99 as a share.

    Args:
        text: the objective as the user wrote it.
        where: the option or key that it was written for, for the message.

    Raises:
        EntroError: if it is not a share or a percentage.
    """
    try:
        target = round(float(text.removesuffix("%")) / 100, 12) if text.endswith("%") else float(text)
    except ValueError:
        target = math.nan
    if not 0 <= target <= 1:
        raise EntroError(f"{text!r} is not an objective", where=where, expected="a share such as 99% or 0.99")
    return target
