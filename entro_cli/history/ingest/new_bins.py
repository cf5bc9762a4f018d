"""Bins of what was read of logs. They are made from samples some steps at a time: a log may be longer than memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from entro_cli.history.day_files import BinsByKey, SampleKey, without_last_times
from entro_cli.history.ingest.overlap import Grid, edge_steps, in_steps, merge_samples
from entro_cli.history.paths import DAY_NS
from entro_cli.timeseries.bins import EMPTY, Bins, bins_of, merge_bins
from entro_cli.timeseries.intervals import forget_pages
from entro_cli.timeseries.observations import Measure, Series, TimeArray

EARLIEST, LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
"""The first and the last moment that there are, nanoseconds since the epoch."""


class NewBins(Struct, frozen=True):
    """The bins of what was read of logs.

    Attributes:
        grid: the grid of the pipeline.
        samples: by source, the samples of each log, if they are levels at single times: a step needs no others.
        others: stored samples of these sources, in steps that a log may have only in part.
        whole: the bins of all other sources.
    """

    grid: Grid
    samples: Mapping[SampleKey, Sequence[Series]]
    others: Mapping[SampleKey, Sequence[Series]]
    whole: BinsByKey

    @classmethod
    def of(
        cls, grid: Grid, parts: Mapping[SampleKey, Sequence[Series]], others: Mapping[SampleKey, Sequence[Series]]
    ) -> NewBins:
        """Return the bins of the samples of each log by source, together with other samples in the same steps."""
        levels = {key: series for key, series in parts.items() if all(map(_is_of_levels, series))}
        whole = {
            key: bins_with(merge_samples(series), others.get(key, ()), grid)
            for key, series in parts.items()
            if key not in levels
        }
        return cls(grid, levels, others, whole)

    def days(self) -> list[int]:
        """Return the beginnings of the days (UTC) that have bins, nanoseconds since the epoch, in order."""
        numbers = {number for bins in self.whole.values() for number in np.unique(bins.starts // DAY_NS).tolist()}
        numbers.update(day for series in self.samples.values() for one in series for day in self._days_of(one.times))
        return [number * DAY_NS for number in sorted(numbers)]

    def _days_of(self, times: TimeArray) -> Iterator[int]:
        origin, step = self.grid
        place = 0
        while place < len(times):
            day = (origin + (int(times[place]) - origin) // step * step) // DAY_NS
            yield day
            place = int(np.searchsorted(times, self._first_step((day + 1) * DAY_NS)))
            forget_pages(times)  # each search looks at many places

    def between(self, begin: int, after: int) -> BinsByKey:
        """Return the bins whose steps begin at `begin` (nanoseconds since the epoch) or later, and before `after`."""
        found = {key: bins.between(begin, after) for key, bins in self.whole.items()}
        for key, series in self.samples.items():
            places = [np.searchsorted(one.times, [self._first_step(begin), self._first_step(after)]) for one in series]
            cut = [one.take(slice(*place)) for one, place in zip(series, places, strict=True) if place[0] < place[1]]
            if cut:
                found[key] = bins_with(merge_samples(cut), self.others.get(key, ()), self.grid)
            for one in series:
                forget_pages(one.times)
                forget_pages(one.values)
        return {key: bins for key, bins in found.items() if len(bins)}

    def first_ns(self, key: SampleKey) -> int:
        """Return the beginning of the first step of a source of levels, nanoseconds since the epoch."""
        origin, step = self.grid
        return origin + min(edge_steps(one, self.grid)[0] for one in self.samples[key]) * step

    def last(self, key: SampleKey) -> Bins:
        """Return the last bin of a source of levels."""
        origin, step = self.grid
        begin = origin + max(edge_steps(one, self.grid)[1] for one in self.samples[key]) * step
        return self.between(begin, begin + step)[key]

    def all(self) -> BinsByKey:
        """Return all bins at once."""
        return self.between(EARLIEST, LATEST)

    def _first_step(self, moment: int) -> int:
        """Return the beginning of the first step that does not begin before a moment."""
        origin, step = self.grid
        return min(max(origin - (origin - moment) // step * step, EARLIEST), LATEST)


def _is_of_levels(series: Series) -> bool:
    return series.measure is Measure.SAMPLES and series.begins is None


def bins_with(series: Series, others: Sequence[Series], grid: Grid) -> Bins:
    """Return samples as bins, together with the samples that others have in the same steps."""
    if not len(series.times):
        return EMPTY
    alone = without_last_times(bins_of(series, *grid))
    if not others:
        return alone
    origin, step = grid
    inside = in_steps(merge_samples(others), ((alone.starts - origin) // step).tolist(), grid)
    if not len(inside.times):
        return alone
    together = without_last_times(bins_of(merge_samples([series, inside]), *grid))
    # Both compete: logs that differ at one time then give the same bins in any order.
    return merge_bins([alone, together.take(np.isin(together.starts, alone.starts))])
