"""Details of single incidents: the loads of their stages in requests and waits, and the causes that logs show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from entro_cli.analysis.figures import whole_waits
from entro_cli.analysis.incidents import Cause, Incident
from entro_cli.analysis.results import FullLoads, StageFigures
from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.core.console import printable
from entro_cli.core.formatting import counted, duration, failures, quantity, requests, shortened
from entro_cli.timeseries.bins import Signal
from entro_cli.timeseries.observations import FAILED, KV_CACHE_USAGE, PREEMPTIONS, RESTARTS
from entro_cli.timeseries.steps import Steps, StepSource
from entro_engine import Kind, Run
from entro_engine.entropy import FloatArray

_MOST_STAGES = 3
_LOOK_BACK_NS = 120 * NS
"""Chosen: an incident's causes are looked for from so long before it, or from one step before it. A queue that begins
to grow exceeds the budget within a minute or two. What happened earlier may well be over."""
_FULL = 0.95
"""KV cache usage from which on new requests wait for its blocks, though the stats lines miss its peaks."""
_COLLAPSED, _DEVIATIONS = 0.25, 4.0
"""A rate collapses to a quarter or less, by so many standard deviations of two counts of requests."""
_FAILED_SHARE = 0.01
"""Share of all requests from which on failed ones are a cause: a few fail at any time."""
_FAR_STEPS = 10_000
"""Chosen: the beginning and the end of missing data are looked for within so many steps of the window."""


class IncidentStage(Struct, frozen=True):
    """One stage during an incident.

    Attributes:
        name: its name.
        kind: rate, queue or generic.
        full: the load at which it is full, in its unit.
        mean_load: the mean load, req/s of a rate, requests of a queue.
        peak_load: the largest load, in the same unit.
        longest_wait_s: of a queue, the longest wait in all of the requests that wait in the incident, s; where single
            requests are not known, the longest wait at the end of a step, as in `StageFigures`. None for others.
    """

    name: str
    kind: str
    full: float
    mean_load: float
    peak_load: float
    longest_wait_s: float | None


class DetailedIncident(Incident, frozen=True):
    """An incident with the loads of its stages.

    Attributes:
        stages: its stages, in the order of the pipeline.
        sentence: the loads that a person can picture, without the time: of one rate and one queue, how many waited,
            and what was sent and served while the queue grew; of others the driver and the fullest stages.
    """

    stages: tuple[IncidentStage, ...]
    sentence: str


def detailed(run: Run, incidents: Iterable[Incident], wait_s: float) -> tuple[DetailedIncident, ...]:
    """Return incidents with their details.

    Args:
        run: a run that contains them all.
        incidents: incidents of the run.
        wait_s: the longest accepted wait, s.
    """
    return tuple(_detailed(run, each, wait_s) for each in incidents)


def incident_steps(grid: Run | StepSource, incident: Incident) -> tuple[int, int]:
    """Return the first step of an incident on a grid, and the step after its last."""
    # Datetimes have microseconds, so that the edges of a step that does not divide evenly are rounded.
    edges = (nanoseconds(edge) - grid.start_ns for edge in (incident.start, incident.end))
    first, after = (round(edge / grid.step_ns) for edge in edges)
    return first, after


def known_capacity(stages: Iterable[StageFigures], full_loads: FullLoads) -> float | None:
    """Return the rate that the server of a pipeline can serve, req/s; None if it is not known.

    If the full loads were set, it follows from that of the only queue, by Little's law.
    """
    if full_loads.origin == "published" or full_loads.mark == "usual rate":
        return None
    queues = [stage.full for stage in stages if stage.kind == Kind.QUEUE]
    return full_loads.capacity or (queues[0] / full_loads.wait_s if len(queues) == 1 else None)


def _detailed(run: Run, incident: Incident, wait_s: float) -> DetailedIncident:
    first, after = incident_steps(run, incident)
    part = run.part(first, after)
    stages = tuple(
        IncidentStage(
            stage.name,
            str(stage.kind),
            stage.full_load,
            float(np.nanmean(loads)),
            float(np.nanmax(peaks)),
            None if waits is None else float(np.nanmax(waits)),
        )
        for stage, loads, peaks, waits in zip(
            part.stages, part.loads, part.peaks, whole_waits(part, wait_s), strict=True
        )
    )
    growth = _growth(run, first, after)
    queues = [stage for stage in stages if stage.kind == Kind.QUEUE]
    by_load = sorted(stages, key=lambda stage: (stage.name != incident.driver, -stage.peak_load / stage.full))
    shown = queues if growth else by_load[:_MOST_STAGES]
    sentence = "; ".join([*map(_phrase, shown), *([growth] if growth else [])])
    return DetailedIncident(**asdict(incident), stages=stages, sentence=sentence)


def _growth(run: Run, first: int, after: int) -> str:
    """Return what was sent and served while the queue of an incident grew; empty without one rate and one queue.

    What was served is what was sent less what the queue grew by, from the step before the incident to the end of the
    step with the longest queue.
    """
    kinds = [stage.kind for stage in run.stages]
    if sorted(kinds) != [Kind.QUEUE, Kind.RATE]:
        return ""
    rate, queue = kinds.index(Kind.RATE), kinds.index(Kind.QUEUE)
    ends = run.ends[queue]
    last = first + int(np.nanargmax(ends[first:after]))
    before = ends[first - 1] if first else np.nan
    sent = float(np.nanmean(run.loads[rate, first : last + 1]))
    served = sent - float(ends[last] - before) / (run.step_s * (last + 1 - first))
    if np.isnan(served) or ends[last] <= before:
        return ""
    names = [shortened(run.stages[number].name) for number in (rate, queue)]
    return f"{names[0]} sent {quantity(sent)} req/s while {names[1]} served {quantity(max(served, 0.0))}"


def _phrase(stage: IncidentStage) -> str:
    """Return the load of a stage in words."""
    name, full = shortened(stage.name), f"(full at {quantity(stage.full)})"
    if stage.longest_wait_s is not None:
        waiting = f"{requests(stage.peak_load)} waiting at {name} {full}"
        return f"{waiting}, up to {duration(stage.longest_wait_s)} wait"
    if stage.kind == Kind.RATE:
        return f"{name} sent up to {quantity(stage.peak_load)} req/s {full}"
    return f"{name} at up to {quantity(stage.peak_load)} {full}"


def causes_of(steps: StepSource, signals: Sequence[Signal], incident: Incident) -> tuple[Cause, ...]:
    """Return the causes of an incident, in the order of their times.

    Args:
        steps: steps of the pipeline, among them those of the incident.
        signals: the signals of its logs.
        incident: the incident.
    """
    window = _Window(steps, incident)
    found = [*_signal_causes(window, signals), *_failures(window, signals), *_load_causes(window)]
    return tuple(sorted(found, key=lambda cause: (cause.start, cause.kind, cause.sentence)))


class _Window:
    """The time in which the causes of an incident are looked for.

    Attributes:
        steps: the steps of the pipeline.
        first: the incident's first step.
        after: the step after its last.
        look_back: number of steps before the incident that belong to the window, which ends with the incident.
        begin: the first step of the window.
    """

    def __init__(self, steps: StepSource, incident: Incident) -> None:
        self._start = incident.start
        self.steps = steps
        self.first, self.after = incident_steps(steps, incident)
        self.look_back = max(_LOOK_BACK_NS // steps.step_ns, 1)
        self.begin = max(self.first - self.look_back, 0)

    def part(self, margin: int) -> tuple[int, Steps]:
        """Return the number of the first step of the window with so many on both sides, and these steps."""
        first = max(self.begin - margin, 0)
        return first, self.steps.part(first, min(self.after + margin, self.steps.count))

    def within(self, signal: Signal) -> slice:
        """Return the part of a signal in the window."""
        edges = [self.time(self.begin), self.time(self.after)]
        return slice(*np.searchsorted(signal.starts, edges).tolist())

    def time(self, step: int) -> int:
        """Return the start of a step, nanoseconds since the epoch."""
        return self.steps.start_ns + step * self.steps.step_ns

    def clock(self, ns: int) -> str:
        """Return a time of day; with its date if that is not the incident's."""
        when = moment(ns, self._start.tzinfo or UTC)
        return f"{when:%H:%M}" if when.date() == self._start.date() else f"{when:%Y-%m-%d %H:%M}"

    def cause(self, kind: str, value: float, start_ns: int, sentence: str) -> Cause:
        """Return a cause; `{}` in its sentence is its time."""
        return Cause(kind, sentence.format(self.clock(start_ns)), value, moment(start_ns, self._start.tzinfo or UTC))


