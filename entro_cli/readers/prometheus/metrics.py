"""Metrics of known servers and exporters, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.readers.tables.column_names import meaning
from entro_engine import Kind


class Metric(Struct, frozen=True):
    """The meaning of a metric.

    Attributes:
        kind: the quantity that it measures; None if its name does not show it.
        stage: the stage that it is by default; empty if it is a stage only when it is named.
        is_counter: whether it only grows, so that its rate is the load.
        is_known: whether it is a metric of a known server or exporter.
        counts_done: whether it counts requests when they are done, rather than when they arrive.
    """

    kind: Kind | None
    stage: str = ""
    is_counter: bool = False
    is_known: bool = False
    counts_done: bool = False


_WAITING = Metric(Kind.QUEUE, QUEUE_STAGE, is_known=True)
_RUNNING = Metric(Kind.GENERIC, is_known=True)
_ARRIVED = Metric(Kind.RATE, RATE_STAGE, is_counter=True, is_known=True)
_KNOWN = {
    name: meaning
    for meaning, names in (
        (_WAITING, "vllm:num_requests_waiting sglang:num_queue_reqs tgi_queue_size te_queue_size"),
        (_WAITING, "llamacpp:requests_deferred nv_inference_pending_request_count ray_serve_deployment_queued_queries"),
        (
            _RUNNING,
            "vllm:num_requests_running vllm:num_requests_swapped sglang:num_running_reqs",
        ),
        (_RUNNING, "llamacpp:requests_processing litellm_in_flight_requests ray_serve_replica_processing_queries"),
        (_RUNNING, "tgi_batch_current_size scrapy_requests_active"),
        (_ARRIVED, "tgi_request_count te_request_count litellm_proxy_total_requests_metric_total"),
        (_ARRIVED, "ray_serve_num_http_requests_total ray_serve_num_http_requests"),
        (_ARRIVED, "scrapy_responses_total scrapy_prometheus_response_received_count"),
        (replace(_ARRIVED, stage=""), "tgi_request_success tgi_request_failure nv_inference_request_failure"),
        (replace(_ARRIVED, stage=""), "litellm_proxy_total_requests_metric litellm_proxy_failed_requests_metric"),
        (replace(_ARRIVED, stage=""), "scrapy_prometheus_scheduler_enqueued scrapy_prometheus_scheduler_dequeued"),
        (replace(_ARRIVED, stage=""), "scrapy_prometheus_downloader_request_count"),
        (replace(_ARRIVED, counts_done=True), "vllm:request_success_total sglang:num_requests_total"),
        (replace(_ARRIVED, counts_done=True), "nv_inference_request_success"),
        (replace(_WAITING, stage=""), "scrapy_requests_pending"),  # in the scraper, not in the LLM server
    )
    for name in names.split()
}
IN_SYSTEM = ("vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:num_requests_swapped")
"""Gauges of vLLM that add up to the requests in the system; the last one exists only in V0."""

_BY_PRIORITY = "sglang:num_queue_reqs", "sglang:num_running_reqs"
"""Gauges of SGLang that have, beside their total, a series per priority if it schedules by priority."""

_COUNTER = re.compile(r".*_(total|count)")


def metric(name: str, is_counter: bool | None = None) -> Metric:
    """Return the meaning of a metric.

    Known names come first. Other names are recognised like the columns of a table.

    Args:
        name: its name in Prometheus; empty for an expression.
        is_counter: whether its type is that of a counter; None if that is not known.
    """
    known = server_name(name)
    if is_counter and f"{known}_total" in _KNOWN:  # OpenTelemetry may leave out the suffix
        known += "_total"
    if known in _KNOWN:
        return _KNOWN[known]
    if _COUNTER.fullmatch(name) if is_counter is None else is_counter:
        return Metric(Kind.RATE, is_counter=True)
    named = meaning(name)
    if named is not None and named.divisor == 1.0:  # a quantity has no divisor, as the column of a table has
        return Metric(named.kind, QUEUE_STAGE if named.kind is Kind.QUEUE else RATE_STAGE)
    return Metric(None)


def is_part_of_total(name: str, labels: Mapping[str, str]) -> bool:
    """Return whether a series is contained in another series of its metric."""
    return name in _BY_PRIORITY and labels.get("priority", "") != ""


def server_name(name: str) -> str:
    """Return the name that the server itself gives a metric: Ray Serve has those of vLLM under other names."""
    return re.sub(r"^ray_vllm[:_]", "vllm:", name)
