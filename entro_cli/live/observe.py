"""Observations of a server: what the newest steps of its pipeline show of its queue."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Kind


class Observation(Struct, frozen=True):
    """A sample of the server's queue.

    Attributes:
        step: the number of its step, counted from the epoch.
        queue: requests waiting at its end.
        arrived: requests that arrived since the observation before; None if nothing measures that.
    """

    step: int
    queue: float
    arrived: float | None = None


def no_queue(found: str = "the pipeline has no queue") -> EntroError:
    """Return the error for sources without the one queue that is to be protected."""
    remedy = "name it with --stage NAME=COLUMN:queue"
    return EntroError(found, where="entro coordinate", expected="one queue to protect", remedy=remedy)


def queue_stage(steps: Steps) -> int:
    """Return the index of the only queue of a pipeline.

    Raises:
        EntroError: if it has none, or several.
    """
    queues = [index for index, stage in enumerate(steps.stages) if stage.kind is Kind.QUEUE]
    if len(queues) != 1:
        names = ", ".join(steps.stages[index].name for index in queues)
        raise no_queue(f"the pipeline has the queues {names}") if queues else no_queue()
    return queues[0]


def newest_observation(steps: Steps, after: int, now: int, has_rate: bool) -> Observation | None:
    """Return the newest sample of the queue behind a step; None if there is none.

    Args:
        steps: the newest steps of the pipeline.
        after: the number of the step of the observation before.
        now: the number of the present step. A sample of the future is of a clock that is wrong.
        has_rate: whether the rates of the pipeline count all that reaches the server.
    """
    queue = queue_stage(steps)
    first = steps.start_ns // steps.step_ns
    sampled = np.flatnonzero(steps.samples[queue, : max(now + 1 - first, 0)])
    if not len(sampled) or first + int(sampled[-1]) <= after:
        return None
    last = int(sampled[-1])
    rates = [index for index, stage in enumerate(steps.stages) if stage.kind is Kind.RATE]
    since = slice(max(after + 1 - first, 0), last + 1)
    arrived = float(steps.loads[rates, since].sum()) * steps.step_s
    is_known = has_rate and rates and after >= first - 1 and not np.isnan(arrived)
    return Observation(first + last, float(steps.ends[queue][last]), arrived if is_known else None)
