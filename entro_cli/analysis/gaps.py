"""The gaps between the runs of a pipeline: the usual one, and silences, which are far longer."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.timeseries.maintenance import NONE, Gap, Maintenance
from entro_cli.timeseries.steps import StepSource, in_parts

LOOK_BACK_NS = 28 * 86400 * NS
"""The usual gap is that of so much time before the end of a period."""

_FACTOR = 3  # a silence is longer than so many usual gaps
_FEWEST = 3  # gaps that show a habit
_QUIET_NS, _QUIET_STEPS = 300 * NS, 2  # data that pauses for no longer goes on
_DAY_NS, _WEEK_NS = 86400 * NS, 7 * 86400 * NS


class Activity(Struct, frozen=True, dict=True):
    """The stretches of time in which a pipeline had data, in order: arrays of shape (stretches,), ns since the epoch.

    Attributes:
        begins: the begin of the first step with data of each.
        ends: the end of the last.
        step_ns: length of a step, nanoseconds.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    step_ns: int

    @cached_property
    def usual_gap_ns(self) -> int | None:
        """The usual time between the begins of two runs, nanoseconds; None if there is too little data to know.

        It is their median; of an even number the lower one in the middle. Gaps below a third of the typical one are
        pauses within a run: half of the time without data lies in gaps up to the typical one. The longest gap is left
        out of that, as it may be a silence. A pipeline with data for half of the time or more, again without that gap,
        runs continuously, and its usual gap is a step.
        """
        gaps = self.begins[1:] - self.ends[:-1]
        covered, ordinary = int((self.ends - self.begins).sum()), np.sort(gaps)[:-1]
        if covered >= ordinary.sum():
            return self.step_ns if covered >= _DAY_NS else None
        if len(gaps) < _FEWEST:
            return None
        typical = ordinary[np.searchsorted(np.cumsum(ordinary), ordinary.sum() / 2)]
        is_run = np.append(True, _FACTOR * gaps >= typical)
        between = np.sort(np.diff(self.begins[is_run]))
        return int(between[(len(between) - 1) // 2])

    @property
    def runs_at_times(self) -> bool:
        """Return whether the pipeline is known to run at times, with gaps between its runs."""
        return (self.usual_gap_ns or 0) > self.step_ns

    def silences(self, until_ns: int, maintenance: Maintenance = NONE) -> list[Gap]:
        """Return the silences up to a time, in order, each from the end of data to its next begin, or to that time.

        In a pipeline that runs at times, that is a gap in which no run begins for more than three usual gaps. A run
        longer than the usual gap counts as begun one such gap before its end. For any other pipeline it is only the
        gap at the end, if it is longer than a pause. A gap is not silent if the week before had the same one.

        Args:
            until_ns: the time, ns since the epoch.
            maintenance: windows that do not count.
        """
        if not len(self.begins):
            return []
        usual, known = (self.usual_gap_ns or 0, len(self.begins)) if self.runs_at_times else (0, 1)
        limit = _FACTOR * usual or _longest_pause_ns(self.step_ns)
        ends, after = self.ends[-known:], np.append(self.begins[1:], until_ns)[-known:]
        waited = after - np.maximum(self.begins[-known:], ends - usual)
        late = np.flatnonzero(waited > limit)
        found = [(Gap(int(ends[index]), int(after[index])), int(waited[index])) for index in late]
        return [
            gap for gap, wait in found if wait - maintenance.length_ns(*gap) > limit and not self._was_there_before(gap)
        ]

    def _was_there_before(self, gap: Gap) -> bool:
        """Return whether data ended at the same time a week before, and came back no earlier.

        Both may differ by an eighth of the gap, and by a day at most.
        """
        tolerance = min((gap.end_ns - gap.start_ns) // 8, _DAY_NS)
        start, end = gap.start_ns - _WEEK_NS, gap.end_ns - _WEEK_NS
        index = int(np.searchsorted(self.begins, start + tolerance)) - 1
        if index < 0 or abs(int(self.ends[index]) - start) > tolerance:
            return False
        return index + 1 < len(self.begins) and int(self.begins[index + 1]) >= end - tolerance


def _longest_pause_ns(step_ns: int) -> int:
    """Return the longest pause within a stretch, nanoseconds: five minutes, or two steps if that is longer."""
    return max(_QUIET_NS, _QUIET_STEPS * step_ns)


def activity_of(times: NDArray[np.int64], step_ns: int) -> Activity:
    """Return the stretches of some steps with data.

    Args:
        times: the begin of each step with data, ns since the epoch, in order.
        step_ns: length of a step, nanoseconds.
    """
    edges = np.flatnonzero(np.diff(times) - step_ns > _longest_pause_ns(step_ns)) + 1
    begins, ends = np.append(0, edges), np.append(edges, len(times)) - 1
    if not len(times):
        begins = ends = np.empty(0, np.int64)
    return Activity(times[begins], times[ends] + step_ns, step_ns)


def times_with_data(steps: StepSource) -> NDArray[np.int64]:
    """Return the begin of each step that has data of all stages, ns since the epoch."""
    found = [
        part.start_ns + np.flatnonzero(~np.isnan(part.loads).any(axis=0)) * part.step_ns for part in in_parts(steps)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)
