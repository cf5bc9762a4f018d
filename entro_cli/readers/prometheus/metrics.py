"""Metrics of known servers and exporters, by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.readers.tables.column_names import meaning
from entro_engine import Kind


@dataclass(frozen=True)
class Metric:
    """The meaning of a metric.

    Attributes:
        kind: the quantity that it measures; None if its name does not show it.
        stage: the stage that it is by default; empty if it is a stage only when it is named.
        is_counter: whether it only grows, so that its rate is the load.
    """

    kind: Kind | None
    stage: str = ""
    is_counter: bool = False


_WAITING = frozenset(
    {
        "vllm:num_requests_waiting",
        "sglang:num_queue_reqs",
        "tgi_queue_size",
        "te_queue_size",
        "llamacpp:requests_deferred",
        "scrapy_requests_pending",
    }
)
_RUNNING = frozenset(
    {
        "vllm:num_requests_running",
        "vllm:num_requests_swapped",
        "sglang:num_running_reqs",
        "tgi_batch_current_size",
        "llamacpp:requests_processing",
        "litellm_in_flight_requests",
        "scrapy_requests_active",
    }
)
_REQUESTS = frozenset(
    {
        "vllm:request_success_total",
        "sglang:num_requests_total",
        "tgi_request_count",
        "te_request_count",
        "litellm_proxy_total_requests_metric_total",
        "scrapy_responses_total",
        "scrapy_prometheus_response_received_count",
    }
)
_COUNTERS = frozenset(
    {
        "tgi_request_success",
        "tgi_request_failure",
        "litellm_proxy_total_requests_metric",
        "litellm_proxy_failed_requests_metric",
        "scrapy_prometheus_scheduler_enqueued",
        "scrapy_prometheus_scheduler_dequeued",
        "scrapy_prometheus_downloader_request_count",
    }
)
_COUNTER = re.compile(r".*_(total|count)")


def metric(name: str) -> Metric:
    """Return the meaning of a metric.

    Known names come first. Other names are recognised like the columns of a table.

    Args:
        name: its name in Prometheus; empty for an expression.
    """
    if name in _WAITING:  # scrapy_requests_pending waits in the scraper, not in the LLM server
        return Metric(Kind.QUEUE, "" if name.startswith("scrapy") else QUEUE_STAGE)
    if name in _RUNNING:
        return Metric(Kind.GENERIC)
    if name in _REQUESTS:
        return Metric(Kind.RATE, RATE_STAGE, is_counter=True)
    if name in _COUNTERS or _COUNTER.fullmatch(name):
        return Metric(Kind.RATE, is_counter=True)
    known = meaning(name)
    if known is not None and known.divisor == 1.0:  # a Quantity has no divisor, as the column of a table has
        return Metric(known.kind, QUEUE_STAGE if known.kind is Kind.QUEUE else RATE_STAGE)
    return Metric(None)
