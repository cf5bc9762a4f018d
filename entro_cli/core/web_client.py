"""Limits for aiohttp, with which fsspec fetches from web servers: no pages without end, no redirects that leave TLS."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urljoin

from aiohttp import ClientPayloadError, ClientResponse, TraceConfig, TraceRequestRedirectParams

from entro_cli.core.urls import scheme_of
from entro_engine import EntroError

_MAX_BYTES = 1 << 28


class BoundedResponse(ClientResponse):
    """A response that is not read into memory beyond a size. Logs are written to a file, and pass by it."""

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            ClientPayloadError: if it is too large.
        """
        if self._body is None:
            body = bytearray()
            async for part in self.content.iter_any():
                body += part
                if len(body) > _MAX_BYTES:
                    self.close()
                    raise ClientPayloadError(f"the response is longer than {_MAX_BYTES >> 20} MiB")
            self._body = bytes(body)
        return self._body


@cache
def redirects_with_tls() -> TraceConfig:
    """Return a tracer that refuses a redirect from https to http; the same one each time, as fsspec compares it."""
    tracer = TraceConfig()
    tracer.on_request_redirect.append(_refuse_plain)
    return tracer


async def _refuse_plain(session: object, context: object, redirect: TraceRequestRedirectParams) -> Any:
    target = urljoin(str(redirect.url), redirect.response.headers.get("Location", ""))
    if redirect.url.scheme == "https" and scheme_of(target) != "https":
        raise EntroError(
            "redirects to an address without TLS", where=redirect.url.host or "", remedy="name where it leads to"
        )
