"""The budget as a service-level objective: what is allowed, what is used, how fast it burns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.results import BurnAlert, Objective, WindowBurn
from entro_cli.core.clock import moment
from entro_engine import EntroError, Run
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

__all__ = ["PRESENT_S", "RULES", "BurnRule", "ErrorBudgetAccumulator", "parse_target"]


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

_WINDOWS_S = sorted({length for rule in RULES for length in (rule.long_s, rule.short_s)})

PRESENT_S = 3600.0
"""The window whose burn rate counts as the present one, s."""


class ErrorBudgetAccumulator:
    """The objective over a run, counted from its parts in the order of their times.

    Args:
        target: the objective, a share of observed steps, 0..1.
        zone: what times are told in.

    Raises:
        ParameterError: when the target is outside 0..1.
    """

    def __init__(self, target: float, zone: tzinfo) -> None:
        require(0 <= target <= 1, "objective", target, "a share from 0 to 1, or a percentage")
        self._target, self._zone = target, zone
        self._allowance = round(1 - target, 12)
        self._violations = self._seen = 0
        self._burns: _BurnRates | None = None
        self._firing = [_AlertFinder(rule, zone) for rule in RULES]

    def add_earlier(self, run: Run) -> None:
        """Take in a part before those that are counted: windows look back on it."""
        self._burns_of(run).go_on(run.violated, run.observed)

    def add(self, run: Run, violated: NDArray[np.bool_], observed: NDArray[np.bool_]) -> None:
        """Count a part, what it says of itself given along, since others look at that too."""
        self._violations += int(violated.sum())
        self._seen += int(observed.sum())
        burns = self._burns_of(run)
        burns.go_on(violated, observed)
        for firing in self._firing:
            firing.go_on(burns, run)

    def _burns_of(self, run: Run) -> _BurnRates:
        self._burns = self._burns or _BurnRates(self._allowance, run.step_s)
        return self._burns

    def objective(self, step_s: float) -> Objective:
        """What all of it comes to; `step_s` is the length of a step, s."""
        allowed = self._allowance * self._seen
        remaining = allowed - self._violations
        burns = self._burns or _BurnRates(self._allowance, step_s)
        present = burns.at_the_end(PRESENT_S)
        return Objective(
            target=self._target,
            allowed_steps=allowed,
            consumed=_share(self._violations, allowed),
            remaining_steps=remaining,
            remaining_s=remaining * step_s,
            burn_rate=_share(self._violations, allowed) if self._seen else None,
            burn_rates=_window_burns(burns),
            exhausted_in_s=_exhaustion(remaining, present, self._allowance, step_s),
            alerts=tuple(alert for firing in self._firing for alert in firing.alerts()),
        )


def _share(used: float, allowed: float) -> float:
    """What is used of what is allowed; infinite when nothing is allowed and something was used."""
    if allowed > 0:
        return used / allowed
    return math.inf if used > 0 else 0.0


class _BurnRates:
    """Burn rates over windows that end at each step of a part; of those before it keeps as much as they reach back."""

    def __init__(self, allowance: float, step_s: float) -> None:
        self._allowance = allowance
        self._step_s = step_s
        self._violations = self._observed = np.zeros(1, np.int64)  # how many up to each step, from some step on
        self._steps = 0  # of the part

    def go_on(self, violated: NDArray[np.bool_], observed: NDArray[np.bool_]) -> None:
        """Take in the next part."""
        kept = slice(-1 - max(map(self.length_of, _WINDOWS_S)), None)
        self._violations = _extend_counts(self._violations[kept], violated)
        self._observed = _extend_counts(self._observed[kept], observed)
        self._steps = len(violated)

    def length_of(self, window_s: float) -> int:
        """How many whole steps a window has."""
        return int(window_s / self._step_s + 1e-9)

    def over(self, window_s: float, last: int | None = None) -> FloatArray | None:
        """The burn rate over the windows that end with each step of the part, or with the last few of them.

        NaN where nothing in a window was observed. A window that begins before the first step has what there is. None
        when the window is shorter than a step.
        """
        length = self.length_of(window_s)
        if length < 1:
            return None
        asked = self._steps if last is None else min(last, self._steps)
        seen = _window_counts(self._observed, length, asked)
        share = np.full(len(seen), math.nan)
        np.divide(_window_counts(self._violations, length, asked), seen, out=share, where=seen > 0)
        if self._allowance > 0:
            return share / self._allowance
        return np.where(share > 0, math.inf, share)

    def at_the_end(self, window_s: float) -> float | None:
        """The rate at the end of the part, None where it is not known."""
        rates = self.over(window_s, 1)
        return None if rates is None or not len(rates) or math.isnan(rates[0]) else float(rates[0])

    def is_quiet(self, window_s: float) -> bool:
        """Whether no step of the part has a violation in the window that ends with it."""
        reach = self._violations[-1 - min(self._steps + self.length_of(window_s), len(self._violations) - 1)]
        return bool(self._violations[-1] == reach)


def _extend_counts(before: NDArray[np.int64], marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many marks there were up to each step, those before and those of a part."""
    return np.concatenate([before, before[-1] + np.cumsum(marks)])


def _window_counts(counted: NDArray[np.int64], length: int, last: int) -> NDArray[np.int64]:
    """How many of what was counted are in the windows of so many steps that end with the last few steps."""
    after = np.arange(len(counted) - last, len(counted))
    if len(after) and after[0] >= length:
        return counted[len(counted) - last :] - counted[len(counted) - last - length : len(counted) - length]
    return counted[after] - counted[np.maximum(after - length, 0)]


def _window_burns(burns: _BurnRates) -> tuple[WindowBurn, ...]:
    """The burn rate over every window of the rules up to the end of the period, the shortest first."""
    return tuple(WindowBurn(length, burns.at_the_end(length)) for length in _WINDOWS_S if burns.length_of(length) >= 1)


def _exhaustion(remaining: float, rate: float | None, allowance: float, step_s: float) -> float | None:
    """When the remaining steps of the allowance are used up at the present burn rate, s from the end."""
    if remaining <= 0 and rate is not None:
        return 0.0
    if not rate or not allowance:
        return None
    return remaining / (rate * allowance) * step_s


@dataclass
class _AlertFinder:
    """The times in which a rule fires.

    Attributes:
        rule: which.
        zone: what times are told in.
        found: those that are over.
        since: when the one that goes on began, nanoseconds since the epoch; None where none does.
        peak: the long window's highest burn rate in that.
    """

    rule: BurnRule
    zone: tzinfo
    found: list[BurnAlert] = field(default_factory=list)
    since: int | None = None
    peak: float = 0.0

    def go_on(self, burns: _BurnRates, run: Run) -> None:
        """Look at the next part of a run, which the burn rates are of."""
        rule = self.rule
        if burns.is_quiet(rule.short_s):
            self._end(run.start_ns)
            return
        short, long = burns.over(rule.short_s), burns.over(rule.long_s)
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
        """All of them, in order."""
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
"""The share of observed steps that should be within the budget, unless the user says otherwise."""


def parse_target(text: str, where: str = "--objective") -> float:
    """An objective as the user wrote it, 99% or 0.99, as a share.

    Args:
        text: what the user wrote.
        where: the option or key it was written for, for the message.

    Raises:
        EntroError: when it is neither.
    """
    try:
        target = round(float(text.removesuffix("%")) / 100, 12) if text.endswith("%") else float(text)
    except ValueError:
        target = math.nan
    if not 0 <= target <= 1:
        raise EntroError(f"{text!r} is no objective", where=where, expected="a share such as 99% or 0.99")
    return target
