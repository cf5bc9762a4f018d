"""The newest data of each stage: how old it is, and whether all stages are of the same time."""

from __future__ import annotations

from msgspec.structs import replace

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.history.day_files import SampleKey
from entro_cli.history.state import SeriesState, State
from entro_cli.live.status import Status
from entro_cli.timeseries.join_sources import StageSpan, check_overlap
from entro_cli.timeseries.observations import is_signal
from entro_engine import Kind, Regime

_STALE_INTERVALS, _STALE_S = 3, 10.0
"""A stage has no data if its newest is older than so many steps, than so many usual intervals, and than so long."""


def stage_spans(state: State) -> list[StageSpan]:
    """Return the time range of each stage of the logs so far, of the sources that are used."""
    left_out = state.redundant_fallbacks()
    parts: dict[str, list[SeriesState]] = {}
    for part in (part for log in state.logs for part in log.series):
        if not is_signal(part.stage) and SampleKey(part.stage, Kind(part.kind), part.source) not in left_out:
            parts.setdefault(part.stage, []).append(part)
    return [
        StageSpan(
            stage,
            min(part.first for part in group),
            max(part.last for part in group),
            max((_interval_ns(part) for part in group if part.samples > 1), default=None),
        )
        for stage, group in parts.items()
    ]


def _interval_ns(part: SeriesState) -> float:
    """Return the usual time between two samples; the mean of spans and events, for which none is stored."""
    return part.interval_ns or (part.last - part.first) / (part.samples - 1)


def check_same_time(state: State) -> None:
    """Check that the stages of the logs so far have some time in common, as `analyze` does.

    Raises:
        EntroError: if they do not. Those of one log always do.
    """
    spans = stage_spans(state)
    stages = {span.stage for span in spans}
    if not any(stages <= {part.stage for part in log.series} for log in state.logs):
        check_overlap(spans)


def as_of(status: Status, now_ns: int) -> Status:
    """Return the state of a pipeline at a time: with the ages of its data, and without a regime if one is too high.

    Args:
        status: its state as of its data.
        now_ns: the time, nanoseconds since the epoch.
    """
    stages = tuple(replace(stage, age_s=max((now_ns - nanoseconds(stage.time)) / NS, 0.0)) for stage in status.stages)
    aged = replace(status, stages=stages, age_s=max(stage.age_s for stage in stages))
    stale = [
        stage.time
        for stage in stages
        if stage.age_s > max(_STALE_INTERVALS * max(status.step_s, stage.interval_s or 0.0), _STALE_S)
    ]
    return replace(aged, regime=Regime.NO_DATA.label, since=min(stale)) if stale else aged
