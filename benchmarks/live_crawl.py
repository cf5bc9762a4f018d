"""A real crawl for `benchmarks/live.py`: Scrapy, whose item pipeline posts each page to an LLM server.

`python benchmarks/live_crawl.py JSON` with `start` (a page that links to all others), `llm` (a URL), `wait` (wait for
each answer in the pipeline), `pages_per_s` (how fast links are found; null: at once) and `settings` of Scrapy.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlsplit

import aiohttp
import scrapy
from scrapy.crawler import CrawlerProcess


class PageSpider(scrapy.Spider):
    name = "pages"

    async def start(self):
        yield scrapy.Request(self.settings["BENCH"]["start"], meta={"entro_requests": 0})

    async def parse(self, response):
        """Follow every link, at most `pages_per_s` of them a second."""
        rate = self.settings["BENCH"]["pages_per_s"]
        clock = asyncio.get_running_loop().time
        begin = clock()
        for number, link in enumerate(response.css("a::attr(href)").getall()):
            if rate:
                await asyncio.sleep(max(0.0, begin + number / rate - clock()))
            yield response.follow(link, self.parse_page)

    def parse_page(self, response):
        return {"url": response.url, "text": response.text}


class AskPipeline:
    """Post each page to the LLM server. The spider is done when all answers are there."""

    def __init__(self, options):
        self.url, self.waits = f"{options['llm']}/v1/completions", options["wait"]
        self.session = None
        self.tasks = set()

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler.settings["BENCH"])

    async def process_item(self, item):
        if self.session is None:
            unlimited = aiohttp.TCPConnector(limit=0)
            self.session = aiohttp.ClientSession(connector=unlimited, timeout=aiohttp.ClientTimeout())
        task = asyncio.create_task(self.ask(item))
        self.tasks.add(task)
        if self.waits:
            await task
        return {"url": item["url"]}

    async def ask(self, item):
        headers, body = {"X-Request-Id": urlsplit(item["url"]).path}, {"model": "fake", "prompt": item["text"]}
        async with self.session.post(self.url, json=body, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()

    async def close_spider(self):
        if self.session:
            await asyncio.gather(*self.tasks)
            await self.session.close()


def main() -> None:
    options = json.loads(sys.argv[1])
    settings = {
        "BENCH": options,
        "ITEM_PIPELINES": {AskPipeline: 300},
        "LOG_LEVEL": "WARNING",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings | options["settings"])
    process.crawl(PageSpider)
    process.start()


if __name__ == "__main__":
    main()
