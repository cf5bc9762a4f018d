"""Lines of the access logs of web servers, proxies and LLM servers, as patterns, and what an access log lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from entro_cli.readers.requests.names import unit_of
from entro_cli.readers.requests.sample import WITH_UNIT

_ANSI = r"(?:\x1b\[[0-9;]*m)*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CLF_TIME = r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d"
_LABEL = re.compile(rf'(?:^|[ ,;"])([A-Za-z_]\w*)[=:]"?(?:[0-9]+(?:\.[0-9]+)?|{WITH_UNIT})(?=[ ,;"]|$)')
_LENGTH = re.compile(rf'(?:^|[ "]){WITH_UNIT}(?=[ "]|$)')
_NUMBER = re.compile(r'(?:^|[ "])([0-9]+(?:\.[0-9]+)?)(?=[ "]|$)')
_ALIASES = {"rt": "request_time", "urt": "upstream_response_time", "D": "duration_us"}
_DURATIONS = ("request_time", "duration", "latency", "elapsed", "response_time", "time_taken", "upstream_response_time")


@dataclass(frozen=True)
class LineFormat:
    """A format of lines that each report one request.

    Attributes:
        name: the program that writes them.
        pattern: a regular expression; its groups are columns of a table of requests.
        columns: columns that are made of the group `rest`, by name, each with a pattern of its own.
    """

    name: str
    pattern: str
    columns: dict[str, str] = field(default_factory=dict)


ACCESS_LOG = LineFormat(
    "access log of nginx or Apache",  # with four groups, RE2 is twice as fast as with five
    rf'^[^\["]*\[(?P<time>{_CLF_TIME} [+-]\d{{4}})\] (?P<request>{_QUOTED}) (?P<status>\d{{3}}) (?:\d+|-)(?P<rest>.*)$',
)
"""The Common Log Format or the combined one, and what the administrator added."""

_FIXED = (
    LineFormat(
        "Envoy",
        rf"^\[(?P<arrival_time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\] (?P<request>{_QUOTED}) (?P<status>\d{{1,3}}) \S+ "
        rf"(?:\S+ \S+ {_QUOTED} )?\d+ \d+ (?P<duration_ms>\d+) ",  # Istio has three columns more
    ),
    LineFormat(
        "HAProxy",
        rf"(?:^|[ \t])\S+:\d+ \[(?P<arrival_time>{_CLF_TIME}\.\d{{3}})\] \S+ \S+/\S+ (?:-?\d+/){{4}}"
        rf"\+?(?P<duration_ms>\d+) (?P<status>-1|\d{{3}}) \+?\d+ .*?(?P<request>{_QUOTED})",
    ),
    LineFormat(
        "AWS ALB",
        rf"^(?:https?|h2|grpcs|wss?) (?P<end_time>\S+Z) \S+ \S+ \S+ \S+ \S+ \S+ (?P<status>\d{{3}}) \S+ \S+ \S+ "
        rf"(?P<request>{_QUOTED}) (?P<user_agent>{_QUOTED}) \S+ \S+ \S+ {_QUOTED} {_QUOTED} {_QUOTED} \S+ "
        r"(?P<arrival_time>\S+Z)",
    ),
    LineFormat(
        "Gin (Ollama)",
        rf"\[GIN(?:-debug)?\] (?P<time>\d{{4}}/\d\d/\d\d - \d\d:\d\d:\d\d) \|{_ANSI} *(?P<status>\d{{3}}) *{_ANSI}\| "
        rf"*(?P<duration>{WITH_UNIT}) *\|[^|]*\|{_ANSI} *[A-Z]+ *{_ANSI} *(?P<request>{_QUOTED})",
    ),
    LineFormat(
        "TGI",
        rf"^{_ANSI}(?P<time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\b.*total_time{_ANSI}={_ANSI}\"(?P<total_time>{WITH_UNIT})\"",
    ),
)
_CLIENT = rf"^ {_QUOTED} {_QUOTED}"
"""The referrer and the user agent, in the combined format."""
_TAILS = {  # what follows them in logs of a fixed format: of Traefik, and of nginx in Kubernetes
    "duration_ms": rf'{_CLIENT} \d+ "[^"]*" "[^"]*" (\d+)ms$',
    "request_time": rf"{_CLIENT} \d+ (\d+\.\d{{3}}) \[",
}
_SECONDS_AND_US = r"(?: |^)(?:0/\d{1,6}|(\d+)/\1\d{6})(?: |$)"
"""Apache's %T/%D: a length in whole seconds, and the same one in microseconds."""
_WITH_UNIT = rf'[ "]({WITH_UNIT})(?:[ "]|$)'
_ONE_TIME = r'[ "](\d+\.\d{3})(?:"|$| [^a-zµ])'
"""The form of $request_time, which nginx writes in seconds with three digits."""


