"""A downloader middleware that holds a Scrapy spider to the rate of `entro coordinate`. Needs Scrapy 2.13 or newer."""

import asyncio
import os
from contextlib import suppress
from typing import Any, Self
from weakref import WeakKeyDictionary

from scrapy import Request, signals
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from entro_cli.integrations.client import CoordinatorClient


class EntroMiddleware:
    """Delay pages until the LLM requests that they make, `meta["entro_requests"]`, are permitted.

    The permission of a page that is redirected, fails or is tried again goes back: only a response of class 2xx is
    taken to make LLM requests. Settings: ENTRO_COORDINATOR, ENTRO_TOKEN, ENTRO_CLIENT, ENTRO_WEIGHT.
    """

    def __init__(self, crawler: Any) -> None:
        names = ("ENTRO_COORDINATOR", "ENTRO_TOKEN", "ENTRO_CLIENT", "ENTRO_WEIGHT")
        url, token, name, weight = (crawler.settings.get(each) or os.environ.get(each) for each in names)
        weight = float(weight) if weight else None
        self._client = CoordinatorClient(url, token, name or crawler.spidercls.name, weight)
        self._crawler = crawler
        self._following: asyncio.Task[None] | None = None
        self._permitted: WeakKeyDictionary[Request, float] = WeakKeyDictionary()
        crawler.signals.connect(self._spider_closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Any) -> Self:
        """Make the middleware of a crawler."""
        return cls(crawler)

    async def process_request(self, request: Request, spider: Any = None) -> Request | None:
        """Wait for permission. If the spider closes meanwhile, give the request back to the scheduler."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow_spider())
        if request.meta.get("entro_returned") == self._client.id:
            raise IgnoreRequest("the spider is closing")  # engine.download_async() would try for ever
        # robots.txt and media files reach no callback.
        n = request.meta.get("entro_requests", 0 if request.callback is NO_CALLBACK else 1)
        try:
            await asyncio.wrap_future(self._client.request(n))
        except RuntimeError:
            return request.replace(dont_filter=True, meta={**request.meta, "entro_returned": self._client.id})
        self._permitted[request] = n
        return None

    def process_response(self, request: Request, response: Response, spider: Any = None) -> Response:
        """Give back the permission of a page that makes no LLM requests."""
        if not 200 <= response.status < 300:
            self.process_exception(request)
        return response

    def process_exception(self, request: Request, exception: Exception | None = None, spider: Any = None) -> None:
        """Give back the permission of a page that failed."""
        self._client.give_back(self._permitted.pop(request, 0.0))

    async def _follow_spider(self) -> None:
        # A spider that closes waits for its requests, and no signal announces it.
        engine = self._crawler.engine
        slot = getattr(engine, "_slot", None) or engine.slot  # before Scrapy 2.14
        while engine.running and slot.closing is None:
            with suppress(Exception):  # a scheduler without a length, or with a server that is away
                self._client.backlog = float(len(slot.scheduler))
            await asyncio.sleep(0.2)
        await asyncio.to_thread(self._client.close)

    async def _spider_closed(self) -> None:
        if self._following is not None:
            await self._following
