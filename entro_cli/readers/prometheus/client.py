"""A Prometheus server: range queries over HTTP, split where a server would refuse them, its errors in words."""

from __future__ import annotations

import base64
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, urlencode, urlsplit

from entro_cli.core.clock import NS
from entro_cli.core.connections import connection_failure, lost_connections_as_errors
from entro_cli.core.console import printable
from entro_cli.core.secrets import Secret, SecretFile, SecretVariable
from entro_cli.readers.prometheus.response import PrometheusAnswer, joined, parse_answer
from entro_engine import EntroError

_MOST_POINTS = 10_000
"""Points of a series asked for at once; a server refuses more than 11,000."""

_MOST_REQUESTS = 2_000
_PAUSES_S = (1.0, 4.0)
_LARGEST_ANSWER = 1 << 28
_TOKEN, _USER, _PASSWORD = "ENTRO_PROMETHEUS_TOKEN", "ENTRO_PROMETHEUS_USER", "ENTRO_PROMETHEUS_PASSWORD"
_CREDENTIALS = (
    f"a token in {_TOKEN} (or its file in {_TOKEN}_FILE), or {_USER} and {_PASSWORD} (or its file in {_PASSWORD}_FILE)"
)


@dataclass(frozen=True)
class TimeRange:
    """What is asked for: from `begin_ns` to `end_ns`, nanoseconds since the epoch, a point every `step_ns`."""

    begin_ns: int
    end_ns: int
    step_ns: int

    def parts(self) -> Iterator[tuple[int, int]]:
        """Its points, on whole steps since the epoch, in parts that a server answers: each one's first and last."""
        first = -(-self.begin_ns // self.step_ns)
        last = self.end_ns // self.step_ns
        for begin in range(first, last + 1, _MOST_POINTS):
            yield begin * self.step_ns, min(begin + _MOST_POINTS - 1, last) * self.step_ns

    def check(self) -> None:
        """Refuse a range that is empty or would be asked for in far too many parts.

        Raises:
            EntroError: when it is.
        """
        points = self.end_ns // self.step_ns + self.begin_ns // -self.step_ns + 1
        if points < 1:
            raise EntroError(
                "there is no point in the time asked for", where="--since/--until", expected="a step or more"
            )
        if points > _MOST_POINTS * _MOST_REQUESTS:
            raise EntroError(
                f"{points:,} points are too many to ask for",
                where="--since/--until",
                expected=f"at most {_MOST_POINTS * _MOST_REQUESTS:,}",
                remedy="ask for a shorter time, or with a longer --step",
            )


@dataclass(frozen=True)
class PrometheusServer:
    """A server that answers to /api/v1/query_range: Prometheus, or one that took after it.

    Asked with the standard library, as a webhook is told: one request at a time, no redirects, for what it redirects to
    would be given the credentials.

    Attributes:
        url: its address, http or https, without user and password; a path may follow.
        environ: the environment: credentials are looked for in it, or in the files it names.
        timeout_s: how long the server may keep us waiting each time, seconds.
        sleep: waits so many seconds.
    """

    url: str
    environ: Mapping[str, str]
    timeout_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"Prometheus at {printable(_checked(self.url).netloc)}"

    def query_range(self, query: str, asked: TimeRange) -> PrometheusAnswer:
        """The answer to a range query.

        Args:
            query: PromQL.
            asked: the time and the step.

        Raises:
            EntroError: when the server cannot be reached or cannot answer, or the range is too long.
        """
        asked.check()
        where = f"{self.label}, query {printable(query[:200])}"
        answers = []
        for begin, end in asked.parts():
            form = {"query": query, "start": _seconds(begin), "end": _seconds(end), "step": _seconds(asked.step_ns)}
            answers.append(parse_answer(self._ask(urlencode(form).encode()), where))
        series = joined([part for answer in answers for part in answer.series], where)
        warnings = dict.fromkeys(text for answer in answers for text in answer.warnings)
        return PrometheusAnswer(tuple(series), tuple(warnings))

    def _ask(self, form: bytes) -> str:
        """One request: after 429, a 5xx or a lost connection tried twice more, after a pause."""
        with lost_connections_as_errors():
            for pause in (*_PAUSES_S, None):
                found = self._post(form)
                if isinstance(found, str):
                    return found
                if pause is None or not found.passing:
                    raise EntroError(found.found, where=self.label, remedy=found.remedy)
                self.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _post(self, form: bytes) -> str | _Failure:
        url = _checked(self.url)
        request = urllib.request.Request(  # noqa: S310  (the scheme was checked)
            f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}/api/v1/query_range",
            data=form,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                "User-Agent": "entro",
                **authorization(self.environ),
            },
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirect()).open(request, timeout=self.timeout_s) as answer:
                return self._text(answer)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error)
        except (OSError, HTTPException, ValueError) as error:
            return self._unreachable(error)

    def _text(self, answer: IO[bytes]) -> str:
        content = answer.read(_LARGEST_ANSWER + 1)
        if len(content) > _LARGEST_ANSWER:
            raise EntroError(
                f"the answer is longer than {_LARGEST_ANSWER >> 20} MiB",
                where=self.label,
                remedy="ask for fewer series, such as sum(...), for a shorter time, or with a longer --step",
            )
        return content.decode("utf-8", "replace")

    def _refused(self, error: urllib.error.HTTPError) -> str | _Failure:
        """What an answer that is not 2xx says: in the server's own words, where it has some."""
        status = error.code
        if status in {401, 403}:
            return _Failure(f"refuses the credentials ({status})", passing=False, remedy=f"give {_CREDENTIALS}")
        if 300 <= status < 400:
            return _Failure(f"answered {status}, a redirect, which is not followed", False, "name where it leads to")
        passing = status == 429 or status >= 500
        try:
            content = error.read(1 << 16).decode("utf-8", "replace")
        except (OSError, HTTPException):
            content = ""
        if not passing and content.lstrip().startswith("{"):
            return content
        remedy = "" if passing else "check the address: /api/v1/query_range is added to it"
        return _Failure(f"answered {status}", passing, remedy)

    def _unreachable(self, error: Exception) -> _Failure:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, OSError):
            found = connection_failure(reason, self.timeout_s)
            return _Failure(found, not isinstance(reason, ssl.SSLError), "check the address given with --prometheus")
        return _Failure("gave an answer that is no HTTP, or is cut short", passing=False)


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed, whether that may pass, and what can be done."""

    found: str
    passing: bool
    remedy: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: another server would be given the credentials."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """No request is the answer to a redirect."""


def authorization(environ: Mapping[str, str]) -> dict[str, str]:
    """The header that says who asks; none where the environment does not say.

    Args:
        environ: the environment.

    Raises:
        EntroError: when it says it in two ways, or by half, or a secret lies open.
    """
    token, password = _secret(_TOKEN, environ), _secret(_PASSWORD, environ)
    user = environ.get(_USER, "")
    if token and (user or password):
        raise EntroError("both a token and a password are given", where=_TOKEN, expected="one of them")
    if bool(user) != bool(password):
        raise EntroError(
            "a user is given without a password" if user else "a password is given without a user",
            where=_USER,
            expected="both or none",
        )
    if token:
        return {"Authorization": f"Bearer {_one_line(token.reveal(environ), _TOKEN)}"}
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
        raise EntroError("is no token", where=variable, expected="one line of ASCII")
    return secret


def _seconds(ns: int) -> str:
    """Nanoseconds as seconds, to the millisecond, which is all that a server counts."""
    return f"{ns // NS}.{ns % NS // 10**6:03}"


def _checked(url: str) -> SplitResult:
    """An address that can be asked.

    Raises:
        EntroError: when it is none; one that may hold a password is not shown.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if "@" in url:
        raise EntroError(
            "the address holds a user or a password, and is not shown", where="--prometheus", expected=_CREDENTIALS
        )
    plain = url.isascii() and url.isprintable() and " " not in url and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not usable or not plain:
        raise EntroError(
            f"{printable(url[:100])!r} is no address of a server",
            where="--prometheus",
            expected="http://HOST:9090 or https://HOST/PATH",
        )
    return parts
