"""Asking a Prometheus server for the loads of a pipeline: which queries, and what becomes of the answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import time_ns

from entro_cli.config import Settings
from entro_cli.core.clock import NS, duration_ns, zone_of
from entro_cli.readers.prometheus.client import PrometheusServer, TimeRange
from entro_cli.readers.prometheus.reader import quantity_of
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.timeseries.observations import Observations, Series
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_cli.workflows.settings import period_ns
from entro_engine import EntroError, Kind

_DEFAULT_STEP_NS, _DEFAULT_TIME_NS = 15 * NS, 3600 * NS
_SHORTEST_WINDOW_NS = 60 * NS

# What comes in is what goes out and what the queue and the batch grow by: vLLM counts requests when they are done.
_VLLM_RATE = (
    "clamp_min(sum(rate(vllm:request_success_total[{window}])) + sum(deriv(vllm:num_requests_waiting[{window}])) "
    "+ sum(deriv(vllm:num_requests_running[{window}])), 0)"
)
PRESETS = {
    "vllm": (_VLLM_RATE, "vllm:num_requests_waiting"),
    "sglang": ("sum(rate(sglang:num_requests_total[{window}]))", "sglang:num_queue_reqs"),
    "tgi": ("sum(rate(tgi_request_count[{window}]))", "tgi_queue_size"),
}
"""By server, the queries for the rate of its requests (over four steps, at least a minute) and its queue."""


@dataclass(frozen=True)
class PrometheusQuery:
    """What a server is to be asked.

    Attributes:
        url: the server's address.
        rate: the query for the rate; None without one.
        queue: the query for the queue; None without one.
        preset: the server whose queries are asked where none is given.
    """

    url: str
    rate: str | None = None
    queue: str | None = None
    preset: str | None = None

    def check(self) -> None:
        """Refuse a question that asks nothing.

        Raises:
            EntroError: when there is no query, or no such preset.
        """
        if self.preset is not None and self.preset not in PRESETS:
            raise EntroError(f"there is no preset {self.preset!r}", where="--preset", expected=", ".join(PRESETS))
        if self.preset is None and self.rate is None and self.queue is None:
            raise EntroError(
                "nothing says what to ask the server",
                where="--prometheus",
                remedy=f"add --preset ({', '.join(PRESETS)}), or --rate QUERY and --queue QUERY",
            )


def prometheus_query(
    url: str | None, rate: str | None, queue: str | None, preset: str | None
) -> PrometheusQuery | None:
    """What the options ask of a server; None where none is named.

    Raises:
        EntroError: when they ask something of no server, or nothing of one.
    """
    if url is None:
        options = {"--rate": rate, "--queue": queue, "--preset": preset}
        for option, value in options.items():
            if value is not None:
                raise EntroError("asks something of no server", where=option, remedy="add --prometheus URL")
        return None
    question = PrometheusQuery(url, rate, queue, preset)
    question.check()
    return question


def time_range(step: str | None, within: tuple[int | None, int | None], now_ns: int) -> TimeRange:
    """What time to ask for: the last hour without a word, every 15 s.

    Args:
        step: what --step says.
        within: what --since and --until say, nanoseconds since the epoch.
        now_ns: now.

    Raises:
        EntroError: when the step is no duration or not of whole milliseconds.
    """
    since, until = within
    end = now_ns if until is None else min(until, now_ns)
    step_ns = _DEFAULT_STEP_NS if step is None else duration_ns(step, "--step")
    if step_ns % 10**6:
        raise EntroError(f"{step!r} is too fine for Prometheus", where="--step", expected="whole milliseconds")
    return TimeRange(end - _DEFAULT_TIME_NS if since is None else since, end, step_ns)


def fetch(
    question: PrometheusQuery | None, settings: Settings, since: str | None, until: str | None
) -> list[Observations]:
    """What a server answers, if one is asked, asked as this process was told to: its environment, its clock.

    Args:
        question: what to ask.
        settings: in force.
        since: what --since says.
        until: what --until says.

    Raises:
        EntroError: as `run_query` does.
    """
    if question is None:
        return []
    within = period_ns(since, until, zone_of(settings.zone))
    server = PrometheusServer(question.url, os.environ)
    return [run_query(question, server, time_range(settings.step, within, time_ns()))]


def run_query(question: PrometheusQuery, server: PrometheusServer, asked: TimeRange) -> Observations:
    """What a server knows of a pipeline.

    Args:
        question: what to ask.
        server: whom.
        asked: of what time.

    Raises:
        EntroError: when the server cannot answer, or has no sample of a query.
    """
    preset = PRESETS.get(question.preset or "", (None, None))
    window = max(4 * asked.step_ns, _SHORTEST_WINDOW_NS)
    found: list[Series] = []
    problems: list[Problem] = []
    for given, usual, kind in ((question.rate, preset[0], Kind.RATE), (question.queue, preset[1], Kind.QUEUE)):
        query = given if given is not None else usual
        if query is None:
            continue
        if given is None:
            query = query.replace("{window}", f"{window // 10**6}ms")
        series, told = _series(query, kind, server, asked)
        found.append(series)
        problems += told
    return Observations(
        path=server.label,
        format="prometheus",
        series=tuple(found),
        rows_read=sum(len(series.times) for series in found),
        zone="epoch seconds",
        problems=tuple(dict.fromkeys(problems)),
        columns=tuple(series.column for series in found),
    )


def _series(query: str, kind: Kind, server: PrometheusServer, asked: TimeRange) -> tuple[Series, list[Problem]]:
    answer = server.query_range(query, asked)
    quantity, problems = quantity_of(query, kind, answer.series)
    missing = sum(part.not_finite for part in answer.series)
    problems += [Problem(ProblemKind.QUERY_NOT_FINITE, missing, (str(kind),))] if missing else []
    if not len(quantity.times):
        raise EntroError(
            f"has no sample for the {kind} query {query}" if answer.series else f"knows nothing of the query {query}",
            where=server.label,
            expected="samples in the time that was asked for",
            remedy="check the query, its labels and --since/--until",
        )
    stage = RATE_STAGE if kind is Kind.RATE else QUEUE_STAGE
    series = Series(stage, kind, quantity.times, quantity.values, None, query, quantity.measure, quantity.begins)
    return series, [*answer.warnings, *problems]
