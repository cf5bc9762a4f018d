"""Resampling of spans and events that arrive in windows of time, which overlap, into steps on disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import numpy as np
from msgspec.structs import replace

from entro_cli.timeseries.bins import bins_of
from entro_cli.timeseries.observations import Measure, NotStreamableError, Series
from entro_cli.timeseries.resample import SourceBins, ladder_step_ns, spans_too_much, to_grid
from entro_cli.timeseries.resample_stream import MAX_GAP_STEPS, begin_steps
from entro_cli.timeseries.steps import ARRAYS, LOAD_ARRAYS, Steps
from entro_cli.timeseries.steps_on_disk import StoredSteps


class WindowResampler:
    """Resampler of one source of some stages, of which each window has all spans and events in it.

    Args:
        zone: the zone whose midnight counts, for steps of 30 min and more.
        step_ns: length of a step, nanoseconds; None for the shortest.
    """

    def __init__(self, zone: tzinfo, step_ns: int | None) -> None:
        self._zone, self._step_ns = zone, step_ns or ladder_step_ns(0.0)
        self._origin_ns = 0
        self._first: tuple[Series, ...] = ()
        self._steps: StoredSteps | None = None

    @property
    def stored_ns(self) -> int:
        """The end of the last stored step, nanoseconds since the epoch; before any, the start of the grid, or 0."""
        return self._steps.start_ns + self._steps.count * self._steps.step_ns if self._steps else 0

    def add(self, series: Sequence[Series], known_ns: int, rows: int) -> None:
        """Store the steps that end before a time, nanoseconds since the epoch, up to which all is known.

        Args:
            series: one per stage, with all spans and events from `stored_ns` on.
            known_ns: that time.
            rows: number of rows of the log so far.

        Raises:
            NotStreamableError: if a stage begins later than others, or there is a long gap.
            EntroError: if the disk is full.
        """
        steps = self._steps or self._begin(series)
        after_ns = steps.start_ns + (known_ns - steps.start_ns) // steps.step_ns * steps.step_ns
        self._store(steps, series, after_ns, rows)

    def finish(self, series: Sequence[Series], rows: int) -> tuple[tuple[Series, ...], StoredSteps]:
        """Store all other steps, and return the first and the last span or event of each stage, and the steps."""
        steps = self._steps or self._begin(series)
        last_ns = max(int(part.times[-1]) - (part.begins is not None) for part in series)  # spans exclude their ends
        self._store(steps, series, last_ns - (last_ns - steps.start_ns) % steps.step_ns + steps.step_ns, rows)
        return tuple(_edges(*parts) for parts in zip(self._first, series, strict=True)), steps

    def _begin(self, series: Sequence[Series]) -> StoredSteps:
        if any(part.interval_ns is not None for part in series):  # the step depends on all of them
            raise NotStreamableError
        self._first = tuple(part.take(slice(0, 1)) for part in series)
        self._origin_ns, self._steps = begin_steps(series, self._step_ns, self._zone)
        return self._steps

    def _store(self, steps: StoredSteps, series: Sequence[Series], after_ns: int, rows: int) -> None:
        begin_ns, step_ns = self.stored_ns, steps.step_ns
        count = (after_ns - begin_ns) // step_ns
        if [part.stage for part in series] != [stage.name for stage in steps.stages]:
            raise NotStreamableError
        if count > MAX_GAP_STEPS or spans_too_much(steps.count + count, rows):
            raise NotStreamableError
        if count <= 0:
            return
        cut = [_between(part, begin_ns, after_ns, is_first=not steps.count) for part in series]
        bins = [bins_of(part, self._origin_ns, step_ns).between(begin_ns, after_ns) for part in cut]
        filled = [to_grid(SourceBins(part, None), begin_ns, step_ns, count) for part in bins]
        names = ARRAYS if any(part.waiting is not None for part in series) else LOAD_ARRAYS
        arrays = {name: np.stack([getattr(part, name) for part in filled]) for name in names}
        steps.append(Steps(steps.stages, begin_ns, step_ns, **arrays))


def _between(series: Series, begin_ns: int, after_ns: int, is_first: bool) -> Series:
    """Return the spans or events that touch some time. Events of 0 at its ends replace earlier and later ones."""
    if series.begins is not None:
        part = series.take((series.times > begin_ns) & (series.begins < after_ns))
        return part if part.begins is None else replace(part, begins=np.maximum(part.begins, begin_ns))
    if series.measure is not Measure.EVENTS:
        raise NotStreamableError
    part = series.take((series.times >= begin_ns) & (series.times < after_ns))
    before, after = ([] if is_first else [begin_ns]), ([after_ns - 1] if series.times[-1] >= after_ns else [])
    times = np.concatenate([before, part.times, after]).astype(np.int64)
    values = np.concatenate([np.zeros(len(before)), part.values, np.zeros(len(after))])
    return replace(part, times=times, values=values)


def _edges(first: Series, last: Series) -> Series:
    """Return the first span or event of a source, and the last one."""
    last = last.take(slice(-1, None))
    begins = None if first.begins is None or last.begins is None else np.concatenate([first.begins, last.begins])
    times, values = (np.concatenate([getattr(part, name) for part in (first, last)]) for name in ("times", "values"))
    return replace(last, times=times, values=values, begins=begins, waiting=None)
