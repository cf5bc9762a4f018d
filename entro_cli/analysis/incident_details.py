"""Details of single incidents in the units of the stages: requests, requests per second and waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from entro_cli.analysis.figures import end_waits
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.results import FullLoads, StageFigures
from entro_cli.core.clock import nanoseconds
from entro_cli.core.formatting import duration, quantity, shortened
from entro_engine import Kind, Run
from entro_engine.entropy import FloatArray

_MOST_STAGES = 3
_LONGEST_NAME = 40


@dataclass(frozen=True)
class IncidentStage:
    """One stage during an incident.

    Attributes:
        name: its name.
        kind: rate, queue or generic.
        full: the load at which it is full, in its unit.
        mean_load: the mean load, req/s of a rate, requests of a queue.
        peak_load: the largest load, in the same unit.
        longest_wait_s: of a queue, the longest wait at the end of a step, s, as in `StageFigures`; None for others.
    """

    name: str
    kind: str
    full: float
    mean_load: float
    peak_load: float
    longest_wait_s: float | None


@dataclass(frozen=True)
class DetailedIncident(Incident):
    """An incident with the loads of its stages.

    Attributes:
        stages: its stages, in the order of the pipeline.
        sentence: the loads that a person can picture, without the time; the driver comes first.
    """

    stages: tuple[IncidentStage, ...]
    sentence: str


def detailed(
    run: Run, incidents: Iterable[Incident], wait_s: float, capacity: float | None
) -> tuple[DetailedIncident, ...]:
    """Return incidents with their details.

    Args:
        run: a run that contains them all.
        incidents: incidents of the run.
        wait_s: the longest accepted wait, s.
        capacity: the rate that the server can serve, req/s; None if it is not known.
    """
    return tuple(_detailed(run.part(*incident_steps(run, each)), each, wait_s, capacity) for each in incidents)


def incident_steps(run: Run, incident: Incident) -> tuple[int, int]:
    """Return the first step of an incident, and the step after its last."""
    # Datetimes have microseconds, so that the edges of a step that does not divide evenly are rounded.
    first, after = (round((nanoseconds(edge) - run.start_ns) / run.step_ns) for edge in (incident.start, incident.end))
    return first, after


def known_capacity(stages: Iterable[StageFigures], full_loads: FullLoads) -> float | None:
    """Return the rate that the server of a pipeline can serve, req/s; None if it is not known.

    If the full loads were set, it follows from that of the only queue, by Little's law.
    """
    if full_loads.origin == "published" or full_loads.mark == "usual rate":
        return None
    queues = [stage.full for stage in stages if stage.kind == Kind.QUEUE]
    return full_loads.capacity or (queues[0] / full_loads.wait_s if len(queues) == 1 else None)


def _detailed(part: Run, incident: Incident, wait_s: float, capacity: float | None) -> DetailedIncident:
    stages = tuple(
        IncidentStage(
            stage.name,
            str(stage.kind),
            stage.full_load,
            float(np.nanmean(loads)),
            float(np.nanmax(peaks)),
            _longest(waits),
        )
        for stage, loads, peaks, waits in zip(part.stages, part.loads, part.peaks, end_waits(part, wait_s), strict=True)
    )
    first = sorted(stages, key=lambda stage: stage.name != incident.driver)[:_MOST_STAGES]
    sentence = "; ".join(_phrase(stage, capacity) for stage in first)
    return DetailedIncident(**vars(incident), stages=stages, sentence=sentence)


def _longest(waits: FloatArray | None) -> float | None:
    return None if waits is None else float(np.nanmax(waits))


def _phrase(stage: IncidentStage, capacity: float | None) -> str:
    """Return the load of a stage in words."""
    name, full = shortened(stage.name, _LONGEST_NAME), f"(full at {quantity(stage.full)})"
    if stage.longest_wait_s is not None:
        waiting = f"{quantity(stage.peak_load)} requests waiting at {name} {full}"
        return f"{waiting}, up to {duration(stage.longest_wait_s)} wait"
    if stage.kind != Kind.RATE:
        return f"{name} at up to {quantity(stage.peak_load)} {full}"
    if capacity is not None and stage.mean_load > capacity:
        return f"{name} kept sending {quantity(stage.mean_load)} req/s to a server of {quantity(capacity)}"
    return f"{name} sent up to {quantity(stage.peak_load)} req/s {full}"
