"""Observations from servers: queries of a Prometheus server, and a page of metrics."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.config import Settings
from entro_cli.core.clock import NS, duration_ns, moment, zone_of
from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.options import LoadOptions, read_options
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.timeseries.observations import Observations, Series
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_cli.workflows.settings import period_ns
from entro_engine import EntroError, Kind

if TYPE_CHECKING:  # most commands read files only
    from entro_cli.readers.prometheus.client import PrometheusServer, TimeRange

_DEFAULT_STEP_NS, _DEFAULT_TIME_NS = 15 * NS, 3600 * NS
_MIN_WINDOW_NS = 60 * NS

# vLLM counts requests when they finish. The arrival rate is what finishes plus the growth of the queue and the batch.
_VLLM_RATE = (
    "clamp_min(sum(rate(vllm:request_success_total[{window}])) + sum(deriv(vllm:num_requests_waiting[{window}])) "
    "+ sum(deriv(vllm:num_requests_running[{window}])), 0)"
)
PRESETS = {
    "vllm": (_VLLM_RATE, "vllm:num_requests_waiting"),
    "sglang": ("sum(rate(sglang:num_requests_total[{window}]))", "sglang:num_queue_reqs"),
    "tgi": ("sum(rate(tgi_request_count[{window}]))", "tgi_queue_size"),
}
"""By server, the queries for the rate of its requests and for its queue.

`run_query` replaces `{window}` by four steps, but at least a minute.
"""


class PrometheusQuery(Struct, frozen=True):
    """Queries to a server.

    Attributes:
        url: the server's address.
        rate: the query for the rate; None without one.
        queue: the query for the queue; None without one.
        preset: the name in `PRESETS` whose queries replace missing ones.
    """

    url: str
    rate: str | None = None
    queue: str | None = None
    preset: str | None = None


def prometheus_query(
    url: str | None, rate: str | None, queue: str | None, preset: str | None
) -> PrometheusQuery | None:
    """Return the queries that the options describe; None without a server.

    Raises:
        EntroError: if there is a query without a server, a server without a query, or no such preset.
    """
    given = [name for name, value in (("rate", rate), ("queue", queue), ("preset", preset)) if value is not None]
    if url is None and given:
        raise EntroError("needs a server to query", where=f"--{given[0]}", remedy="add --prometheus URL")
    if url is None:
        return None
    if preset is not None and preset not in PRESETS:
        raise EntroError(f"unknown preset {preset!r}", where="--preset", expected=", ".join(PRESETS))
    if not given:
        raise EntroError(
            "no query is given",
            where="--prometheus",
            remedy=f"add --preset ({', '.join(PRESETS)}), or --rate QUERY and --queue QUERY",
        )
    return PrometheusQuery(url, rate, queue, preset)


def time_range(step: str | None, within: tuple[int | None, int | None], now_ns: int) -> TimeRange:
    """Return the time range to query: by default the last hour, every 15 s.

    Args:
        step: the value of --step.
        within: --since and --until, ns since the epoch.
        now_ns: the current time, ns since the epoch.

    Raises:
        EntroError: if the step is not a duration of whole milliseconds.
    """
    from entro_cli.readers.prometheus.client import TimeRange

    since, until = within
    end = now_ns if until is None else min(until, now_ns)  # the server has no samples of the future
    step_ns = _DEFAULT_STEP_NS if step is None else duration_ns(step, "--step")
    if step_ns % 10**6:
        raise EntroError(f"{step!r} is too fine for Prometheus", where="--step", expected="whole milliseconds")
    return TimeRange(end - _DEFAULT_TIME_NS if since is None else since, end, step_ns)


def fetch(
    query: PrometheusQuery | None, settings: Settings, since: str | None, until: str | None
) -> list[Observations]:
    """Fetch observations from a server, with the credentials of the environment; none without a query.

    Args:
        query: the queries; None for no server.
        settings: the pipeline's settings.
        since: the value of --since.
        until: the value of --until.

    Raises:
        EntroError: as `run_query` does.
    """
    if query is None:
        return []
    from entro_cli.readers.prometheus.client import PrometheusServer

    within = period_ns(since, until, zone_of(settings.zone))
    server = PrometheusServer(query.url, os.environ)
    return [run_query(query, server, time_range(settings.step, within, time_ns()))]


def read_page(url: str | None, options: LoadOptions) -> list[Observations]:
    """Read the page of metrics at an address once, with the credentials of the environment; none without an address.

    Args:
        url: the address.
        options: how the page is read.

    Raises:
        EntroError: if it cannot be fetched, or has no gauge of a stage.
    """
    if url is None:
        return []
    from entro_cli.readers.prometheus.client import MetricsPage
    from entro_cli.readers.prometheus.reader import MetricsReader

    page = MetricsPage(url, os.environ)
    text = page.fetch()
    with TemporaryDirectory(prefix="entro-") as folder:
        path = Path(folder) / "page.txt"
        path.write_text(f"# {moment(time_ns(), UTC).isoformat()}\n{text}", encoding="utf-8")
        with plain_log(str(path)) as log:
            return [MetricsReader().read(replace(log, label=page.label), read_options(options)[1])]


def run_query(query: PrometheusQuery, server: PrometheusServer, time: TimeRange) -> Observations:
    """Return what a server recorded of a pipeline.

    Args:
        query: the queries.
        server: the server.
        time: the time range and the step.

    Raises:
        EntroError: if the server cannot answer, or has no sample for a query.
    """
    preset = PRESETS.get(query.preset or "", (None, None))
    window = max(4 * time.step_ns, _MIN_WINDOW_NS)
    found: list[Series] = []
    problems: list[Problem] = []
    for given, default, kind in ((query.rate, preset[0], Kind.RATE), (query.queue, preset[1], Kind.QUEUE)):
        promql = given if given is not None else default
        if promql is None:
            continue
        if given is None:  # a query of the user is sent as it is
            promql = promql.replace("{window}", f"{window // 10**6}ms")
        series, found_problems = _series(promql, kind, server, time)
        found.append(series)
        problems += found_problems
    return Observations(
        path=server.label,
        format="prometheus",
        series=tuple(found),
        rows_read=sum(len(series.times) for series in found),
        zone="epoch seconds",
        problems=tuple(dict.fromkeys(problems)),
        columns=tuple(series.column for series in found),
    )


def _series(promql: str, kind: Kind, server: PrometheusServer, time: TimeRange) -> tuple[Series, list[Problem]]:
    from entro_cli.readers.prometheus.stages import combine_series

    answer = server.query_range(promql, time)
    quantity, problems = combine_series(promql, kind, answer.series, {})
    if answer.not_finite:
        problems.append(Problem(ProblemKind.QUERY_NOT_FINITE, answer.not_finite, (str(kind),)))
    if not len(quantity.times):
        raise EntroError(
            f"has no sample for the {kind} query {promql}"
            if answer.series
            else f"has no series for the query {promql}",
            where=server.label,
            expected="samples in the queried time",
            remedy="check the query, its labels and --since/--until",
        )
    stage = RATE_STAGE if kind is Kind.RATE else QUEUE_STAGE
    return replace(quantity, stage=stage), [*answer.warnings, *problems]
