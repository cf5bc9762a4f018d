"""The timeline as a row of bars, for terminals and for pages without JavaScript."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from msgspec import Struct

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.report.daily_report import Summary

REGIMES = ("no data", "stable", "stress", "critical")
"""The regimes of a timeline, from least to most severe."""

_WHOLE = 0.25  # a log that covers less of its period is drawn alone, with a margin on both sides
_MARGIN = 0.02


class SparklineBar(Struct, frozen=True):
    """One bar: a part of the time shown.

    Attributes:
        peak: highest coupled load in it, nat; None without data.
        regime: worst regime in it. Without data: `maintenance` if the time is excluded, else `no data`.
    """

    peak: float | None
    regime: str


def shown_span(summary: Summary) -> tuple[datetime, datetime]:
    """Return the time span to draw: the period, or the part the log covers if that is less than a quarter of it."""
    period, made = summary.period, summary.made
    if made.log_start is None or made.log_end is None or made.log_share >= _WHOLE:
        return period.start, period.end
    # In UTC: Python subtracts datetimes of one zone by the wall clock, which clock changes falsify.
    start, end = made.log_start.astimezone(UTC), made.log_end.astimezone(UTC)
    margin = (end - start) * _MARGIN
    return (start - margin).astimezone(period.start.tzinfo), (end + margin).astimezone(period.start.tzinfo)


def most_bars(summary: Summary, number: int) -> int:
    """Return how many parts to divide the time to draw into: at most `number`, and none shorter than a step.

    With shorter ones there would be gaps between the steps of a short log.
    """
    start, end = shown_span(summary)
    steps = (nanoseconds(end) - nanoseconds(start)) // round(summary.made.step_s * NS)
    return min(number, max(steps, 1))


def sparkline(summary: Summary, number: int, span: tuple[datetime, datetime] | None = None) -> tuple[SparklineBar, ...]:
    """Return a time span as equal parts.

    Args:
        summary: the report.
        number: number of parts.
        span: the time span, which contains the whole timeline; by default, the one to draw.
    """
    start, end = (nanoseconds(edge) for edge in span or shown_span(summary))
    peaks: list[float | None] = [None] * number
    worst = [0] * number
    course = summary.course
    for when, load, regime in zip(course.times, course.coupled_load, course.regime, strict=True):
        at = (nanoseconds(when) - start) * number // (end - start)
        if load is not None:
            peaks[at] = max(peaks[at] or 0.0, load)
            worst[at] = max(worst[at], REGIMES.index(regime))
    edges = [start + at * (end - start) // number for at in range(number + 1)]
    return tuple(
        SparklineBar(
            peak, REGIMES[regime] if peak is not None or not _is_maintenance(summary, *span) else "maintenance"
        )
        for peak, regime, span in zip(peaks, worst, pairwise(edges), strict=True)
    )


def _is_maintenance(summary: Summary, start_ns: int, end_ns: int) -> bool:
    """Return whether the middle of a part is excluded as maintenance."""
    middle = (start_ns + end_ns) // 2
    return any(nanoseconds(gap.start) <= middle < nanoseconds(gap.end) for gap in summary.maintenance)
