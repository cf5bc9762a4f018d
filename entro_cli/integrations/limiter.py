"""Limiters that hold a program to the rate of `entro coordinate`: one for threads, one for asyncio."""

import asyncio

from entro_cli.integrations.client import CoordinatorClient


class Limiter(CoordinatorClient):
    """A limiter for threads: `limiter.acquire()` or `with limiter:` before each request."""

    def acquire(self, n: float = 1.0) -> None:
        """Wait until `n` requests may go; RuntimeError if the limiter is closed."""
        permission = self.request(n)
        try:
            permission.result()
        except BaseException:  # Ctrl-C: its place in the queue becomes free
            permission.cancel()
            raise

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        pass


class AsyncLimiter(CoordinatorClient):
    """A limiter for asyncio: `await limiter.acquire()` or `async with limiter:` before each request."""

    async def acquire(self, n: float = 1.0) -> None:
        """Wait until `n` requests may go; RuntimeError if the limiter is closed."""
        await asyncio.wrap_future(self.request(n))

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        pass
