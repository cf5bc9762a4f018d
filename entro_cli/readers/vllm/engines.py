"""The engines of a vLLM server over time: their stats lines summed tick by tick, idle times, requests between ticks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec
import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.server_lines import START
from entro_cli.readers.vllm.lines import Engine, VllmLines
from entro_cli.timeseries.observations import TimeArray

_TICK_NS = 2 * NS
"""The lines of the engines of one server are printed one after the other within this time."""
_INTERVALS_HELD = 2.5
"""For so many intervals an engine keeps its last values, until its next line."""
_LONGEST_INTERVAL_NS = 600 * NS
"""Two lines of an engine farther apart do not show its interval."""


class EngineState(msgspec.Struct):
    """The last line of an engine.

    Attributes:
        time: when it was printed, nanoseconds.
        values: as in `VllmLines`.
        is_zero: whether no token went through.
        is_idle: whether the engine is idle from this line on and prints nothing more.
        interval_ns: the interval at which it prints, nanoseconds.
        since: when its first line was printed, nanoseconds.
    """

    time: int
    values: list[float]
    is_zero: bool
    is_idle: bool
    interval_ns: int
    since: int = 0


class OpenTick(msgspec.Struct):
    """The lines of a tick in which lines of other engines may still come; each list has an entry per line.

    Attributes:
        keys, requests, values: as in `VllmLines`.
        times: when they were printed, nanoseconds.
    """

    keys: list[int] = []
    times: list[int] = []
    requests: list[int] = []
    values: list[float] = []


class EnginesState(msgspec.Struct):
    """The engines of a server behind some lines.

    Attributes:
        engines: those that `live` and `tick` are of.
        live: by key, the engines that print, or are idle.
        reached: the end of the last span, nanoseconds; None before the first.
        is_new: whether the server has no tick yet.
        usual_ns: the interval at which such a server prints, nanoseconds.
        tick: the last tick.
    """

    engines: list[Engine] = []
    live: dict[int, EngineState] = {}
    reached: int | None = None
    is_new: bool = True
    usual_ns: int = 10 * NS
    tick: OpenTick = msgspec.field(default_factory=OpenTick)


class EngineStats:
    """Samples and spans of requests, made from the lines of a log.

    Attributes:
        times: of the samples, nanoseconds.
        values: waiting, running, prompt and generation throughput, four numbers per sample.
        begins, ends, counts: spans of time, and the number of requests in each.
        idle: the number of samples of times in which an idle server printed nothing.
        stalled_ns: the time without lines while requests were running and no token went through, nanoseconds.
        counted: the number of requests in spans, or before them.
        api_servers: the number of API servers that print lines of one engine.
        state: the engines behind the lines.
    """

    def __init__(self, lines: VllmLines, times: TimeArray, before: EnginesState) -> None:
        """Go through the lines.

        Args:
            lines: the lines.
            times: when they were printed, nanoseconds, shape (lines,).
            before: the engines behind the lines before.
        """
        tick = before.tick
        self.engines, self.keys = lines.engines, array("i", tick.keys) + lines.keys
        self.at = np.concatenate([np.array(tick.times, np.int64), times])
        self.requests = array("q", tick.requests) + lines.requests
        self.of_lines = array("d", tick.values) + lines.values
        self.times, self.values = array("q"), array("d")
        self.begins, self.ends, self.counts = array("q"), array("q"), array("q")
        self.idle, self.stalled_ns, self.counted, self.api_servers = 0, 0, 0, 0
        self.live, self._reached = before.live, before.reached
        self._is_new, self._usual_ns = before.is_new, before.usual_ns
        self._has_shared = any(engine.is_shared for engine in lines.engines)
        self._has_processes = len({engine.process for engine in lines.engines}) > 1
        self.state = self._run()

    def _run(self) -> EnginesState:
        tick: list[int] = []
        for index, key in enumerate(self.keys):
            if tick and not self._belongs_to(tick, index):
                self._close(tick, index)
                tick = []
            if key >= 0:
                tick.append(index)
            elif key == START:
                self._restart(index)
        if tick and not self._is_open(tick):
            self._close(tick, tick[-1])
            tick = []
        # Engines of processes that have ended are forgotten, so that the state does not grow with every restart.
        used = sorted({*self.live, *(self.keys[index] for index in tick)})
        live = {used.index(key): state for key, state in self.live.items()}
        engines = [self.engines[key] for key in used]
        return EnginesState(engines, live, self._reached, self._is_new, self._usual_ns, self._open(tick, used))

    def _open(self, tick: list[int], used: list[int]) -> OpenTick:
        return OpenTick(
            [used.index(self.keys[index]) for index in tick],
            [int(self.at[index]) for index in tick],
            [self.requests[index] - self.counted for index in tick],
            [value for index in tick for value in self._values_of(index)],
        )

    def _values_of(self, index: int) -> list[float]:
        return self.of_lines[4 * index : 4 * index + 4].tolist()

    def _belongs_to(self, tick: list[int], index: int) -> bool:
        """Return whether a line is of a tick: near it, and of an engine that has no line in it."""
        near = abs(int(self.at[index] - self.at[tick[0]])) <= _TICK_NS
        return self.keys[index] >= 0 and near and all(self.keys[index] != self.keys[other] for other in tick)

    def _is_open(self, tick: list[int]) -> bool:
        """Return whether lines of the log's last tick may still come.

        An idle engine prints again at any time, but engines of a process print in the order of their names.
        """
        keys, now = self.keys, int(self.at[tick[0]])
        present, last = {keys[index] for index in tick}, self.engines[keys[tick[-1]]]
        missing = [(self.engines[key], state) for key, state in self.live.items() if key not in present]
        return any(
            (engine.process == last.process and engine.name > last.name) if state.is_idle else _is_held(state, now)
            for engine, state in missing
        )

    def _close(self, tick: list[int], after: int) -> None:
        """Make a sample and a span of a tick, given the line after it."""
        lines = self._without_parts(tick)
        if not lines:
            return
        now = int(self.at[lines[0]])
        self._fill_idle(now, rounded=True)
        for index in lines:
            self._update(index)
        ended = self._ended_processes(after) if self._has_processes else set()
        self.live = {
            key: state
            for key, state in self.live.items()
            if self.engines[key].process not in ended and (state.is_idle or _is_held(state, now))
        }
        self._add_sample(now, self._totals())
        self._add_requests(now, self.requests[lines[0]])

    def _ended_processes(self, after: int) -> set[bytes]:
        """Return the processes whose server was restarted, given the next line.

        Another process has begun to print for the same engine since, while they missed their own next line.
        """
        key, now = self.keys[after], int(self.at[after])
        printing = self.engines[key].process if key >= 0 else None
        late = [
            (self.engines[key], state)
            for key, state in self.live.items()
            if 4 * (now - state.time) > 5 * state.interval_ns and not state.is_idle
        ]
        return {
            engine.process
            for engine, state in late
            if engine.process != printing and any(self._succeeds(other, engine, state) for other in self.live)
        }

    def _succeeds(self, key: int, before: Engine, last: EngineState) -> bool:
        engine = self.engines[key]
        alike = engine.name == before.name and engine.is_total == before.is_total
        return (
            alike
            and engine.process != before.process
            and not (engine.is_shared or before.is_shared)
            and self.live[key].since > last.time
        )

    def _totals(self) -> list[float]:
        """Return the numbers of all engines.

        Of several API servers, each prints what an engine sent it last, and an engine sends its numbers of requests to
        one of them at a time. So the mean of those that printed last is taken, while throughputs are of each.
        """
        if not self._has_shared:
            return [sum(part) for part in zip(*(state.values for state in self.live.values()), strict=True)]
        alone = [state.values for key, state in self.live.items() if not self.engines[key].is_shared]
        shared: dict[bytes, list[EngineState]] = {}
        for key, state in self.live.items():
            if self.engines[key].is_shared:
                shared.setdefault(self.engines[key].name, []).append(state)
        self.api_servers = max([self.api_servers, *map(len, shared.values())])
        for states in shared.values():
            active = [state for state in states if not state.is_idle] or states
            latest = max(state.time for state in active)
            last = [state.values for state in active if latest - state.time <= _TICK_NS]
            means = [sum(part) / len(last) for part in zip(*last, strict=True)]
            alone.append([*means[:2], *(sum(state.values[part] for state in states) for part in (2, 3))])
        return [sum(part) for part in zip(*alone, strict=True)]

    def _without_parts(self, tick: list[int]) -> list[int]:
        """Return the lines of a tick without those of engines whose process prints a line of all its engines."""
        engines, keys = self.engines, self.keys
        known = {*self.live, *(keys[index] for index in tick)}
        summed = {engines[key].process for key in known if engines[key].is_total}
        if summed:
            parts = [key for key in self.live if engines[key].process in summed and not engines[key].is_total]
            for key in parts:
                del self.live[key]
        return [i for i in tick if engines[keys[i]].is_total or engines[keys[i]].process not in summed]

    def _update(self, index: int) -> None:
        """Replace the state of an engine by its new line."""
        key = self.keys[index]
        engine, before = self.engines[key], self.live.get(key)
        values, now = self._values_of(index), int(self.at[index])
        is_zero = values[2] == values[3] == 0
        rests = engine.is_quiet and is_zero and values[0] == values[1] == 0
        self.live[key] = EngineState(
            time=now,
            values=values,
            is_zero=is_zero,
            # Only the first line of zeros in a row: versions that print while idle repeat it, and their silence is
            # no data.
            is_idle=rests and before is not None and not before.is_zero,
            interval_ns=_interval(now - before.time if before else 0, engine.usual_ns),
            since=before.since if before else now,
        )
        self._usual_ns = engine.usual_ns

    def _fill_idle(self, now: int, rounded: bool) -> None:
        """Add samples of zeros for the ticks that an idle server did not print, up to a time.

        Args:
            now: the time, nanoseconds.
            rounded: whether there is a tick at that time; the ticks before are spread evenly up to it.
        """
        if self._reached is None or not self.live:
            return
        gap, interval = now - self._reached, min(state.interval_ns for state in self.live.values())
        if not all(state.is_idle for state in self.live.values()):
            # Silence after a line without tokens, such as a long prefill: no data, and not idleness.
            if rounded and 2 * gap > 3 * interval and all(state.is_zero for state in self.live.values()):
                self.stalled_ns += gap
            return
        ticks = round(gap / interval) if rounded else gap // interval + 1
        begin, length = self._reached, gap / ticks if rounded and ticks > 0 else interval
        for tick in range(1, ticks):
            time = begin + round(tick * length)
            self._add_sample(time, [0.0] * 4)
            self._add_span(self._reached, time, 0)
            self._reached = time
            self.idle += 1

    def _add_requests(self, now: int, requests: int) -> None:
        """Add the requests since the last tick; those before a server's first tick take the usual interval."""
        if self._reached is not None and now <= self._reached:  # the clock stepped back: the next span has them too
            return
        begin = self._reached
        if self._is_new:
            begin = now - self._usual_ns if begin is None else max(begin, now - self._usual_ns)
        if begin is not None and (not self._is_new or requests > self.counted):
            self._add_span(begin, now, requests - self.counted)
        self._reached, self.counted, self._is_new = now, requests, False

    def _restart(self, index: int) -> None:
        """End everything before a server starts or stops; the requests since the last tick were before it."""
        now, requests = int(self.at[index]), self.requests[index]
        self._fill_idle(now, rounded=False)
        left = requests - self.counted
        if self._reached is None or now > self._reached:
            begin = now - self._usual_ns if self._reached is None else self._reached
            if left:
                self._add_span(begin, min(now, begin + self._usual_ns), left)
            self._reached, self.counted = now, requests
        self.live.clear()
        self._is_new = True

    def _add_sample(self, time: int, values: Sequence[float]) -> None:
        self.times.append(time)
        self.values.extend(values)

    def _add_span(self, begin: int, end: int, count: int) -> None:
        self.begins.append(begin)
        self.ends.append(end)
        self.counts.append(count)


def _is_held(state: EngineState, now: int) -> bool:
    return abs(now - state.time) <= _INTERVALS_HELD * state.interval_ns


def _interval(apart_ns: int, usual_ns: int) -> int:
    """Return the interval of an engine from the distance of two of its lines; the usual one if it is near.

    Lines jitter by a second or so, which would otherwise change the interval from line to line.
    """
    if not 0 < apart_ns <= _LONGEST_INTERVAL_NS or 3 * usual_ns <= 4 * apart_ns <= 5 * usual_ns:
        return usual_ns
    return apart_ns
