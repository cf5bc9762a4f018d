"""Metrics that show the causes of incidents: KV cache usage, preemptions and starts of the server's process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from entro_cli.readers.prometheus.metrics import server_name
from entro_cli.readers.prometheus.series import MetricSeries
from entro_cli.readers.prometheus.targets import once_per_target
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, with_owner
from entro_cli.timeseries.observations import KV_CACHE_USAGE, PREEMPTIONS, RESTARTS, ReadOptions, Series, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_SIGNALS: Mapping[str, str] = {
    "vllm:kv_cache_usage_perc": KV_CACHE_USAGE,
    "vllm:gpu_cache_usage_perc": KV_CACHE_USAGE,
    "sglang:token_usage": KV_CACHE_USAGE,
    "vllm:num_preemptions_total": PREEMPTIONS,
    "vllm:num_preemptions": PREEMPTIONS,
    "process_start_time_seconds": RESTARTS,
}
_LEAST = 0.9
"""The lowest KV cache usage that is a signal, below any number of events."""


def signal_name(metric: str) -> str:
    """Return the signal that a metric shows; empty if it shows none."""
    return _SIGNALS.get(server_name(metric), "")


def metric_signals(
    series: Sequence[MetricSeries], quantities: Sequence[Series], options: ReadOptions, scrapes: dict[int, int]
) -> list[Series]:
    """Return the signals among the series of a log.

    Args:
        series: each with other labels.
        quantities: of the same log.
        options: how it is read.
        scrapes: as in `once_per_target`.
    """
    signals = []
    for name in (KV_CACHE_USAGE, PREEMPTIONS, RESTARTS):
        parts, _ = once_per_target(name, [part for part in series if signal_name(part.name) == name], scrapes)
        samples = [_samples(name, part) for part in parts]
        moments = np.concatenate([np.empty(0, np.int64), *(times for times, _ in samples)])
        times, places = np.unique(moments, return_inverse=True)
        found = np.zeros(len(times))
        values = np.concatenate([np.empty(0), *(values for _, values in samples)])
        (np.maximum if name == KV_CACHE_USAGE else np.add).at(found, places, values)
        signals.append(Series("", Kind.GENERIC, times, found, column=name))
    columns = [part.column for part in sorted(quantities, key=lambda part: part.kind is not Kind.QUEUE)]
    has_queue = any(part.stage == QUEUE_STAGE for part in quantities)
    return with_owner(signals, options, columns, QUEUE_STAGE if has_queue else RATE_STAGE)


def _samples(name: str, part: MetricSeries) -> tuple[TimeArray, FloatArray]:
    """Return the times and the values of a signal that a series shows."""
    times, values = part.times, np.minimum(part.values, 1.0)
    if name != KV_CACHE_USAGE:
        times, growth = times[1:], np.diff(part.values)
        values = np.where(growth < 0, part.values[1:], growth)  # a counter that falls was reset to 0
    if name == RESTARTS:
        values = np.sign(growth)
    is_signal = values >= _LEAST
    return times[is_signal], values[is_signal]
