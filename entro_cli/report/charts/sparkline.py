"""The course as columns: what a terminal and a page without JavaScript show of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from entro_cli.core.clock import nanoseconds
from entro_cli.report.daily_report import Summary

REGIMES = ("no data", "stable", "stress", "critical")
"""The words of a course's regimes, the worst last."""

_WHOLE = 0.25
_MARGIN = 0.02


@dataclass(frozen=True)
class Column:
    """A part of the time shown.

    Attributes:
        peak: its highest Psi_total, nat; None without data.
        regime: its worst; `no data` without data, `maintenance` where that is because it is left out.
    """

    peak: float | None
    regime: str


def shown(summary: Summary) -> tuple[datetime, datetime]:
    """The stretch of time the course is drawn for: the period, or the log's part where that is less than a quarter."""
    period, made = summary.period, summary.made
    if made.log_start is None or made.log_end is None or made.log_share >= _WHOLE:
        return period.start, period.end
    start, end = made.log_start.astimezone(UTC), made.log_end.astimezone(UTC)
    margin = (end - start) * _MARGIN
    return (start - margin).astimezone(period.start.tzinfo), (end + margin).astimezone(period.start.tzinfo)


def columns(summary: Summary, number: int, stretch: tuple[datetime, datetime] | None = None) -> tuple[Column, ...]:
    """The stretch of time shown, or another one that holds the course, cut into so many equal parts."""
    start, end = (nanoseconds(edge) for edge in stretch or shown(summary))
    peaks: list[float | None] = [None] * number
    worst = [0] * number
    course = summary.course
    for when, psi, regime in zip(course.times, course.psi_total, course.regime, strict=True):
        at = (nanoseconds(when) - start) * number // (end - start)
        if psi is not None:
            peaks[at] = max(peaks[at] or 0.0, psi)
            worst[at] = max(worst[at], REGIMES.index(regime))
    edges = [start + at * (end - start) // number for at in range(number + 1)]
    return tuple(
        Column(peak, REGIMES[regime] if peak is not None or not _left_out(summary, *span) else "maintenance")
        for peak, regime, span in zip(peaks, worst, pairwise(edges), strict=True)
    )


def _left_out(summary: Summary, start_ns: int, end_ns: int) -> bool:
    """Whether the middle of a part of the time is left out as maintenance."""
    middle = (start_ns + end_ns) // 2
    return any(nanoseconds(gap.start) <= middle < nanoseconds(gap.end) for gap in summary.maintenance)
