"""Names of columns: whole words decide, and a qualifier changes the meaning."""

import json

import pytest

from entro_cli.readers.tables.column_names import differ_by_source, meaning, qualified_kind
from entro_engine import Kind
from tests.running import entro

RATES = {
    "scraper_rate": 1,
    "reqps": 1,
    "rps avg": 1,
    "req/s": 1,
    "Requests [req/min]": 60,
    "scraper rate (pages/h)": 3600,
    "Rate (1/min)": 60,
    "messages_sent_per_300_s": 300,
    "total_rps": 1,
    'rate(http_requests_total{job="retry"}[1m])': 1,
    "sum by (job) (rate(http_requests_total[1m0s]))": 1,
    "increase(http_requests_total[5m0s])": 300,
    "rate(http_request_duration_seconds_count[1m])": 1,
    "sum:scraper.requests{*}.as_rate()": 1,
}
QUEUES = [
    "llm waiting",
    "queue_size",
    "total_queue",
    'vllm:num_requests_waiting{engine="0", job="timeout"}',
    "avg:vllm.num_requests.waiting{*}",
    "ApproximateNumberOfMessagesVisible",
    "rabbitmq_queue_messages_ready",
    "wait_queue",
    "queue last",
]
QUALIFIED = {
    Kind.RATE: ["retry_rate", "timeout_rate", "max_rps", "target_rps", "cpu_rate", "rejectedRequestsPerSecond"],
    Kind.QUEUE: ["queue_utilization", "queue_delay", "queued_total", "backlog_hours", "queue (%)", "queueDelayMs"],
}
QUALIFIED[Kind.RATE] += ["relative_rate", "exchange_rate", "data_rate", "http_5xx_rate"]
QUALIFIED[Kind.QUEUE] += ["queue (K)", "queue (thousands)", "queue_per_worker", "queued_tokens", "log_queue"]
QUALIFIED[Kind.QUEUE] += [
    "queue_wait",
    "backlog_mb",
    "queue_occupancy",
    "is_queued",
    "queue last week",
    "queue x1000",
    "queue ('000)",
]
QUALIFIED[Kind.RATE] += ["hourly_rate", "served_rps", "ban_rate", "mysql_qps", "diff_rate", "usd_rate"]
QUALIFIED[Kind.QUEUE] += ["queue_diff", "dead_letter_queue", "queue_completed", "queue_cumulative", "queue_enqueued"]
QUALIFIED[Kind.QUEUE] += ["hourly_queue", "queue_paused"]
UNKNOWN = ["completed", "rate_limit", "queue/s", "histogram_quantile(0.9, rate(x_bucket[1m]))", "rate(a)/rate(b)", ""]


@pytest.mark.parametrize("name", RATES)
def test_rates(name):
    found = meaning(name)
    assert found is not None
    assert (found.kind, found.divisor) == (Kind.RATE, RATES[name])


@pytest.mark.parametrize("name", QUEUES)
def test_queues(name):
    found = meaning(name)
    assert found is not None
    assert found.kind is Kind.QUEUE


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in QUALIFIED.items() for name in names])
def test_qualified_names_are_no_loads(kind, name):
    assert meaning(name) is None
    assert qualified_kind(name) is kind


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_names(name):
    assert meaning(name) is None
    assert qualified_kind(name) is None


@pytest.mark.parametrize(
    ("names", "are_sources"),
    [
        (['waiting{instance="a", job="llm"}', 'waiting{instance="b", job="llm"}'], True),
        (["avg:waiting{host:a,env:x}", "avg:waiting{host:b,env:x}"], True),
        (['waiting{code="200"}', 'waiting{code="500"}'], False),
        (["waiting", 'waiting{pod="a"}'], False),
        (['waiting{pod="a"}', 'queued{pod="b"}'], False),
    ],
)
def test_columns_of_one_metric_that_differ_by_source(names, are_sources):
    assert differ_by_source(names) is are_sources


def table(*columns):
    rows = "".join(f"2026-04-06T12:00:0{second}Z{',1' * len(columns)}\n" for second in range(3))
    return f"time,{','.join(columns)}\n{rows}".encode()


def test_a_kind_with_only_qualified_columns_causes_a_warning_by_name():
    outcome = entro("analyze", "-", stdin=table("rps", "queue_utilization"))
    assert outcome.status == 0
    assert "no queue is read; not a queue by name: queue_utilization" in outcome.err


def test_a_share_of_the_queue_names_no_source():
    rows = "".join(f"2026-04-06T12:0{minute}:00Z,1,{value}\n" for minute, value in enumerate([20, 20, 30, 30]))
    outcome = entro("analyze", "-", "--json", stdin=f"time,rate,queue (%)\n{rows}".encode())
    assert "not a queue by name: queue (%)" in outcome.err
    assert "summed" not in outcome.err


def test_a_table_of_qualified_columns_is_refused_by_name():
    outcome = entro("analyze", "-", stdin=table("fetched", "retry_rate"))
    assert outcome.status == 1
    assert "no column is recognised as a rate or a queue (retry_rate: by name something else)" in outcome.err


def test_an_option_takes_a_qualified_column():
    outcome = entro("analyze", "-", "--stage", "llm=queued_total:queue", stdin=table("rps", "queued_total"))
    assert outcome.status == 0
    assert "by name" not in outcome.err


@pytest.mark.parametrize(
    ("name", "rate", "is_assumed"),
    [("hits/min", 1 / 60, False), ("retry_rpm", 1 / 60, False), ("fetched", 1, False), ("requests_total", 1, True)],
)
def test_an_option_takes_the_unit_of_a_rate_or_a_warning_names_it(name, rate, is_assumed):
    outcome = entro("analyze", "-", "--json", "--stage", f"scraper={name}:rate", stdin=table(name, "queue"))
    assert json.loads(outcome.out)["stages"][0]["mean_load"] == rate
    assert (f"{name} names no unit: read as requests per second" in outcome.err) is is_assumed
