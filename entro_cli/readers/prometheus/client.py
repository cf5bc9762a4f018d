"""Metrics over HTTP: range queries to a Prometheus server, in parts that it accepts, and pages of metrics."""

from __future__ import annotations

import base64
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import SplitResult, urlencode, urlsplit

from msgspec import Struct

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.core.http import PAUSES_S, HttpFailure, refusal, send
from entro_cli.core.secrets import Secret, SecretFile, SecretVariable
from entro_cli.readers.prometheus.response import differ_at_one_time, parse_json, parse_response
from entro_cli.readers.prometheus.series import MetricSamples, MetricSeries
from entro_cli.timeseries.problems import Problem
from entro_engine import EntroError

_MOST_POINTS = 10_000
"""Points per series of one request; a server refuses more than 11,000."""

_MOST_REQUESTS = 2_000
_LARGEST_RESPONSE_BYTES = 1 << 28


class TimeRange(Struct, frozen=True):
    """The time of a range query: from `begin_ns` to `end_ns`, nanoseconds since the epoch, a point every `step_ns`."""

    begin_ns: int
    end_ns: int
    step_ns: int

    def parts(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the last point of each request; points are on whole steps since the epoch."""
        first = -(-self.begin_ns // self.step_ns)
        last = self.end_ns // self.step_ns
        for begin in range(first, last + 1, _MOST_POINTS):
            yield begin * self.step_ns, min(begin + _MOST_POINTS - 1, last) * self.step_ns

    def check(self) -> None:
        """Refuse a range that is empty or takes too many requests.

        Raises:
            EntroError: if it does.
        """
        points = self.end_ns // self.step_ns + self.begin_ns // -self.step_ns + 1
        if points < 1:
            raise EntroError("the time is shorter than a step", where="--since/--until", expected="at least one step")
        if points > _MOST_POINTS * _MOST_REQUESTS:
            raise EntroError(
                f"{points:,} points are too many",
                where="--since/--until",
                expected=f"at most {_MOST_POINTS * _MOST_REQUESTS:,}",
                remedy="query a shorter time, or with a longer --step",
            )


class PrometheusResponse(Struct, frozen=True):
    """A response to a range query: its series, the warnings of the server, and the number of samples left out."""

    series: list[MetricSeries]
    warnings: list[Problem]
    not_finite: int


class _Source(Struct, frozen=True):
    """Something with metrics at an address.

    Attributes:
        url: its address, http or https, without user and password.
        environ: the environment, which has the credentials or names files that have them.
        timeout_s: how long each attempt may take as a whole, s.
        sleep: waits a number of seconds.
        pauses_s: the pauses before further attempts, s.
    """

    url: str
    environ: Mapping[str, str]
    timeout_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    pauses_s: tuple[float, ...] = PAUSES_S

    option: ClassVar[str]
    example: ClassVar[str]
    prefix: ClassVar[str]
    too_long: ClassVar[str]
    other_path: ClassVar[str]

    def _address(self) -> SplitResult:
        return checked_url(self.url, self.option, self.prefix, self.example)

    def _send(self, url: str, where: str, data: bytes | None = None, **headers: str) -> str:
        """Return the answer to a request, which is sent again after a 429, a 5xx or a lost connection."""
        headers = {"User-Agent": "entro", **headers, **authorization(self.environ, self.prefix)}
        return send(
            urllib.request.Request(url, data, headers),  # noqa: S310  (the scheme was checked)
            where=where,
            timeout_s=self.timeout_s,
            sleep=self.sleep,
            read=lambda body: self._text(body, where),
            refused=self._refused,
            unreachable_remedy=f"check the address given with {self.option}",
            pauses_s=self.pauses_s,
        )

    def _text(self, body: IO[bytes], where: str) -> str:
        content = body.read(_LARGEST_RESPONSE_BYTES + 1)
        if len(content) <= _LARGEST_RESPONSE_BYTES and getattr(body, "length", None):  # with a limit, it does not raise
            raise IncompleteRead(content)
        if len(content) > _LARGEST_RESPONSE_BYTES:
            found = f"the response is longer than {_LARGEST_RESPONSE_BYTES >> 20} MiB"
            raise EntroError(found, where=where, remedy=self.too_long)
        return content.decode("utf-8", "replace")

    def _refused(self, error: urllib.error.HTTPError) -> str | HttpFailure:
        """Describe a response that refuses the request."""
        if error.code in {401, 403}:
            return HttpFailure(f"refuses the credentials ({error.code})", remedy=f"give {_credentials(self.prefix)}")
        return refusal(error.code, redirect_remedy="name where it leads to", remedy=self.other_path)


class PrometheusServer(_Source, frozen=True):
    """A server with /api/v1/query_range: Prometheus, or one that is compatible with it."""

    option = "--prometheus"
    example = "http://HOST:9090"
    prefix = "ENTRO_PROMETHEUS"
    too_long = "query fewer series, such as sum(...), or a shorter time"
    other_path = "check the address: /api/v1/query_range is added to it"

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"Prometheus at {printable(self._address().netloc)}"

    def query_range(self, query: str, time_range: TimeRange) -> PrometheusResponse:
        """Run a range query.

        Args:
            query: PromQL.
            time_range: the time and the step.

        Raises:
            EntroError: if the server cannot be reached or reports an error, or the time takes too many requests.
        """
        time_range.check()
        url, where = self._address(), f"{self.label}, query {printable(query[:200])}"
        address = f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}/api/v1/query_range"
        samples, warnings = MetricSamples(), dict[Problem, None]()
        for begin, end in time_range.parts():
            times = {"start": _seconds(begin), "end": _seconds(end), "step": _seconds(time_range.step_ns)}
            form = urlencode({"query": query} | times).encode()
            answer = self._send(address, self.label, form, Accept="application/json")
            warnings |= dict.fromkeys(parse_response(parse_json(answer), where, samples))
        series = samples.series(lambda labels: differ_at_one_time(labels, where))
        return PrometheusResponse(series, [*warnings], samples.not_finite)

    def _refused(self, error: urllib.error.HTTPError) -> str | HttpFailure:
        """Return the server's own error document, or describe a response without one."""
        failure = super()._refused(error)
        if isinstance(failure, str) or failure.is_transient or error.code < 400 or error.code in {401, 403}:
            return failure
        try:
            content = error.read(1 << 16).decode("utf-8", "replace")
        except (OSError, HTTPException):
            return failure
        return content if content.lstrip().startswith("{") else failure


class MetricsPage(_Source, frozen=True):
    """A page of metrics at an address without a query, which would be shown."""

    timeout_s: float = 20.0

    option = "--metrics"
    example = "http://HOST:8000/metrics"
    prefix = "ENTRO_METRICS"
    too_long = "name a page of fewer metrics"
    other_path = "check the path, such as /metrics"

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"metrics at {printable(self._address().netloc + self._address().path)}"

    def fetch(self) -> str:
        """Return the text of the page.

        Raises:
            EntroError: if the server cannot be reached, or answers with something else.
        """
        return self._send(self.url, self.label, Accept="text/plain")


def _credentials(prefix: str) -> str:
    token, password = f"{prefix}_TOKEN", f"{prefix}_PASSWORD"
    return (
        f"a token in {token} (or its file in {token}_FILE), or {prefix}_USER and {password} "
        f"(or its file in {password}_FILE)"
    )


def authorization(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the header with the credentials; empty if the environment has none.

    Args:
        environ: the environment.
        prefix: the beginning of the names of its variables.

    Raises:
        EntroError: if it has a token and a password, or a user or a password alone, or others can read a secret file.
    """
    token, password = _secret(f"{prefix}_TOKEN", environ), _secret(f"{prefix}_PASSWORD", environ)
    user = environ.get(f"{prefix}_USER", "")
    if token and (user or password):
        raise EntroError("both a token and a password are given", where=f"{prefix}_TOKEN", expected="one of them")
    if bool(user) != bool(password):
        raise EntroError(
            "a user is given without a password" if user else "a password is given without a user",
            where=f"{prefix}_USER",
            expected="both or none",
        )
    if token:
        return {"Authorization": f"Bearer {_one_line(token.reveal(environ), f'{prefix}_TOKEN')}"}
    if password:
        pair = f"{user}:{password.reveal(environ)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _secret(variable: str, environ: Mapping[str, str]) -> Secret | None:
    if environ.get(variable):
        return SecretVariable(variable)
    return SecretFile(Path(file)) if (file := environ.get(f"{variable}_FILE")) else None


def _one_line(secret: str, variable: str) -> str:
    if not secret.isascii() or not secret.isprintable():
        raise EntroError("is not a token", where=variable, expected="one line of ASCII")
    return secret


def _seconds(ns: int) -> str:
    """Return nanoseconds as seconds with three digits: Prometheus counts whole milliseconds."""
    return f"{ns // NS}.{ns % NS // 10**6:03}"


def checked_url(url: str, option: str, prefix: str, example: str) -> SplitResult:
    """Return the parts of the address of a server or a page.

    Args:
        url: the address.
        option: the option with which it was given.
        prefix: beginning of the names of the variables with its credentials.
        example: an address that is right.

    Raises:
        EntroError: if it is not one. An address that may hold a password is not shown.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if "@" in url:
        found = "the address has a user or a password and is not shown"
        raise EntroError(found, where=option, expected=_credentials(prefix))
    plain = url.isascii() and url.isprintable() and " " not in url and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not usable or not plain:
        shown = printable(url.partition("?")[0][:100])  # a query may hold a token
        found = f"{shown!r}{' with a query' if parts.query else ''} is not the address of a server"
        raise EntroError(found, where=option, expected=f"{example} or https://HOST/PATH")
    return parts
