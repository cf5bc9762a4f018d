"""Every reader of ours passes the conformance kit, also over the hour that Berlin's clocks show twice."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from msgspec.structs import replace

from entro_cli.readers.declared.reader import shipped_readers
from entro_cli.readers.registry import our_readers, reader_named
from entro_cli.testing import Example, ReaderTests

BEGIN = datetime(2026, 10, 25, 0, 59, tzinfo=UTC)
TICKS = [BEGIN + timedelta(seconds=10 * index) for index in range(14)]
"""The clocks of Berlin go back after the sixth."""
LATER = timedelta(seconds=5)


def log(render, header="", zone="UTC", **samples):
    """A log with one text per tick, given its index and its time in the zone."""
    texts = [render(index, when.astimezone(ZoneInfo(zone))) for index, when in enumerate(TICKS)]
    samples = {
        stage: {when.astimezone(ZoneInfo(zone)).isoformat(): value for when, value in values}
        for stage, values in samples.items()
    }
    return Example((header + "".join(texts)).encode(), samples, zone, 2026)


def logs(*arguments, **samples):
    """The same twice, where times name no offset."""
    return log(*arguments, **samples), log(*arguments, zone="Europe/Berlin", **samples)


ARRIVALS = [(when, 1.0) for when in TICKS]
IN_TURN = [(when + LATER, 1.0) for when in TICKS] + [(when, 0.0) for when in TICKS[1:]]
"""Each request is there for five seconds, then none is until the next one."""
LEVELS = [(when, index % 5) for index, when in enumerate(TICKS)]
GROWTH = [(when, (2 * index - 1) / 10) for index, when in enumerate(TICKS) if index]
"""Of a count that is the square of the index."""


class Kit(ReaderTests):
    cuts, damages = settings.default.max_examples // 25 or 1, settings.default.max_examples // 2

    @pytest.mark.slow
    def test_a_history_of_parts_is_that_of_the_whole(self, tmp_path):
        super().test_a_history_of_parts_is_that_of_the_whole(tmp_path)


@pytest.mark.slow
class SlowKit(Kit):
    """Of readers for which DuckDB starts anew with every log."""

    cuts, damages = 2, 10


class TestTable(SlowKit):
    reader = reader_named("table")
    bad_line = b"broken"
    examples = logs(
        lambda index, when: f"{when:%Y-%m-%d %H:%M:%S},{index % 7 / 4},{index % 5}\n",
        "time,scraper_rate,llm_queue\n",
        scraper=[(when, index % 7 / 4) for index, when in enumerate(TICKS)],
        llm=LEVELS,
    )


class TestEvents(SlowKit):
    reader = reader_named("events")
    own_samples = ("requests.csv",)
    bad_line = b"broken"
    examples = logs(
        lambda index, when: f"{index},{when:%Y-%m-%d %H:%M:%S},{when:%Y-%m-%d %H:%M}:{when.second + 5:02}\n",
        "request_id,arrival_time,started_at\n",
        scraper=ARRIVALS,
        llm=IN_TURN,
    )


def access_line(index, when):
    end = f"{when + LATER:%d/%b/%Y:%H:%M:%S %z}"
    return f'10.0.0.9 - - [{end}] "POST /v1/chat HTTP/1.1" 200 5 "-" "x" rt=5.000\n'


class TestRequests(SlowKit):
    reader = reader_named("requests")
    bad_line = access_line(0, BEGIN).replace("25/Oct", "99/Oct").encode()
    examples = (log(access_line, scraper=ARRIVALS, llm=IN_TURN),)


def result(when):
    begin, end = (round(moment.timestamp()) * 10**9 for moment in (when, when + LATER))
    return {"timestamp": begin, "response_timestamps": [end]}


class TestBenchmark(Kit):
    reader = reader_named("benchmark")
    examples = (
        replace(
            log(lambda index, when: "", scraper=ARRIVALS, llm=IN_TURN),
            content=json.dumps({"experiments": [{"requests": [*map(result, TICKS)]}]}).encode(),
            is_document=True,
        ),
    )


def vllm_lines(index, when):
    access = 'INFO:     127.0.0.1:34498 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n' * (index % 3)
    return (
        f"{access}INFO {when:%m-%d %H:%M:%S} [loggers.py:248] Engine 000: Avg prompt throughput: 5.0 tokens/s, "
        f"Avg generation throughput: 5.0 tokens/s, Running: 1 reqs, Waiting: {index % 5} reqs, "
        "GPU KV cache usage: 0.7%, Prefix cache hit rate: 1.0%\n"
    )


class TestVllm(Kit):
    reader = reader_named("vllm")
    own_samples = ("vllm.log",)
    bad_line = b"INFO 10-25 02:59:00 [loggers.py:248] Engine 000: Avg prompt throughput: 5.0 tokens/s, Avg gener"
    examples = logs(
        vllm_lines, llm=LEVELS, scraper=[(when, index % 3 / 10) for index, when in enumerate(TICKS) if index]
    )


def sglang_lines(index, when):
    stamp = f"[{when:%Y-%m-%d %H:%M:%S}]"
    access = f'{stamp} INFO:     127.0.0.1:34498 - "POST /generate HTTP/1.1" 200 OK\n'
    return f"{access}{stamp} Decode batch, #running-req: 1, #token: 9, #queue-req: {index % 5}\n"


class TestSglang(Kit):
    reader = reader_named("sglang")
    own_samples = ("sglang.log",)
    bad_line = b"[2026-10-25 02:59:00] Decode batch, #running-req: 1, #tok"
    examples = logs(sglang_lines, llm=LEVELS, scraper=ARRIVALS)


def scrapy_line(index, when):
    pages = f"Crawled {index * index} pages (at 7 pages/min), scraped 0 items (at 0 items/min)"
    return f"{when:%Y-%m-%d %H:%M:%S} [scrapy.extensions.logstats] INFO: {pages}\n"


class TestScrapy(Kit):
    reader = reader_named("scrapy")
    own_samples = ("scrapy.log",)
    bad_line = scrapy_line(1, BEGIN).replace("1 pages", "1x pages").encode()
    examples = logs(scrapy_line, scraper=GROWTH)


def celery_lines(index, when):
    task = f"crawl.page[{index:08x}-0000-4000-8000-000000000000]"
    end = f"{when:%Y-%m-%d %H:%M}:{when.second + 5:02}"
    return (
        f"[{when:%Y-%m-%d %H:%M:%S},000: INFO/MainProcess] Task {task} received\n"
        f"[{end},000: INFO/ForkPoolWorker-1] Task {task} succeeded in 5.0s: None\n"
    )


class TestCelery(Kit):
    reader = reader_named("celery")
    own_samples = ("celery.log",)
    bad_line = b"[2026-99-25 02:59:00,000: INFO/MainProcess] Task crawl.page[x] received"
    examples = logs(celery_lines, scraper=ARRIVALS, llm=IN_TURN)


def dramatiq_line(index, when):
    message = f"Received message fetch('x') with id '{index:08x}-0000-4000-8000-000000000000'."
    return f"[{when:%Y-%m-%d %H:%M:%S},000] [PID 7] [Thread-3] [dramatiq.worker.WorkerThread] [DEBUG] {message}\n"


class TestWorker(Kit):
    reader = reader_named("worker")
    bad_line = dramatiq_line(1, BEGIN).replace("2026-10", "2026-99").encode()
    examples = logs(dramatiq_line, scraper=ARRIVALS)


def series(name, when, value):
    labels = {"__name__": name, "engine": "0", "model_name": "m"}
    return {"metric": labels, "values": [[round(when.timestamp()), str(value)]]}


def answer(index, when):
    waiting = series("vllm:num_requests_waiting", when, index % 5)
    done = series("vllm:request_success_total", when, index * index)
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [waiting, done]}}) + "\n"


class TestPrometheus(Kit):
    reader = reader_named("prometheus")
    own_samples = ("prometheus.json",)
    examples = (log(answer, llm=LEVELS, scraper=GROWTH),)


def page(index, when):
    return (
        f"# scraped at {when:%Y-%m-%d %H:%M:%S}\n# TYPE vllm:num_requests_waiting gauge\n"
        f'vllm:num_requests_waiting{{engine="0"}} {index % 5}\n'
        f'vllm:request_success_total{{engine="0"}} {index * index}\n'
    )


class TestMetrics(Kit):
    reader = reader_named("metrics")
    bad_line = b"vllm:num_requests_waiting{"
    examples = logs(page, llm=LEVELS, scraper=GROWTH)


def nutch_line(index, when):
    pages = f"3/10 spinwaiting/active, {index * index} pages, 0 errors, 0.0 1 pages/s, 9 9 kb/s"
    return f"{when:%Y-%m-%d %H:%M:%S},000 INFO  fetcher.FetcherJob - {pages}\n"


class TestNutch(SlowKit):
    reader = reader_named("nutch")
    examples = logs(nutch_line, scraper=GROWTH)


class TestHeritrix(SlowKit):
    reader = reader_named("heritrix")
    examples = (
        log(
            lambda index, when: f"{when:%Y-%m-%dT%H:%M:%SZ}  213  142  {index * index}  1.00(1.18)  25(24)  0  10\n",
            scraper=GROWTH,
        ),
    )


def slot_lines(index, when):
    return (
        f"{when:%Y-%m-%d %H:%M:%S} slot launch_slot_: id  0 | task {index} | processing task\n"
        f"{when:%Y-%m-%d %H:%M}:{when.second + 5:02} slot      release: id  0 | task {index} | stop processing: n = 8\n"
    )


class TestLlamaCpp(SlowKit):
    reader = reader_named("llamacpp")
    examples = logs(slot_lines, scraper=ARRIVALS, llm=IN_TURN)


@pytest.mark.parametrize("reader", [*our_readers(), *shipped_readers()], ids=lambda reader: reader.name)
def test_every_reader_has_its_tests(reader):
    assert reader.name in [kit.reader.name for kit in [*Kit.__subclasses__()[1:], *SlowKit.__subclasses__()]]
