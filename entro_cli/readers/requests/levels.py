"""Requests as arrays of times, the loads that follow from them, and the last ones, which later lines may overlap."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from functools import reduce

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.timeseries.bins import ranges
from entro_cli.timeseries.observations import FAILED, Idle, Measure, Series, TimeArray
from entro_engine import Kind

NEVER = int(np.iinfo(np.int64).max)
"""Time of a start or finish that did not happen: after every other, so that comparisons need no special case."""

FAILURES = ("429", "499", "5xx", "no response")
"""Classes of failed requests. Their places are stored in checkpoints."""

_FEWEST_KEPT, _MOST_KEPT = 1 << 10, 1 << 16
"""Limits of the number of requests that a checkpoint keeps, besides those that are not finished."""
_LONGEST_WAIT_NS = 86400 * NS
"""Requests that have waited for longer without a start change no wait any more, which would change all steps since."""


class Requests(msgspec.Struct, frozen=True):
    """Requests of a log, in the order of the file.

    Attributes:
        times: arrival, entry into the queue, start and finish of each, nanoseconds since the epoch, shape
            (4, requests); `NEVER` for what did not happen. Entries into the queue are on the clock of starts and
            finishes.
        has_starts: whether the log has starts.
        has_finishes: whether it has finishes.
        failures: of each, the place of its class in `FAILURES`, or -1 for one that did not fail, shape (requests,).
    """

    times: TimeArray
    has_starts: bool
    has_finishes: bool
    failures: NDArray[np.int8]

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.times[0])

    @property
    def open(self) -> NDArray[np.bool_]:
        """Mask of the requests that go on where the log ends."""
        never: NDArray[np.bool_] = self.ends == NEVER
        return never

    @property
    def unfinished(self) -> tuple[int, int]:
        """The numbers of those without a start and without a finish, 0 where the log has none of these."""
        starts, finishes = (int((times == NEVER).sum()) for times in self.times[2:])
        return self.has_starts * starts, self.has_finishes * finishes

    @property
    def ends(self) -> TimeArray:
        """The last time that the log has of each; `NEVER` for one that goes on."""
        ends: TimeArray = self.times[3 if self.has_finishes else 2 if self.has_starts else 0]
        return ends

    @property
    def latest(self) -> TimeArray:
        """The latest known time of each."""
        known = (np.where(times == NEVER, np.iinfo(np.int64).min, times) for times in self.times)
        return reduce(np.maximum, known)  # a fifth of the time of `max(axis=0)`

    def followed_by(self, later: Requests) -> Requests:
        """Return these requests and later ones of the same log."""
        failures = np.concatenate([self.failures, later.failures])
        return replace(later, times=np.hstack([self.times, later.times]), failures=failures)

    def where(self, selection: NDArray[np.bool_]) -> Requests:
        """Return those that a mask selects."""
        if selection.all():
            return self
        return replace(self, times=self.times[:, selection], failures=self.failures[selection])


class LastRequests(msgspec.Struct):
    """The last requests of a log: those that lines behind it may overlap.

    Attributes:
        begin: the time from which on they are all that the log has, nanoseconds since the epoch.
        late_ns: how long before the latest time of the rows above it a request arrived, at most.
        times: as in `Requests`, compressed.
        has_starts: as in `Requests`.
        has_finishes: as in `Requests`.
        failures: as in `Requests`, compressed; empty if none failed.
    """

    begin: int
    late_ns: int
    times: bytes
    has_starts: bool
    has_finishes: bool
    failures: bytes = b""

    @classmethod
    def of(cls, requests: Requests, before: LastRequests | None = None) -> LastRequests:
        """Return the last of some requests, at least one; some of them may be the last of those before."""
        kept, begin, late_ns = select_last(requests, before)
        # The times of requests that go on do not matter before `begin`, and equal ones are compressed well.
        times = np.where(requests.open, np.maximum(requests.times, begin - 1), requests.times)[:, kept]
        packed = zlib.compress(times.astype("<i8").tobytes())
        failed = requests.failures[kept]
        failures = zlib.compress(failed.tobytes()) if (failed >= 0).any() else b""
        return cls(begin, late_ns, packed, requests.has_starts, requests.has_finishes, failures)

    def unpack(self) -> Requests:
        """Return the requests."""
        times = np.frombuffer(zlib.decompress(self.times), "<i8").astype(np.int64).reshape(4, -1)
        failures = np.full(times.shape[1], -1, np.int8)
        if self.failures:
            failures = np.frombuffer(zlib.decompress(self.failures), np.int8)
        return Requests(times, self.has_starts, self.has_finishes, failures)


def select_last(requests: Requests, before: LastRequests | None) -> tuple[NDArray[np.bool_], int, int]:
    """Return which requests one that is twice as late as any so far may overlap; see `LastRequests`.

    Returns:
        Whether each request is one of them, the time from which on they are all, and how late requests are.
    """
    latest = np.maximum.accumulate(requests.latest)
    earliest = np.minimum(*requests.times[:2, 1:])
    late_ns = int((latest[:-1] - earliest).max(initial=before.late_ns if before else 0))
    ends = np.sort(requests.ends[~requests.open])
    first_ns = max(int(latest[-1]) - 2 * late_ns, np.iinfo(np.int64).min)  # stray ends may be centuries away
    number = len(ends) - int(np.searchsorted(ends, first_ns))
    number = min(max(number, _FEWEST_KEPT), _MOST_KEPT)
    begin = int(ends[-number] if number < len(ends) else requests.times[0].min())
    if requests.has_starts:  # those that still wait change the waits of the steps in which they do
        still = requests.times[1, (requests.times[2] == NEVER) & (requests.times[3] == NEVER)]
        begin = int(still[still > latest[-1] - _LONGEST_WAIT_NS].min(initial=begin))
    begin = max(begin, before.begin) if before else begin
    return requests.ends >= begin, begin, late_ns


QUANTITIES = frozenset({"requests", "waiting", "in_system", "running"})
"""Names of the quantities of a log with starts and finishes."""


def request_quantities(
    requests: Requests, has_own_queue: bool = True, wanted: Collection[str] = QUANTITIES
) -> tuple[Series, ...]:
    """Return the quantity `requests`, and `waiting`, `in_system` and `running` as far as they are known.

    The requests that are not finished are the queue without starts, or where the log does not show all who wait.

    Args:
        requests: the requests, at least one.
        has_own_queue: whether requests wait nowhere else than before their start.
        wanted: names of those to return besides `requests`.
    """
    arrived, queued, starts, finishes = requests.times
    last = int(requests.latest.max())
    times, counts = np.unique(arrived, return_counts=True)
    if last > times[-1]:  # no request arrived after its last one, up to the end of the log
        times, counts = np.append(times, last), np.append(counts, 0)
    values = counts.astype(np.float64)
    arrivals = Series(RATE_STAGE, Kind.RATE, times, values, None, "requests", Measure.EVENTS, is_additive=True)
    found = [arrivals]
    if requests.has_starts and "waiting" in wanted:
        stage = QUEUE_STAGE if has_own_queue else ""
        left = np.minimum(starts, finishes)
        found.append(_with_waits(*_level("waiting", Kind.QUEUE, stage, queued, left, last), queued, left, last))
    if requests.has_finishes and "in_system" in wanted:
        stage = "" if requests.has_starts and has_own_queue else QUEUE_STAGE
        found.append(_level("in_system", Kind.QUEUE, stage, queued, finishes, last)[0])
    started = starts != NEVER
    if requests.has_finishes and "running" in wanted and started.any():
        found.append(_level("running", Kind.GENERIC, "", starts[started], finishes[started], last)[0])
    return tuple(found)


def request_signals(requests: Requests) -> list[Series]:
    """Return the requests that failed, by class, at their ends; see `with_owner`."""
    found = []
    for place in np.flatnonzero(np.bincount(requests.failures[requests.failures >= 0])).tolist():
        times, counts = np.unique(requests.latest[requests.failures == place], return_counts=True)
        name = FAILED + FAILURES[place].replace(" ", "_")
        found.append(Series("", Kind.GENERIC, times, counts.astype(np.float64), column=name, is_additive=True))
    return found


def _level(
    name: str, kind: Kind, stage: str, begins: TimeArray, ends: TimeArray, last: int
) -> tuple[Series, TimeArray, TimeArray]:
    """Return the number of requests in some state over time, one value from each change to the next.

    Args:
        name: name of the quantity.
        kind: what it measures.
        stage: the stage that it is by default; empty for none.
        begins: begin of the state, nanoseconds since the epoch, shape (requests,).
        ends: end of the state, likewise; `NEVER` if it lasts until the log ends.
        last: the end of the log.

    Returns:
        The number, and the places among its changes at which each request begins and ends, shape (requests,).
    """
    ends = np.minimum(ends, last)
    by_begin, by_end = np.argsort(begins), np.argsort(ends)
    both = np.concatenate([begins[by_begin], ends[by_end], [last]])
    # A stable sort merges what is sorted. np.unique hashes, and takes a hundred times as long.
    order = np.argsort(both, kind="stable")
    times, levels = both[order], np.cumsum(np.repeat([1, -1, 0], [len(begins), len(ends), 1])[order])
    is_change = np.diff(times, append=times[-1] + 1) > 0
    changes, values = times[is_change], levels[is_change][:-1].astype(np.float64)
    level = Series(stage, kind, changes[1:], values, None, name, Measure.SPANS, changes[:-1], is_additive=True)
    places, first, after = (np.empty_like(one) for one in (order, by_begin, by_end))
    places[order] = np.cumsum(is_change) - is_change
    first[by_begin], after[by_end] = places[: len(begins)], places[len(begins) : -1]
    return level, first, after


def _with_waits(
    level: Series, first: TimeArray, after: TimeArray, begins: TimeArray, ends: TimeArray, last: int
) -> Series:
    """Return the number of waiting requests with how long they wait; the arguments are what `_level` returns and gets.

    So the places of all requests need not be searched for, which would take longer than all else.
    """
    idle = level.idle | (Idle.AFTER if (ends <= last).all() else Idle.UNKNOWN)
    order = np.argsort(begins)
    order = order[first[order] < after[order]]
    first, after, begins, ends = (values[order] for values in (first, after, begins, ends))
    waits = np.minimum(ends, last) - begins
    waits = np.where(ends <= last, waits, np.minimum(waits, _LONGEST_WAIT_NS))
    # A request is the oldest one from the time on at which all that came before it have left.
    left = np.maximum.accumulate(after)
    is_oldest = np.diff(left, prepend=0) > 0
    since, until = np.maximum(first, np.append(0, left[:-1]))[is_oldest], after[is_oldest]
    ages = np.zeros(len(level.times), np.int64)
    request, covered = ranges(since, until - since)  # in order, and they do not overlap
    ages[covered] = level.times[covered] - begins[is_oldest][request]
    longest = _longest_of(waits, first, after, len(level.times))
    return replace(level, waiting=np.stack([ages, longest]), idle=idle)


def _longest_of(values: TimeArray, first: TimeArray, after: TimeArray, count: int) -> TimeArray:
    """Return the largest of the values in whose range each of `count` places is; 0 in none.

    A range is covered by two of a power of two places. Those are halved down to single places.

    Args:
        values: above 0, shape (ranges,).
        first: the first place of each range.
        after: the place after its last, beyond the first.
        count: number of places.
    """
    powers = np.frexp(after - first)[1] - 1
    found = np.zeros(count, np.int64)
    for power in range(int(powers.max(initial=0)), -1, -1):
        some, length = np.flatnonzero(powers == power), 1 << power
        np.maximum.at(found, first[some], values[some])
        np.maximum.at(found, after[some] - length, values[some])
        half = length >> 1
        if half:  # `found` holds ranges of `length` places by their first; below, of `half`
            found[half:] = np.maximum(found[half:], found[:-half])
    return found
