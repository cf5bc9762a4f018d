"""The engines of a vLLM server over time: their stats lines summed tick by tick, idle times, requests between ticks."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from entro_cli.core.clock import NS

_TICK_NS = 2 * NS
"""The lines of the engines of one server are printed one after the other within this time."""
_INTERVALS_HELD = 2.5
"""For so many intervals an engine keeps its last values, until its next line."""
_LONGEST_INTERVAL_NS = 600 * NS
"""Two lines of an engine farther apart do not show its interval."""


class Engine(NamedTuple):
    """The engine of a stats line.

    Attributes:
        process: the process of the server, if the lines name it.
        name: its name within the process; empty if it is the only one.
        is_total: whether the line sums up all engines of the process.
        is_shared: whether other processes print lines of the same engine: one of several API servers.
        is_quiet: whether such an engine prints nothing while it is idle: from 0.8.5 on, all that name the engine.
        usual_ns: the interval at which it prints unless configured otherwise, nanoseconds: V1 10 s, V0 5 s.
    """

    process: bytes
    name: bytes
    is_total: bool
    is_shared: bool
    is_quiet: bool
    usual_ns: int


class ServerLine(NamedTuple):
    """A stats line, or a line with which a server starts or stops.

    Attributes:
        engine: the engine of the stats line; None for a start or stop.
        time: when it was printed, nanoseconds.
        requests: the number of requests before it.
        values: waiting, running, prompt and generation throughput; NaN if it has none.
    """

    engine: Engine | None
    time: int
    requests: int
    values: tuple[float, float, float, float]


class EngineState(msgspec.Struct):
    """The last line of an engine.

    Attributes:
        engine, time, values: as in `ServerLine`.
        is_zero: whether no token went through.
        is_idle: whether the engine is idle from this line on and prints nothing more.
        interval_ns: the interval at which it prints, nanoseconds.
        since: when its first line was printed, nanoseconds.
    """

    engine: Engine
    time: int
    values: tuple[float, ...]
    is_zero: bool
    is_idle: bool
    interval_ns: int
    since: int


class EnginesState(msgspec.Struct):
    """The engines of a server behind some lines.

    Attributes:
        live: the engines that print, or are idle.
        reached: the end of the last span, nanoseconds; None before the first.
        is_new: whether the server has no tick yet.
        usual_ns: the interval at which such a server prints, nanoseconds.
        tick: the lines of the last tick, if lines of other engines may still come.
    """

    live: list[EngineState] = []
    reached: int | None = None
    is_new: bool = True
    usual_ns: int = 10 * NS
    tick: list[ServerLine] = []


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

    def __init__(self, lines: Iterable[ServerLine], engines: Collection[Engine], before: EnginesState) -> None:
        """Go through the lines.

        Args:
            lines: the lines.
            engines: the engines that they are of.
            before: the engines behind the lines before; they become those behind these lines.
        """
        self.times, self.values = array("q"), array("d")
        self.begins, self.ends, self.counts = array("q"), array("q"), array("q")
        self.idle, self.stalled_ns, self.counted, self.api_servers = 0, 0, 0, 0
        self.state = before
        self._live = {state.engine: state for state in before.live}
        known = {*self._live, *(line.engine for line in before.tick if line.engine), *engines}
        self._has_shared = any(engine.is_shared for engine in known)
        self._has_totals = any(engine.is_total for engine in known)
        self._has_processes = len({engine.process for engine in known}) > 1
        self._run(chain(before.tick, lines))

    def _run(self, lines: Iterable[ServerLine]) -> None:
        tick: list[ServerLine] = []
        for line in lines:
            if tick and not _belongs_to(tick, line):
                self._close(tick, line)
                tick = []
            if line.engine:
                tick.append(line)
            else:
                self._restart(line)
        if tick and not self._is_open(tick):
            self._close(tick, tick[-1])
            tick = []
        # Engines of processes that have ended are forgotten, so that the state does not grow with every restart.
        self.state.live = [*self._live.values()]
        self.state.tick = [line._replace(requests=line.requests - self.counted) for line in tick]

    def _is_open(self, tick: Sequence[ServerLine]) -> bool:
        """Return whether lines of the log's last tick may still come.

        An idle engine prints again at any time, but engines of a process print in the order of their names.
        """
        present, last, now = {line.engine for line in tick}, tick[-1].engine, tick[0].time
        missing = (state for engine, state in self._live.items() if engine not in present)
        return any(
            (last is not None and state.engine.process == last.process and state.engine.name > last.name)
            if state.is_idle
            else _is_held(state, now)
            for state in missing
        )

    def _close(self, tick: Sequence[ServerLine], after: ServerLine) -> None:
        """Make a sample and a span of a tick, given the line after it."""
        lines = self._without_parts(tick) if self._has_totals else tick
        if not lines:
            return
        now = lines[0].time
        self._fill_idle(now, rounded=True)
        for line in lines:
            self._update(line)
        if len(self._live) > 1:
            ended = self._ended_processes(after) if self._has_processes else set()
            self._live = {
                engine: state
                for engine, state in self._live.items()
                if engine.process not in ended and (state.is_idle or _is_held(state, now))
            }
        self._add_sample(now, self._totals())
        self._add_requests(now, lines[0].requests)

    def _ended_processes(self, after: ServerLine) -> set[bytes]:
        """Return the processes whose server was restarted, given the next line.

        Another process has begun to print for the same engine since, while they missed their own next line.
        """
        printing = after.engine.process if after.engine else None
        late = (
            state
            for state in self._live.values()
            if 4 * (after.time - state.time) > 5 * state.interval_ns and not state.is_idle
        )
        return {
            state.engine.process
            for state in late
            if state.engine.process != printing and any(_succeeds(other, state) for other in self._live.values())
        }

    def _totals(self) -> Sequence[float]:
        """Return the numbers of all engines.

        Of several API servers, each prints what an engine sent it last, and an engine sends its numbers of requests to
        one of them at a time. So the mean of those that printed last is taken, while throughputs are of each.
        """
        alone = [state.values for state in self._live.values() if not state.engine.is_shared]
        if self._has_shared:
            shared: dict[bytes, list[EngineState]] = {}
            for state in self._live.values():
                if state.engine.is_shared:
                    shared.setdefault(state.engine.name, []).append(state)
            self.api_servers = max([self.api_servers, *map(len, shared.values())])
            alone += [_of_api_servers(states) for states in shared.values()]
        return alone[0] if len(alone) == 1 else [sum(part) for part in zip(*alone, strict=True)]

    def _without_parts(self, tick: Sequence[ServerLine]) -> list[ServerLine]:
        """Return the lines of a tick without those of engines whose process prints a line of all its engines."""
        lines = [(line, line.engine) for line in tick if line.engine]
        known = [*self._live, *(engine for _, engine in lines)]
        summed = {engine.process for engine in known if engine.is_total}
        for engine in known:
            if engine.process in summed and not engine.is_total:
                self._live.pop(engine, None)
        return [line for line, engine in lines if engine.is_total or engine.process not in summed]

    def _update(self, line: ServerLine) -> None:
        """Replace the state of an engine by its new line."""
        if not (engine := line.engine):
            return
        before, values = self._live.get(engine), line.values
        is_zero = values[2] == values[3] == 0
        rests = engine.is_quiet and is_zero and values[0] == values[1] == 0
        # Only the first line of zeros in a row: versions that print while idle repeat it, and their silence is no data.
        is_idle = rests and before is not None and not before.is_zero
        interval = _interval(line.time - before.time if before else 0, engine.usual_ns)
        since = before.since if before else line.time
        self._live[engine] = EngineState(engine, line.time, values, is_zero, is_idle, interval, since)
        self.state.usual_ns = engine.usual_ns

    def _fill_idle(self, now: int, rounded: bool) -> None:
        """Add samples of zeros for the ticks that an idle server did not print, up to a time.

        Args:
            now: the time, nanoseconds.
            rounded: whether there is a tick at that time; the ticks before are spread evenly up to it.
        """
        begin, live = self.state.reached, self._live.values()
        if begin is None or not live:
            return
        gap, interval = now - begin, min(state.interval_ns for state in live)
        if rounded and 2 * gap < 3 * interval:
            return
        if not all(state.is_idle for state in live):
            # Silence after a line without tokens, such as a long prefill: no data, and not idleness.
            is_stalled = all(state.is_zero for state in live) and any(state.values[1] for state in live)
            if rounded and 2 * gap > 3 * interval and is_stalled:
                self.stalled_ns += gap
            return
        ticks = round(gap / interval) if rounded else gap // interval + 1
        length = gap / ticks if rounded and ticks > 0 else interval
        for tick in range(1, ticks):
            time = begin + round(tick * length)
            self._add_sample(time, [0.0] * 4)
            self._add_span(self.state.reached or begin, time, 0)
            self.state.reached = time
            self.idle += 1

    def _add_requests(self, now: int, requests: int) -> None:
        """Add the requests since the last tick; those before a server's first tick take the usual interval."""
        state, begin = self.state, self.state.reached
        if begin is not None and now <= begin:  # the clock stepped back: the next span has them too
            return
        if state.is_new:
            begin = now - state.usual_ns if begin is None else max(begin, now - state.usual_ns)
        if begin is not None and (not state.is_new or requests > self.counted):
            self._add_span(begin, now, requests - self.counted)
        state.reached, self.counted, state.is_new = now, requests, False

    def _restart(self, line: ServerLine) -> None:
        """End everything before a server starts or stops; the requests since the last tick were before it."""
        self._fill_idle(line.time, rounded=False)
        left, reached, usual = line.requests - self.counted, self.state.reached, self.state.usual_ns
        if reached is None or line.time > reached:
            begin = line.time - usual if reached is None else reached
            if left:
                self._add_span(begin, min(line.time, begin + usual), left)
            self.state.reached, self.counted = line.time, line.requests
        self._live.clear()
        self.state.is_new = True

    def _add_sample(self, time: int, values: Sequence[float]) -> None:
        self.times.append(time)
        self.values.extend(values)

    def _add_span(self, begin: int, end: int, count: int) -> None:
        self.begins.append(begin)
        self.ends.append(end)
        self.counts.append(count)