def line_format(lines: Sequence[str]) -> tuple[LineFormat, float] | None:
    """Return the format that most of some lines have, and their share; None if no line has one.

    Args:
        lines: first lines of a log.
    """
    shares = {known.name: _share(known.pattern, lines) for known in (*_FIXED, ACCESS_LOG)}
    best = max((*_FIXED, ACCESS_LOG), key=lambda known: shares[known.name])
    return (best, shares[best.name]) if shares[best.name] else None


def with_timing(known: LineFormat, lines: Sequence[str]) -> LineFormat:
    """Return the format of an access log with the column of its durations.

    Args:
        known: its format.
        lines: first lines of the log.

    Raises:
        ValueError: if it has no durations, or if nothing says which number is one, in words.
    """
    if known is not ACCESS_LOG:
        return known
    rests = [found["rest"] for line in lines if (found := re.search(known.pattern, line))]
    for column, pattern in _TAILS.items():
        if _share(pattern, rests) > 0.5:
            return _with_length(known, column, pattern, is_arrival=column == "duration_ms")
    client = f"{_CLIENT}.*?" if _share(_CLIENT, rests) > 0.5 else ""  # what a client calls itself is no label
    rests = [re.sub(_CLIENT, "", rest) for rest in rests]
    labels = {_ALIASES.get(label, label): label for rest in rests for label in _LABEL.findall(rest)}
    for column in (name for duration in _DURATIONS for name in labels if _is_duration(name, duration)):
        # The stamp is that of the arrival in Apache, but not in gunicorn, where both count microseconds.
        is_arrival = unit_of(column) == "us" and not column.startswith("request_time")
        return _with_length(known, column, rf'{client}[ ,;"]{labels[column]}[=:]"?([0-9.]+[a-zµ]*)', is_arrival)
    if _share(_SECONDS_AND_US, rests) > 0.9:
        return _with_length(known, "duration_us", rf"{client} \d+/(\d+)(?: |$)", is_arrival=True)
    if max(len(_LENGTH.findall(rest)) for rest in rests) == 1 and _share(_WITH_UNIT, rests) > 0.5:
        return _with_length(known, "duration", client + _WITH_UNIT)
    numbers = max(len(_NUMBER.findall(rest)) for rest in rests)
    if numbers == 1 and _share(_ONE_TIME, rests) > 0.5:
        return _with_length(known, "request_time", client + _ONE_TIME)
    if numbers > 1:
        raise ValueError("in which several numbers may be the time of a request")
    raise ValueError("in which one number has no name and no unit" if numbers else "without timing")


def _with_length(known: LineFormat, column: str, pattern: str, is_arrival: bool = False) -> LineFormat:
    """Return the format of an access log with a column of durations, behind a stamp of the arrival or of the end."""
    stamped = known.pattern.replace("(?P<time>", "(?P<arrival_time>") if is_arrival else known.pattern
    return replace(known, pattern=stamped, columns={column: pattern})


def _is_duration(column: str, duration: str) -> bool:
    unit = unit_of(column)
    return column == duration or bool(unit and column == f"{duration}_{unit}")


def _share(pattern: str, texts: Sequence[str]) -> float:
    return sum(1 for text in texts if re.search(pattern, text)) / len(texts) if texts else 0.0