def _signal_causes(window: _Window, signals: Sequence[Signal]) -> Iterator[Cause]:
    """Yield full KV caches, preemptions and restarts."""
    for signal in signals:
        stage, part = _name(signal.stage), window.within(signal)
        starts, values = signal.starts[part], signal.values[part]
        if signal.name == KV_CACHE_USAGE and values.max(initial=0) >= _FULL:
            start, peak = _full_since(window, signal), float(values.max())
            yield window.cause(signal.name, peak, start, f"KV cache of {stage} at {peak:.0%} from {{}}")
        elif signal.name == PREEMPTIONS and len(starts):
            number = int(values.sum())
            words = f"{counted(number, 'preemption')} at {stage}, {'the first ' * (number > 1)}at {{}}"
            yield window.cause(signal.name, number, int(starts[0]), words)
        elif signal.name == RESTARTS and len(starts):
            number = int(values.sum())
            words = f"{stage} restarted {f'{number} times, the first time ' * (number > 1)}at {{}}"
            yield window.cause(signal.name, number, int(starts[0]), words)


def _full_since(window: _Window, signal: Signal) -> int:
    """Return since when a KV cache that is full in the window has been, without a longer break than the look-back."""
    full = signal.starts[signal.values >= _FULL]
    place = int(np.searchsorted(full, window.time(window.begin)))
    breaks = np.flatnonzero(np.diff(full[: place + 1]) > max(_LOOK_BACK_NS, 2 * window.steps.step_ns))
    return int(full[breaks[-1] + 1 if len(breaks) else 0])


