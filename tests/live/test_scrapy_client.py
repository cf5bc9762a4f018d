"""The middleware in a real Scrapy that crawls a real nginx: the spider of docs/scrapy.md, as users start it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.coordinator_stub import coordinator
from tests.live.servers import site

PAGE = Path(__file__).parents[2] / "docs" / "scrapy.md"
PAGES = [f"/pages/{number}" for number in range(40)]


@contextmanager
def crawl(stub, shop, *options, program=None):
    """The spider of the page at work in the folder of its site."""
    (program,) = (
        [program] if program else re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    )
    (shop.folder / "shop.py").write_text(program)
    scrapy = Path(sys.executable).with_name("scrapy")
    command = [scrapy, "runspider", "shop.py", "-a", f"site={shop.url}", "-o", "items.jsonl", *options]
    environment = {**os.environ, "ENTRO_COORDINATOR": stub.url}
    pipes = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=shop.folder, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def log_of(process, seconds=60):
    """The log of a spider that ends, without warnings and errors."""
    log = process.communicate(timeout=seconds)[1]
    assert process.returncode == 0, log
    assert not re.search("WARNING|ERROR|CRITICAL|Warning|Traceback", log), log
    return log


def titles(shop):
    lines = (shop.folder / "items.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["title"] for line in lines)


def rate_of(hits):
    times = sorted(hit.time for hit in hits)
    return (len(times) - 1) / (times[-1] - times[0])


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_titles(links=PAGES):
    return sorted(f"Page {re.sub('[^0-9]', '', link)}" for link in links)


@pytest.mark.slow
def test_the_spider_of_the_page_keeps_to_the_rate(tmp_path):
    with site(tmp_path, PAGES) as shop, coordinator(cap=20.0) as stub:
        with crawl(stub, shop) as process:
            log_of(process)
        assert sorted(hit.path for hit in shop.hits) == sorted(["/robots.txt", "/", *PAGES])
        assert titles(shop) == all_titles()
        assert 20 * 0.95 < rate_of(shop.pages()) < 20 * 1.05
        assert len(stub.left) == 1
        assert re.fullmatch(r"shop-[0-9a-f]{12}", stub.left[0])
        wanted = [document["wanted_per_s"] for _, document in stub.renewals]
        assert max(wanted) > 30  # the frontier counts


@pytest.mark.slow
def test_pages_without_llm_requests_and_robots_txt_pass_at_once(tmp_path):
    with site(tmp_path, PAGES) as shop, coordinator(cap=0.0, probe=0.0) as stub, crawl(stub, shop) as process:
        wait_until(lambda: stub.renewals and stub.renewals[-1][1]["wanted_per_s"] >= 40)
        assert [hit.path for hit in shop.hits] == ["/robots.txt", "/"]
        process.send_signal(signal.SIGINT)
        log_of(process, 10)


@pytest.mark.slow
def test_redirects_and_failures_cost_no_permission(tmp_path):
    links = [f"/moved/{number}" for number in range(20)] + [f"/broken/{number}" for number in range(20, 25)]
    with site(tmp_path, links) as shop, coordinator(cap=10.0) as stub:
        with crawl(stub, shop, "-s", "LOG_LEVEL=INFO", "-s", "RETRY_GIVE_UP_LOG_LEVEL=INFO") as process:
            log_of(process)
        paths = [hit.path for hit in shop.hits]
        assert sorted(titles(shop)) == all_titles(links[:20])
        assert sorted(set(paths)) == sorted(["/robots.txt", "/", *links, *(f"/pages/{number}" for number in range(20))])
        assert len(paths) == 2 + 2 * 20 + 3 * 5
        assert rate_of(shop.pages()) > 8
        assert max(document["sent"] for _, document in stub.renewals) <= 22


@pytest.mark.slow
def test_ctrl_c_loses_no_page_and_fetches_none_twice(tmp_path):
    job = ("-s", "JOBDIR=job")
    with site(tmp_path, PAGES) as shop, coordinator(cap=8.0) as stub:
        with crawl(stub, shop, *job) as process:
            wait_until(lambda: len(shop.pages()) > 5)
            process.send_signal(signal.SIGINT)
            log_of(process, 10)
        assert len(shop.pages()) < 15
        assert len(stub.left) == 1
        stub.set(300.0)
        with crawl(stub, shop, *job) as process:
            log_of(process)
        assert sorted(hit.path for hit in shop.pages()) == sorted(PAGES)
        assert titles(shop) == all_titles()


CLOSES = """
import scrapy
from scrapy.core.scheduler import Scheduler
from scrapy.exceptions import CloseSpider

class Unmeasured(Scheduler):
    def __len__(self):
        raise ConnectionError("its server is away")

class Shop(scrapy.Spider):
    name = "shop"
    custom_settings = {
        "CONCURRENT_REQUESTS": 100,
        "SCHEDULER": Unmeasured,
        "DOWNLOADER_MIDDLEWARES": {"entro_cli.integrations.scrapy.EntroMiddleware": 650},
    }

    async def start(self):
        yield scrapy.Request(self.site, meta={"entro_requests": 0})

    async def parse(self, response):
        for request in response.follow_all(css="a", callback=self.close_it):
            yield request
        yield response.follow("/last", callback=self.close_it, meta={"entro_requests": 0})
        await self.crawler.engine.download_async(response.follow("/large", meta={"entro_requests": 1000}))

    def close_it(self, response):
        raise CloseSpider("enough")
"""


def test_a_spider_that_closes_itself_releases_what_it_waits_for_itself(tmp_path):
    with site(tmp_path, PAGES) as shop, coordinator(cap=2.0) as stub:
        with crawl(stub, shop, "-s", "HTTPERROR_ALLOW_ALL=1", program=CLOSES) as process:
            log = process.communicate(timeout=20)[1]
        assert "Spider closed (enough)" in log
        assert len(shop.pages()) < 3
        assert len(stub.left) == 1


def test_an_unusable_setting_ends_the_spider_at_its_start(tmp_path):
    with site(tmp_path, PAGES[:1]) as shop, coordinator() as stub:
        with crawl(stub, shop, "-s", "ENTRO_COORDINATOR=ftp://example.org") as process:
            log = process.communicate(timeout=20)[1]
        assert "looks like http://HOST:PORT" in log
        assert shop.hits == []
