"""The sources of a running pipeline: growing logs, a page of metrics, a Prometheus server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns

from msgspec.structs import replace

from entro_cli.config import Settings
from entro_cli.core.clock import NS
from entro_cli.live.collect import TIMEOUT_S, Collector, MetricsCollector, PrometheusCollector, StreamCollector
from entro_cli.live.follow import Follower
from entro_cli.readers.inputs.log_file import STDIN
from entro_cli.readers.options import LoadOptions, read_options
from entro_cli.readers.prometheus.client import PrometheusServer, TimeRange
from entro_cli.timeseries.observations import Observations
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.query_prometheus import PrometheusQuery, run_query
from entro_engine import EntroError, Kind

STEP_NS = NS
"""Chosen: a step of the coordinator is a second, as in the plant."""

_RECENT_NS = 120 * NS
"""The time whose steps are looked at: lines that come less often are of no use."""
_KEPT_S = 3600.0
_PROMETHEUS_STEP_NS = 5 * NS


def ending_signals() -> list[signal.Signals]:
    """Return the signals to end on without leaving temporary files; `nohup` has the hangup of a terminal ignored."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def failures_of(follower: Follower, collectors: Sequence[Collector]) -> list[EntroError]:
    """Return the errors of the last readings; of the file of a collector only the error of the collector."""
    files = {str(one.path) for one in collectors}
    errors = [error for error in follower.failures if error.where not in files]
    return errors + [one.failure for one in collectors if one.failure]


class LiveSource:
    """The sources of a pipeline: its logs, a page of metrics, a Prometheus server.

    Args:
        follower: follows the logs and the files of the collectors, with steps of 1 s.
        collectors: they are running.
        settings: the pipeline's settings.
        counts_all: whether the rates count all that reaches the server in each second, as its page of metrics does.
    """

    def __init__(
        self, follower: Follower, collectors: Sequence[Collector], settings: Settings, counts_all: bool
    ) -> None:
        self.counts_all = counts_all
        self._follower, self._collectors, self._settings = follower, collectors, settings

    def read(self, now_ns: int) -> Steps | None:
        """Read what is new, and return the newest steps; None before there are any."""
        for one in self._collectors:
            if isinstance(one, MetricsCollector):
                one.collect()  # here and now, so that the sample is fresh
        self._follower.poll()
        return self._follower.steps(self._settings, now_ns - _RECENT_NS)

    def failures(self) -> list[EntroError]:
        """Return the errors of the last reading."""
        return failures_of(self._follower, self._collectors)

    @property
    def has_no_queue(self) -> bool:
        """True if there are stages, and none of them is a queue."""
        kinds = {stage.kind for stage in self._follower.state.stages.values()}
        return bool(kinds) and Kind.QUEUE not in kinds

    @property
    def is_failing(self) -> bool:
        """True if a server that is asked, and not a log, has just failed to answer."""
        return any(one.failure for one in self._collectors)


@contextmanager
def follow_sources(
    names: Sequence[str],
    options: LoadOptions,
    metrics: str | None,
    query: PrometheusQuery | None,
    *,
    every_s: float,
    within: TimeRange,
    kept_s: float | None,
) -> Iterator[tuple[Follower, list[Collector]]]:
    """Open the sources of a pipeline: what follows them, and the collectors, which are not started.

    Args:
        names: its logs; `-` for standard input.
        options: how they are read.
        metrics: the address of a page of metrics; None without one.
        query: queries to a Prometheus server; None without one.
        every_s: the time between two readings of the page, s.
        within: the begin and the step of the answers of the server.
        kept_s: as for `Follower`.

    Raises:
        EntroError: if an option or an address cannot be read.
    """
    with TemporaryDirectory(prefix="entro-", ignore_cleanup_errors=True) as name:
        folder, collectors = Path(name), list[Collector]()
        if STDIN in names:
            collectors.append(StreamCollector(folder))
        if metrics is not None:
            collectors.append(MetricsCollector(metrics, folder, every_s, read_options(options)[1], os.environ))
        if query is not None:
            server = PrometheusServer(query.url, os.environ, timeout_s=TIMEOUT_S, pauses_s=())

            def fetch(begin_ns: int, end_ns: int) -> Observations:
                return run_query(query, server, replace(within, begin_ns=begin_ns, end_ns=end_ns))

            every = within.step_ns / NS
            collectors.append(PrometheusCollector(fetch, folder, every, within.begin_ns, server.label))
        logs = [name for name in names if name != STDIN]
        try:
            yield Follower([*logs, *(str(one.path) for one in collectors)], options, kept_s), collectors
        finally:
            for one in collectors:
                one.stop()


@contextmanager
def live_source(
    names: Sequence[str], options: LoadOptions, settings: Settings, metrics: str | None, query: PrometheusQuery | None
) -> Iterator[LiveSource]:
    """Open the sources of a pipeline that is coordinated.

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
    begin_ns = time_ns() - _RECENT_NS
    within = TimeRange(begin_ns, begin_ns, _PROMETHEUS_STEP_NS)
    parts = follow_sources(names, options, metrics, query, every_s=STEP_NS / NS, within=within, kept_s=_KEPT_S)
    with parts as (follower, collectors):
        for one in collectors:
            if not isinstance(one, MetricsCollector):
                one.start()
        # A rate that Prometheus gives is the mean of a minute, and says little of the last seconds.
        yield LiveSource(follower, collectors, settings, metrics is not None)
