"""The sources of a running pipeline: growing logs, a page of metrics, a Prometheus server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns

from entro_cli.config import Settings
from entro_cli.core.clock import NS
from entro_cli.live.collect import Collector, MetricsCollector, PrometheusCollector
from entro_cli.live.follow import Follower
from entro_cli.readers.options import LoadOptions, read_options
from entro_cli.readers.prometheus.client import PrometheusServer, TimeRange
from entro_cli.timeseries.observations import Observations
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.query_prometheus import PrometheusQuery, run_query
from entro_engine import EntroError

STEP_NS = NS
"""Chosen: a step of the coordinator is a second, as in the plant."""

_RECENT_NS = 120 * NS
"""The time whose steps are looked at: lines that come less often are of no use."""
_KEPT_S = 3600.0
_PROMETHEUS_STEP_NS = 5 * NS


class LiveSource:
    """The sources of a pipeline: its logs, a page of metrics, a Prometheus server.

    Args:
        follower: follows the logs and the files of the collectors, with steps of 1 s.
        collectors: they are running.
        settings: the pipeline's settings.
        counts_all: whether the rates count all that reaches the server, as metrics of the server do.
    """

    def __init__(
        self, follower: Follower, collectors: Sequence[Collector], settings: Settings, counts_all: bool
    ) -> None:
        self.counts_all = counts_all
        self._follower, self._collectors, self._settings = follower, collectors, settings

    def read(self, now_ns: int) -> Steps | None:
        """Read what is new, and return the newest steps; None before there are any."""
        for one in self._collectors:
            if one.interval_s <= STEP_NS / NS:
                one.collect()  # here and now, so that the sample is fresh
        self._follower.poll()
        return self._follower.steps(self._settings, now_ns - _RECENT_NS)

    def failures(self) -> list[EntroError]:
        """Return the errors of the last reading."""
        return [*(one.failure for one in self._collectors if one.failure), *self._follower.failures]


@contextmanager
def live_source(
    names: Sequence[str], options: LoadOptions, settings: Settings, metrics: str | None, query: PrometheusQuery | None
) -> Iterator[LiveSource]:
    """Open the sources of a pipeline.

    Args:
        names: its logs.
        options: how they are read.
        settings: the pipeline's settings.
        metrics: the address of a page of metrics; None without one.
        query: queries to a Prometheus server; None without one.

    Raises:
        EntroError: if an option or an address cannot be read.
    """
    options = replace(options, step=f"{STEP_NS / NS:g}s")
    with TemporaryDirectory(prefix="entro-") as name:
        folder, collectors = Path(name), list[Collector]()
        if metrics is not None:
            read = read_options(options)[1]
            collectors.append(MetricsCollector(metrics, folder, STEP_NS / NS, read, os.environ))
        if query is not None:
            server = PrometheusServer(query.url, os.environ)

            def fetch(begin_ns: int, end_ns: int) -> Observations:
                return run_query(query, server, TimeRange(begin_ns, end_ns, _PROMETHEUS_STEP_NS))

            begin = time_ns() - _RECENT_NS
            collectors.append(PrometheusCollector(fetch, folder, _PROMETHEUS_STEP_NS / NS, begin))
        follower = Follower([*names, *(str(one.path) for one in collectors)], options, _KEPT_S)
        for one in collectors:
            if one.interval_s > STEP_NS / NS:
                one.start()
        try:
            yield LiveSource(follower, collectors, settings, bool(collectors))
        finally:
            for one in collectors:
                one.stop()
