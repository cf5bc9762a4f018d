"""A log that has grown is read on from its checkpoint: only what is new is parsed, and the steps are the same."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from entro_cli.readers import registry
from entro_cli.readers.declared.reader import DeclaredReader
from entro_cli.readers.reader import ResumableReader
from entro_cli.readers.tables.reader import TableReader
from tests.history.stored import days, ingest
from tests.history.test_formats import LOGS, READING
from tests.readers.test_declared import events_of
from tests.readers.test_request_logs import ALL as REQUESTS
from tests.readers.test_request_logs import at, run

JOBS = """
[formats.jobs]
pattern = '^(?P<time>\\S+ \\S+) \\[\\w+\\] job=(?P<id>\\w+) (?P<event>\\w+)'
arrival = ["queued"]
start = ["started"]
end = ["done", "failed"]
"""
PAGES = """
[formats.pages]
pattern = '^(?P<time>\\S+) (?P<count>\\d+) pages'
"""
NAMES = ["celery.log", "scrapy.log", "vllm.log", "sglang.log"]
MARGIN_BYTES = 1 << 16


@pytest.fixture
def parsed(monkeypatch):
    """The number of bytes that readers have parsed so far."""
    counted = [0]
    for reader in (*(type(one) for one in registry.our_readers() if isinstance(one, ResumableReader)), DeclaredReader):

        def counting(self, log, options, state, resume=reader.resume, **more):
            before = counted[0] + log.path.stat().st_size
            found = resume(self, log, options, state, **more)
            counted[0] = before  # one reader may let another one read the same lines
            return found

        monkeypatch.setattr(reader, "resume", counting)
    read = TableReader.read

    def counting_table(self, log, options):
        counted[0] += log.path.stat().st_size
        return read(self, log, options)

    monkeypatch.setattr(TableReader, "read", counting_table)
    return counted


def test_timestamps_without_a_year_go_on_over_new_year(tmp_path):
    begin = datetime(2025, 12, 31, 23, 50, tzinfo=UTC)
    moments = [begin + timedelta(seconds=10 * tick) for tick in range(120)]
    lines = [
        f"INFO {when:%m-%d %H:%M:%S} [loggers.py:123] Engine 000: Avg prompt throughput: 5.0 tokens/s, Avg generation "
        f"throughput: 5.0 tokens/s, Running: 1 reqs, Waiting: {tick % 7} reqs, GPU KV cache usage: 0.7%\n"
        for tick, when in enumerate(moments)
    ]
    log = tmp_path / "vllm.log"
    for end in (30, 90, 120):
        log.write_text("".join(lines[:end]))
        os.utime(log, (moments[end - 1].timestamp() + (86400 * 200 if end == 120 else 0),) * 2)  # copied later
        ingest(tmp_path / "h", log, "--tz", "UTC", "--step", "10s")
    os.utime(log, (moments[-1].timestamp(),) * 2)
    ingest(tmp_path / "whole", log, "--tz", "UTC", "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")
    assert len(days(tmp_path / "h")) == 2


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_new_is_parsed(tmp_path, parsed, name):
    content = (LOGS / name).read_bytes()
    lines = content.splitlines(keepends=True)
    log = tmp_path / name
    end = 0
    for part in (lines[: len(lines) // 2], lines[: len(lines) * 3 // 4], lines[:-3], lines):
        log.write_bytes(b"".join(part))
        before, begin, end = parsed[0], end, log.stat().st_size
        ingest(tmp_path / "h", log, *READING, "--step", "10s")
        assert parsed[0] - before <= end - begin + MARGIN_BYTES
    assert parsed[0] <= len(content) + MARGIN_BYTES
    ingest(tmp_path / "whole", log, *READING, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")


def page(index):
    """Two engines in one page, of which the second fails once for a while and once for good."""
    engines = [0] if index in {31, 32, 70, 71, 72, 73, 74} or index > 110 else [0, 1]
    return f"# {1_775_476_800 + 10 * index}\n# TYPE vllm:num_requests_waiting gauge\n" + "".join(
        f'vllm:num_requests_waiting{{engine="{engine}"}} {index % 7 / 3}\n'
        f'vllm:num_requests_running{{engine="{engine}"}} {index % 5}\n'
        f'vllm:request_success_total{{engine="{engine}"}} {index * index // 3}\n'
        for engine in engines
    )


def page_before_its_time(index):
    lines = f'vllm:num_requests_waiting{{engine="0"}} {index % 7}\nvllm:request_success_total {index * index}\n'
    return lines + f"# scraped at {datetime.fromtimestamp(1_775_476_800 + 10 * index, UTC)}\n"


def scrape(index, seconds=6.4):
    """Two targets, each with the time at which it was scraped."""
    return "".join(
        f'{name}{{pod="{pod}"}} {value} {1_775_476_800_000 + 10_000 * index + int(pod * seconds * 1000)}\n'
        for pod in (0, 1)
        for name, value in (("vllm:num_requests_waiting", index % 7 / 3), ("vllm:request_success_total", index * index))
    )


def answer(index):
    at = 1_775_476_800 + 10 * index
    metric = {"__name__": "vllm:num_requests_waiting"}
    result = [{"metric": metric | {"engine": str(engine)}, "values": [[at, str(index % 7 / 3)]]} for engine in (0, 1)]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}) + "\n"


def delta(index):
    value = {"timeUnixNano": (1_775_476_800 + 10 * index) * 10**9, "asInt": index % 7}
    sums = {"isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [value]}
    one = {"name": "vllm:request_success_total", "sum": sums}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [one]}]}]}) + "\n"


@pytest.mark.parametrize("part", [page, page_before_its_time, scrape, answer, delta])
@pytest.mark.parametrize("cut", [0, 70])
def test_of_metrics_only_what_is_new_is_parsed(tmp_path, parsed, part, cut):
    """Pages, scrapes with times, answers and exports; some parts end within a page."""
    content = "".join(map(part, range(120)))
    log, end = tmp_path / "metrics.log", 0
    for pages in (40, 41, 45, 90, 120):
        log.write_text(content[: len("".join(map(part, range(pages)))) - cut * (pages < 120)])
        before, begin, end = parsed[0], end, log.stat().st_size
        ingest(tmp_path / "h", log, *READING, "--step", "10s")
        assert part is page or parsed[0] - before <= end - begin + 4096
    ingest(tmp_path / "whole", log, *READING, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")


@pytest.mark.parametrize("step", ["1s", "10s"])
def test_a_task_that_began_before_the_checkpoint_changes_what_was_stored(tmp_path, step):
    stamp = "[2026-04-06 08:00:{}: INFO/MainProcess] "
    first = (
        stamp.format("00,000") + "Task a[1] received\n" + stamp.format("09,500") + "Task a[1] succeeded in 9.4s: 1\n"
    )
    log = tmp_path / "celery.log"
    log.write_text(first)
    ingest(tmp_path / "h", log, *READING, "--step", step)
    log.write_text(first + stamp.format("12,000") + "Task a[2] succeeded in 7.25s: 1\n")
    ingest(tmp_path / "h", log, *READING, "--step", step)
    ingest(tmp_path / "whole", log, *READING, "--step", step)
    assert days(tmp_path / "h") == days(tmp_path / "whole")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_of_a_table_hardly_more_than_what_is_new_is_parsed(tmp_path, parsed, suffix):
    stamps = [f"2026-04-06T{at // 360:02}:{at // 6 % 60:02}:{at % 6}0Z" for at in range(8000)]
    rows = [
        f"{stamp},{at % 7},{at % 11}" if suffix == "csv" else f'{{"time":"{stamp}","rate":{at % 7},"queue":{at % 11}}}'
        for at, stamp in enumerate(stamps)
    ]
    log = tmp_path / f"log.{suffix}"
    head = ["time,rate,queue"] if suffix == "csv" else []
    end = 0
    for count in (4000, 4001, 4100, 8000):
        log.write_text("\n".join([*head, *rows[:count], ""]))
        before, begin, end = parsed[0], end, log.stat().st_size
        ingest(tmp_path / "h", log, *READING)
        assert parsed[0] - before <= end - begin + MARGIN_BYTES
    ingest(tmp_path / "whole", log, *READING)
    assert days(tmp_path / "h") == days(tmp_path / "whole")


GROWING = {
    **{
        name: (REQUESTS[name], ()) for name in ("pino", "a logger's CSV", "Envoy", "HAProxy", "labelled, whole seconds")
    },
    "events": (lambda made: "".join(events_of([row_of(one) for one in made])).encode(), JOBS),
    "counts": (lambda made: b"".join(b"%s %d pages\n" % row for row in counted(made)), PAGES),
}


def row_of(request):
    return request.came / 1000, (request.came + request.took / 4) / 1000, request.end / 1000


def counted(made):
    return ((at(request.end).encode(), index) for index, request in enumerate(made))


@pytest.mark.parametrize("name", GROWING)
def test_of_requests_only_what_is_new_is_parsed(tmp_path, parsed, name):
    render, declared = GROWING[name]
    config = tmp_path / "entro.toml"
    config.write_text(f"zone = 'UTC'\n{declared or ''}")
    content = render(run(count=2500))
    lines = content.splitlines(keepends=True)
    log, end = tmp_path / "requests.log", 0
    for count in (len(lines) // 2, len(lines) // 2 + 1, len(lines) - 40, len(lines)):
        log.write_bytes(b"".join(lines[:count])[: None if count == len(lines) else -3])
        before, begin, end = parsed[0], end, log.stat().st_size
        ingest(tmp_path / "h", log, "--config", config, "--step", "10s")
        assert parsed[0] - before <= end - begin + MARGIN_BYTES
    ingest(tmp_path / "whole", log, "--config", config, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")


SCRAPY = "2026-04-06 08:00:{} [scrapy.extensions.logstats] INFO: "


def test_pages_counted_in_the_second_of_the_checkpoint(tmp_path):
    line = SCRAPY + "Crawled {} pages (at 0 pages/min), scraped 0 items (at 0 items/min)"
    log = tmp_path / "scrapy.log"
    log.write_text(line.format("10", 0) + "\n" + line.format("50", 20) + "\n")
    ingest(tmp_path / "h", log, *READING, "--step", "10s")
    log.write_text(log.read_text() + line.format("50", 28) + "\n")
    ingest(tmp_path / "h", log, *READING, "--step", "10s")
    ingest(tmp_path / "whole", log, *READING, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")


@pytest.mark.parametrize("hour", [0, 13])
def test_closing_stats_show_the_zone_of_what_was_stored_before(tmp_path, hour):
    counted = SCRAPY + "Crawled {} pages (at 0 pages/min), scraped 0 items (at 0 items/min)\n"
    log = tmp_path / "scrapy.log"
    log.write_text(counted.format("10", 0) + counted.format("30", 20))
    ingest(tmp_path / "h", log, "--step", "10s")
    end = f"{{'finish_time': datetime.datetime(2026, 4, 6, {hour}, 0, 50, 7), 'response_received_count': 28}}\n"
    log.write_text(log.read_text() + SCRAPY.format("50") + "Dumping Scrapy stats:\n" + end)
    ingest(tmp_path / "h", log, "--step", "10s")
    ingest(tmp_path / "whole", log, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "whole")
