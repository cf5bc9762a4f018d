"""Names of the columns of logs of requests: roles, units of lengths of time, and the servers that write them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from entro_cli.core.clock import NS
from entro_cli.readers.tables.column_names import names_time, tokens


class Role(StrEnum):
    """Role of a column: a time of a request, or a length of time."""

    ARRIVAL = "arrival"
    QUEUED = "queued"
    START = "start"
    FINISH = "finish"
    WAIT = "wait"
    """From the arrival to the start."""
    SERVICE = "service"
    """From the start to the finish."""
    DURATION = "duration"
    """From the arrival to the finish."""


LENGTHS = frozenset({Role.WAIT, Role.SERVICE, Role.DURATION})
"""Roles that are lengths of time; the others are times."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


_BY_NAME = {  # times without the words that only mean a time, lengths without their unit; the most specific first
    Role.ARRIVAL: _names("arrival, arrived, submitted, submit, submission, created, creation, received, sent, request"),
    Role.QUEUED: _names("queued, enqueued"),
    Role.START: _names("started, scheduled, start, dequeued, dispatched, processing start, execution start, began"),
    Role.FINISH: _names(
        "finished, finish, completed, completion, complete, done, ended, end, last token, stopped, closed"
    ),
    Role.WAIT: _names("queue time, queue duration, queue latency, queueing time, wait time, waiting time, wait"),
    Role.SERVICE: _names("processing time, service time, execution time, inference time, run time, runtime"),
    Role.DURATION: _names(
        "duration, latency, elapsed, elapsed time, e2e latency, e2e time, end to end latency, total latency, "
        "total duration, total time, request latency, request duration, response time, request time, process time, "
        "time taken, took, rt, reqtime, upstream response time"
    ),
}
_TIME_WORDS = frozenset({"at", "time", "ts", "timestamp", "date", "datetime", "dttm", "utc", "unix", "epoch"})
_MOMENT_WORDS = _TIME_WORDS - {"time"}
_STAMPS = _names("msec, time iso8601, time local, data time")
"""Stamps of nginx, the finest first, and that of k6."""
_STATUSES = frozenset(
    _names("status, status code, response code, response status, http status, downstream status, elb status code, code")
)
_PATH_WORDS = frozenset({"path", "uri", "url", "endpoint", "request", "message", "msg", "agent", "req", "ua"})
LENGTH_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": NS, "min": 60 * NS}
"""Units of lengths of time, nanoseconds."""
_UNIT_WORDS = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), "ns"),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minutes"), "min"),
}


class Dialect(Struct, frozen=True):
    """Columns of a known server or load generator, which do not name their unit.

    Attributes:
        name: the program.
        signs: names of columns; one of them shows that the program wrote the log.
        length: name of the column of durations.
        unit: unit of the durations.
        arrival: name of the column of arrivals; empty if the stamp is the end of a request.
        rows: a column and the cell that it has in a row of a request; empty if every row is one.
    """

    name: str
    signs: tuple[str, ...]
    length: str
    unit: str
    arrival: str = ""
    rows: tuple[str, str] = ("", "")


DIALECTS = (
    Dialect(
        "Envoy",
        _names("response flags, upstream cluster, upstream host, x envoy origin path"),
        "duration",
        "ms",
        "start time",
    ),
    Dialect("Google Cloud", ("http request request method",), "http request latency", "", "timestamp"),
    Dialect("Serilog", _names("mt, request path"), "elapsed", "ms"),
    Dialect("Traefik", _names("origin duration, entry point name, router name"), "duration", "ns", "start utc"),
    Dialect("Caddy", _names("request proto, request remote ip"), "duration", "s"),
    Dialect("Kong", ("latencies request",), "latencies request", "ms", "started at"),
    Dialect("pino", ("res status code",), "response time", "ms"),
    Dialect("express-winston", ("meta res status code",), "meta response time", "ms"),
    Dialect("ECS", ("event duration",), "event duration", "ns", "event start"),
    Dialect(
        "nginx", _names("remote addr, msec, time iso8601, time local, body bytes sent, status"), "request time", "s"
    ),
    Dialect("JMeter", _names("all threads, thread name, label"), "elapsed", "ms", "time stamp"),
    Dialect("k6", ("metric name",), "metric value", "ms", rows=("metric_name", "http_req_duration")),
    Dialect("k6, JSON", ("metric",), "data value", "ms", rows=("metric", "http_req_duration")),
)


def dialect_of(columns: Sequence[str]) -> Dialect | None:
    """Return the program that wrote a log, by the names of its columns."""
    names = {spelt(name) for name in columns}
    return next((known for known in DIALECTS if known.length in names and names & {*known.signs}), None)


def spelt(name: str) -> str:
    """Return the words of a column's name, in lower case, with single spaces."""
    return " ".join(tokens(name))


def indices_for(role: Role, columns: Sequence[str]) -> list[int]:
    """Return the columns whose names say that they have a role, the most specific names first.

    A field of an object may be called as if it stood alone: `span.total_time` is a total time.
    """
    base = _without_unit if role in LENGTHS else _without_time
    fields = [name.removesuffix(".value") for name in columns]
    bases = [{base(tokens(part)) for part in (name, name.rpartition(".")[2])} for name in fields]
    return [index for name in _BY_NAME[role] for index, names in enumerate(bases) if name in names]


def stamps_of(columns: Sequence[str]) -> list[int]:
    """Return the columns that have the name of a time in any table, or the finest stamp of nginx."""
    names = [spelt(name) for name in columns]
    plain = [index for index, name in enumerate(columns) if names_time(name)]
    return [names.index(name) for name in _STAMPS if name in names][:1] or plain


def status_of(columns: Sequence[str]) -> list[int]:
    """Return the columns that are called like the status of a response."""
    return [
        index
        for index, name in enumerate(columns)
        if {spelt(name), spelt(name.rpartition(".")[2]), spelt(name).removeprefix("request ")} & _STATUSES
    ]


def paths_of(columns: Sequence[str]) -> list[int]:
    """Return the columns that may hold the path of a request, or the program that sent it."""
    return [index for index, name in enumerate(columns) if {*tokens(name)[-1:]} & _PATH_WORDS]


def names_moment(name: str) -> bool:
    """Return whether a name ends like that of a moment, such as `queued_ts`; `request_time` may be a length."""
    words = tokens(name)
    return bool({*words[-1:]} & _MOMENT_WORDS)


def is_stamp(name: str) -> bool:
    """Return whether a column has the name of a logger's stamp."""
    return names_time(name) or spelt(name) in _STAMPS


def is_of_request(name: str) -> bool:
    """Return whether a name is that of a time, a length, a status or a path of a request."""
    roles = any(indices_for(role, [name]) for role in Role)
    return roles or is_stamp(name) or bool(status_of([name]) or paths_of([name]))


def unit_of(name: str) -> str:
    """Return the unit in which a column's name ends; empty if it names none."""
    return _UNIT_WORDS.get((tokens(name) or [""])[-1], "")


def _without_time(words: list[str]) -> str:
    """Return a name without the words that only mean a time of a request: `request_start_time_ms` is `start`."""
    while len(words) > 1 and words[-1] in _TIME_WORDS | _UNIT_WORDS.keys():
        words = words[:-1]
    return " ".join(words[1:] if len(words) > 1 and words[0] in {"request", "req"} else words)


def _without_unit(words: list[str]) -> str:
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNIT_WORDS else words)
