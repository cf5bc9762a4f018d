"""Requests with the standard library: no redirects, and up to three attempts.

One request at a time needs no pool, no session and no cookies, so an HTTP library would bring more than it saves.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from email.message import Message
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, Any, TypeVar

from msgspec import Struct

from entro_cli.core.connections import Deadline, connection_failure, lost_connections_as_errors
from entro_engine import EntroError

T = TypeVar("T")

LONGEST_WAIT_S = 30.0
"""A server that asks for a longer wait is not tried again, s."""

PAUSES_S = (1.0, 4.0)
"""Pauses before the second and the third attempt, s."""


class HttpFailure(Struct, frozen=True):
    """Why an attempt failed.

    Attributes:
        found: the reason, as a clause.
        is_transient: whether another attempt may succeed.
        wait_s: how long the server asks to wait before the next attempt, s; None if it does not say.
        remedy: what the user can do about it.
    """

    found: str
    is_transient: bool = False
    wait_s: float | None = None
    remedy: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Handler that follows no redirect: another server would receive the credentials or the secret address."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Make no request, which leaves the redirect to the opener's error handler."""


class _Connections(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Handler whose connections end at a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request without TLS."""
        return self.do_open(partial(self._connection, HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request with TLS; the certificate is checked."""
        return self.do_open(partial(self._connection, HTTPSConnection), req)

    def _connection(self, kind: type[HTTPConnection], host: str, **options: Any) -> HTTPConnection:
        connection = kind(host, **options)
        connection._create_connection = self._deadline.connect  # type: ignore[attr-defined]
        return connection


def send(
    request: urllib.request.Request,
    *,
    where: str,
    timeout_s: float,
    sleep: Callable[[float], None],
    read: Callable[[IO[bytes]], T],
    refused: Callable[[urllib.error.HTTPError], T | HttpFailure],
    unreachable_remedy: str = "",
    pauses_s: Sequence[float] = PAUSES_S,
) -> T:
    """Send a request, up to three times while it fails for a transient reason.

    Args:
        request: the request; its address must be http or https.
        where: the server's name in messages.
        timeout_s: how long each attempt may take as a whole, s.
        sleep: waits a number of seconds.
        read: reads the body of a 2xx response.
        refused: turns any other response into a result or a failure.
        unreachable_remedy: what the user can do if there is no response.
        pauses_s: the pauses before further attempts, s; none for a single attempt.

    Returns:
        The result of `read` or `refused`.

    Raises:
        EntroError: if the last attempt fails.
    """
    with lost_connections_as_errors():
        for pause in (*pauses_s, None):
            result = _attempt(request, timeout_s, read, refused, unreachable_remedy)
            if not isinstance(result, HttpFailure):
                return result
            if pause is None or not result.is_transient or (result.wait_s or 0.0) > LONGEST_WAIT_S:
                # Raised here, outside of any `except`: the cause's text may hold the address, which can be a secret.
                raise EntroError(result.found, where=where, remedy=result.remedy)
            sleep(pause if result.wait_s is None else result.wait_s)
    raise AssertionError("the last attempt returns or raises")


def refusal(status: int, *, redirect_remedy: str, remedy: str) -> HttpFailure:
    """Describe a response that is not 2xx.

    Args:
        status: its status; 429 and 5xx are transient.
        redirect_remedy: what the user can do about a redirect.
        remedy: what the user can do about another permanent failure.
    """
    if 300 <= status < 400:
        return HttpFailure(f"answered {status}, a redirect, which is not followed", remedy=redirect_remedy)
    is_transient = status == 429 or status >= 500
    return HttpFailure(f"answered {status}", is_transient, remedy="" if is_transient else remedy)


def _attempt(
    request: urllib.request.Request,
    timeout_s: float,
    read: Callable[[IO[bytes]], T],
    refused: Callable[[urllib.error.HTTPError], T | HttpFailure],
    unreachable_remedy: str,
) -> T | HttpFailure:
    with Deadline(timeout_s) as deadline:
        try:
            opener = urllib.request.build_opener(_NoRedirect(), _Connections(deadline))
            with opener.open(request, timeout=timeout_s) as response:
                result = read(response)
        except urllib.error.HTTPError as error:
            with error:
                return refused(error)
        except (OSError, HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(reason, OSError) and not deadline.has_passed:
                # A certificate does not become trusted within seconds.
                is_transient = not isinstance(reason, ssl.SSLError)
                return HttpFailure(connection_failure(reason, timeout_s), is_transient, remedy=unreachable_remedy)
            found = "sent an invalid or incomplete HTTP response"
        else:
            if not deadline.has_passed:  # else the end of the response may be missing
                return result
    if deadline.has_passed:
        return HttpFailure(connection_failure(TimeoutError(), timeout_s), is_transient=True, remedy=unreachable_remedy)
    return HttpFailure(found)