def _failures(window: _Window, signals: Sequence[Signal]) -> Iterator[Cause]:
    """Yield the requests that failed, if they are more than a few of all."""
    parts = [(signal, window.within(signal)) for signal in signals if signal.name.startswith(FAILED)]
    counts: dict[str, int] = {}
    for signal, part in parts:
        if number := int(signal.values[part].sum()):
            name = signal.name.removeprefix(FAILED).replace("_", " ")
            counts[name] = counts.get(name, 0) + number
    if not counts:
        return
    steps = window.steps.part(window.begin, window.after)
    rates = [steps.loads[index] for index, stage in enumerate(steps.stages) if stage.kind is Kind.RATE]
    requests = np.nansum(rates) * steps.step_s
    total = sum(counts.values())
    if total >= _FAILED_SHARE * requests:
        start = min(int(signal.starts[within][0]) for signal, within in parts if len(signal.starts[within]))
        yield window.cause("failed", total, start, f"{failures(counts)}, the first at {{}}")


def _load_causes(window: _Window) -> Iterator[Cause]:
    """Yield stages without data, and rates that collapsed."""
    first, part = window.part(window.look_back)
    for index, stage in enumerate(part.stages):
        if stage.kind is Kind.RATE:
            yield from _collapse(window, stage.name, part.loads[index], first)
    if not np.isnan(part.loads).any():
        return
    first, part = window.part(_FAR_STEPS)
    for index, stage in enumerate(part.stages):
        others = np.delete(part.loads, index, axis=0)
        missing = np.isnan(part.loads[index]) & ~np.isnan(others).all(axis=0)
        yield from _gaps(window, stage.name, missing, first)


def _gaps(window: _Window, stage: str, missing: NDArray[np.bool_], first: int) -> Iterator[Cause]:
    """Yield the times in and next to the window in which a stage has no data though others have, but not its first.

    Args:
        window: the window.
        stage: the name of the stage.
        missing: whether a step is such a one.
        first: the number of the first of these steps.
    """
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False)).reshape(-1, 2)
    for begin, after in edges[(edges[:, 0] > 0)].tolist():
        if first + begin <= window.after and first + after > window.begin:
            start, end = window.time(first + begin), window.time(first + after)
            until = "on" if after == len(missing) else f"to {window.clock(end)}"
            yield window.cause("no_data", (end - start) / NS, start, f"no data of {_name(stage)} from {{}} {until}")


def _collapse(window: _Window, stage: str, rate: FloatArray, first: int) -> Iterator[Cause]:
    """Yield the largest fall of a rate up to the beginning of the incident, if it is one to a quarter or less.

    Args:
        window: the window.
        stage: the name of the stage.
        rate: its load, requests/s.
        first: the number of the first of these steps.
    """
    length, step_s = window.look_back, window.steps.step_s
    rate = rate[: window.first - first + length]
    if len(rate) < length:
        return
    sums = np.convolve(np.nan_to_num(rate, nan=-1e18), np.ones(length), "valid")  # below 0 where data is missing
    at = np.arange(window.begin, window.first + 1)
    at = at[(at - first >= length) & (at - first < len(sums))]
    before, later = sums[at - first - length] * step_s, sums[at - first] * step_s
    chance = _DEVIATIONS * np.sqrt(np.maximum(before + later, 0))
    falls = (later >= 0) & (later <= _COLLAPSED * before) & (before - later > chance)
    if falls.any():
        best = int(np.argmax(np.where(falls, before - later, -np.inf)))
        was, now = (float(counts[best]) / (length * step_s) for counts in (before, later))
        words = f"{_name(stage)} fell from {quantity(was)} to {quantity(now)} req/s at {{}}"
        yield window.cause("rate", now, window.time(int(at[best])), words)


def _name(stage: str) -> str:
    """Return the name of a stage for a sentence that is formatted."""
    return shortened(printable(stage)).replace("{", "{{").replace("}", "}}")
