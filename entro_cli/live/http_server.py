"""The HTTP endpoint of the coordinator: the cap, the clients, and metrics of its own."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import msgspec
from aiohttp import web

from entro_cli.live.clients import ClientReport, TooManyClientsError
from entro_cli.live.coordinator import Coordinator
from entro_cli.live.documents import cap_document, metrics_text
from entro_engine import EntroError

_MAX_BODY_BYTES = 4096
_REQUEST_TIMEOUT_S = 5.0
_FEW_CLIENTS = 100
_LONGEST_TICK_S = 0.7
_IDLE_TIMEOUT_S = 15.0
"""A connection without a whole request is closed after this time, so that slow clients cannot hold all of them. So is
one that does not read its answers."""

_UNREAD_BYTES = 65536
"""Answers that wait in the kernel for a connection to read them. By default it keeps megabytes for each."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CoordinatorServer:
    """The endpoint, which runs in the loop that starts it.

    Args:
        coordinator: the coordinator.
        pipeline: the name of its pipeline.
        token: the token that every path but /healthz asks for; None for none.
        now_s: the clock of the leases, s.
        now_ns: the time, ns since the epoch.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        pipeline: str,
        token: str | None,
        now_s: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        self._pipeline = pipeline
        self._coordinator, self._now_s, self._now_ns = coordinator, now_s, now_ns
        self._token = token.encode() if token else None
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/cap", self._cap),
                web.get("/metrics", self._metrics),
                web.post("/clients", self._report),
                web.delete("/clients/{id}", self._leave),
            ]
        )
        # Garbage is answered with 400, and needs no traceback for each of its kind.
        logger = logging.getLogger("entro.http")
        logger.disabled = True
        self._runner = web.AppRunner(
            app, access_log=None, logger=logger, keepalive_timeout=_IDLE_TIMEOUT_S, shutdown_timeout=1.0
        )

    async def start(self, host: str, port: int) -> str:
        """Listen; return the address.

        Raises:
            EntroError: if that is not possible.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # idle connections of others use up files until they time out
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
        await self._runner.setup()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * _IDLE_TIMEOUT_S))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)  # connections inherit both
            await web.SockSite(self._runner, listening, backlog=1024).start()
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = "choose another with --listen HOST:PORT"
            raise EntroError(f"cannot listen: {reason}", where=f"{host}:{port}", remedy=remedy) from error
        shown, bound = self._runner.addresses[0][:2]
        return f"http://[{shown}]:{bound}" if ":" in shown else f"http://{shown}:{bound}"

    async def stop(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, and put errors into JSON."""
        try:
            if (refusal := self._refusal(request)) is not None:
                return refusal
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                return await handler(request)
        except TimeoutError:
            return _error(408, "the request took too long")
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        except (ValueError, RecursionError, web.RequestPayloadError):  # of the host, of JSON, of a packed body
            return _error(400, "the request cannot be read")

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the answer to requests of browsers and to those without the token; None for all others."""
        if "Origin" in request.headers:  # a page of any site can send requests to this machine
            return _error(403, "requests of web pages are refused")
        if self._token is None and not _is_direct(request.url.host or ""):  # a name that a page had lead to here
            return _error(403, "without a token, only localhost and addresses of IP are answered")
        if self._token is not None and request.path != "/healthz":
            scheme, _, text = request.headers.get("Authorization", "").partition(" ")
            given = text.strip().encode(errors="surrogateescape")  # bytes: only those are compared in constant time
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token):
                return _error(401, "the token is missing or wrong")
        return None

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return _answer({"status": "ok"})

    async def _cap(self, request: web.Request) -> web.StreamResponse:
        return _answer(cap_document(self._coordinator, self._now_ns()))

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        text = metrics_text(self._coordinator, self._pipeline, self._now_ns())
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _report(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            return _error(415, "expected Content-Type: application/json")
        try:
            report = msgspec.json.decode(await request.read(), type=ClientReport)
            clients = self._coordinator.clients
            if clients.renew(report, self._now_s()) and len(clients) <= _FEW_CLIENTS:
                self._coordinator.share_out()  # a spider starts at once; a flood has to wait for the next second
        except TooManyClientsError as error:
            return _error(429, str(error))
        except (msgspec.MsgspecError, EntroError, UnicodeDecodeError) as error:
            return _error(400, str(error))
        await self._until_ticked()
        if report.id not in clients:
            return _error(429, "others took the lease")
        return _answer(cap_document(self._coordinator, self._now_ns(), report.id))

    async def _until_ticked(self) -> None:
        """Wait for the tick of this second, if it is due: clients ask when they expect its cap."""
        deadline = self._now_s() + _LONGEST_TICK_S
        while self._coordinator.is_due(self._now_ns()) and self._now_s() < deadline:
            await asyncio.sleep(_LONGEST_TICK_S / 50)

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        if not self._coordinator.clients.leave(request.match_info["id"]):
            return _error(404, "no such client")
        self._coordinator.share_out()
        return web.Response(status=204)


def _is_direct(host: str) -> bool:
    """Return whether a host is no name, or that of this machine."""
    try:
        return host == "localhost" or bool(ip_address(host))
    except ValueError:
        return False


def _answer(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(document) + "\n", status=status, content_type="application/json")


def _error(status: int, found: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    response = _answer({"error": found}, status)
    response.headers.update(headers)
    return response