def _belongs_to(tick: Sequence[ServerLine], line: ServerLine) -> bool:
    """Return whether a line is of a tick: near it, and of an engine that has no line in it."""
    near = abs(line.time - tick[0].time) <= _TICK_NS
    return near and line.engine is not None and all(line.engine != other.engine for other in tick)


def _is_held(state: EngineState, now: int) -> bool:
    return abs(now - state.time) <= _INTERVALS_HELD * state.interval_ns


def _succeeds(other: EngineState, last: EngineState) -> bool:
    """Return whether an engine is the one that another process had, and began to print behind its last line."""
    engine, before = other.engine, last.engine
    alike = engine.name == before.name and engine.is_total == before.is_total
    is_alone = engine.process != before.process and not (engine.is_shared or before.is_shared)
    return alike and is_alone and other.since > last.time


def _of_api_servers(states: Sequence[EngineState]) -> tuple[float, ...]:
    """Return the numbers of one engine, from the lines that several API servers print of it."""
    active = [state for state in states if not state.is_idle] or states
    latest = max(state.time for state in active)
    last = [state.values for state in active if latest - state.time <= _TICK_NS]
    means = [sum(part) / len(last) for part in zip(*last, strict=True)]
    return (*means[:2], *(sum(state.values[part] for state in states) for part in (2, 3)))


def _interval(apart_ns: int, usual_ns: int) -> int:
    """Return the interval of an engine from the distance of two of its lines; the usual one if it is near.

    Lines jitter by a second or so, which would otherwise change the interval from line to line.
    """
    if not 0 < apart_ns <= _LONGEST_INTERVAL_NS or 3 * usual_ns <= 4 * apart_ns <= 5 * usual_ns:
        return usual_ns
    return apart_ns
