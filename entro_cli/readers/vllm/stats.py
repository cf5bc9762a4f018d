"""The stats lines of a vLLM server over time: its engines summed tick by tick, idle times, requests between ticks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from entro_cli.core.clock import NS
from entro_cli.readers.server_lines import CARRIED, START
from entro_cli.readers.vllm.lines import VllmLines
from entro_cli.timeseries.observations import TimeArray

_TOGETHER_NS = 2 * NS
"""The lines of the engines of one server are printed one after the other within this."""
_HOLDS = 2.5
"""How many intervals an engine is taken to be as it was last, until its next line."""
_LONGEST_NS = 600 * NS
"""Two lines of an engine farther apart than this do not tell how often it prints."""


@dataclass
class _Last:
    """The last line of an engine.

    Attributes:
        index: which line it is.
        before: the one before of the same engine; -1 where there is none.
        time: when, nanoseconds.
        values: as in `VllmLines`.
        is_zero: whether no token went through.
        is_idle: whether it is the line behind which an engine is silent while it is idle.
        interval_ns: how often it prints, nanoseconds.
    """

    index: int
    before: int
    time: int
    values: Sequence[float]
    is_zero: bool
    is_idle: bool
    interval_ns: int


class EngineStats:
    """What comes of a log's lines.

    Attributes:
        times: of the samples, nanoseconds.
        values: waiting, running, prompt and generation throughput, four numbers a sample.
        begins, ends, counts: spans, and how many requests came in each.
        idle: how many of the samples are of times in which an idle server printed nothing.
        stalled_ns: how long it printed nothing while requests were running, but no token went through, nanoseconds.
        counted: how many requests are in spans, or before them.
        open_from: the first line of the last tick where engines of it are still missing; None where it is whole.
        started: the last start that no tick came behind; -1 where there is none.
    """

    def __init__(self, lines: VllmLines, times: TimeArray) -> None:
        """Go through the lines.

        Args:
            lines: the lines.
            times: when they were printed, nanoseconds, shape (lines,).
        """
        self.lines, self.at = lines, times
        self.times, self.values = array("q"), array("d")
        self.begins, self.ends, self.counts = array("q"), array("q"), array("q")
        self.idle, self.stalled_ns, self.counted, self.started = 0, 0, 0, -1
        self.open_from: int | None = None
        self.live: dict[int, _Last] = {}
        self._reached: int | None = None
        self._is_new = True  # no tick of this server yet
        self._usual_ns = 10 * NS
        self._run()

    def standing(self) -> list[int]:
        """The lines that tell how things stand after the last whole tick: of each engine the last two."""
        lines = {index for last in self.live.values() for index in (last.before, last.index)}
        return sorted((lines | {self.started}) - {-1})

    def _run(self) -> None:
        tick: list[int] = []
        keys = self.lines.keys
        for index, key in enumerate(keys):
            if tick and not self._is_of(tick, index):
                self._close(tick)
                tick = []
            if key >= 0:
                tick.append(index)
            elif key == START:
                self._restart(index)
            elif key == CARRIED:
                self._forget(index)
        if tick and self._is_open(tick):
            self.open_from = tick[0]
        elif tick:
            self._close(tick)

    def _is_of(self, tick: list[int], index: int) -> bool:
        """Whether a line is of a tick: near it, and of an engine that is not in it."""
        keys = self.lines.keys
        near = abs(int(self.at[index] - self.at[tick[0]])) <= _TOGETHER_NS
        return keys[index] >= 0 and near and all(keys[index] != keys[other] for other in tick)

    def _is_open(self, tick: list[int]) -> bool:
        """Whether the log's last tick lacks an engine that will be in it; they print in the order of their names."""
        keys, now = self.lines.keys, int(self.at[tick[0]])
        there, last = {keys[index] for index in tick}, self.lines.engines[keys[tick[-1]]]
        missing = [(self.lines.engines[key], line) for key, line in self.live.items() if key not in there]
        return any(
            (engine.process == last.process and engine.name > last.name) if line.is_idle else _holds(line, now)
            for engine, line in missing
        )

    def _close(self, tick: list[int]) -> None:
        lines = self._without_parts(tick)
        if not lines:
            return
        now = int(self.at[lines[0]])
        self._fill(now, rounded=True)
        for index in lines:
            self._hear(index)
        self.live = {key: last for key, last in self.live.items() if last.is_idle or _holds(last, now)}
        self._sample(now, [sum(part) for part in zip(*(last.values for last in self.live.values()), strict=True)])
        self._span(now, self.lines.requests[lines[0]])
        self.started = -1

    def _without_parts(self, tick: list[int]) -> list[int]:
        """The lines of a tick without those of engines that a line of all engines of their server stands for."""
        engines, keys = self.lines.engines, self.lines.keys
        known = {*self.live, *(keys[index] for index in tick)}
        summed = {engines[key].process for key in known if engines[key].is_total}
        if summed:
            parts = [key for key in self.live if engines[key].process in summed and not engines[key].is_total]
            for key in parts:
                del self.live[key]
        return [i for i in tick if engines[keys[i]].is_total or engines[keys[i]].process not in summed]

    def _hear(self, index: int) -> None:
        key = self.lines.keys[index]
        engine, before = self.lines.engines[key], self.live.get(key)
        values, now = self.lines.values[4 * index : 4 * index + 4], int(self.at[index])
        is_zero = values[2] == values[3] == 0
        rests = engine.is_quiet and is_zero and values[0] == values[1] == 0
        self.live[key] = _Last(
            index=index,
            before=before.index if before else -1,
            time=now,
            values=values,
            is_zero=is_zero,
            is_idle=rests and before is not None and not before.is_zero,
            interval_ns=_interval(now - before.time if before else 0, engine.usual_ns),
        )
        self._usual_ns = engine.usual_ns

    def _fill(self, now: int, rounded: bool) -> None:
        """Zeros for the ticks in which an idle server printed nothing, up to a time.

        Args:
            now: the time, nanoseconds.
            rounded: whether a tick is at that time.
        """
        if self._reached is None or not self.live:
            return
        gap, interval = now - self._reached, min(last.interval_ns for last in self.live.values())
        if not all(last.is_idle for last in self.live.values()):
            if rounded and 2 * gap > 3 * interval and all(last.is_zero for last in self.live.values()):
                self.stalled_ns += gap
            return
        ticks = round(gap / interval) if rounded else gap // interval + 1
        begin, length = self._reached, gap / ticks if rounded and ticks > 0 else interval
        for tick in range(1, ticks):
            time = begin + round(tick * length)
            self._sample(time, [0.0] * 4)
            self._add_span(self._reached, time, 0)
            self._reached = time
            self.idle += 1

    def _span(self, now: int, requests: int) -> None:
        """The requests since the tick before; before the first one of a server they have no begin but the usual."""
        if self._reached is not None and now <= self._reached:  # the clock stepped back: the next span has them too
            return
        begin = self._reached
        if self._is_new:
            begin = now - self._usual_ns if begin is None else max(begin, now - self._usual_ns)
        if begin is not None and (not self._is_new or requests > self.counted):
            self._add_span(begin, now, requests - self.counted)
        self._reached, self.counted, self._is_new = now, requests, False

    def _restart(self, index: int) -> None:
        """A server starts: what was before has ended, and what the requests since its last tick were, is known now."""
        now, requests = int(self.at[index]), self.lines.requests[index]
        self._fill(now, rounded=False)
        left = requests - self.counted
        if self._reached is None or now > self._reached:
            begin = now - self._usual_ns if self._reached is None else self._reached
            if left:
                self._add_span(begin, min(now, begin + self._usual_ns), left)
            self._reached, self.counted = now, requests
        self.live.clear()
        self._is_new, self.started = True, index

    def _forget(self, index: int) -> None:
        """What came up to here is in another log's samples."""
        del self.times[:], self.values[:], self.begins[:], self.ends[:], self.counts[:]
        self.idle, self.stalled_ns, self.counted = 0, 0, self.lines.requests[index]

    def _sample(self, time: int, values: Sequence[float]) -> None:
        self.times.append(time)
        self.values.extend(values)

    def _add_span(self, begin: int, end: int, count: int) -> None:
        self.begins.append(begin)
        self.ends.append(end)
        self.counts.append(count)


def _holds(last: _Last, now: int) -> bool:
    return abs(now - last.time) <= _HOLDS * last.interval_ns


def _interval(apart_ns: int, usual_ns: int) -> int:
    """How often an engine prints, by how far two of its lines are apart; they jitter by a second or so."""
    if not 0 < apart_ns <= _LONGEST_NS or 3 * usual_ns <= 4 * apart_ns <= 5 * usual_ns:
        return usual_ns
    return apart_ns
